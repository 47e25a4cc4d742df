//! Slows down guessing (protocol §3, "Rate limit").
//!
//! Ten failures of one address within a minute lock it out for five minutes, also with the right secret. Loopback is
//! never locked out, so that the owner cannot be shut out of their own machine; there each failure is answered later
//! than the last.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MAX_FAILURES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
const LOCKOUT: Duration = Duration::from_secs(300);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// More addresses than this are not remembered one by one: the oldest record makes room.
const MAX_ADDRESSES: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    failures: Mutex<HashMap<IpAddr, Record>>,
}

#[derive(Debug, Clone, Copy)]
struct Record {
    count: u32,
    since: Instant,
}

impl Throttle {
    /// How much longer the address is locked out.
    pub(super) fn locked_for(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let record = failures.get(&address.to_canonical())?;
        if address.to_canonical().is_loopback() || record.count < MAX_FAILURES {
            return None;
        }
        LOCKOUT.checked_sub(now.saturating_duration_since(record.since)).filter(|left| !left.is_zero())
    }

    /// Notes a failure. Returns how long the answer should wait (zero but on loopback).
    pub(super) fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        let address = address.to_canonical();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MAX_ADDRESSES && !failures.contains_key(&address) {
            forget_oldest(&mut failures);
        }
        let record = failures.entry(address).or_insert(Record { count: 0, since: now });
        if now.saturating_duration_since(record.since) > WINDOW {
            *record = Record { count: 0, since: now };
        }
        record.count += 1;
        if record.count == MAX_FAILURES {
            // The lockout counts from the failure that caused it.
            record.since = now;
        }
        if !address.is_loopback() {
            return Duration::ZERO;
        }
        FIRST_DELAY.saturating_mul(1 << (record.count - 1).min(5)).min(LONGEST_DELAY)
    }

    pub(super) fn succeeded(&self, address: IpAddr) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&address.to_canonical());
    }
}

fn forget_oldest(failures: &mut HashMap<IpAddr, Record>) {
    if let Some(oldest) = failures.iter().min_by_key(|(_, record)| record.since).map(|(address, _)| *address) {
        failures.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_lock_an_address_out_for_five_minutes() {
        let (throttle, address, start) = (Throttle::default(), "192.0.2.1".parse().unwrap(), Instant::now());
        for _ in 0..9 {
            assert_eq!(throttle.failed(address, start), Duration::ZERO);
        }
        assert_eq!(throttle.locked_for(address, start), None);
        throttle.failed(address, start);
        assert_eq!(throttle.locked_for(address, start), Some(LOCKOUT));
        assert_eq!(throttle.locked_for("192.0.2.2".parse().unwrap(), start), None);
        assert_eq!(throttle.locked_for(address, start + LOCKOUT), None);
    }

    #[test]
    fn loopback_waits_but_is_never_locked_out() {
        let (throttle, address, now) = (Throttle::default(), "127.0.0.1".parse().unwrap(), Instant::now());
        let waits: Vec<_> = (0..20).map(|_| throttle.failed(address, now).as_millis()).collect();
        assert_eq!(waits[..6], [250, 500, 1_000, 2_000, 4_000, 5_000]);
        assert_eq!(waits[19], 5_000);
        assert_eq!(throttle.locked_for(address, now), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..10_000_u32 {
            throttle.failed(std::net::Ipv4Addr::from(number + 0x0100_0000).into(), now);
        }
        assert!(throttle.failures.lock().unwrap().len() <= MAX_ADDRESSES);
    }
}
