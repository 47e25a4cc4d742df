//! `gateway.roles`: people whom a trusted proxy or the tailnet names, and what their role leaves of what they were given.

use crate::harness::{Device, Gateway, RawClient, Reply, connect_params, eventually, gateway, seconds, tailnet};
use crate::pairing::{knock, operator};
use serde_json::{Value, json};

const PASSWORD: &str = "the owner's own";

fn definitions() -> Value {
    let role = |others: &str, scopes: &[&str]| json!({"sessions": {"others": others}, "agents": "*", "scopes": scopes});
    let write = &["operator.read", "operator.write"][..];
    json!({
        "guest": role("view", write),
        "hermit": role("none", &["operator.read", "operator.write", "operator.approvals"]),
        "mate": role("write", write),
        "chief": role("view", &["operator.admin"]),
        "reader": role("write", &["operator.read"]),
        "idle": {"sessions": {"others": "write"}, "agents": [], "scopes": write},
        "boxed": {"sessions": {"others": "write"}, "agents": "*", "scopes": write, "sandbox": "required"},
        "visitor": {"sessions": {"others": "view"}, "agents": "*", "scopes": [], "accessPolicyPlugin": "visitor-access"},
    })
}

fn roles() -> Value {
    json!({"default": "guest", "definitions": definitions()})
}

/// Everybody is given everything by their name, so that what is missing is what the role took.
async fn behind_a_proxy(roles: Value) -> Gateway {
    let all = json!(["operator.admin"]);
    gateway()
        .config(json!({"gateway": {
            "trustedProxies": ["127.0.0.1"],
            "auth": {
                "mode": "trusted-proxy", "password": PASSWORD,
                "trustedProxy": {"userHeader": "x-user", "allowLoopback": true},
                "identityScopes": {"ann@example.com": all, "ben@example.com": all},
            },
            "http": {"endpoints": {"chatCompletions": {"enabled": true}}},
        }}))
        .config(json!({"gateway": {"roles": roles}}))
        .start()
        .await
}

const fn by_proxy(user: &str) -> [(&str, &str); 2] {
    [("x-forwarded-for", "203.0.113.9"), ("x-user", user)]
}
const ANN: &str = "ann@example.com";
const BEN: &str = "ben@example.com";

async fn knocks(gateway: &Gateway, user: &str) -> (RawClient, Reply) {
    let mut client = gateway.socket_with("/", &by_proxy(user)).await;
    client.challenge().await;
    let mut params = connect_params("");
    params.as_object_mut().unwrap().remove("auth");
    let reply = client.connect(params).await;
    (client, reply)
}

async fn person(gateway: &Gateway, user: &str) -> RawClient {
    let (client, reply) = knocks(gateway, user).await;
    reply.expect("the proxy names them");
    client
}

async fn owner(gateway: &Gateway) -> RawClient {
    let mut client = gateway.socket().await;
    client.challenge().await;
    let params = json!({"auth": {"password": PASSWORD}});
    let mut wish = connect_params("");
    wish["auth"] = params["auth"].clone();
    client.connect(wish).await.expect("the owner's password");
    client
}

/// Gives somebody who has come in before another role.
async fn assign(gateway: &Gateway, user: &str, role: &str) {
    let reply = owner(gateway)
        .await
        .request("users.setRole", json!({"profileId": format!("trusted-proxy:{user}"), "role": role}))
        .await
        .expect("an admin may");
    assert_eq!(reply["profile"]["role"], role, "{reply}");
}

/// Somebody under a role.
async fn as_a(gateway: &Gateway, role: &str, user: &str) -> RawClient {
    drop(person(gateway, user).await);
    assign(gateway, user, role).await;
    person(gateway, user).await
}

fn say(key: &str, run: &str) -> Value {
    json!({"sessionKey": key, "message": "hello", "idempotencyKey": run})
}

async fn says(client: &mut RawClient, key: &str, run: &str) {
    client.request("chat.send", say(key, run)).await.expect("it may be said");
    client.event("chat", |event| event["runId"] == run && event["state"] == "final").await;
}

