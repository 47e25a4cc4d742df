//! One WebSocket connection, from its upgrade to its end: one task that reads, answers and writes.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::AsyncReadExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role as Side, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::attendance::{self, Attendance};
use super::close::Close;
use super::handshake::{self, Failed, Socket, Welcomed};
use super::outbox::{Next, Outbox};
use super::standing::Standing;
use super::upgrade::Headers;
use super::{Gateway, node};
use crate::net::deadline::is_stalled;
use crate::net::guard::Guard;
use crate::net::{AddressSlot, Peer};
use crate::nodes::{Arrival, Attachment};
use crate::pairing::SetupDelivery;
use crate::protocol::frame::{Inbound, Request, response};
use crate::protocol::{ErrorShape, MAX_PAYLOAD};
use crate::rpc::{Answer, Context, Dispatch, Subscriptions};
use crate::tls::Carrier;

/// After our close frame, what the peer still sends is read this long: closing at once would reset the connection and
/// with it the frame that says why.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// Requests of one connection that are being worked on at a time. While there are so many, or so much waits to be
/// written, no more is read: a client that asks and does not listen is slowed down before it costs others anything.
const MAX_WORKING: usize = 8;
const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// Messages that are read before what they caused is written, if they are there already: one write for all of them.
const READ_BATCH: usize = 64;
/// Calls of one connection that wait for something to happen.
const MAX_LONG_CALLS: usize = 256;
/// Calls under the wrong role before the connection is closed.
const MAX_WRONG_ROLE: u32 = 10;
/// What is read at a time. Small, because it is held by every idle connection.
const READ_BUFFER: usize = 4 * 1024;
const WRITE_BUFFER: usize = 64 * 1024;

/// Runs the connection to its end.
pub(super) async fn run(
    stream: Guard<Carrier>,
    peer: Peer,
    headers: Headers,
    slot: AddressSlot,
    gateway: Arc<Gateway>,
) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_PAYLOAD))
        .max_frame_size(Some(MAX_PAYLOAD));
    let mut socket = WebSocketStream::from_raw_socket(stream, Side::Server, Some(config)).await;
    let id = uuid::Uuid::new_v4().to_string();
    let welcomed = handshake::perform(&mut socket, &peer, &headers, &id, &gateway).await;
    drop(slot);
    match welcomed {
        Ok(welcomed) => {
            socket.get_mut().lift();
            Connection::open(id.into(), peer, welcomed, gateway).talk(socket).await;
        }
        Err(Failed::Close(frame)) => close(socket, frame).await,
        Err(Failed::Gone) => part(socket).await,
    }
}

struct Connection {
    id: Arc<str>,
    peer: Peer,
    /// Of a request, all but the caller as it is then.
    context: Context,
    standing: Arc<Standing>,
    outbox: Arc<Outbox>,
    working: Arc<Semaphore>,
    long_calls: Arc<Semaphore>,
    gateway: Arc<Gateway>,
    opened: Instant,
    requests: u64,
    wrong_role: u32,
    /// Of a node, until it is entered.
    arrival: Option<Arrival>,
    /// Sent before it was let in.
    pending: Vec<Message>,
    /// See [`super::fanout::Fanout::join`].
    closings_before: u64,
    setup: Option<SetupDelivery>,
    /// Held for its end.
    _attendance: Option<Attendance>,
}

impl Connection {
    fn open(id: Arc<str>, peer: Peer, welcomed: Welcomed, gateway: Arc<Gateway>) -> Self {
        let outbox = Arc::new(Outbox::default());
        outbox.push_frame(welcomed.hello);
        gateway.connections.fetch_add(1, Ordering::Relaxed);
        tracing::info!(
            conn.id = %id, peer.addr = %peer.address(), peer.path = peer.path(), peer.login = welcomed.caller.login(),
            client = welcomed.client.id.as_str(), auth.method = welcomed.caller.method().as_str(),
            role = welcomed.caller.role().as_str(), "connected"
        );
        let attendance =
            Attendance::enter(&id, &peer, &welcomed.client, &welcomed.caller, &gateway.presence, &gateway.bus);
        let subscriptions = Subscriptions::default();
        let decides = attendance::decides(&welcomed.client, &welcomed.caps, &welcomed.caller);
        if decides {
            subscriptions.follow_approvals();
        }
        let seat = decides.then(|| gateway.approvers.enter(&id));
        let name = welcomed.client.display_name.as_deref().unwrap_or(welcomed.client.id.as_str());
        let client = Arc::from(name);
        let standing = Standing::new(Arc::clone(&id), Arc::clone(&welcomed.caller), welcomed.allowance, seat);
        Self {
            standing: Arc::new(standing),
            context: Context {
                caller: welcomed.caller,
                subscriptions: Arc::new(subscriptions),
                connection: Arc::clone(&id),
                client,
            },
            _attendance: attendance,
            working: Arc::new(Semaphore::new(MAX_WORKING)),
            long_calls: Arc::new(Semaphore::new(MAX_LONG_CALLS)),
            opened: Instant::now(),
            requests: 0,
            wrong_role: 0,
            arrival: welcomed.arrival,
            pending: welcomed.pending,
            closings_before: welcomed.closings_before,
            setup: welcomed.setup,
            id,
            peer,
            outbox,
            gateway,
        }
    }

