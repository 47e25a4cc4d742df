//! The first frames of a connection: who is let in, what is refused and how each refusal reads on the wire.
//! Reference: OpenClaw Gateway protocol 4, transport, connect and server authentication.

use crate::harness::{Closed, Device, Gateway, RawClient, connect_params, gateway};
use serde_json::{Value, json};

/// Asserts an error answer followed by the close that belongs to it.
pub async fn refused(client: &mut RawClient, params: Value, code: &str, details: &str, close: u16) -> Value {
    let error = client.connect(params.clone()).await.expect_err("the connect is refused");
    assert_eq!(error["code"], code, "{error} for {params}");
    if !details.is_empty() {
        assert_eq!(error["details"]["code"], details, "{error} for {params}");
    }
    let closed = client.closed().await;
    assert_eq!(closed.code, close, "{closed:?} after {error}");
    error
}

pub fn merged(mut params: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    params.pointer_mut(parent).expect("the parent exists")[key] = value;
    params
}

#[tokio::test]
async fn a_challenge_comes_first_and_is_never_the_same() {
    let gateway = gateway().start().await;
    let before = now_ms();
    let (first, clock) = gateway.socket().await.challenge().await;
    let (second, _) = gateway.socket().await.challenge().await;
    assert_ne!(first, second);
    assert!(first.len() >= 16, "the nonce is too short to be random: {first}");
    assert!((before - 1000..=now_ms() + 1000).contains(&clock), "the challenge's clock is {clock}");
}

#[tokio::test]
async fn every_url_path_upgrades() {
    let gateway = gateway().start().await;
    for path in ["/", "/ws", "/foo/bar", "/chat?session=main"] {
        gateway.socket_with(path, &[]).await.challenge().await;
    }
}

#[tokio::test]
async fn hello_carries_what_clients_require() {
    let gateway = gateway().start().await;
    let mut client = gateway.socket().await;
    client.challenge().await;
    let hello = client.connect(connect_params(&gateway.token())).await.expect("the token is accepted");
    assert_eq!(hello["type"], "hello-ok");
    assert_eq!(hello["protocol"], 4);
    for pointer in ["/server/version", "/server/connId"] {
        assert!(hello.pointer(pointer).is_some_and(Value::is_string), "{pointer} in {hello}");
    }
    for pointer in ["/features/methods", "/features/events", "/snapshot/presence", "/auth/scopes"] {
        assert!(hello.pointer(pointer).is_some_and(Value::is_array), "{pointer} in {hello}");
    }
    for pointer in ["/snapshot/stateVersion/presence", "/snapshot/stateVersion/health", "/snapshot/uptimeMs"] {
        assert!(hello.pointer(pointer).is_some_and(Value::is_u64), "{pointer} in {hello}");
    }
    assert!(hello.pointer("/snapshot/health/ok").is_some(), "{hello}");
    assert_eq!(hello["auth"]["role"], "operator");
    assert_eq!(hello["policy"]["maxPayload"], 26_214_400);
    assert_eq!(hello["policy"]["maxBufferedBytes"], 52_428_800);
    assert_eq!(hello["policy"]["tickIntervalMs"], 30_000);
    let methods: Vec<&str> = hello["features"]["methods"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    for method in ["health", "status", "chat.send", "agent", "sessions.list", "logs.tail", "config.get"] {
        assert!(methods.contains(&method), "{method} is not among {methods:?}");
    }
}

#[tokio::test]
async fn bad_first_frames_end_the_connection() {
    let gateway = gateway().start().await;

    let mut client = gateway.socket().await;
    client.challenge().await;
    client.send_text("this is no JSON").await;
    assert_eq!(client.closed().await, Closed { code: 1000, reason: String::new() });

    let mut client = gateway.socket().await;
    client.challenge().await;
    let error = client.request("health", json!({})).await.expect_err("health before connect is refused");
    assert_eq!(error["code"], "INVALID_REQUEST");
    let text = "invalid handshake: first request must be connect";
    assert_eq!(error["message"], text);
    assert_eq!(client.closed().await, Closed { code: 1008, reason: text.into() });

    for frame in [
        json!({"hello": "there"}),
        json!([1, 2, 3]),
        json!(null),
        json!({"type": "event", "event": "tick"}),
        json!({"type": "req", "id": 7, "method": "connect", "params": {}}),
        json!({"type": "req", "id": "no-method"}),
    ] {
        let mut client = gateway.socket().await;
        client.challenge().await;
        client.send(&frame).await;
        let closed = client.next().await.expect_err("no answer goes out to something that is no request");
        assert_eq!(closed, Closed { code: 1008, reason: "invalid request frame".into() }, "after {frame}");
    }
}

#[tokio::test]
async fn workers_are_not_even_answered() {
    let gateway = gateway().start().await;
    for params in [
        json!({"role": "worker"}),
        merged(connect_params(""), "/client/mode", json!("worker")),
        merged(connect_params(""), "/client/id", json!("openclaw-worker")),
    ] {
        let mut client = gateway.socket().await;
        client.challenge().await;
        client.start("connect", params).await;
        let closed = client.next().await.expect_err("no answer goes out to a worker");
        assert_eq!(closed, Closed { code: 1008, reason: "invalid-handshake".into() });
    }
}

#[tokio::test]
async fn bad_connect_parameters_are_named() {
    let gateway = gateway().start().await;
    let good = connect_params(&gateway.token());
    let cases = [
        merged(good.clone(), "/client", json!("cli")),
        merged(good.clone(), "/client/id", json!("someone-elses-client")),
        merged(good.clone(), "/client/mode", json!("operator")),
        merged(good.clone(), "/minProtocol", json!("four")),
        merged(good.clone(), "/device", json!({"id": "x"})),
        json!({}),
    ];
    for params in cases {
        let mut client = gateway.socket().await;
        client.challenge().await;
        let error = refused(&mut client, params, "INVALID_REQUEST", "", 1008).await;
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("invalid connect params: "), "{error}");
    }
}

