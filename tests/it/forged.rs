//! Callers who claim to be somebody else, by whatever they can send: the headers of proxies are in `identity`.

use crate::harness::{
    LAN_ADDRESS, LOOPBACK_ONLY, LanHost, OnTailnet, Owner, TailscalePeer, eventually, gateway, guarded, run, seconds,
    tailnet, tools,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Of the version 2 of HAProxy's protocol: its signature, a stream over IPv4 from 100.64.0.1 to 100.64.0.9, ports 1 and 2.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x64\x40\0\x01\x64\x40\0\x09\0\x01\0\x02";
const PROXY_V1: &[u8] = b"PROXY TCP4 100.64.0.1 100.64.0.9 1 2\r\n";
const PROXY_V6: &[u8] = b"PROXY TCP6 fd7a:115c:a1e0::1 fd7a:115c:a1e0::9 1 2\r\n";

/// Whole headers, twice the same, and every way to cut them.
fn claims() -> Vec<Vec<u8>> {
    let mut claims: Vec<Vec<u8>> = Vec::new();
    for header in [PROXY_V1, PROXY_V6, PROXY_V2] {
        claims.extend([header.to_vec(), header.repeat(2)]);
        claims.extend([1, header.len() / 2, header.len() - 1].map(|length| header[..length].to_vec()));
    }
    claims
}

/// What is answered to a question behind a claim. Nothing, where the gateway closes.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, claim: &[u8], host: &str) -> String {
    let question = format!("GET /whoami HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let sent = [claim, question.as_bytes()].concat();
    // The gateway may have closed already.
    let _ = stream.write_all(&sent).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(seconds(20), stream.read_to_end(&mut answer)).await.expect("an answer or an end");
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_no_answer(answer: &str, claim: &[u8]) {
    let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
    assert!(is_refused && !answer.contains("stableId"), "{:?}: {answer}", String::from_utf8_lossy(claim));
}

#[tokio::test]
async fn a_proxy_header_on_loopback_names_nobody() {
    let gateway = gateway().start().await;
    let host = format!("127.0.0.1:{}", gateway.port);
    for claim in claims() {
        is_no_answer(&answer(gateway.dial().await, &claim, &host).await, &claim);
    }
    assert_eq!(gateway.get("/whoami").await.json()["path"], "loopback");
}

#[tokio::test]
async fn a_proxy_header_on_the_lan_names_nobody() {
    let host = LanHost::start(gateway().config(json!({"gateway": {"bind": "lan"}}))).await;
    let name = format!("{LAN_ADDRESS}:{}", host.gateway.port);
    for claim in claims() {
        is_no_answer(&answer(host.dial(LAN_ADDRESS), &claim, &name).await, &claim);
    }
    assert_eq!(host.get(LAN_ADDRESS, "/whoami", &[]).await.json()["path"], "network");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_header_on_the_tailnet_names_nobody() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    here.reached_by(&tailnet.bob).await;
    let name = format!("{}:{}", here.host, here.gateway.port);
    for claim in claims() {
        let stream = tailnet.bob.dial(&here.host, here.gateway.port).await.expect("bob reaches the gateway");
        is_no_answer(&answer(stream, &claim, &name).await, &claim);
    }
    is_named(&here, &tailnet.bob, "bob").await;
}

async fn is_named(here: &OnTailnet, peer: &TailscalePeer, login: &str) {
    let whoami = peer.get(&here.host, here.gateway.port, "/whoami").await.expect("whoami answers").json();
    let named = whoami["login"].as_str().unwrap_or_default().trim_end_matches('@');
    assert_eq!(named, login, "{whoami}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_connections_that_break_off_mixes_nobody_up() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    for peer in [&tailnet.alice, &tailnet.bob] {
        here.reached_by(peer).await;
    }
    let storm = (0..400).map(|number| {
        let here = &here;
        async move {
            let Ok(mut stream) = tailnet.bob.dial(&here.host, here.gateway.port).await else { return };
            match number % 3 {
                0 => {}
                1 => drop(stream.write_all(b"GET /whoami HT").await),
                _ => drop(stream.write_all(b"GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n").await),
            }
            // Closed with what was sent unread, or with the answer unread.
            let _ = resets_at_its_end(&stream);
        }
    });
    let asking = async {
        for _ in 0..60 {
            is_named(&here, &tailnet.alice, "alice").await;
        }
    };
    tokio::join!(futures_util::future::join_all(storm), asking);
    is_named(&here, &tailnet.bob, "bob").await;
}

/// Closing resets the connection, instead of ending it.
fn resets_at_its_end(stream: &tokio::net::TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(seconds(0))).map_err(Into::into)
}

/// The long run's program (`tests/tailnet/bench`) at the size of a test: every answer is compared with what the calling
/// node knows of itself, while callers reset, dawdle and lie, nodes leave and join, and grants change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_mixed_connections_are_each_named_rightly() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway_tagged("tag:adding").await).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut keys = Vec::new();
    for owner in [Owner::User("alice"), Owner::User("bob"), Owner::Tag("tag:camera")] {
        keys.push(tailnet.headscale.auth_key(owner).await);
    }
    let mut command = guarded(tools().tailnet_callers());
    command.args(["-control", &tailnet.headscale.url, "-keys", &keys.join(","), "-prefix", "mixed"]);
    command.arg("-dir").arg(folder.path());
    command.args(["-nodes", "6", "-count", "20000", "-burst", "24", "-churn", "4000", "mixed"]);
    command.arg(format!("{}:{}", here.host, here.gateway.port));
    for (name, value) in LOOPBACK_ONLY {
        command.env(name, value);
    }
    let running = run(command, seconds(900));
    let changing = async {
        for round in 0_u32.. {
            let grant = json!({"src": ["bob@"], "dst": ["tag:adding"],
                "app": {"tailclaw.dev/cap/gateway": [{"scopes": ["operator.read"]}]}});
            tailnet.headscale.grant("adding", if round % 2 == 0 { vec![grant] } else { Vec::new() });
            let wanted = if round % 2 == 0 { json!("operator") } else { Value::Null };
            eventually("the changed grant counts", seconds(60), || async {
                let whoami = here.whoami(&tailnet.bob).await;
                if whoami["role"] == wanted { Ok(()) } else { Err(whoami.to_string()) }
            })
            .await;
        }
    };
    let (code, out, err) = tokio::select! {
        ended = running => ended,
        () = changing => unreachable!("it goes on changing"),
    };
    assert_eq!(code, Some(0), "{out}{err}");
    let sum: Value = serde_json::from_str(out.lines().last().expect("a result")).expect("a result in JSON");
    println!("{sum}");
    assert_eq!((&sum["connections"], &sum["wrong"]), (&json!(20_000), &json!(0)), "{sum}");
    assert!(sum["right"].as_u64().is_some_and(|right| right > 16_000), "{sum}");
}
