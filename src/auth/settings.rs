//! What the configuration says about who may come in.

use std::time::Duration;

use super::people::{IdentityScopes, Who};
use super::roles::Roles;
use crate::net::forwarded::Proxies;
use crate::secret::Secret;

#[derive(Debug, Clone)]
pub struct Settings {
    pub mode: Mode,
    /// Let a verified tailnet identity in without a secret.
    pub allow_tailscale: bool,
    pub require: Require,
    /// The name of the capability whose grants carry rights.
    pub capability: String,
    /// Empty: everybody. Else the tailnet identities that may have rights at all.
    pub allow: Vec<Who>,
    /// Tailnet identities that are shut out, whatever speaks for them.
    pub deny: Vec<Who>,
    /// Empty: a login is worth what `require` says.
    pub identity_scopes: IdentityScopes,
    /// `gateway.roles`; without them nobody has one.
    pub roles: Option<Roles>,
    /// Beyond the gateway's own names; `*` allows any.
    pub allowed_origins: Vec<String>,
    /// Believe any `Host` that a page's `Origin` agrees with. Opens the door to DNS rebinding, and is named so.
    pub host_header_fallback: bool,
    /// Whose word about the client's address counts.
    pub proxies: Proxies,
    pub rate_limit: RateLimit,
    /// How long a connection may take to authenticate.
    pub handshake_timeout: Duration,
    /// Connections of one address that have not authenticated yet.
    pub max_unauthenticated_per_address: usize,
}

impl Settings {
    /// Everything but the mode as it is where nothing is configured.
    #[must_use]
    pub fn of(mode: Mode) -> Self {
        Self {
            mode,
            allow_tailscale: false,
            require: Require::Login,
            capability: DEFAULT_CAPABILITY.to_owned(),
            allow: Vec::new(),
            deny: Vec::new(),
            identity_scopes: IdentityScopes::default(),
            roles: None,
            allowed_origins: Vec::new(),
            host_header_fallback: false,
            proxies: Proxies::default(),
            rate_limit: RateLimit::default(),
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
            max_unauthenticated_per_address: DEFAULT_MAX_UNAUTHENTICATED,
        }
    }
}

/// What a caller without rights of its own has to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    None,
    Token(Secret<String>),
    Password(Secret<String>),
    /// A proxy has asked already, and says in a header who it is.
    TrustedProxy(TrustedProxy),
}

/// `gateway.auth.trustedProxy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxy {
    /// The header that holds the user's name.
    pub user_header: String,
    /// Headers that have to be there for the proxy's word to count.
    pub required_headers: Vec<String>,
    /// Empty: everybody whom the proxy names.
    pub allow_users: Vec<String>,
    /// Believe a proxy on this machine. Then every program here can claim to be anybody.
    pub allow_loopback: bool,
    /// For this machine, where no proxy stands.
    pub password: Option<Secret<String>>,
}

/// `gateway.auth.rateLimit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// So many failures within the window lock a sender out.
    pub max_attempts: usize,
    pub window: Duration,
    pub lockout: Duration,
    /// Only slow this machine down.
    pub exempt_loopback: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            window: Duration::from_secs(60),
            lockout: Duration::from_secs(300),
            exempt_loopback: true,
        }
    }
}

impl Mode {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token(_) => "token",
            Self::Password(_) => "password",
            Self::TrustedProxy(_) => "trusted-proxy",
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
