//! Tools that the agent can use: there are none yet. What is here is how the use of one is refused, for
//! `tools.invoke` and `POST /tools/invoke` alike.

use super::Agent;

/// Why a tool cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    #[error("Tool not available: {0}")]
    NotAvailable(String),
    #[error("Unknown agent id \"{0}\"")]
    UnknownAgent(String),
}

impl ToolError {
    /// OpenClaw's word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAvailable(_) => "not_found",
            Self::UnknownAgent(_) => "validation_error",
        }
    }
}

impl Agent {
    /// Why this tool cannot be used, by the agent that was asked for.
    #[must_use]
    pub fn refuse_tool(&self, name: &str, agent_id: Option<&str>) -> ToolError {
        match agent_id {
            Some(asked) if asked != self.id() => ToolError::UnknownAgent(asked.to_owned()),
            _ => ToolError::NotAvailable(name.to_owned()),
        }
    }
}
