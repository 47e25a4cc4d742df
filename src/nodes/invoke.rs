//! Asking a node to do something, and waiting for what comes of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use super::attached::Attached;
use super::calls::{Ending, NOT_READY};
use super::{Error, Fault, Nodes, policy, system_run};
use crate::approvals::Requester;
use crate::protocol::nodes::{InvokeCancel, InvokeRequest};
use crate::protocol::{Event, Scope};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Stands for "as long as it takes": nothing waits for ever.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Most that a node is sent with a call, in bytes. It is quoted on its way, and has to fit into one frame: larger ones
/// would cost the node its connection.
const MAX_ASKED: usize = 8 * 1024 * 1024;
/// Pauses before a node that was not ready is asked again.
const READINESS_PAUSES_MS: [u64; 4] = [100, 250, 500, 1_000];

#[derive(Debug)]
pub struct Invocation {
    pub node_id: String,
    pub command: String,
    pub params: Option<Value>,
    /// Milliseconds; 0 is as long as it takes.
    pub timeout_ms: Option<u64>,
    pub idempotency_key: String,
    pub session_key: Option<String>,
    /// Who asks: an approval counts only for whoever asked for it.
    pub by: Requester,
    pub is_admin: bool,
}

/// What a node answered.
#[derive(Debug)]
pub struct Answered {
    pub command: String,
    pub payload: Option<Box<RawValue>>,
    /// As the node wrote it.
    pub payload_json: Option<String>,
}

impl Nodes {
    /// Has a node run a command, and waits for its answer.
    ///
    /// # Errors
    /// It may not be asked for this, is not here, does not answer in time, or answers that it failed.
    pub async fn invoke(&self, invocation: Invocation) -> Result<Answered, Error> {
        let (node_id, command) = (invocation.node_id.trim(), invocation.command.trim().to_owned());
        if node_id.is_empty() || command.is_empty() {
            return Err(Error::Invalid("nodeId and command required"));
        }
        if let Some(reason) = policy::never(&command) {
            return Err(Error::Never { reason: reason.to_owned(), command });
        }
        if mutates_browser_profiles(&command, invocation.params.as_ref()) {
            let reason = format!("node.invoke cannot mutate persistent browser profiles via {command}");
            return Err(Error::Never { reason, command });
        }
        if policy::needs_admin(&command) && !invocation.is_admin {
            return Err(Error::MissingScope { missing: Scope::Admin, required: vec![Scope::Admin] });
        }
        let timeout = match invocation.timeout_ms {
            None => Some(DEFAULT_TIMEOUT),
            Some(0) => None,
            Some(milliseconds) => Some(Duration::from_millis(milliseconds).min(MAX_TIMEOUT)),
        };
        let deadline = Instant::now() + timeout.unwrap_or(MAX_TIMEOUT);
        let node = self.find_to_ask(node_id).await?;
        let usable = self.usable(&node);
        let platform = &node.client.platform;
        if let Some(refusal) = self.0.policy.get().refusal(node.kind, platform, &usable, &node.declared, &command) {
            let policy::NotAllowed { reason, message } = refusal;
            return Err(Error::NotAllowed { reason, message, command });
        }
        let params = if command == "system.run" {
            system_run::forwarded(&self.0.approvals, node_id, &invocation.by, invocation.params).await?
        } else {
            invocation.params
        };
        let params = params.map(|params| params.to_string());
        let key = invocation.session_key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let sizes = [params.as_ref(), key.as_ref(), Some(&invocation.idempotency_key)];
        if sizes.into_iter().flatten().map(String::len).sum::<usize>() > MAX_ASKED {
            return Err(Error::Invalid("the params are too large for a node"));
        }
        let request = InvokeRequest {
            id: String::new(),
            node_id: node_id.to_owned(),
            command,
            params_json: params,
            timeout_ms: 0,
            idempotency_key: invocation.idempotency_key,
            session_key: key,
        };
        self.ask_until_ready(&node, &request, timeout.map(|_| deadline), deadline).await
    }

    /// The node, if it is paired, approved for anything at all, and here.
    async fn find_to_ask(&self, node_id: &str) -> Result<Arc<Attached>, Error> {
        let device = self.0.database.device(node_id).await?.filter(super::approval::is_node);
        let record = self.0.database.node_record(node_id).await?;
        if device.is_none() || record.approved.is_none() {
            return Err(Error::PairingChanged);
        }
        self.0.registry.find(node_id).ok_or(Error::NotConnected)
    }

    async fn ask_until_ready(
        &self,
        node: &Attached,
        request: &InvokeRequest,
        told: Option<Instant>,
        deadline: Instant,
    ) -> Result<Answered, Error> {
        let mut pauses = READINESS_PAUSES_MS.into_iter();
        loop {
            match self.ask(node, request, told, deadline).await {
                Err(Error::Failed(fault)) if fault.fault.code.as_deref() == Some(NOT_READY) => {
                    let Some(pause) = pauses.next() else { return Err(Error::Failed(fault)) };
                    let pause = Instant::now() + Duration::from_millis(pause);
                    tokio::time::sleep_until(pause.min(deadline)).await;
                }
                ended => return ended,
            }
        }
    }

