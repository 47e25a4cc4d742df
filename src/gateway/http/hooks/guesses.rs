//! Wrong hook tokens, counted by address: twenty within a minute, and the address waits for the next minute. Loopback
//! too: what calls hooks there is often a proxy for the world. The right token is let in all the same.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MAX_GUESSES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// More addresses than this are not remembered one by one.
const MAX_ADDRESSES: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, (u32, Instant)>>);

impl Guesses {
    /// Counts one more. Returns how long the address has to wait if it is one too many.
    pub(super) fn count(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut known = self.known();
        let address = address.to_canonical();
        if known.len() >= MAX_ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, (_, since)| now.saturating_duration_since(*since) < WINDOW);
            if known.len() >= MAX_ADDRESSES {
                known.clear();
            }
        }
        let (count, since) = known.entry(address).or_insert((0, now));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*count, *since) = (0, now);
        }
        if *count >= MAX_GUESSES {
            return Some(WINDOW.saturating_sub(now.saturating_duration_since(*since)));
        }
        *count += 1;
        if *count == MAX_GUESSES {
            // The wait counts from the last guess.
            *since = now;
        }
        None
    }

    pub(super) fn forget(&self, address: IpAddr) {
        self.known().remove(&address.to_canonical());
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, (u32, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twenty_first_guess_waits_for_the_next_minute() {
        let (guesses, address, start) = (Guesses::default(), "192.0.2.1".parse().unwrap(), Instant::now());
        for _ in 0..20 {
            assert_eq!(guesses.count(address, start), None);
        }
        assert_eq!(guesses.count(address, start), Some(WINDOW));
        assert_eq!(guesses.count("192.0.2.2".parse().unwrap(), start), None);
        assert_eq!(guesses.count(address, start + WINDOW), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..10_000_u32 {
            guesses.count(std::net::Ipv4Addr::from(number + 0x0100_0000).into(), now);
        }
        assert!(guesses.known().len() <= MAX_ADDRESSES);
    }
}
