//! From checked values to the `Settings` of each module, one function a section. Defaults are chosen here and nowhere
//! else.
//!
//! A [`Draft`] is everything but the shared secret that may still have to be made: commands that only look work with
//! it and write nothing. [`Draft::complete`] gives the [`Resolved`] that a gateway starts from.

mod access;
mod agent;
mod discovery;
mod exposure;
mod hooks;
mod http;
mod listen;
mod oauth;
mod pairing;
mod remote;
mod roles;
mod tailnet;
mod tls;

use std::path::PathBuf;

pub use access::AccessDraft;
pub use hooks::{HookMapping, HookSettings};
pub use http::{ControlUiSettings, HttpSettings};
pub use remote::{RemoteNode, RemoteSettings, SshHostKeys, Transport};
pub use tailnet::default_hostname;

use super::layers::{self, Layers, Missing, Overrides};
use super::raw::{Raw, ReloadMode as RawReloadMode};
use super::{ConfigError, Document, Environment, Paths, check, issue, secrets, token};
use crate::protocol::config::Issue;
use crate::secret::Secret;
use crate::{
    agent as agent_module, auth, discovery as discovery_module, net, nodes, pairing as pairing_module,
    tailnet as tailnet_module, tls as tls_module,
};

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub paths: Paths,
    pub bind: net::bind::Settings,
    pub patience: net::Patience,
    pub auth: auth::Settings,
    pub pairing: pairing_module::Settings,
    pub nodes: nodes::Settings,
    /// `None`: no node of a tailnet.
    pub tailnet: Option<tailnet_module::Settings>,
    /// This machine's tailscaled, where it is the node.
    pub host: Option<tailnet_module::HostSettings>,
    pub exposure: tailnet_module::Exposure,
    /// `None`: the kernel's listeners speak plain HTTP.
    pub tls: Option<tls_module::Settings>,
    pub discovery: discovery_module::Settings,
    pub agent: agent_module::Settings,
    pub http: HttpSettings,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    pub secret_origin: SecretOrigin,
    pub reload: ReloadMode,
    /// What it was made of.
    pub(super) basis: Basis,
    /// What works but should be looked at; for the log.
    pub warnings: Vec<Issue>,
}

/// `gateway.reload.mode`: what becomes of a change of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadMode {
    /// Seen and told, but nothing changes before the next start.
    Off,
    /// What can change does, the rest waits for the next start.
    Hybrid,
}

/// File, environment and flags together, and the latter two alone for the next time.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) layers: Layers,
    pub(super) environment: Environment,
    pub(super) overrides: Overrides,
}

/// Where the shared secret came from. A printed link may carry only one that the gateway made itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretOrigin {
    /// There is none: authentication is off, or a proxy's.
    None,
    /// The flag's name.
    Flag(&'static str),
    /// The variable's name.
    Environment(String),
    ConfigFile,
    /// Made by the gateway and kept here.
    TokenFile(PathBuf),
}

/// Everything that can be known without writing.
#[derive(Debug)]
pub struct Draft {
    pub paths: Paths,
    pub bind: net::bind::Settings,
    pub patience: net::Patience,
    pub access: AccessDraft,
    pub pairing: pairing_module::Settings,
    pub nodes: nodes::Settings,
    pub tailnet: Option<tailnet_module::Settings>,
    /// This machine's tailscaled, where it is the node.
    pub host: Option<tailnet_module::HostSettings>,
    pub exposure: tailnet_module::Exposure,
    pub tls: Option<tls_module::Settings>,
    pub discovery: discovery_module::Settings,
    pub agent: agent_module::Settings,
    pub http: HttpSettings,
    /// The gateway elsewhere, for the commands of this machine.
    pub remote: RemoteSettings,
    pub log_level: String,
    pub(super) reload: ReloadMode,
    pub(super) basis: Basis,
}

impl Draft {
    /// The shared secret as it stands: configured, or made by an earlier start. `None` where authentication is off
    /// or no gateway ever started.
    ///
    /// # Errors
    /// A token file that is there but cannot be read.
    pub fn secret(&self) -> Result<Option<Secret<String>>, ConfigError> {
        if let Some(secret) = self.access.configured() {
            return Ok(Some(secret.clone()));
        }
        if !self.access.wants_generated_token() {
            return Ok(None);
        }
        let path = self.paths.token_file();
        match token::read(&path) {
            Ok(stored) => Ok(stored.map(|stored| stored.token)),
            Err(error) => Err(ConfigError::one(path.display().to_string(), format!("cannot be read: {error}"))),
        }
    }

