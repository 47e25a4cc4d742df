//! Follows the node: its notifications say when to look, its status says what is.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::localapi::{Dial, LocalApi};
use super::{Error, State, Status, status};

/// tailscale.com `ipn.NotifyInitialState | NotifyInitialHealthState`; changes come anyway.
const PATH: &str = "watch-ipn-bus?mask=130";
/// No notification that we asked for is near this size.
const LINE_BYTES: usize = 4 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the watcher tells the rest of the program.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) state: watch::Sender<State>,
    pub(super) health: watch::Sender<Vec<String>>,
}

/// The parts of tailscale.com `ipn.Notify` that mean that the status has changed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notify {
    err_message: Option<String>,
    state: Option<IgnoredAny>,
    #[serde(rename = "BrowseToURL")]
    browse_to_url: Option<IgnoredAny>,
    login_finished: Option<IgnoredAny>,
    self_change: Option<IgnoredAny>,
    health: Option<IgnoredAny>,
}

impl Report {
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::new(State::Starting), health: watch::Sender::new(Vec::new()) }
    }

    pub(super) fn stopped(&self, reason: &str) {
        self.set_state(State::Stopped { reason: reason.to_owned() });
    }

    fn set(&self, status: Status, refusal: Option<&str>) {
        let mut health = status.health;
        health.extend(refusal.map(str::to_owned));
        self.health.send_if_modified(|old| std::mem::replace(old, health.clone()) != health);
        self.set_state(status.state);
    }

    fn set_state(&self, state: State) {
        let changed = self.state.send_if_modified(|old| std::mem::replace(old, state.clone()) != state);
        if changed {
            log(&state);
        }
    }
}

fn log(state: &State) {
    match state {
        State::Starting => tracing::info!(target: "tailnet", "starting"),
        State::NeedsLogin { url: Some(url) } => {
            tracing::warn!(target: "tailnet", url, "to join the tailnet, open the link")
        }
        State::NeedsLogin { url: None } => tracing::info!(target: "tailnet", "not logged in"),
        State::NeedsApproval => {
            tracing::warn!(target: "tailnet", "waiting for an admin of the tailnet to approve this device")
        }
        State::Running(identity) => tracing::info!(
            target: "tailnet", name = identity.dns_name, addresses = ?identity.addresses, tailnet = identity.tailnet, "running"
        ),
        State::Stopped { reason } => tracing::info!(target: "tailnet", reason, "stopped"),
    }
}

/// Runs until it is cancelled. The node drops watchers that read too slowly, and a broken stream says nothing of the
/// node: both are answered by asking again.
pub(super) async fn follow<D: Dial>(api: LocalApi<D>, report: Report, ended: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    while !ended.is_cancelled() {
        let outcome = tokio::select! {
            () = ended.cancelled() => return,
            outcome = watch(&api, &report, &mut pause) => outcome,
        };
        if let Err(error) = outcome {
            tracing::debug!(target: "tailnet", %error, "the notifications broke off");
        }
        tokio::select! {
            () = ended.cancelled() => return,
            () = tokio::time::sleep(jittered(pause)) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn watch<D: Dial>(api: &LocalApi<D>, report: &Report, pause: &mut Duration) -> Result<(), Error> {
    let mut lines = Lines { body: api.stream(PATH).await?, buffer: Vec::new() };
    let mut refusal = None;
    while let Some(line) = lines.next().await {
        let Ok(notify) = serde_json::from_slice::<Notify>(&line) else { continue };
        *pause = FIRST_PAUSE;
        if !notify.concerns_us() {
            continue;
        }
        let status = api.json::<status::Answer>(status::PATH).await?.into_status();
        refusal = notify.err_message.or(refusal).filter(|_| !matches!(status.state, State::Running(_)));
        report.set(status, refusal.as_deref());
    }
    Ok(())
}

impl Notify {
    const fn concerns_us(&self) -> bool {
        self.err_message.is_some()
            || self.state.is_some()
            || self.browse_to_url.is_some()
            || self.login_finished.is_some()
            || self.self_change.is_some()
            || self.health.is_some()
    }
}

/// An endless body, a line at a time.
struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                return Some(self.buffer.drain(..=end).collect());
            }
            if self.buffer.len() > LINE_BYTES {
                return None;
            }
            if let Ok(data) = self.body.frame().await?.ok()?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

/// Between half of it and all of it. Without randomness, all of it.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
