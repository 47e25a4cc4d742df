//! `models.list`.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    #[serde(default)]
    pub provider: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReply {
    pub models: Vec<ModelRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRow {
    pub id: String,
    pub name: String,
    pub provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    pub available: bool,
}

method!(ModelsList = "models.list", Access::Operator(Scope::Read), ListParams => ListReply);

methods![ModelsList];