#[tokio::test]
async fn fields_of_newer_clients_are_let_through() {
    let gateway = gateway().start().await;
    let mut client = gateway.socket().await;
    client.challenge().await;
    let params = merged(connect_params(&gateway.token()), "/client/inventedNextYear", json!({"deep": [1]}));
    client.connect(merged(params, "/alsoNew", json!(true))).await.expect("unknown fields are no mistake");
    let frame = json!({"type": "req", "id": "1", "method": "health", "params": {"newOption": 1}, "newField": 2});
    client.send(&frame).await;
    client.response("1").await.expect("unknown fields are no mistake");
}

#[tokio::test]
async fn the_protocol_range_decides() {
    let gateway = gateway().start().await;
    for (min, max, mode, fits) in [
        (4, 4, "cli", true),
        (3, 4, "cli", true),
        (1, 9, "cli", true),
        (3, 3, "probe", true),
        (3, 3, "cli", false),
        (5, 6, "cli", false),
        (1, 2, "probe", false),
    ] {
        let mut client = gateway.socket().await;
        client.challenge().await;
        let mut params = connect_params(&gateway.token());
        params["minProtocol"] = json!(min);
        params["maxProtocol"] = json!(max);
        params["client"]["mode"] = json!(mode);
        if fits {
            let hello = client.connect(params).await.unwrap_or_else(|error| panic!("{min}..{max} {mode}: {error}"));
            assert_eq!(hello["protocol"], 4);
            continue;
        }
        let error = client.connect(params).await.expect_err("another protocol is refused");
        assert_eq!(error["message"], "protocol mismatch", "{min}..{max} {mode}");
        assert_eq!(error["code"], "INVALID_REQUEST");
        let details = json!({"code": "PROTOCOL_MISMATCH", "clientMinProtocol": min, "clientMaxProtocol": max,
            "expectedProtocol": 4, "minimumProbeProtocol": 3});
        for (key, value) in details.as_object().unwrap() {
            assert_eq!(&error["details"][key], value, "{error}");
        }
        assert_eq!(client.closed().await, Closed { code: 1002, reason: "protocol mismatch".into() });
    }
}

