//! Who is calling: two users and a tagged machine over a real tailnet, and what forged headers change (nothing).

use crate::harness::{
    Gateway, LanHost, OnTailnet, RawClient, Reply, TailscalePeer, connect_params, eventually, gateway, seconds,
    tailnet, within,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Headers that would make their sender alice, if anybody believed them.
const FORGED: [(&str, &str); 10] = [
    ("tailscale-user-login", "alice@"),
    ("tailscale-user-name", "alice"),
    ("tailscale-user-profile-pic", "x"),
    ("tailscale-app-capabilities", r#"{"tailclaw.dev/cap/gateway":[{"scopes":["operator.admin"]}]}"#),
    ("x-forwarded-for", "100.64.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "gateway.claw.test"),
    ("forwarded", "for=100.64.0.1;proto=https"),
    ("x-real-ip", "100.64.0.1"),
    ("x-webauth-user", "alice@"),
];

/// A connect that shows no secret and no key.
fn bare_connect() -> Value {
    let mut params = connect_params("");
    params.as_object_mut().expect("an object").remove("auth");
    params
}

async fn connect_bare(mut client: RawClient) -> Reply {
    client.challenge().await;
    client.connect(bare_connect()).await
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The peer's own idea of its stable node id.
async fn stable_id(peer: &TailscalePeer) -> String {
    text(&peer.status().await["Self"], "ID").to_owned()
}

async fn start() -> OnTailnet {
    let tailnet = tailnet().await;
    tailnet.start_gateway(tailnet.gateway().await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_and_a_tag_are_each_named_rightly() {
    let tailnet = tailnet().await;
    let here = start().await;

    let alice = here.whoami(&tailnet.alice).await;
    assert_eq!(alice["path"], "tailnet", "{alice}");
    assert_eq!(text(&alice, "login").trim_end_matches('@'), "alice", "{alice}");
    assert!(text(&alice, "node").starts_with("alice-laptop"), "{alice}");
    assert_eq!(text(&alice, "stableId"), stable_id(&tailnet.alice).await, "{alice}");
    assert_eq!(alice["tags"], json!([]), "{alice}");
    assert_eq!(alice["method"], "tailscale", "{alice}");
    assert_eq!(alice["role"], "operator", "{alice}");
    assert!(alice["scopes"].as_array().is_some_and(|scopes| scopes.contains(&json!("operator.admin"))), "{alice}");

    let bob = here.whoami(&tailnet.bob).await;
    assert_eq!(text(&bob, "login").trim_end_matches('@'), "bob", "{bob}");
    assert_eq!(text(&bob, "stableId"), stable_id(&tailnet.bob).await, "{bob}");

    let camera = here.whoami(&tailnet.camera).await;
    assert_eq!(camera["path"], "tailnet", "{camera}");
    assert_eq!(camera["login"], Value::Null, "a tagged machine is nobody's: {camera}");
    assert_eq!(camera["tags"], json!(["tag:camera"]), "{camera}");
    assert_eq!(text(&camera, "stableId"), stable_id(&tailnet.camera).await, "{camera}");
    assert_eq!(camera["role"], "node", "{camera}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_mixed_callers_is_named_without_one_mistake() {
    let tailnet = tailnet().await;
    let here = start().await;
    let mut expected = Vec::new();
    for peer in [&tailnet.alice, &tailnet.bob, &tailnet.camera] {
        here.reached_by(peer).await;
        expected.push((peer, stable_id(peer).await));
    }
    let calls = (0..150).map(|number| {
        let (peer, stable_id) = &expected[number % expected.len()];
        let here = &here;
        async move {
            let answer = peer.get(&here.host, here.gateway.port, "/whoami").await.expect("whoami answers").json();
            assert_eq!(text(&answer, "stableId"), stable_id, "call {number} of {}: {answer}", peer.name);
        }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_user_connects_with_neither_token_nor_key() {
    let tailnet = tailnet().await;
    let here = start().await;
    let mut client = here.socket_from(&tailnet.alice).await;
    client.challenge().await;
    let hello = client.connect(bare_connect()).await.expect("alice is granted everything");
    assert_eq!(hello["auth"]["method"], "tailscale", "{hello}");
    assert!(hello["auth"]["scopes"].as_array().is_some_and(|all| all.contains(&json!("operator.admin"))), "{hello}");
    let me = client.request("users.self", json!({})).await.expect("a tailnet user has a profile");
    let emails = me["profile"]["emails"].to_string();
    assert!(emails.contains("alice"), "{me}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_rights_is_refused_and_told_why() {
    let tailnet = tailnet().await;
    let here = start().await;
    let whoami = here.whoami(&tailnet.bob).await;
    assert_eq!(whoami["role"], Value::Null, "{whoami}");
    assert_eq!(whoami["scopes"], json!([]), "{whoami}");
    assert!(text(&whoami, "reason").contains("tailclaw.dev/cap/gateway"), "{whoami}");

    let mut client = here.socket_from(&tailnet.bob).await;
    client.challenge().await;
    let error = client.connect(bare_connect()).await.expect_err("bob has no grant");
    let message = text(&error, "message");
    assert!(message.contains("tailclaw.dev/cap/gateway") && message.contains("bob"), "{error}");
    assert_eq!(client.closed().await.code, 1008);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_may_only_be_a_node_is_no_operator() {
    let tailnet = tailnet().await;
    let here = start().await;
    let reply = connect_bare(here.socket_from(&tailnet.camera).await).await;
    let error = reply.expect_err("a camera is granted the role of a node");
    assert!(!text(&error, "message").is_empty(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_login_of_the_tailnet_is_enough_where_logins_are_asked_for() {
    let tailnet = tailnet().await;
    let by_login = json!({"gateway": {"auth": {"tailscale": {"require": "login"}}}});
    let here = tailnet.start_gateway(tailnet.gateway().await.config(by_login)).await;
    let hello = connect_bare(here.socket_from(&tailnet.bob).await).await.expect("bob is a login of this tailnet");
    assert_eq!(hello["auth"]["method"], "tailscale", "{hello}");
    let whoami = here.whoami(&tailnet.camera).await;
    assert_eq!(whoami["role"], "node", "a tag is no login, its grant says node: {whoami}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_allow_tailscale_an_identity_is_named_but_opens_nothing() {
    let tailnet = tailnet().await;
    let off = json!({"gateway": {"auth": {"allowTailscale": false}}});
    let here = tailnet.start_gateway(tailnet.gateway().await.config(off)).await;
    let whoami = here.whoami(&tailnet.alice).await;
    assert_eq!(text(&whoami, "login").trim_end_matches('@'), "alice", "{whoami}");
    assert_eq!(whoami["role"], Value::Null, "{whoami}");
    connect_bare(here.socket_from(&tailnet.alice).await).await.expect_err("a token is needed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_changed_in_the_policy_count_without_a_restart() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway_tagged("tag:annex").await).await;
    assert_eq!(here.whoami(&tailnet.bob).await["role"], Value::Null);

    let grant = json!({"src": ["bob@"], "dst": ["tag:annex"],
        "app": {"tailclaw.dev/cap/gateway": [{"role": "operator", "scopes": ["operator.read"]}]}});
    tailnet.headscale.grant("annex", vec![grant]);
    eventually("bob's new grant counts", seconds(40), || async {
        let whoami = here.whoami(&tailnet.bob).await;
        if whoami["scopes"] == json!(["operator.read"]) { Ok(()) } else { Err(whoami.to_string()) }
    })
    .await;
    let mut client = here.socket_from(&tailnet.bob).await;
    client.challenge().await;
    let mut params = bare_connect();
    params["scopes"] = json!(["operator.admin", "operator.read", "operator.write"]);
    let hello = client.connect(params).await.expect("bob may read now");
    assert_eq!(hello["auth"]["scopes"], json!(["operator.read"]), "no more than the grant: {hello}");
    client.request("sessions.list", json!({})).await.expect("bob may read");
    let write = json!({"sessionKey": "main", "message": "x", "idempotencyKey": "k"});
    let error = client.request("chat.send", write).await.expect_err("bob may not write");
    assert_eq!(error["details"]["missingScope"], "operator.write", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_is_reached_by_its_name() {
    let tailnet = tailnet().await;
    let here = start().await;
    let answer = tailnet.alice.get(&here.full_name, here.gateway.port, "/whoami").await.expect("the name leads there");
    assert_eq!(answer.json()["path"], "tailnet");
}

/// Everything that says who somebody is and what they may do.
fn identity(whoami: &Value) -> Value {
    ["login", "name", "node", "stableId", "tags", "method", "role", "scopes"]
        .iter()
        .map(|key| (key.to_string(), whoami[*key].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn forged_headers_from_loopback_change_nothing() {
    let gateway = gateway().start().await;
    let plain = gateway.get("/whoami").await.json();
    let forged = gateway.get_with("/whoami", &FORGED).await.json();
    assert_eq!(identity(&forged), identity(&plain));
    assert_ne!(forged["path"], "tailnet");
    assert_eq!(forged["login"], Value::Null);
    assert_refused(RawClient::upgrade(Box::new(gateway.dial().await), &gateway.url(), &FORGED).await).await;
    serves(&gateway).await;
}

#[tokio::test]
async fn forged_headers_from_the_lan_change_nothing() {
    let on_lan = json!({"gateway": {"bind": "lan"}});
    let host = LanHost::start(gateway().config(on_lan)).await;
    let lan = crate::harness::LAN_ADDRESS;
    let plain = host.get(lan, "/whoami", &[]).await.json();
    assert_eq!(plain["path"], "network", "{plain}");
    assert_eq!(plain["role"], Value::Null, "{plain}");
    let forged = host.get(lan, "/whoami", &FORGED).await.json();
    assert_eq!(identity(&forged), identity(&plain));
    assert_eq!(forged["path"], "network", "{forged}");
    let url = format!("ws://{lan}:{}/", host.gateway.port);
    assert_refused(RawClient::upgrade(host.dial(lan), &url, &FORGED).await).await;
    // The token works on the LAN, though without a device it carries no scopes there.
    let mut client = host.socket(lan, &[]).await;
    client.challenge().await;
    let hello = client.connect(connect_params(&host.gateway.token())).await.expect("the token is right");
    assert_eq!(hello["auth"]["scopes"], json!([]), "{hello}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_headers_from_the_tailnet_change_nothing() {
    let tailnet = tailnet().await;
    let here = start().await;
    for peer in [&tailnet.bob, &tailnet.camera, &tailnet.alice] {
        let plain = here.whoami(peer).await;
        let forged = peer.get_with(&here.host, here.gateway.port, "/whoami", &FORGED).await.expect("an answer").json();
        assert_eq!(identity(&forged), identity(&plain), "{}", peer.name);
        assert_eq!(forged["path"], "tailnet", "{forged}");
    }
    let stream = tailnet.bob.dial(&here.host, here.gateway.port).await.expect("bob reaches the gateway");
    let url = format!("ws://{}:{}/", here.host, here.gateway.port);
    assert_refused(RawClient::upgrade(Box::new(stream), &url, &FORGED).await).await;
}

/// Nobody is let in: turned away before the upgrade, or at connect.
async fn assert_refused(upgraded: Result<RawClient, tokio_tungstenite::tungstenite::Error>) {
    use tokio_tungstenite::tungstenite::Error;
    match upgraded {
        Ok(client) => {
            let error = connect_bare(client).await.expect_err("forged headers are no credential");
            assert!(!text(&error, "message").is_empty(), "{error}");
        }
        Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), 403),
        Err(error) => panic!("a clear refusal was to come, not {error}"),
    }
}

async fn serves(gateway: &Gateway) {
    let health = async { gateway.operator().await.request("health", json!({})).await };
    within("health", Duration::from_secs(10), health).await.expect("the gateway serves on");
}
