//! A configuration that changes while the gateway runs: models and agents, hooks, endpoints, the page and pairing count
//! at once, and no connection is dropped for it. How one is written and refused is in `config_rpc`.

use crate::chat::refused;
use crate::harness::{Device, Gateway, RawClient, StandinModel, connect_params, gateway};
use crate::pairing::{admitted, operator};
use serde_json::{Value, json};

pub async fn patch(client: &mut RawClient, patch: Value) -> Value {
    let base_hash = client.request("config.get", json!({})).await.expect("the configuration")["hash"].clone();
    // Lists are replaced as a whole.
    let lists = ["models.providers.standin.models"];
    let params = json!({"raw": patch.to_string(), "baseHash": base_hash, "replacePaths": lists});
    let written = client.request("config.patch", params).await.unwrap_or_else(|error| panic!("{patch}: {error}"));
    assert_eq!(written["sentinel"]["payload"]["stats"]["requiresRestart"], false, "{written}");
    assert!(written.get("warnings").is_none_or(|warnings| warnings == &json!([])), "{written}");
    client.event("config.changed", |changed| changed["hash"] == written["hash"]).await;
    written
}

/// Writes the file as an editor does, and waits until the gateway has seen it. Returns what it then shows.
async fn edit(gateway: &Gateway, client: &mut RawClient, change: impl FnOnce(&mut Value)) -> Value {
    let path = gateway.state_folder().join("tailclaw.json");
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&path, config.to_string()).unwrap();
    client.event("config.changed", |_| true).await;
    client.request("config.get", json!({})).await.expect("the configuration")
}

async fn send(client: &mut RawClient, session: &str, message: &str) -> String {
    let key = uuid::Uuid::new_v4().to_string();
    let params = json!({"sessionKey": session, "message": message, "idempotencyKey": key});
    client.request("chat.send", params).await.expect("the message is taken");
    key
}

/// Which model answers a message, as `provider/model`.
async fn answered_by(client: &mut RawClient, session: &str) -> String {
    let run = send(client, session, "hello").await;
    let model = client.event("agent", |event| event["runId"] == run && event["data"]["phase"] == "model").await;
    let done = client.event("chat", |chat| chat["runId"] == run && chat["state"] == "final").await;
    assert_eq!(done["message"]["content"][0]["text"], "echo: hello", "{done}");
    format!("{}/{}", model["data"]["provider"].as_str().unwrap(), model["data"]["model"].as_str().unwrap())
}

async fn rows(client: &mut RawClient) -> (Value, Value) {
    let list = client.request("sessions.list", json!({})).await.expect("the sessions");
    (list["defaults"]["model"].clone(), list["sessions"][0]["model"].clone())
}

