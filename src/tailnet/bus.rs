//! Follows the node: its notifications say when to look, its status says what is.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::localapi::{Dial, LocalApi};
use super::login::{Circumstances, Login};
use super::report::Report;
use super::{Error, expiry, status};
use crate::clock::now_ms;

/// tailscale.com `ipn.NotifyInitialState | NotifyInitialHealthState | NotifyPeerPatches`; the last is for nodes that
/// come, go or change, without a whole node for each that goes on- or offline. Other changes come anyway.
const PATH: &str = "watch-ipn-bus?mask=32898";
/// No notification that we asked for is near this size.
const LINE_BYTES: usize = 4 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often the status is looked at unasked.
const LOOK: Duration = Duration::from_secs(30);
/// A control server that answers does so within this time.
const PATIENCE: Duration = Duration::from_secs(15);

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
    peers_changed: Option<IgnoredAny>,
    peers_removed: Option<IgnoredAny>,
}

/// Follows one node for as long as it lives.
pub(super) struct Follower<D> {
    pub(super) api: LocalApi<D>,
    pub(super) report: Report,
    /// How far the control server's clock is ahead of ours, in milliseconds; 0 where that is not known.
    pub(super) clock_offset_ms: Box<dyn Fn() -> i64 + Send + Sync>,
    pub(super) ended: CancellationToken,
    /// What to say when it cannot be asked, where it is a process of its own.
    pub(super) absence: Option<String>,
}

impl<D: Dial> Follower<D> {
    /// Runs until it is cancelled. The node drops watchers that read too slowly, and a broken stream says nothing of
    /// the node: both are answered by asking again.
    pub(super) async fn run(self) {
        let mut login = Login::default();
        let mut pause = FIRST_PAUSE;
        while !self.ended.is_cancelled() {
            let begun = Instant::now();
            let outcome = tokio::select! {
                () = self.ended.cancelled() => return,
                outcome = self.watch(&mut login) => outcome,
            };
            if let Err(error) = outcome {
                tracing::debug!(target: "tailnet", %error, "the notifications broke off");
                if let Some(absence) = &self.absence {
                    self.report.absent(absence);
                }
            }
            pause = if begun.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            tokio::select! {
                () = self.ended.cancelled() => return,
                () = tokio::time::sleep(jittered(pause)) => {}
            }
        }
    }

    async fn watch(&self, login: &mut Login) -> Result<(), Error> {
        let mut lines = Lines::new(self.api.stream(PATH).await?);
        let patience = Instant::now() + PATIENCE;
        let mut help = self.report.help.subscribe();
        let mut overdue = false;
        loop {
            tokio::select! {
                line = lines.next() => {
                    let Some(line) = line else { return Ok(()) };
                    let Ok(notify) = serde_json::from_slice::<Notify>(&line) else { continue };
                    if notify.concerns_others() {
                        self.report.changes.send_replace(());
                    }
                    if !notify.concerns_us() {
                        continue;
                    }
                    self.note_login(&notify);
                    if let Some(reason) = notify.err_message {
                        login.refused(reason);
                    }
                }
                _ = help.changed() => {}
                // What is not there any more sends no notification.
                () = tokio::time::sleep(LOOK) => {}
                () = tokio::time::sleep_until(patience), if !overdue => overdue = true,
            }
            self.look(login, overdue).await?;
        }
    }

    fn note_login(&self, notify: &Notify) {
        if notify.login_finished.is_none() && notify.err_message.is_none() {
            return;
        }
        self.report.logins.send_modify(|logins| {
            logins.finished += u64::from(notify.login_finished.is_some());
            if let Some(reason) = &notify.err_message {
                logins.refused += 1;
                logins.reason.clone_from(reason);
            }
        });
    }

    async fn look(&self, login: &mut Login, overdue: bool) -> Result<(), Error> {
        let answer = self.api.json::<status::Answer>(status::PATH).await?;
        let circumstances = Circumstances {
            logged_out: self.report.is_logged_out(),
            has_login: answer.has_login(),
            key_expired: answer.key_has_expired() || is_past(answer.key_expiry(), (self.clock_offset_ms)()),
            help: self.report.help.borrow().clone(),
            offline: answer.is_offline(),
            overdue,
        };
        let status = answer.into_status();
        let need = login.need(&status, &circumstances);
        self.report.set(login.interpret(status, &circumstances));
        self.report.need.send_if_modified(|old| std::mem::replace(old, need) != need);
        Ok(())
    }
}

/// By the control server's clock, where that is known.
fn is_past(expiry: Option<&str>, offset_ms: i64) -> bool {
    let now = i64::try_from(now_ms()).unwrap_or(i64::MAX).saturating_add(offset_ms);
    expiry.and_then(|expiry| expiry::outlook(expiry, now)).is_some_and(|outlook| outlook.remaining_ms <= 0)
}

impl Notify {
    /// Our own node comes with a new packet filter, and that with new grants.
    const fn concerns_others(&self) -> bool {
        self.state.is_some()
            || self.self_change.is_some()
            || self.peers_changed.is_some()
            || self.peers_removed.is_some()
    }

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
pub(super) struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) const fn new(body: Incoming) -> Self {
        Self { body, buffer: Vec::new() }
    }

    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
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
pub fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}
