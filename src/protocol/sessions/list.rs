//! Asking what sessions there are.

use serde::{Deserialize, Serialize};

use super::row::SessionRow;
use crate::protocol::chat::{MessageRole, MessageRow};
use crate::protocol::system::ModelDefaults;
use crate::protocol::{Access, Encoded, Scope, bounds, method};

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ListParams {
    /// From 1; 100 unless told. More than 1,000 is answered with 1,000.
    pub limit: Option<u32>,
    pub offset: Option<u64>,
    #[serde(deserialize_with = "bounds::at_least_one")]
    pub active_minutes: Option<u64>,
    /// Only sessions in which a person has said something.
    pub require_last_interaction: bool,
    pub sort_by: SortBy,
    pub agent_id: Option<String>,
    /// Matched against key, session id and label, without regard to case.
    pub search: Option<String>,
    /// The whole label.
    pub label: Option<String>,
    /// The key of the session that it was made from.
    pub spawned_by: Option<String>,
    /// Without archived ones unless told.
    pub archived: Archived,
    pub include_derived_titles: bool,
    pub include_last_message: bool,
    /// With `people`.
    pub include_people: bool,
    /// Who made the session, who has it, who takes part in it: nobody is told apart here, so nothing is found by these.
    /// `involvingMe` and `ownerFirst` change nothing for the same reason: every session is the gateway's owner's.
    #[serde(deserialize_with = "bounds::absent_or_not_empty")]
    pub creator_id: Option<String>,
    #[serde(deserialize_with = "bounds::absent_or_not_empty")]
    pub owner_id: Option<String>,
    #[serde(deserialize_with = "bounds::absent_or_not_empty")]
    pub involving_profile_id: Option<String>,
    /// No session has a board.
    #[serde(deserialize_with = "bounds::constant")]
    pub board_face: Option<BoardFace>,
}

impl ListParams {
    /// Whether something is asked for that no session has.
    #[must_use]
    pub const fn fits_none(&self) -> bool {
        self.owner_id.is_some() || self.involving_profile_id.is_some() || self.board_face.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BoardFace {
    Chat,
    Dashboard,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SortBy {
    #[default]
    UpdatedAt,
    LastInteractionAt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Archived {
    Only(bool),
    All(AllWord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub enum AllWord {
    #[serde(rename = "all")]
    All,
}

impl Default for Archived {
    fn default() -> Self {
        Self::Only(false)
    }
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListReply {
    pub ts: u64,
    /// Of the database; empty for a caller without `operator.admin`.
    pub path: String,
    pub count: usize,
    pub total_count: u64,
    pub limit_applied: u32,
    /// As it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    pub next_offset: Option<u64>,
    pub has_more: bool,
    /// Who can be filtered by: nobody, as sessions here belong to the gateway's owner.
    pub owners: [(); 0],
    #[serde(flatten)]
    pub people: Option<People>,
    pub defaults: ModelDefaults,
    pub sessions: Encoded<Vec<SessionRow>>,
}

/// Who takes part, where that was asked for: nobody but the owner, who is not listed.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct People {
    pub people: [(); 0],
    pub people_incomplete: bool,
    /// Sessions that were looked through for them, on every page.
    pub people_session_count: u64,
}

method!(SessionsList = "sessions.list", Access::Operator(Scope::Read), ListParams => ListReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewParams {
    /// 1 to 64; what is more is passed over.
    pub keys: Vec<String>,
    /// Messages of each; 12 unless told, at most 50.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Of one message; 240 unless told, at least 20, at most 2,000.
    #[serde(default)]
    pub max_chars: Option<u32>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PreviewReply {
    pub ts: u64,
    pub previews: Vec<Preview>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Preview {
    /// As it was sent.
    pub key: String,
    pub status: PreviewStatus,
    /// Oldest first.
    pub items: Vec<PreviewItem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PreviewStatus {
    Ok,
    Empty,
    Missing,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PreviewItem {
    pub role: MessageRole,
    pub text: String,
}

method!(SessionsPreview = "sessions.preview", Access::Operator(Scope::Read), PreviewParams => PreviewReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescribeParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub key: String,
    #[serde(default)]
    pub include_derived_titles: bool,
    #[serde(default)]
    pub include_last_message: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct DescribeReply {
    pub session: Option<SessionRow>,
}

method!(SessionsDescribe = "sessions.describe", Access::Operator(Scope::Read), DescribeParams => DescribeReply);

/// Exactly one of `key`, `sessionId`, `label`, `shortId`.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResolveParams {
    pub key: Option<String>,
    pub session_id: Option<String>,
    pub label: Option<String>,
    /// The first 8 to 32 digits of a session id, dashes left out.
    pub short_id: Option<String>,
    pub agent_id: Option<String>,
    pub spawned_by: Option<String>,
    /// Answer `{ok: false}` instead of refusing.
    pub allow_missing: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolveReply {
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

method!(SessionsResolve = "sessions.resolve", Access::Operator(Scope::Read), ResolveParams => ResolveReply);

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GetParams {
    pub key: Option<String>,
    /// `key` by its older name.
    pub session_key: Option<String>,
    /// 200 unless told, at most 1,000.
    pub limit: Option<u32>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct GetReply {
    /// Oldest first; none of an unknown session.
    pub messages: Vec<MessageRow>,
}

method!(SessionsGet = "sessions.get", Access::Operator(Scope::Read), GetParams => GetReply);
