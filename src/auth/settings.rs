//! What the configuration says about who may come in.

use std::time::Duration;

use crate::secret::Secret;

#[derive(Debug, Clone)]
pub struct Settings {
    pub mode: Mode,
    /// Let a verified tailnet identity in without a secret.
    pub allow_tailscale: bool,
    pub require: Require,
    /// The name of the capability whose grants carry rights.
    pub capability: String,
    /// Beyond the gateway's own names; `*` allows any.
    pub allowed_origins: Vec<String>,
    /// How long a connection may take to authenticate.
    pub handshake_timeout: Duration,
    /// Connections of one address that have not authenticated yet.
    pub max_unauthenticated_per_address: usize,
}

/// The shared secret, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    None,
    Token(Secret<String>),
    Password(Secret<String>),
}

impl Mode {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token(_) => "token",
            Self::Password(_) => "password",
        }
    }
}

/// What a tailnet identity needs to have rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// A login of this tailnet: every such person is an operator. Tagged and shared-in nodes need a grant.
    Login,
    /// Only what a grant of the policy file says.
    Grant,
}

/// The capability's name unless configured.
pub const DEFAULT_CAPABILITY: &str = "tailclaw.dev/cap/gateway";
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
pub const DEFAULT_MAX_UNAUTHENTICATED: usize = 32;
