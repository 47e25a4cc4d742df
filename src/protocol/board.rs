//! `board.get` and `progressCard.get`: what an agent draws beside a conversation. Its tools draw it, and it has none
//! yet, so that every board is blank and no session has a card.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, bounds, method, methods};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub session_key: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoardReply {
    pub session_key: String,
    /// 0: never drawn on.
    pub revision: u64,
    /// Empty.
    pub tabs: [(); 0],
    /// Empty.
    pub widgets: [(); 0],
}

method!(BoardGet = "board.get", Access::Operator(Scope::Read), GetParams => BoardReply);

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CardReply {
    /// Always null.
    pub card: Option<()>,
}

method!(ProgressCardGet = "progressCard.get", Access::Operator(Scope::Read), GetParams => CardReply);

methods![BoardGet, ProgressCardGet];
