//! OpenClaw's published client library against the gateway: what its users lean on, each thing on loopback with a
//! token, and a chat over the tailnet with none.

use crate::harness::{Gateway, PublishedClient, gateway, tailnet};
use serde_json::{Value, json};

const TEXT: &str = "one two three four five six seven eight";

/// Starts a run and waits for its end.
async fn chat(client: &mut PublishedClient, message: &str) -> Value {
    let run_id = uuid::Uuid::new_v4().to_string();
    let params = json!({"sessionKey": "main", "message": message, "idempotencyKey": run_id});
    let sent = client.request("chat.send", params).await.expect("the message is taken");
    assert_eq!((&sent["status"], &sent["runId"]), (&json!("started"), &json!(run_id)), "{sent}");
    client.event("chat", json!({"runId": run_id, "state": "final"})).await
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn named<'a>(reports: &'a [Value], event: &str) -> Vec<&'a Value> {
    reports.iter().filter(|report| report["event"] == event).collect()
}

/// What must hold on every path.
async fn talk(url: &str, token: &str) -> Value {
    let message = &(1..=80).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    let whole = format!("echo: {message}");
    let (mut client, hello) = PublishedClient::connected(url, token).await;
    assert_eq!(hello["protocol"], 4, "{hello}");
    assert_eq!(client.request("health", json!({})).await.expect("an answer")["ok"], true);

    // The answer comes in pieces: each adds to the text so far, and the last text is the whole.
    let last = chat(&mut client, message).await;
    assert_eq!(text_of(&last["payload"]["message"]["content"]), whole, "{last}");
    let before = client.rest().await;
    let deltas: Vec<_> =
        named(&before, "chat").into_iter().filter(|event| event["payload"]["state"] == "delta").collect();
    assert!(deltas.len() >= 3, "the answer came in {} pieces: {before:?}", deltas.len());
    let mut so_far = String::new();
    for delta in deltas {
        so_far.push_str(delta["payload"]["deltaText"].as_str().unwrap_or_default());
        assert_eq!(text_of(&delta["payload"]["message"]["content"]), so_far, "the pieces do not add up");
    }

    // Broadcasts are numbered from 1 without a gap; what goes to one client alone is not numbered.
    let mut numbers: Vec<u64> = before.iter().chain([&last]).filter_map(|event| event["seq"].as_u64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(before.iter().all(|report| report["kind"] != "gap"), "{before:?}");

    let history = client.request("chat.history", json!({"sessionKey": "main"})).await.expect("a history");
    let said: Vec<String> = history["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| format!("{}: {}", entry["role"].as_str().unwrap_or("?"), text_of(&entry["content"])))
        .collect();
    assert!(said.contains(&format!("user: {message}")), "{said:?}");
    assert!(said.contains(&format!("assistant: {whole}")), "{said:?}");

    // Two answers to one request: accepted, then the result.
    let turn = json!({
        "message": message, "agentId": "main", "deliver": false, "timeout": 60,
        "idempotencyKey": uuid::Uuid::new_v4().to_string(),
    });
    let (accepted, end) = client.request_to_the_end("agent", turn).await;
    let end = end.expect("the run ends well");
    assert_eq!(accepted[0]["status"], "accepted", "{accepted}");
    assert_eq!(accepted[0]["runId"], end["runId"], "{accepted} {end}");
    assert_eq!(end["status"], "ok", "{end}");
    assert_eq!(end["result"]["payloads"][0]["text"], whole, "{end}");
    let waited = client.request("agent.wait", json!({"runId": end["runId"], "timeoutMs": 5000})).await;
    assert_eq!(waited.expect("an answer")["status"], "ok");
    hello
}

#[tokio::test]
async fn the_published_client_library_chats_on_loopback() {
    let gateway = gateway().start().await;
    let hello = talk(&gateway.url(), &gateway.token()).await;
    assert_eq!(hello["auth"]["method"], "token", "{hello}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_published_client_library_chats_over_the_tailnet_without_a_token() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    let forwarder = tailnet.alice.forward(&here.host, here.gateway.port).await;
    let hello = talk(&format!("ws://{forwarder}"), "").await;
    assert_eq!(hello["auth"]["method"], "tailscale", "{hello}");
    assert_eq!(hello["auth"]["role"], "operator", "{hello}");
}

#[tokio::test]
async fn a_client_that_leaves_gets_its_close_frame_back() {
    let gateway = gateway().start().await;
    let auth = json!({"token": gateway.token()});
    let (mut client, _) = PublishedClient::connected(&gateway.url(), &gateway.token()).await;
    client.open(&gateway.url(), auth, false).await;
    // The library sends a close frame without a code, and calls an unanswered one 1006.
    assert_eq!(client.report("close").await["code"], 1005);
}

/// The messages of a conversation reach the client on the connection that it has now.
async fn follows_messages(client: &mut PublishedClient) {
    let followed = client.request("sessions.messages.subscribe", json!({"key": "main"})).await;
    assert_eq!(followed.expect("the subscription is taken")["subscribed"], true);
    chat(client, TEXT).await;
    for role in ["user", "assistant"] {
        let event = client.event("session.message", json!({})).await;
        assert_eq!(event["payload"]["message"]["role"], role, "{event}");
    }
}

/// The gateway goes away and comes back with the same state; the client has to find it again by itself.
async fn comes_back(gateway: &mut Gateway, client: &mut PublishedClient, boot_id: &Value) -> Value {
    gateway.restart().await;
    let hello = client.hello().await;
    assert_ne!(hello["server"]["bootId"], *boot_id, "this is to be the new gateway: {hello}");
    client.rest().await;
    // What was followed on the old connection is not followed on the new one until the client says so again.
    chat(client, TEXT).await;
    let events = client.rest().await;
    assert_eq!(named(&events, "session.message").len(), 0, "{events:?}");
    follows_messages(client).await;
    hello
}

#[tokio::test]
async fn the_client_comes_back_by_itself_after_a_stop_and_after_a_kill() {
    let mut gateway = gateway().start().await;
    let (mut client, hello) = PublishedClient::connected(&gateway.url(), &gateway.token()).await;
    follows_messages(&mut client).await;

    gateway.stop().await;
    client.event("shutdown", json!({})).await;
    let close = client.report("close").await;
    assert_eq!((&close["code"], &close["reason"]), (&json!(1012), &json!("service restart")), "{close}");
    let hello = comes_back(&mut gateway, &mut client, &hello["server"]["bootId"]).await;

    gateway.kill9().await;
    assert_eq!(client.report("close").await["code"], 1006);
    comes_back(&mut gateway, &mut client, &hello["server"]["bootId"]).await;
}

#[tokio::test]
async fn a_device_comes_back_with_the_token_that_it_was_given() {
    let mut gateway = gateway().start().await;
    let device = json!({"clientName": "cli", "mode": "cli"});
    let mut client = PublishedClient::start().await;
    let mut first = device.clone();
    first["token"] = gateway.token().into();
    client.open(&gateway.url(), first, true).await;
    let hello = client.hello().await;
    let stored = client.report("stored").await;
    assert_eq!(stored["token"].as_str().map(str::len), Some(43), "{stored}");
    assert_eq!(stored["token"], hello["auth"]["deviceToken"]);
    assert_eq!((&stored["role"], &stored["scopes"]), (&json!("operator"), &json!(["operator.admin"])), "{stored}");

    // From here on the client has nothing but that token; it stays the same one, also for the gateway's next life.
    client.open(&gateway.url(), device, true).await;
    comes_in_by_token(&mut client, &stored["token"]).await;
    gateway.stop().await;
    gateway.restart().await;
    comes_in_by_token(&mut client, &stored["token"]).await;
}

async fn comes_in_by_token(client: &mut PublishedClient, token: &Value) {
    let hello = client.hello().await;
    assert_eq!(hello["auth"]["method"], "device-token", "{hello}");
    assert_eq!(client.report("stored").await["token"], *token);
    client.request("status", json!({})).await.expect("it may what it might");
}

#[tokio::test]
async fn a_revoked_device_token_opens_nothing() {
    let gateway = gateway().start().await;
    let device = json!({"clientName": "cli", "mode": "cli"});
    let mut client = PublishedClient::start().await;
    let mut first = device.clone();
    first["token"] = gateway.token().into();
    client.open(&gateway.url(), first, true).await;
    client.hello().await;
    let token = client.report("stored").await["token"].clone();
    client.open(&gateway.url(), device, true).await;
    comes_in_by_token(&mut client, &token).await;

    client.rest().await;
    let its_token = json!({"deviceId": client.device_id().await, "role": "operator"});
    client.request("device.token.revoke", its_token).await.expect("a device may give up its own token");
    let close = client.report("close").await;
    assert_eq!((&close["code"], &close["reason"]), (&json!(4001), &json!("device removed")), "{close}");
    // The library tries again by itself, is refused, forgets the token and stops trying.
    let error = client.report("connectError").await["error"].clone();
    assert_eq!(error["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH", "{error}");
    client.report("cleared").await;
    assert_eq!(client.report("paused").await["info"]["detailCode"], "AUTH_DEVICE_TOKEN_MISMATCH");
}

#[tokio::test]
async fn requests_on_their_way_fail_when_the_connection_drops() {
    let mut gateway = gateway().start().await;
    let (mut client, _) = PublishedClient::connected(&gateway.url(), &gateway.token()).await;
    let long = vec!["word"; 4_000].join(" ");
    let turn = json!({"message": long, "agentId": "main", "idempotencyKey": uuid::Uuid::new_v4().to_string()});
    client.begin("run", "agent", turn).await;
    client.event("chat", json!({"state": "delta"})).await;

    gateway.kill9().await;
    let error = client.ended("run").await.expect_err("the run's answer cannot come any more");
    assert_eq!(error["message"], "gateway closed (1006): ", "{error}");
    let error = client.request("health", json!({})).await.expect_err("there is no connection");
    assert_eq!(error["message"], "gateway not connected", "{error}");
}

#[tokio::test]
async fn subscriptions_bring_their_events_and_end_them() {
    let gateway = gateway().start().await;
    let (mut client, _) = PublishedClient::connected(&gateway.url(), &gateway.token()).await;
    chat(&mut client, TEXT).await;
    let unasked = client.rest().await;
    for event in ["sessions.changed", "session.message"] {
        assert_eq!(named(&unasked, event).len(), 0, "nobody subscribed to {event}: {unasked:?}");
    }

    let listed = client.request("sessions.subscribe", json!({})).await.expect("the subscription is taken");
    assert_eq!(listed["subscribed"], true, "{listed}");
    follows_messages(&mut client).await;
    let changed = client.event("sessions.changed", json!({"reason": "send"})).await;
    assert_eq!(changed["payload"]["sessionKey"], "agent:main:main", "{changed}");

    // One more run: what it says of its end comes before its `final`, so whatever was to come has come by then.
    let left = client.request("sessions.messages.unsubscribe", json!({"key": "main"})).await;
    assert_eq!(left.expect("the subscription ends")["subscribed"], false);
    client.rest().await;
    chat(&mut client, TEXT).await;
    let events = client.rest().await;
    assert_eq!(named(&events, "session.message").len(), 0, "{events:?}");
    assert_ne!(named(&events, "sessions.changed").len(), 0, "the list is still followed: {events:?}");
}

#[tokio::test]
async fn refused_requests_carry_their_code_and_details() {
    let gateway = gateway().start().await;
    let (mut client, _) = PublishedClient::connected(&gateway.url(), &gateway.token()).await;
    let wrong = client.request("sessions.describe", json!({"key": 5})).await.expect_err("a key is a string");
    assert_eq!(wrong["gatewayCode"], "INVALID_REQUEST", "{wrong}");
    assert_eq!(wrong["message"], "invalid sessions.describe params: at /key: must be string", "{wrong}");
    assert_eq!((&wrong["name"], &wrong["retryable"]), (&json!("GatewayClientRequestError"), &json!(false)), "{wrong}");
    let unknown = client.request("no.such.method", json!({})).await.expect_err("nobody serves that");
    assert_eq!(unknown["message"], "unknown method: no.such.method", "{unknown}");

    let reader = json!({"token": gateway.token(), "scopes": ["operator.read"]});
    client.open(&gateway.url(), reader, false).await;
    assert_eq!(client.hello().await["auth"]["scopes"], json!(["operator.read"]));
    let refused = client.request("system-event", json!({"text": "hello"})).await.expect_err("that is for admins");
    assert_eq!(refused["gatewayCode"], "FORBIDDEN", "{refused}");
    assert_eq!(refused["message"], "missing scope: operator.admin", "{refused}");
    assert_eq!(refused["details"]["code"], "MISSING_SCOPE", "{refused}");
    assert_eq!(refused["details"]["missingScope"], "operator.admin", "{refused}");
}

/// Machines report themselves in the presence list, and each change of it goes whole to every reader. With lines of
/// this length, these many changes are over 90 MB: more than the gateway keeps for a client (50 MiB) and the kernel
/// keeps for a socket together.
const MACHINES: usize = 56;
const LINE: usize = 60_000;

async fn report_machine(client: &mut PublishedClient, number: usize) {
    let params = json!({"text": format!("Node: {}", "x".repeat(LINE)), "instanceId": format!("machine-{number}")});
    client.request("system-event", params).await.expect("the report is taken");
}

#[tokio::test]
async fn a_client_that_was_too_slow_is_shown_the_gap() {
    let gateway = gateway().start().await;
    let (mut slow, _) = PublishedClient::connected(&gateway.url(), &gateway.token()).await;
    let (mut busy, _) = PublishedClient::connected(&gateway.url(), &gateway.token()).await;
    report_machine(&mut busy, 0).await;
    slow.event("presence", json!({})).await;

    slow.pause().await;
    for number in 1..MACHINES {
        report_machine(&mut busy, number).await;
    }
    slow.resume().await;
    // The answer stands behind everything that was kept for the client.
    slow.request("health", json!({})).await.expect("a slow reader is not thrown out");
    report_machine(&mut busy, MACHINES).await;
    let gap = slow.report("gap").await["gap"].clone();

    let (expected, received) = (gap["expected"].as_u64().expect("a number"), gap["received"].as_u64().expect("one"));
    // What comes later by the clock, as ticks do, is not about the gap.
    let until_then = |numbers: Vec<u64>| numbers.into_iter().filter(|number| *number <= received).collect::<Vec<u64>>();
    let (seen, all) = (until_then(slow.numbers().await), until_then(busy.numbers().await));
    assert!(received > expected, "{gap}");
    assert!(seen.contains(&(expected - 1)), "everything before the gap has come: {gap} {seen:?}");
    assert_eq!(all.last(), Some(&received), "the numbers of skipped events are used up: {gap}");
    let skipped = usize::try_from(received - expected).expect("a few");
    assert_eq!(seen.len() + 1 + skipped, all.len(), "{gap} {seen:?} {all:?}");
}
