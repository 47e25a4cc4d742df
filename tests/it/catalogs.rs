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