#[tokio::test]
async fn a_role_is_a_ceiling_and_an_assignment_ends_what_stood_under_another() {
    let mut gateway = behind_a_proxy(roles()).await;
    let (mut ann, hello) = knocks(&gateway, ANN).await;
    let hello = hello.expect("the proxy names her");
    let scopes = json!(["operator.read", "operator.write"]);
    assert_eq!(hello["auth"]["scopes"], scopes, "of operator.admin the default role leaves this: {hello}");
    let whoami = gateway.get_with("/whoami", &by_proxy(ANN)).await.json();
    let all = json!(["operator.read", "operator.write", "operator.talk"]);
    assert_eq!(
        (&whoami["operatorRole"], &whoami["scopes"]),
        (&json!("guest"), &all),
        "what she could ask for: {whoami}"
    );
    let error = ann.request("users.setRole", json!({"profileId": "x", "role": null})).await.expect_err("no admin");
    assert_eq!(error["details"]["missingScope"], "operator.admin", "{error}");

    let mut owner = owner(&gateway).await;
    let known = owner.request("users.list", json!({})).await.expect("the people");
    let known: Vec<&str> =
        known["profiles"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(known.contains(&"trusted-proxy:ann@example.com"), "{known:?}");
    let refusals = [
        (json!({"profileId": "trusted-proxy:ann@example.com", "role": "king"}), "unknown operator role \"king\""),
        (json!({"profileId": "trusted-proxy:eve@example.com", "role": "chief"}), "not found"),
        (json!({"profileId": "gateway-owner", "role": "guest"}), "owner has no role"),
        (json!({"profileId": "trusted-proxy:ann@example.com"}), "role"),
    ];
    for (params, told) in refusals {
        let error = owner.request("users.setRole", params).await.expect_err("it is refused");
        assert!(error["message"].as_str().unwrap().contains(told), "{error}");
    }
    ann.request("sessions.list", json!({})).await.expect("nothing was assigned yet");

    assign(&gateway, ANN, "chief").await;
    let closed = ann.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (4001, "operator role changed"));
    let mut ann = person(&gateway, ANN).await;
    // By her own hand: the answer comes before the end.
    let itself = json!({"profileId": "trusted-proxy:ann@example.com", "role": "reader"});
    let reply = ann.request("users.setRole", itself).await.expect("the answer comes first");
    assert_eq!(reply["profile"]["role"], "reader", "{reply}");
    assert_eq!(ann.closed().await.code, 4001);
    owner.request("health", json!({})).await.expect("the owner has no role to lose");

    gateway.stop().await;
    gateway.restart().await;
    let (_, hello) = knocks(&gateway, ANN).await;
    assert_eq!(hello.expect("she is known")["auth"]["scopes"], json!(["operator.read"]), "kept over a restart");
    gateway.stop().await;
}

