//! challenge -> connect -> hello-ok, or a refusal (protocol §2, §3).

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::close::{Close, policy};
use super::upgrade::Headers;
use super::{Gateway, node};
use crate::auth::{Admission, Attempt, Caller};
use crate::clock::now_ms;
use crate::net::Peer;
use crate::net::guard::Guard;
use crate::nodes::{Allowance, Arrival};
use crate::pairing::{Handed, SetupDelivery};
use crate::protocol::access::{Scope, permits};
use crate::protocol::devices::HandedToken;
use crate::protocol::frame::{Inbound, Request, response};
use crate::protocol::handshake::{
    AttachmentPolicy, Challenge, ClientInfo, ConnectParams, Features, GrantedAuth, HelloOk, Policy, ServerInfo,
    Snapshot, Suspension,
};
use crate::protocol::{
    ErrorShape, Event, MAX_ATTACHMENT, MAX_BUFFERED, MAX_IMAGE, MAX_PAYLOAD, MINIMUM_PROBE_VERSION, PROTOCOL_VERSION,
    TICK_INTERVAL_MS,
};
use crate::rpc::Sight;
use crate::tls::Carrier;

pub(super) type Socket = WebSocketStream<Guard<Carrier>>;

/// Somebody who was let in.
pub(super) struct Welcomed {
    pub caller: Arc<Caller>,
    pub client: ClientInfo,
    pub caps: Vec<String>,
    /// Of a node.
    pub arrival: Option<Arrival>,
    /// What a node may be asked for, shared with its arrival.
    pub allowance: Arc<Allowance>,
    /// To be sent once events can follow it.
    pub hello: String,
    /// What the client sent without waiting for it.
    pub pending: Vec<Message>,
    /// As the fan-out counted them before the caller was judged.
    pub closings_before: u64,
    /// To be confirmed once the hello has gone out.
    pub setup: Option<SetupDelivery>,
}

/// How a handshake ended that led nowhere. The response, if one was due, was sent.
pub(super) enum Failed {
    Close(CloseFrame),
    /// The peer has gone.
    Gone,
}

impl From<Close> for Failed {
    fn from(close: Close) -> Self {
        Self::Close(close.frame())
    }
}

impl From<WsError> for Failed {
    fn from(error: WsError) -> Self {
        Close::of(&error).map_or(Self::Gone, Into::into)
    }
}

/// Runs the handshake within its time.
pub(super) async fn perform(
    socket: &mut Socket,
    peer: &Peer,
    headers: &Headers,
    connection_id: &str,
    gateway: &Gateway,
) -> Result<Welcomed, Failed> {
    let limit = gateway.gatekeeper.settings().handshake_timeout;
    let stopped = gateway.shutdown.stopped();
    tokio::select! {
        outcome = tokio::time::timeout(limit, talk(socket, peer, headers, connection_id, gateway)) => {
            outcome.unwrap_or_else(|_| {
                tracing::info!(conn.id = connection_id, peer.addr = %peer.address(), "the handshake took too long");
                Err(Close::NORMAL.into())
            })
        }
        () = stopped => Err(Close::RESTART.into()),
    }
}

