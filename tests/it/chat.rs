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

/// The message of a refusal that the client is to blame for.
pub async fn refused(client: &mut RawClient, method: &str, params: Value) -> Value {
    let error = client.request(method, params.clone()).await.expect_err(&format!("{method} {params} is refused"));
    assert_eq!(error["code"], "INVALID_REQUEST", "{method} {params}: {error}");
    error
}

async fn whole_history(client: &mut RawClient, params: Value) -> Value {
    client.request("chat.history", params).await.expect("the history is read")
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_in_the_real_ones_words() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let cases = [
        (json!({"sessionKey": "main", "message": "", "idempotencyKey": "a"}), "message or attachment required"),
        (
            json!({"sessionKey": "main", "message": "x"}),
            "invalid chat.send params: must have required property 'idempotencyKey'",
        ),
        (
            json!({"sessionKey": "main", "message": "x", "idempotencyKey": ""}),
            "invalid chat.send params: at /idempotencyKey: must not have fewer than 1 characters",
        ),
        (
            json!({"sessionKey": "agent:other:x", "message": "x", "idempotencyKey": "b"}),
            "Agent \"other\" no longer exists in configuration",
        ),
    ];
    for (params, expected) in cases {
        assert_eq!(refused(&mut client, "chat.send", params).await["message"], expected);
    }
    let thinking = json!({"sessionKey": "main", "message": "x", "idempotencyKey": "c", "thinking": "wild"});
    let error = client.request("chat.send", thinking).await.expect_err("no such level");
    assert_eq!(error["message"], "Invalid thinking level. Use one of: off.", "{error}");
    assert_eq!(
        whole_history(&mut client, json!({"sessionKey": "main"})).await["totalMessages"],
        0,
        "nothing was stored"
    );
    let error = refused(&mut client, "chat.history", json!({"sessionKey": "main", "limit": 1001})).await;
    assert_eq!(error["message"], "invalid chat.history params: at /limit: must be <= 1000");
    let error = refused(&mut client, "chat.history", json!({"sessionKey": "main", "limit": 0})).await;
    assert_eq!(error["message"], "invalid chat.history params: at /limit: must be >= 1");
    refused(&mut client, "chat.abort", json!({})).await;
}

#[tokio::test]
async fn a_message_for_another_end_of_the_conversation_is_not_taken() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let leaf = |key: &str, leaf: Value| json!({"sessionKey": "main", "message": key, "idempotencyKey": key, "expectedLeafEntryId": leaf});
    client.request("chat.send", leaf("first", Value::Null)).await.expect("nothing was said before");
    client.event("chat", of_run("first", "final")).await;
    for stale in [Value::Null, json!("bogus")] {
        let error = refused(&mut client, "chat.send", leaf("second", stale)).await;
        assert_eq!(error["message"], "active branch changed; review and retry");
        assert_eq!(error["details"]["reason"], "active-leaf-changed", "{error}");
    }
    let info = whole_history(&mut client, json!({"sessionKey": "main"})).await["sessionInfo"].clone();
    client.request("chat.send", leaf("second", info["activeLeafEntryId"].clone())).await.expect("the last message");
    client.event("chat", of_run("second", "final")).await;
    let again = client.request("chat.send", leaf("second", json!("bogus"))).await.expect("it is known already");
    assert_eq!(again["status"], "ok", "{again}");
}

#[tokio::test]
async fn a_cursor_brings_what_came_after_it() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    send(&mut client, "one", "k1").await;
    client.event("chat", of_run("k1", "final")).await;
    let whole = whole_history(&mut client, json!({"sessionKey": "main"})).await;
    let cursor = whole["deltaCursor"].clone();
    let nothing = whole_history(&mut client, json!({"sessionKey": "main", "cursor": cursor})).await;
    assert_eq!((&nothing["kind"], &nothing["messages"]), (&json!("delta"), &json!([])), "{nothing}");
    send(&mut client, "two", "k2").await;
    client.event("chat", of_run("k2", "final")).await;
    let delta = whole_history(&mut client, json!({"sessionKey": "main", "cursor": cursor})).await;
    let texts: Vec<String> =
        delta["messages"].as_array().expect("messages").iter().map(|entry| text_of(&entry["message"])).collect();
    assert_eq!(texts, ["two", "echo: two"], "{delta}");
    assert_eq!(
        (&delta["messages"][0]["messageSeq"], &delta["messages"][0]["sessionKey"]),
        (&json!(3), &json!("agent:main:main"))
    );
    let reset = whole_history(&mut client, json!({"sessionKey": "main", "cursor": "zz"})).await;
    assert_eq!(reset, json!({"kind": "reset"}));

    let older = whole_history(&mut client, json!({"sessionKey": "main", "limit": 2, "offset": 2})).await;
    assert_eq!((&older["hasMore"], &older["totalMessages"]), (&json!(false), &json!(4)), "{older}");
    assert_eq!(older["messages"][0]["content"], "one", "{older}");
    assert_eq!(older["deltaCursor"], delta["deltaCursor"], "looking back does not set a reader back");
    let cut = whole_history(&mut client, json!({"sessionKey": "main", "limit": 1, "maxChars": 5})).await;
    assert_eq!(text_of(&cut["messages"][0]), "echo:\n...(truncated)...", "{cut}");
    assert_eq!((&cut["hasMore"], &cut["nextOffset"]), (&json!(true), &json!(1)), "{cut}");
    assert_eq!(cut["messages"][0]["__openclaw"]["truncated"], true, "{cut}");
}

