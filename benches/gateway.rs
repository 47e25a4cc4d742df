//! `cargo bench --bench gateway`: how fast the gateway starts and answers, beside a bare tokio-tungstenite server that
//! sends the same bytes. Both are processes of their own, driven by the same client in turn; ratios are what counts.

use std::error::Error;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Outcome<T> = Result<T, Box<dyn Error>>;

const TOKEN: &str = "bench-token";
const ROUNDS: usize = 5;
const REQUESTS: usize = 20_000;
const IN_FLIGHT: usize = 64;
const STARTS: usize = 11;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|argument| argument == "bare-server") {
        return bare_server().await;
    }
    starts().await?;
    for method in ["gateway.identity.get", "models.list", "health", "sessions.list"] {
        requests(method).await?;
    }
    Ok(())
}

/// From exec to the first 200 of `/healthz`: a state folder of its own each time, then again on the same one.
async fn starts() -> Outcome<()> {
    let (mut fresh, mut again) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        for times in [&mut fresh, &mut again] {
            let begun = Instant::now();
            let gateway = Gateway::start(folder.path())?;
            gateway.healthy().await?;
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
            gateway.stop()?;
        }
    }
    println!("start to /healthz, fresh state:    {} ms", spread(&mut fresh));
    println!("start to /healthz, existing state: {} ms", spread(&mut again));
    Ok(())
}

/// Requests a second over one socket, gateway and bare server in turn.
async fn requests(method: &str) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let gateway = Gateway::start(folder.path())?;
    gateway.healthy().await?;
    let mut ours = gateway.connect().await?;
    let sample = call_once(&mut ours, method).await?;
    let (mut server, address) = start_bare_server(&sample)?;
    let (mut bare, _) = connect_async(format!("ws://{address}/")).await?;
    let (mut rates, mut ceilings, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let rate = load(&mut ours, method).await?;
        let ceiling = load(&mut bare, method).await?;
        rates.push(rate);
        ceilings.push(ceiling);
        ratios.push(rate / ceiling);
    }
    println!(
        "{method} ({} bytes), {IN_FLIGHT} in flight: {}/s; bare server {}/s; ratio {}",
        sample.len(),
        spread(&mut rates),
        spread(&mut ceilings),
        spread(&mut ratios)
    );
    server.kill()?;
    server.wait()?;
    gateway.stop()
}

async fn load(socket: &mut Socket, method: &str) -> Outcome<f64> {
    let frame = request(method);
    let begun = Instant::now();
    let (mut sent, mut received) = (0, 0);
    while received < REQUESTS {
        while sent < REQUESTS && sent - received < IN_FLIGHT {
            socket.feed(Message::text(frame.clone())).await?;
            sent += 1;
        }
        socket.flush().await?;
        // Whatever is there is taken before more is sent, as a busy client would.
        let mut taken = 0;
        while taken < IN_FLIGHT / 2 && received < sent {
            if is_response(&next(socket).await?) {
                received += 1;
                taken += 1;
            }
        }
    }
    Ok(REQUESTS as f64 / begun.elapsed().as_secs_f64())
}

fn request(method: &str) -> String {
    json!({ "type": "req", "id": "1:bench", "method": method }).to_string()
}

async fn next(socket: &mut Socket) -> Outcome<String> {
    loop {
        match socket.next().await.ok_or("the server closed")?? {
            Message::Text(text) => return Ok(text.to_string()),
            Message::Close(frame) => return Err(format!("closed: {frame:?}").into()),
            _ => {}
        }
    }
}

fn is_response(text: &str) -> bool {
    text.starts_with(r#"{"type":"res""#)
}

async fn call_once(socket: &mut Socket, method: &str) -> Outcome<String> {
    socket.send(Message::text(request(method))).await?;
    loop {
        let text = next(socket).await?;
        if is_response(&text) {
            let ok = serde_json::from_str::<Value>(&text)?.get("ok") == Some(&Value::Bool(true));
            return if ok { Ok(text) } else { Err(text.into()) };
        }
    }
}

struct Gateway {
    child: Child,
    port: u16,
}

impl Gateway {
    fn start(folder: &std::path::Path) -> Outcome<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(env!("CARGO_BIN_EXE_tailclaw"))
            .args(["gateway", "run", "--port", &port.to_string(), "--token", TOKEN])
            .env("TAILCLAW_STATE_DIR", folder)
            .env_remove("TS_AUTHKEY")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, port })
    }

    async fn healthy(&self) -> Outcome<()> {
        let limit = Instant::now() + Duration::from_secs(20);
        while Instant::now() < limit {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await?;
                return if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.into()) };
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        Err("the gateway did not start".into())
    }

    async fn connect(&self) -> Outcome<Socket> {
        let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{}/", self.port)).await?;
        let connect = json!({ "type": "req", "id": "c", "method": "connect", "params": {
            "minProtocol": 4, "maxProtocol": 4, "role": "operator",
            "client": { "id": "cli", "version": "bench", "platform": "linux", "mode": "cli" },
            "scopes": ["operator.admin", "operator.read"], "auth": { "token": TOKEN },
        }});
        socket.send(Message::text(connect.to_string())).await?;
        while !is_response(&next(&mut socket).await?) {}
        Ok(socket)
    }

    fn stop(mut self) -> Outcome<()> {
        let id = i32::try_from(self.child.id())?;
        let id = rustix::process::Pid::from_raw(id).ok_or("a process has an id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

/// This program again, as the ceiling: reads a message, sends a fixed one.
fn start_bare_server(sample: &str) -> Outcome<(Child, SocketAddr)> {
    use std::io::BufRead;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("bare-server")
        .env("BENCH_ANSWER", sample)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().ok_or("stdout is piped")?).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

async fn bare_server() -> Outcome<()> {
    let answer = std::env::var("BENCH_ANSWER")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut socket = accept_async(stream).await?;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            socket.send(Message::text(answer.clone())).await?;
        }
    }
    Ok(())
}

/// Median, and the extremes in brackets.
fn spread(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    let digits = if at(values.len() / 2) < 10.0 { 2 } else { 0 };
    format!("{:.digits$} [{:.digits$}–{:.digits$}]", at(values.len() / 2), at(0), at(values.len() - 1))
}
