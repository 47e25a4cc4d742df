//! The tailnet's policy while sessions last: grants that become less, go or come, and nodes that leave, over a real
//! tailnet. What is allowed at a handshake is in `identity`.

use crate::harness::{
    Device, OnTailnet, Owner, RawClient, Tailnet, TailscalePeer, connect_params, eventually, seconds, tailnet,
    unique_name,
};
use crate::pairing::{knock, node, operator};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CAPABILITY: &str = "tailclaw.dev/cap/gateway";
/// How soon a change of the policy has to count, from headscale being told of it.
const BOUND: Duration = Duration::from_secs(5);

fn grant(source: &str, tag: &str, values: Value) -> Vec<Value> {
    vec![json!({"src": [source], "dst": [tag], "app": {CAPABILITY: values}})]
}

async fn gateway_tagged(tag: &'static str) -> OnTailnet {
    let tailnet = tailnet().await;
    tailnet.start_gateway(tailnet.gateway_tagged(tag).await).await
}

/// Waits until what the peer would get by a new connection is this.
async fn gets(here: &OnTailnet, peer: &TailscalePeer, role: Value, scopes: Value) {
    eventually("the grant counts for new connections", seconds(40), || async {
        let whoami = here.whoami(peer).await;
        if whoami["role"] == role && whoami["scopes"] == scopes { Ok(()) } else { Err(whoami.to_string()) }
    })
    .await;
}

/// Somebody who shows nothing but where they come from.
async fn connected(here: &OnTailnet, peer: &TailscalePeer, scopes: &[&str]) -> (RawClient, Value) {
    let mut client = here.socket_from(peer).await;
    client.challenge().await;
    let mut params = connect_params("");
    params.as_object_mut().expect("an object").remove("auth");
    params["scopes"] = json!(scopes);
    let hello = client.connect(params).await.expect("the grant lets them in");
    (client, hello)
}

