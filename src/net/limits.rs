//! How many connections one address may hold in a state that costs us and proves nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts per address. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AddressLimit {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    max: usize,
}

/// One counted place; dropping it gives it back.
#[derive(Debug)]
pub struct AddressSlot {
    limit: AddressLimit,
    address: IpAddr,
}

impl AddressLimit {
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { counts: Arc::default(), max }
    }

    /// `None` when the address holds as many places as it may.
    #[must_use]
    pub fn take(&self, address: IpAddr) -> Option<AddressSlot> {
        let address = address.to_canonical();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(AddressSlot { limit: self.clone(), address })
    }
}

impl Drop for AddressSlot {
    fn drop(&mut self) {
        let mut counts = self.limit.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_and_forgotten() {
        let limit = AddressLimit::new(2);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let first = limit.take(address).unwrap();
        let _second = limit.take("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(limit.take(address).is_none());
        assert!(limit.take("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(limit.take(address).is_some());
        assert_eq!(limit.counts.lock().unwrap().len(), 1);
    }
}
