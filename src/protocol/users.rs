//! `users.self`: the person behind a connection.

use serde::Serialize;

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SelfReply {
    pub profile: Profile,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The tailnet login; empty for the owner by shared secret.
    pub emails: Vec<String>,
}

method!(
    /// FORBIDDEN for a caller that is nobody in particular.
    UsersSelf = "users.self", Access::Operator(Scope::Read), NoParams => SelfReply
);

methods![UsersSelf];
