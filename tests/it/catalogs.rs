//! What clients list before they offer it: commands, models, tools and the rest.

use crate::harness::{Gateway, RawClient, gateway};
use serde_json::{Value, json};

/// A gateway with a provider that has a key, a model of it that is in use, and one that is not.
async fn configured() -> Gateway {
    let config = json!({
        "models": {"providers": {"acme": {
            "baseUrl": "http://127.0.0.1:9/v1",
            "apiKey": "acme-key-acme-key",
            "models": [{"id": "small", "input": ["text", "image"]}, {"id": "large", "name": "Large"}],
        }, "keyless": {"baseUrl": "http://127.0.0.1:9/v1", "models": [{"id": "m"}]}}},
        "agents": {"defaults": {"model": {"primary": "acme/large"}}},
    });
    gateway().config(config).start().await
}

async fn refused(client: &mut RawClient, method: &str, params: Value) -> String {
    let error = client.request(method, params).await.expect_err("this is refused");
    assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    error["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn commands_are_those_of_the_chat() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let listed =
        client.request("commands.list", json!({"scope": "text", "includeArgs": true})).await.expect("commands");
    let offered = client.request("chat.metadata", json!({})).await.expect("metadata");
    assert_eq!(listed["commands"], offered["commands"]);
    assert!(listed.to_string().contains("/stop"), "{listed}");
    let message = refused(&mut client, "commands.list", json!({"scope": "none-such"})).await;
    assert_eq!(message, "invalid commands.list params: at /scope: must be equal to constant");
    let message = refused(&mut client, "commands.list", json!({"agentId": "nobody"})).await;
    assert_eq!(message, "unknown agent id \"nobody\"");
}

#[tokio::test]
async fn models_are_listed_by_views() {
    let gateway = configured().await;
    let mut client = gateway.operator().await;
    let listed = client.request("models.list", json!({"view": "all"})).await.expect("models");
    let levels = json!([{"id": "off", "label": "off"}]);
    let large = json!({
        "id": "large", "name": "Large", "provider": "acme", "reasoning": false, "tags": ["default"],
        "thinkingLevels": levels, "thinkingDefault": "off", "available": true,
    });
    let find = |listed: &Value, id: &str| {
        listed["models"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|model| model["id"] == id)
            .cloned()
            .expect("it is listed")
    };
    assert_eq!(find(&listed, "large"), large, "{listed}");
    assert!(find(&listed, "small").get("tags").is_none() && listed.get("defaultModels").is_none(), "{listed}");
    let listed = client.request("models.list", json!({"view": "configured"})).await.expect("models");
    assert_eq!(listed["defaultModels"], json!({"automaticUtilityModel": null}), "{listed}");
    let listed = client.request("models.list", json!({"view": "provider-config"})).await.expect("models");
    assert_eq!(find(&listed, "small")["input"], json!(["text", "image"]), "{listed}");
    assert_eq!(find(&listed, "large")["input"], json!(["text"]), "{listed}");
    let message = refused(&mut client, "models.list", json!({"view": "none-such"})).await;
    assert_eq!(message, "invalid models.list params: at /view: must be equal to constant");
}

#[tokio::test]
async fn providers_with_a_key_are_told_without_it() {
    let gateway = configured().await;
    let mut client = gateway.operator().await;
    let status = client.request("models.authStatus", json!({"refresh": true})).await.expect("a status");
    let acme = json!({
        "provider": "acme", "authProvider": "acme", "displayName": "acme", "status": "static", "profiles": [],
        "apiKey": {"source": "config"},
    });
    assert_eq!(status["providers"], json!([acme]), "{status}");
    assert!(!status.to_string().contains("acme-key"), "{status}");
    let error = client.request("models.authStatus", json!({"agentId": "nobody"})).await.expect_err("no such agent");
    assert_eq!(error["details"], json!({"code": "UNKNOWN_AGENT_ID", "agentId": "nobody"}), "{error}");
}

#[tokio::test]
async fn there_are_no_tools_and_their_use_is_refused() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let catalog = client.request("tools.catalog", json!({"agentId": "main"})).await.expect("a catalog");
    assert_eq!((&catalog["agentId"], &catalog["groups"]), (&json!("main"), &json!([])), "{catalog}");
    assert_eq!(catalog["profiles"][3], json!({"id": "full", "label": "Full"}), "{catalog}");
    let message = refused(&mut client, "tools.catalog", json!({"agentId": "nobody"})).await;
    assert_eq!(message, "unknown agent id \"nobody\"");

    let unknown = json!({"sessionKey": "agent:main:nothing-here"});
    let message = refused(&mut client, "tools.effective", unknown.clone()).await;
    assert_eq!(message, "unknown session key \"agent:main:nothing-here\"");
    client.request("sessions.create", json!({"key": "agent:main:nothing-here"})).await.expect("a session");
    let effective = client.request("tools.effective", unknown).await.expect("no tools");
    assert_eq!(effective, json!({"agentId": "main", "profile": "full", "groups": []}));

    for (agent, code, message) in [
        (Value::Null, "not_found", "Tool not available: exec"),
        (json!("nobody"), "validation_error", "Unknown agent id \"nobody\""),
    ] {
        let answer = client.request("tools.invoke", json!({"name": "exec", "args": {}, "agentId": agent})).await;
        let answer = answer.expect("a refusal is an answer");
        assert_eq!(answer, json!({"ok": false, "toolName": "exec", "error": {"code": code, "message": message}}));
    }
    for (params, problem) in [
        (json!({}), "must have required property 'name'"),
        (json!({"name": ""}), "at /name: must not have fewer than 1 characters"),
        (json!({"name": " "}), "name required"),
        (json!({"name": "exec", "args": 5}), "at /args: must be object"),
    ] {
        let message = refused(&mut client, "tools.invoke", params).await;
        assert_eq!(message, format!("invalid tools.invoke params: {problem}"));
    }
}