async fn talk(
    socket: &mut Socket,
    peer: &Peer,
    headers: &Headers,
    connection_id: &str,
    gateway: &Gateway,
) -> Result<Welcomed, Failed> {
    let nonce = uuid::Uuid::new_v4().to_string();
    send_challenge(socket, &nonce).await?;
    let request = first_request(socket).await?;
    let params: ConnectParams = match request.params() {
        Ok(params) => params,
        Err(error) => return Err(refuse(socket, &request.id, &error, None).await),
    };
    if !params.speaks_our_protocol() {
        let error = protocol_mismatch(&params);
        return Err(refuse(socket, &request.id, &error, Some(Close::PROTOCOL_MISMATCH)).await);
    }
    let attempt = Attempt {
        peer,
        params: &params,
        nonce: &nonce,
        origin: headers.origin.as_deref(),
        host: headers.host.as_deref(),
        vouched: &headers.vouched,
    };
    let mut pending = Vec::new();
    let closings_before = gateway.fanout.closings();
    let admission = match while_queueing(gateway.gatekeeper.admit(attempt), socket, &mut pending).await? {
        Ok(admission) => admission,
        Err(refusal) => {
            tracing::warn!(
                conn.id = connection_id, peer.addr = %peer.address(), peer.path = peer.path(),
                peer.login = peer.whois().and_then(|who| who.login()), client = params.client.id.as_str(),
                code = refusal.code(), reason = %refusal.shape().message, "refused"
            );
            return Err(match refuse(socket, &request.id, refusal.shape(), None).await {
                Failed::Close(_) => Failed::Close(policy(&refusal.close_reason())),
                Failed::Gone => Failed::Gone,
            });
        }
    };
    let hello = match hello(&admission, connection_id, gateway).await {
        Ok(hello) => hello,
        Err(error) => return Err(refuse(socket, &request.id, &error, None).await),
    };
    let hello = response(&request.id, Ok(&hello));
    let setup = admission.setup;
    let caller = Arc::new(admission.caller);
    let allowance = Arc::new(Allowance::of(caller.commands().cloned()));
    let arrival = node::arrival(&caller, &params, connection_id, &allowance);
    let (client, caps) = (params.client, params.caps);
    Ok(Welcomed { caller, client, caps, arrival, allowance, hello, pending, closings_before, setup })
}

/// Frames that a client may send before it is let in, behind its `connect`.
const MAX_PENDING: usize = 15;

/// Waits for the decision, and meanwhile keeps what the client sends already. The decision is waited for in any case:
/// its delay is what slows a guesser down, also one that does not stay for the answer.
async fn while_queueing<T>(
    deciding: impl Future<Output = T>,
    socket: &mut Socket,
    pending: &mut Vec<Message>,
) -> Result<T, Failed> {
    tokio::pin!(deciding);
    let failed = loop {
        let message = tokio::select! {
            biased;
            decided = &mut deciding => return Ok(decided),
            message = socket.next() => message,
        };
        match message {
            Some(Ok(Message::Text(_) | Message::Binary(_))) if pending.len() == MAX_PENDING => {
                break Close::TOO_MANY_PENDING.into();
            }
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => pending.push(message),
            Some(Ok(Message::Close(_))) | None => break Failed::Gone,
            Some(Ok(_)) => {}
            Some(Err(error)) => break error.into(),
        }
    };
    deciding.await;
    Err(failed)
}

async fn send_challenge(socket: &mut Socket, nonce: &str) -> Result<(), Failed> {
    let challenge = Challenge { nonce: nonce.to_owned(), ts: now_ms() };
    let frame = json!({ "type": "event", "event": "connect.challenge", "payload": challenge }).to_string();
    Ok(socket.send(Message::text(frame)).await?)
}

/// The first data message has to be `connect`.
async fn first_request(socket: &mut Socket) -> Result<Request, Failed> {
    let text = loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => break text,
            Some(Ok(Message::Binary(bytes))) => match String::from_utf8(bytes.into()) {
                Ok(text) => break text.into(),
                Err(_) => return Err(Close::NORMAL.into()),
            },
            Some(Ok(Message::Close(_))) | None => return Err(Failed::Gone),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
        }
    };
    match Inbound::parse(&text) {
        Inbound::Request(request) if claims_to_be_a_worker(&request) => Err(Close::INVALID_HANDSHAKE.into()),
        Inbound::Request(request) if request.method == "connect" => Ok(request),
        Inbound::Request(request) => {
            let error = ErrorShape::invalid("invalid handshake: first request must be connect");
            Err(refuse(socket, &request.id, &error, None).await)
        }
        Inbound::Malformed { .. } => Err(Close::NOT_A_REQUEST.into()),
        Inbound::NotJson => Err(Close::NORMAL.into()),
    }
}

