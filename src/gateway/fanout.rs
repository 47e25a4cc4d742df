//! Spreads events to those who may and want to have them. Each event is serialised once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use super::close::Close;
use super::outbox::Outbox;
use super::standing::Standing;
use crate::auth::{Others, Settings};
use crate::bus::{Closing, Subscriber};
use crate::live::Live;
use crate::net::Identities;
use crate::protocol::agents::Stream;
use crate::protocol::event::{About, Audience};
use crate::protocol::{Event, Role, Scope};
use crate::rpc::Subscriptions;
use crate::store::Creators;

/// Closings that are remembered for connections still in their handshake.
const REMEMBERED_CLOSINGS: usize = 1_024;

#[derive(Debug)]
pub struct Fanout {
    /// As they are now: who came in by others may have to go.
    rules: Arc<Live<Settings>>,
    identities: Arc<Identities>,
    /// The gateway's own.
    agent: String,
    creators: Arc<Creators>,
    receivers: RwLock<HashMap<u64, Receiver>>,
    closings: Mutex<Closings>,
    next: AtomicU64,
    /// The runs that HTTP callers watch, by run id.
    runs: RwLock<HashMap<String, watch::Sender<Arc<str>>>>,
    /// The sessions whose transcripts HTTP callers follow, by key.
    transcripts: RwLock<HashMap<String, watch::Sender<()>>>,
}

/// The latest closings, and how many there ever were.
#[derive(Debug, Default)]
struct Closings {
    count: u64,
    latest: VecDeque<Closing>,
}

impl Closings {
    fn remember(&mut self, closing: &Closing) {
        self.count += 1;
        if self.latest.len() == REMEMBERED_CLOSINGS {
            self.latest.pop_front();
        }
        self.latest.push_back(closing.clone());
    }

    /// Those after the first `count`, newest first.
    fn since(&self, count: u64) -> impl Iterator<Item = &Closing> {
        let new = usize::try_from(self.count.saturating_sub(count)).unwrap_or(usize::MAX);
        self.latest.iter().rev().take(new)
    }
}

#[derive(Debug)]
struct Receiver {
    standing: Arc<Standing>,
    subscriptions: Arc<Subscriptions>,
    outbox: Arc<Outbox>,
}

/// Whose rights are judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The rules have changed.
    Everybodys,
    /// The tailnet says something else of who is there.
    At(HashSet<IpAddr>),
}

/// A connection's place; dropping it ends the events.
#[derive(Debug)]
pub(super) struct Membership {
    fanout: Arc<Fanout>,
    id: u64,
}

impl Fanout {
    #[must_use]
    pub fn new(rules: Arc<Live<Settings>>, identities: Arc<Identities>, agent: &str, creators: Arc<Creators>) -> Self {
        Self {
            rules,
            agent: agent.to_owned(),
            creators,
            identities,
            receivers: RwLock::default(),
            closings: Mutex::default(),
            next: AtomicU64::default(),
            runs: RwLock::default(),
            transcripts: RwLock::default(),
        }
    }