#[tokio::test]
async fn skills_projects_boards_and_voices_are_empty() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let skills = client.request("skills.status", json!({})).await.expect("skills");
    assert_eq!((&skills["agentId"], &skills["skills"]), (&json!("main"), &json!([])), "{skills}");
    assert_eq!(
        refused(&mut client, "skills.status", json!({"agentId": "nobody"})).await,
        "unknown agent id \"nobody\""
    );
    let projects = client.request("projects.list", json!({"includeObserved": true})).await.expect("projects");
    assert_eq!(projects, json!({"projects": [], "observedProjects": []}));
    let message = refused(&mut client, "projects.list", json!({"includeObserved": "x"})).await;
    assert_eq!(message, "invalid projects.list params: at /includeObserved: must be boolean");
    let board = client.request("board.get", json!({"sessionKey": "main"})).await.expect("a board");
    assert_eq!(board, json!({"sessionKey": "agent:main:main", "revision": 0, "tabs": [], "widgets": []}));
    let card = client.request("progressCard.get", json!({"sessionKey": "main"})).await.expect("no card");
    assert_eq!(card, json!({"card": null}));
    let talk = client.request("talk.catalog", json!({})).await.expect("no voices");
    let none = json!({"ready": false, "providers": []});
    let voices = [&talk["speech"], &talk["transcription"], &talk["realtime"], &talk["modes"]];
    assert_eq!(voices, [&none, &none, &none, &json!([])], "{talk}");
    refused(&mut client, "talk.catalog", json!([])).await;
    for method in ["board.get", "progressCard.get"] {
        let message = refused(&mut client, method, json!({})).await;
        assert_eq!(message, format!("invalid {method} params: must have required property 'sessionKey'"));
    }
}

#[tokio::test]
async fn tasks_are_the_runs_of_jobs() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let mut tasks = async |params: Value| client.request("tasks.list", params).await;
    assert_eq!(tasks(json!({})).await.expect("tasks"), json!({"tasks": []}));
    for (params, message) in [
        (json!({"limit": 0}), "invalid tasks.list params: at /limit: must be >= 1"),
        (json!({"limit": 501}), "invalid tasks.list params: at /limit: must be <= 500"),
        (json!({"status": "x"}), "invalid tasks.list params: at /status: must be equal to constant"),
        (json!({"cursor": "x"}), "invalid or expired tasks.list cursor; restart pagination without a cursor"),
    ] {
        let error = tasks(params).await.expect_err("this is refused");
        assert_eq!((&error["code"], &error["message"]), (&json!("INVALID_REQUEST"), &json!(message)), "{error}");
    }
}
