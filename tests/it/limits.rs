//! How often and how long: what is counted about callers, and what comes of too much of it.

use crate::handshake::{merged, node};
use crate::harness::{Closed, Device, LAN_ADDRESS, LanHost, RawClient, connect_params, gateway, seconds, within};
use serde_json::{Value, json};

#[tokio::test]
async fn more_than_15_frames_behind_connect_end_the_connection() {
    let gateway = gateway().start().await;
    // The answer to a wrong token waits, and with it everything behind it.
    let flood = async |frames: usize| {
        let mut client = gateway.socket().await;
        client.challenge().await;
        client.start("connect", connect_params("wrong")).await;
        for _ in 0..frames {
            client.start("health", json!({})).await;
        }
        client
    };
    let mut client = flood(15).await;
    let refusal = client.find("the refusal", |frame| frame["type"] == "res").await;
    assert_eq!(refusal["error"]["details"]["code"], "AUTH_TOKEN_MISMATCH", "{refusal}");
    assert_eq!(client.closed().await.code, 1008);

    let closed = flood(16).await.next().await.expect_err("nothing is answered");
    assert_eq!(closed, Closed { code: 1008, reason: "too many pending handshake frames".into() });
}

#[tokio::test]
async fn the_thirty_first_control_plane_write_of_a_minute_is_turned_away() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for _ in 0..30 {
        let error = client.request("config.patch", json!({"raw": 7})).await.expect_err("the params are wrong");
        assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    }
    let error = client.request("config.patch", json!({"raw": 7})).await.expect_err("it is one too many");
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{error}");
    assert_eq!(error["details"], json!({"method": "config.patch", "limit": "30 per 60s"}));
    assert!(error["retryAfterMs"].as_u64().is_some_and(|wait| wait <= 60_000), "{error}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("rate limit exceeded for config.patch; retry after "), "{error}");
    // A new connection is the same client, another method is not the same budget.
    let mut again = gateway.operator().await;
    let error = again.request("config.patch", json!({"raw": 7})).await.expect_err("the client is known");
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
    let error = again.request("config.apply", json!({"raw": 7})).await.expect_err("the params are wrong");
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
}

#[tokio::test]
async fn eleven_calls_of_the_wrong_role_in_a_row_end_the_connection() {
    let gateway = gateway().start().await;
    let mut node = node(&gateway, 4).await;
    for call in 0..15 {
        // One that is right in between starts the count anew.
        if call == 5 {
            node.request("health", json!({})).await.expect("anybody may ask for health");
        }
        let error = node.request("status", json!({})).await.expect_err("status is for operators");
        assert_eq!((&error["code"], &error["message"]), (&json!("INVALID_REQUEST"), &json!("unauthorized role: node")));
    }
    node.request("status", json!({})).await.expect_err("the eleventh is answered, too");
    assert_eq!(node.closed().await, Closed { code: 1008, reason: "repeated unauthorized calls".into() });
}

#[tokio::test]
async fn more_than_32_unauthenticated_sockets_of_one_address_are_turned_away() {
    let gateway = gateway().start().await;
    let mut held = Vec::new();
    for _ in 0..32 {
        let mut client = gateway.socket().await;
        client.challenge().await;
        held.push(client);
    }
    let one_more = RawClient::upgrade(Box::new(gateway.dial().await), &gateway.url(), &[]).await;
    match one_more {
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
            assert_eq!(answer.status().as_u16(), 503);
            let body = answer.body().clone().unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            assert!(body.contains("Too many unauthenticated sockets"), "{body}");
        }
        Err(error) => panic!("an HTTP answer was to come, not {error}"),
        Ok(_) => panic!("the 33rd unauthenticated socket was let in"),
    }
    // One that signs in makes room.
    let mut first = held.remove(0);
    first.connect(connect_params(&gateway.token())).await.expect("the token is accepted");
    gateway.operator().await.request("health", json!({})).await.expect("there is room again");
}

#[tokio::test]
async fn a_socket_that_never_connects_is_closed() {
    let gateway = gateway().env("TAILCLAW_HANDSHAKE_TIMEOUT_MS", "600").start().await;
    let mut idle = gateway.socket().await;
    idle.challenge().await;
    let closed = within("the idle socket's end", seconds(5), idle.closed()).await;
    assert_eq!(closed, Closed { code: 1000, reason: String::new() });
}

