//! The machine around the gateway: its port, and a tailscaled that may open loopback to the tailnet.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::{Check, fail, ok, warn};
use super::running::Answers;
use crate::cli::force;
use crate::config::Draft;
use crate::tailnet::{Host, HostSettings};

/// Where tailscaled takes commands unless it was told otherwise.
const SOCKET: &str = "/var/run/tailscale/tailscaled.sock";
/// It answers from memory.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn port(draft: &Draft, answers: &Answers) -> Vec<Check> {
    const ID: &str = "port";
    let port = draft.bind.port;
    let lock = draft.paths.lock_file();
    // Looking at a lock that is not there would make it.
    let holder = if lock.exists() { force::holder(&lock).ok().flatten() } else { None };
    if let Some(pid) = holder {
        return vec![ok(ID, format!("{port} is for the gateway of this folder, process {}", pid.as_raw_nonzero()))];
    }
    if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
        return vec![ok(ID, format!("{port} is free"))];
    }
    let who = if answers.is_gateway { "another gateway" } else { "another program" };
    let fix =
        format!("tailclaw config set gateway.port {}, or stop what uses it: ss -ltnp 'sport = :{port}'", port ^ 1);
    vec![fail(ID, format!("{port} is taken by {who}"), fix)]
}

/// In userspace mode tailscaled hands what comes from the tailnet to programs that listen on loopback: to them it looks
/// like this machine itself.
pub(super) async fn tailscaled(draft: &Draft) -> Option<Check> {
    const ID: &str = "tailscaled";
    let socket = draft.host.as_ref().map_or_else(|| PathBuf::from(SOCKET), |host| host.socket.clone());
    let is_wanted = draft.host.is_some();
    let Some(found) = ask(&socket).await else {
        let fix =
            "sudo systemctl start tailscaled, or name its socket: tailclaw config set gateway.tailscale.socket PATH";
        return is_wanted.then(|| fail(ID, format!("no tailscaled answers at {}", socket.display()), fix));
    };
    if !found.is_userspace {
        return Some(ok(ID, format!("{} runs beside the gateway, with an interface of its own", found.version)));
    }
    let what =
        "runs without an interface, so the tailnet reaches this machine's loopback ports as if it were this machine";
    let fix = "tailscale set --shields-up, or run tailscaled with a TUN device";
    Some(if draft.access.mode_name() == "none" {
        fail(ID, format!("{what}: with gateway.auth.mode none the whole tailnet may come in"), fix)
    } else {
        warn(ID, format!("{what}; the secret still has to be shown"), fix)
    })
}

struct Found {
    version: String,
    is_userspace: bool,
}

async fn ask(socket: &Path) -> Option<Found> {
    if !socket.exists() {
        return None;
    }
    let host = Host::follow(HostSettings { socket: socket.to_owned() });
    let status = tokio::time::timeout(PATIENCE, host.status()).await.ok()?.ok()?;
    Some(Found { version: status.version, is_userspace: status.is_userspace })
}
