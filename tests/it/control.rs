//! A control server that refuses, is silent, dies or changes its mind: loopback serves all the same.

use crate::harness::{
    Gateway, GatewayBuilder, Headscale, Owner, eventually, gateway, seconds, tailnet, unique_name, with_tailnet_env,
};
use serde_json::{Value, json};
use std::time::Instant;

/// What `tailclaw status --json` says of the tailnet node.
async fn node_state(gateway: &Gateway) -> Value {
    let status = gateway.status().await;
    let state = status["status"]["tailnet"].clone();
    assert!(state["state"].is_string(), "the node's state is part of the status: {status}");
    state
}

/// Whatever the tailnet does, this machine is served.
async fn serves_loopback(gateway: &mut Gateway) {
    gateway.assert_running();
    assert_eq!(gateway.get("/healthz").await.status, 200);
    let mut client = gateway.operator().await;
    let key = uuid::Uuid::new_v4().to_string();
    let params = json!({"sessionKey": "main", "message": "still there?", "idempotencyKey": key});
    client.request("chat.send", params).await.expect("messages are taken");
    let answer = client.event("chat", |chat| chat["state"] == "final").await;
    assert!(answer.to_string().contains("echo: still there?"), "{answer}");
}

async fn with_control(url: &str, auth_key: &str) -> GatewayBuilder {
    let settings = json!({"gateway": {
        "bind": "tailnet",
        "tailscale": {"node": "embedded", "hostname": unique_name(), "controlUrl": url, "authKey": auth_key},
    }});
    with_tailnet_env(gateway()).config(settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_auth_key_is_shown_and_loopback_serves() {
    let tailnet = tailnet().await;
    let bad = "hskey-auth-AAAAAAAAAAAA-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut gateway = with_control(&tailnet.headscale.url, bad).await.start().await;
    refused_key_is_shown(&mut gateway).await;
    let everything = format!("{}{}", gateway.status().await, gateway.log());
    assert!(!everything.contains(bad), "a key is a secret, even a bad one");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_auth_key_is_shown_and_loopback_serves() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.auth_key_valid_for(Owner::Tag("tag:gateway"), "1s").await;
    tailnet.headscale.auth_key_expired(&key).await;
    let mut gateway = with_control(&tailnet.headscale.url, &key).await.start().await;
    refused_key_is_shown(&mut gateway).await;
    gateway.stop().await;
}

async fn refused_key_is_shown(gateway: &mut Gateway) {
    serves_loopback(gateway).await;
    let shown = &*gateway;
    eventually("the refused key is shown", seconds(30), || async {
        let node = node_state(shown).await;
        let told = node.to_string().to_lowercase();
        let names_key = told.contains("auth key") || told.contains("authkey");
        if node["state"] != "Running" && names_key { Ok(()) } else { Err(node.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_control_server_is_shown_and_loopback_serves() {
    let nobody = format!("http://127.0.0.1:{}", crate::harness::free_port());
    control_that_does_not_answer(&nobody).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mute_control_server_is_shown_and_loopback_serves() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    let listening = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = mute.accept().await {
            held.push(stream);
        }
    });
    control_that_does_not_answer(&url).await;
    listening.abort();
}

async fn control_that_does_not_answer(url: &str) {
    let mut gateway = with_control(url, "hskey-auth-some-key").await.start().await;
    serves_loopback(&mut gateway).await;
    let node = node_state(&gateway).await;
    assert_ne!(node["state"], "Running", "{node}");
    let health = gateway.operator().await.request("health", json!({})).await.expect("health answers");
    assert!(health["tailnet"]["state"].is_string(), "health tells of the tailnet too: {health}");
    let before = Instant::now();
    gateway.stop().await;
    assert!(before.elapsed() < seconds(10), "a join under way is cancelled at once, not after {:?}", before.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_key_that_expires_is_shown_and_loopback_serves() {
    let tailnet = tailnet().await;
    // A key that is used up: by a reusable one the gateway would log in anew.
    let key = tailnet.headscale.one_use_key("tag:gateway").await;
    let builder = with_control(&tailnet.headscale.url, &key).await;
    let mut here = tailnet.start_gateway(builder).await;
    assert_eq!(node_state(&here.gateway).await["state"], "Running");
    tailnet.headscale.expire(&here.node).await;
    let shown = &here.gateway;
    eventually("the expired key is shown, with a link", seconds(60), || async {
        let node = node_state(shown).await;
        if node["loginUrl"].is_string() { Ok(()) } else { Err(node.to_string()) }
    })
    .await;
    serves_loopback(&mut here.gateway).await;
    here.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_server_that_dies_and_returns_costs_nothing() {
    let folder = tempfile::Builder::new().prefix("hs-").tempdir().expect("a temporary folder");
    let mut headscale = Headscale::start(folder.path()).await;
    let key = headscale.auth_key(Owner::Tag("tag:gateway")).await;
    let mut gateway = with_control(&headscale.url, &key).await.start().await;
    let name = gateway.setting("/gateway/tailscale/hostname").as_str().expect("a name").to_owned();
    let node = headscale.node(&name).await;
    headscale.stop().await;
    serves_loopback(&mut gateway).await;
    headscale.start_again().await;
    gateway.stop().await;
    gateway.restart().await;
    let shown = &gateway;
    eventually("the node runs again", seconds(60), || async {
        let node = node_state(shown).await;
        if node["state"] == "Running" { Ok(()) } else { Err(node.to_string()) }
    })
    .await;
    assert_eq!(headscale.nodes(&name).await, [node]);
}