    /// Makes the state folder and, where it is needed, the token.
    ///
    /// # Errors
    /// A state folder that cannot be written.
    pub fn complete(self) -> Result<Resolved, ConfigError> {
        let folder = &self.paths.state_dir;
        self.paths.create_state_dir().map_err(|error| {
            let fix = "set TAILCLAW_STATE_DIR to a folder that you can write";
            ConfigError::one(folder.display().to_string(), format!("cannot be created: {error}; {fix}"))
        })?;
        let mut warnings = Vec::new();
        let (auth, secret_origin) = self.access.complete(&self.paths, &mut warnings)?;
        Ok(Resolved {
            paths: self.paths,
            bind: self.bind,
            patience: self.patience,
            auth,
            pairing: self.pairing,
            nodes: self.nodes,
            tailnet: self.tailnet,
            host: self.host,
            exposure: self.exposure,
            tls: self.tls,
            discovery: self.discovery,
            agent: self.agent,
            http: self.http,
            log_level: self.log_level,
            secret_origin,
            reload: self.reload,
            basis: self.basis,
            warnings,
        })
    }
}

/// See [`super::load`].
pub(super) fn draft(
    document: &Document,
    paths: Paths,
    environment: &Environment,
    overrides: &Overrides,
) -> Result<Draft, ConfigError> {
    let mut issues = Vec::new();
    let mut file = document.value().clone();
    layers::substitute(&mut file, "", environment, Missing::Mistake, &mut issues);
    let mut found = Vec::new();
    let file = check::root(file, &mut found);
    // A missing variable leaves an empty text behind; saying that too would not help.
    found.retain(|found| !issues.iter().any(|missing| missing.path == found.path));
    issues.append(&mut found);
    let mut layers = layers::merge(file, environment, overrides, &mut issues);
    secrets::resolve(&mut layers.value, environment, &mut issues);
    let basis = Basis { layers, environment: environment.clone(), overrides: overrides.clone() };
    settle(basis, paths, issues)
}

/// From values that were checked one by one to settings that fit together. `issues` are those known so far.
pub(super) fn settle(basis: Basis, paths: Paths, mut issues: Vec<Issue>) -> Result<Draft, ConfigError> {
    let (layers, environment) = (&basis.layers, &basis.environment);
    let raw = Raw::from_checked(layers.value.clone(), &mut issues);
    let tailnet = tailnet::resolve(&raw.gateway, layers, &paths, &mut issues);
    let bind = listen::resolve(&raw.gateway, tailnet.as_ref(), layers, &mut issues);
    let host = exposure::host(&raw.gateway, layers, &mut issues);
    let access = access::resolve(&raw.gateway, &bind, tailnet.is_some() || host.is_some(), layers, &mut issues);
    let tls = tls::resolve(&raw.gateway.tls, environment, &paths, &mut issues);
    let pairing = pairing::resolve(&raw.gateway, &mut issues);
    let nodes = pairing::nodes(&raw.gateway);
    let agent = agent::resolve(&raw, environment, &mut issues);
    let remote = remote::resolve(&raw.gateway, layers, environment, &mut issues);
    let http = http::resolve(&raw, access.configured(), environment, &mut issues);
    let is_password_mode = access.mode_name() == "password";
    let exposure = exposure::resolve(&raw.gateway, http.hooks.as_ref(), is_password_mode, layers, &mut issues);
    if !issues.is_empty() {
        return Err(ConfigError { issues });
    }
    Ok(Draft {
        paths,
        bind,
        patience: listen::patience(&raw.gateway),
        access,
        pairing,
        nodes,
        tailnet,
        host,
        exposure,
        tls,
        discovery: discovery::resolve(&raw.discovery, environment),
        agent,
        http,
        remote,
        log_level: log_level(raw.logging.level.as_deref()),
        reload: match raw.gateway.reload.mode {
            RawReloadMode::Hybrid => ReloadMode::Hybrid,
            RawReloadMode::Off => ReloadMode::Off,
        },
        basis,
    })
}

/// OpenClaw's names that tracing does not have are the nearest that it has.
fn log_level(name: Option<&str>) -> String {
    match name {
        Some("silent") => "off",
        Some("fatal") => "error",
        Some(level) => level,
        None => "info",
    }
    .to_owned()
}

/// The name under which a key is known to the person: its path, or the flag or variable that set it.
fn named(layers: &Layers, key: &str, message: impl Into<String>) -> Issue {
    issue(layers.name(key), message)
}

fn is_http_url(text: &str) -> bool {
    text.parse::<::http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}

#[cfg(test)]
mod tests;
