//! `gateway.tailscale.mode`, `node: "host"` and `publicPaths`: how the gateway is offered by Serve and Funnel.

use std::path::PathBuf;

use super::super::layers::Layers;
use super::super::raw::{Bind, Gateway, Node, Tailscale, TailscaleMode};
use super::{HookSettings, named};
use crate::protocol::config::Issue;
use crate::tailnet::{Exposure, HostSettings, Offer, PublicPaths};

/// Where tailscaled listens for commands on Linux; macOS has it elsewhere (tailscale.com `paths`).
const SOCKET: &str =
    if cfg!(target_os = "macos") { "/var/run/tailscaled.socket" } else { "/var/run/tailscale/tailscaled.sock" };
/// Of Funnel (tailscale.com `ipn.CheckFunnelPort`).
const PORTS: [u16; 3] = [443, 8443, 10_000];
const DEFAULT_PUBLIC_PORT: u16 = 8443;

/// This machine's tailscaled, where it is to be used.
pub(super) fn host(gateway: &Gateway, layers: &Layers, issues: &mut Vec<Issue>) -> Option<HostSettings> {
    let tailscale = &gateway.tailscale;
    if tailscale.node != Some(Node::Host) {
        return None;
    }
    if gateway.bind == Some(Bind::Tailnet) {
        let fix = "use gateway.tailscale.mode \"serve\" with it, or node \"embedded\" for a node of the gateway's own";
        issues.push(named(layers, "gateway.bind", format!("\"tailnet\" is not there with node \"host\": {fix}")));
    }
    Some(HostSettings { socket: PathBuf::from(tailscale.socket.as_deref().unwrap_or(SOCKET)) })
}

/// What is offered. `is_password_mode`: strangers are asked for a password.
pub(super) fn resolve(
    gateway: &Gateway,
    hooks: Option<&HookSettings>,
    is_password_mode: bool,
    layers: &Layers,
    issues: &mut Vec<Issue>,
) -> Exposure {
    const MODE: &str = "gateway.tailscale.mode";
    let tailscale = &gateway.tailscale;
    let offer = match tailscale.mode {
        TailscaleMode::Off => Offer::None,
        TailscaleMode::Serve => Offer::Tailnet,
        TailscaleMode::Funnel => Offer::Everyone,
    };
    let public = public_paths(tailscale, hooks, layers, issues);
    if offer == Offer::Everyone && !is_password_mode {
        let fix =
            "set gateway.auth.mode to \"password\" with a password, or the mode to \"serve\" for the tailnet alone";
        issues.push(named(layers, MODE, format!("\"funnel\" shows the gateway to the whole internet: {fix}")));
    }
    if tailscale.node == Some(Node::Off) && (offer != Offer::None || public.is_some()) {
        let fix = "set gateway.tailscale.node to \"embedded\" or \"host\"";
        issues.push(named(layers, MODE, format!("Serve and Funnel need a node, which is off: {fix}")));
    }
    if let Some(public) = public.as_ref().filter(|public| offer != Offer::None && public.port == 443) {
        let fix = "set gateway.tailscale.publicPort to 8443 or 10000";
        let what = format!("{} is the gateway's own port under Serve and Funnel: {fix}", public.port);
        issues.push(named(layers, "gateway.tailscale.publicPort", what));
    }
    Exposure { offer, public }
}

fn public_paths(
    tailscale: &Tailscale,
    hooks: Option<&HookSettings>,
    layers: &Layers,
    issues: &mut Vec<Issue>,
) -> Option<PublicPaths> {
    const KEY: &str = "gateway.tailscale.publicPaths";
    let port = tailscale.public_port.unwrap_or(DEFAULT_PUBLIC_PORT);
    if !PORTS.contains(&port) {
        let fix = "use 8443 or 10000, or 443 where mode is \"off\"";
        issues.push(named(layers, "gateway.tailscale.publicPort", format!("Funnel has no port {port}: {fix}")));
    }
    if tailscale.public_paths.is_empty() {
        return None;
    }
    let Some(hooks) = hooks else {
        let fix = "set hooks.enabled and hooks.token, or take the paths out";
        issues.push(named(layers, KEY, format!("has paths, but no hooks are behind them: {fix}")));
        return None;
    };
    for path in &tailscale.public_paths {
        let below = path.strip_prefix(&hooks.path);
        if !below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let fix = format!("only hooks can be public; write {:?}, or a path below it", hooks.path);
            issues.push(named(layers, KEY, format!("{path:?} is no hook's path: {fix}")));
        }
    }
    let paths = tailscale.public_paths.iter().map(|path| path.trim_end_matches('/').to_owned()).collect();
    Some(PublicPaths { port, paths })
}
