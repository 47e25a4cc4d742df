//! Taking over a configuration that has changed while the gateway runs.
//!
//! The files are asked for once a second whether they are still the same. That is a few `stat` calls; watching by the
//! kernel would need a watch for every folder on the way, for every file included, and anew for each link that is
//! turned and each editor that writes by renaming, and the usual library for it is not under a licence that we take.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::look::Look;
use crate::agent::Agent;
use crate::config::{Applied, Apply, Configuration, Resolved};
use crate::gateway::{Gateway, Whose};
use crate::logging::Level;
use crate::protocol::Event;
use crate::protocol::config::Changed;
use crate::rpc::TailnetTeller;
use crate::shutdown::Shutdown;
use crate::tailnet::Teller;

const INTERVAL: Duration = Duration::from_millis(500);
const FAREWELL: Duration = Duration::from_millis(200);

/// What a new configuration reaches while the gateway runs.
pub(super) struct Parts {
    /// Not held: the gateway holds the configuration, which holds this.
    gateway: Weak<Gateway>,
    agent: Agent,
    level: Level,
    teller: TailnetTeller,
}

impl Parts {
    pub(super) fn new(gateway: &Arc<Gateway>, agent: &Agent, level: Level, teller: TailnetTeller) -> Self {
        Self { gateway: Arc::downgrade(gateway), agent: agent.clone(), level, teller }
    }

    /// The tailnet may take its time to give the name, or another one; what it gave is learnt like any change of it.
    fn rename(&self, gateway: &Gateway, old: &Resolved, new: &Resolved) {
        let (Some(old), Some(new)) = (&old.tailnet, &new.tailnet) else { return };
        let Some(Teller::Node(node)) = self.teller.borrow().clone().filter(|_| old.hostname != new.hostname) else {
            return;
        };
        let hostname = new.hostname.clone();
        gateway.shutdown.spawn(async move {
            match node.rename(&hostname).await {
                Ok(()) => tracing::info!(hostname, "the tailnet was asked for another name"),
                Err(error) => tracing::error!(%error, hostname, "the node keeps its name until the next start"),
            }
        });
    }
}

impl Apply for Parts {
    fn apply(&self, old: &Resolved, new: &Resolved) -> Result<(), String> {
        let Some(gateway) = self.gateway.upgrade() else { return Ok(()) };
        // What can fail comes first: the whole counts, or nothing of it.
        let models = if old.agent == new.agent {
            None
        } else {
            Some(self.agent.prepare(new.agent.clone()).map_err(|error| error.to_string())?)
        };
        if old.log_level != new.log_level {
            self.level.set(&new.log_level).map_err(|error| error.to_string())?;
        }
        gateway.gatekeeper.apply(new.auth.clone());
        gateway.pairing.apply(new.pairing.clone());
        gateway.nodes.apply(new.nodes.clone());
        gateway.patience.set(new.patience);
        gateway.discovery.set(new.discovery.clone());
        gateway.http.apply(new.http.clone());
        self.rename(&gateway, old, new);
        if let Some(models) = models {
            self.agent.adopt(models);
            gateway.bus.publish(&Event::ChatMetadataChanged);
        }
        gateway.shutdown.clone().spawn(async move {
            // Whoever changed it may have come in by the old secret, and is owed an answer first.
            tokio::time::sleep(FAREWELL).await;
            let ended = gateway.judge_again(&Whose::Everybodys);
            if ended > 0 {
                tracing::warn!(
                    connections = ended,
                    "authentication has changed: who came in by the old one was put out"
                );
            }
        });
        Ok(())
    }

    fn changed(&self, changed: Changed) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.bus.publish(&Event::ConfigChanged(changed));
        }
    }
}

/// Looks at the files until the gateway stops.
pub(super) async fn watch(configuration: Configuration, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watching = Watching::default();
    let draining = shutdown.draining();
    tokio::pin!(draining);
    loop {
        tokio::select! {
            () = &mut draining => return,
            _ = ticks.tick() => {}
        }
        let configuration = configuration.clone();
        let look = tokio::task::spawn_blocking(move || {
            if watching.has_settled(&configuration) {
                tell(configuration.reload());
            }
            watching
        });
        match look.await {
            Ok(looked) => watching = looked,
            Err(error) => {
                tracing::error!(%error, "the configuration is no longer watched; restart the gateway for a change of it");
                return;
            }
        }
    }
}

fn tell(applied: Option<Applied>) {
    match applied {
        None => {}
        Some(Applied::Yes { waiting }) if waiting.is_empty() => {
            tracing::info!("the configuration has changed and counts");
        }
        Some(Applied::Yes { waiting }) => {
            tracing::warn!(keys = %waiting.join(", "), "the configuration has changed; restart the gateway for these keys");
        }
        Some(Applied::Off) => tracing::info!(
            "the configuration has changed; gateway.reload.mode is off, so it counts from the next start"
        ),
        Some(Applied::Failed(problem)) => tracing::error!(
            problem,
            "the changed configuration cannot be used; the gateway goes on by the last one that was right"
        ),
    }
}

/// The files as they were at the last look.
#[derive(Default)]
struct Watching {
    files: Vec<PathBuf>,
    before: Vec<Option<Look>>,
    /// A change was seen that has not been handed on.
    is_fresh: bool,
}

impl Watching {
    /// Whether the files have changed and then stayed the same for one look: an editor that writes in pieces is
    /// through.
    fn has_settled(&mut self, configuration: &Configuration) -> bool {
        if self.files.is_empty() {
            self.files = configuration.files();
            // The file may have changed since the start read it.
            self.is_fresh = true;
        }
        let now: Vec<Option<Look>> = self.files.iter().map(|path| Look::at(path)).collect();
        if now != self.before {
            self.before = now;
            self.is_fresh = true;
            return false;
        }
        if !std::mem::take(&mut self.is_fresh) {
            return false;
        }
        // It may include others now.
        let files = configuration.files();
        if files != self.files {
            self.files = files;
            self.before = self.files.iter().map(|path| Look::at(path)).collect();
        }
        true
    }
}
