//! One connection: requests with their answers, and the events in between.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::handshake::{Challenge, connect_params};
use super::route::Io;
use super::{CALL_TIMEOUT, ClientError, Hello, Refusal, Target};
use crate::protocol::{MAX_PAYLOAD, Method};

/// Events kept for a caller who is busy with something else; the oldest go first.
const MAX_KEPT_EVENTS: usize = 1_024;

/// Dropping it ends the connection.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<Io>,
    hello: Hello,
    next_id: u64,
    events: VecDeque<Event>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    #[serde(rename = "event")]
    pub name: String,
    #[serde(default)]
    pub payload: Value,
    #[serde(default)]
    pub seq: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Frame {
    Event(Event),
    Res(Response),
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    id: Value,
    ok: bool,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    error: Option<Refusal>,
}

impl Client {
    /// Connects and waits for `hello-ok`.
    ///
    /// # Errors
    /// Whatever stands between: the address, the network, the gateway's refusal.
    pub async fn connect(target: &Target) -> Result<Self, ClientError> {
        let deadline = Instant::now() + target.timeout;
        let silent = || ClientError::Silent { url: target.route.url.to_string(), after: target.timeout };
        let socket = timeout_at(deadline, open(target, deadline)).await.map_err(|_| silent())??;
        let mut wire = Wire { socket };
        let admitted = timeout_at(deadline, admit(&mut wire, target)).await.map_err(|_| silent())?;
        Ok(Self { hello: admitted?, socket: wire.socket, next_id: 1, events: VecDeque::new() })
    }

    #[must_use]
    pub const fn hello(&self) -> &Hello {
        &self.hello
    }

    /// A method with its own types, within the default deadline.
    ///
    /// # Errors
    /// As [`Client::call_raw`]; [`ClientError::NotAGateway`] for an answer of another shape.
    pub async fn call<M: Method>(&mut self, params: &impl serde::Serialize) -> Result<M::Reply, ClientError>
    where
        M::Reply: DeserializeOwned,
    {
        let strange =
            |error: serde_json::Error| ClientError::NotAGateway { url: M::NAME.to_owned(), problem: error.to_string() };
        let params = serde_json::to_value(params).map_err(strange)?;
        let payload = self.call_raw(M::NAME, params, CALL_TIMEOUT).await?;
        serde_json::from_value(payload).map_err(strange)
    }

    /// Sends a request and waits for its first answer. Events that arrive meanwhile are kept for
    /// [`Client::next_event`].
    ///
    /// # Errors
    /// [`ClientError::Failed`] when the gateway says no, [`ClientError::Timeout`], [`ClientError::Closed`].
    pub async fn call_raw(&mut self, method: &str, params: Value, within: Duration) -> Result<Value, ClientError> {
        self.request(method, params, within, |_| true, |_| {}).await
    }

    /// The same for methods that answer twice (`agent`: accepted, then the outcome): waits for the second. Events
    /// that arrive meanwhile go to `on_event`.
    ///
    /// # Errors
    /// As [`Client::call_raw`].
    pub async fn call_final(
        &mut self,
        method: &str,
        params: Value,
        within: Duration,
        on_event: impl FnMut(&Event),
    ) -> Result<Value, ClientError> {
        let is_final = |payload: &Value| payload.get("status").and_then(Value::as_str) != Some("accepted");
        self.request(method, params, within, is_final, on_event).await
    }

