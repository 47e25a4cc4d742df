//! The wall clock as the wire has it: Unix time in milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock set before 1970 reads as 0.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
