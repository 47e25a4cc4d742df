//! A value that is replaced as a whole while others use it: settings that change while the gateway runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Whoever needs the value takes it once and works with what it was then; a change counts from the next taking. Never
/// held while something is waited for: [`Live::get`] hands out its own hold on the value.
#[derive(Default)]
pub struct Live<T>(RwLock<Arc<T>>);

impl<T> Live<T> {
    #[must_use]
    pub fn new(value: impl Into<Arc<T>>) -> Self {
        Self(RwLock::new(value.into()))
    }

    /// As it is now.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        // A panic elsewhere leaves it whole: a change is one assignment.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, value: impl Into<Arc<T>>) {
        let old = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), value.into());
        // What it takes to drop it does not hold readers up.
        drop(old);
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_it_before_a_change_keeps_it() {
        let live: Live<String> = Live::new("old".to_owned());
        let taken = live.get();
        live.set("new".to_owned());
        assert_eq!((taken.as_str(), live.get().as_str()), ("old", "new"));
    }
}