    async fn talk(mut self, mut socket: Socket) {
        let membership = self.gateway.fanout.join(
            Arc::clone(&self.standing),
            Arc::clone(&self.context.subscriptions),
            Arc::clone(&self.outbox),
            self.closings_before,
        );
        let end = match self.enter_node().await {
            Ok(_attachment) => self.exchange(&mut socket).await,
            Err(close) => Some(close.frame()),
        };
        drop(membership);
        match end {
            Some(frame) => close(socket, frame).await,
            None => part(socket).await,
        }
    }

    /// Before anything of its own is read: a node that asks already has its place.
    async fn enter_node(&mut self) -> Result<Option<Attachment>, Close> {
        match self.arrival.take() {
            Some(arrival) => node::enter(arrival, &self.outbox, &self.gateway).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads and writes until the end; returns the close frame that is due, if the peer is still there.
    async fn exchange(&mut self, socket: &mut Socket) -> Option<CloseFrame> {
        let ping_interval = self.gateway.patience.get().ping_interval;
        let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + ping_interval, ping_interval);
        let mut is_alive = true;
        let stopped = self.gateway.shutdown.stopped();
        tokio::pin!(stopped);
        let outbox = Arc::clone(&self.outbox);
        if let Some(setup) = self.setup.take() {
            // Whoever waits for the device is told of it once it has its tokens.
            if let ControlFlow::Break(end) = self.write(socket).await {
                return end;
            }
            setup.confirm().await;
        }
        for message in std::mem::take(&mut self.pending) {
            if let ControlFlow::Break(end) = self.read(Some(Ok(message))) {
                return end;
            }
        }
        loop {
            let reads = self.may_read();
            let step = tokio::select! {
                () = outbox.changed() => self.write(socket).await,
                message = socket.next(), if reads => {
                    is_alive = true;
                    self.read_batch(message, socket)
                }
                _ = ping.tick() => {
                    // Nothing is heard from a client that is not being read.
                    if !std::mem::replace(&mut is_alive, !reads) {
                        tracing::info!(conn.id = %self.id, "no answer to a ping");
                        return None;
                    }
                    send(socket, Message::Ping(Bytes::new())).await
                }
                () = &mut stopped => ControlFlow::Break(Some(Close::RESTART.frame())),
            };
            if let ControlFlow::Break(end) = step {
                if end.is_some() {
                    // What was answered before the end is still delivered.
                    let _ = self.write(socket).await;
                }
                return end;
            }
        }
    }

    /// Writes all that waits, flushed once. How long that may take is the stream's own affair.
    async fn write(&self, socket: &mut Socket) -> ControlFlow<Option<CloseFrame>> {
        let writing = async {
            while let Some(next) = self.outbox.take() {
                match next {
                    Next::Frame(frame) => socket.feed(Message::text(frame)).await?,
                    Next::Close(close) => {
                        socket.flush().await?;
                        return Ok(Some(close));
                    }
                }
            }
            socket.flush().await?;
            Ok::<_, WsError>(None)
        };
        match writing.await {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(close)) => ControlFlow::Break(Some(close.frame())),
            Err(error) => {
                if is_stalled(&error) {
                    tracing::warn!(conn.id = %self.id, peer.addr = %self.peer.address(), "the client reads nothing");
                }
                ControlFlow::Break(None)
            }
        }
    }

    fn may_read(&self) -> bool {
        self.working.available_permits() > 0 && self.outbox.bytes() < MAX_WAITING_BYTES
    }

    fn read_batch(
        &mut self,
        first: Option<Result<Message, WsError>>,
        socket: &mut Socket,
    ) -> ControlFlow<Option<CloseFrame>> {
        self.read(first)?;
        for _ in 1..READ_BATCH {
            if !self.may_read() {
                break;
            }
            match socket.next().now_or_never() {
                Some(message) => self.read(message)?,
                None => break,
            }
        }
        ControlFlow::Continue(())
    }

    fn read(&mut self, message: Option<Result<Message, WsError>>) -> ControlFlow<Option<CloseFrame>> {
        match message {
            Some(Ok(Message::Text(text))) => self.receive(text.as_str()),
            Some(Ok(Message::Binary(bytes))) => match std::str::from_utf8(&bytes) {
                Ok(text) => self.receive(text),
                Err(_) => self.ignore("a binary message that is no UTF-8"),
            },
            Some(Ok(Message::Close(_))) | None => return ControlFlow::Break(None),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => {
                tracing::debug!(conn.id = %self.id, %error, "the connection broke");
                return ControlFlow::Break(Close::of(&error).map(Close::frame));
            }
        }
        ControlFlow::Continue(())
    }

