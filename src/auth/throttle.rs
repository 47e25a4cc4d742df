//! Slows down guessing (protocol §3, "Rate limit").
//!
//! Ten failures within a minute lock their sender out for five minutes, also with the right secret. Each class of
//! credentials counts for itself. Loopback is never locked out, so that the owner cannot be shut out of their own
//! machine; there each failure is answered later than the last. A page in a browser on this machine is a stranger all
//! the same, and counts by its origin.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::settings::RateLimit;
use crate::net::Peer;

const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Failures that are remembered of a sender that is never locked out: as many as the longest delay takes.
const MAX_REMEMBERED: usize = 6;
/// More senders than this are not remembered one by one.
const MAX_SENDERS: usize = 4_096;
/// An origin longer than this is nobody's real page.
const MAX_ORIGIN: usize = 256;

/// What a guess is aimed at. The counters are apart, so that a page with an old device token does not lock out the
/// person who types the right secret beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target {
    SharedSecret,
    DeviceToken,
    BootstrapToken,
}

/// Who is guessing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    Address(IpAddr),
    /// A page in a browser on this machine.
    Page(String),
}

impl Sender {
    pub(super) fn new(peer: &Peer, origin: Option<&str>) -> Self {
        let address = peer.address().ip().to_canonical();
        match origin {
            Some(origin) if address.is_loopback() => {
                let known = origin.len() <= MAX_ORIGIN;
                Self::Page(if known { origin.to_ascii_lowercase() } else { String::new() })
            }
            _ => Self::Address(network_of(address)),
        }
    }
}

/// One machine has a whole /64 of IPv6 to send from; OpenClaw counts each address for itself.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        other => other,
    }
}

#[derive(Debug, Default)]
pub(super) struct Throttle {
    records: Mutex<HashMap<(Target, Sender), Record>>,
}

#[derive(Debug, Default)]
struct Record {
    /// Of the failures, oldest first; no more than lead to a lockout.
    failures: Vec<Instant>,
    locked_until: Option<Instant>,
}

/// What a failure led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer should wait (zero but on loopback).
    Wait(Duration),
    /// This one was the last: the sender is locked out from now on.
    LockedOut(Duration),
}