#[tokio::test]
async fn an_answer_says_who_gave_it_and_what_it_took() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    send(&mut client, "one two", "k1").await;
    let last = client.event("chat", of_run("k1", "final")).await;
    assert_eq!((&last["stopReason"], &last["usage"]["output"]), (&json!("stop"), &json!(3)), "{last}");
    let messages = whole_history(&mut client, json!({"sessionKey": "main"})).await["messages"].clone();
    let (asked, answered) = (&messages[0], &messages[1]);
    assert_eq!((&asked["idempotencyKey"], &asked["__openclaw"]["seq"]), (&json!("k1:user"), &json!(1)), "{asked}");
    assert_eq!((&answered["provider"], &answered["model"]), (&json!("tailclaw"), &json!("echo")), "{answered}");
    assert_eq!(answered["usage"], json!({"input": 2, "output": 3, "totalTokens": 5}), "{answered}");
    assert_eq!((&answered["stopReason"], &answered["__openclaw"]["runId"]), (&json!("stop"), &json!("k1")));
}

#[tokio::test]
async fn a_runs_events_come_in_the_real_ones_order_and_count_together() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    client.request("sessions.messages.subscribe", json!({"key": "main"})).await.expect("a subscription");
    send(&mut client, "hello", "k1").await;
    let mut seen: Vec<String> = Vec::new();
    let mut last_seq = 0;
    loop {
        let frame = client.find("an event", |frame| frame["type"] == "event").await;
        let body = &frame["payload"];
        let seq = body["seq"].as_u64();
        let step = match frame["event"].as_str().unwrap_or_default() {
            "chat" => format!(
                "chat {}{}",
                body["state"].as_str().unwrap(),
                body["phase"].as_str().map_or(String::new(), |phase| format!(" {phase}"))
            ),
            "agent" => {
                format!("agent {} {}", body["stream"].as_str().unwrap(), body["data"]["phase"].as_str().unwrap_or(""))
            }
            "session.message" => format!("message {}", body["message"]["role"].as_str().unwrap()),
            _ => continue,
        };
        if let Some(seq) = seq {
            assert!(seq == last_seq || seq == last_seq + 1, "{seq} after {last_seq} in {seen:?}");
            last_seq = seq;
        }
        let is_last = step == "chat final";
        if seen.last() != Some(&step) {
            seen.push(step);
        }
        if is_last {
            break;
        }
    }
    let expected = [
        "message user",
        "chat status preparing_context",
        "agent run_status preparing_context",
        "agent lifecycle start",
        "chat status starting_model",
        "agent run_status starting_model",
        "agent lifecycle model",
        "agent assistant ",
        "chat delta",
    ];
    assert_eq!(seen[..expected.len()], expected, "{seen:?}");
    let end = ["agent usage ", "message assistant", "agent lifecycle end", "chat final"];
    assert_eq!(seen[seen.len() - end.len()..], end, "{seen:?}");
}

#[tokio::test]
async fn what_comes_with_a_message_is_kept_and_read_by_the_model() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let file = json!({"type": "file", "mimeType": "text/plain", "fileName": "p.txt", "content": "aGVsbG8="});
    let params = json!({"sessionKey": "main", "message": "see", "idempotencyKey": "a1", "attachments": [file]});
    client.request("chat.send", params).await.expect("the file is taken");
    let last = client.event("chat", of_run("a1", "final")).await;
    assert!(text_of(&last["message"]).contains("[File p.txt]\nhello\n[End of file]"), "the model was shown it: {last}");
    let messages = whole_history(&mut client, json!({"sessionKey": "main"})).await["messages"].clone();
    let media = &messages[0]["__openclaw"]["media"][0];
    assert_eq!(messages[0]["content"], "see", "{messages}");
    assert_eq!(
        (&media["fileName"], &media["contentType"], &media["kind"], &media["sizeBytes"]),
        (&json!("p.txt"), &json!("text/plain"), &json!("document"), &json!(5)),
        "{media}"
    );
    assert!(media["url"].as_str().is_some_and(|url| url.starts_with("media://inbound/")), "{media}");

    let bad = json!({"type": "image", "mimeType": "image/png", "content": "@@@"});
    let params = json!({"sessionKey": "main", "message": "see", "idempotencyKey": "a2", "attachments": [bad]});
    let error = refused(&mut client, "chat.send", params).await;
    assert_eq!(error["message"], "Error: attachment image: invalid base64 content");
    let picture = json!({"type": "image", "mimeType": "image/png", "fileName": "b.png", "content": "iVBORw0KGgo="});
    let params = json!({"sessionKey": "main", "message": "", "idempotencyKey": "a3", "attachments": [picture]});
    client.request("chat.send", params).await.expect("a picture alone says something");
    let last = client.event("chat", of_run("a3", "final")).await;
    let told = "[Attached: b.png, image/png, 8 bytes] Its content cannot be shown to this model.";
    assert!(text_of(&last["message"]).contains(told), "{last}");
    refused(
        &mut client,
        "chat.send",
        json!({"sessionKey": "main", "message": "x", "idempotencyKey": "a4", "attachments": [7]}),
    )
    .await;
}

