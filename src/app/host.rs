//! The gateway behind this machine's tailscaled: its routes there, and what others see of it.

use std::sync::Arc;

use tokio::sync::watch;

use super::recheck;
use super::tailnet::{describe, learn_names};
use super::{Reader, greeting, spawn_server};
use crate::auth::OwnNames;
use crate::gateway::{Entrance, Gateway};
use crate::protocol::system::{ServeHealth, TailnetHealth};
use crate::tailnet::{Backend, Exposure, Host, HostSettings, ServeState, Teller};

pub(super) struct Served {
    pub settings: HostSettings,
    pub exposure: Exposure,
    pub gateway: Arc<Gateway>,
    pub view: watch::Sender<Option<TailnetHealth>>,
    pub teller: watch::Sender<Option<Teller>>,
    pub own_names: OwnNames,
    pub reader: Reader,
}

impl Served {
    pub(super) fn start(self) {
        self.view.send_replace(Some(TailnetHealth { state: "Starting", ..TailnetHealth::default() }));
        self.gateway.shutdown.clone().spawn(async move {
            let host = Host::follow(self.settings.clone());
            let teller = Teller::Host(host.clone());
            recheck::start(teller.clone(), &self.gateway);
            self.teller.send_replace(Some(teller));
            let serve = self.serve(&host).await;
            self.follow(&host, serve).await;
        });
    }

    /// Takes the routes and serves what comes by them, until the gateway ends.
    async fn serve(&self, host: &Host) -> watch::Receiver<ServeState> {
        if self.exposure.is_nothing() {
            return watch::channel(ServeState::default()).1;
        }
        match Backend::open(host, self.exposure.clone()).await {
            Ok((backend, claim, door)) => {
                let state = claim.state();
                spawn_server(backend, Entrance::Serve(door), &self.gateway);
                let stopped = self.gateway.shutdown.draining();
                self.gateway.shutdown.clone().spawn(async move {
                    tokio::select! {
                        () = claim.hold() => {}
                        () = stopped => {}
                    }
                });
                state
            }
            Err(error) => {
                tracing::error!(%error, "the gateway cannot be served by tailscaled");
                let problem = Some(format!("no port behind tailscaled: {error}"));
                watch::channel(ServeState { problem, ..ServeState::default() }).1
            }
        }
    }

    async fn follow(self, host: &Host, mut serve: watch::Receiver<ServeState>) {
        let (mut state, mut health) = (host.state(), host.health());
        let stopped = self.gateway.shutdown.stopped();
        tokio::pin!(stopped);
        loop {
            let mut now = describe(&state.borrow_and_update(), &health.borrow_and_update());
            learn_names(&self.own_names, &state.borrow());
            now.node = Some("host");
            now.serve = Some(shown(&serve.borrow_and_update()));
            self.show(now);
            // A sender that has gone says nothing new, and the daemon's own states go on.
            tokio::select! {
                () = &mut stopped => return,
                Ok(()) = state.changed() => {}
                Ok(()) = health.changed() => {}
                Ok(()) = serve.changed() => {}
                else => return,
            }
        }
    }

    fn show(&self, now: TailnetHealth) {
        let before = self.view.send_replace(Some(now.clone()));
        if before.is_none_or(|before| (before.state, before.serve) != (now.state, now.serve.clone())) {
            tracing::info!(
                state = now.state,
                name = now.name,
                reason = now.reason,
                "tailnet, by this machine's tailscaled"
            );
            greeting::print_served(&now, self.reader);
        }
    }
}

fn shown(state: &ServeState) -> ServeHealth {
    let ServeState { url, public_url, problem } = state.clone();
    ServeHealth { url, public_url, problem }
}
