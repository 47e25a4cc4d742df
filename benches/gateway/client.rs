//! The client that drives all of them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::Outcome;
use crate::servers::TOKEN;

pub type Socket = WebSocketStream<TcpStream>;

/// Sockets that are opened at a time: gateways let only a few strangers in at once.
pub const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn open(port: u16) -> Outcome<Socket> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(client_async(format!("ws://127.0.0.1:{port}/"), stream).await?.0)
}

/// The next text message.
pub async fn next(socket: &mut Socket) -> Outcome<String> {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await?;
        match message.ok_or("the server closed")?? {
            Message::Text(text) => return Ok(text.to_string()),
            Message::Close(frame) => return Err(format!("closed: {frame:?}").into()),
            _ => {}
        }
    }
}

pub fn is_response(text: &str) -> bool {
    text.starts_with(r#"{"type":"res""#)
}

/// The next response, which has to be a good one.
pub async fn response(socket: &mut Socket) -> Outcome<String> {
    loop {
        let text = next(socket).await?;
        if is_response(&text) {
            return if text.contains(r#""ok":true"#) { Ok(text) } else { Err(text.into()) };
        }
    }
}

pub async fn call(socket: &mut Socket, method: &str, params: Value) -> Outcome<String> {
    socket.send(Message::text(request(method, params))).await?;
    response(socket).await
}

pub fn request(method: &str, params: Value) -> String {
    json!({ "type": "req", "id": "1:bench", "method": method, "params": params }).to_string()
}

/// A connected operator that shows the token alone, and the two frames that the server greeted it with.
pub async fn operator(port: u16) -> Outcome<(Socket, Greeting)> {
    let mut socket = open(port).await?;
    let challenge = next(&mut socket).await?;
    let hello = call(&mut socket, "connect", connect_params("gateway-client", "backend")).await?;
    Ok((socket, Greeting { challenge, hello }))
}

#[derive(Debug, Clone)]
pub struct Greeting {
    pub challenge: String,
    pub hello: String,
}

fn connect_params(client: &str, mode: &str) -> Value {
    json!({
        "minProtocol": 4, "maxProtocol": 4, "role": "operator",
        "client": { "id": client, "version": "bench", "platform": "linux", "mode": mode },
        "scopes": ["operator.admin", "operator.read"], "auth": { "token": TOKEN },
    })
}

/// Many operators; what they are sent meanwhile stays in their sockets.
pub async fn operators(port: u16, count: usize) -> Outcome<Vec<Socket>> {
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let some = AT_ONCE.min(count - sockets.len());
        let opened = futures_util::future::try_join_all((0..some).map(|_| operator(port))).await?;
        sockets.extend(opened.into_iter().map(|(socket, _)| socket));
    }
    Ok(sockets)
}

/// A command line with a device key.
pub struct Device {
    key: SigningKey,
    id: String,
}

impl Device {
    pub fn new() -> Outcome<Self> {
        let mut seed = [0_u8; 32];
        getrandom::fill(&mut seed)?;
        let key = SigningKey::from_bytes(&seed);
        let digest = Sha256::digest(key.verifying_key().as_bytes());
        Ok(Self { key, id: digest.iter().map(|byte| format!("{byte:02x}")).collect() })
    }

    /// From TCP to `hello-ok`.
    pub async fn connect(&self, port: u16) -> Outcome<(Socket, Greeting)> {
        let mut socket = open(port).await?;
        let challenge = next(&mut socket).await?;
        let params = self.sign(&challenge)?;
        let hello = call(&mut socket, "connect", params).await?;
        Ok((socket, Greeting { challenge, hello }))
    }

    fn sign(&self, challenge: &str) -> Outcome<Value> {
        let challenge: Value = serde_json::from_str(challenge)?;
        let nonce = challenge.pointer("/payload/nonce").and_then(Value::as_str).ok_or("a challenge has a nonce")?;
        let signed_at = challenge.pointer("/payload/ts").and_then(Value::as_u64).ok_or("a challenge has a clock")?;
        let scopes = "operator.admin,operator.read";
        let signed = format!("v3|{}|cli|cli|operator|{scopes}|{signed_at}|{TOKEN}|{nonce}|linux|", self.id);
        let mut params = connect_params("cli", "cli");
        let device = json!({
            "id": self.id, "nonce": nonce, "signedAt": signed_at,
            "publicKey": URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()),
            "signature": URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).to_bytes()),
        });
        params.as_object_mut().ok_or("params are an object")?.insert("device".to_owned(), device);
        Ok(params)
    }
}
