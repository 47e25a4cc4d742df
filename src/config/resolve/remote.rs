//! `gateway.remote.*`: the gateway elsewhere that this machine's commands talk to in mode `remote`. Nothing of it is
//! for a gateway that runs here; its secrets never become this machine's own.

use std::path::PathBuf;

use ::http::{HeaderName, HeaderValue};

use super::super::layers::Layers;
use super::super::paths::expand;
use super::super::raw::{Gateway, GatewayMode, Remote, SshHostKeyPolicy as RawPolicy, Transport as RawTransport};
use super::super::{Environment, issue};
use super::tailnet;
use crate::net::SshTarget;
use crate::protocol::config::Issue;
use crate::secret::Secret;
use crate::tls::Fingerprint;

#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// Whether commands go there unless told otherwise: mode `remote`.
    pub is_default: bool,
    /// As written; `ws`, `wss`, `http` or `https` with a host.
    pub url: Option<String>,
    pub transport: Transport,
    pub token: Option<Secret<String>>,
    pub password: Option<Secret<String>>,
    pub fingerprint: Option<Fingerprint>,
    /// For a proxy in front of exactly this url. Marked sensitive.
    pub edge_auth: Vec<(HeaderName, HeaderValue)>,
    pub ssh_target: Option<SshTarget>,
    pub ssh_identity: Option<PathBuf>,
    pub ssh_host_keys: SshHostKeys,
    pub remote_port: Option<u16>,
    pub node: RemoteNode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Direct,
    Ssh,
    Tailnet,
}

/// Whose decision it is whether a host key is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshHostKeys {
    /// Only known ones.
    Strict,
    /// As OpenSSH's own configuration says.
    OpenSsh,
}

/// The tailnet node that a command brings along.
#[derive(Debug, Clone)]
pub struct RemoteNode {
    pub auth_key: Option<Secret<String>>,
    pub control_url: Option<String>,
    pub hostname: String,
}

const DEFAULT_HOSTNAME: &str = "tailclaw-cli";
/// A proxy's headers cannot be those that the connection itself is made of.
const TRANSPORT_HEADERS: [&str; 8] = [
    "host",
    "connection",
    "upgrade",
    "content-length",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

pub(super) fn resolve(
    gateway: &Gateway,
    layers: &Layers,
    environment: &Environment,
    issues: &mut Vec<Issue>,
) -> RemoteSettings {
    let raw = &gateway.remote;
    let is_default = gateway.mode == GatewayMode::Remote;
    if is_default {
        needs(raw, layers, issues);
    }
    url(raw, issues);
    RemoteSettings {
        is_default,
        url: raw.url.as_deref().map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned),
        transport: match raw.transport {
            RawTransport::Direct => Transport::Direct,
            RawTransport::Ssh => Transport::Ssh,
            RawTransport::Tailnet => Transport::Tailnet,
        },
        token: raw.token.clone(),
        password: raw.password.clone(),
        fingerprint: fingerprint(raw, issues),
        edge_auth: edge_auth(raw, issues),
        ssh_target: ssh_target(raw, issues),
        ssh_identity: ssh_identity(raw, environment, issues),
        ssh_host_keys: match raw.ssh_host_key_policy {
            RawPolicy::Strict => SshHostKeys::Strict,
            RawPolicy::Openssh => SshHostKeys::OpenSsh,
        },
        remote_port: raw.remote_port,
        node: node(raw, environment, issues),
    }
}

/// What cannot be left out where the commands are to go there.
fn needs(raw: &Remote, layers: &Layers, issues: &mut Vec<Issue>) {
    let mode = layers.name("gateway.mode");
    let has_url = raw.url.as_deref().is_some_and(|url| !url.trim().is_empty());
    match raw.transport {
        RawTransport::Ssh if raw.ssh_target.is_none() => {
            let fix = "write user@host, or set gateway.remote.transport to \"direct\"";
            issues.push(issue("gateway.remote.sshTarget", format!("is needed for the transport \"ssh\": {fix}")));
        }
        RawTransport::Direct | RawTransport::Tailnet if !has_url => {
            let fix =
                "write the gateway's address, as in \"wss://gateway.example.com\", or set gateway.mode to \"local\"";
            issues.push(issue("gateway.remote.url", format!("is needed because {mode} is \"remote\": {fix}")));
        }
        _ => {}
    }
}

