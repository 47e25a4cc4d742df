//! `voicewake.*`: the words that wake a listening device (protocol §6, "Health/system").

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Triggers {
    pub triggers: Vec<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct SetParams {
    /// Texts; anything else in the list is left out, as are blank ones. At most 32 are kept, of 64 letters each.
    #[serde(default)]
    pub triggers: Value,
}

method!(VoicewakeGet = "voicewake.get", Access::Operator(Scope::Read), NoParams => Triggers);
method!(VoicewakeSet = "voicewake.set", Access::Operator(Scope::Write), SetParams => Triggers);

/// Where what was said goes.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RoutingReply {
    pub config: Routing,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    pub version: u32,
    pub default_target: Target,
    pub routes: Vec<Value>,
    pub updated_at_ms: u64,
}

#[derive(Debug, Clone, Copy, Serialize, schemars::JsonSchema)]
#[serde(tag = "mode", rename_all = "lowercase")]
pub enum Target {
    /// The session that the device has open.
    Current,
}

method!(VoicewakeRoutingGet = "voicewake.routing.get", Access::Operator(Scope::Read), NoParams => RoutingReply);

methods![VoicewakeGet, VoicewakeSet, VoicewakeRoutingGet];
