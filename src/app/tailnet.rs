//! Brings the node up beside the running gateway: losing the tailnet never stops the agent, and having none yet does
//! not keep it from starting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::expiry::Expiry;
use super::https::{OwnHttps, Web};
use super::recheck;
use super::{Reader, greeting, spawn_server};
use crate::auth::OwnNames;
use crate::gateway::{Entrance, Gateway};
use crate::protocol::system::TailnetHealth;
use crate::tailnet::{Error, Exposure, Identity, Node, Settings, State, Teller};

/// What joining needs.
pub(super) struct Join {
    pub settings: Settings,
    pub port: u16,
    /// Whether the gateway listens on the node's addresses.
    pub serves: bool,
    pub exposure: Exposure,
    pub gateway: Arc<Gateway>,
    pub view: watch::Sender<Option<TailnetHealth>>,
    /// Where those find the node who ask it something.
    pub teller: watch::Sender<Option<Teller>>,
    pub own_names: OwnNames,
    pub reader: Reader,
}

/// A node that is joining or has joined.
pub(super) struct Joining(watch::Receiver<Option<Teller>>);

impl Join {
    pub(super) fn start(self) -> Joining {
        self.view.send_replace(Some(TailnetHealth { state: "Starting", ..TailnetHealth::default() }));
        let receiver = self.teller.subscribe();
        self.gateway.shutdown.clone().spawn(async move {
            match Node::start(self.settings.clone()).await {
                Ok(node) => {
                    self.teller.send_replace(Some(Teller::Node(node.clone())));
                    recheck::start(Teller::Node(node.clone()), &self.gateway);
                    self.serve(&node).await;
                    let web = self.web(&node);
                    self.follow(node, web).await;
                }
                Err(error) => self.give_up(&error),
            }
        });
        Joining(receiver)
    }

    async fn serve(&self, node: &Node) {
        if !self.serves {
            return;
        }
        match node.listen(self.port).await {
            Ok(listener) => spawn_server(listener, Entrance::Streams, &self.gateway),
            Err(error) => tracing::error!(%error, "the gateway cannot be reached over the tailnet"),
        }
    }

    #[cfg_attr(not(feature = "tailnet"), expect(unreachable_code, reason = "there is no node without the feature"))]
    fn web(&self, node: &Node) -> watch::Receiver<Web> {
        if !self.serves && self.exposure.is_nothing() {
            return watch::channel(Web::default()).1;
        }
        OwnHttps::start(node.clone(), &self.settings.state_dir, &self.gateway, self.serves, self.exposure.clone())
    }

    /// Keeps what others see of the node up to date until the end.
    async fn follow(self, node: Node, mut web: watch::Receiver<Web>) {
        let (mut state, mut health) = (node.state(), node.health());
        let mut expiry = Expiry::default();
        let stopped = self.gateway.shutdown.stopped();
        tokio::pin!(stopped);
        loop {
            let offset = node.clock_offset_ms().await;
            let mut now = describe(&state.borrow_and_update(), &health.borrow_and_update());
            if now.state == "Running" {
                (now.https, now.serve) = {
                    let web = web.borrow_and_update();
                    (web.https.clone(), web.serve.clone())
                };
            }
            let next_look = expiry.add_to(&mut now, offset);
            learn_names(&self.own_names, &state.borrow());
            self.show(now);
            let changed = tokio::select! {
                () = &mut stopped => return,
                changed = state.changed() => changed,
                changed = health.changed() => changed,
                () = tokio::time::sleep(next_look) => Ok(()),
                // A sender that has gone has nothing more to say; the node goes on.
                Ok(()) = web.changed() => Ok(()),
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn show(&self, now: TailnetHealth) {
        let before = self.view.send_replace(Some(now.clone()));
        let seen = |health: &TailnetHealth| {
            let https = health.https.as_ref().and_then(|https| https.url.clone());
            (health.state, health.login_url.clone(), https, health.serve.clone())
        };
        let is_news = before.is_none_or(|before| seen(&before) != seen(&now));
        if !is_news {
            return;
        }
        tracing::info!(state = now.state, name = now.name, reason = now.reason, "tailnet");
        if now.state == "Running" && !self.exposure.is_nothing() {
            greeting::print_served(&now, self.reader);
        } else {
            greeting::print_tailnet(&now, self.port, self.serves, self.reader);
        }
    }

    fn give_up(&self, error: &Error) {
        let reason = with_causes(error);
        tracing::error!(error = %reason, "the tailnet node cannot start; the gateway goes on without it");
        self.show(TailnetHealth { state: "Stopped", reason: Some(reason), ..TailnetHealth::default() });
    }
}

impl Joining {
    /// Ends the node, wherever it is. A node that does not end in time ends with the process.
    pub(super) async fn close(self) {
        let teller = self.0.borrow().clone();
        if let Some(Teller::Node(node)) = teller
            && let Err(error) = node.close().await
        {
            tracing::warn!(%error, "the tailnet node ends with the process");
            // Go's own threads may still be writing their state.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The page may be opened under these names.
pub(super) fn learn_names(known: &OwnNames, state: &State) {
    if let State::Running(identity) = state {
        let mut names = super::machine_names();
        names.push(identity.dns_name.to_ascii_lowercase());
        names.extend(identity.dns_name.split('.').next().map(str::to_ascii_lowercase));
        names.extend(identity.addresses.iter().map(ToString::to_string));
        *known.write().unwrap_or_else(std::sync::PoisonError::into_inner) = names;
    }
}

pub(super) fn describe(state: &State, health: &[String]) -> TailnetHealth {
    let base = TailnetHealth { warnings: health.to_vec(), ..TailnetHealth::default() };
    match state {
        State::Starting => TailnetHealth { state: "Starting", ..base },
        State::NeedsLogin { url } => TailnetHealth { state: "NeedsLogin", login_url: url.clone(), ..base },
        State::NeedsApproval => TailnetHealth { state: "NeedsMachineAuth", ..base },
        State::Running(identity) => running(identity, base),
        State::Stopped { reason } => TailnetHealth { state: "Stopped", reason: Some(reason.clone()), ..base },
    }
}

fn running(identity: &Identity, base: TailnetHealth) -> TailnetHealth {
    TailnetHealth {
        state: "Running",
        name: Some(identity.dns_name.clone()),
        addresses: identity.addresses.iter().map(ToString::to_string).collect(),
        login_url: identity.renewal_url.clone(),
        key_expiry: identity.key_expiry.clone(),
        tags: identity.tags.clone(),
        ..base
    }
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
