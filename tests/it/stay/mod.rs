//! Joining a tailnet and staying in it: keys made by an OAuth client, renewal while the gateway runs, leaving, renaming,
//! several gateways on one machine.

mod api;

use crate::harness::{
    Gateway, GatewayBuilder, RawClient, TailscalePeer, TestControl, connect_params, eventually, gateway, seconds,
    tailnet, unique_name, with_tailnet_env,
};
use api::{CLIENT_SECRET, KeyAnswer, TailscaleApi};
use serde_json::{Value, json};

/// What `status` says of the node, once it is as wanted.
async fn node_when(gateway: &Gateway, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let client = tokio::sync::Mutex::new(gateway.operator().await);
    eventually(what, seconds(60), || async {
        let status = client.lock().await.request("status", json!({})).await.expect("the status");
        let node = status["tailnet"].clone();
        if wanted(&node) { Ok(node) } else { Err(node.to_string()) }
    })
    .await
}

async fn running(gateway: &Gateway) -> Value {
    node_when(gateway, "the node runs", |node| node["state"] == "Running").await
}

fn warned(node: &Value, word: &str) -> bool {
    node["warnings"].as_array().into_iter().flatten().any(|warning| warning.as_str().unwrap().contains(word))
}

/// Everything that the gateway has written, to its log and to its folder.
fn all_that_is_written(gateway: &Gateway) -> String {
    fn read(folder: &std::path::Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                read(&path, into);
            } else if path.file_name().is_some_and(|name| name != "tailclaw.json") {
                into.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
            }
        }
    }
    let mut all = gateway.log();
    read(gateway.state_folder(), &mut all);
    all
}

