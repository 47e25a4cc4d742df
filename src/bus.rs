//! The one way for a service to tell clients something: publish a typed event.
//!
//! Services hold a [`Bus`] and know nothing of connections; `gateway::fanout` is the other end. Publishing never
//! waits: a slow client costs itself, not the service.

use std::fmt;
use std::sync::Arc;

use crate::protocol::Event;

/// Takes every event. Implemented by the fan-out.
pub trait Subscriber: Send + Sync + 'static {
    fn deliver(&self, event: &Event);
}

#[derive(Clone)]
pub struct Bus(Arc<dyn Subscriber>);

impl Bus {
    pub fn new(subscriber: Arc<dyn Subscriber>) -> Self {
        Self(subscriber)
    }

    pub fn publish(&self, event: &Event) {
        self.0.deliver(event);
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Bus")
    }
}
