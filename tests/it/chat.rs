//! Conversations on the wire: sending once, streaming, stopping, waiting, and what other clients see of it.

use crate::harness::{RawClient, gateway};
use serde_json::{Value, json};

async fn send(client: &mut RawClient, message: &str, key: &str) -> Value {
    let params = json!({"sessionKey": "main", "message": message, "idempotencyKey": key});
    client.request("chat.send", params).await.expect("the message is taken")
}

fn of_run(run: &'static str, state: &'static str) -> impl Fn(&Value) -> bool {
    move |chat| chat["runId"] == run && chat["state"] == state
}

async fn history(client: &mut RawClient) -> Vec<(String, String)> {
    let history = client.request("chat.history", json!({"sessionKey": "main"})).await.expect("the history is read");
    assert_eq!(history["sessionKey"], "main", "the key comes back as it was sent");
    let messages = history["messages"].as_array().expect("a list of messages").clone();
    messages.iter().map(|message| (message["role"].as_str().unwrap_or_default().to_owned(), text_of(message))).collect()
}

fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

#[tokio::test]
async fn a_message_sent_twice_with_one_key_is_answered_once() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let words = vec!["word"; 40].join(" ");
    let first = send(&mut client, &words, "key-1").await;
    assert_eq!((&first["runId"], &first["status"]), (&json!("key-1"), &json!("started")), "{first}");
    let again = send(&mut client, &words, "key-1").await;
    assert_eq!(again["status"], "in_flight", "{again}");
    client.event("chat", of_run("key-1", "final")).await;
    let late = send(&mut client, &words, "key-1").await;
    assert_eq!(late["status"], "ok", "{late}");
    let all = history(&mut client).await;
    assert_eq!(all, [("user".into(), words.clone()), ("assistant".into(), format!("echo: {words}"))]);
}

#[tokio::test]
async fn a_stopped_run_keeps_what_was_said_so_far() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let words = (0..2000).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    send(&mut client, &words, "long").await;
    client.event("chat", of_run("long", "delta")).await;
    let stopped =
        client.request("chat.abort", json!({"sessionKey": "main", "runId": "long"})).await.expect("an answer");
    assert_eq!((&stopped["ok"], &stopped["aborted"]), (&json!(true), &json!(true)), "{stopped}");
    assert_eq!(stopped["runIds"], json!(["long"]), "{stopped}");
    let last = client.event("chat", of_run("long", "aborted")).await;
    let said = text_of(&last["message"]);
    assert!(said.starts_with("echo:") && !said.contains("w1999"), "{last}");
    let nothing = client.request("chat.abort", json!({"sessionKey": "main"})).await.expect("an answer");
    assert_eq!(nothing["aborted"], false, "nothing runs any more: {nothing}");
    let waited = client.request("agent.wait", json!({"runId": "long", "timeoutMs": 1000})).await.expect("an answer");
    assert_ne!(waited["status"], "timeout", "a stopped run has ended: {waited}");
    send(&mut client, "next", "next").await;
    client.event("chat", of_run("next", "final")).await;
}

#[tokio::test]
async fn every_reader_sees_the_run_and_each_counts_its_own_events() {
    let gateway = gateway().start().await;
    let (mut sender, mut watcher) = (gateway.operator().await, gateway.operator().await);
    send(&mut sender, "one two three", "shared").await;
    for client in [&mut sender, &mut watcher] {
        let mut numbers = Vec::new();
        let (mut text, mut ended) = (String::new(), false);
        while !ended {
            let frame = client.find("an event", |frame| frame["type"] == "event").await;
            numbers.extend(frame["seq"].as_u64());
            let chat = &frame["payload"];
            if frame["event"] == "chat" && chat["state"] == "delta" {
                text.push_str(chat["deltaText"].as_str().unwrap_or_default());
                assert_eq!(text_of(&chat["message"]), text, "the text so far comes with each piece: {chat}");
            }
            if frame["event"] == "chat" {
                assert_eq!(chat["sessionKey"], "agent:main:main", "events name the full key: {chat}");
                ended = chat["state"] == "final";
            }
        }
        assert_eq!(text, "echo: one two three");
        let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, expected);
    }
}

#[tokio::test]
async fn agent_answers_twice_and_a_repeat_only_with_the_end() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let params = json!({"message": "hi", "agentId": "main", "idempotencyKey": "turn", "deliver": false});
    let id = client.start("agent", params.clone()).await;
    let accepted = client.response(&id).await.expect("the turn is accepted");
    assert_eq!(accepted["status"], "accepted", "{accepted}");
    assert!(accepted["acceptedAt"].is_u64() && accepted["sessionKey"] == "agent:main:main", "{accepted}");
    let done = client.response(&id).await.expect("the turn ends well");
    assert_eq!((&done["status"], &done["runId"]), (&json!("ok"), &accepted["runId"]), "{done}");
    assert_eq!(done["result"]["payloads"][0]["text"], "echo: hi", "{done}");

    let again = client.request("agent", params).await.expect("the same turn again");
    assert_eq!((&again["status"], &again["runId"]), (&json!("ok"), &accepted["runId"]), "{again}");
    let waited = client.request("agent.wait", json!({"runId": accepted["runId"]})).await.expect("an answer");
    assert_eq!(waited["status"], "ok", "{waited}");
    let unknown = json!({"runId": "never-heard-of", "timeoutMs": 50});
    assert_eq!(client.request("agent.wait", unknown).await.expect("an answer")["status"], "timeout");
}

