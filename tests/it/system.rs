//! What the gateway says of itself, the people behind connections and their preferences, wake words, log lines.

use crate::harness::{Device, Gateway, RawClient, connect_params, gateway};
use serde_json::{Value, json};

/// The web page's kind of client, which the shared secret makes the owner.
async fn owner(gateway: &Gateway) -> RawClient {
    let origin = gateway.http();
    let mut client = gateway.socket_with("/", &[("Origin", &origin)]).await;
    let (nonce, clock) = client.challenge().await;
    let mut params = connect_params(&gateway.token());
    params["client"] = json!({"id": "openclaw-control-ui", "version": "test", "platform": "web", "mode": "webchat"});
    let params = Device::new().sign(3, params, &nonce, clock);
    client.connect(params).await.expect("the owner is let in");
    client
}

async fn reader(gateway: &Gateway) -> RawClient {
    let mut client = gateway.socket().await;
    client.challenge().await;
    let mut params = connect_params(&gateway.token());
    params["scopes"] = json!(["operator.read"]);
    client.connect(params).await.expect("a reader is let in");
    client
}

async fn refused(client: &mut RawClient, method: &str, params: Value) -> (String, String) {
    let error = client.request(method, params).await.expect_err("this is refused");
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (text("code"), text("message"))
}

#[tokio::test]
async fn status_health_and_the_machine_are_told_and_only_admins_see_paths() {
    let gateway = gateway().start().await;
    let (mut admin, mut reader) = (gateway.operator().await, reader(&gateway).await);
    let status = admin.request("status", json!({})).await.expect("a status");
    for key in ["heartbeat", "channelSummary", "degradedSecretOwners", "degradedPlugins", "taskAudit", "modelRuntime"] {
        assert!(!status[key].is_null(), "{key}: {status}");
    }
    assert_eq!(status["heartbeat"]["agents"][0]["enabled"], false, "no scheduler runs: {status}");
    assert_eq!(status["tasks"]["byStatus"]["queued"], 0, "{status}");
    let shown = reader.request("status", json!({})).await.expect("a status");
    let folder = gateway.state_folder().display().to_string();
    assert!(status.to_string().contains(&folder) && !shown.to_string().contains(&folder), "{shown}");

    let health = reader.request("health", json!({"probe": true})).await.expect("health");
    assert_eq!((&health["modelRuntime"]["degraded"], &health["plugins"]["loaded"]), (&json!(false), &json!([])));
    let info = reader.request("system.info", json!({})).await.expect("the machine");
    assert!(info["memoryTotalBytes"].as_u64() > Some(0) && info["cpuCount"].as_u64() > Some(0), "{info}");
    assert_eq!((&info["port"], &info["pid"]), (&json!(gateway.port), &json!(gateway.pid())), "{info}");
    assert!(info.get("diskPath").is_none() && info["diskTotalBytes"].as_u64() > Some(0), "{info}");
    let update = admin.request("update.status", json!({})).await.expect("no update");
    assert_eq!(update, json!({"sentinel": null, "updateAvailable": null}));
    let (code, message) = refused(&mut reader, "update.status", json!({})).await;
    assert_eq!((code.as_str(), message.as_str()), ("FORBIDDEN", "missing scope: operator.admin"));
}

#[tokio::test]
async fn log_lines_are_asked_for_within_bounds() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for (params, problem) in [
        (json!({"limit": 0}), "at /limit: must be >= 1"),
        (json!({"limit": 5001}), "at /limit: must be <= 5000"),
        (json!({"maxBytes": 1_000_001}), "at /maxBytes: must be <= 1000000"),
    ] {
        let (code, message) = refused(&mut client, "logs.tail", params).await;
        assert_eq!((code, message), ("INVALID_REQUEST".into(), format!("invalid logs.tail params: {problem}")));
    }
    assert_eq!(refused(&mut client, "logs.tail", json!({"cursor": -1})).await.0, "INVALID_REQUEST");
    let tail = client.request("logs.tail", json!({"cursor": 999_999_999, "limit": 1})).await.expect("lines");
    assert_eq!((&tail["reset"], tail["lines"].as_array().map(Vec::len)), (&json!(true), Some(1)), "{tail}");
}