    /// How many closings there were; asked before a caller is judged, for [`Fanout::join`].
    pub(super) fn closings(&self) -> u64 {
        self.closings.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// From here on the connection is told events, and ended with others of its device or its way in. One that was judged
    /// before a closing, or by rules or an identity that have changed since, and joins after it is judged again at once.
    pub(super) fn join(
        self: &Arc<Self>,
        standing: Arc<Standing>,
        subscriptions: Arc<Subscriptions>,
        outbox: Arc<Outbox>,
        closings_before: u64,
    ) -> Membership {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let receiver = Receiver { standing, subscriptions, outbox };
        let mut receivers = self.receivers.write().unwrap_or_else(PoisonError::into_inner);
        let closings = self.closings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(closing) = closings.since(closings_before).find(|closing| receiver.is_meant_by(closing)) {
            receiver.outbox.close(close_of(closing));
        }
        drop(closings);
        self.judge(&receiver, &self.rules.get());
        receivers.insert(id, receiver);
        drop(receivers);
        Membership { fanout: Arc::clone(self), id }
    }

    /// Judges callers again, and returns how many were put out. Asked after the change: who joins later finds the new
    /// state.
    pub fn judge_again(&self, whose: &Whose) -> usize {
        let rules = self.rules.get();
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        let meant = |receiver: &&Receiver| match whose {
            Whose::Everybodys => true,
            Whose::At(addresses) => addresses.contains(&receiver.standing.caller().address()),
        };
        receivers.values().filter(meant).filter(|receiver| self.judge(receiver, &rules)).count()
    }

    /// Whether it is put out.
    fn judge(&self, receiver: &Receiver, rules: &Arc<Settings>) -> bool {
        let Some(close) = receiver.standing.judge_again(&self.identities, rules) else { return false };
        receiver.outbox.close(close);
        true
    }

    /// Watches one run, which has not begun yet. As many as there are HTTP requests at a time.
    pub(super) fn follow_run(self: &Arc<Self>, run_id: &str) -> Following {
        let (sender, text) = watch::channel(Arc::from(""));
        self.runs.write().unwrap_or_else(PoisonError::into_inner).insert(run_id.to_owned(), sender);
        Following { fanout: Arc::clone(self), run_id: run_id.to_owned(), text }
    }

    /// Tells of changes of a session's transcript from now on.
    pub(super) fn follow_transcript(self: &Arc<Self>, key: &str) -> Signal {
        let mut transcripts = self.transcripts.write().unwrap_or_else(PoisonError::into_inner);
        let changes = transcripts.entry(key.to_owned()).or_insert_with(|| watch::channel(()).0).subscribe();
        Signal { fanout: Arc::clone(self), key: key.to_owned(), changes }
    }

    fn tell_followers(&self, event: &Event) {
        let event = match event {
            Event::Agent(event) => event,
            Event::SessionMessage(message) => return self.signal(&message.session_key),
            // A reset, a delete, a note that was put in: how far a run is changes no transcript.
            Event::SessionsChanged(changed) if changed.reason.is_some() => return self.signal(&changed.session_key),
            _ => return,
        };
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        if event.stream == Stream::Assistant
            && let Some(follower) = runs.get(&event.run_id)
            && let Some(text) = event.data.get("text").and_then(serde_json::Value::as_str)
        {
            follower.send_replace(Arc::from(text));
        }
    }

    fn signal(&self, key: &str) {
        if let Some(sender) = self.transcripts.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            sender.send_replace(());
        }
    }
}

/// Somebody to tell when a transcript changes. Dropping it ends that.
#[derive(Debug)]
pub(super) struct Signal {
    fanout: Arc<Fanout>,
    key: String,
    changes: watch::Receiver<()>,
}

impl Signal {
    /// Waits for a change since the last time this was waited for; many are one.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The sender lives as long as this value.
            std::future::pending::<()>().await;
        }
    }

    /// The next wait is none.
    pub(super) fn again(&mut self) {
        self.changes.mark_changed();
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let mut transcripts = self.fanout.transcripts.write().unwrap_or_else(PoisonError::into_inner);
        // This one still counts.
        if transcripts.get(&self.key).is_some_and(|sender| sender.receiver_count() <= 1) {
            transcripts.remove(&self.key);
        }
    }
}

/// What a run has said so far, for a caller without a connection of events. Dropping it ends the watching.
#[derive(Debug)]
pub(super) struct Following {
    fanout: Arc<Fanout>,
    run_id: String,
    text: watch::Receiver<Arc<str>>,
}

