//! What nodes say by themselves. A node speaks for itself alone, on the connection that holds its slot.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::attached::Attached;
use super::calls::Ending;
use super::{Error, Nodes};
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::nodes::{EventReply, HostStats, HostStatsSeen, InvokeResultParams, NodeFault, SeenHostStats};

/// Largest answer that a caller is handed, in bytes of JSON. It goes out twice, read and as it was written, and has to
/// fit into one frame.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// Longest words of a node about what went wrong, in characters.
const MAX_WORDS: usize = 8 * 1024;
/// Largest piece of a call's progress, in bytes.
const MAX_PIECE: usize = 16 * 1024;

impl Nodes {
    /// An event. One that is not known here is no mistake of the node's: it is told so.
    ///
    /// # Errors
    /// Nothing of the node was approved yet, or another connection speaks for it now.
    pub fn report(
        &self,
        node_id: &str,
        connection: &str,
        event: String,
        payload: Option<&str>,
    ) -> Result<EventReply, Error> {
        let node = self.0.registry.held(node_id, connection).filter(|node| node.is_approved());
        let node = node.ok_or(Error::PairingChanged)?;
        let (handled, reason) = match event.as_str() {
            "node.host.stats" => match payload.map(serde_json::from_str::<HostStats>) {
                Some(Ok(stats)) if stats.is_sound() => {
                    self.note_host_stats(&node, stats);
                    (true, "updated")
                }
                _ => (false, "invalid_payload"),
            },
            // Signs of life, turns of the agent, system events and subscriptions are not taken from nodes yet.
            _ => (false, "unsupported_event"),
        };
        Ok(EventReply { ok: true, event, handled, reason: Some(reason) })
    }

    fn note_host_stats(&self, node: &Attached, stats: HostStats) {
        let host_stats = SeenHostStats { stats, updated_at_ms: now_ms() };
        node.note_host_stats(host_stats.clone());
        let seen = HostStatsSeen { node_id: node.node_id.clone(), host_stats };
        self.0.bus.publish(&Event::NodeHostStats(Box::new(seen)));
    }

    /// A node's answer to a call. Returns whether somebody waited for it.
    ///
    /// # Errors
    /// It speaks for another node.
    pub fn answer(&self, node_id: &str, connection: &str, params: InvokeResultParams) -> Result<bool, Error> {
        if params.node_id != node_id {
            return Err(Error::Invalid("nodeId mismatch"));
        }
        let ending = if params.ok {
            done(params.payload, params.payload_json)
        } else {
            Ending::Failed(bounded(params.error.unwrap_or_default()))
        };
        Ok(self.0.calls.end(&params.id, connection, ending))
    }

    /// A piece of what a call has come to so far. Nobody listens to pieces: callers of `node.invoke` get the whole.
    ///
    /// # Errors
    /// It speaks for another node, or says too much at a time.
    pub fn progress(&self, node_id: &str, connection: &str, of: (&str, &str), piece: &str) -> Result<(), Error> {
        let (invoke_id, of_node) = of;
        if of_node != node_id {
            return Err(Error::Invalid("nodeId mismatch"));
        }
        if piece.len() > MAX_PIECE {
            return Err(Error::Invalid("progress chunk too large"));
        }
        self.0.calls.note_progress(invoke_id, connection);
        Ok(())
    }

    /// What the node offers beside its commands is taken note of only while its connection holds the slot.
    ///
    /// # Errors
    /// Another connection does.
    pub fn check_speaks(&self, node_id: &str, connection: &str) -> Result<(), Error> {
        self.speaking(node_id, connection).map(drop)
    }

    /// As [`Nodes::check_speaks`], for what takes an approval, too.
    ///
    /// # Errors
    /// There is none yet: it is told which request waits.
    pub async fn check_approved(&self, node_id: &str, connection: &str) -> Result<(), Error> {
        if self.speaking(node_id, connection)?.is_approved() {
            return Ok(());
        }
        let record = self.0.database.node_record(node_id).await?;
        Err(record.waiting.map_or(Error::NotCurrent, |waiting| Error::AwaitsApproval(waiting.request_id)))
    }

    fn speaking(&self, node_id: &str, connection: &str) -> Result<Arc<Attached>, Error> {
        self.0.registry.held(node_id, connection).ok_or(Error::UnknownNode)
    }
}

fn done(payload: Option<Box<RawValue>>, written: Option<Box<RawValue>>) -> Ending {
    let text = written.as_ref().and_then(|written| serde_json::from_str::<String>(written.get()).ok());
    let (payload, payload_json) = match text {
        Some(text) => (payload, Some(text)),
        None => (payload.or(written.filter(|written| written.get() != "null")), None),
    };
    let size = match &payload_json {
        Some(text) => text.len(),
        None => payload.as_ref().map_or(0, |payload| payload.get().len()),
    };
    if size > MAX_ANSWER {
        let message = format!("the node answered {size} bytes; {MAX_ANSWER} are handed on");
        return Ending::Failed(NodeFault { code: Some("PAYLOAD_TOO_LARGE".to_owned()), message: Some(message) });
    }
    Ending::Done { payload, payload_json }
}

/// The words of a node about what went wrong, cut to size.
fn bounded(fault: NodeFault) -> NodeFault {
    let cut = |text: Option<String>| text.map(|text| text.chars().take(MAX_WORDS).collect());
    NodeFault { code: cut(fault.code), message: cut(fault.message) }
}
