//! The ceiling: this program again as a bare tokio-tungstenite server that sends the frames it was given and checks
//! nothing.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::Outcome;
use crate::client::Greeting;

/// The argument that makes this program the server.
pub const COMMAND: &str = "bare-server";
/// Where it finds its frames.
pub const FRAMES: &str = "BENCH_FRAMES";
/// Events of a connection that wait.
const WAITING: usize = 64;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Frames {
    challenge: String,
    hello: String,
    /// To each message.
    answer: String,
    /// To everybody at each message, where there is one.
    event: Option<String>,
}

impl Frames {
    pub fn new(greeting: Greeting, answer: String, event: Option<String>) -> Self {
        Self { challenge: greeting.challenge, hello: greeting.hello, answer, event }
    }
}

/// Serves until it is killed; prints its port first.
pub async fn serve() -> Outcome<()> {
    let frames: Arc<Frames> = Arc::new(serde_json::from_str(&std::env::var(FRAMES)?)?);
    let (events, _) = broadcast::channel(WAITING);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        let (frames, events) = (Arc::clone(&frames), events.clone());
        tokio::spawn(async move {
            // A client that leaves is no reason to end.
            let _ = talk(stream, &frames, events).await;
        });
    }
}

async fn talk(stream: TcpStream, frames: &Frames, events: broadcast::Sender<Message>) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let mut socket = accept_async(stream).await?;
    socket.send(Message::text(frames.challenge.clone())).await?;
    socket.next().await.ok_or("no connect came")??;
    socket.send(Message::text(frames.hello.clone())).await?;
    match &frames.event {
        None => answer(socket, &frames.answer).await,
        Some(event) => spread(socket, &frames.answer, event, events).await,
    }
}

async fn answer(mut socket: WebSocketStream<TcpStream>, answer: &str) -> Outcome<()> {
    while let Some(message) = socket.next().await {
        if message?.is_text() {
            socket.send(Message::text(answer)).await?;
        }
    }
    Ok(())
}

async fn spread(
    mut socket: WebSocketStream<TcpStream>,
    answer: &str,
    event: &str,
    events: broadcast::Sender<Message>,
) -> Outcome<()> {
    let mut mine = events.subscribe();
    let event = Message::text(event);
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(message) = message else { return Ok(()) };
                if message?.is_text() {
                    events.send(event.clone())?;
                    socket.send(Message::text(answer)).await?;
                }
            }
            event = mine.recv() => socket.send(event?).await?,
        }
    }
}
