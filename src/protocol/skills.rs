//! `skills.status`.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusParams {
    #[serde(default)]
    pub agent_id: Option<String>,
}

/// The agent reads no skills yet: no folder is looked into, and none is found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReply {
    /// Empty.
    pub workspace_dir: &'static str,
    /// Empty.
    pub managed_skills_dir: &'static str,
    pub agent_id: String,
    /// Empty.
    pub skills: [(); 0],
}

method!(SkillsStatus = "skills.status", Access::Operator(Scope::Read), StatusParams => StatusReply);

methods![SkillsStatus];