    /// The next event, in the order of arrival.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn next_event(&mut self) -> Result<Event, ClientError> {
        if let Some(event) = self.events.pop_front() {
            return Ok(event);
        }
        loop {
            // An answer that nobody waits for any more came too late.
            if let Frame::Event(event) = read(&mut self.socket).await? {
                return Ok(event);
            }
        }
    }

    /// Says goodbye. Dropping would do; this spares the gateway a line in its log.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    async fn request(
        &mut self,
        method: &str,
        params: Value,
        within: Duration,
        is_final: impl Fn(&Value) -> bool,
        mut on_event: impl FnMut(&Event),
    ) -> Result<Value, ClientError> {
        let id = self.next_id.to_string();
        self.next_id += 1;
        let deadline = Instant::now() + within;
        let late = || ClientError::Timeout { method: method.to_owned(), after: within };
        let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
        timeout_at(deadline, write(&mut self.socket, &frame)).await.map_err(|_| late())??;
        loop {
            match timeout_at(deadline, read(&mut self.socket)).await.map_err(|_| late())?? {
                Frame::Event(event) => {
                    on_event(&event);
                    self.keep(event);
                }
                Frame::Res(response) if response.id == id.as_str() => match outcome(response) {
                    Ok(payload) if is_final(&payload) => return Ok(payload),
                    Ok(_) => {}
                    Err(refusal) => return Err(ClientError::Failed { method: method.to_owned(), refusal }),
                },
                Frame::Res(_) | Frame::Other => {}
            }
        }
    }

    fn keep(&mut self, event: Event) {
        if self.events.len() == MAX_KEPT_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

struct Wire {
    socket: WebSocketStream<Io>,
}

async fn open(target: &Target, deadline: Instant) -> Result<WebSocketStream<Io>, ClientError> {
    let url = target.route.url.to_string();
    let strange = |error: tungstenite::Error| ClientError::NotAGateway { url: url.clone(), problem: error.to_string() };
    let mut request = url.as_str().into_client_request().map_err(strange)?;
    request.headers_mut().extend(target.route.headers.iter().cloned());
    let stream = target.route.open(deadline).await?;
    let mut limits = WebSocketConfig::default();
    limits.max_message_size = Some(MAX_PAYLOAD * 2);
    limits.max_frame_size = Some(MAX_PAYLOAD * 2);
    match client_async_with_config(request, stream, Some(limits)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(not_upgraded(url, &response)),
        Err(error) => Err(strange(error)),
    }
}

/// The body of a refused upgrade says more than its status.
fn not_upgraded(url: String, response: &::http::Response<Option<Vec<u8>>>) -> ClientError {
    let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let said = serde_json::from_str::<Value>(&body).ok().and_then(|body| {
        let message = body.pointer("/error/message").or_else(|| body.get("error"))?;
        message.as_str().map(str::to_owned)
    });
    let text = said.unwrap_or_else(|| body.lines().next().unwrap_or_default().chars().take(200).collect());
    let colon = if text.is_empty() { "" } else { ": " };
    ClientError::NotAGateway { url, problem: format!("HTTP {}{colon}{text}", response.status().as_u16()) }
}

async fn admit(wire: &mut Wire, target: &Target) -> Result<Hello, ClientError> {
    let strange = |problem: String| ClientError::NotAGateway { url: target.route.url.to_string(), problem };
    let challenge = loop {
        match read(&mut wire.socket).await? {
            Frame::Event(event) if event.name == "connect.challenge" => {
                break serde_json::from_value::<Challenge>(event.payload)
                    .map_err(|error| strange(error.to_string()))?;
            }
            Frame::Event(_) | Frame::Res(_) | Frame::Other => {}
        }
    };
    let params = connect_params(target, &challenge);
    let frame = json!({ "type": "req", "id": "connect", "method": "connect", "params": params });
    write(&mut wire.socket, &frame).await?;
    loop {
        if let Frame::Res(response) = read(&mut wire.socket).await?
            && response.id == "connect"
        {
            let whole = outcome(response).map_err(ClientError::Refused)?;
            let hello = serde_json::from_value(whole.clone()).map_err(|error| strange(error.to_string()))?;
            return Ok(Hello { whole, ..hello });
        }
    }
}

fn outcome(response: Response) -> Result<Value, Box<Refusal>> {
    if response.ok {
        return Ok(response.payload);
    }
    Err(Box::new(response.error.unwrap_or_else(|| Refusal {
        code: "UNAVAILABLE".to_owned(),
        message: "the gateway gave no reason".to_owned(),
        details: None,
        retryable: false,
        retry_after_ms: None,
    })))
}

async fn write(socket: &mut WebSocketStream<Io>, frame: &Value) -> Result<(), ClientError> {
    socket.send(Message::text(frame.to_string())).await.map_err(|error| closed(&error))
}

/// Pings are answered while we read. Frames that are no JSON are none of ours.
async fn read(socket: &mut WebSocketStream<Io>) -> Result<Frame, ClientError> {
    loop {
        let message = match socket.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(closed(&error)),
            None => return Err(ClientError::Closed { code: None, reason: String::new() }),
        };
        let text = match message {
            Message::Text(text) => text.to_string(),
            Message::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Message::Close(Some(frame)) => {
                return Err(ClientError::Closed { code: Some(frame.code.into()), reason: frame.reason.to_string() });
            }
            Message::Close(None) => return Err(ClientError::Closed { code: None, reason: String::new() }),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        if let Ok(frame) = serde_json::from_str(&text) {
            return Ok(frame);
        }
    }
}

fn closed(error: &tungstenite::Error) -> ClientError {
    ClientError::Closed { code: None, reason: error.to_string() }
}

#[cfg(test)]
mod tests;