async fn with_oauth(api: &TailscaleApi) -> GatewayBuilder {
    let control = &tailnet().await.headscale.url;
    let settings = json!({
        "node": "embedded", "hostname": unique_name(), "controlUrl": control, "clientSecret": CLIENT_SECRET,
        "apiUrl": api.url, "tags": ["tag:gateway"],
    });
    with_tailnet_env(gateway()).config(json!({"gateway": {"bind": "tailnet", "tailscale": settings}}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_client_makes_one_key_for_one_login() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.one_use_key("tag:gateway").await;
    let api = TailscaleApi::start([KeyAnswer::Key(key.clone())]).await;
    let mut gateway = with_oauth(&api).await.start().await;
    let node = running(&gateway).await;
    assert_eq!(node["tags"], json!(["tag:gateway"]), "{node}");

    let asked = api.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let create = &asked[0]["capabilities"]["devices"]["create"];
    let wanted = json!({"reusable": false, "ephemeral": false, "preauthorized": true, "tags": ["tag:gateway"]});
    assert_eq!(*create, wanted);
    assert!(asked[0]["expirySeconds"].as_u64().is_some_and(|seconds| seconds <= 600), "{asked:?}");

    let written = all_that_is_written(&gateway);
    for secret in [CLIENT_SECRET, key.as_str(), "tskey-access-"] {
        assert!(!written.contains(secret), "{secret} is written down");
    }
    // The login is in the folder now: the next start asks nobody for a key.
    gateway.stop().await;
    gateway.restart().await;
    let again = running(&gateway).await;
    assert_eq!(again["addresses"], node["addresses"]);
    assert_eq!(api.asked().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_secret_in_place_of_a_key_is_one() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.one_use_key("tag:gateway").await;
    let api = TailscaleApi::start([KeyAnswer::Key(key)]).await;
    let settings = json!({
        "node": "embedded", "hostname": unique_name(), "controlUrl": tailnet.headscale.url, "tags": ["tag:gateway"],
    });
    let builder = with_tailnet_env(gateway()).config(json!({"gateway": {"tailscale": settings}}));
    // Also by the variable that tsnet would take for an auth key, and send to the control server.
    let secret = format!("{CLIENT_SECRET}?baseURL={}", api.url);
    let mut gateway = builder.env("TS_AUTHKEY", &secret).start().await;
    running(&gateway).await;
    assert_eq!(api.asked().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_oauth_client_is_told_what_it_lacks() {
    let cases = [
        (
            KeyAnswer::Refusal(403, "calling actor does not have enough permissions to perform this function"),
            "scope auth_keys",
        ),
        (KeyAnswer::Refusal(403, "requested tags [tag:gateway] are invalid or not permitted"), "tagOwners"),
        (KeyAnswer::Refusal(400, "requested tags [tag:gateway] are invalid or not permitted"), "tag:gateway"),
        (KeyAnswer::Refusal(500, "internal error"), "500: internal error"),
    ];
    for (answer, told) in cases {
        let api = TailscaleApi::start([answer.clone()]).await;
        let mut gateway = with_oauth(&api).await.start().await;
        let node = node_when(&gateway, "the refusal is told", |node| warned(node, told)).await;
        assert_eq!(node["state"], "NeedsLogin", "{answer:?}: {node}");
        assert_eq!(gateway.get("/healthz").await.status, 200);
        assert!(!all_that_is_written(&gateway).contains(CLIENT_SECRET));
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_client_secret_is_told() {
    let api = TailscaleApi::start([]).await;
    let wrong = json!({"gateway": {"tailscale": {"clientSecret": "tskey-client-wrong"}}});
    let mut gateway = with_oauth(&api).await.config(wrong).start().await;
    let node =
        node_when(&gateway, "the refusal is told", |node| warned(node, "does not take the OAuth client secret")).await;
    assert!(warned(&node, "401") && !node.to_string().contains("tskey-client-wrong"), "{node}");
    assert_eq!((api.tokens(), api.asked().len()), (0, 0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_or_silent_api_is_asked_again() {
    let tailnet = tailnet().await;
    let key = tailnet.headscale.one_use_key("tag:gateway").await;
    let api =
        TailscaleApi::start([KeyAnswer::Slower(2), KeyAnswer::Refusal(500, "try later"), KeyAnswer::Key(key)]).await;
    let mut gateway = with_oauth(&api).await.start().await;
    node_when(&gateway, "it is told", |node| warned(node, "429") || node["state"] == "Running").await;
    running(&gateway).await;
    assert_eq!(api.asked().len(), 3);
    gateway.stop().await;

    let silent = TailscaleApi::start([KeyAnswer::Silence]).await;
    let mut gateway = with_oauth(&silent).await.start().await;
    node_when(&gateway, "the silence is told", |node| warned(node, "no answer within")).await;
    assert_eq!(gateway.get("/healthz").await.status, 200);
    gateway.stop().await;
}

/// The link that `tailclaw login --link` gives.
async fn login_link(gateway: &Gateway) -> String {
    let reply = gateway.cli(&["login", "--link", "--json"]).await.success().json();
    assert_eq!(reply["outcome"], "link", "{reply}");
    reply["loginUrl"].as_str().expect("a link").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_renewed_by_a_link_while_connections_stay() {
    let control = TestControl::start(&["-interactive", "-same-user"]).await;
    let mut gateway = control.gateway().config(json!({"gateway": {"bind": "tailnet"}})).start().await;
    let link = node_when(&gateway, "a first link", |node| node["loginUrl"].is_string()).await["loginUrl"].clone();
    assert_eq!(control.admin("/complete-login", json!({"url": link})).await, json!(true));
    let node = running(&gateway).await;
    let address = node["addresses"][0].as_str().expect("an address").to_owned();

    let mut here = gateway.operator().await;
    let folder = tempfile::Builder::new().prefix("tc-").tempdir().expect("a temporary folder");
    let peer = peer_by_link(&control, folder.path()).await;
    let mut there = connected(&gateway, &peer, &address).await;

    let link = login_link(&gateway).await;
    let waiting = node_when(&gateway, "the link is shown", |node| node["loginUrl"] == link.as_str()).await;
    assert_eq!(waiting["state"], "Running", "the old key is good meanwhile: {waiting}");
    there.request("health", json!({})).await.expect("the tailnet goes on while the link waits");
    assert_eq!(control.admin("/complete-login", json!({"url": link})).await, json!(true));
    let renewed = node_when(&gateway, "renewed", |node| node["state"] == "Running" && node["loginUrl"].is_null()).await;
    assert_eq!(renewed["addresses"], node["addresses"], "it is the same node");
    here.request("health", json!({})).await.expect("loopback connections stay");
    there.request("health", json!({})).await.expect("tailnet connections stay");
    gateway.stop().await;
}

/// Another machine, where a person has to open the link of each login.
async fn peer_by_link(control: &TestControl, folder: &std::path::Path) -> TailscalePeer {
    const QUIET: [(&str, &str); 4] = [
        ("TS_NO_LOGS_NO_SUPPORT", "true"),
        ("TS_DISABLE_PORTMAPPER", "1"),
        ("TS_PANIC_IF_HIT_MAIN_CONTROL", "1"),
        ("TS_ASSUME_NETWORK_UP_FOR_TEST", "1"),
    ];
    let peer = TailscalePeer::start(folder, "peer", &QUIET).await;
    let opened = async {
        let link = eventually("the peer has a link", seconds(30), || async {
            let status = peer.status().await;
            status["AuthURL"].as_str().filter(|link| !link.is_empty()).map(str::to_owned).ok_or(status.to_string())
        })
        .await;
        assert_eq!(control.admin("/complete-login", json!({ "url": link })).await, json!(true));
    };
    tokio::join!(peer.up(&control.url, None), opened);
    peer
}

/// An operator who comes over the tailnet.
async fn connected(gateway: &Gateway, peer: &TailscalePeer, address: &str) -> RawClient {
    let stream = eventually("the peer reaches the gateway", seconds(60), || async {
        match peer.get(address, gateway.port, "/healthz").await {
            Ok(answer) if answer.status == 200 => {
                peer.dial(address, gateway.port).await.map_err(|error| error.to_string())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let url = format!("ws://{address}:{}/", gateway.port);
    let mut client = RawClient::upgrade(Box::new(stream), &url, &[]).await.expect("it upgrades");
    client.challenge().await;
    let hello = client.connect(connect_params(&gateway.token())).await.expect("the token is right");
    assert_eq!(hello["type"], "hello-ok", "{hello}");
    client
}
