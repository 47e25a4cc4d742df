//! OpenClaw's published client library against the gateway, on loopback with a token and over the tailnet with none.

use crate::harness::{Output, gateway, guarded, seconds, tailnet, tools};
use serde_json::Value;

/// Runs the script and checks what must hold on every path.
async fn talk(url: &str, token: &str) -> Value {
    let message = &(1..=80).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    let mut command = guarded(tools().node());
    command.arg(tools().client_script("gateway_client.mjs")).args([url, token, message]);
    command.env("HOME", std::env::temp_dir());
    let output = Output::of(command, seconds(90)).await.success();
    let report = output.json();

    assert_eq!(report["hello"]["protocol"], 4, "{report}");
    assert_eq!(report["health"]["ok"], true, "{report}");
    assert_eq!(report["sent"]["status"], "started", "{report}");
    assert_eq!(report["sent"]["runId"], report["runId"], "{report}");

    // The answer comes in pieces: each adds to the text so far, and the last text is the whole.
    let of_run = |delta: &&Value| delta["runId"] == report["runId"];
    let deltas: Vec<&Value> = report["deltas"].as_array().expect("a list").iter().filter(of_run).collect();
    assert!(deltas.len() >= 3, "the answer came in {} pieces: {report}", deltas.len());
    let mut so_far = String::new();
    for delta in &deltas {
        so_far.push_str(delta["deltaText"].as_str().unwrap_or_default());
        assert_eq!(delta["text"], so_far, "the pieces do not add up: {report}");
    }
    assert_eq!(report["final"]["state"], "final", "{report}");
    let whole = format!("echo: {message}");
    assert_eq!(report["final"]["text"], whole, "{report}");

    let texts: Vec<String> = report["history"]["messages"]
        .as_array()
        .expect("a history")
        .iter()
        .map(|entry| format!("{}: {}", entry["role"].as_str().unwrap_or("?"), text_of(&entry["content"])))
        .collect();
    assert!(texts.contains(&format!("user: {message}")), "{texts:?}");
    assert!(texts.contains(&format!("assistant: {whole}")), "{texts:?}");

    // Two answers to one request: accepted, then the result.
    assert_eq!(report["agent"]["accepted"][0]["status"], "accepted", "{report}");
    assert_eq!(report["agent"]["final"]["status"], "ok", "{report}");
    assert_eq!(report["agent"]["final"]["result"]["payloads"][0]["text"], whole, "{report}");
    assert_eq!(report["waited"]["status"], "ok", "{report}");

    // Broadcasts are numbered from 1 without a gap; what goes to one client alone is not numbered.
    assert_eq!(report["gaps"], Value::Array(vec![]), "{report}");
    let numbered: Vec<u64> =
        report["events"].as_array().expect("a list").iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert!(!numbered.is_empty(), "{report}");
    let expected: Vec<u64> = (1..=numbered.len() as u64).collect();
    assert_eq!(numbered, expected, "{report}");
    report
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn the_published_client_library_chats_on_loopback() {
    let gateway = gateway().start().await;
    let report = talk(&gateway.url(), &gateway.token()).await;
    assert_eq!(report["hello"]["auth"]["method"], "token", "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_client_library_chats_over_the_tailnet_without_a_token() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    let forwarder = tailnet.alice.forward(&here.host, here.gateway.port).await;
    let report = talk(&format!("ws://{forwarder}"), "").await;
    assert_eq!(report["hello"]["auth"]["method"], "tailscale", "{report}");
    assert_eq!(report["hello"]["auth"]["role"], "operator", "{report}");
}
