//! The one way for a service to reach clients: publish a typed event, or end the connections of a device.
//!
//! Services hold a [`Bus`] and know nothing of connections; `gateway::fanout` is the other end. Nothing here waits: a
//! slow client costs itself, not the service.

use std::fmt;
use std::sync::Arc;

use crate::protocol::{Event, Role};

/// Takes every event, and knows whose connections there are. Implemented by the fan-out.
pub trait Subscriber: Send + Sync + 'static {
    fn deliver(&self, event: &Event);

    /// Ends connections, each once what waits for it is written.
    fn close(&self, closing: &Closing);

    /// Whether a connection of this device is open.
    fn attends(&self, device_id: &str) -> bool;
}

/// Connections that no longer stand on what they came in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// 4001 `device removed`: it was removed, or its token rotated or revoked.
    Device {
        id: String,
        /// Those under this role; all, where it is `None`.
        role: Option<Role>,
    },
    /// 4001 `operator role changed`: those of the person that hold one.
    OperatorRole { profile_id: String },
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

    pub fn close(&self, closing: &Closing) {
        self.0.close(closing);
    }

    #[must_use]
    pub fn attends(&self, device_id: &str) -> bool {
        self.0.attends(device_id)
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Bus")
    }
}
