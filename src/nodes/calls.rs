//! Calls that nodes were sent and have not answered. Only the connection that was asked can answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::protocol::nodes::NodeFault;

/// Calls of one node that wait at a time, and of all.
const MAX_OF_ONE: usize = 64;
const MAX_OF_ALL: usize = 1024;

/// How a node answered.
#[derive(Debug)]
pub(super) enum Ending {
    Done {
        payload: Option<Box<RawValue>>,
        payload_json: Option<String>,
    },
    Failed(NodeFault),
    /// Its connection ended first.
    Gone,
}

#[derive(Debug)]
struct Waiting {
    connection: Arc<str>,
    command: String,
    /// It has sent something of its work, so it did begin.
    has_progressed: bool,
    answer: oneshot::Sender<Ending>,
}

/// By the call's id.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Arc<Mutex<HashMap<String, Waiting>>>);

/// A call that waits; dropping it forgets the call.
#[derive(Debug)]
pub(super) struct Call {
    calls: Calls,
    pub id: String,
    pub answer: oneshot::Receiver<Ending>,
}

impl Calls {
    /// `None`: too many wait.
    pub(super) fn begin(&self, connection: &Arc<str>, command: &str) -> Option<Call> {
        let mut waiting = self.waiting();
        let of_this = waiting.values().filter(|call| call.connection == *connection).count();
        if of_this >= MAX_OF_ONE || waiting.len() >= MAX_OF_ALL {
            return None;
        }
        let id = uuid::Uuid::new_v4().to_string();
        let (sender, answer) = oneshot::channel();
        let connection = Arc::clone(connection);
        let call = Waiting { connection, command: command.to_owned(), has_progressed: false, answer: sender };
        waiting.insert(id.clone(), call);
        Some(Call { calls: self.clone(), id, answer })
    }

    /// Takes a node's answer. Returns whether somebody waited for it from this connection.
    pub(super) fn end(&self, id: &str, connection: &str, ending: Ending) -> bool {
        let mut waiting = self.waiting();
        if waiting.get(id).is_none_or(|call| &*call.connection != connection) {
            return false;
        }
        let Some(call) = waiting.remove(id) else { return false };
        drop(waiting);
        let ending = match ending {
            Ending::Failed(fault) if call.has_progressed && fault.code.as_deref() == Some(NOT_READY) => {
                let message = "node reported not-ready after invocation progress";
                Ending::Failed(NodeFault { code: Some("UNAVAILABLE".to_owned()), message: Some(message.to_owned()) })
            }
            ending => ending,
        };
        call.answer.send(ending).is_ok()
    }

    pub(super) fn note_progress(&self, id: &str, connection: &str) {
        let mut waiting = self.waiting();
        if let Some(call) = waiting.get_mut(id).filter(|call| &*call.connection == connection) {
            call.has_progressed = true;
        }
    }

    /// Ends what a connection that is over was asked.
    pub(super) fn end_of(&self, connection: &str) {
        let over: Vec<Waiting> =
            self.waiting().extract_if(|_, call| &*call.connection == connection).map(|(_, call)| call).collect();
        for call in over {
            // Whoever waited may have given up.
            let _ = call.answer.send(Ending::Gone);
        }
    }

    /// Ends the calls of a connection whose command it may not be asked for any more, and returns their ids.
    pub(super) fn end_unusable(&self, connection: &str, is_usable: impl Fn(&str) -> bool) -> Vec<String> {
        let is_over = |call: &Waiting| &*call.connection == connection && !is_usable(&call.command);
        let over: Vec<(String, Waiting)> = self.waiting().extract_if(|_, call| is_over(call)).collect();
        let message = "node command is no longer allowed";
        let end = |(id, call): (String, Waiting)| {
            let fault = NodeFault { code: Some("POLICY_CHANGED".to_owned()), message: Some(message.to_owned()) };
            let _ = call.answer.send(Ending::Failed(fault));
            id
        };
        over.into_iter().map(end).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node may answer before it begins with a call; it is then asked again.
pub(super) const NOT_READY: &str = "NODE_NOT_READY";

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.waiting().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done() -> Ending {
        Ending::Done { payload: None, payload_json: Some("1".to_owned()) }
    }

    #[test]
    fn only_the_connection_that_was_asked_can_answer_and_once() {
        let calls = Calls::default();
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let mut call = calls.begin(&one, "c").unwrap();
        assert!(!calls.end(&call.id, &other, done()));
        assert!(calls.end(&call.id, &one, done()));
        assert!(!calls.end(&call.id, &one, done()), "late");
        assert!(matches!(call.answer.try_recv(), Ok(Ending::Done { .. })));
    }

    #[test]
    fn there_is_a_limit_for_each_node_and_one_for_all() {
        let calls = Calls::default();
        let mut kept = Vec::new();
        for number in 0..MAX_OF_ALL / MAX_OF_ONE {
            let connection: Arc<str> = number.to_string().into();
            kept.extend((0..MAX_OF_ONE).map(|_| calls.begin(&connection, "c").unwrap()));
            assert!(calls.begin(&connection, "c").is_none());
        }
        let late: Arc<str> = "late".into();
        assert!(calls.begin(&late, "c").is_none());
        kept.clear();
        assert!(calls.begin(&late, "c").is_some(), "who gave up leaves room");
    }

    #[test]
    fn the_end_of_a_connection_ends_its_calls_and_no_others() {
        let calls = Calls::default();
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let (mut ours, mut theirs) = (calls.begin(&one, "c").unwrap(), calls.begin(&other, "c").unwrap());
        calls.end_of(&one);
        assert!(matches!(ours.answer.try_recv(), Ok(Ending::Gone)));
        assert!(theirs.answer.try_recv().is_err());
    }

    #[test]
    fn what_may_not_be_asked_any_more_is_ended() {
        let calls = Calls::default();
        let one: Arc<str> = "one".into();
        let (mut kept, mut ended) = (calls.begin(&one, "good").unwrap(), calls.begin(&one, "bad").unwrap());
        assert!(calls.end_unusable("other", |_| false).is_empty());
        assert_eq!(calls.end_unusable(&one, |command| command == "good"), [ended.id.clone()]);
        assert!(matches!(ended.answer.try_recv(), Ok(Ending::Failed(_))));
        assert!(kept.answer.try_recv().is_err());
    }

    #[test]
    fn who_has_begun_cannot_say_that_it_was_not_ready() {
        let calls = Calls::default();
        let one: Arc<str> = "one".into();
        let not_ready = || Ending::Failed(NodeFault { code: Some(NOT_READY.to_owned()), message: None });
        let mut call = calls.begin(&one, "c").unwrap();
        calls.end(&call.id, &one, not_ready());
        let Ending::Failed(fault) = call.answer.try_recv().unwrap() else { panic!("a fault") };
        assert_eq!(fault.code.as_deref(), Some(NOT_READY));
        let mut call = calls.begin(&one, "c").unwrap();
        calls.note_progress(&call.id, &one);
        calls.end(&call.id, &one, not_ready());
        let Ending::Failed(fault) = call.answer.try_recv().unwrap() else { panic!("a fault") };
        assert_eq!(fault.code.as_deref(), Some("UNAVAILABLE"));
    }
}
