//! A tailnet node with the plain services of old, for `tests/tailnet/bench` to measure the way from a peer through
//! Go to Rust and back: 7 echo, 9 sink (answers with the count), 14 half-close, 19 source, and 80 `GET /whoami`.
//!
//! Settings come from `BENCH_CONTROL`, `BENCH_KEY`, `BENCH_DIR` and `BENCH_NAME`. It prints JSON lines, and takes
//! `usage`, `whois ADDRESS`, `dial HOST PORT`, `logout` and `close` on standard input.

#![allow(clippy::indexing_slicing, reason = "a read never counts more bytes than its buffer has")]

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tailclaw::net::{Listener, Peer, Stream};
use tailclaw::secret::Secret;
use tailclaw::tailnet::{Node, Settings, State, TailnetListener, rearm_signal_handlers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

const BULK_BYTES: usize = 64 << 10;
/// What an idle connection holds on this side.
const IDLE_BYTES: usize = 1 << 10;
const PORTS: [u16; 5] = [7, 9, 14, 19, 80];

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    count_signals()?;
    let node = Node::start(settings()?).await?;
    tokio::spawn(print_states(node.clone()));
    for port in PORTS {
        tokio::spawn(serve(node.listen(port).await?, port));
    }
    let (commands, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        io::stdin().lines().map_while(|line| line.ok()).try_for_each(|line| commands.blocking_send(line))
    });
    while let Some(line) = lines.recv().await {
        println!("{}", obey(&node, &line).await);
    }
    Ok(())
}

fn settings() -> Result<Settings> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Ok(Settings {
        hostname: variable("BENCH_NAME").unwrap_or_else(|| "echo".to_owned()),
        control_url: variable("BENCH_CONTROL"),
        oauth: None,
        auth_key: variable("BENCH_KEY").map(Secret::new),
        tags: variable("BENCH_TAGS").into_iter().collect(),
        ephemeral: false,
        state_dir: variable("BENCH_DIR").ok_or("BENCH_DIR is not set")?.into(),
    })
}

/// The handlers are there for what they do to the process, not for the count.
fn count_signals() -> Result {
    for kind in [SignalKind::hangup(), SignalKind::user_defined1()] {
        let mut arrivals = signal(kind)?;
        tokio::spawn(async move { while arrivals.recv().await.is_some() {} });
    }
    if std::env::var_os("BENCH_NO_REARM").is_none() {
        rearm_signal_handlers();
    }
    Ok(())
}

async fn print_states(node: Node) {
    let begun = Instant::now();
    let (mut states, mut health) = (node.state(), node.health());
    drop(node);
    loop {
        let state = states.borrow_and_update().clone();
        let sentences = health.borrow_and_update().clone();
        let name = match &state {
            State::Starting => "starting",
            State::NeedsLogin { .. } => "needs-login",
            State::NeedsApproval => "needs-approval",
            State::Running(_) => "running",
            State::Stopped { .. } => "stopped",
        };
        let line = json!({"state": name, "ms": begun.elapsed().as_millis(), "detail": format!("{state:?}"), "health": sentences});
        println!("{line}");
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            changed = health.changed() => if changed.is_err() { return },
        }
    }
}

async fn obey(node: &Node, line: &str) -> Value {
    let begun = Instant::now();
    let words: Vec<&str> = line.split_whitespace().collect();
    let outcome = match words.as_slice() {
        ["usage"] => return usage(),
        ["whois", address] => match address.parse() {
            Ok(address) => format!("{:?}", node.whois(address).await),
            Err(error) => format!("{error}"),
        },
        ["dial", host, port] => dial(node, host, port.parse().unwrap_or_default()).await,
        ["status"] => format!("{:?}", node.status().await),
        ["logout"] => format!("{:?}", node.logout().await),
        ["close"] => format!("{:?}", node.close().await),
        _ => "unknown command".to_owned(),
    };
    json!({"command": line, "outcome": outcome, "ms": begun.elapsed().as_millis()})
}

async fn dial(node: &Node, host: &str, port: u16) -> String {
    match node.dial(host, port, Duration::from_secs(5)).await {
        Ok(mut stream) => {
            let mut answer = vec![0; BULK_BYTES];
            let count = stream.read(&mut answer).await.unwrap_or_default();
            String::from_utf8_lossy(&answer[..count]).into_owned()
        }
        Err(error) => format!("{error:?}"),
    }
}

fn usage() -> Value {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
    };
    let descriptors = std::fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or_default();
    json!({"threads": number("Threads:"), "rssKb": number("VmRSS:"), "peakKb": number("VmHWM:"),
        "anonKb": number("RssAnon:"), "descriptors": descriptors})
}

async fn serve(mut listener: TailnetListener, port: u16) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(tokio::spawn(answer(stream, peer, port))),
            Err(error) => {
                println!("{}", json!({"listener": listener.name(), "ended": error.to_string()}));
                return;
            }
        }
    }
}

async fn answer(mut stream: Stream, peer: Peer, port: u16) -> io::Result<()> {
    match port {
        7 => echo(&mut stream).await,
        9 => {
            let count = sink(&mut stream).await?;
            stream.write_all(format!("{count}\n").as_bytes()).await
        }
        14 => {
            stream.write_all(b"bye\n").await?;
            stream.shutdown().await?;
            let count = sink(&mut stream).await?;
            println!("{}", json!({"afterOwnEnd": count}));
            Ok(())
        }
        19 => source(&mut stream).await,
        _ => who_am_i(&mut stream, &peer).await,
    }
}

async fn echo(stream: &mut Stream) -> io::Result<()> {
    let mut small = [0; IDLE_BYTES];
    loop {
        let count = stream.read(&mut small).await?;
        if count == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&small[..count]).await?;
    }
}

async fn sink(stream: &mut Stream) -> io::Result<u64> {
    let mut total = 0;
    let mut first = [0; IDLE_BYTES];
    let mut count = stream.read(&mut first).await?;
    let mut bulk = if count > 0 { vec![0; BULK_BYTES] } else { Vec::new() };
    while count > 0 {
        total += count as u64;
        count = stream.read(&mut bulk).await?;
    }
    Ok(total)
}

/// Sends as many bytes as the peer's first eight, big endian, say.
async fn source(stream: &mut Stream) -> io::Result<()> {
    let mut left = stream.read_u64().await?;
    let bulk = vec![0; BULK_BYTES];
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bulk.len());
        stream.write_all(&bulk[..count]).await?;
        left -= count as u64;
    }
    stream.shutdown().await
}

/// One answer to one request of HTTP/1.1.
async fn who_am_i(stream: &mut Stream, peer: &Peer) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < BULK_BYTES {
        request.push(stream.read_u8().await?);
    }
    let body = identity(peer).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    // The peer closes first, so that TIME_WAIT is on its side.
    sink(stream).await.map(drop)
}

/// The same fields as the gateway's `GET /whoami`, as far as the transport knows them.
fn identity(peer: &Peer) -> Value {
    let Some(whois) = peer.whois() else {
        return json!({"path": peer.path(), "address": peer.address().to_string()});
    };
    json!({"path": peer.path(), "address": peer.address().to_string(), "login": whois.login(), "node": whois.node_name,
        "stableId": whois.stable_id, "tags": whois.tags(), "self": whois.is_self, "expired": whois.expired,
        "sharedIn": whois.shared_in, "capabilities": whois.capabilities})
}
