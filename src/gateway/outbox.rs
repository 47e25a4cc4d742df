//! What waits to be written to one client, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::close::Close;
use crate::protocol::MAX_BUFFERED;
use crate::protocol::event::EncodedEvent;

/// Filled by handlers and by the fan-out, emptied by the connection's own task. Never waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    /// Of the last event that was meant for this client, also if it was left out.
    seq: u64,
    close: Option<Close>,
}

#[derive(Debug)]
enum Item {
    Frame(String),
    Event(Arc<EncodedEvent>, u64),
}

/// The next thing to do for a client.
#[derive(Debug)]
pub(super) enum Next {
    Frame(String),
    Close(Close),
}

impl Outbox {
    pub(super) fn push_frame(&self, frame: String) {
        let mut state = self.state();
        if state.close.is_some() {
            return;
        }
        if state.bytes + frame.len() > MAX_BUFFERED {
            state.close_slow();
        } else {
            state.bytes += frame.len();
            state.queue.push_back(Item::Frame(frame));
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Counts the event in any case, so that a gap tells the client what it missed.
    pub(super) fn push_event(&self, event: &Arc<EncodedEvent>, droppable: bool) {
        let mut state = self.state();
        if state.close.is_some() {
            return;
        }
        state.seq += 1;
        if state.bytes + event.len() <= MAX_BUFFERED {
            let seq = state.seq;
            state.bytes += event.len();
            state.queue.push_back(Item::Event(Arc::clone(event), seq));
        } else if !droppable {
            state.close_slow();
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Closes the connection once what waits before it is written.
    pub(super) fn close(&self, close: Close) {
        let mut state = self.state();
        if state.close.is_none() {
            state.close = Some(close);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// What waits, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Resolves when there may be something to take.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn take(&self) -> Option<Next> {
        let mut state = self.state();
        match state.queue.pop_front() {
            Some(Item::Frame(frame)) => {
                state.bytes -= frame.len();
                Some(Next::Frame(frame))
            }
            Some(Item::Event(event, seq)) => {
                state.bytes -= event.len();
                drop(state);
                Some(Next::Frame(event.frame(Some(seq))))
            }
            None => state.close.clone().map(Next::Close),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A client that does not read is told why; what waited for it is given up.
    fn close_slow(&mut self) {
        self.queue.clear();
        self.bytes = 0;
        self.close = Some(Close::SLOW_CONSUMER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Event;

    fn tick() -> Arc<EncodedEvent> {
        Arc::new(Event::Tick { ts: 1 }.encode().unwrap())
    }

    fn frames(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| match outbox.take() {
            Some(Next::Frame(frame)) => Some(frame),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn events_are_counted_in_order() {
        let outbox = Outbox::default();
        outbox.push_event(&tick(), true);
        outbox.push_frame("res".into());
        outbox.push_event(&tick(), true);
        let frames = frames(&outbox);
        assert!(frames[0].contains(r#""seq":1"#) && frames[2].contains(r#""seq":2"#));
        assert_eq!(frames[1], "res");
    }

    #[test]
    fn a_full_box_drops_what_may_be_dropped_and_shows_the_gap() {
        let outbox = Outbox::default();
        outbox.push_frame("x".repeat(MAX_BUFFERED));
        outbox.push_event(&tick(), true);
        assert_eq!(frames(&outbox).len(), 1);
        outbox.push_event(&tick(), true);
        assert!(frames(&outbox)[0].contains(r#""seq":2"#));
    }

    #[test]
    fn a_full_box_closes_for_what_may_not_be_dropped() {
        let outbox = Outbox::default();
        outbox.push_frame("x".repeat(MAX_BUFFERED));
        outbox.push_event(&tick(), false);
        assert!(matches!(outbox.take(), Some(Next::Close(close)) if close == Close::SLOW_CONSUMER));
    }
}
