//! The events that the gateway sends, whom each is for, and how one becomes a frame (protocol §1).

use serde::Serialize;

use super::access::Scope;
use super::agents::AgentEvent;
use super::approvals;
use super::chat::{ChatEvent, ChatState};
use super::config;
use super::cron::CronEvent;
use super::devices;
use super::handshake::StateVersion;
use super::nodes;
use super::presence::PresenceEntry;
use super::sessions;
use super::system::HealthReply;
use super::users::PrefsChanged;
use super::voicewake::{RoutingReply, Triggers};
use super::wake::Heartbeat;

#[derive(Debug, Clone)]
pub enum Event {
    Tick {
        ts: u64,
    },
    DevicePairRequested(Box<devices::PendingDevice>),
    DevicePairResolved(Box<devices::Resolved>),
    DevicePairChanged,
    DevicePairSetupCompleted(Box<devices::SetupCompletion>),
    DevicePairSetupDeliveryUncertain(Box<devices::SetupCompletion>),
    Presence(Vec<PresenceEntry>, StateVersion),
    Health(Box<HealthReply>, StateVersion),
    Shutdown {
        reason: &'static str,
    },
    Chat(Box<ChatEvent>),
    Agent(Box<AgentEvent>),
    SessionsChanged(Box<sessions::Changed>),
    SessionMessage(Box<sessions::Message>),
    Heartbeat(Box<Heartbeat>),
    Cron(Box<CronEvent>),
    ExecApprovalRequested(Box<approvals::Pending>),
    ExecApprovalResolved(Box<approvals::Resolved>),
    PrefsChanged(PrefsChanged),
    VoicewakeChanged(Triggers),
    /// To nodes alone, when they connect.
    VoicewakeRoutingChanged(RoutingReply),
    NodePairRequested(Box<nodes::PendingNode>),
    NodePairResolved(Box<nodes::NodeResolved>),
    NodeHostStats(Box<nodes::HostStatsSeen>),
    /// To the node that is meant alone, outside the count.
    NodeInvokeRequest(Box<nodes::InvokeRequest>),
    NodeInvokeCancel(nodes::InvokeCancel),
    ConfigChanged(config::Changed),
    /// `chat.metadata` has another answer.
    ChatMetadataChanged,
}

/// Whose doings an event tells of, for receivers who may see some agents alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<'a> {
    NoAgent,
    /// The gateway's own.
    OwnAgent,
    /// The agent of this canonical session key.
    Session(&'a str),
}

/// Who gets an event, beside the scope that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    Everyone,
    /// Connections that called `sessions.subscribe`.
    SessionSubscribers,
    /// Connections that called `sessions.messages.subscribe` with this canonical key.
    MessageSubscribers(String),
    /// Connections that can decide about approvals.
    Approvers,
    /// Connections of this person.
    Profile(String),
}

