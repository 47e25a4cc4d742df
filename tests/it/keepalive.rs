//! How long a peer that does nothing is waited for: one that takes nothing of what is written to it, and one that gives
//! no sign of life.

use crate::harness::{Gateway, RawClient, connect_params, eventually, gateway, seconds, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A connection whose own kernel takes little, so that what is not read soon waits in the gateway.
async fn narrow(gateway: &Gateway) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a socket takes the option");
    let address = ([127, 0, 0, 1], gateway.port).into();
    socket.connect(address).await.expect("the gateway listens on loopback")
}

fn port_of(stream: &TcpStream) -> u16 {
    stream.local_addr().expect("a connected socket has an address").port()
}

/// Waits until the gateway has ended its side of the connection from this port, as the kernel knows it.
async fn let_go(gateway: &Gateway, port: u16) {
    let established = format!("0100007F:{:04X} 0100007F:{port:04X} 01 ", gateway.port);
    let is_held = || {
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", gateway.pid()));
        table.expect("the kernel's table").contains(&established)
    };
    assert!(is_held(), "the connection stands");
    eventually("the gateway lets go of the connection", seconds(15), || async {
        if is_held() { Err("it is held") } else { Ok(()) }
    })
    .await;
}

/// Sends a request and reads the beginning of its answer, and no more.
async fn begin(stream: &mut TcpStream, head: &str, body: &str) {
    let head = format!("{head} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer the-token\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("the request is taken");
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.expect("the answer begins");
    assert_eq!(&first, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_let_go_of_and_its_run_is_stopped() {
    let on = json!({"enabled": true});
    let config = json!({"gateway": {
        "writeTimeoutMs": 400, "auth": {"token": "the-token"}, "http": {"endpoints": {"chatCompletions": on}},
    }});
    let gateway = gateway().config(config).start().await;
    // A quarter of a minute of words; the first of them are more than two kernels hold, since JSON doubles them.
    let long = vec!["\"".repeat(200_000); 18].join(" ");
    let words = format!("{long}{}", " word".repeat(1_250));
    let wish = json!({
        "model": "openclaw", "stream": true, "user": "deaf", "messages": [{"role": "user", "content": words}],
    });
    let mut stream = narrow(&gateway).await;
    begin(&mut stream, "POST /v1/chat/completions", &wish.to_string()).await;
    let_go(&gateway, port_of(&stream)).await;
    let mut client = gateway.operator().await;
    let key = json!({"key": "openai-user:deaf"});
    let row = within("the run's end", seconds(5), async {
        loop {
            let row = client.request("sessions.describe", key.clone()).await.expect("an answer");
            if row["session"]["hasActiveRun"] == false {
                return row;
            }
        }
    })
    .await;
    assert_eq!(row["session"]["status"], "killed", "{row}");
}

#[tokio::test]
async fn one_rule_lets_go_of_deaf_pages_and_sockets_and_not_of_silent_ones() {
    let config = json!({"gateway": {"writeTimeoutMs": 400, "auth": {"token": "the-token"}}});
    let gateway = gateway().config(config).start().await;
    let mut client = gateway.operator().await;
    let first = json!({"sessionKey": "main", "message": "hello", "idempotencyKey": "first"});
    client.request("chat.send", first).await.expect("the message is taken");
    client.event("chat", |chat| chat["state"] == "final").await;
    for number in 0..6 {
        let note = json!({"sessionKey": "main", "message": format!("{number} {}", "y".repeat(900_000))});
        client.request("chat.inject", note).await.expect("the note is taken");
    }
    // Nothing waits to be written to it, while the others are given up.
    let mut silent = gateway.operator().await;

    let mut page = narrow(&gateway).await;
    begin(&mut page, "GET /sessions/main/history", "").await;
    let_go(&gateway, port_of(&page)).await;

    let socket = narrow(&gateway).await;
    let port = port_of(&socket);
    let mut deaf = RawClient::upgrade(Box::new(socket), &gateway.url(), &[]).await.expect("the gateway upgrades");
    deaf.challenge().await;
    deaf.connect(connect_params("the-token")).await.expect("the token is accepted");
    for _ in 0..3 {
        deaf.start("chat.history", json!({"sessionKey": "main", "limit": 1000})).await;
    }
    let_go(&gateway, port).await;
    silent.request("health", json!({})).await.expect("a silent client is served");
}

/// A WebSocket of which each frame is seen, pings too, and nothing is answered by itself.
struct Plain(TcpStream);

const TEXT: u8 = 1;
const PING: u8 = 9;
const PONG: u8 = 10;

impl Plain {
    async fn connect(gateway: &Gateway) -> Plain {
        let mut stream = gateway.dial().await;
        let upgrade = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).await.expect("the request is taken");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("the gateway upgrades"));
        }
        let mut plain = Plain(stream);
        let params = connect_params(&gateway.token());
        plain.request("connect", "connect", &params).await;
        plain
    }

    /// Sends a request, and reads until its answer.
    async fn request(&mut self, id: &str, method: &str, params: &Value) {
        let request = json!({"type": "req", "id": id, "method": method, "params": params});
        self.send(TEXT, request.to_string().as_bytes()).await;
        loop {
            let (kind, payload) = self.next().await.expect("an answer");
            let frame: Value = if kind == TEXT { serde_json::from_slice(&payload).unwrap() } else { Value::Null };
            if frame["id"] == id {
                assert_eq!(frame["ok"], true, "{frame}");
                return;
            }
        }
    }

    /// A masked frame; the mask is zero.
    async fn send(&mut self, kind: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).expect("a short payload");
        let mut frame = vec![0x80 | kind, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        if length < 126 {
            frame = vec![0x80 | kind, 0x80 | u8::try_from(length).unwrap()];
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.0.write_all(&frame).await.expect("the frame is taken");
    }

    /// The next frame's kind and payload; `None` where the connection ends.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await.ok()?;
        let length = match self.0.read_u8().await.ok()? {
            126 => u64::from(self.0.read_u16().await.ok()?),
            127 => self.0.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((first & 0x0f, payload))
    }

    async fn until_ping(&mut self) -> Vec<u8> {
        loop {
            let (kind, payload) = self.next().await.expect("the gateway pings");
            if kind == PING {
                return payload;
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_gone_and_one_that_answers_stays() {
    let gateway = gateway().config(json!({"gateway": {"pingIntervalMs": 1_000}})).start().await;
    let mut dead = Plain::connect(&gateway).await;
    let mut alive = Plain::connect(&gateway).await;
    let both = async {
        let end = async {
            dead.until_ping().await;
            let mut after = Vec::new();
            while let Some((kind, _)) = dead.next().await {
                after.push(kind);
            }
            // No second ping, and no close frame: there is nobody to read it.
            assert!(after.iter().all(|kind| *kind == TEXT), "{after:?}");
        };
        let life = async {
            for _ in 0..3 {
                let asked = alive.until_ping().await;
                alive.send(PONG, &asked).await;
            }
            alive.request("still", "health", &json!({})).await;
        };
        tokio::join!(end, life)
    };
    within("the end of one and three pings of the other", seconds(20), both).await;
}
