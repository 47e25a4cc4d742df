//! `gateway.auth.*`: the shared secret, and whether a tailnet identity is enough.

use std::time::Duration;

use super::super::layers::{Layers, Source};
use super::super::raw::{AuthMode, Gateway, Require as RawRequire};
use super::super::{ConfigError, Paths, issue, token};
use super::{SecretOrigin, named};
use crate::auth::{DEFAULT_CAPABILITY, DEFAULT_HANDSHAKE_TIMEOUT, Mode, Require, Settings};
use crate::net::{self, bind::BindMode};
use crate::protocol::config::Issue;
use crate::secret::Secret;

const MODE: &str = "gateway.auth.mode";
const TOKEN: &str = "gateway.auth.token";
const PASSWORD: &str = "gateway.auth.password";

/// Who may come in, the shared secret possibly still to be made.
#[derive(Debug)]
pub struct AccessDraft {
    plan: Plan,
    allow_tailscale: bool,
    require: Require,
    capability: String,
    allowed_origins: Vec<String>,
    handshake_timeout: Duration,
}

#[derive(Debug)]
enum Plan {
    None,
    Token(Secret<String>, SecretOrigin),
    Password(Secret<String>, SecretOrigin),
    /// Nobody configured a secret: the one in the token file, or a new one.
    GeneratedToken,
}

impl AccessDraft {
    /// `none`, `token` or `password`.
    #[must_use]
    pub const fn mode_name(&self) -> &'static str {
        match self.plan {
            Plan::None => "none",
            Plan::Token(..) | Plan::GeneratedToken => "token",
            Plan::Password(..) => "password",
        }
    }

    #[must_use]
    pub const fn allows_tailscale(&self) -> bool {
        self.allow_tailscale
    }

    pub(super) const fn configured(&self) -> Option<&Secret<String>> {
        match &self.plan {
            Plan::Token(secret, _) | Plan::Password(secret, _) => Some(secret),
            Plan::None | Plan::GeneratedToken => None,
        }
    }

    pub(super) const fn wants_generated_token(&self) -> bool {
        matches!(self.plan, Plan::GeneratedToken)
    }

    pub(super) fn complete(
        self,
        paths: &Paths,
        warnings: &mut Vec<Issue>,
    ) -> Result<(Settings, SecretOrigin), ConfigError> {
        let (mode, origin) = match self.plan {
            Plan::None => (Mode::None, SecretOrigin::None),
            Plan::Token(secret, origin) => (Mode::Token(secret), origin),
            Plan::Password(secret, origin) => (Mode::Password(secret), origin),
            Plan::GeneratedToken => {
                let path = paths.token_file();
                let shown = path.display().to_string();
                let stored = token::read_or_create(&path).map_err(|error| {
                    let fix = "make the folder writable, or set gateway.auth.token";
                    ConfigError::one(shown.clone(), format!("cannot be read or made: {error}; {fix}"))
                })?;
                if stored.is_open {
                    let fix = format!("run: chmod 600 {shown}");
                    warnings.push(issue(shown, format!("other users of this machine can read the token; {fix}")));
                }
                (Mode::Token(stored.token), SecretOrigin::TokenFile(path))
            }
        };
        let settings = Settings {
            allow_tailscale: self.allow_tailscale,
            require: self.require,
            capability: self.capability,
            allowed_origins: self.allowed_origins,
            handshake_timeout: self.handshake_timeout,
            ..Settings::of(mode)
        };
        Ok((settings, origin))
    }
}

