//! Guesses: judged unless their sender is locked out, and counted if they are wrong.

use std::time::{Duration, Instant};

use super::caller::AuthMethod;
use super::case::Case;
use super::credentials::{self, Sent};
use super::gatekeeper::Gatekeeper;
use super::reason::Reason;
use super::throttle::{Outcome, Sender, Target};
use crate::net::Peer;

/// What a request's token turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bearer {
    Missing,
    Wrong,
    Right(AuthMethod),
    /// Not even looked at, and for this much longer.
    LockedOut(Duration),
}

impl Gatekeeper {
    /// Judges a guess unless its sender is locked out, and counts it if it is wrong. A verified tailnet identity has
    /// nothing to guess: whatever it shows beside costs it nothing.
    pub(super) fn guess<T>(
        &self,
        case: &Case<'_>,
        target: Target,
        penalty: &mut Duration,
        judge: impl FnOnce() -> Result<T, Reason>,
    ) -> Result<T, Reason> {
        let (limit, now) = (&case.settings.rate_limit, Instant::now());
        if let Some(left) = self.throttle.locked_for(target, &case.sender, limit, now) {
            return Err(Reason::RateLimited(left));
        }
        let outcome = judge();
        match &outcome {
            Ok(_) => self.throttle.succeeded(target, &case.sender),
            Err(_) if case.usable_rights().is_some() => {}
            Err(_) => {
                let wait = self.count_failure(target, case);
                // A device that comes back with an old token is no guesser: it is counted, not kept waiting.
                if target == Target::SharedSecret {
                    *penalty = (*penalty).max(wait);
                }
            }
        }
        outcome
    }

    fn count_failure(&self, target: Target, case: &Case<'_>) -> Duration {
        let peer = case.attempt.peer;
        match self.throttle.failed(target, &case.sender, &case.settings.rate_limit, Instant::now()) {
            Outcome::Wait(wait) => wait,
            Outcome::LockedOut(lockout) => {
                tracing::warn!(
                    peer.addr = %peer.address(), peer.login = peer.whois().and_then(|whois| whois.login()),
                    ?target, seconds = lockout.as_secs(), "locked out after too many wrong guesses"
                );
                Duration::ZERO
            }
        }
    }

    /// Judges the token of an HTTP request: whether it is the shared secret. A wrong one is a failed attempt like any
    /// other.
    pub(super) async fn judge_bearer(&self, peer: &Peer, bearer: &str) -> Bearer {
        let settings = self.settings();
        let sender = Sender::new(peer, None);
        let (limit, target) = (&settings.rate_limit, Target::SharedSecret);
        if let Some(left) = self.throttle.locked_for(target, &sender, limit, Instant::now()) {
            return Bearer::LockedOut(left);
        }
        let sent = Sent { token: Some(bearer), ..Sent::of(None) };
        match credentials::shared_secret(&settings, &sent) {
            Some((method, true)) => {
                self.throttle.succeeded(target, &sender);
                Bearer::Right(method)
            }
            _ => {
                if let Outcome::Wait(wait) = self.throttle.failed(target, &sender, limit, Instant::now()) {
                    tokio::time::sleep(wait).await;
                }
                Bearer::Wrong
            }
        }
    }
}