impl Following {
    /// Waits for more; what came in between is in it.
    pub(super) async fn changed(&mut self) -> Arc<str> {
        if self.text.changed().await.is_err() {
            // The sender lives as long as this value: there is nothing more to come.
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.text.borrow_and_update())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.fanout.runs.write().unwrap_or_else(PoisonError::into_inner).remove(&self.run_id);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.fanout.receivers.write().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Subscriber for Fanout {
    fn deliver(&self, event: &Event) {
        self.tell_followers(event);
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        let audience = event.audience();
        let agent = match event.about() {
            About::NoAgent => None,
            About::OwnAgent => Some(self.agent.as_str()),
            About::Session(key) => Some(key.split(':').nth(1).unwrap_or(&self.agent)),
        };
        let creator = match event.about() {
            About::Session(key) => self.creators.of(key),
            About::NoAgent | About::OwnAgent => None,
        };
        let mut wanting = receivers
            .values()
            .filter(|receiver| receiver.wants(event, &audience, agent) && receiver.sees(event, creator.as_deref()))
            .peekable();
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
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        self.closings.lock().unwrap_or_else(PoisonError::into_inner).remember(closing);
        for receiver in receivers.values().filter(|receiver| receiver.is_meant_by(closing)) {
            receiver.outbox.close(close_of(closing));
        }
    }

    fn attends(&self, device_id: &str) -> bool {
        let receivers = self.receivers.read().unwrap_or_else(PoisonError::into_inner);
        receivers.values().any(|receiver| receiver.standing.caller().device_id() == Some(device_id))
    }
}

const fn close_of(closing: &Closing) -> Close {
    match closing {
        Closing::Device { .. } => Close::DEVICE_REMOVED,
        Closing::OperatorRole { .. } => Close::OPERATOR_ROLE_CHANGED,
    }
}

impl Receiver {
    fn is_meant_by(&self, closing: &Closing) -> bool {
        let caller = self.standing.caller();
        match closing {
            Closing::Device { id, role } => {
                caller.device_id() == Some(id) && role.is_none_or(|role| role == caller.role())
            }
            Closing::OperatorRole { profile_id } => {
                caller.held().is_some() && caller.profile().is_some_and(|person| person.id == *profile_id)
            }
        }
    }

    /// Whether it may know of a session that somebody else began, if the event tells of one. `creator` is the person who
    /// began the session that it is about.
    fn sees(&self, event: &Event, creator: Option<&str>) -> bool {
        let caller = self.standing.caller();
        caller.others() != Others::Nothing
            || match event.about() {
                About::Session(_) => {
                    creator.is_some() && caller.profile().map(|person| person.id).as_deref() == creator
                }
                About::OwnAgent => false,
                About::NoAgent => !event.lists_sessions(),
            }
    }

    /// `agent` is whom the event is about.
    fn wants(&self, event: &Event, audience: &Audience, agent: Option<&str>) -> bool {
        let caller = self.standing.caller();
        let may = match (event.guard(), caller.role()) {
            (None, _) => true,
            (Some(_), Role::Node) => false,
            (Some(scope), Role::Operator) => caller.may(scope),
        };
        let reaches = agent.is_none_or(|agent| caller.agents().permit(agent, event.guard().unwrap_or(Scope::Read)));
        may && reaches
            && match audience {
                Audience::Everyone => true,
                Audience::SessionSubscribers => self.subscriptions.follows_session_list(),
                Audience::MessageSubscribers(key) => self.subscriptions.follows_messages(key),
                Audience::Approvers => self.subscriptions.follows_approvals(),
                Audience::Profile(id) => caller.profile().is_some_and(|profile| profile.id == *id),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::Next;
    use super::*;
    use crate::auth::{Caller, Mode};
    use crate::secret::Secret;

    /// A fan-out under a rule, and the rule.
    fn fanout(token: &str) -> (Arc<Fanout>, Arc<Live<Settings>>) {
        let rules = Arc::new(Live::new(by_token(token)));
        (Arc::new(Fanout::new(Arc::clone(&rules), Arc::default(), "main", Arc::default())), rules)
    }

    fn by_token(token: &str) -> Settings {
        Settings::of(Mode::Token(Secret::new(token.to_owned())))
    }

    /// Joins as somebody who was judged by these rules; whether the connection then is to end.
    fn join(fanout: &Arc<Fanout>, judged_by: Arc<Settings>) -> (Membership, impl Fn() -> bool) {
        let outbox = Arc::new(Outbox::default());
        let caller = Arc::new(Caller::by_secret(judged_by));
        let standing = Arc::new(Standing::new("c".into(), caller, Arc::default(), None));
        let membership = fanout.join(standing, Arc::default(), Arc::clone(&outbox), fanout.closings());
        (membership, move || matches!(outbox.take(), Some(Next::Close(close)) if close == Close::AUTH_CHANGED))
    }

    #[test]
    fn who_was_judged_by_an_old_secret_and_joins_after_its_change_is_put_out() {
        let (fanout, rules) = fanout("old");
        let (before, between) = (rules.get(), rules.get());
        let (_membership, ends_before) = join(&fanout, before);
        rules.set(by_token("new"));
        let (_membership, ends_between) = join(&fanout, between);
        assert!(ends_between(), "it was in its handshake while the secret changed");
        // Who came at once by the new one is not put out with the others.
        let (_membership, ends_after) = join(&fanout, rules.get());
        assert_eq!(fanout.judge_again(&Whose::Everybodys), 2);
        assert!(ends_before() && !ends_after());
    }

    fn closing(device: usize) -> Closing {
        Closing::Device { id: device.to_string(), role: None }
    }

    #[test]
    fn remembers_the_closings_since_a_handshake_began() {
        let mut closings = Closings::default();
        closings.remember(&closing(1));
        let before = closings.count;
        assert_eq!(closings.since(before).count(), 0);
        closings.remember(&closing(2));
        assert_eq!(closings.since(before).collect::<Vec<_>>(), [&closing(2)]);
        for device in 0..2 * REMEMBERED_CLOSINGS {
            closings.remember(&closing(device));
        }
        assert_eq!(closings.since(before).count(), REMEMBERED_CLOSINGS);
    }
}
