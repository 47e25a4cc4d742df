//! One event to a thousand sockets: from the request that causes it until the last of them has read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::bare::Frames;
use crate::client::{Socket, operator, operators, request};
use crate::figures::{Better, Contest, Goals, median};
use crate::model::Standin;
use crate::servers::Server;
use crate::{Outcome, ROUNDS};

const SOCKETS: usize = 1_000;
const EVENTS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);
const EVENT: &str = r#""event":"presence""#;

pub async fn measure(model: &Standin, openclaw: Option<&Server>) -> Outcome<()> {
    let gateway = Server::tailclaw(model).await?;
    let (mut socket, greeting) = operator(gateway.port).await?;
    let (answer, event) = sample(&mut socket).await?;
    let size = event.len();
    let bare = Server::bare(&Frames::new(greeting, answer, Some(event)))?;
    let mut ours = Crowd::gather(gateway.port).await?;
    let mut ceiling = Crowd::gather(bare.port).await?;
    let mut theirs = match openclaw {
        Some(openclaw) => Some(Crowd::gather(openclaw.port).await?),
        None => None,
    };
    let title = format!("one event ({size} bytes) to {SOCKETS} sockets, until the last has it");
    let mut contest = Contest::new(title, "ms", Better::Less);
    for _ in 0..ROUNDS {
        contest.ours.push(ours.typical_time().await?);
        contest.bare.push(ceiling.typical_time().await?);
        if let Some(theirs) = &mut theirs {
            contest.openclaw.push(theirs.typical_time().await?);
        }
    }
    contest.print(Goals::default());
    drop((ours, socket));
    gateway.stop()
}

/// A machine's line in the presence list: it is told to every reader at once, and nothing is stored.
fn trigger() -> String {
    let params: Value = json!({ "text": "Node: bench", "instanceId": "bench" });
    request("system-event", params)
}

/// The answer to the trigger, and the event.
async fn sample(socket: &mut Socket) -> Outcome<(String, String)> {
    socket.send(Message::text(trigger())).await?;
    let (mut answer, mut event) = (None, None);
    loop {
        if let (Some(answer), Some(event)) = (&answer, &event) {
            return Ok((String::clone(answer), String::clone(event)));
        }
        let text = crate::client::next(socket).await?;
        if text.contains(EVENT) {
            event = Some(text);
        } else if crate::client::is_response(&text) {
            answer = Some(text);
        }
    }
}

/// A thousand readers and one who causes the events.
struct Crowd {
    arrived: Arc<Arrivals>,
    cause: SplitSink<Socket, Message>,
    /// They leave with the crowd: what is measured next is not to carry them along.
    _readers: JoinSet<()>,
}

#[derive(Default)]
struct Arrivals {
    count: AtomicUsize,
    all: Notify,
}

impl Crowd {
    async fn gather(port: u16) -> Outcome<Self> {
        let arrived = Arc::new(Arrivals::default());
        let mut readers = JoinSet::new();
        for socket in operators(port, SOCKETS).await? {
            readers.spawn(read(socket, Some(Arc::clone(&arrived))));
        }
        let (cause, stream) = operator(port).await?.0.split();
        readers.spawn(read(stream, None));
        let mut crowd = Self { arrived, cause, _readers: readers };
        // The first ones are not counted.
        for _ in 0..3 {
            crowd.time().await?;
        }
        Ok(crowd)
    }

    /// The median of a few, in milliseconds.
    async fn typical_time(&mut self) -> Outcome<f64> {
        let mut times = Vec::with_capacity(EVENTS);
        for _ in 0..EVENTS {
            times.push(self.time().await?.as_secs_f64() * 1_000.0);
        }
        Ok(median(&times))
    }

    async fn time(&mut self) -> Outcome<Duration> {
        self.arrived.count.store(0, Ordering::SeqCst);
        let begun = Instant::now();
        self.cause.send(Message::text(trigger())).await?;
        tokio::time::timeout(PATIENCE, self.arrived.all.notified()).await?;
        Ok(begun.elapsed())
    }
}

async fn read(mut socket: impl Stream<Item = Result<Message, Error>> + Unpin, arrived: Option<Arc<Arrivals>>) {
    while let Some(Ok(message)) = socket.next().await {
        let is_event = matches!(&message, Message::Text(text) if text.contains(EVENT));
        if let (true, Some(arrived)) = (is_event, &arrived)
            && arrived.count.fetch_add(1, Ordering::SeqCst) + 1 == SOCKETS
        {
            arrived.all.notify_one();
        }
    }
}
