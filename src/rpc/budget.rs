//! How often a client may write to the control plane (protocol §1, "control-plane writes"): each such call may restart
//! or re-plan something, so a client that loops is stopped before it does so for everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::auth::Caller;
use crate::protocol::ErrorShape;

const WRITES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);
/// More clients than this at a time are not counted one by one.
const MAX_COUNTED: usize = 4_096;

/// One for each method and client.
#[derive(Debug, Default)]
pub(super) struct WriteBudgets {
    spent: Mutex<HashMap<Key, Spent>>,
}

/// A device is the same client wherever it calls from; programs without one are told apart by address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    method: String,
    device: Option<String>,
    address: IpAddr,
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    since: Instant,
    writes: u32,
}

impl WriteBudgets {
    /// Counts a write.
    ///
    /// # Errors
    /// `UNAVAILABLE`, with the time after which it may be tried again.
    pub(super) fn spend(&self, method: &str, caller: &Caller, now: Instant) -> Result<(), ErrorShape> {
        let device = caller.device_id().map(str::to_owned);
        let key = Key { method: method.to_owned(), device, address: caller.address() };
        let Err(wait) = self.count(key, now) else { return Ok(()) };
        tracing::warn!(
            rpc.method = method, peer.addr = %caller.address(), peer.login = caller.login(),
            device.id = caller.device_id(), "too many control-plane writes"
        );
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let message = format!("rate limit exceeded for {method}; retry after {}s", milliseconds.div_ceil(1_000));
        let limit = format!("{WRITES} per {}s", WINDOW.as_secs());
        Err(ErrorShape::unavailable(message, milliseconds).with_details(json!({ "method": method, "limit": limit })))
    }

    /// The time to wait, if there is nothing left.
    fn count(&self, key: Key, now: Instant) -> Result<(), Duration> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= MAX_COUNTED && !spent.contains_key(&key) {
            spent.retain(|_, spent| now.saturating_duration_since(spent.since) < WINDOW);
            if spent.len() >= MAX_COUNTED {
                // Admins by the thousand within a minute: none of them is worth remembering more than another.
                spent.clear();
            }
        }
        let entry = spent.entry(key).or_insert(Spent { since: now, writes: 0 });
        let age = now.saturating_duration_since(entry.since);
        if age >= WINDOW {
            *entry = Spent { since: now, writes: 0 };
        } else if entry.writes >= WRITES {
            return Err(WINDOW.saturating_sub(age));
        }
        entry.writes += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(method: &str, number: u32) -> Key {
        Key { method: method.to_owned(), device: None, address: std::net::Ipv4Addr::from(number).into() }
    }

    #[test]
    fn thirty_writes_a_minute_of_each_method_and_client() {
        let (budgets, start) = (WriteBudgets::default(), Instant::now());
        for _ in 0..30 {
            budgets.count(key("config.patch", 1), start).unwrap();
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(budgets.count(key("config.patch", 1), later), Err(Duration::from_secs(40)));
        budgets.count(key("config.apply", 1), later).unwrap();
        budgets.count(key("config.patch", 2), later).unwrap();
        budgets.count(key("config.patch", 1), start + WINDOW).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let (budgets, now) = (WriteBudgets::default(), Instant::now());
        for number in 0..10_000 {
            budgets.count(key("config.patch", number), now).unwrap();
        }
        assert!(budgets.spent.lock().unwrap().len() <= MAX_COUNTED);
    }
}