fn url(raw: &Remote, issues: &mut Vec<Issue>) {
    let Some(url) = raw.url.as_deref().map(str::trim).filter(|url| !url.is_empty()) else { return };
    let parsed = url.parse::<::http::Uri>().ok();
    let scheme = parsed.as_ref().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let scheme = scheme.and_then(|uri| uri.scheme_str());
    match scheme {
        Some("wss" | "https") => {}
        Some("ws" | "http") => {
            if raw.edge_auth.is_some() {
                let fix = "use wss:// in gateway.remote.url, or remove edgeAuth";
                issues.push(issue("gateway.remote.edgeAuth", format!("is only sent over TLS: {fix}")));
            }
            if raw.tls_fingerprint.is_some() {
                let fix = "use wss:// in gateway.remote.url, or remove tlsFingerprint";
                issues.push(issue("gateway.remote.tlsFingerprint", format!("is for a url with TLS: {fix}")));
            }
        }
        _ => {
            let fix = "write \"wss://gateway.example.com\", or \"ws://host:18789\" in a network of your own";
            issues.push(issue("gateway.remote.url", format!("is no address of a gateway: {fix}")));
        }
    }
}

fn fingerprint(raw: &Remote, issues: &mut Vec<Issue>) -> Option<Fingerprint> {
    match raw.tls_fingerprint.as_deref()?.parse() {
        Ok(fingerprint) => Some(fingerprint),
        Err(error) => {
            let fix = "copy the one that `tailclaw gateway status` shows on the gateway's machine";
            issues.push(issue("gateway.remote.tlsFingerprint", format!("is {error}: {fix}")));
            None
        }
    }
}

fn edge_auth(raw: &Remote, issues: &mut Vec<Issue>) -> Vec<(HeaderName, HeaderValue)> {
    const KEY: &str = "gateway.remote.edgeAuth";
    let Some(entries) = &raw.edge_auth else { return Vec::new() };
    if entries.is_empty() {
        issues.push(issue(KEY, "is empty: name the header that the proxy asks for, or remove the key"));
    }
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (written, secret) in entries {
        let key = format!("{KEY}.{written}");
        let Ok(name) = HeaderName::try_from(written.as_str()) else {
            issues.push(issue(key, "is no name of a header: write it as in \"Cf-Access-Token\""));
            continue;
        };
        if TRANSPORT_HEADERS.contains(&name.as_str()) {
            issues.push(issue(key, "belongs to the connection itself: remove it"));
            continue;
        }
        if headers.iter().any(|(known, _)| *known == name) {
            issues.push(issue(key, "differs from another header only by case: keep one of them"));
            continue;
        }
        match HeaderValue::try_from(secret.expose().as_str()) {
            Ok(mut value) if !value.is_empty() => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            _ => issues.push(issue(key, "has no value that a header can have: store the secret first")),
        }
    }
    headers
}

fn ssh_target(raw: &Remote, issues: &mut Vec<Issue>) -> Option<SshTarget> {
    match raw.ssh_target.as_deref()?.parse() {
        Ok(target) => Some(target),
        Err(error) => {
            issues.push(issue("gateway.remote.sshTarget", format!("is {error}")));
            None
        }
    }
}

fn ssh_identity(raw: &Remote, environment: &Environment, issues: &mut Vec<Issue>) -> Option<PathBuf> {
    let written = raw.ssh_identity.as_deref().map(str::trim).filter(|path| !path.is_empty())?;
    match expand("gateway.remote.sshIdentity", written, environment) {
        Ok(path) => Some(path),
        Err(mut error) => {
            issues.append(&mut error.issues);
            None
        }
    }
}