/// Calls until the answer is a refusal for want of that scope, and returns how long that took.
async fn loses(client: &mut RawClient, method: &str, scope: &str, since: Instant) -> Duration {
    loop {
        match client.request(method, json!({})).await {
            Err(error) if error["details"]["missingScope"] == scope => return since.elapsed(),
            Err(error) => panic!("{method}: {error}"),
            Ok(_) => assert!(since.elapsed() < seconds(30), "{method} is still allowed"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn in_time(what: &str, took: Duration) {
    println!("{what} after {} ms", took.as_millis());
    assert!(took <= BOUND, "{what} after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_becomes_less_narrows_sessions_and_one_that_becomes_more_only_new_ones() {
    let tailnet = tailnet().await;
    let grants = |scopes: &[&str]| grant("bob@", "tag:narrow", json!([{"scopes": scopes}]));
    tailnet.headscale.grant("narrow", grants(&["operator.admin"]));
    let here = gateway_tagged("tag:narrow").await;
    gets(&here, &tailnet.bob, json!("operator"), json!(["operator.admin"])).await;
    let (mut client, hello) = connected(&here, &tailnet.bob, &["operator.admin"]).await;
    assert_eq!(hello["auth"]["scopes"], json!(["operator.admin"]), "{hello}");
    client.request("device.pair.list", json!({})).await.expect("an admin may see who waits");

    let since = Instant::now();
    tailnet.headscale.grant("narrow", grants(&["operator.read"]));
    let took = loses(&mut client, "device.pair.list", "operator.pairing", since).await;
    in_time("a session was narrowed", took);
    client.request("sessions.list", json!({})).await.expect("to read is still granted");
    let log = here.gateway.log();
    let told = log.lines().find(|line| line.contains("the rights of a connection were narrowed"));
    let told = told.unwrap_or_else(|| panic!("who was narrowed, and why, is in the log: {log}"));
    assert!(told.contains("bob") && told.contains("operator.read") && told.contains("a grant of"), "{told}");

    // A request for an approval is an event for those who may approve.
    let device = Device::new();
    let (mut owner, mut stranger) = (here.gateway.operator().await, here.gateway.socket().await);
    let (nonce, clock) = stranger.challenge().await;
    let mut params = operator(json!({"token": here.gateway.token()}), &["operator.read"]);
    params["client"]["id"] = json!("test");
    let reply = stranger.connect(device.sign(3, params, &nonce, clock)).await.expect("this machine is approved");
    assert!(reply["auth"]["deviceToken"].is_string(), "{reply}");
    owner.event("device.pair.resolved", |event| event["deviceId"] == device.id()).await;

    tailnet.headscale.grant("narrow", grants(&["operator.admin"]));
    gets(&here, &tailnet.bob, json!("operator"), json!(["operator.admin"])).await;
    let error =
        client.request("device.pair.list", json!({})).await.expect_err("this session stays as narrow as it was");
    assert_eq!(error["details"]["missingScope"], "operator.pairing", "{error}");
    let told = |frame: &Value| frame["event"] == "device.pair.resolved";
    assert!(!client.aside().any(told), "an event of somebody else's scope");
    let (mut new, _) = connected(&here, &tailnet.bob, &["operator.admin"]).await;
    new.request("device.pair.list", json!({})).await.expect("a new one has what is granted now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_goes_closes_sessions_and_their_device_tokens_with_them() {
    let tailnet = tailnet().await;
    tailnet.headscale.grant("close", grant("bob@", "tag:close", json!([{"scopes": ["operator.write"]}])));
    let here = gateway_tagged("tag:close").await;
    gets(&here, &tailnet.bob, json!("operator"), json!(["operator.write"])).await;
    let (mut bare, _) = connected(&here, &tailnet.bob, &["operator.write"]).await;
    let device = Device::new();
    let asks = |auth: Value| operator(auth, &["operator.write"]);
    let (mut keyed, hello) = knock(here.socket_from(&tailnet.bob).await, &device, asks(json!({}))).await;
    let hello = hello.expect("a device that its identity vouches for");
    let token = hello["auth"]["deviceToken"].as_str().expect("a token to come back with").to_owned();
    // Somebody else on the same gateway.
    let mut alice = here.gateway.operator().await;

    let since = Instant::now();
    tailnet.headscale.grant("close", Vec::new());
    for client in [&mut bare, &mut keyed] {
        let closed = client.closed().await;
        in_time("a session was closed", since.elapsed());
        assert_eq!(closed.code, 4001, "{closed:?}");
        assert!(closed.reason.contains("tailnet rights changed") && closed.reason.contains("bob"), "{closed:?}");
    }
    let log = here.gateway.log();
    let told = log.lines().filter(|line| line.contains("a connection was put out")).collect::<Vec<_>>();
    assert!(told.len() == 2 && told.iter().all(|line| line.contains("bob") && line.contains("no grant")), "{told:?}");
    alice.request("sessions.list", json!({})).await.expect("nobody else is touched");

    let (_, reply) = knock(here.socket_from(&tailnet.bob).await, &device, asks(json!({"deviceToken": token}))).await;
    let error = reply.expect_err("what the identity vouched for is worth nothing without it");
    assert_eq!(error["details"]["rule"], "grant", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_goes_in_the_middle_of_a_handshake_lets_nobody_in() {
    let tailnet = tailnet().await;
    tailnet.headscale.grant("midway", grant("bob@", "tag:midway", json!([{"scopes": ["operator.read"]}])));
    let here = gateway_tagged("tag:midway").await;
    gets(&here, &tailnet.bob, json!("operator"), json!(["operator.read"])).await;
    let bare = || {
        let mut params = connect_params("");
        params.as_object_mut().expect("an object").remove("auth");
        params
    };
    // Accepted and upgraded while the grant stood.
    let (mut late, mut early) = (here.socket_from(&tailnet.bob).await, here.socket_from(&tailnet.bob).await);
    late.challenge().await;
    early.challenge().await;

    let since = Instant::now();
    tailnet.headscale.grant("midway", Vec::new());
    // At once: nobody can have told the gateway yet.
    if early.connect(bare()).await.is_ok() {
        let closed = early.closed().await;
        assert_eq!(closed.code, 4001, "{closed:?}");
        in_time("a session of the last moment was closed", since.elapsed());
    }
    gets(&here, &tailnet.bob, Value::Null, json!([])).await;
    let error = late.connect(bare()).await.expect_err("the identity of the accepted stream is not the last word");
    assert_eq!(error["details"]["rule"], "grant", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_decides_which_commands_a_node_is_asked_for() {
    let tailnet = tailnet().await;
    let grants = |commands: &[&str]| grant("tag:camera", "tag:nodes", json!([{"role": "node", "commands": commands}]));
    tailnet.headscale.grant("nodes", grants(&["system.which", "system.notify"]));
    let here = gateway_tagged("tag:nodes").await;
    gets(&here, &tailnet.camera, json!("node"), json!([])).await;
    let device = Device::new();
    let mut declares = node(json!({}), "node-host", "linux", "Linux");
    declares["commands"] = json!(["system.which", "system.notify", "system.run"]);
    let (mut camera, reply) = knock(here.socket_from(&tailnet.camera).await, &device, declares).await;
    reply.expect("its tag is granted the role of a node");
    let mut owner = here.gateway.operator().await;
    let pending = owner.request("node.pair.list", json!({})).await.expect("an admin may")["pending"][0].clone();
    assert_eq!(pending["commands"], json!(["system.notify", "system.which"]), "no more than the grant: {pending}");
    owner.request("node.pair.approve", json!({"requestId": pending["requestId"]})).await.expect("an admin may");

    let call = |command: &str| json!({"nodeId": device.id(), "command": command, "idempotencyKey": command});
    let under_way = owner.start("node.invoke", call("system.which")).await;
    camera.event("node.invoke.request", |asked| asked["command"] == "system.which").await;
    let since = Instant::now();
    tailnet.headscale.grant("nodes", grants(&["system.notify"]));
    let error = owner.response(&under_way).await.expect_err("the call ends with the right to make it");
    in_time("a node lost a command", since.elapsed());
    assert!(error.to_string().contains("no longer allowed"), "{error}");
    camera.event("node.invoke.cancel", |_| true).await;
    let described = owner.request("node.describe", json!({"nodeId": device.id()})).await.expect("an admin may");
    assert_eq!(described["commands"], json!(["system.notify"]), "{described}");
    owner.request("node.invoke", call("system.which")).await.expect_err("it is not granted any more");

    let since = Instant::now();
    tailnet.headscale.grant("nodes", Vec::new());
    let closed = camera.closed().await;
    in_time("a node was closed", since.elapsed());
    assert!(closed.reason.contains("tag:camera"), "{closed:?}");
}

/// A machine of bob's that only one test has.
async fn roamer(tailnet: &Tailnet) -> (TailscalePeer, crate::harness::Node) {
    let name = unique_name().replace("gw", "roamer");
    let folder = tempfile::Builder::new().prefix("tcr").tempdir().expect("a temporary folder").keep();
    let key = tailnet.headscale.auth_key(Owner::User("bob")).await;
    let peer = TailscalePeer::join(&folder, &name, &tailnet.headscale.url, &key, &[]).await;
    let node = tailnet.headscale.node(&name).await;
    (peer, node)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_retagged_expired_or_deleted_loses_its_sessions() {
    let tailnet = tailnet().await;
    let grants =
        ["bob@", "tag:roamer"].map(|source| grant(source, "tag:roaming", json!([{"scopes": ["operator.read"]}])));
    tailnet.headscale.grant("roaming", grants.concat());
    let here = gateway_tagged("tag:roaming").await;
    let put_out = |word: &'static str, name: String, since: Instant| {
        let gateway = &here.gateway;
        async move {
            // The close frame itself does not reach a node that is in the tailnet no more.
            let what = format!("a session of a node that was {word} is closed");
            eventually(&what, seconds(20), || async {
                let log = gateway.log();
                let is_it = |line: &&str| line.contains("a connection was put out") && line.contains(&name);
                if log.lines().any(|line| is_it(&line)) { Ok(()) } else { Err(log) }
            })
            .await;
            in_time(&what, since.elapsed());
        }
    };
    for word in ["retagged", "expired", "deleted"] {
        let (peer, node) = roamer(tailnet).await;
        here.reached_by(&peer).await;
        gets(&here, &peer, json!("operator"), json!(["operator.read"])).await;
        let (_client, _) = connected(&here, &peer, &["operator.read"]).await;
        let since = Instant::now();
        match word {
            "retagged" => tailnet.headscale.retag(&node, "tag:roamer").await,
            "expired" => tailnet.headscale.expire(&node).await,
            _ => tailnet.headscale.delete(&node).await,
        }
        put_out(word, node.name.clone(), since).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_for_other_agents_show_and_open_nothing_of_this_one() {
    let tailnet = tailnet().await;
    let grants = |values: Value| tailnet.headscale.grant("agents", grant("bob@", "tag:agents", values));
    grants(
        json!([{"scopes": ["operator.write"], "agents": ["other"]}, {"scopes": ["operator.read"], "agents": ["main"]}]),
    );
    let here = gateway_tagged("tag:agents").await;
    gets(&here, &tailnet.bob, json!("operator"), json!(["operator.read", "operator.write"])).await;
    let (mut client, _) = connected(&here, &tailnet.bob, &["operator.write"]).await;
    client.request("sessions.list", json!({})).await.expect("to read with main is granted");
    client.request("chat.history", json!({"sessionKey": "main"})).await.expect("to read with main is granted");
    let send = json!({"sessionKey": "main", "message": "x", "idempotencyKey": "k"});
    let error = client.request("chat.send", send.clone()).await.expect_err("to write is granted with another agent");
    assert_eq!(error["details"]["code"], "AGENT_NOT_GRANTED", "{error}");
    assert_eq!((&error["code"], &error["details"]["agentId"]), (&json!("FORBIDDEN"), &json!("main")), "{error}");

    // What it may still see it is told of, until that goes, too.
    let mut owner = here.gateway.operator().await;
    owner.request("chat.send", send).await.expect("the owner speaks with every agent");
    client.event("chat", |chat| chat["state"] == "final").await;
    let since = Instant::now();
    grants(json!([{"scopes": ["operator.write"], "agents": ["other"]}]));
    loop {
        match client.request("sessions.list", json!({})).await {
            Err(error) if error["details"]["code"] == "AGENT_NOT_GRANTED" => break,
            other => assert!(other.is_ok() && since.elapsed() < seconds(30), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    in_time("a session lost an agent", since.elapsed());
    let again = json!({"sessionKey": "main", "message": "y", "idempotencyKey": "again"});
    owner.request("chat.send", again).await.expect("the owner speaks with every agent");
    owner.event("chat", |chat| chat["runId"] == "again" && chat["state"] == "final").await;
    client.request("models.list", json!({})).await.expect("what is of no agent is open");
    assert!(!client.aside().any(|frame| frame["payload"]["runId"] == "again"), "an event of an agent that it lost");
}

async fn patch(owner: &mut RawClient, patch: Value) {
    let base_hash = owner.request("config.get", json!({})).await.expect("the configuration")["hash"].clone();
    let lists = ["tailscale.allow", "tailscale.deny", "identityScopes.bob"].map(|key| format!("gateway.auth.{key}"));
    let params = json!({"raw": patch.to_string(), "baseHash": base_hash, "replacePaths": lists});
    let written = owner.request("config.patch", params).await.unwrap_or_else(|error| panic!("{patch}: {error}"));
    assert_eq!(written["sentinel"]["payload"]["stats"]["requiresRestart"], false, "{written}");
}

/// Writes a setting, and waits until it counts for the peer's new connections.
async fn set(here: &OnTailnet, owner: &mut RawClient, peer: &TailscalePeer, auth: Value, rule: &str) -> Value {
    patch(owner, json!({"gateway": {"auth": auth}})).await;
    eventually(&format!("the rule {rule} decides"), seconds(10), || async {
        let whoami = here.whoami(peer).await;
        if whoami["rule"] == rule { Ok(whoami) } else { Err(whoami.to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_identity_scopes_of_the_configuration_count_at_once() {
    let tailnet = tailnet().await;
    tailnet.headscale.grant("lists", grant("bob@", "tag:lists", json!([{"scopes": ["operator.read"]}])));
    let here = gateway_tagged("tag:lists").await;
    gets(&here, &tailnet.bob, json!("operator"), json!(["operator.read"])).await;
    let mut owner = here.gateway.operator().await;
    let bob = &tailnet.bob;

    let (mut client, _) = connected(&here, bob, &["operator.read"]).await;
    let since = Instant::now();
    let whoami = set(&here, &mut owner, bob, json!({"tailscale": {"deny": ["bob"]}}), "deny").await;
    assert!(
        whoami["role"].is_null() && whoami["reason"].to_string().contains("gateway.auth.tailscale.deny"),
        "{whoami}"
    );
    let closed = client.closed().await;
    in_time("who was denied was closed", since.elapsed());
    assert!(closed.reason.contains("bob"), "{closed:?}");
    let mut with_token = here.socket_from(bob).await;
    with_token.challenge().await;
    let error = with_token.connect(connect_params(&here.gateway.token())).await.expect_err("no secret opens for them");
    assert_eq!(error["details"]["rule"], "deny", "{error}");

    let only_alice = json!({"tailscale": {"deny": null, "allow": ["alice", "tag:camera"]}});
    let whoami = set(&here, &mut owner, bob, only_alice, "allow").await;
    assert!(whoami["role"].is_null(), "{whoami}");

    tailnet.headscale.grant("lists", Vec::new());
    let named = json!({
        "tailscale": {"allow": null, "require": "login"}, "identityScopes": {"bob": ["operator.read"]}
    });
    patch(&mut owner, json!({"gateway": {"auth": named}})).await;
    let whoami = eventually("identityScopes decide", seconds(40), || async {
        let whoami = here.whoami(bob).await;
        if whoami["rule"] == "identityScopes" { Ok(whoami) } else { Err(whoami.to_string()) }
    })
    .await;
    assert_eq!(whoami["scopes"], json!(["operator.read"]), "{whoami}");
    let (mut client, hello) = connected(&here, bob, &["operator.admin"]).await;
    assert_eq!(hello["auth"]["scopes"], json!(["operator.read"]), "{hello}");
    // alice is not named, so her login is worth nothing here.
    let alice = here.whoami(&tailnet.alice).await;
    assert_eq!((&alice["rule"], &alice["role"]), (&json!("identityScopes"), &Value::Null), "{alice}");
    let since = Instant::now();
    set(
        &here,
        &mut owner,
        bob,
        json!({"identityScopes": {"bob": null, "alice": ["operator.admin"]}}),
        "identityScopes",
    )
    .await;
    let closed = client.closed().await;
    in_time("who is named no more was closed", since.elapsed());
    assert!(closed.reason.contains("does not name bob"), "{closed:?}");
}
