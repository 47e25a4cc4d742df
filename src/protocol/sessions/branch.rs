//! The branches of a conversation.

use serde::{Deserialize, Serialize};

use crate::protocol::{Access, Scope, bounds, method};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BranchesParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub session_key: String,
    #[serde(default, deserialize_with = "bounds::absent_or_not_empty")]
    pub agent_id: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct BranchesReply {
    pub branches: Vec<Branch>,
}

#[derive(Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// Of the last message.
    pub leaf_entry_id: String,
    /// What was said last, in one line of at most 120 characters.
    pub headline: String,
    pub message_count: u64,
    /// RFC 3339.
    pub updated_at: String,
    pub active: bool,
}

method!(
    /// Conversations do not branch here: there is the one that goes on, once something was said in it. What a reset put
    /// away is no part of it.
    SessionsBranchesList = "sessions.branches.list", Access::Operator(Scope::Read), BranchesParams => BranchesReply
);
