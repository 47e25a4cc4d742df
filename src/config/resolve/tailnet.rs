//! `gateway.tailscale.*`: whether this gateway is a node of a tailnet, and which.

use std::path::PathBuf;

use super::super::Paths;
use super::super::layers::Layers;
use super::super::raw::{Bind, Gateway, Node, Tailscale, TailscaleMode};
use super::{named, oauth};
use crate::protocol::config::Issue;
use crate::secret::Secret;
use crate::tailnet::Settings;

const DEFAULT_HOSTNAME: &str = "tailclaw";
/// Longest part of a DNS name.
const LABEL: usize = 63;

/// The node starts only when something asks for it: `node` itself, `bind: "tailnet"`, Serve, Funnel, a hostname or a
/// key.
pub(super) fn resolve(gateway: &Gateway, layers: &Layers, paths: &Paths, issues: &mut Vec<Issue>) -> Option<Settings> {
    let tailscale = &gateway.tailscale;
    let binds_tailnet = gateway.bind == Some(Bind::Tailnet);
    if tailscale.node == Some(Node::Off) && binds_tailnet {
        let fix = "set gateway.tailscale.node to \"embedded\", or gateway.bind to \"loopback\"";
        issues.push(named(layers, "gateway.bind", format!("\"tailnet\" needs the node, which is off: {fix}")));
    }
    let is_wanted = match tailscale.node {
        Some(Node::Embedded) => true,
        Some(Node::Off | Node::Host) => false,
        None => {
            let has_key = tailscale.auth_key.is_some() || tailscale.client_secret.is_some();
            let is_offered = tailscale.mode != TailscaleMode::Off || !tailscale.public_paths.is_empty();
            binds_tailnet || is_offered || tailscale.hostname.is_some() || has_key
        }
    };
    let tags = tags(tailscale, layers, issues);
    let auth_key = auth_key(tailscale, is_wanted, layers, issues);
    let oauth = oauth::resolve(tailscale, auth_key.as_ref(), is_wanted, layers, issues);
    // Mistakes below count also while the node is off: they would only wait.
    let settings = Settings {
        hostname: hostname(tailscale, paths, layers, issues),
        control_url: control_url(tailscale, layers, issues),
        auth_key: auth_key.filter(|_| oauth.is_none()),
        oauth,
        tags,
        ephemeral: tailscale.ephemeral,
        state_dir: tailscale.state_dir.as_ref().map_or_else(|| paths.tailnet_dir(), PathBuf::from),
    };
    is_wanted.then_some(settings)
}

/// Profiles of one machine have names of their own without being told.
#[must_use]
pub fn default_hostname(paths: &Paths) -> String {
    let name = match paths.profile() {
        Some(profile) => format!("{DEFAULT_HOSTNAME}-{}", profile.to_ascii_lowercase().replace('_', "-")),
        None => DEFAULT_HOSTNAME.to_owned(),
    };
    let short: String = name.chars().take(LABEL).collect();
    short.trim_end_matches('-').to_owned()
}

pub(super) fn is_label(name: &str) -> bool {
    (1..=LABEL).contains(&name.len())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn hostname(tailscale: &Tailscale, paths: &Paths, layers: &Layers, issues: &mut Vec<Issue>) -> String {
    let Some(name) = &tailscale.hostname else { return default_hostname(paths) };
    if !is_label(name) {
        let fix = "use letters, digits and hyphens, at most 63, as in \"tailclaw\"";
        issues.push(named(layers, "gateway.tailscale.hostname", format!("{name:?} is no host name: {fix}")));
    }
    name.to_ascii_lowercase()
}

fn control_url(tailscale: &Tailscale, layers: &Layers, issues: &mut Vec<Issue>) -> Option<String> {
    let url = tailscale.control_url.as_ref()?;
    if !super::is_http_url(url) {
        let fix = "write the control server's address, as in \"https://headscale.example.com\"";
        issues.push(named(layers, "gateway.tailscale.controlUrl", format!("is no http(s) address: {fix}")));
    }
    Some(url.clone())
}

fn auth_key(
    tailscale: &Tailscale,
    is_wanted: bool,
    layers: &Layers,
    issues: &mut Vec<Issue>,
) -> Option<Secret<String>> {
    from_file("gateway.tailscale.authKey", tailscale.auth_key.as_ref()?, is_wanted, layers, issues)
}

/// `file:/path` names a file that holds the secret, as Tailscale's own `--auth-key` and `--client-secret` have it.
pub(super) fn from_file(
    key: &'static str,
    secret: &Secret<String>,
    is_wanted: bool,
    layers: &Layers,
    issues: &mut Vec<Issue>,
) -> Option<Secret<String>> {
    let Some(path) = secret.expose().strip_prefix("file:") else { return Some(secret.clone()) };
    if !is_wanted {
        return None;
    }
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => {
            issues.push(named(layers, key, format!("the file {path} is empty: put the key into it")));
            None
        }
        Ok(text) => Some(Secret::new(text.trim().to_owned())),
        Err(error) => {
            issues.push(named(layers, key, format!("the file {path} cannot be read: {error}; check the path")));
            None
        }
    }
}

fn tags(tailscale: &Tailscale, layers: &Layers, issues: &mut Vec<Issue>) -> Vec<String> {
    for tag in &tailscale.tags {
        let is_tag = tag.strip_prefix("tag:").is_some_and(|name| {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        });
        if !is_tag {
            let fix = "write it as in \"tag:tailclaw\": letters, digits and hyphens after the prefix";
            issues.push(named(layers, "gateway.tailscale.tags", format!("{tag:?} is no tag: {fix}")));
        }
    }
    tailscale.tags.clone()
}