#[tokio::test]
async fn a_new_conversation_begins_by_a_word() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    send(&mut client, "old news", "k1").await;
    client.event("chat", of_run("k1", "final")).await;
    assert_eq!(send(&mut client, "/new", "n1").await["status"], "started");
    let told = client.event("chat", of_run("n1", "final")).await;
    assert_eq!(text_of(&told["message"]), "✅ New session started.", "{told}");
    let texts: Vec<String> = history(&mut client).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["Reset", "/new", "✅ New session started."]);
    send(&mut client, "fresh", "k2").await;
    client.event("chat", of_run("k2", "final")).await;
    assert_eq!(send(&mut client, "/new", "n1").await["status"], "ok", "the same word again does nothing");
    assert_eq!(history(&mut client).await.len(), 5);

    send(&mut client, "/reset and say this", "n2").await;
    let told = client.event("chat", of_run("n2", "final")).await;
    assert_eq!(text_of(&told["message"]), "echo: and say this", "{told}");
    assert_eq!(history(&mut client).await.len(), 3);

    let stopped = send(&mut client, " /stop ", "s1").await;
    assert_eq!(stopped, json!({"ok": true, "aborted": false, "runIds": []}));
    let literal =
        json!({"sessionKey": "main", "message": "/new", "idempotencyKey": "l1", "suppressCommandInterpretation": true});
    client.request("chat.send", literal).await.expect("it is taken as it is");
    assert_eq!(text_of(&client.event("chat", of_run("l1", "final")).await["message"]), "echo: /new");
}

#[tokio::test]
async fn an_injected_message_is_told_and_kept() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let nowhere = json!({"sessionKey": "agent:main:nope", "message": "x"});
    assert_eq!(refused(&mut client, "chat.inject", nowhere).await["message"], "session not found");
    client.request("sessions.create", json!({"key": "main"})).await.expect("a session");
    client.request("sessions.messages.subscribe", json!({"key": "main"})).await.expect("a subscription");
    let params = json!({"sessionKey": "main", "message": "by hand", "label": "note"});
    let injected = client.request("chat.inject", params).await.expect("it is put in");
    let told = client.event("session.message", |event| event["messageId"] == injected["messageId"]).await;
    assert_eq!(text_of(&told["message"]), "[note]\n\nby hand", "{told}");
    assert_eq!(told["message"]["model"], "gateway-injected", "{told}");
    let run = format!("inject-{}", injected["messageId"].as_str().expect("an id"));
    let last = client.event("chat", |chat| chat["runId"] == run.as_str()).await;
    assert_eq!((&last["state"], &last["seq"], &last["stopReason"]), (&json!("final"), &json!(0), &json!("stop")));
    let empty = refused(&mut client, "chat.inject", json!({"sessionKey": "main", "message": ""})).await;
    assert_eq!(empty["message"], "invalid chat.inject params: at /message: must not have fewer than 1 characters");
}

#[tokio::test]
async fn a_first_paint_has_the_conversation_and_what_can_be_chosen() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    send(&mut client, "hello", "k1").await;
    client.event("chat", of_run("k1", "final")).await;
    let startup = client.request("chat.startup", json!({"sessionKey": "main", "limit": 1})).await.expect("an answer");
    assert_eq!((&startup["sessionKey"], &startup["totalMessages"]), (&json!("main"), &json!(2)), "{startup}");
    assert!(startup["metadata"]["commands"].to_string().contains("/stop"), "{startup}");
    let id = startup["sessionId"].as_str().expect("an id");
    let short = json!({"shortId": id.split('-').next(), "agentId": "main"});
    let found = client.request("chat.startup", short).await.expect("an answer");
    assert_eq!(found["resolution"], json!({"ok": true, "key": "agent:main:main", "agentId": "main"}), "{found}");
    let unknown = client.request("chat.startup", json!({"shortId": "ffffffff", "agentId": "main"})).await;
    assert_eq!(unknown.expect("no error"), json!({"resolution": {"ok": false}}));
    refused(&mut client, "chat.startup", json!({})).await;
    let metadata = client.request("chat.metadata", json!({})).await.expect("an answer");
    assert_eq!(metadata["models"][0]["id"], "echo", "{metadata}");
}