#[tokio::test]
async fn guessing_locks_an_address_out_but_not_this_machine() {
    let on_lan = json!({"gateway": {"bind": "lan"}});
    let host = LanHost::start(gateway().config(on_lan)).await;
    let attempt = async |address: &str, token: &str| {
        let mut client = host.socket(address, &[]).await;
        client.challenge().await;
        client.connect(connect_params(token)).await
    };
    for number in 0..10 {
        let error = attempt(LAN_ADDRESS, "a guess").await.expect_err("the token is wrong");
        assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH", "guess {number}: {error}");
    }
    let token = host.gateway.token();
    let error = attempt(LAN_ADDRESS, &token).await.expect_err("the address is locked out, right or wrong");
    assert_eq!(error["details"]["code"], "AUTH_RATE_LIMITED", "{error}");
    assert_eq!(error["retryable"], true, "{error}");
    let wait = error["retryAfterMs"].as_u64().unwrap_or_default();
    assert!((200_000..=300_000).contains(&wait), "{error}");
    attempt("127.0.0.1", &token).await.expect("this machine is not locked out");
}

#[tokio::test]
async fn guessing_over_http_locks_an_address_out_and_says_for_how_long() {
    let limit = json!({"lockoutMs": 90_000});
    let host =
        LanHost::start(gateway().config(json!({"gateway": {"bind": "lan", "auth": {"rateLimit": limit}}}))).await;
    let token = host.gateway.token();
    let ask = async |address: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        host.get(address, "/sessions/main/history", &[("authorization", &bearer)]).await
    };
    let unnamed = host.get(LAN_ADDRESS, "/sessions/main/history", &[]).await;
    assert_eq!(unnamed.status, 401, "who shows nothing guesses nothing");
    for number in 0..10 {
        let refused = ask(LAN_ADDRESS, "a guess").await;
        assert_eq!((refused.status, refused.header("retry-after")), (401, ""), "guess {number}: {refused:?}");
    }
    let locked = ask(LAN_ADDRESS, &token).await;
    assert_eq!(locked.status, 429, "right or wrong: {locked:?}");
    let seconds: u64 = locked.header("retry-after").parse().expect("whole seconds");
    assert!((60..=90).contains(&seconds), "{locked:?}");
    assert_eq!(
        locked.json()["error"],
        json!({
            "message": "Too many failed authentication attempts. Please try again later.", "type": "rate_limited",
        })
    );
    // What is everybody's still is, and this machine is another sender.
    assert_eq!(host.get(LAN_ADDRESS, "/readyz", &[]).await.status, 200);
    assert_eq!(ask("127.0.0.1", &token).await.status, 404, "the key fits; there is no such session yet");
}

#[tokio::test]
async fn a_guessing_page_locks_itself_out_and_nobody_else() {
    let gateway = gateway().start().await;
    let from = async |origin: &str, token: &str| {
        let mut client = gateway.socket_with("/", &[("origin", origin)]).await;
        client.challenge().await;
        client.connect(connect_params(token)).await
    };
    let page = "http://localhost:5173";
    for number in 0..10 {
        let error = from(page, "a guess").await.expect_err("the token is wrong");
        assert_eq!(error["details"]["code"], "AUTH_TOKEN_MISMATCH", "guess {number}: {error}");
    }
    let error = from(page, &gateway.token()).await.expect_err("the page is locked out");
    assert_eq!(error["details"]["code"], "AUTH_RATE_LIMITED", "{error}");
    assert_eq!(error["details"]["recommendedNextStep"], "wait_then_retry", "{error}");
    from("http://localhost:8080", &gateway.token()).await.expect("another page is not");
    gateway.operator().await.request("health", json!({})).await.expect("nor is a program of this machine");
}

#[tokio::test]
async fn what_the_rate_limit_is_can_be_configured() {
    let limit = json!({"maxAttempts": 2, "windowMs": 60_000, "lockoutMs": 45_000, "exemptLoopback": false});
    let gateway = gateway().config(json!({"gateway": {"auth": {"rateLimit": limit}}})).start().await;
    let device = Device::new();
    let attempt = async |auth: Value| {
        let mut client = gateway.socket().await;
        let (nonce, clock) = client.challenge().await;
        let params = merged(connect_params(""), "/auth", auth);
        client.connect(device.sign(3, params, &nonce, clock)).await
    };
    let hello = attempt(json!({"token": gateway.token()})).await.expect("the token is right");
    let own = hello["auth"]["deviceToken"].clone();
    for _ in 0..2 {
        attempt(json!({"password": "a guess"})).await.expect_err("a guess is no secret");
    }
    let error = attempt(json!({"password": gateway.token()})).await.expect_err("this machine is locked out, too");
    assert_eq!(error["details"]["code"], "AUTH_RATE_LIMITED", "{error}");
    assert!(error["retryAfterMs"].as_u64().is_some_and(|wait| (30_000..=45_000).contains(&wait)), "{error}");
    // What a device holds is counted for itself.
    attempt(json!({"deviceToken": own})).await.expect("the device's own token is still taken");
}
