//! A gateway client that does nothing by itself: each frame is written and read by the test, so it can be hostile.

use super::{observed, within};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

/// Any byte stream: TCP, or a connection through a tailnet peer.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

const PATIENCE: Duration = Duration::from_secs(20);

/// How the gateway ended a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed {
    pub code: u16,
    pub reason: String,
}

/// A response: the payload, or the error object.
pub type Reply = Result<Value, Value>;

pub struct RawClient {
    socket: WebSocketStream<Box<dyn Io>>,
    /// Frames read while looking for another one.
    aside: VecDeque<Value>,
    next_id: u64,
    /// What was asked, by request id.
    asked: HashMap<String, String>,
}

impl RawClient {
    /// Upgrades `stream` on `path`; nothing else is sent.
    pub async fn upgrade(stream: Box<dyn Io>, url: &str, headers: &[(&str, &str)]) -> Result<RawClient, Error> {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest;
        use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().append(
                HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
                HeaderValue::from_str(value).expect("a header value"),
            );
        }
        let limits = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let upgrade = tokio_tungstenite::client_async_with_config(request, stream, Some(limits));
        let (socket, _) = within("the upgrade", PATIENCE, upgrade).await?;
        Ok(RawClient { socket, aside: VecDeque::new(), next_id: 0, asked: HashMap::new() })
    }

    pub async fn send(&mut self, frame: &Value) {
        self.send_text(frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: impl Into<String>) {
        // The gateway may have closed meanwhile: what it said is then read by the next call.
        let _ = self.socket.send(Message::text(text.into())).await;
    }

    pub async fn send_binary(&mut self, bytes: impl Into<Bytes>) {
        let _ = self.socket.send(Message::binary(bytes)).await;
    }

    /// The next frame, or how the connection ended.
    pub async fn next(&mut self) -> Result<Value, Closed> {
        if let Some(frame) = self.aside.pop_front() {
            return Ok(frame);
        }
        within("the gateway's next frame", PATIENCE, self.read()).await
    }

    async fn read(&mut self) -> Result<Value, Closed> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                    observed::note(self.asked.get(frame["id"].as_str().unwrap_or_default()), &frame);
                    return Ok(frame);
                }
                Some(Ok(Message::Close(frame))) => {
                    let closed = frame.map_or(Closed { code: 1005, reason: String::new() }, |frame| Closed {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    });
                    return Err(closed);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("the gateway sent {other:?}"),
                Some(Err(error)) => return Err(Closed { code: 1006, reason: error.to_string() }),
                None => return Err(Closed { code: 1006, reason: "end of stream".into() }),
            }
        }
    }

    /// The first frame that `wanted` accepts; others are kept for later calls.
    pub async fn find(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.find_or_closed(wanted).await.unwrap_or_else(|closed| panic!("{what}: the gateway closed: {closed:?}"))
    }

    pub async fn find_or_closed(&mut self, wanted: impl Fn(&Value) -> bool) -> Result<Value, Closed> {
        if let Some(position) = self.aside.iter().position(&wanted) {
            return Ok(self.aside.remove(position).expect("the position was just found"));
        }
        within("a frame that fits", PATIENCE, async {
            loop {
                let frame = self.read().await?;
                if wanted(&frame) {
                    return Ok(frame);
                }
                self.aside.push_back(frame);
            }
        })
        .await
    }

    /// Frames that were read and not asked for yet.
    pub fn aside(&self) -> impl Iterator<Item = &Value> {
        self.aside.iter()
    }

    /// Reads to the end of the connection and tells how it ended; frames on the way are dropped.
    pub async fn closed(&mut self) -> Closed {
        within("the gateway closes the connection", PATIENCE, async {
            loop {
                if let Err(closed) = self.read().await {
                    return closed;
                }
            }
        })
        .await
    }

    /// The nonce and the clock of the challenge, which must be the first frame.
    pub async fn challenge(&mut self) -> (String, i64) {
        let frame = self.next().await.expect("a challenge comes first");
        assert_eq!(frame["type"], "event", "{frame}");
        assert_eq!(frame["event"], "connect.challenge", "{frame}");
        let nonce = frame["payload"]["nonce"].as_str().expect("the challenge has a nonce").to_owned();
        (nonce, frame["payload"]["ts"].as_i64().expect("the challenge has a clock"))
    }

    pub async fn connect(&mut self, params: Value) -> Reply {
        self.request("connect", params).await
    }

    /// One request and its answer. A connection closed instead of an answer is told as an error of that text.
    pub async fn request(&mut self, method: &str, params: Value) -> Reply {
        let id = self.start(method, params).await;
        self.response(&id).await
    }

    /// Sends a request without waiting for its answer.
    pub async fn start(&mut self, method: &str, params: Value) -> String {
        self.next_id += 1;
        let id = format!("{}:{}", self.next_id, uuid::Uuid::new_v4());
        self.asked.insert(id.clone(), method.to_owned());
        self.send(&json!({"type": "req", "id": id, "method": method, "params": params})).await;
        id
    }

    pub async fn response(&mut self, id: &str) -> Reply {
        match self.find_or_closed(|frame| frame["type"] == "res" && frame["id"] == id).await {
            Ok(frame) if frame["ok"] == true => Ok(frame["payload"].clone()),
            Ok(frame) => Err(frame["error"].clone()),
            Err(closed) => Err(json!({"message": format!("closed without an answer: {closed:?}")})),
        }
    }

    /// The payload of the next event of that name that `wanted` accepts.
    pub async fn event(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let fits = |frame: &Value| frame["type"] == "event" && frame["event"] == name && wanted(&frame["payload"]);
        self.find(&format!("the event {name}"), fits).await["payload"].clone()
    }
}

/// The parameters of a command-line operator that shows `token`.
pub fn connect_params(token: &str) -> Value {
    json!({
        "minProtocol": 4, "maxProtocol": 4,
        "client": {"id": "cli", "version": "test", "platform": "linux", "mode": "cli"},
        "role": "operator", "scopes": ["operator.admin"],
        "auth": {"token": token},
    })
}

/// A device key pair and the signature of a connect, version 2 or 3.
pub struct Device {
    key: SigningKey,
}

impl Device {
    pub fn new() -> Device {
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).expect("the system gives random bytes");
        Device { key: SigningKey::from_bytes(&seed) }
    }

    pub fn id(&self) -> String {
        Sha256::digest(self.key.verifying_key().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes())
    }

    /// Adds the signed `device` to connect parameters.
    pub fn sign(&self, version: u8, params: Value, nonce: &str, signed_at: i64) -> Value {
        let mut params = params;
        let text = |path: &str| params.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let scopes: Vec<&str> = params["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let secret = ["/auth/token", "/auth/deviceToken", "/auth/bootstrapToken"]
            .iter()
            .find_map(|path| params.pointer(path).and_then(Value::as_str))
            .unwrap_or_default();
        let mut fields = vec![
            format!("v{version}"),
            self.id(),
            text("/client/id"),
            text("/client/mode"),
            text("/role"),
            scopes.join(","),
            signed_at.to_string(),
            secret.to_owned(),
            nonce.to_owned(),
        ];
        if version == 3 {
            let lowered = |path: &str| text(path).trim().to_ascii_lowercase();
            fields.extend([lowered("/client/platform"), lowered("/client/deviceFamily")]);
        }
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(fields.join("|").as_bytes()).to_bytes());
        params["device"] = json!({
            "id": self.id(), "publicKey": self.public_key(), "signature": signature,
            "signedAt": signed_at, "nonce": nonce,
        });
        params
    }
}