#[tokio::test]
async fn presence_lines_are_entered_and_told() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let text = json!({"text": " the door opened ", "host": "hall"});
    assert_eq!(client.request("system-event", text).await.expect("an event"), json!({"ok": true}));
    let told = client.event("presence", |presence| presence.to_string().contains("the door opened")).await;
    assert_eq!(told["presence"][0]["reason"], "self", "the gateway comes first: {told}");
    let list = client.request("system-presence", json!({})).await.expect("a list");
    let entry = list.as_array().and_then(|list| list.iter().find(|entry| entry["text"] == "the door opened"));
    let entry = entry.unwrap_or_else(|| panic!("the line is listed: {list}"));
    assert_eq!((&entry["host"], entry.get("mode")), (&json!("hall"), None), "{entry}");
    let status = client.request("status", json!({})).await.expect("a status");
    assert_eq!(status["queuedSystemEvents"], json!(["the door opened"]));
    let (code, message) = refused(&mut client, "system-event", json!({"text": " "})).await;
    assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", "text required"));
    let huge = json!({"text": "x".repeat(70_000)});
    assert_eq!(refused(&mut client, "system-event", huge).await.0, "INVALID_REQUEST");
    let mut reader = reader(&gateway).await;
    assert_eq!(refused(&mut reader, "system-event", json!({"text": "x"})).await.0, "FORBIDDEN");
}

#[tokio::test]
async fn preferences_belong_to_the_person() {
    let gateway = gateway().start().await;
    let (mut here, mut there, mut nobody) = (owner(&gateway).await, owner(&gateway).await, gateway.operator().await);
    let profile = here.request("users.self", json!({})).await.expect("the owner")["profile"].clone();
    assert_eq!((&profile["id"], &profile["hasAvatar"]), (&json!("gateway-owner"), &json!(false)), "{profile}");
    let again = there.request("users.self", json!({})).await.expect("the owner")["profile"].clone();
    assert_eq!(again["createdAt"], profile["createdAt"], "seen first once");

    let set = json!({"entries": {"theme": {"dark": true}, "size": 3}});
    assert_eq!(here.request("users.prefs.set", set.clone()).await.expect("stored"), json!({"status": "ok"}));
    let changed = there.event("users.prefs.changed", |_| true).await;
    assert_eq!(changed, json!({"profileId": "gateway-owner", "keys": ["size", "theme"]}));
    let all = there.request("users.prefs.get", json!({"keys": ["theme", "x"]})).await.expect("preferences");
    assert_eq!(all, json!({"status": "ok", "entries": {"theme": {"dark": true}}}));
    let stale = json!({"entries": {"size": 4}, "expectedEntries": {"size": 9}});
    assert_eq!(here.request("users.prefs.set", stale).await.expect("an answer")["status"], "conflict");

    assert_eq!(nobody.request("users.prefs.set", set).await.expect("an answer")["status"], "no_durable_identity");
    assert_eq!(nobody.request("users.prefs.get", json!({})).await.expect("an answer")["status"], "no_durable_identity");
    assert!(refused(&mut here, "users.prefs.set", json!({})).await.1.starts_with("invalid users.prefs.set params"));

    for round in 0..4 {
        let entries: Value = (0..32).map(|number| (format!("k{}", round * 32 + number), json!(1))).collect();
        let reply = here.request("users.prefs.set", json!({"entries": entries})).await;
        match reply {
            Ok(_) => assert!(round < 3, "two and four times 32 are more than 128"),
            Err(error) => {
                assert_eq!(
                    error["details"],
                    json!({"code": "USER_PREFS_LIMIT_EXCEEDED", "limit": 128, "currentCount": 98})
                );
            }
        }
    }
}

#[tokio::test]
async fn wake_words_are_cleaned_told_and_kept() {
    let mut gateway = gateway().start().await;
    let (mut client, mut other) = (gateway.operator().await, gateway.operator().await);
    let first = client.request("voicewake.get", json!({})).await.expect("the words");
    assert_eq!(first, json!({"triggers": ["openclaw", "claude", "computer"]}));
    let (_, message) = refused(&mut client, "voicewake.set", json!({"triggers": "x"})).await;
    assert_eq!(message, "voicewake.set requires triggers: string[]");
    let words = json!({"triggers": [" hey ", "", 7, "you"]});
    let set = client.request("voicewake.set", words).await.expect("new words");
    assert_eq!(set, json!({"triggers": ["hey", "you"]}));
    assert_eq!(other.event("voicewake.changed", |_| true).await, set);
    gateway.kill9().await;
    gateway.restart().await;
    let mut client = gateway.operator().await;
    assert_eq!(client.request("voicewake.get", json!({})).await.expect("the words"), set);
    let routing = client.request("voicewake.routing.get", json!({})).await.expect("the routing");
    assert_eq!(routing["config"]["defaultTarget"], json!({"mode": "current"}), "{routing}");
    let mut reader = reader(&gateway).await;
    assert_eq!(refused(&mut reader, "voicewake.set", json!({"triggers": []})).await.0, "FORBIDDEN");
}
