//! What can be wrong with a call about or from a node.

use crate::protocol::Scope;
use crate::protocol::nodes::NodeFault;
use crate::store;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("unknown requestId")]
    UnknownRequest,
    #[error("unknown nodeId")]
    UnknownNode,
    /// Which of the two it is would tell a stranger what there is.
    #[error("node {0} denied")]
    Denied(&'static str),
    #[error("missing scope: {missing}")]
    MissingScope { missing: Scope, required: Vec<Scope> },
    #[error("{0}")]
    Invalid(&'static str),
    /// It is not paired, or nothing of it is approved.
    #[error("node pairing changed while invocation was active")]
    PairingChanged,
    #[error("node not connected")]
    NotConnected,
    /// `node.invoke` does not carry this at all.
    #[error("{reason}")]
    Never { reason: String, command: String },
    #[error("{message}")]
    NotAllowed { reason: &'static str, message: String, command: String },
    /// A control of `system.run` that nothing stands behind.
    #[error("{message}")]
    SystemRun { code: &'static str, message: &'static str, run_id: Option<String> },
    #[error("too many calls wait for this node; try again when one has ended")]
    TooManyCalls,
    #[error("{0}")]
    Failed(Fault),
    /// The node is not approved yet: it tries again by itself.
    #[error(
        "node capability surface is awaiting operator approval; run `openclaw nodes approve {0}` (see `openclaw nodes \
         pending`), then this node retries automatically"
    )]
    AwaitsApproval(String),
    #[error("node runner inventory publication is not current; retry after pairing completes")]
    NotCurrent,
}

/// What a node answered in place of a result, or what came in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub fault: NodeFault,
    /// Whether the node was sent the command.
    pub was_sent: bool,
}

impl Fault {
    pub(super) fn ours(code: &str, message: impl Into<String>) -> Self {
        Self { fault: NodeFault { code: Some(code.to_owned()), message: Some(message.into()) }, was_sent: true }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let trimmed = |text: &Option<String>| text.as_deref().map(str::trim).unwrap_or_default().to_owned();
        let (code, message) = (trimmed(&self.fault.code), trimmed(&self.fault.message));
        let message = if message.is_empty() { "node invoke failed" } else { &message };
        if code.is_empty() { formatter.write_str(message) } else { write!(formatter, "{code}: {message}") }
    }
}
