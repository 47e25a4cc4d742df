//! `projects.list`.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    /// Followed for callers with `operator.write` alone, since checkouts are paths.
    #[serde(default)]
    pub include_observed: bool,
}

/// A project is a folder that an agent works in. The agent has no workspace and no tool that touches files, so that
/// there is none.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListReply {
    /// Empty.
    pub projects: [(); 0],
    /// Empty, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_projects: Option<[(); 0]>,
}

method!(ProjectsList = "projects.list", Access::Operator(Scope::Read), ListParams => ListReply);

methods![ProjectsList];
