//! What is promised survives: kills, stops, restarts and a full disk.

use crate::harness::{Closed, Gateway, RawClient, Signal, eventually, gateway, get, is_root, seconds, tailnet, within};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

fn words(count: usize) -> String {
    (0..count).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ")
}

/// Sends one message; `Ok` is the gateway's promise to keep it.
async fn say(client: &mut RawClient, session: &str, message: &str) -> Result<Value, Value> {
    let key = uuid::Uuid::new_v4().to_string();
    client.request("chat.send", json!({"sessionKey": session, "message": message, "idempotencyKey": key})).await
}

/// What users said in a session, as the gateway remembers it.
async fn said(client: &mut RawClient, session: &str) -> Vec<String> {
    let params = json!({"sessionKey": session, "limit": 1000});
    let history = client.request("chat.history", params).await.expect("the history is read");
    let messages = history["messages"].as_array().expect("a list of messages");
    let pending = history["pendingInputs"]["items"].as_array().into_iter().flatten();
    let of_user = |message: &&Value| message["role"] == "user";
    messages.iter().filter(of_user).chain(pending).map(text_of).collect()
}

fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => message["message"].as_str().unwrap_or_default().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_a_run_loses_no_acknowledged_message() {
    let mut gateway = gateway().start().await;
    let mut promised: Vec<(String, String)> = Vec::new();
    for round in 0..4 {
        let mut client = gateway.operator().await;
        // One long answer is running when the kill comes, and more messages are on their way.
        let long = format!("round {round} {}", words(2000));
        let session = format!("agent:main:long-{round}");
        say(&mut client, &session, &long).await.expect("the message is taken");
        promised.push((session, long));
        client.event("chat", |chat| chat["state"] == "delta").await;

        let mut asked = Vec::new();
        for number in 0..40 {
            let (session, message) = (format!("agent:main:s{}", number % 5), format!("round {round} number {number}"));
            let key = uuid::Uuid::new_v4().to_string();
            let params = json!({"sessionKey": session, "message": message, "idempotencyKey": key});
            asked.push((client.start("chat.send", params).await, session, message));
        }
        let (kill_after, mut acknowledged) = (3 + round * 9, 0);
        while acknowledged < kill_after {
            let frame = client.find("an answer", |frame| frame["type"] == "res").await;
            assert_eq!(frame["ok"], true, "{frame}");
            let position = asked.iter().position(|(id, ..)| frame["id"] == *id).expect("an answer to a question");
            let (_, session, message) = asked.remove(position);
            promised.push((session, message));
            acknowledged += 1;
        }
        gateway.kill9().await;
        gateway.restart().await;

        let mut client = gateway.operator().await;
        for (session, message) in &promised {
            let known = said(&mut client, session).await;
            let count = known.iter().filter(|text| *text == message).count();
            assert_eq!(count, 1, "{message:.60} in {session} is there {count} times after kill -9");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_a_kill_cut_off_is_told_as_ended() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let started = say(&mut client, "main", &words(2000)).await.expect("the message is taken");
    client.event("chat", |chat| chat["state"] == "delta").await;
    gateway.kill9().await;
    gateway.restart().await;
    let mut client = gateway.operator().await;
    let row = client.request("sessions.describe", json!({"key": "main"})).await.expect("the session is there");
    assert_ne!(row["session"]["hasActiveRun"], true, "nothing runs after the kill: {row}");
    let params = json!({"runId": started["runId"], "timeoutMs": 100});
    let waited = client.request("agent.wait", params).await.expect("the run can be asked for");
    assert_ne!(waited["status"], "ok", "a run cut off did not end well: {waited}");
    say(&mut client, "main", "on we go").await.expect("the session takes new messages");
    client.event("chat", |chat| chat["state"] == "final").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_the_running_turn_end_and_tells_the_clients() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let message = words(60);
    let started = say(&mut client, "main", &message).await.expect("the message is taken");
    client.event("chat", |chat| chat["state"] == "delta").await;
    gateway.signal(Signal::TERM);

    let mut ended = None;
    let mut shutdown = None;
    let closed = within("the connection's end", seconds(30), async {
        loop {
            match client.next().await {
                Ok(frame) if frame["event"] == "shutdown" => shutdown = Some(frame["payload"].clone()),
                Ok(frame) if frame["event"] == "chat" && frame["payload"]["runId"] == started["runId"] => {
                    let state = frame["payload"]["state"].as_str().unwrap_or_default().to_owned();
                    if ["final", "aborted", "error"].contains(&state.as_str()) {
                        ended = Some(state);
                    }
                }
                Ok(_) => {}
                Err(closed) => return closed,
            }
        }
    })
    .await;
    assert_eq!(closed, Closed { code: 1012, reason: "service restart".into() });
    let shutdown = shutdown.expect("the shutdown event comes before the close");
    assert!(shutdown["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{shutdown}");
    assert_eq!(ended.as_deref(), Some("final"), "a turn of a second or two ends within the grace time");
    gateway.ended_well(seconds(20)).await;

    gateway.restart().await;
    let mut client = gateway.operator().await;
    let history = client.request("chat.history", json!({"sessionKey": "main"})).await.expect("the history is read");
    let answers = history["messages"].as_array().unwrap().iter().filter(|entry| entry["role"] == "assistant");
    assert_eq!(answers.map(text_of).collect::<Vec<_>>(), [format!("echo: {message}")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_longer_than_the_grace_time_is_told_and_the_exit_is_clean() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let message = words(100_000);
    say(&mut client, "main", &message).await.expect("the message is taken");
    client.event("chat", |chat| chat["state"] == "delta").await;
    gateway.signal(Signal::TERM);
    client.event("chat", |chat| chat["state"] == "aborted" || chat["state"] == "error").await;
    assert_eq!(client.closed().await.code, 1012);
    gateway.ended_well(seconds(60)).await;
    gateway.restart().await;
    assert_eq!(said(&mut gateway.operator().await, "main").await, [message]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_gateway_is_not_ready_and_takes_no_new_connections() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    say(&mut client, "main", &words(100)).await.expect("the message is taken");
    client.event("chat", |chat| chat["state"] == "delta").await;
    gateway.signal(Signal::TERM);
    eventually("new connections are turned away", seconds(5), || async {
        match get(&gateway.http(), "/readyz").await {
            Ok(answer) if answer.status == 200 => Err(format!("{answer:?}")),
            _ => Ok(()),
        }
    })
    .await;
    gateway.ended_well(seconds(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_like_sigterm() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    gateway.signal(Signal::INT);
    assert_eq!(client.closed().await.code, 1012);
    gateway.ended_well(seconds(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_the_nodes_identity() {
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    let before = (here.node.clone(), peer_view(&here.node.name).await);
    here.gateway.stop().await;
    here.gateway.restart().await;
    here.reached_by(&tailnet.alice).await;
    assert_eq!(tailnet.headscale.nodes(&here.node.name).await, [here.node.clone()], "one node, and the same");
    assert_eq!((here.node.clone(), peer_view(&here.node.name).await), before);

    here.gateway.kill9().await;
    here.gateway.restart().await;
    here.reached_by(&tailnet.alice).await;
    assert_eq!((here.node.clone(), peer_view(&here.node.name).await), before);
}

/// The stable id and the addresses under which alice's machine knows a node.
async fn peer_view(name: &str) -> (Value, Value) {
    let status = tailnet().await.alice.status().await;
    let peers = status["Peer"].as_object().expect("a map of peers");
    let peer = peers.values().find(|peer| peer["HostName"] == name).unwrap_or_else(|| panic!("{name} in {status}"));
    (peer["ID"].clone(), peer["TailscaleIPs"].clone())
}

/// Gives the gateway a small disk of its own as state folder, keeping its configuration.
const SMALL_DISK: &str = r#"set -e
config=$(cat "$TAILCLAW_STATE_DIR/tailclaw.json")
mount -t tmpfs -o size=16m,mode=0700 small "$TAILCLAW_STATE_DIR"
printf '%s' "$config" > "$TAILCLAW_STATE_DIR/tailclaw.json"
exec "$@""#;

/// Nothing of the configuration changes on a full disk.
async fn config_writes_are_refused(client: &mut RawClient, file: &Path) {
    let before = std::fs::read_to_string(file).unwrap();
    let known = client.request("config.get", json!({})).await.expect("reading needs no room");
    // Larger than what a block of the file may still hold.
    let raw = json!({"agents": {"defaults": {"instructions": "x".repeat(64 * 1024)}}}).to_string();
    let params = json!({"raw": raw, "baseHash": known["hash"]});
    let error = client.request("config.patch", params).await.expect_err("a full disk cannot take it");
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
    assert_eq!(error["details"]["code"], "STORAGE_FULL", "{error}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), before);
    let after = client.request("config.get", json!({})).await.expect("reading needs no room");
    assert_eq!(after["hash"], known["hash"]);
    let folder = file.parent().unwrap();
    let drafts = std::fs::read_dir(folder).unwrap().filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(".tailclaw-"))
    });
    assert_eq!(drafts.count(), 0, "no half of a file is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_survived() {
    let unshare: &[&str] =
        if is_root() { &["unshare", "--mount"] } else { &["unshare", "--user", "--map-root-user", "--mount"] };
    let builder = gateway().wrapped(&[unshare, &["sh", "-c", SMALL_DISK, "small-disk"]].concat());
    let mut gateway = builder.clone().start().await;
    let mut client = gateway.operator().await;
    // Keeps the small disk alive after the gateway has ended.
    let disk = File::open(gateway.own_view(gateway.state_folder())).unwrap();
    let on_disk = |name: &str| PathBuf::from(format!("/proc/self/fd/{}/{name}", disk.as_raw_fd()));

    let mut promised = Vec::new();
    for number in 0..5 {
        promised.push(format!("before {number}"));
        say(&mut client, "main", &promised[number]).await.expect("there is room");
        client.event("chat", |chat| chat["state"] == "final").await;
    }
    fill(&on_disk("filler"));
    config_writes_are_refused(&mut client, &on_disk("tailclaw.json")).await;

    let mut refused = None;
    for number in 0..200 {
        let message = format!("full {number} {}", "x".repeat(8 * 1024));
        match say(&mut client, "main", &message).await {
            Ok(_) => promised.push(message),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let error = refused.expect("a full disk cannot take 200 messages");
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
    let text = error["message"].as_str().unwrap_or_default();
    assert!(text.contains("disk") || text.contains("space"), "the message says what is wrong: {error}");
    assert!(!text.contains('/'), "no path goes to a client: {error}");

    gateway.assert_running();
    client.request("health", json!({})).await.expect("the gateway still answers");
    assert_remembers(&mut client, &promised).await;

    std::fs::remove_file(on_disk("filler")).unwrap();
    let client = tokio::sync::Mutex::new(client);
    promised.push("after".into());
    eventually("messages are taken again", seconds(20), || async {
        say(&mut *client.lock().await, "main", "after").await.map_err(|error| error.to_string())
    })
    .await;
    let mut client = client.into_inner();
    client.event("chat", |chat| chat["state"] == "final").await;
    assert_remembers(&mut client, &promised).await;

    gateway.stop().await;
    let copy = crate::harness::gateway();
    for file in ["tailclaw.db", "tailclaw.db-wal", "gateway-token"] {
        let _ = std::fs::copy(on_disk(file), copy.state_folder().join(file));
    }
    let copy: Gateway = copy.start().await;
    assert_remembers(&mut copy.operator().await, &promised).await;
}

async fn assert_remembers(client: &mut RawClient, promised: &[String]) {
    let known = said(client, "main").await;
    for message in promised {
        let count = known.iter().filter(|text| *text == message).count();
        assert_eq!(count, 1, "{message:.40} is there {count} times");
    }
}

/// Writes until nothing more fits.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [64 * 1024, 1024, 1] {
        let block = vec![7u8; size];
        while file.write_all(&block).is_ok() {}
    }
}

/// What was acknowledged, and how to see after a kill that it is still so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_undoes_no_patch_reset_inject_or_delete() {
    let mut gateway = gateway().start().await;
    for round in 0..3 {
        let mut client = gateway.operator().await;
        let ask = async |client: &mut RawClient, method: &str, params: Value| {
            client.request(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
        };
        let (kept, gone) = (format!("agent:main:kept-{round}"), format!("agent:main:gone-{round}"));
        for key in [&kept, &gone] {
            ask(&mut client, "sessions.create", json!({"key": key})).await;
            ask(&mut client, "chat.inject", json!({"sessionKey": key, "message": format!("before {key}")})).await;
        }
        let reset = ask(&mut client, "sessions.reset", json!({"key": kept})).await;
        let injected = ask(&mut client, "chat.inject", json!({"sessionKey": kept, "message": "after"})).await;
        let label = format!("Label {round}");
        ask(&mut client, "sessions.patch", json!({"key": kept, "label": label, "pinned": true})).await;
        let deleted = ask(&mut client, "sessions.delete", json!({"key": gone})).await;
        gateway.kill9().await;
        gateway.restart().await;

        let mut client = gateway.operator().await;
        let history = ask(&mut client, "chat.history", json!({"sessionKey": kept})).await;
        assert_eq!(history["totalMessages"], 2, "the mark of the reset and what came after: {history}");
        assert_eq!(history["messages"][1]["__openclaw"]["id"], injected["messageId"], "{history}");
        let row = &history["sessionInfo"];
        assert_eq!((&row["label"], &row["pinned"]), (&json!(label), &json!(true)), "{row}");
        let again = ask(&mut client, "sessions.create", json!({"key": kept})).await;
        assert_eq!(again["entry"]["lifecycleRevision"], reset["entry"]["lifecycleRevision"], "{again}");
        let row = ask(&mut client, "sessions.describe", json!({"key": gone})).await;
        assert_eq!(row["session"], Value::Null, "a deleted session does not come back");
        let archive = std::fs::read_to_string(deleted["archived"][0].as_str().expect("a path")).expect("the archive");
        assert!(archive.contains(&format!("before {gone}")), "{archive}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_ended_answers_the_same_after_a_kill() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let params = json!({"message": "hi", "agentId": "main", "idempotencyKey": "turn"});
    let id = client.start("agent", params.clone()).await;
    client.response(&id).await.expect("the turn is accepted");
    let before = client.response(&id).await.expect("the turn ends well");
    gateway.kill9().await;
    gateway.restart().await;
    let mut client = gateway.operator().await;
    let after = client.request("agent", params).await.expect("the same turn again");
    for path in ["/status", "/summary", "/result/payloads", "/result/meta/agentMeta"] {
        assert_eq!(before.pointer(path), after.pointer(path), "{path}");
    }
    assert_eq!(said(&mut client, "main").await, ["hi"]);
}