impl Event {
    /// The names in `hello-ok`.
    pub const NAMES: &[&'static str] = &[
        "connect.challenge",
        "tick",
        "device.pair.requested",
        "device.pair.resolved",
        "device.pair.changed",
        "device.pair.setup.completed",
        "device.pair.setup.deliveryUncertain",
        "presence",
        "health",
        "shutdown",
        "chat",
        "agent",
        "sessions.changed",
        "session.message",
        "heartbeat",
        "cron",
        "exec.approval.requested",
        "exec.approval.resolved",
        "users.prefs.changed",
        "voicewake.changed",
        "voicewake.routing.changed",
        "node.pair.requested",
        "node.pair.resolved",
        "node.hostStats",
        "node.invoke.request",
        "node.invoke.cancel",
        "config.changed",
        "chat.metadata.changed",
    ];

    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tick { .. } => "tick",
            Self::DevicePairRequested(_) => "device.pair.requested",
            Self::DevicePairResolved(_) => "device.pair.resolved",
            Self::DevicePairChanged => "device.pair.changed",
            Self::DevicePairSetupCompleted(_) => "device.pair.setup.completed",
            Self::DevicePairSetupDeliveryUncertain(_) => "device.pair.setup.deliveryUncertain",
            Self::Presence(..) => "presence",
            Self::Health(..) => "health",
            Self::Shutdown { .. } => "shutdown",
            Self::Chat(_) => "chat",
            Self::Agent(_) => "agent",
            Self::SessionsChanged(_) => "sessions.changed",
            Self::SessionMessage(_) => "session.message",
            Self::Heartbeat(_) => "heartbeat",
            Self::Cron(_) => "cron",
            Self::ExecApprovalRequested(_) => "exec.approval.requested",
            Self::ExecApprovalResolved(_) => "exec.approval.resolved",
            Self::PrefsChanged(_) => "users.prefs.changed",
            Self::VoicewakeChanged(_) => "voicewake.changed",
            Self::VoicewakeRoutingChanged(_) => "voicewake.routing.changed",
            Self::NodePairRequested(_) => "node.pair.requested",
            Self::NodePairResolved(_) => "node.pair.resolved",
            Self::NodeHostStats(_) => "node.hostStats",
            Self::NodeInvokeRequest(_) => "node.invoke.request",
            Self::NodeInvokeCancel(_) => "node.invoke.cancel",
            Self::ConfigChanged(_) => "config.changed",
            Self::ChatMetadataChanged => "chat.metadata.changed",
        }
    }

    /// The scope that the receiving operator needs. Nodes get only what needs none.
    #[must_use]
    pub const fn guard(&self) -> Option<Scope> {
        match self {
            Self::DevicePairRequested(_)
            | Self::DevicePairResolved(_)
            | Self::DevicePairChanged
            | Self::DevicePairSetupCompleted(_)
            | Self::DevicePairSetupDeliveryUncertain(_)
            | Self::NodePairRequested(_)
            | Self::NodePairResolved(_) => Some(Scope::Pairing),
            Self::Tick { .. } | Self::Health(..) | Self::Shutdown { .. } | Self::Heartbeat(_) => None,
            Self::Presence(..)
            | Self::Chat(_)
            | Self::Agent(_)
            | Self::SessionsChanged(_)
            | Self::SessionMessage(_)
            | Self::Cron(_)
            | Self::PrefsChanged(_)
            | Self::VoicewakeChanged(_)
            | Self::VoicewakeRoutingChanged(_)
            | Self::NodeHostStats(_)
            | Self::ConfigChanged(_)
            | Self::ChatMetadataChanged => Some(Scope::Read),
            // Never published: each is told to one node. It may hold what was meant for that node's eyes.
            Self::NodeInvokeRequest(_) | Self::NodeInvokeCancel(_) => Some(Scope::Admin),
            Self::ExecApprovalRequested(_) | Self::ExecApprovalResolved(_) => Some(Scope::Approvals),
        }
    }

    #[must_use]
    pub fn audience(&self) -> Audience {
        match self {
            Self::SessionsChanged(_) => Audience::SessionSubscribers,
            Self::SessionMessage(message) => Audience::MessageSubscribers(message.session_key.clone()),
            Self::ExecApprovalRequested(_) | Self::ExecApprovalResolved(_) => Audience::Approvers,
            Self::PrefsChanged(changed) => Audience::Profile(changed.profile_id.clone()),
            _ => Audience::Everyone,
        }
    }

    /// Whether it shows several sessions at once, without being about one.
    #[must_use]
    pub const fn lists_sessions(&self) -> bool {
        matches!(self, Self::Health(..) | Self::ExecApprovalRequested(_) | Self::ExecApprovalResolved(_))
    }

    /// Which agent's doings it tells of.
    #[must_use]
    pub fn about(&self) -> About<'_> {
        match self {
            Self::Chat(event) => About::Session(&event.session_key),
            Self::Agent(event) => About::Session(&event.session_key),
            Self::SessionsChanged(changed) => About::Session(&changed.session_key),
            Self::SessionMessage(message) => About::Session(&message.session_key),
            Self::Heartbeat(_) | Self::Cron(_) => About::OwnAgent,
            Self::Tick { .. }
            | Self::DevicePairRequested(_)
            | Self::DevicePairResolved(_)
            | Self::DevicePairChanged
            | Self::DevicePairSetupCompleted(_)
            | Self::DevicePairSetupDeliveryUncertain(_)
            | Self::Presence(..)
            | Self::Health(..)
            | Self::Shutdown { .. }
            | Self::ExecApprovalRequested(_)
            | Self::ExecApprovalResolved(_)
            | Self::PrefsChanged(_)
            | Self::VoicewakeChanged(_)
            | Self::VoicewakeRoutingChanged(_)
            | Self::NodePairRequested(_)
            | Self::NodePairResolved(_)
            | Self::NodeHostStats(_)
            | Self::NodeInvokeRequest(_)
            | Self::NodeInvokeCancel(_)
            | Self::ConfigChanged(_)
            | Self::ChatMetadataChanged => About::NoAgent,
        }
    }

    /// Whether a slow reader may miss it: a later one says the same or more.
    #[must_use]
    pub fn is_droppable(&self) -> bool {
        match self {
            // The list says it all again.
            Self::DevicePairRequested(_)
            | Self::DevicePairResolved(_)
            | Self::DevicePairChanged
            | Self::DevicePairSetupCompleted(_)
            | Self::DevicePairSetupDeliveryUncertain(_)
            | Self::NodePairRequested(_)
            | Self::NodePairResolved(_)
            | Self::NodeHostStats(_)
            | Self::ChatMetadataChanged => true,
            Self::Tick { .. } | Self::Presence(..) | Self::Health(..) | Self::Agent(_) | Self::Heartbeat(_) => true,
            Self::Chat(event) => matches!(event.state, ChatState::Delta { .. } | ChatState::Status { .. }),
            Self::Shutdown { .. }
            | Self::SessionsChanged(_)
            | Self::SessionMessage(_)
            | Self::Cron(_)
            | Self::ExecApprovalRequested(_)
            | Self::ExecApprovalResolved(_)
            | Self::PrefsChanged(_)
            | Self::VoicewakeChanged(_)
            | Self::VoicewakeRoutingChanged(_)
            | Self::NodeInvokeRequest(_)
            | Self::NodeInvokeCancel(_)
            | Self::ConfigChanged(_) => false,
        }
    }

    /// Serialises once for all receivers: everything but the receiver's own `seq`.
    ///
    /// # Errors
    /// If a payload does not serialise, which is our fault.
    pub fn encode(&self) -> Result<EncodedEvent, serde_json::Error> {
        let (payload, state_version) = match self {
            Self::DevicePairRequested(pending) => (to_json(pending)?, None),
            Self::DevicePairResolved(resolved) => (to_json(resolved)?, None),
            Self::DevicePairChanged | Self::ChatMetadataChanged => ("{}".to_owned(), None),
            Self::DevicePairSetupCompleted(completion) | Self::DevicePairSetupDeliveryUncertain(completion) => {
                (to_json(completion)?, None)
            }
            Self::Tick { ts } => (to_json(&serde_json::json!({ "ts": ts }))?, None),
            Self::Presence(presence, version) => {
                (to_json(&serde_json::json!({ "presence": presence }))?, Some(version))
            }
            Self::Health(health, version) => (to_json(health)?, Some(version)),
            Self::Shutdown { reason } => (to_json(&serde_json::json!({ "reason": reason }))?, None),
            Self::Chat(event) => (to_json(event)?, None),
            Self::Agent(event) => (to_json(event)?, None),
            Self::SessionsChanged(changed) => (to_json(changed)?, None),
            Self::SessionMessage(message) => (to_json(message)?, None),
            Self::Heartbeat(heartbeat) => (to_json(heartbeat)?, None),
            Self::Cron(event) => (to_json(event)?, None),
            Self::ExecApprovalRequested(pending) => (to_json(pending)?, None),
            Self::ExecApprovalResolved(resolved) => (to_json(resolved)?, None),
            Self::PrefsChanged(changed) => (to_json(changed)?, None),
            Self::VoicewakeChanged(triggers) => (to_json(triggers)?, None),
            Self::VoicewakeRoutingChanged(routing) => (to_json(routing)?, None),
            Self::NodePairRequested(pending) => (to_json(pending)?, None),
            Self::NodePairResolved(resolved) => (to_json(resolved)?, None),
            Self::NodeHostStats(seen) => (to_json(seen)?, None),
            Self::NodeInvokeRequest(request) => (to_json(request)?, None),
            Self::NodeInvokeCancel(cancel) => (to_json(cancel)?, None),
            Self::ConfigChanged(changed) => (to_json(changed)?, None),
        };
        let tail = match state_version {
            Some(version) => format!(r#","stateVersion":{}}}"#, to_json(version)?),
            None => "}".to_owned(),
        };
        Ok(EncodedEvent { head: format!(r#"{{"type":"event","event":"{}","payload":{payload}"#, self.name()), tail })
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

/// An event without its `seq`, shared by all receivers.
#[derive(Debug)]
pub struct EncodedEvent {
    head: String,
    tail: String,
}

impl EncodedEvent {
    /// The frame for a receiver whose counter stands at `seq`; `None` for events outside the count.
    #[must_use]
    pub fn frame(&self, seq: Option<u64>) -> String {
        match seq {
            Some(seq) => format!("{}{}{seq}{}", self.head, r#","seq":"#, self.tail),
            None => format!("{}{}", self.head, self.tail),
        }
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_carries_its_seq_and_state_version() {
        let version = StateVersion { presence: 2, health: 3 };
        let encoded = Event::Presence(Vec::new(), version).encode().unwrap();
        let frame: serde_json::Value = serde_json::from_str(&encoded.frame(Some(9))).unwrap();
        assert_eq!(frame["seq"], 9);
        assert_eq!(frame["stateVersion"]["health"], 3);
        assert_eq!(frame["payload"]["presence"], serde_json::json!([]));
        let bare: serde_json::Value = serde_json::from_str(&encoded.frame(None)).unwrap();
        assert!(bare.get("seq").is_none());
    }
}