impl Throttle {
    /// How much longer the sender is locked out.
    pub(super) fn locked_for(
        &self,
        target: Target,
        sender: &Sender,
        limit: &RateLimit,
        now: Instant,
    ) -> Option<Duration> {
        if is_exempt(sender, limit) {
            return None;
        }
        let until = self.records().get(&(target, sender.clone()))?.locked_until?;
        Some(until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Notes a failure.
    pub(super) fn failed(&self, target: Target, sender: &Sender, limit: &RateLimit, now: Instant) -> Outcome {
        let mut records = self.records();
        let key = (target, sender.clone());
        if records.len() >= MAX_SENDERS && !records.contains_key(&key) {
            make_room(&mut records, limit, now);
        }
        let record = records.entry(key).or_default();
        record.refresh(limit, now);
        record.failures.push(now);
        if is_exempt(sender, limit) {
            let excess = record.failures.len().saturating_sub(MAX_REMEMBERED);
            record.failures.drain(..excess);
            let doublings = u32::try_from(record.failures.len() - 1).unwrap_or(u32::MAX);
            return Outcome::Wait(FIRST_DELAY.saturating_mul(1 << doublings.min(8)).min(LONGEST_DELAY));
        }
        if record.failures.len() < limit.max_attempts || record.locked_until.is_some() {
            return Outcome::Wait(Duration::ZERO);
        }
        record.locked_until = now.checked_add(limit.lockout);
        Outcome::LockedOut(limit.lockout)
    }

    /// Takes one failure back: the guess was counted before it was known that another credential beside it fits.
    pub(super) fn forgive(&self, target: Target, sender: &Sender, limit: &RateLimit) {
        let mut records = self.records();
        if let Some(record) = records.get_mut(&(target, sender.clone())) {
            record.failures.pop();
            if record.failures.len() < limit.max_attempts {
                record.locked_until = None;
            }
        }
    }

    pub(super) fn succeeded(&self, target: Target, sender: &Sender) {
        self.records().remove(&(target, sender.clone()));
    }

    fn records(&self) -> MutexGuard<'_, HashMap<(Target, Sender), Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    /// Forgets what is over.
    fn refresh(&mut self, limit: &RateLimit, now: Instant) {
        if self.locked_until.is_some_and(|until| until <= now) {
            *self = Self::default();
        }
        if self.locked_until.is_none() {
            self.failures.retain(|failure| now.saturating_duration_since(*failure) < limit.window);
        }
    }
}

fn is_exempt(sender: &Sender, limit: &RateLimit) -> bool {
    matches!(sender, Sender::Address(address) if limit.exempt_loopback && address.is_loopback())
}

/// Drops what is over, else the sender that is nearest to being forgotten: strangers by the thousand make the memory
/// of each shorter, and shut nobody else out.
fn make_room(records: &mut HashMap<(Target, Sender), Record>, limit: &RateLimit, now: Instant) {
    records.retain(|_, record| {
        record.refresh(limit, now);
        record.locked_until.is_some() || !record.failures.is_empty()
    });
    if records.len() < MAX_SENDERS {
        return;
    }
    let nearest = records
        .iter()
        .min_by_key(|(_, record)| (record.locked_until, record.failures.last().copied()))
        .map(|(key, _)| key.clone());
    if let Some(key) = nearest {
        records.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Target = Target::SharedSecret;

    fn sender(address: &str) -> Sender {
        let socket = std::net::SocketAddr::new(address.parse().unwrap(), 9);
        Sender::new(&Peer::Network(socket), None)
    }

    fn page(origin: &str) -> Sender {
        Sender::new(&Peer::Loopback("127.0.0.1:9".parse().unwrap()), Some(origin))
    }

    #[test]
    fn ten_failures_lock_a_sender_out_for_five_minutes() {
        let (throttle, limit, start) = (Throttle::default(), RateLimit::default(), Instant::now());
        for sender in [sender("192.0.2.1"), page("https://page.example")] {
            for _ in 0..9 {
                assert_eq!(throttle.failed(SECRET, &sender, &limit, start), Outcome::Wait(Duration::ZERO));
            }
            assert_eq!(throttle.locked_for(SECRET, &sender, &limit, start), None);
            assert_eq!(throttle.failed(SECRET, &sender, &limit, start), Outcome::LockedOut(limit.lockout));
            assert_eq!(throttle.locked_for(SECRET, &sender, &limit, start), Some(limit.lockout));
            assert_eq!(throttle.locked_for(SECRET, &sender, &limit, start + limit.lockout), None);
            assert_eq!(throttle.locked_for(Target::DeviceToken, &sender, &limit, start), None);
        }
        assert_eq!(throttle.locked_for(SECRET, &super::tests::sender("192.0.2.2"), &limit, start), None);
    }

    #[test]
    fn the_window_slides() {
        let (throttle, limit, start) = (Throttle::default(), RateLimit::default(), Instant::now());
        let sender = sender("192.0.2.1");
        for number in 0..40 {
            // Nine a minute are never too many.
            throttle.failed(SECRET, &sender, &limit, start + Duration::from_secs(7 * number));
        }
        assert_eq!(throttle.locked_for(SECRET, &sender, &limit, start + Duration::from_secs(280)), None);
    }

    #[test]
    fn what_is_forgiven_does_not_count() {
        let (throttle, limit, now) = (Throttle::default(), RateLimit::default(), Instant::now());
        let sender = sender("192.0.2.1");
        for _ in 0..10 {
            throttle.failed(SECRET, &sender, &limit, now);
        }
        throttle.forgive(SECRET, &sender, &limit);
        assert_eq!(throttle.locked_for(SECRET, &sender, &limit, now), None);
        throttle.failed(SECRET, &sender, &limit, now);
        assert!(throttle.locked_for(SECRET, &sender, &limit, now).is_some());
        throttle.succeeded(SECRET, &sender);
        assert_eq!(throttle.locked_for(SECRET, &sender, &limit, now), None);
    }

    #[test]
    fn loopback_waits_but_is_never_locked_out_unless_configured() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let (limit, own) = (RateLimit::default(), Sender::Address("127.0.0.1".parse().unwrap()));
        let waits: Vec<_> = (0..20).map(|_| throttle.failed(SECRET, &own, &limit, now)).collect();
        let expected = [250, 500, 1_000, 2_000, 4_000, 5_000].map(|wait| Outcome::Wait(Duration::from_millis(wait)));
        assert_eq!(waits[..6], expected);
        assert_eq!(waits[19], expected[5]);
        assert_eq!(throttle.locked_for(SECRET, &own, &limit, now), None);
        let strict = RateLimit { exempt_loopback: false, ..limit };
        for _ in 0..10 {
            throttle.failed(SECRET, &own, &strict, now);
        }
        assert!(throttle.locked_for(SECRET, &own, &strict, now).is_some());
    }

    #[test]
    fn one_network_of_ipv6_is_one_sender() {
        assert_eq!(sender("2001:db8:1:2::3"), sender("2001:db8:1:2:ffff::9"));
        assert_ne!(sender("2001:db8:1:2::3"), sender("2001:db8:1:3::3"));
        assert_eq!(sender("::ffff:192.0.2.1"), sender("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, limit, now) = (Throttle::default(), RateLimit::default(), Instant::now());
        for number in 0..10_000_u32 {
            let address = std::net::Ipv4Addr::from(number + 0x0100_0000).into();
            throttle.failed(SECRET, &Sender::Address(address), &limit, now);
        }
        assert!(throttle.records().len() <= MAX_SENDERS);
        let long = page(&format!("https://{}.example", "x".repeat(MAX_ORIGIN)));
        assert_eq!(long, Sender::Page(String::new()));
    }
}