fn node(raw: &Remote, environment: &Environment, issues: &mut Vec<Issue>) -> RemoteNode {
    let raw = &raw.tailnet;
    let hostname = raw.hostname.as_deref().unwrap_or(DEFAULT_HOSTNAME);
    if !tailnet::is_label(hostname) {
        let fix = "use letters, digits and hyphens, at most 63, as in \"tailclaw-cli\"";
        issues.push(issue("gateway.remote.tailnet.hostname", format!("{hostname:?} is no host name: {fix}")));
    }
    if raw.control_url.as_deref().is_some_and(|url| !super::is_http_url(url)) {
        let fix = "write the control server's address, as in \"https://headscale.example.com\"";
        issues.push(issue("gateway.remote.tailnet.controlUrl", format!("is no http(s) address: {fix}")));
    }
    // The names that Tailscale's own programs read.
    let from_environment = ["TS_AUTHKEY", "TS_AUTH_KEY"].into_iter().find_map(|name| environment.variable(name));
    let from_environment = from_environment.map(|key| Secret::new(key.to_owned()));
    RemoteNode {
        auth_key: raw.auth_key.clone().or(from_environment),
        control_url: raw.control_url.clone(),
        hostname: hostname.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Draft, Environment, Overrides, Paths, load};
    use super::*;

    fn draft(gateway: &str, environment: &Environment) -> Result<Draft, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let config_file = folder.path().join("tailclaw.json");
        std::fs::write(&config_file, format!("{{ gateway: {gateway} }}")).unwrap();
        let paths = Paths { state_dir: folder.path().join("state"), config_file };
        load(paths, environment, &Overrides::default()).map_err(|error| {
            error.issues.into_iter().map(|issue| format!("{}: {}", issue.path, issue.message)).collect()
        })
    }

    #[test]
    fn a_whole_section_is_read() {
        let environment = Environment::from([("HOME", "/home/ada"), ("EDGE", "e"), ("TS_AUTHKEY", "tskey-env")]);
        let draft = draft(
            r#"{ mode: "remote", remote: {
                url: "wss://claw.example", transport: "ssh", token: "t", password: "p",
                tlsFingerprint: "2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824",
                edgeAuth: { "Cf-Access-Token": { source: "env", id: "EDGE" } },
                sshTarget: "ada@claw:2222", sshIdentity: "~/.ssh/id", sshHostKeyPolicy: "openssh", remotePort: 5,
                tailnet: { controlUrl: "http://hs", hostname: "Ada-CLI" } } }"#,
            &environment,
        );
        let remote = draft.unwrap().remote;
        assert!(remote.is_default);
        assert_eq!(remote.url.as_deref(), Some("wss://claw.example"));
        assert_eq!((remote.transport, remote.ssh_host_keys), (Transport::Ssh, SshHostKeys::OpenSsh));
        assert_eq!(remote.token.unwrap().expose(), "t");
        assert_eq!(remote.password.unwrap().expose(), "p");
        assert!(remote.fingerprint.unwrap().to_string().starts_with("2cf24d"));
        let (name, value) = &remote.edge_auth[0];
        assert_eq!((name.as_str(), value.to_str().unwrap(), value.is_sensitive()), ("cf-access-token", "e", true));
        assert_eq!(remote.ssh_target.unwrap().to_string(), "ada@claw:2222");
        assert_eq!(remote.ssh_identity.unwrap().to_str(), Some("/home/ada/.ssh/id"));
        assert_eq!(remote.remote_port, Some(5));
        assert_eq!(remote.node.hostname, "ada-cli");
        assert_eq!(remote.node.auth_key.unwrap().expose(), "tskey-env");
    }

    #[test]
    fn its_secrets_are_not_this_machine_s_own() {
        let draft = draft(
            r#"{ mode: "remote", remote: { url: "wss://claw", token: "theirs", password: "theirs" } }"#,
            &Environment::default(),
        );
        let draft = draft.unwrap();
        assert_eq!(draft.access.mode_name(), "token");
        assert_eq!(draft.secret().unwrap(), None, "the own token is still to be made");
    }

    #[test]
    fn every_mistake_has_its_key_and_its_fix() {
        let mistakes = |remote: &str| {
            draft(&format!("{{ mode: \"remote\", remote: {remote} }}"), &Environment::default()).unwrap_err()
        };
        for (remote, wanted) in [
            ("{}", "gateway.remote.url: is needed"),
            (r#"{ transport: "ssh" }"#, "gateway.remote.sshTarget: is needed"),
            (r#"{ transport: "tailnet" }"#, "gateway.remote.url: is needed"),
            (r#"{ transport: "carrier-pigeon", url: "wss://h" }"#, "gateway.remote.transport"),
            (r#"{ url: "claw" }"#, "gateway.remote.url: is no address"),
            (r#"{ url: "ftp://claw" }"#, "gateway.remote.url: is no address"),
            (r#"{ url: "wss://h", tlsFingerprint: "ab12" }"#, "gateway.remote.tlsFingerprint: is no SHA-256"),
            (r#"{ url: "ws://127.0.0.1:1", edgeAuth: { A: "x" } }"#, "gateway.remote.edgeAuth: is only sent over TLS"),
            (r#"{ url: "wss://h", edgeAuth: {} }"#, "gateway.remote.edgeAuth: is empty"),
            (r#"{ url: "wss://h", edgeAuth: { Host: "x" } }"#, "gateway.remote.edgeAuth.Host: belongs"),
            (r#"{ url: "wss://h", edgeAuth: { "a b": "x" } }"#, "gateway.remote.edgeAuth.a b: is no name"),
            (r#"{ url: "wss://h", edgeAuth: { A: "x", a: "y" } }"#, "gateway.remote.edgeAuth.a: differs"),
            (r#"{ url: "wss://h", edgeAuth: { A: "x\ny" } }"#, "gateway.remote.edgeAuth.A: has no value"),
            (r#"{ url: "wss://h", sshTarget: "-oProxyCommand=x" }"#, "gateway.remote.sshTarget: is no SSH target"),
            (r#"{ url: "wss://h", tailnet: { hostname: "a_b" } }"#, "gateway.remote.tailnet.hostname"),
            (r#"{ url: "wss://h", tailnet: { controlUrl: "hs" } }"#, "gateway.remote.tailnet.controlUrl"),
            (r#"{ url: "wss://h", remotePort: 0 }"#, "gateway.remote.remotePort"),
            (r#"{ url: "wss://h", sshHostKeyPolicy: "no" }"#, "gateway.remote.sshHostKeyPolicy"),
        ] {
            let found = mistakes(remote);
            assert!(found.len() == 1 && found[0].starts_with(wanted), "{remote}: {found:?}");
        }
    }
}