    fn receive(&mut self, text: &str) {
        match Inbound::parse(text) {
            Inbound::Request(request) => self.serve(request),
            Inbound::Malformed { id, problem } => {
                self.outbox.push_frame(response::<()>(&id, Err(&ErrorShape::invalid(problem))));
            }
            Inbound::NotJson => self.ignore("a message that is no JSON"),
        }
    }

    /// After authentication an unreadable frame is dropped and the connection stays (protocol §1).
    fn ignore(&self, what: &str) {
        tracing::warn!(conn.id = %self.id, peer.addr = %self.peer.address(), "ignored {what}");
    }

    fn serve(&mut self, request: Request) {
        self.requests += 1;
        let call = Call { method: request.method.clone(), connection: Arc::clone(&self.id), begun: Instant::now() };
        let waits = self.gateway.table.waits(&request.method);
        let places = if waits { &self.long_calls } else { &self.working };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            let error = ErrorShape::unavailable("too many calls at a time on this connection", 1_000);
            self.outbox.push_frame(response::<()>(&request.id, Err(&error)));
            return;
        };
        match self.gateway.table.dispatch(self.context(), request) {
            Dispatch::Refused { frame, error, wrong_role } => {
                call.ended(Some(&error));
                self.outbox.push_frame(frame);
                self.count_wrong_role(wrong_role);
            }
            Dispatch::Started(handler) => {
                self.count_wrong_role(false);
                self.start(call, handler, place);
            }
        }
    }

    fn context(&self) -> Context {
        Context { caller: self.standing.caller(), ..self.context.clone() }
    }

    fn start(&self, call: Call, mut handler: BoxFuture<'static, Answer>, place: OwnedSemaphorePermit) {
        match (&mut handler).now_or_never() {
            // Most handlers have their answer at hand: no task is made for them.
            Some(Answer { frame, error, then: None, closing: None }) => {
                call.ended(error.as_ref());
                self.outbox.push_frame(frame);
            }
            Some(answer) => self.finish_later(call, std::future::ready(answer), place),
            None => self.finish_later(call, handler, place),
        }
    }

    /// A handler runs to its end also when the client leaves.
    fn finish_later(
        &self,
        call: Call,
        handler: impl Future<Output = Answer> + Send + 'static,
        place: OwnedSemaphorePermit,
    ) {
        let outbox = Arc::clone(&self.outbox);
        let bus = self.gateway.bus.clone();
        let stopped = self.gateway.shutdown.stopped();
        self.gateway.shutdown.spawn(async move {
            let work = async {
                let answer = handler.await;
                call.ended(answer.error.as_ref());
                // Before the frame: whoever wakes for it finds the place free.
                drop(place);
                outbox.push_frame(answer.frame);
                if let Some(closing) = answer.closing {
                    bus.close(&closing);
                }
                if let Some(then) = answer.then {
                    outbox.push_frame(then.await);
                }
            };
            tokio::select! {
                () = work => {}
                () = stopped => {}
            }
        });
    }

    /// Only an unbroken row of them shows that somebody does not listen.
    fn count_wrong_role(&mut self, wrong_role: bool) {
        self.wrong_role = if wrong_role { self.wrong_role + 1 } else { 0 };
        if self.wrong_role > MAX_WRONG_ROLE {
            self.outbox.close(Close::UNAUTHORIZED_CALLS);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gateway.connections.fetch_sub(1, Ordering::Relaxed);
        let milliseconds = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            conn.id = %self.id, peer.addr = %self.peer.address(), peer.login = self.context.caller.login(),
            requests = self.requests, milliseconds, "disconnected"
        );
    }
}

/// A request that is being served, for its line in the log.
struct Call {
    method: String,
    connection: Arc<str>,
    begun: Instant,
}

impl Call {
    fn ended(&self, error: Option<&ErrorShape>) {
        let microseconds = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        match error {
            None => {
                tracing::debug!(conn.id = %self.connection, rpc.method = %self.method, microseconds, "served");
            }
            Some(error) => tracing::info!(
                conn.id = %self.connection, rpc.method = %self.method, microseconds,
                code = ?error.code, error = %error.message, "not served"
            ),
        }
    }
}

async fn send(socket: &mut Socket, message: Message) -> ControlFlow<Option<CloseFrame>> {
    match socket.send(message).await {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(None),
    }
}

/// Answers the peer's close frame, if it sent one: without the answer it would take the end for a break (RFC 6455 §5.5.1).
async fn part(mut socket: Socket) {
    let _ = tokio::time::timeout(CLOSE_GRACE, socket.flush()).await;
}

/// Says why, then lets the peer read it.
async fn close(mut socket: Socket, frame: CloseFrame) {
    let farewell = async {
        if socket.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        let mut stream = socket.into_inner().into_inner();
        let mut rest = vec![0; READ_BUFFER];
        while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    };
    // The time is up for both: the peer had its chance to answer.
    let _ = tokio::time::timeout(CLOSE_GRACE, farewell).await;
}
