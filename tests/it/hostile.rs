//! What enemies, accidents and bad luck do: resets, signals, crowds, and control servers that do not work.
//! All of it stays on this machine: loopback and the tailnet that the tests bring.

use crate::harness::{
    Gateway, OnTailnet, Output, RawClient, Signal, connect_params, eventually, gateway, guarded,
    raise_descriptor_limit, seconds, tailnet,
};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Closes with a reset instead of an orderly end.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("a socket takes the option");
}

const HALF_A_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: webso";
const HALF_A_HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\xfe";

async fn healthy(client: &mut RawClient) {
    let before = Instant::now();
    client.request("health", json!({})).await.expect("the gateway serves on");
    assert!(before.elapsed() < seconds(5), "health took {:?}", before.elapsed());
}

fn open_descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).expect("the gateway runs").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_and_reset_storms_on_loopback_harm_nobody() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let before = open_descriptors(&gateway);
    for round in 0..20 {
        for number in 0..100 {
            let mut stream = gateway.dial().await;
            let beginning = [&b""[..], b"\x16\x03\x01", HALF_A_REQUEST, HALF_A_HANDSHAKE][number % 4];
            let _ = stream.write_all(beginning).await;
            reset(stream);
        }
        healthy(&mut client).await;
        if round % 10 == 0 {
            gateway.assert_running();
        }
    }
    eventually("the descriptors are given back", seconds(20), || async {
        let now = open_descriptors(&gateway);
        if now <= before + 8 { Ok(()) } else { Err(format!("{now} open, {before} before the storm")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_and_reset_storms_over_the_tailnet_harm_nobody() {
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    here.reached_by(&tailnet.bob).await;
    let mut client = connected(&here).await;
    for _ in 0..8 {
        let storm = (0..50).map(|number| {
            let here = &here;
            async move {
                let Ok(mut stream) = tailnet.bob.dial(&here.host, here.gateway.port).await else { return };
                let _ = stream.write_all([&b""[..], HALF_A_REQUEST, HALF_A_HANDSHAKE][number % 3]).await;
                reset(stream);
            }
        });
        futures_util::future::join_all(storm).await;
        healthy(&mut client).await;
        here.gateway.assert_running();
    }
    // Who comes next is still named rightly.
    assert_eq!(
        here.whoami(&tailnet.alice).await["login"].as_str().map(|login| login.trim_end_matches('@')),
        Some("alice")
    );
}

/// A connection of alice's, by her tailnet identity.
async fn connected(here: &OnTailnet) -> RawClient {
    let tailnet = tailnet().await;
    let mut client = here.socket_from(&tailnet.alice).await;
    client.challenge().await;
    let mut params = connect_params("");
    params.as_object_mut().expect("an object").remove("auth");
    client.connect(params).await.expect("alice is let in");
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_http_is_refused_and_forgotten() {
    let mut gateway = gateway().start().await;
    let long_header = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(2 << 20));
    let many_headers = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(20_000));
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "p".repeat(1 << 20));
    for request in [
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /%00%ff%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        &long_header,
        &many_headers,
        &long_path,
    ] {
        let mut stream = gateway.dial().await;
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let ended = tokio::time::timeout(seconds(20), read).await;
        assert!(ended.is_ok(), "{request:.60} is not ended by the gateway");
        let answer = String::from_utf8_lossy(&answer);
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5");
        let is_page = answer.starts_with("HTTP/1.1 200") && answer.contains("text/html");
        assert!(refused || is_page, "{request:.60} is answered with {answer:.300}");
        assert!(!answer.contains("root:"), "{answer}");
    }
    gateway.assert_running();
    healthy(&mut gateway.operator().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_half_open_connections_does_not_lock_others_out() {
    raise_descriptor_limit();
    let gateway = gateway().start().await;
    let mut held = Vec::new();
    for _ in 0..500 {
        let mut stream = gateway.dial().await;
        stream.write_all(HALF_A_REQUEST).await.expect("the gateway reads");
        held.push(stream);
    }
    healthy(&mut gateway.operator().await).await;
    assert_eq!(gateway.get("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_and_never_reads_costs_itself_only() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for number in 0..4 {
        let key = format!("big-{number}");
        let params = json!({"sessionKey": "main", "message": "x".repeat(1 << 20), "idempotencyKey": key});
        client.request("chat.send", params).await.expect("a message of 1 MiB is taken");
        client.event("chat", |chat| chat["runId"] == *key && chat["state"] == "final").await;
    }
    let mut greedy = gateway.operator().await;
    let asking = async {
        for _ in 0..300 {
            greedy.start("chat.history", json!({"sessionKey": "main", "limit": 1000})).await;
        }
    };
    // It may block, since nobody reads: that is a way to bound it.
    let _ = tokio::time::timeout(seconds(8), asking).await;
    let (mut slowest, mut most) = (Duration::ZERO, 0);
    for _ in 0..5 {
        let before = Instant::now();
        client.request("health", json!({})).await.expect("the gateway serves on");
        slowest = slowest.max(before.elapsed());
        most = most.max(resident_mib(&gateway));
    }
    let seen = format!("another client waited {slowest:?}; the process grew to {most} MiB");
    assert!(slowest < seconds(5) && most < 400, "{seen}");
    gateway.assert_running();
}

/// A masked client frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short payload");
    assert!(length < 126);
    let mask = [1, 2, 3, 4];
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [first, 0x80 | length].into_iter().chain(mask).chain(masked).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_websocket_is_told_so_before_and_after_the_handshake() {
    let gateway = gateway().start().await;
    let upgrade = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let connect = json!({"type": "req", "id": "1", "method": "connect", "params": connect_params(&gateway.token())});
    let long = connect.to_string();
    for (broken, code) in [
        (frame(0x81, &[0xff, 0xfe]), 1007_u16),
        // Not masked; a reserved bit; an opcode that there is not.
        (vec![0x81, 1, b'x'], 1002),
        (frame(0xc1, b"{}"), 1002),
        (frame(0x83, b"{}"), 1002),
    ] {
        for is_connected in [false, true] {
            let mut stream = gateway.dial().await;
            stream.write_all(upgrade.as_bytes()).await.unwrap();
            if is_connected {
                let mut connect = vec![0x81, 0xfe];
                connect.extend(u16::try_from(long.len()).unwrap().to_be_bytes());
                connect.extend([0, 0, 0, 0]);
                connect.extend(long.as_bytes());
                stream.write_all(&connect).await.unwrap();
            }
            stream.write_all(&broken).await.unwrap();
            let mut all = Vec::new();
            let read = tokio::time::timeout(seconds(20), stream.read_to_end(&mut all)).await;
            read.expect("the gateway ends it").unwrap();
            // The close frame is the last thing that is sent: two bytes of code, and no reason.
            let end = &all[all.len() - 4..];
            let expected = [&[0x88, 2][..], &code.to_be_bytes()].concat();
            assert_eq!(end, expected, "{broken:?}, connected: {is_connected}");
            assert_eq!(String::from_utf8_lossy(&all).contains("hello-ok"), is_connected);
        }
    }
    healthy(&mut gateway.operator().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_connects_from_one_address_costs_no_memory() {
    raise_descriptor_limit();
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let wave = async || {
        for _ in 0..40 {
            let crowd = (0..50).map(|number| {
                let gateway = &gateway;
                async move {
                    let stream = Box::new(gateway.dial().await);
                    // Those above the limit of unauthenticated sockets are turned away before they cost anything.
                    let Ok(mut one) = RawClient::upgrade(stream, &gateway.url(), &[]).await else { return };
                    let token = if number % 2 == 0 { gateway.token() } else { String::new() };
                    let _ = one.connect(connect_params(&token)).await;
                }
            });
            futures_util::future::join_all(crowd).await;
        }
    };
    wave().await;
    let before = resident_mib(&gateway);
    for _ in 0..4 {
        wave().await;
        healthy(&mut client).await;
    }
    let after = resident_mib(&gateway);
    assert!(after <= before + 32, "10,000 connects took the gateway from {before} to {after} MiB");
    gateway.assert_running();
}

fn resident_mib(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("the gateway runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") / 1024
}

/// Sends signals to single threads (tgkill), to all threads of the process in turn, until the process is gone or the
/// rounds are over; prints how many. Perl is part of every Debian, and calling the kernel from here would need unsafe
/// code.
const STORM: &str = r#"
my ($number, $pid, $rounds, @signals) = @ARGV;
my $sent = 0;
for (1 .. $rounds) {
    opendir(my $tasks, "/proc/$pid/task") or last;
    for my $tid (grep { /^\d+$/ } readdir $tasks) {
        for my $signal (@signals) { $sent++ if syscall($number, $pid + 0, $tid + 0, $signal + 0) == 0 }
    }
    closedir $tasks;
    select(undef, undef, undef, 0.001);
}
print $sent;
"#;

async fn storm(pid: u32, rounds: u32, signals: &[Signal]) -> u64 {
    let number = if cfg!(target_arch = "aarch64") { 131 } else { 234 };
    let mut command = guarded("perl");
    command.args(["-e", STORM, &number.to_string(), &pid.to_string(), &rounds.to_string()]);
    command.args(signals.iter().map(|signal| signal.as_raw().to_string()));
    let output = Output::of(command, seconds(90)).await.success();
    output.stdout.trim().parse().expect("perl tells how many signals it sent")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_to_single_threads_do_not_disturb_a_gateway_with_a_tailnet_node() {
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    let mut local = here.gateway.operator().await;
    let mut remote = connected(&here).await;
    let pid = here.gateway.pid();
    // Go's runtime handles these two; the others do nothing by default.
    let harmless = [Signal::URG, Signal::PIPE, Signal::CHILD, Signal::WINCH];
    let storming = tokio::spawn(async move { storm(pid, 400, &harmless).await });
    let mut calls = 0;
    while !storming.is_finished() {
        healthy(&mut local).await;
        healthy(&mut remote).await;
        calls += 1;
    }
    let sent = storming.await.expect("the storm ends");
    assert!(sent > 2000 && calls > 10, "{sent} signals during {calls} calls");
    here.gateway.assert_running();
}

/// Handlers that Rust installs run on whatever stack the thread is on, and Go's threads have small ones: a handler that
/// is not set up for that crashes the process after some hundred signals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_to_end_given_to_every_thread_over_and_over_is_obeyed_without_a_crash() {
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    for round in 0..3 {
        // Traffic through the node keeps Go's threads busy.
        let traffic = tokio::spawn(keep_asking(here.host.clone(), here.gateway.port));
        let sent = storm(here.gateway.pid(), 400, &[Signal::TERM, Signal::INT, Signal::HUP]).await;
        assert!(sent > 100, "round {round}: only {sent} signals reached the gateway");
        here.gateway.ended_well(seconds(30)).await;
        traffic.abort();
        here.gateway.restart().await;
        here.reached_by(&tailnet.alice).await;
    }
}

async fn keep_asking(host: String, port: u16) {
    let tailnet = tailnet().await;
    loop {
        let _ = tailnet.alice.get(&host, port, "/whoami").await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_with_a_thousand_connections_open_ends_well() {
    raise_descriptor_limit();
    let mut gateway = gateway().start().await;
    let mut clients = Vec::new();
    for _ in 0..1000 {
        clients.push(gateway.operator().await);
    }
    gateway.stop().await;
    for client in &mut clients {
        assert_eq!(client.closed().await.code, 1012);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_with_a_thousand_tailnet_connections_open_ends_well() {
    raise_descriptor_limit();
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let batch = (0..20).map(|_| connected(&here));
        clients.extend(futures_util::future::join_all(batch).await);
    }
    healthy(clients.last_mut().expect("there are clients")).await;
    let before = Instant::now();
    here.gateway.stop().await;
    assert!(before.elapsed() < seconds(20), "the stop took {:?}", before.elapsed());
    drop(clients);
    here.gateway.restart().await;
    here.reached_by(&tailnet.alice).await;
}

/// A reader that stops is spared what a later event says again (`gateway_client` shows the gap), and thrown out for
/// what is said only once. Each report of a machine goes to every reader with the whole presence list: over 90 MB in
/// all, more than the gateway keeps for a client and the kernel for a socket. Notes fill what is left.
#[tokio::test]
async fn who_misses_what_is_said_only_once_is_closed_with_1008() {
    let gateway = gateway().start().await;
    let mut deaf = gateway.operator().await;
    let mut busy = gateway.operator().await;
    let hello = json!({"sessionKey": "main", "message": "hello", "idempotencyKey": "first"});
    busy.request("chat.send", hello).await.expect("the message is taken");
    busy.event("chat", |chat| chat["state"] == "final").await;

    for number in 0..56 {
        let line = format!("Node: {}", "x".repeat(60_000));
        let report = json!({"text": line, "instanceId": format!("machine-{number}")});
        busy.request("system-event", report).await.expect("the report is taken");
        // What comes back is read, so that this client is none of the slow.
        busy.event("presence", |_| true).await;
    }
    for number in 0..50 {
        let note = json!({"sessionKey": "main", "message": format!("{number} {}", "y".repeat(100_000))});
        busy.request("chat.inject", note).await.expect("the note is taken");
        busy.event("chat", |chat| chat["state"] == "final").await;
    }
    let closed = deaf.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (1008, "slow consumer"));
}
