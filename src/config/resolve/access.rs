//! `gateway.auth.*` and who stands before the gateway: the shared secret or the proxy's word, and whether a tailnet
//! identity is enough.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::layers::{Layers, Source};
use super::super::raw::{Auth, AuthMode, Gateway, RateLimit as RawRateLimit, Require as RawRequire};
use super::super::{ConfigError, Paths, issue, token};
use super::{SecretOrigin, named};
use crate::auth::{
    DEFAULT_CAPABILITY, DEFAULT_HANDSHAKE_TIMEOUT, IdentityScopes, Mode, NamesNobody, RateLimit, Require, Roles,
    Settings, TrustedProxy, Who,
};
use crate::net;
use crate::net::bind::BindMode;
use crate::net::forwarded::Proxies;
use crate::protocol::Scope;
use crate::protocol::config::Issue;
use crate::secret::Secret;

const MODE: &str = "gateway.auth.mode";
const TOKEN: &str = "gateway.auth.token";
const PASSWORD: &str = "gateway.auth.password";
const TRUSTED_PROXIES: &str = "gateway.trustedProxies";

/// Who may come in, the shared secret possibly still to be made.
#[derive(Debug)]
pub struct AccessDraft {
    plan: Plan,
    /// All but the mode, which the plan becomes.
    rest: Settings,
}

#[derive(Debug)]
enum Plan {
    None,
    Token(Secret<String>, SecretOrigin),
    Password(Secret<String>, SecretOrigin),
    /// Nobody configured a secret: the one in the token file, or a new one.
    GeneratedToken,
    /// The origin is of its password for this machine.
    TrustedProxy(TrustedProxy, SecretOrigin),
}

