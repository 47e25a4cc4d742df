//! Spreads events to those who may and want to have them. Each event is serialised once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::close::Close;
use super::outbox::Outbox;
use crate::auth::{Caller, Settings};
use crate::bus::{Closing, ClosingReason, Subscriber};
use crate::protocol::event::Audience;
use crate::protocol::{Event, Role};
use crate::rpc::Subscriptions;

#[derive(Debug, Default)]
pub struct Fanout {
    receivers: RwLock<HashMap<u64, Receiver>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Receiver {
    caller: Arc<Caller>,
    subscriptions: Arc<Subscriptions>,
    outbox: Arc<Outbox>,
}

/// A connection's place; dropping it ends the events.
#[derive(Debug)]
pub(super) struct Membership {
    fanout: Arc<Fanout>,
    id: u64,
}

impl Fanout {
    pub(super) fn join(
        self: &Arc<Self>,
        caller: Arc<Caller>,
        subscriptions: Arc<Subscriptions>,
        outbox: Arc<Outbox>,
    ) -> Membership {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let receiver = Receiver { caller, subscriptions, outbox };
        self.receivers.write().unwrap_or_else(PoisonError::into_inner).insert(id, receiver);
        Membership { fanout: Arc::clone(self), id }
    }

    /// Ends the connections of callers whose way in is gone, and returns how many.
    pub fn end_after_change(&self, old: &Settings, new: &Settings) -> usize {
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        let gone = receivers.values().filter(|receiver| !receiver.caller.outlives(old, new));
        gone.map(|receiver| receiver.outbox.close(Close::AUTH_CHANGED)).count()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.fanout.receivers.write().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Subscriber for Fanout {
    fn deliver(&self, event: &Event) {
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        let audience = event.audience();
        let mut wanting = receivers.values().filter(|receiver| receiver.wants(event, &audience)).peekable();
        if wanting.peek().is_none() {
            return;
        }
        let encoded = match event.encode() {
            Ok(encoded) => Arc::new(encoded),
            Err(error) => {
                tracing::error!(event = event.name(), %error, "an event could not be serialised");
                return;
            }
        };
        let droppable = event.is_droppable();
        wanting.for_each(|receiver| receiver.outbox.push_event(&encoded, droppable));
    }

    fn close(&self, closing: &Closing) {
        let close = match closing.reason {
            ClosingReason::DeviceRemoved => Close::DEVICE_REMOVED,
        };
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        for receiver in receivers.values().filter(|receiver| receiver.is_meant_by(closing)) {
            receiver.outbox.close(close);
        }
    }

    fn attends(&self, device_id: &str) -> bool {
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        receivers.values().any(|receiver| receiver.caller.device_id() == Some(device_id))
    }
}

impl Receiver {
    fn is_meant_by(&self, closing: &Closing) -> bool {
        self.caller.device_id() == Some(closing.device_id.as_str())
            && closing.role.is_none_or(|role| role == self.caller.role())
    }

    fn wants(&self, event: &Event, audience: &Audience) -> bool {
        let may = match (event.guard(), self.caller.role()) {
            (None, _) => true,
            (Some(_), Role::Node) => false,
            (Some(scope), Role::Operator) => self.caller.may(scope),
        };
        may && match audience {
            Audience::Everyone => true,
            Audience::SessionSubscribers => self.subscriptions.follows_session_list(),
            Audience::MessageSubscribers(key) => self.subscriptions.follows_messages(key),
            Audience::Approvers => self.subscriptions.follows_approvals(),
            Audience::Profile(id) => self.caller.profile().is_some_and(|profile| profile.id == *id),
        }
    }
}
