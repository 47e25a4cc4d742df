//! Who can be asked, among those connected.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections that can decide, by their ids.
#[derive(Debug, Clone, Default)]
pub struct Approvers(Arc<Mutex<HashSet<String>>>);

/// A connection's place among them, for as long as it lasts.
#[derive(Debug)]
pub struct Seat {
    approvers: Approvers,
    connection: String,
}

impl Approvers {
    #[must_use]
    pub fn enter(&self, connection: &str) -> Seat {
        self.connections().insert(connection.to_owned());
        Seat { approvers: self.clone(), connection: connection.to_owned() }
    }

    pub(super) fn has_other_than(&self, connection: &str) -> bool {
        self.connections().iter().any(|other| other != connection)
    }

    fn connections(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.approvers.connections().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_decides_about_themselves_or_after_they_left() {
        let approvers = Approvers::default();
        let seat = approvers.enter("a");
        assert!(!approvers.has_other_than("a") && approvers.has_other_than("b"));
        drop(seat);
        assert!(!approvers.has_other_than("b"));
    }
}