#[tokio::test]
async fn a_frame_over_64_kib_before_authentication_closes_with_1009() {
    let gateway = gateway().start().await;
    let sized = |bytes: usize| {
        let frame = |pad: usize| {
            let params = merged(connect_params(&gateway.token()), "/userAgent", json!("x".repeat(pad)));
            json!({"type": "req", "id": "1", "method": "connect", "params": params}).to_string()
        };
        let bare = frame(0).len();
        frame(bytes - bare)
    };
    let mut client = gateway.socket().await;
    client.challenge().await;
    client.send_text(sized(65_536)).await;
    client.response("1").await.expect("a frame of 64 KiB is let in");

    let mut client = gateway.socket().await;
    client.challenge().await;
    client.send_text(sized(65_537)).await;
    assert_eq!(client.closed().await.code, 1009);
}

#[tokio::test]
async fn a_frame_over_25_mib_after_authentication_closes_with_1009() {
    let gateway = gateway().start().await;
    let sized = |bytes: usize| {
        let frame = |pad: usize| {
            json!({"type": "req", "id": "big", "method": "health", "params": {"pad": "x".repeat(pad)}}).to_string()
        };
        frame(bytes - frame(0).len())
    };
    let mut client = gateway.operator().await;
    client.send_text(sized(26_214_400)).await;
    // Either answer shows that the frame was read.
    let answer = client.response("big").await;
    assert!(!answer.clone().is_err_and(|error| error.to_string().contains("closed")), "{answer:?}");

    let mut client = gateway.operator().await;
    client.send_text(sized(26_214_401)).await;
    assert_eq!(client.closed().await.code, 1009);
    gateway.operator().await.request("health", json!({})).await.expect("others are served on");
}