pub(super) fn resolve(
    gateway: &Gateway,
    bind: &net::bind::Settings,
    has_node: bool,
    layers: &Layers,
    issues: &mut Vec<Issue>,
) -> AccessDraft {
    let plan = plan(gateway, layers, issues);
    let auth = &gateway.auth;
    // As OpenClaw has it: a password is a decision against coming in without one.
    let allow_tailscale = auth.allow_tailscale.unwrap_or(has_node && !matches!(plan, Plan::Password(..)));
    // Over the tailnet an identity is as good as a secret.
    let is_open = match bind.mode {
        BindMode::Tailnet => !allow_tailscale,
        mode => mode.is_exposed(),
    };
    if matches!(plan, Plan::None) && is_open {
        let fix = "set gateway.auth.token or gateway.auth.password, or bind to loopback";
        let problem = "\"none\" would let in everybody who can reach this address";
        issues.push(named(layers, MODE, format!("{problem}: {fix}")));
    }
    AccessDraft {
        allow_tailscale,
        plan,
        require: match auth.tailscale.require {
            RawRequire::Login => Require::Login,
            RawRequire::Grant => Require::Grant,
        },
        capability: auth.tailscale.capability.clone().unwrap_or_else(|| DEFAULT_CAPABILITY.to_owned()),
        allowed_origins: allowed_origins(gateway, issues),
        handshake_timeout: gateway.handshake_timeout_ms.map_or(DEFAULT_HANDSHAKE_TIMEOUT, Duration::from_millis),
    }
}

fn plan(gateway: &Gateway, layers: &Layers, issues: &mut Vec<Issue>) -> Plan {
    let auth = &gateway.auth;
    match mode(gateway, layers) {
        AuthMode::None => Plan::None,
        AuthMode::Token => match &auth.token {
            Some(token) => Plan::Token(token.clone(), origin(layers, TOKEN)),
            None => Plan::GeneratedToken,
        },
        AuthMode::Password => match &auth.password {
            Some(password) => Plan::Password(password.clone(), origin(layers, PASSWORD)),
            None => {
                let fix = "set it, or TAILCLAW_GATEWAY_PASSWORD, or choose the mode \"token\"";
                issues.push(issue(PASSWORD, format!("is needed because {} is \"password\": {fix}", layers.name(MODE))));
                Plan::GeneratedToken
            }
        },
    }
}

/// The mode if it is set; a secret given by flag says its mode itself. Else the secret that came from nearer to the
/// command line, and a password before a token as in OpenClaw.
fn mode(gateway: &Gateway, layers: &Layers) -> AuthMode {
    let (token, password) = (layers.source(TOKEN), layers.source(PASSWORD));
    let is_flag = |source: Option<&Source>| matches!(source, Some(Source::Flag(_)));
    let by_secret = match (&token, &password) {
        (token, Some(password)) if !token.as_ref().is_some_and(|token| token.outranks(Some(password))) => {
            AuthMode::Password
        }
        _ => AuthMode::Token,
    };
    let secret_by_flag = is_flag(token.as_ref()) || is_flag(password.as_ref());
    match gateway.auth.mode {
        Some(mode) if !secret_by_flag || is_flag(layers.source(MODE).as_ref()) => mode,
        _ => by_secret,
    }
}

fn origin(layers: &Layers, key: &str) -> SecretOrigin {
    match layers.source(key) {
        Some(Source::Flag(name)) => SecretOrigin::Flag(name),
        Some(Source::Environment(name)) => SecretOrigin::Environment(name),
        Some(Source::File) | None => SecretOrigin::ConfigFile,
    }
}

/// An origin is scheme and host, nothing behind it; a path would never match what browsers send.
fn allowed_origins(gateway: &Gateway, issues: &mut Vec<Issue>) -> Vec<String> {
    let origins = &gateway.control_ui.allowed_origins;
    for origin in origins.iter().filter(|origin| *origin != "*") {
        let host = origin.split_once("://").map(|(_, rest)| rest);
        if !super::is_http_url(origin) || host.is_some_and(|host| host.contains('/')) {
            let fix = "write scheme, host and port alone, as in \"https://control.example.com\"";
            issues.push(issue("gateway.controlUi.allowedOrigins", format!("{origin:?} is no origin: {fix}")));
        }
    }
    origins.clone()
}
