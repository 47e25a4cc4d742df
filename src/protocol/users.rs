//! `users.self` and `users.prefs.*`: the person behind a connection, and what they prefer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SelfReply {
    pub profile: SelfProfile,
}

/// Who somebody is, as far as a connection shows it.
#[derive(Debug, Clone)]
pub struct Profile {
    pub id: String,
    pub display_name: Option<String>,
    /// The tailnet login; empty for the owner by shared secret.
    pub emails: Vec<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfProfile {
    pub id: String,
    pub display_name: Option<String>,
    /// Nobody can upload a picture, join profiles or connect GitHub here: these four never change.
    pub avatar_mime: Option<String>,
    pub merged_into: Option<String>,
    pub github_identity: Option<Value>,
    pub has_avatar: bool,
    /// When the gateway first saw them.
    pub created_at: u64,
    pub updated_at: u64,
    pub emails: Vec<String>,
    /// What was assigned to them under `gateway.roles`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

method!(
    /// FORBIDDEN for a caller that is nobody in particular.
    UsersSelf = "users.self", Access::Operator(Scope::Read), NoParams => SelfReply
);

/// All whom the tailnet or a trusted proxy has named here, and the owner.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReply {
    pub profiles: Vec<SelfProfile>,
}

method!(UsersList = "users.list", Access::Operator(Scope::Read), NoParams => ListReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetRoleParams {
    pub profile_id: String,
    /// A name under `gateway.roles.definitions`; `null` takes the assignment back. It has to be told.
    #[serde(deserialize_with = "Option::deserialize")]
    pub role: Option<String>,
}

method!(
    /// The person's connections end with 4001 `operator role changed`, the caller's own after the answer. INVALID_REQUEST
    /// for a role that is not defined, somebody who never came in, and the owner, who has none.
    UsersSetRole = "users.setRole", Access::Operator(Scope::Admin), SetRoleParams => SelfReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct PrefsGetParams {
    /// All unless told.
    #[serde(default)]
    pub keys: Option<Vec<String>>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PrefsGetReply {
    Ok {
        entries: BTreeMap<String, Value>,
    },
    /// The caller is nobody in particular.
    NoDurableIdentity,
}

method!(UsersPrefsGet = "users.prefs.get", Access::Operator(Scope::Read), PrefsGetParams => PrefsGetReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrefsSetParams {
    /// At most 32, names of up to 256 letters, values of up to 4,096 bytes as JSON; `null` removes one.
    pub entries: BTreeMap<String, Value>,
    /// Nothing is stored unless these stand as told; `null` is for one that is not there.
    #[serde(default)]
    pub expected_entries: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PrefsSetReply {
    Ok,
    Conflict,
    NoDurableIdentity,
}

method!(
    /// INVALID_REQUEST with USER_PREFS_LIMIT_EXCEEDED{limit,currentCount} past 128 keys a profile.
    UsersPrefsSet = "users.prefs.set", Access::Operator(Scope::Write), PrefsSetParams => PrefsSetReply
);

/// The body of `users.prefs.changed`.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrefsChanged {
    pub profile_id: String,
    pub keys: Vec<String>,
}

methods![UsersSelf, UsersList, UsersSetRole, UsersPrefsGet, UsersPrefsSet];
