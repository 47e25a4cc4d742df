//! `logs.tail`: the gateway's own log file.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, method, methods};

#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailParams {
    /// Where the last call stopped, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    /// 1 to 5,000 lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// At most 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailReply {
    pub file: String,
    pub cursor: u64,
    pub size: u64,
    /// Each one JSON object as text.
    pub lines: Vec<String>,
    /// Lines were left out at the front.
    pub truncated: bool,
    /// The file began anew since `cursor`.
    pub reset: bool,
}

method!(LogsTail = "logs.tail", Access::Operator(Scope::Read), TailParams => TailReply);

methods![LogsTail];
