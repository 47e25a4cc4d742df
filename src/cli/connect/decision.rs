//! The one decision where a verb goes and what it shows there. It knows flags, environment and configuration, and asks
//! nobody.
//!
//! Secrets never follow an address that came from elsewhere: what `--url` or `--ssh` names gets what flags say, what
//! `OPENCLAW_GATEWAY_URL` names gets what flags or the environment say, and what the configuration names gets flags, its
//! own `gateway.remote.*`, then the environment, in OpenClaw's order. The one exception are the headers of
//! `gateway.remote.edgeAuth`: they belong to an address, and go to exactly that one whoever named it.

use std::path::{Path, PathBuf};

use ::http::{HeaderName, HeaderValue};

use super::super::failure::Usage;
use crate::client::{Credentials, GatewayUrl, VOUCHED_VARIABLE};
use crate::config::{Draft, Environment, RemoteNode, RemoteSettings, SshHostKeys, Transport};
use crate::net::SshTarget;
use crate::secret::Secret;
use crate::tls::Fingerprint;

const DEFAULT_PORT: u16 = 18_789;

/// What the command line says.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) url: Option<&'a str>,
    pub(super) port: Option<u16>,
    pub(super) credentials: Credentials,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) ssh: Option<&'a SshTarget>,
    pub(super) ssh_identity: Option<&'a Path>,
}

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// With the variable's name.
    url: Option<(String, String)>,
    token: Option<String>,
    password: Option<String>,
    pub(super) vouches_for_names: bool,
}

#[derive(Debug)]
pub(super) enum Plan {
    /// The gateway of this machine.
    Here {
        port: u16,
    },
    Elsewhere(Box<Elsewhere>),
}

#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) origin: Origin,
    pub(super) url: GatewayUrl,
    pub(super) way: Way,
    pub(super) credentials: Credentials,
    /// The certificate, and what it is written in.
    pub(super) pin: Option<(Fingerprint, String)>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// What to say where there is no secret and the gateway is not reached by its tailnet address, where none is needed.
    pub(super) lacks_secret: Option<String>,
}

/// Who named the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Origin {
    Here,
    /// `--url`.
    Url,
    /// `--ssh`.
    Ssh,
    /// The variable's name.
    Environment(String),
    /// `gateway.remote`.
    Configuration,
}

#[derive(Debug, Clone)]
pub(super) enum Way {
    Direct,
    Ssh { target: SshTarget, identity: Option<PathBuf>, strict: bool, remote_port: u16 },
    Node(RemoteNode),
}