impl AccessDraft {
    /// `none`, `token`, `password` or `trusted-proxy`.
    #[must_use]
    pub const fn mode_name(&self) -> &'static str {
        match self.plan {
            Plan::None => "none",
            Plan::Token(..) | Plan::GeneratedToken => "token",
            Plan::Password(..) => "password",
            Plan::TrustedProxy(..) => "trusted-proxy",
        }
    }

    #[must_use]
    pub const fn allows_tailscale(&self) -> bool {
        self.rest.allow_tailscale
    }

    #[must_use]
    pub const fn roles(&self) -> Option<&Roles> {
        self.rest.roles.as_ref()
    }

    /// The proxies whose word counts.
    #[must_use]
    pub fn trusted_proxies(&self) -> &[IpNet] {
        &self.rest.proxies.trusted
    }

    pub(super) const fn configured(&self) -> Option<&Secret<String>> {
        match &self.plan {
            Plan::Token(secret, _) | Plan::Password(secret, _) => Some(secret),
            Plan::TrustedProxy(proxy, _) => proxy.password.as_ref(),
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
            Plan::TrustedProxy(proxy, origin) => (Mode::TrustedProxy(proxy), origin),
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
        let settings = Settings { mode, ..self.rest };
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
    // As OpenClaw has it: a password or a proxy is a decision against coming in without it.
    let is_decided = matches!(plan, Plan::Password(..) | Plan::TrustedProxy(..));
    let allow_tailscale = auth.allow_tailscale.unwrap_or(has_node && !is_decided);
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
    let rest = Settings {
        allow_tailscale,
        require: match auth.tailscale.require {
            RawRequire::Login => Require::Login,
            RawRequire::Grant => Require::Grant,
        },
        capability: auth.tailscale.capability.clone().unwrap_or_else(|| DEFAULT_CAPABILITY.to_owned()),
        allow: people(&auth.tailscale.allow, "gateway.auth.tailscale.allow", issues),
        deny: people(&auth.tailscale.deny, "gateway.auth.tailscale.deny", issues),
        identity_scopes: identity_scopes(auth, issues),
        roles: super::roles::resolve(gateway, issues),
        allowed_origins: allowed_origins(gateway, issues),
        host_header_fallback: gateway.control_ui.dangerously_allow_host_header_origin_fallback,
        proxies: Proxies { trusted: trusted_proxies(gateway, issues), accept_real_ip: gateway.allow_real_ip_fallback },
        rate_limit: rate_limit(&auth.rate_limit),
        handshake_timeout: gateway.handshake_timeout_ms.map_or(DEFAULT_HANDSHAKE_TIMEOUT, Duration::from_millis),
        ..Settings::of(Mode::None)
    };
    AccessDraft { plan, rest }
}

fn plan(gateway: &Gateway, layers: &Layers, issues: &mut Vec<Issue>) -> Plan {
    let auth = &gateway.auth;
    match mode(gateway, layers) {
        AuthMode::None => Plan::None,
        AuthMode::Token => match &auth.token {
            Some(token) => Plan::Token(token.clone(), origin(layers, TOKEN)),
            None => Plan::GeneratedToken,
        },
        AuthMode::TrustedProxy => trusted_proxy(gateway, layers, issues),
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

/// The proxy's word counts for everything, so a rule that is missing here is a mistake and no default.
fn trusted_proxy(gateway: &Gateway, layers: &Layers, issues: &mut Vec<Issue>) -> Plan {
    let (auth, raw) = (&gateway.auth, &gateway.auth.trusted_proxy);
    let because = format!("because {} is \"trusted-proxy\"", layers.name(MODE));
    if gateway.trusted_proxies.is_empty() {
        let fix = "list the addresses of your proxies, as in [\"192.0.2.1\"]";
        issues.push(issue(TRUSTED_PROXIES, format!("is needed {because}: {fix}")));
    }
    if auth.token.is_some() {
        let fix = "remove it, or choose the mode \"token\"";
        issues.push(named(layers, TOKEN, format!("cannot be set {because}: {fix}")));
    }
    let name = "gateway.auth.trustedProxy.userHeader";
    match &raw.user_header {
        None => {
            let fix = "name the header that your proxy fills in, as in \"x-forwarded-user\"";
            issues.push(issue(name, format!("is needed {because}: {fix}")));
        }
        Some(header) => header_name(header, name, issues),
    }
    for header in &raw.required_headers {
        header_name(header, "gateway.auth.trustedProxy.requiredHeaders", issues);
    }
    let proxy = TrustedProxy {
        user_header: raw.user_header.clone().unwrap_or_default(),
        required_headers: raw.required_headers.clone(),
        allow_users: raw.allow_users.clone(),
        allow_loopback: raw.allow_loopback,
        password: auth.password.clone(),
    };
    let origin = if proxy.password.is_some() { origin(layers, PASSWORD) } else { SecretOrigin::None };
    Plan::TrustedProxy(proxy, origin)
}

fn header_name(name: &str, key: &str, issues: &mut Vec<Issue>) {
    if http::HeaderName::try_from(name).is_err() {
        issues.push(issue(key, format!("{name:?} is no name of a header: write it as in \"x-forwarded-user\"")));
    }
}

fn trusted_proxies(gateway: &Gateway, issues: &mut Vec<Issue>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for entry in &gateway.trusted_proxies {
        let text = entry.trim();
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(|address| address.to_canonical().into())) {
            Ok(network) => networks.push(network),
            Err(_) => {
                let fix = "write \"192.0.2.1\" or \"10.0.0.0/8\"";
                issues.push(issue(TRUSTED_PROXIES, format!("{entry:?} is no address and no network: {fix}")));
            }
        }
    }
    networks
}

/// An entry that names nobody would let everybody through a list that is there to keep them out.
fn people(entries: &[String], key: &'static str, issues: &mut Vec<Issue>) -> Vec<Who> {
    let mut people = Vec::new();
    for entry in entries {
        match Who::parse(entry) {
            Ok(who) => people.push(who),
            Err(NamesNobody) => {
                let fix = "write \"alice@example.com\", \"*@example.com\", \"tag:laptop\" or \"*\"";
                issues.push(issue(key, format!("{entry:?} names nobody: {fix}")));
            }
        }
    }
    people
}

fn identity_scopes(auth: &Auth, issues: &mut Vec<Issue>) -> IdentityScopes {
    const KEY: &str = "gateway.auth.identityScopes";
    let mut entries = Vec::new();
    for (login, names) in &auth.identity_scopes {
        if login.trim().is_empty() || login.starts_with("tag:") || login.contains('*') {
            let fix =
                "write a login, as in \"alice@example.com\"; tags are granted rights in the tailnet's policy file";
            issues.push(issue(KEY, format!("{login:?} is no login: {fix}")));
        }
        entries.push((login.clone(), scopes(names, &format!("{KEY}.{login}"), issues)));
    }
    IdentityScopes::new(entries)
}

pub(super) fn scopes(names: &[String], key: &str, issues: &mut Vec<Issue>) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for name in names {
        match Scope::parse(name) {
            Some(scope) => scopes.push(scope),
            None => {
                let known = Scope::ALL.map(Scope::as_str).join(", ");
                issues.push(issue(key, format!("{name:?} is no scope: there are {known}")));
            }
        }
    }
    scopes
}

fn rate_limit(raw: &RawRateLimit) -> RateLimit {
    let default = RateLimit::default();
    RateLimit {
        max_attempts: raw.max_attempts.unwrap_or(default.max_attempts),
        window: raw.window_ms.map_or(default.window, Duration::from_millis),
        lockout: raw.lockout_ms.map_or(default.lockout, Duration::from_millis),
        exempt_loopback: raw.exempt_loopback.unwrap_or(default.exempt_loopback),
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