    /// Asks once. `told` is the end that the node is told of.
    async fn ask(
        &self,
        node: &Attached,
        request: &InvokeRequest,
        told: Option<Instant>,
        deadline: Instant,
    ) -> Result<Answered, Error> {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        if left(deadline).is_zero() {
            return Err(timed_out());
        }
        let mut call = self.0.calls.begin(&node.connection, &request.command).ok_or(Error::TooManyCalls)?;
        if self.0.registry.held(&node.node_id, &node.connection).is_none() {
            return Err(Error::NotConnected);
        }
        if !self.usable(node).commands.contains(&request.command) {
            // The policy has changed since it was asked; from here on a change ends the call.
            return Err(Error::Failed(Fault::ours("POLICY_CHANGED", "node command is no longer allowed")));
        }
        let timeout_ms = told.map_or(0, |end| u64::try_from(left(end).as_millis()).unwrap_or(u64::MAX).max(1));
        let request = InvokeRequest { id: call.id.clone(), timeout_ms, ..request.clone() };
        let (command, node_id) = (request.command.clone(), request.node_id.clone());
        node.wire.tell(&Event::NodeInvokeRequest(Box::new(request)));
        match tokio::time::timeout_at(deadline, &mut call.answer).await {
            Ok(Ok(Ending::Done { payload, payload_json })) => Ok(answered(command, payload, payload_json)),
            Ok(Ok(Ending::Failed(fault))) => Err(Error::Failed(Fault { fault, was_sent: true })),
            Ok(Ok(Ending::Gone) | Err(_)) => Err(Error::Failed(gone(&command))),
            Err(_) => {
                let cancel = InvokeCancel { invoke_id: call.id.clone(), node_id };
                node.wire.tell(&Event::NodeInvokeCancel(cancel));
                Err(timed_out())
            }
        }
    }
}

fn timed_out() -> Error {
    Error::Failed(Fault::ours("TIMEOUT", "node invoke timed out"))
}

fn gone(command: &str) -> Fault {
    if command == "mcp.tools.call.v1" {
        return Fault::ours("MCP_SERVER_UNAVAILABLE", "node host disconnected during MCP tool call");
    }
    Fault::ours("DISCONNECTED", format!("node disconnected ({command})"))
}

/// A payload that came as text is its JSON; text that is none is handed on as text.
fn answered(command: String, payload: Option<Box<RawValue>>, payload_json: Option<String>) -> Answered {
    let written = payload_json.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let payload = match written {
        Some(text) => RawValue::from_string(text.to_owned())
            .or_else(|_| to_raw_value(&serde_json::json!({ "payloadJSON": text })))
            .ok(),
        None => payload,
    };
    Answered { command, payload, payload_json }
}

/// Whether a request to the node's browser would change its profiles for good.
fn mutates_browser_profiles(command: &str, params: Option<&Value>) -> bool {
    if !command.starts_with("browser.proxy") {
        return false;
    }
    let text = |key: &str| params.and_then(|params| params.get(key)).and_then(Value::as_str).unwrap_or_default().trim();
    let path = format!("/{}", text("path").trim_start_matches('/'));
    let path = path.trim_end_matches('/');
    match text("method").to_ascii_uppercase().as_str() {
        "POST" => matches!(path, "/profiles/create" | "/reset-profile"),
        "DELETE" => path.strip_prefix("/profiles/").is_some_and(|name| !name.is_empty() && !name.contains('/')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_that_is_no_json_is_handed_on_as_text() {
        let read = |payload: Option<&str>, written: &str| {
            let payload = payload.map(|text| RawValue::from_string(text.to_owned()).unwrap());
            answered("c".to_owned(), payload, Some(written.to_owned())).payload.map(|payload| payload.get().to_owned())
        };
        assert_eq!(read(None, " {\"a\":1}").as_deref(), Some("{\"a\":1}"));
        assert_eq!(read(None, "no").as_deref(), Some("{\"payloadJSON\":\"no\"}"));
        assert_eq!(read(Some("1"), "").as_deref(), Some("1"));
    }

    #[test]
    fn a_browsers_profiles_are_not_changed_for_good() {
        for (method, path, is_refused) in [
            ("post", "profiles/create/", true),
            ("POST", "/reset-profile", true),
            ("DELETE", "//profiles/x", true),
            ("DELETE", "/profiles/x/y", false),
            ("GET", "/profiles/create", false),
        ] {
            let params = json!({"method": method, "path": path});
            assert_eq!(mutates_browser_profiles("browser.proxy", Some(&params)), is_refused, "{method} {path}");
            assert!(!mutates_browser_profiles("system.which", Some(&params)));
        }
    }
}