#[tokio::test]
async fn a_model_that_is_added_answers_the_next_run() {
    let model = StandinModel::start().await;
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    assert_eq!(answered_by(&mut client, "main").await, "tailclaw/echo");
    // Asked twice, so that what is kept of it would show.
    for _ in 0..2 {
        assert_eq!(rows(&mut client).await, (json!("echo"), json!("echo")));
    }

    let mut added = model.config();
    added["models"]["providers"]["standin"]["models"] = json!([{"id": "large", "contextWindow": 32_000}]);
    added["agents"]["defaults"]["model"] = json!("standin/large");
    let base_hash = client.request("config.get", json!({})).await.unwrap()["hash"].clone();
    let id = client.start("config.patch", json!({"raw": added.to_string(), "baseHash": base_hash})).await;
    client.event("chat.metadata.changed", |payload| *payload == json!({})).await;
    client.event("config.changed", |_| true).await;
    let written = client.response(&id).await.expect("it is written");
    assert_eq!(written["sentinel"]["payload"]["stats"]["requiresRestart"], false, "{written}");

    assert_eq!(rows(&mut client).await, (json!("large"), json!("large")), "what was kept of the list is thrown away");
    let agents = client.request("agents.list", json!({})).await.unwrap();
    assert_eq!(agents["agents"][0]["model"]["primary"], "standin/large", "{agents}");
    let listed = client.request("models.list", json!({})).await.unwrap();
    assert_eq!((&listed["models"][0]["id"], listed["models"].as_array().unwrap().len()), (&json!("large"), 1));
    let metadata = client.request("chat.metadata", json!({})).await.unwrap();
    assert_eq!(metadata["models"], listed["models"]);
    let status = client.request("status", json!({})).await.unwrap();
    assert_eq!(status["sessions"]["defaults"]["contextTokens"], 32_000, "{status}");
    let mut newcomer = gateway.socket().await;
    newcomer.challenge().await;
    let hello = newcomer.connect(connect_params(&gateway.token())).await.expect("let in");
    assert_eq!(hello["snapshot"]["sessionDefaults"]["modelConfigured"], true, "{hello}");
    assert_eq!(answered_by(&mut client, "main").await, "standin/large");

    // The same by hand, and back again.
    let shown =
        edit(&gateway, &mut client, |config| config["agents"]["defaults"]["model"] = json!("tailclaw/echo")).await;
    assert_eq!((&shown["valid"], &shown["warnings"]), (&json!(true), &json!([])), "{shown}");
    assert_eq!(shown["appliedConfigHash"], shown["configRevisionHash"], "{shown}");
    assert_eq!(answered_by(&mut client, "main").await, "tailclaw/echo");
}

#[tokio::test]
async fn a_run_keeps_the_model_that_it_began_with() {
    let model = StandinModel::start().await;
    let gateway = gateway().config(model.config()).start().await;
    let mut client = gateway.operator().await;
    let run = send(&mut client, "work", "slow").await;
    client.event("chat", |chat| chat["runId"] == run && chat["state"] == "delta").await;
    let gone = json!({"models": {"providers": {"standin": null}}, "agents": {"defaults": {"model": "tailclaw/echo"}}});
    patch(&mut client, gone).await;
    assert_eq!(answered_by(&mut client, "elsewhere").await, "tailclaw/echo", "another run has the new one");
    let more = client.event("chat", |chat| chat["runId"] == run && chat["state"] == "delta").await;
    assert!(more["deltaText"].as_str().unwrap().contains("slow"), "the old model goes on: {more}");
    client.request("chat.abort", json!({"sessionKey": "work", "runId": run})).await.expect("it is stopped");
    assert_eq!(answered_by(&mut client, "work").await, "tailclaw/echo", "the next one of the session has the new one");
}

#[tokio::test]
async fn a_session_whose_provider_has_gone_says_so_and_is_not_given_another() {
    let model = StandinModel::start().await;
    let gateway = gateway().config(model.config()).start().await;
    let mut client = gateway.operator().await;
    let chosen = json!({"key": "work", "model": "standin/unlisted"});
    client.request("sessions.patch", chosen).await.expect("the provider knows what it has");
    assert_eq!(answered_by(&mut client, "work").await, "standin/unlisted");
    let gone = json!({"models": {"providers": {"standin": null}}, "agents": {"defaults": {"model": "tailclaw/echo"}}});
    patch(&mut client, gone).await;
    assert_eq!(rows(&mut client).await, (json!("echo"), json!("unlisted")), "its choice is still shown");
    let run = send(&mut client, "work", "hello").await;
    let failed = client.event("chat", |chat| chat["runId"] == run && chat["state"] == "error").await;
    let message = failed["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("Unknown model: standin/unlisted. "), "{failed}");
    refused(&mut client, "sessions.patch", json!({"key": "work", "model": "standin/unlisted"})).await;
    client.request("sessions.patch", json!({"key": "work", "model": null})).await.expect("the choice is taken back");
    assert_eq!(answered_by(&mut client, "work").await, "tailclaw/echo");
}

#[tokio::test]
async fn a_job_for_a_model_that_is_no_longer_used_does_not_run_on_another() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let job = json!({
        "name": "question", "schedule": {"kind": "every", "everyMs": 3_600_000}, "sessionTarget": "isolated",
        "wakeMode": "now", "payload": {"kind": "agentTurn", "message": "hi", "model": "tailclaw/echo"},
    });
    let added = client.request("cron.add", job).await.expect("the model is the one in use");
    let provider = json!({"baseUrl": "http://127.0.0.1:9/v1", "models": [{"id": "m"}]});
    let change = json!({"models": {"providers": {"other": provider}}, "agents": {"defaults": {"model": "other/m"}}});
    patch(&mut client, change).await;
    client.request("cron.run", json!({"id": added["id"]})).await.expect("it is tried");
    let finished = client.event("cron", |event| event["action"] == "finished").await;
    assert_eq!(finished["status"], "error", "{finished}");
    assert!(finished["error"].as_str().unwrap().contains("jobs run on other/m"), "{finished}");
}