impl Around {
    pub(super) fn of(environment: &Environment) -> Self {
        let text = |suffix: &str| environment.ours_or_openclaw(suffix);
        Self {
            url: text("GATEWAY_URL").map(|(name, url)| (name, url.to_owned())),
            token: text("GATEWAY_TOKEN").map(|(_, token)| token.trim().to_owned()),
            password: text("GATEWAY_PASSWORD").map(|(_, password)| password.trim().to_owned()),
            vouches_for_names: environment.variable(VOUCHED_VARIABLE) == Some("1"),
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials { token: secret(self.token.as_ref()), password: secret(self.password.as_ref()) }
    }
}

/// `draft` is the configuration, where there is a usable one. It may only be missing where flags say all.
pub(super) fn decide(said: &Said<'_>, around: &Around, draft: Option<&Draft>) -> anyhow::Result<Plan> {
    let remote = draft.map(|draft| &draft.remote);
    if let Some(target) = said.ssh {
        return Ok(elsewhere(by_ssh(said, around, target, draft)));
    }
    if let Some(url) = said.url {
        return Ok(elsewhere(by_url(said, url, remote)?));
    }
    let here = draft.map_or(DEFAULT_PORT, |draft| draft.bind.port);
    // A port alone means this machine.
    if let Some(port) = said.port {
        return Ok(Plan::Here { port });
    }
    if let Some((name, url)) = &around.url {
        return Ok(elsewhere(by_environment(said, around, (name, url), remote)?));
    }
    match remote {
        Some(remote) if remote.is_default => Ok(elsewhere(by_configuration(said, around, remote)?)),
        _ => Ok(Plan::Here { port: here }),
    }
}

fn elsewhere(plan: Elsewhere) -> Plan {
    Plan::Elsewhere(Box::new(plan))
}

fn by_url(said: &Said<'_>, url: &str, remote: Option<&RemoteSettings>) -> anyhow::Result<Elsewhere> {
    let url = GatewayUrl::parse(url)?;
    let lacks_secret = said.credentials.is_empty().then(|| {
        format!(
            "--url takes no secret from this machine's configuration: pass the one of {url} with --token or --password"
        )
    });
    Ok(Elsewhere {
        origin: Origin::Url,
        way: Way::Direct,
        credentials: said.credentials.clone(),
        pin: pin(said, &url, None)?,
        headers: headers(&url, remote)?,
        url,
        lacks_secret,
    })
}

fn by_environment(
    said: &Said<'_>,
    around: &Around,
    (name, url): (&String, &String),
    remote: Option<&RemoteSettings>,
) -> anyhow::Result<Elsewhere> {
    let url = GatewayUrl::parse(url)?;
    let credentials = if said.credentials.is_empty() { around.credentials() } else { said.credentials.clone() };
    let prefix = name.strip_suffix("URL").unwrap_or_default();
    let lacks_secret = credentials.is_empty().then(|| {
        format!(
            "{name} takes no secret from this machine's configuration: set {prefix}TOKEN or {prefix}PASSWORD beside \
             it, or pass --token or --password"
        )
    });
    Ok(Elsewhere {
        origin: Origin::Environment(name.clone()),
        way: Way::Direct,
        credentials,
        // As OpenClaw has it: in mode remote, the variable is another way to the gateway of the configuration.
        pin: pin(said, &url, remote.filter(|remote| remote.is_default))?,
        headers: headers(&url, remote)?,
        url,
        lacks_secret,
    })
}

fn by_configuration(said: &Said<'_>, around: &Around, remote: &RemoteSettings) -> anyhow::Result<Elsewhere> {
    let written = remote.url.as_deref().map(GatewayUrl::parse).transpose()?;
    let way = match (remote.transport, &remote.ssh_target) {
        (Transport::Ssh, Some(target)) => {
            let port = remote.remote_port.or_else(|| written.as_ref().map(GatewayUrl::port)).unwrap_or(DEFAULT_PORT);
            ssh(target, remote, None, port)
        }
        (Transport::Tailnet, _) => Way::Node(remote.node.clone()),
        // Without a target the configuration is refused.
        (Transport::Direct | Transport::Ssh, _) => Way::Direct,
    };
    let url = match (&way, written) {
        // Seen from the far machine: there it is on loopback, on that port.
        (Way::Ssh { remote_port, .. }, Some(url)) if url.is_loopback() => url.on_port(*remote_port),
        (Way::Ssh { remote_port, .. }, None) => GatewayUrl::local(*remote_port),
        (_, Some(url)) => url,
        (_, None) => return Err(Usage("gateway.remote.url is not set".to_owned()).into()),
    };
    Ok(Elsewhere {
        origin: Origin::Configuration,
        way,
        credentials: remote_credentials(said, around, remote),
        pin: pin(said, &url, Some(remote))?,
        headers: headers(&url, Some(remote))?,
        url,
        lacks_secret: None,
    })
}

fn by_ssh(said: &Said<'_>, around: &Around, target: &SshTarget, draft: Option<&Draft>) -> Elsewhere {
    let remote = draft.map(|draft| &draft.remote);
    // The same machine as in the configuration, so its secrets go where they belong.
    let configured = remote.filter(|remote| remote.ssh_target.as_ref() == Some(target));
    let port = said.port.or_else(|| configured?.remote_port);
    let port = port.or_else(|| Some(draft?.bind.port)).unwrap_or(DEFAULT_PORT);
    let url = GatewayUrl::local(port);
    let credentials = match configured {
        Some(remote) => remote_credentials(said, around, remote),
        None => said.credentials.clone(),
    };
    let lacks_secret = (configured.is_none() && credentials.is_empty()).then(|| {
        format!(
            "--ssh takes no secret from this machine's configuration: pass the one of {target}'s gateway with --token \
             or --password"
        )
    });
    let way = match configured {
        Some(remote) => ssh(target, remote, said.ssh_identity, port),
        None => Way::Ssh {
            target: target.clone(),
            identity: said.ssh_identity.map(Path::to_path_buf),
            strict: true,
            remote_port: port,
        },
    };
    // TLS on the far machine's loopback only where a fingerprint says which.
    let (url, pin) = match said.fingerprint {
        Some(fingerprint) => (url.with_tls(), Some((fingerprint, FLAG.to_owned()))),
        None => (url, None),
    };
    Elsewhere { origin: Origin::Ssh, way, url, credentials, pin, headers: Vec::new(), lacks_secret }
}

fn ssh(target: &SshTarget, remote: &RemoteSettings, identity: Option<&Path>, remote_port: u16) -> Way {
    Way::Ssh {
        target: target.clone(),
        identity: identity.map(Path::to_path_buf).or_else(|| remote.ssh_identity.clone()),
        strict: remote.ssh_host_keys == SshHostKeys::Strict,
        remote_port,
    }
}

/// OpenClaw's order: a token of the configuration before one of the environment, a password the other way round.
/// `gateway.auth.*` is of this machine's own gateway and goes nowhere else.
fn remote_credentials(said: &Said<'_>, around: &Around, remote: &RemoteSettings) -> Credentials {
    if !said.credentials.is_empty() {
        return said.credentials.clone();
    }
    let from_environment = around.credentials();
    Credentials {
        token: remote.token.clone().or(from_environment.token),
        password: from_environment.password.or_else(|| remote.password.clone()),
    }
}

const FLAG: &str = "--tls-fingerprint";

fn pin(
    said: &Said<'_>,
    url: &GatewayUrl,
    remote: Option<&RemoteSettings>,
) -> Result<Option<(Fingerprint, String)>, Usage> {
    if let Some(fingerprint) = said.fingerprint {
        if !url.is_tls() {
            return Err(Usage(format!("{FLAG} is for an address with TLS, and {url} is none: use wss://")));
        }
        return Ok(Some((fingerprint, FLAG.to_owned())));
    }
    let configured = remote.and_then(|remote| remote.fingerprint).filter(|_| url.is_tls());
    Ok(configured.map(|fingerprint| (fingerprint, "gateway.remote.tlsFingerprint".to_owned())))
}

/// To exactly the configured place, and never in the clear.
fn headers(url: &GatewayUrl, remote: Option<&RemoteSettings>) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let Some(remote) = remote.filter(|remote| !remote.edge_auth.is_empty()) else { return Ok(Vec::new()) };
    let Some(configured) = &remote.url else { return Ok(Vec::new()) };
    let is_meant = url.is_tls() && GatewayUrl::parse(configured)?.is_same_place(url);
    Ok(if is_meant { remote.edge_auth.clone() } else { Vec::new() })
}

fn secret(text: Option<&String>) -> Option<Secret<String>> {
    text.filter(|text| !text.is_empty()).cloned().map(Secret::new)
}

#[cfg(test)]
mod tests;