#[tokio::test]
async fn sessions_are_listed_described_and_followed() {
    let gateway = gateway().start().await;
    let (mut client, mut follower) = (gateway.operator().await, gateway.operator().await);
    assert_eq!(
        client.request("sessions.describe", json!({"key": "main"})).await.expect("an answer")["session"],
        Value::Null
    );
    follower.request("sessions.subscribe", json!({})).await.expect("a subscription");
    let subscribed =
        follower.request("sessions.messages.subscribe", json!({"key": "main"})).await.expect("a subscription");
    assert_eq!(subscribed["key"], "agent:main:main", "{subscribed}");

    send(&mut client, "remember me", "first").await;
    client.event("chat", of_run("first", "final")).await;
    let changed = follower.event("sessions.changed", |_| true).await;
    assert_eq!(changed["sessionKey"], "agent:main:main", "{changed}");
    let is_answer = |event: &Value| event["message"]["role"] == "assistant";
    let message = follower.event("session.message", is_answer).await;
    assert_eq!(text_of(&message["message"]), "echo: remember me", "{message}");

    let row = client.request("sessions.describe", json!({"key": "main"})).await.expect("an answer")["session"].clone();
    assert_eq!(row["key"], "agent:main:main", "{row}");
    let list = client.request("sessions.list", json!({"limit": 10})).await.expect("an answer");
    assert_eq!((&list["count"], &list["sessions"][0]["key"]), (&json!(1), &row["key"]), "{list}");
    let startup = client.request("chat.startup", json!({"sessionKey": "main"})).await.expect("an answer");
    assert_eq!(startup["messages"].as_array().map(Vec::len), Some(2), "{startup}");
}

#[tokio::test]
async fn an_unknown_session_has_an_empty_history() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let empty = client.request("chat.history", json!({"sessionKey": "agent:main:nobody"})).await.expect("no error");
    assert_eq!(empty["messages"], json!([]), "{empty}");
}

#[tokio::test]
async fn the_other_methods_answer_with_real_data() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let agents = client.request("agents.list", json!({})).await.expect("an answer");
    assert_eq!((&agents["defaultId"], &agents["agents"][0]["id"]), (&json!("main"), &json!("main")), "{agents}");
    let models = client.request("models.list", json!({})).await.expect("an answer");
    assert!(models["models"].to_string().contains("echo"), "{models}");
    let presence = client.request("system-presence", json!({})).await.expect("an answer");
    assert!(presence.as_array().is_some_and(|list| list.iter().any(|entry| entry["mode"] == "gateway")), "{presence}");
    let identity = client.request("gateway.identity.get", json!({})).await.expect("an answer");
    assert_eq!(identity["deviceId"].as_str().map(str::len), Some(64), "{identity}");
    assert_eq!(client.request("last-heartbeat", json!({})).await.expect("an answer"), Value::Null);
    let nodes = client.request("node.list", json!({})).await.expect("an answer");
    assert_eq!(nodes["nodes"], json!([]), "{nodes}");
    let channels = client.request("channels.status", json!({"probe": false})).await.expect("an answer");
    assert_eq!(channels["channelOrder"], json!([]), "{channels}");
    let status = client.request("status", json!({})).await.expect("an answer");
    assert!(status["runtimeVersion"].is_string() && status["sessions"].is_object(), "{status}");

    let config = client.request("config.get", json!({})).await.expect("an answer");
    assert_eq!(config["valid"], true, "{config}");
    assert!(!config.to_string().contains(&gateway.token()), "no secret leaves the gateway");

    let logs = client.request("logs.tail", json!({"limit": 100})).await.expect("an answer");
    let cursor = logs["cursor"].as_u64().unwrap_or_else(|| panic!("a cursor: {logs}"));
    assert!(logs["lines"].as_array().is_some_and(|lines| !lines.is_empty()), "{logs}");
    gateway.operator().await.request("no.such.method", json!({})).await.expect_err("no such method");
    let more = client.request("logs.tail", json!({"cursor": cursor})).await.expect("an answer");
    assert!(more["cursor"].as_u64() >= Some(cursor), "{more}");
    assert!(!logs.to_string().contains(&gateway.token()), "the log holds no secret");
    let user = client.request("users.self", json!({})).await.expect_err("a token names nobody");
    assert_eq!(user["code"], "FORBIDDEN", "{user}");
}
