//! What a command opens on its way to the gateway. It is closed when the command ends, by whatever end.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use super::super::context::Context;
use super::decision::Way;
use super::has_terminal;
use crate::client::Dialler;
use crate::tailnet::rearm_signal_handlers;
use crate::tunnel::{NodeSettings, OwnNode, SshSettings, SshTunnel, State, Step, TunnelError, node_folder};

/// For a person at the terminal to type a passphrase.
const WITH_A_PERSON: Duration = Duration::from_mins(2);
/// The least for a login by SSH or a tailnet to come about, whatever the gateway may take afterwards.
const LEAST: Duration = Duration::from_secs(20);

/// The roads that are open.
#[derive(Debug, Default)]
pub(in super::super) struct Roads {
    open: Mutex<Vec<Road>>,
    opened: Notify,
}

#[derive(Debug)]
enum Road {
    Ssh(SshTunnel),
    Node(OwnNode),
}

impl Roads {
    /// `None`: the system's own way is good enough.
    pub(super) async fn open(&self, way: Way, timeout: Duration, context: &Context) -> anyhow::Result<Option<Dialler>> {
        let (dialler, road) = match way {
            Way::Direct => return Ok(None),
            Way::Ssh { target, identity, strict, remote_port } => {
                let may_ask = has_terminal();
                let within = if may_ask { WITH_A_PERSON } else { timeout.max(LEAST) };
                let via = format!("ssh {target}");
                let settings = SshSettings { target, identity, strict, remote_port, may_ask };
                let tunnel = SshTunnel::open(settings, within).await?;
                (Dialler::Socket { path: tunnel.socket(), via }, Road::Ssh(tunnel))
            }
            Way::Node(node) => {
                let settings = NodeSettings {
                    hostname: node.hostname,
                    control_url: node.control_url,
                    auth_key: node.auth_key,
                    folder: node_folder(&context.paths()?.state_dir),
                };
                let node = OwnNode::join(settings, timeout.max(LEAST), tell).await?;
                (Dialler::Node(node.node()), Road::Node(node))
            }
        };
        self.lock().push(road);
        self.opened.notify_one();
        Ok(Some(dialler))
    }

    /// Closes them all, within some seconds.
    pub(in super::super) async fn close(&self) {
        let roads = std::mem::take(&mut *self.lock());
        for road in roads {
            match road {
                Road::Ssh(tunnel) => tunnel.close().await,
                Road::Node(node) => node.close().await,
            }
        }
    }

    /// Why a connection came to nothing that went by a tunnel. `ssh` says it at the same moment, on another way.
    pub(super) async fn explanation(&self) -> Option<TunnelError> {
        for _ in 0..20 {
            let said = self.lock().iter().find_map(|road| match road {
                Road::Ssh(tunnel) => tunnel.explanation(),
                Road::Node(_) => None,
            });
            if said.is_some() {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        None
    }

    /// Of the tunnel by SSH.
    pub(super) fn ssh_state(&self) -> Option<watch::Receiver<State>> {
        self.lock().iter().find_map(|road| match road {
            Road::Ssh(tunnel) => Some(tunnel.state()),
            Road::Node(_) => None,
        })
    }

    /// Resolves with an exit code when a road is open and the process is asked to end: without one there is nothing to
    /// tidy up, and the usual end of a signal is left as it is.
    pub(in super::super) async fn interrupted(&self) -> u8 {
        self.opened.notified().await;
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        else {
            return std::future::pending().await;
        };
        // A handler must not run on one of Go's small stacks.
        rearm_signal_handlers();
        let signal = tokio::select! {
            _ = interrupt.recv() => rustix::process::Signal::INT,
            _ = terminate.recv() => rustix::process::Signal::TERM,
            _ = hangup.recv() => rustix::process::Signal::HUP,
        };
        // As a shell shows it.
        u8::try_from(signal.as_raw()).map_or(1, |number| 128 + number)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Road>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(step: Step) {
    match step {
        Step::LogIn { url } => {
            eprintln!("to let this machine into the tailnet, open {}", super::super::output::plain(&url))
        }
        Step::WaitForApproval => eprintln!("an admin of the tailnet has to approve this machine; waiting"),
    }
}