#[tokio::test]
async fn a_broken_provider_leaves_what_there_is() {
    let model = StandinModel::start().await;
    let gateway = gateway().config(model.config()).start().await;
    let mut client = gateway.operator().await;
    let listed = client.request("models.list", json!({})).await.unwrap();
    let broken = json!({"baseUrl": "nowhere", "models": [{"id": "m"}]});
    let base_hash = client.request("config.get", json!({})).await.unwrap()["hash"].clone();
    let raw = json!({"models": {"providers": {"other": broken}}}).to_string();
    let error = refused(&mut client, "config.patch", json!({"raw": raw, "baseHash": base_hash})).await;
    assert_eq!(error["details"]["issues"][0]["path"], "models.providers.other.baseUrl", "{error}");
    let shown = edit(&gateway, &mut client, |config| {
        config["models"]["providers"]["other"] = broken;
        config["agents"]["defaults"]["model"] = json!("tailclaw/echo");
    })
    .await;
    assert_eq!(shown["issues"][0]["path"], "models.providers.other.baseUrl", "{shown}");
    assert_eq!(client.request("models.list", json!({})).await.unwrap(), listed, "nothing of it counts");
    assert_eq!(answered_by(&mut client, "main").await, "standin/echo");
    edit(&gateway, &mut client, |config| {
        config["models"]["providers"]["other"]["baseUrl"] = json!("http://127.0.0.1:9")
    })
    .await;
    assert_eq!(answered_by(&mut client, "main").await, "tailclaw/echo", "once it is mended, it counts");
}

async fn hook(gateway: &Gateway, path: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    gateway.send("POST", path, &[("authorization", &bearer)], r#"{"text": "x", "mode": "next-heartbeat"}"#).await.status
}

#[tokio::test]
async fn hooks_change_between_two_calls() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    assert_eq!(hook(&gateway, "/hooks/wake", "the-first-token").await, 404, "off");
    patch(&mut client, json!({"hooks": {"enabled": true, "token": "the-first-token"}})).await;
    assert_eq!(hook(&gateway, "/hooks/wake", "the-first-token").await, 200);
    patch(&mut client, json!({"hooks": {"token": "the-second-token"}})).await;
    assert_eq!(hook(&gateway, "/hooks/wake", "the-first-token").await, 401, "the old one is worth nothing");
    assert_eq!(hook(&gateway, "/hooks/wake", "the-second-token").await, 200);
    let mapping = json!({"match": {"path": "build"}, "action": "wake", "textTemplate": "{{text}}"});
    patch(&mut client, json!({"hooks": {"path": "/set-off/here", "mappings": [mapping]}})).await;
    assert_eq!(hook(&gateway, "/hooks/wake", "the-second-token").await, 404);
    assert_eq!(hook(&gateway, "/set-off/here/build", "the-second-token").await, 200);
    // A path that is taken: what has it keeps it.
    patch(&mut client, json!({"hooks": {"path": "/health"}})).await;
    assert_eq!(hook(&gateway, "/health", "the-second-token").await, 405);
    assert_eq!(gateway.get("/health").await.json()["ok"], true);
    patch(&mut client, json!({"hooks": {"enabled": false}})).await;
    assert_eq!(hook(&gateway, "/set-off/here/build", "the-second-token").await, 404);
}

