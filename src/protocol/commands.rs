//! `commands.list`.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, bounds, method, methods};

/// `sessionKey`, `provider` and `includeArgs` are not looked at: every session and every channel has the same commands,
/// and none of them has arguments with names.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default, deserialize_with = "bounds::constant")]
    pub scope: Option<Surface>,
}

/// Where a command can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// Written into a message.
    Text,
    /// By a channel's own menu.
    Native,
    Both,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReply {
    pub commands: Vec<CommandRow>,
}

/// A command that `chat.send` understands.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandRow {
    pub name: &'static str,
    pub native_name: &'static str,
    pub text_aliases: Vec<&'static str>,
    pub description: &'static str,
    pub category: &'static str,
    pub source: &'static str,
    pub scope: Surface,
    pub accepts_args: bool,
}

method!(CommandsList = "commands.list", Access::Operator(Scope::Read), ListParams => ListReply);

methods![CommandsList];