#[tokio::test]
async fn missing_and_wrong_secrets_are_told_apart() {
    let gateway = gateway().start().await;
    let attempt = async |auth: Value, device: bool| {
        let mut client = gateway.socket().await;
        let (nonce, clock) = client.challenge().await;
        let mut params = connect_params("");
        params["auth"] = auth;
        if device {
            params = Device::new().sign(3, params, &nonce, clock);
        }
        let error = client.connect(params).await.expect_err("no right secret was shown");
        let closed = client.closed().await;
        assert_eq!(closed.code, 1008, "{error}");
        assert!(!closed.reason.is_empty(), "the close says why: {error}");
        error
    };

    let error = attempt(json!({}), false).await;
    assert_eq!(error["code"], "NOT_PAIRED", "{error}");
    assert_eq!(error["message"], "device identity required", "{error}");
    assert_eq!(error["details"]["code"], "DEVICE_IDENTITY_REQUIRED", "{error}");

    let error = attempt(json!({}), true).await;
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISSING", "{error}");
    assert_eq!(error["details"]["authReason"], "token_missing", "{error}");
    assert_eq!(error["details"]["recommendedNextStep"], "update_auth_configuration", "{error}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("unauthorized: gateway token missing"), "{error}");

    let error = attempt(json!({"token": "wrong"}), false).await;
    assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH", "{error}");
    assert_eq!(error["details"]["recommendedNextStep"], "update_auth_credentials", "{error}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("unauthorized: gateway token mismatch"), "{error}");

    let error = attempt(json!({"token": "wrong"}), true).await;
    assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH", "{error}");
    assert_eq!(error["details"]["canRetryWithDeviceToken"], true, "{error}");
    assert_eq!(error["details"]["recommendedNextStep"], "retry_with_device_token", "{error}");
}

#[tokio::test]
async fn a_password_is_asked_for_where_one_is_configured() {
    let settings = json!({"gateway": {"auth": {"mode": "password", "password": "correct horse"}}});
    let gateway = gateway().config(settings).start().await;
    for (auth, code) in [
        (json!({"password": "wrong"}), "AUTH_PASSWORD_MISMATCH"),
        (json!({"password": "correct horse"}), ""),
        // The shared secret counts in either field.
        (json!({"token": "correct horse"}), ""),
    ] {
        let mut client = gateway.socket().await;
        client.challenge().await;
        let mut params = connect_params("");
        params["auth"] = auth;
        match client.connect(params.clone()).await {
            Ok(hello) => assert!(code.is_empty(), "{params} was let in: {hello}"),
            Err(error) => assert_eq!(error["details"]["code"], code, "{params}: {error}"),
        }
    }
}

#[tokio::test]
async fn scopes_without_a_device_are_kept_only_by_local_command_line_and_backend() {
    let gateway = gateway().start().await;
    for (id, mode, kept) in [("cli", "cli", true), ("gateway-client", "backend", true), ("test", "test", false)] {
        let mut client = gateway.socket().await;
        client.challenge().await;
        let mut params = connect_params(&gateway.token());
        params["client"]["id"] = json!(id);
        params["client"]["mode"] = json!(mode);
        params["scopes"] = json!(["operator.read"]);
        let hello = client.connect(params).await.unwrap_or_else(|error| panic!("{id}/{mode}: {error}"));
        let scopes = hello["auth"]["scopes"].as_array().expect("scopes are told").clone();
        assert_eq!(scopes.contains(&json!("operator.read")), kept, "{id}/{mode}: {scopes:?}");
        // health asks for no scope at all.
        client.request("health", json!({})).await.unwrap_or_else(|error| panic!("{id}/{mode}: health: {error}"));
    }
}

async fn reader(gateway: &Gateway) -> RawClient {
    let mut client = gateway.socket().await;
    client.challenge().await;
    let params = merged(connect_params(&gateway.token()), "/scopes", json!(["operator.read"]));
    client.connect(params).await.expect("a reader is let in");
    client
}

#[tokio::test]
async fn unknown_methods_and_missing_scopes_read_as_clients_expect() {
    let gateway = gateway().start().await;
    let mut admin = gateway.operator().await;
    let error = admin.request("no.such.method", json!({})).await.expect_err("there is no such method");
    assert_eq!(error["code"], "INVALID_REQUEST");
    assert_eq!(error["message"], "unknown method: no.such.method");

    let mut reader = reader(&gateway).await;
    for (method, params, scope) in [
        ("no.such.method", json!({}), "operator.admin"),
        ("chat.send", json!({"sessionKey": "main", "message": "x", "idempotencyKey": "k"}), "operator.write"),
        ("agent", json!({"message": "x", "agentId": "main", "idempotencyKey": "k2"}), "operator.write"),
    ] {
        let error = reader.request(method, params).await.expect_err("a reader may not do that");
        assert_eq!(error["code"], "FORBIDDEN", "{method}: {error}");
        assert_eq!(error["message"], format!("missing scope: {scope}"), "{method}: {error}");
        assert_eq!(error["details"]["code"], "MISSING_SCOPE", "{method}: {error}");
        assert_eq!(error["details"]["missingScope"], scope, "{method}: {error}");
    }
    reader.request("sessions.list", json!({})).await.expect("a reader may read");
}

#[tokio::test]
async fn malformed_frames_after_authentication_leave_the_connection_up() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for text in ["{", "", "{\"type\":\"req\"", "[[[[[[[["] {
        client.send_text(text).await;
    }
    for (text, problem) in [
        ("null", "must be object"),
        ("\"text\"", "must be object"),
        ("[1]", "must be object"),
        (r#"{"type":"req","method":"health"}"#, "must have required property 'id'"),
        (r#"{"type":"req","id":null,"method":"health"}"#, "must have required property 'id'"),
    ] {
        client.send_text(text).await;
        let error = client.response("invalid").await.expect_err("what is no request is refused");
        assert_eq!(error["message"], format!("invalid request frame: {problem}"), "{text}");
    }
    client.send_text(r#"{"type":"req","id":7,"method":"health"}"#).await;
    let answer = client.find("an answer", |frame| frame["id"] == 7).await;
    assert_eq!(answer["error"]["message"], "invalid request frame: at /id: must be string");
    client.send_text("[".repeat(100_000)).await;
    client.send_binary(vec![0xff, 0xfe, 0x00, 0x01]).await;
    client.send(&json!({"type": "req", "id": "no-method"})).await;
    let error = client.response("no-method").await.expect_err("a request without a method is refused");
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    client.request("health", json!({})).await.expect("the connection still serves");
}

#[tokio::test]
async fn bad_parameters_name_their_place() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for (method, params, place) in [
        ("chat.history", json!({"sessionKey": "main", "limit": "ten"}), "limit"),
        ("chat.send", json!({"sessionKey": "main", "message": "x"}), "idempotencyKey"),
        ("agent.wait", json!({}), "runId"),
        ("logs.tail", json!({"limit": -1}), "limit"),
    ] {
        let error = client.request(method, params).await.expect_err("bad parameters are refused");
        assert_eq!(error["code"], "INVALID_REQUEST", "{method}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(&format!("invalid {method} params: ")) && message.contains(place), "{error}");
    }
}

#[tokio::test]
async fn binary_json_is_read_like_text() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let frame = json!({"type": "req", "id": "binary", "method": "health"});
    client.send_binary(frame.to_string().into_bytes()).await;
    client.response("binary").await.expect("a binary frame of JSON is a request");
}

#[tokio::test]
async fn requests_pipelined_in_any_order_are_each_answered_once() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let ids: Vec<String> = (0..50).rev().map(|number| format!("{number}:x")).collect();
    for (index, id) in ids.iter().enumerate() {
        let method = ["health", "status", "agents.list", "no.such.method"][index % 4];
        client.send(&json!({"type": "req", "id": id, "method": method})).await;
    }
    let mut seen = Vec::new();
    while seen.len() < ids.len() {
        let frame = client.find("an answer", |frame| frame["type"] == "res").await;
        seen.push(frame["id"].as_str().expect("the id comes back").to_owned());
    }
    let (mut asked, mut answered) = (ids, seen);
    asked.sort();
    answered.sort();
    assert_eq!(asked, answered);
}

#[tokio::test]
async fn requests_sent_behind_connect_are_served_after_hello() {
    let gateway = gateway().start().await;
    let mut client = gateway.socket().await;
    client.challenge().await;
    let hello = client.start("connect", connect_params(&gateway.token())).await;
    let health = client.start("health", json!({})).await;
    client.response(&hello).await.expect("connect is answered");
    client.response(&health).await.expect("the request behind it is answered");
}

#[tokio::test]
async fn a_second_connect_and_an_id_used_twice_are_answered_one_by_one() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let error = client.connect(connect_params(&gateway.token())).await.expect_err("one connect is enough");
    assert_eq!(error["code"], "INVALID_REQUEST");
    assert_eq!(error["message"], "connect is only valid as the first request");
    for _ in 0..2 {
        client.send(&json!({"type": "req", "id": "same", "method": "health"})).await;
    }
    client.response("same").await.expect("the first is answered");
    client.response("same").await.expect("the second is answered");
}

pub async fn node(gateway: &Gateway, protocol: u32) -> RawClient {
    let mut client = gateway.socket().await;
    let (nonce, clock) = client.challenge().await;
    let params = json!({
        "minProtocol": protocol, "maxProtocol": protocol, "role": "node", "scopes": [],
        "client": {"id": "node-host", "version": "test", "platform": "linux", "mode": "node"},
        "auth": {"token": gateway.token()},
    });
    let hello = client.connect(Device::new().sign(3, params, &nonce, clock)).await.expect("a node is let in");
    assert_eq!((&hello["protocol"], &hello["auth"]["role"]), (&json!(4), &json!("node")), "{hello}");
    client
}

#[tokio::test]
async fn a_node_may_be_one_version_behind() {
    let gateway = gateway().start().await;
    node(&gateway, 4).await;
    node(&gateway, 3).await;
}

#[tokio::test]
async fn pages_of_other_sites_cannot_connect() {
    let gateway = gateway().start().await;
    let mut own = gateway.socket_with("/", &[("origin", &gateway.http())]).await;
    own.challenge().await;
    own.connect(connect_params(&gateway.token())).await.expect("the gateway's own page may connect");

    let mut foreign = gateway.socket_with("/", &[("origin", "https://evil.example")]).await;
    foreign.challenge().await;
    let params = connect_params(&gateway.token());
    let error = refused(&mut foreign, params, "INVALID_REQUEST", "CONTROL_UI_ORIGIN_NOT_ALLOWED", 1008).await;
    assert_eq!(error["details"]["reason"], "origin not allowed", "{error}");
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_millis()).expect("milliseconds fit")
}
