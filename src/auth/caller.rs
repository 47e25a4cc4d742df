//! Somebody who was let in.

use std::net::IpAddr;
use std::sync::Arc;

use super::settings::Settings;
use crate::net::WhoIs;
use crate::protocol::users::Profile;
use crate::protocol::{Role, Scope, access};

/// How the caller proved to be allowed in (`hello-ok.auth.method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    None,
    Token,
    Password,
    DeviceToken,
    BootstrapToken,
    Tailscale,
    TrustedProxy,
}

impl AuthMethod {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Token => "token",
            Self::Password => "password",
            Self::DeviceToken => "device-token",
            Self::BootstrapToken => "bootstrap-token",
            Self::Tailscale => "tailscale",
            Self::TrustedProxy => "trusted-proxy",
        }
    }

    pub(super) const fn is_shared_secret(self) -> bool {
        matches!(self, Self::Token | Self::Password)
    }
}

#[derive(Debug, Clone)]
pub struct Caller {
    pub(super) role: Role,
    pub(super) scopes: Vec<Scope>,
    pub(super) method: AuthMethod,
    pub(super) device_id: Option<String>,
    pub(super) address: IpAddr,
    pub(super) whois: Option<Arc<WhoIs>>,
    /// Whom a trusted proxy names.
    pub(super) proxy_user: Option<String>,
    pub(super) owner_by_secret: bool,
    /// The rules that let it in.
    pub(super) judged_by: Arc<Settings>,
}

impl Caller {
    /// Whether what let it in would do so again by the rules as they are now: a connection does not outlive the secret or
    /// the mode that it came in by. A device token stands for itself.
    #[must_use]
    pub fn outlives(&self, new: &Settings) -> bool {
        let old = &self.judged_by;
        match self.method {
            AuthMethod::None | AuthMethod::Token | AuthMethod::Password | AuthMethod::TrustedProxy => {
                old.mode == new.mode
            }
            AuthMethod::Tailscale => {
                new.allow_tailscale && old.require == new.require && old.capability == new.capability
            }
            AuthMethod::DeviceToken | AuthMethod::BootstrapToken => true,
        }
    }

    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What it may do here: never more than it asked for.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    #[must_use]
    pub const fn method(&self) -> AuthMethod {
        self.method
    }

    #[must_use]
    pub fn device_id(&self) -> Option<&str> {
        self.device_id.as_deref()
    }

    /// Where it calls from; behind a trusted proxy, the client's.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// For the log: the login or the tags of a tailnet peer, or the name that a trusted proxy gives.
    #[must_use]
    pub fn login(&self) -> Option<String> {
        let Some(whois) = self.whois.as_deref() else {
            return self.proxy_user.clone();
        };
        Some(whois.login().map_or_else(|| whois.tags().join(","), str::to_owned))
    }

    /// The name of the tailnet node behind the connection.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        self.whois.as_deref().map(|whois| whois.node_name.as_str())
    }

    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.role == Role::Operator && access::permits(&self.scopes, scope)
    }

    /// The person behind the connection. A tagged node and a bare program are nobody in particular; the Control UI
    /// with the shared secret is the owner (protocol §3, "Identity").
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        if let Some(crate::net::Owner::User { id, login, display_name }) = self.whois.as_deref().map(|who| &who.owner) {
            return Some(Profile {
                id: format!("tailscale:{id}"),
                display_name: Some(display_name.clone()).filter(|name| !name.is_empty()),
                emails: vec![login.clone()],
            });
        }
        if let Some(user) = &self.proxy_user {
            let emails = if user.contains('@') { vec![user.clone()] } else { Vec::new() };
            return Some(Profile { id: format!("trusted-proxy:{user}"), display_name: Some(user.clone()), emails });
        }
        self.owner_by_secret.then(|| Profile { id: "gateway-owner".to_owned(), display_name: None, emails: Vec::new() })
    }
}

#[cfg(test)]
impl Caller {
    /// An operator who came in by the shared secret of these rules.
    #[must_use]
    pub fn by_secret(judged_by: Arc<Settings>) -> Self {
        Self {
            role: Role::Operator,
            scopes: Vec::new(),
            method: AuthMethod::Token,
            device_id: None,
            address: IpAddr::from([127, 0, 0, 1]),
            whois: None,
            proxy_user: None,
            owner_by_secret: false,
            judged_by,
        }
    }
}