/// Workers come in by a path of their own, which is not served here; on this one they are not even answered.
fn claims_to_be_a_worker(request: &Request) -> bool {
    #[derive(Deserialize)]
    struct Claim {
        role: Option<Value>,
        client: Option<Value>,
    }
    let Ok(claim) = request.params::<Claim>() else { return false };
    let client = |key: &str| claim.client.as_ref().and_then(|client| client.get(key)).and_then(Value::as_str);
    claim.role.is_some_and(|role| role == "worker")
        || client("id") == Some("openclaw-worker")
        || client("mode") == Some("worker")
}

/// Sends the response first, then names the close.
async fn refuse(socket: &mut Socket, id: &RawValue, error: &ErrorShape, close: Option<Close>) -> Failed {
    match socket.send(Message::text(response::<()>(id, Err(error)))).await {
        Ok(()) => Failed::Close(close.map_or_else(|| policy(&error.message), Close::frame)),
        Err(_) => Failed::Gone,
    }
}

fn protocol_mismatch(params: &ConnectParams) -> ErrorShape {
    ErrorShape::invalid("protocol mismatch").with_details(json!({
        "code": "PROTOCOL_MISMATCH",
        "clientMinProtocol": params.min_protocol,
        "clientMaxProtocol": params.max_protocol,
        "expectedProtocol": PROTOCOL_VERSION,
        "minimumProbeProtocol": MINIMUM_PROBE_VERSION,
    }))
}

fn handed(token: &Handed) -> HandedToken {
    HandedToken {
        device_token: token.token.expose().clone(),
        role: token.role,
        scopes: token.scopes.clone(),
        issued_at_ms: token.issued_at,
    }
}

async fn hello(admission: &Admission, connection_id: &str, gateway: &Gateway) -> Result<HelloOk, ErrorShape> {
    let caller = &admission.caller;
    let is_admin = permits(caller.scopes(), Scope::Admin);
    let about = &gateway.about;
    let auth_mode = gateway.gatekeeper.settings().mode.name();
    Ok(HelloOk {
        kind: "hello-ok",
        protocol: PROTOCOL_VERSION,
        server: ServerInfo {
            version: crate::VERSION.to_owned(),
            boot_id: about.boot_id.clone(),
            conn_id: connection_id.to_owned(),
        },
        features: Features { methods: gateway.table.names(), events: Event::NAMES.to_vec() },
        snapshot: Snapshot {
            presence: gateway.presence.list(),
            health: gateway.system.health(Sight { login: is_admin, ..gateway.system.sight_of(caller) }).await?,
            state_version: gateway.presence.version(),
            uptime_ms: gateway.system.uptime_ms(),
            session_defaults: about.session_defaults(gateway.http.has_model()),
            suspension: Suspension { phase: "accepting" },
            config_path: is_admin.then(|| about.config_path.clone()),
            state_dir: is_admin.then(|| about.state_dir.clone()),
            auth_mode: is_admin.then_some(auth_mode),
        },
        auth: GrantedAuth {
            method: caller.method().as_str(),
            role: caller.role(),
            scopes: caller.scopes().to_vec(),
            device_token: admission.paired.as_ref().map(|paired| paired.token.token.expose().clone()),
            issued_at_ms: admission.paired.as_ref().map(|paired| paired.token.issued_at),
            device_tokens: admission.paired.iter().flat_map(|paired| &paired.others).map(handed).collect(),
        },
        policy: Policy {
            max_payload: MAX_PAYLOAD,
            max_buffered_bytes: MAX_BUFFERED,
            tick_interval_ms: TICK_INTERVAL_MS,
            attachments: AttachmentPolicy { max_bytes: MAX_ATTACHMENT, max_image_bytes: MAX_IMAGE },
        },
    })
}