#[tokio::test]
async fn whose_sessions_are_hidden_sees_and_hears_of_none() {
    let mut gateway = behind_a_proxy(roles()).await;
    let mut owner = owner(&gateway).await;
    says(&mut owner, "secret", "o1").await;
    let stored =
        owner.request("sessions.describe", json!({"key": "secret"})).await.expect("the owner's")["session"].clone();
    let mut ann = as_a(&gateway, "hermit", ANN).await;
    ann.request("sessions.subscribe", json!({})).await.expect("hers are to be told");
    says(&mut ann, "mine", "a1").await;

    let list = ann.request("sessions.list", json!({})).await.expect("a list");
    let keys: Vec<&str> = list["sessions"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect();
    assert_eq!((keys, &list["totalCount"]), (vec!["agent:main:mine"], &json!(1)), "{list}");
    let others = ann.request("sessions.list", json!({"creatorId": "gateway-owner"})).await.expect("a list");
    assert_eq!(others["sessions"], json!([]), "{others}");
    let id = stored["sessionId"].as_str().expect("an id");
    let hidden = [
        ("chat.history", json!({"sessionKey": "secret"})),
        ("chat.history", json!({"sessionKey": " agent:main:secret"})),
        ("chat.send", say("secret", "a2")),
        ("chat.abort", json!({"sessionKey": "secret"})),
        ("agent", json!({"message": "x", "sessionId": id, "idempotencyKey": "a3"})),
        ("agent.wait", json!({"runId": "o1", "timeoutMs": 1})),
        ("sessions.get", json!({"key": "secret"})),
        ("sessions.describe", json!({"key": "secret"})),
        ("sessions.preview", json!({"keys": ["mine", "secret"]})),
        ("sessions.patch", json!({"key": "secret", "label": "x"})),
        ("sessions.messages.subscribe", json!({"key": "secret"})),
        ("sessions.usage", json!({"key": "secret"})),
        ("sessions.resolve", json!({"key": "secret"})),
        ("sessions.resolve", json!({"sessionId": id})),
    ];
    for (method, params) in hidden {
        let error = ann.request(method, params.clone()).await.expect_err("it does not exist for her");
        let words = error["message"].as_str().unwrap();
        assert!(words.contains("not found") || words.contains("No session found"), "{method} {params}: {error}");
    }
    for (method, params) in [("logs.tail", json!({})), ("cron.list", json!({})), ("exec.approval.list", json!({}))] {
        let error = ann.request(method, params).await.expect_err("it shows what others do");
        assert_eq!(error["code"], "FORBIDDEN", "{method}: {error}");
    }
    let missing =
        ann.request("sessions.resolve", json!({"label": "none", "allowMissing": true})).await.expect("an answer");
    assert_eq!(missing["ok"], false, "{missing}");
    let health = ann.request("health", json!({})).await.expect("health");
    assert_eq!((&health["sessions"]["count"], &health["sessions"]["recent"]), (&json!(0), &json!([])), "{health}");
    let usage = ann.request("sessions.usage", json!({})).await.expect("her own");
    assert_eq!(usage["sessions"].as_array().unwrap().len(), 1, "{usage}");

    says(&mut owner, "secret", "o2").await;
    says(&mut ann, "mine", "a4").await;
    let of_others = |frame: &Value| frame["type"] == "event" && frame.to_string().contains("secret");
    assert!(!ann.aside().any(of_others), "an event of somebody else's session");
    // A session of her own, which the owner sees and she keeps over a restart.
    ann.request("chat.history", json!({"sessionKey": "mine"})).await.expect("her own");
    owner.request("chat.history", json!({"sessionKey": "mine"})).await.expect("the owner sees all");
    gateway.stop().await;
    gateway.restart().await;
    let mut ann = person(&gateway, ANN).await;
    ann.request("chat.history", json!({"sessionKey": "mine"})).await.expect("still her own");
    ann.request("chat.history", json!({"sessionKey": "secret"})).await.expect_err("still not hers");
    gateway.stop().await;
}

#[tokio::test]
async fn others_sessions_are_read_or_written_as_the_role_says() {
    let mut gateway = behind_a_proxy(roles()).await;
    let mut ann = person(&gateway, ANN).await;
    says(&mut ann, "hers", "a1").await;
    let mut ben = as_a(&gateway, "guest", BEN).await;
    ben.request("chat.history", json!({"sessionKey": "hers"})).await.expect("a guest may look");
    for (method, params) in [
        ("chat.send", say("hers", "b1")),
        ("chat.abort", json!({"sessionKey": "hers"})),
        ("sessions.patch", json!({"key": "hers", "label": "x"})),
        ("sessions.send", json!({"key": "hers", "message": "x"})),
    ] {
        let error = ben.request(method, params).await.expect_err("a guest does not take part");
        assert_eq!(error["details"]["code"], "SESSION_PARTICIPATION_REQUIRED", "{method}: {error}");
    }
    says(&mut ben, "his", "b2").await;
    // From where he stands, which is hers, to one of his own.
    let params = json!({"key": "branch", "parentSessionKey": "hers", "message": "hello"});
    let created = ben.request("sessions.create", params).await.expect("a new one is his");
    assert_eq!(created["runStarted"], true, "{created}");
    let mut ben = as_a(&gateway, "mate", BEN).await;
    says(&mut ben, "hers", "b3").await;
    // Taking part does not make it his.
    let mut ben = as_a(&gateway, "guest", BEN).await;
    ben.request("chat.send", say("hers", "b4")).await.expect_err("it is hers still");
    says(&mut ben, "his", "b5").await;
    gateway.stop().await;
}

#[tokio::test]
async fn agents_a_sandbox_and_a_plugin_are_asked_for_and_missing_ones_close() {
    let mut gateway = behind_a_proxy(roles()).await;
    for (role, told) in [("idle", "cannot work with agent \"main\""), ("boxed", "has no sandbox")] {
        let mut ann = as_a(&gateway, role, ANN).await;
        for (method, params) in [
            ("chat.send", say("new", "a1")),
            ("agent", json!({"message": "x", "agentId": "main", "idempotencyKey": "a2"})),
            ("sessions.create", json!({"key": "new"})),
        ] {
            let error = ann.request(method, params).await.expect_err("nothing can be begun");
            assert_eq!(error["code"], "FORBIDDEN", "{role} {method}: {error}");
            assert!(error["message"].as_str().unwrap().contains(told), "{role} {method}: {error}");
        }
        ann.request("sessions.list", json!({})).await.expect("to read is left");
    }
    assign(&gateway, ANN, "visitor").await;
    let error = knocks(&gateway, ANN).await.1.expect_err("there is no such plugin");
    assert!(error["message"].as_str().unwrap().contains("visitor-access"), "{error}");
    let whoami = gateway.get_with("/whoami", &by_proxy(ANN)).await.json();
    assert_eq!((&whoami["role"], &whoami["scopes"]), (&Value::Null, &json!([])), "{whoami}");
    gateway.stop().await;
}

#[tokio::test]
async fn http_is_within_the_role_too() {
    let mut gateway = behind_a_proxy(roles()).await;
    let wish = json!({"model": "openclaw", "messages": [{"role": "user", "content": "hello"}]}).to_string();
    let ask = async |method: &str, path: &str| gateway.send(method, path, &by_proxy(ANN), &wish).await;
    // role, chat, a session's history, kill
    let cases =
        [("mate", 200, 404, 403), ("guest", 403, 404, 403), ("hermit", 403, 403, 403), ("reader", 403, 404, 403)];
    for (role, chat, history, kill) in cases {
        drop(as_a(&gateway, role, ANN).await);
        let statuses = [
            ask("POST", "/v1/chat/completions").await.status,
            ask("GET", "/sessions/nothing/history").await.status,
            ask("POST", "/sessions/nothing/kill").await.status,
        ];
        assert_eq!(statuses, [chat, history, kill], "{role}");
    }
    drop(as_a(&gateway, "chief", ANN).await);
    assert_eq!(ask("POST", "/v1/chat/completions").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn roles_come_and_go_while_the_gateway_runs() {
    let mut gateway = gateway().start().await;
    let device = Device::new();
    let asks = |auth: Value| operator(auth, &["operator.read"]);
    let (_, hello) = knock(gateway.socket().await, &device, asks(json!({"token": gateway.token()}))).await;
    let token = hello.expect("this machine is approved")["auth"]["deviceToken"].clone();
    let (mut by_token, hello) = knock(gateway.socket().await, &device, asks(json!({"deviceToken": token}))).await;
    hello.expect("its own token");
    let mut owner = gateway.operator().await;
    let bearer = format!("Bearer {}", token.as_str().expect("a token"));
    let reads = async || gateway.get_with("/control-ui-config.json", &[("authorization", &bearer)]).await.status;
    assert_eq!(reads().await, 200);

    let hash = owner.request("config.get", json!({})).await.expect("the configuration")["hash"].clone();
    let text = json!({"gateway": {"roles": roles()}}).to_string();
    owner.request("config.patch", json!({"raw": text, "baseHash": hash})).await.expect("it is right");
    let closed = by_token.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (4001, "operator role changed"));
    let (_, refused) = knock(gateway.socket().await, &device, asks(json!({"deviceToken": token}))).await;
    let error = refused.expect_err("nobody knows who has it");
    assert!(error["message"].as_str().unwrap().contains("gateway.roles is set"), "{error}");
    assert_eq!(reads().await, 401);
    owner.request("health", json!({})).await.expect("who has the secret stays");

    gateway.cli(&["config", "unset", "gateway.roles"]).await.success();
    eventually("the token counts again", seconds(10), || async {
        knock(gateway.socket().await, &device, asks(json!({"deviceToken": token})))
            .await
            .1
            .map_err(|error| error.to_string())
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tailnet_login_has_a_role_and_a_tag_has_its_grant() {
    let tailnet = tailnet().await;
    let builder = tailnet.gateway().await.config(json!({"gateway": {"roles": roles()}}));
    let mut here = tailnet.start_gateway(builder).await;
    let whoami = here.whoami(&tailnet.alice).await;
    let Some(scopes) = whoami["scopes"].as_array().filter(|scopes| !scopes.is_empty()) else {
        panic!("alice is let in: {whoami}")
    };
    let within = ["operator.read", "operator.write", "operator.talk"].map(Value::from);
    assert!(scopes.iter().all(|scope| within.contains(scope)), "{whoami}");
    assert_eq!(whoami["operatorRole"], "guest", "{whoami}");
    let camera = here.whoami(&tailnet.camera).await;
    assert_eq!(
        (&camera["role"], &camera["operatorRole"]),
        (&json!("node"), &Value::Null),
        "a tag is no person: {camera}"
    );

    let device = Device::new();
    let wish = operator(json!({}), &["operator.admin"]);
    let (mut alice, hello) = knock(here.socket_from(&tailnet.alice).await, &device, wish).await;
    let hello = hello.expect("her grant lets her in");
    assert!(hello["auth"]["deviceToken"].is_null(), "a token could go around the role: {hello}");
    let me = alice.request("users.self", json!({})).await.expect("she is somebody");
    let profile = me["profile"]["id"].as_str().expect("an id").to_owned();
    let mut owner = here.gateway.operator().await;
    owner.request("users.setRole", json!({"profileId": profile, "role": "reader"})).await.expect("an admin may");
    assert_eq!(alice.closed().await.reason, "operator role changed");
    assert_eq!(here.whoami(&tailnet.alice).await["scopes"], json!(["operator.read"]));
    here.gateway.stop().await;
}