#[tokio::test]
async fn endpoints_and_the_page_are_switched_between_two_requests() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let bearer = format!("Bearer {}", gateway.token());
    let status = async |method: &str, path: &str| {
        gateway.send(method, path, &[("authorization", bearer.as_str())], "{}").await.status
    };
    let endpoints = |chat: bool, responses: bool| {
        let endpoints = json!({"chatCompletions": {"enabled": chat}, "responses": {"enabled": responses}});
        json!({"gateway": {"http": {"endpoints": endpoints}}})
    };
    for (chat, responses) in [(true, false), (false, true), (false, false)] {
        patch(&mut client, endpoints(chat, responses)).await;
        let served = async |method: &str, path: &str| status(method, path).await != 404;
        assert_eq!(served("POST", "/v1/chat/completions").await, chat);
        assert_eq!(served("POST", "/v1/embeddings").await, chat);
        assert_eq!(served("GET", "/v1/models").await, chat);
        assert_eq!(served("GET", "/v1/models/openclaw").await, chat);
        assert_eq!(served("POST", "/v1/responses").await, responses);
    }

    assert_eq!(status("GET", "/control-ui-config.json").await, 200);
    patch(&mut client, json!({"gateway": {"controlUi": {"basePath": "/ui"}}})).await;
    assert_eq!(status("GET", "/control-ui-config.json").await, 404);
    let moved = gateway.get_with("/ui/control-ui-config.json", &[("authorization", &bearer)]).await;
    assert_eq!(moved.json()["basePath"], "/ui", "{moved:?}");
    let page = tempfile::tempdir().unwrap();
    std::fs::write(page.path().join("index.html"), "<html>another page</html>").unwrap();
    patch(&mut client, json!({"gateway": {"controlUi": {"root": page.path()}}})).await;
    assert!(gateway.get("/ui/").await.body.contains("another page"));
    patch(&mut client, json!({"gateway": {"controlUi": {"enabled": false}}})).await;
    for path in ["/ui/", "/ui/control-ui-config.json"] {
        assert_eq!(status("GET", path).await, 404, "{path}");
    }
    client.request("health", json!({})).await.expect("the connection has lived through all of it");
}

#[tokio::test]
async fn who_needs_an_approval_changes_for_the_next_device() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let secret = || operator(json!({"token": gateway.token()}), &["operator.read"]);
    let first = Device::new();
    admitted(&gateway, &first, secret()).await;
    patch(&mut client, json!({"gateway": {"nodes": {"pairing": {"autoApproveLocal": false}}}})).await;
    let error = crate::pairing::refused(&gateway, &Device::new(), secret()).await;
    assert_eq!(error["details"]["code"], "PAIRING_REQUIRED", "{error}");
    admitted(&gateway, &first, secret()).await;
    patch(&mut client, json!({"gateway": {"nodes": {"pairing": {"autoApproveLocal": null}}}})).await;
    admitted(&gateway, &Device::new(), secret()).await;
}

#[tokio::test]
async fn a_setup_code_names_the_authentication_of_its_time() {
    let gateway = gateway().config(json!({"gateway": {"auth": {"token": "a-shared-token"}}})).start().await;
    let mut client = gateway.operator().await;
    let params = json!({"publicUrl": gateway.url()});
    let code = client.request("device.pair.setupCode", params.clone()).await.expect("a code");
    assert_eq!(code["auth"], "token", "{code}");
    patch(&mut client, json!({"gateway": {"auth": {"mode": "password", "password": "a-shared-password"}}})).await;
    assert_eq!(client.closed().await.code, 4001);
    let mut client = gateway.socket().await;
    client.challenge().await;
    let mut by_password = connect_params("");
    by_password["auth"] = json!({"password": "a-shared-password"});
    client.connect(by_password).await.expect("the password counts");
    let code = client.request("device.pair.setupCode", params).await.expect("a code");
    assert_eq!(code["auth"], "password", "{code}");
}
