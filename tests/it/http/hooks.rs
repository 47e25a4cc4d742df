//! `/hooks/…`: what other services set off, with a token of their own.

use super::BEARER;
use crate::harness::{Gateway, Response, gateway};
use serde_json::{Value, json};

const TOKEN: &str = "the-token-of-the-hooks";
const HOOK_BEARER: (&str, &str) = ("authorization", "Bearer the-token-of-the-hooks");

fn settings(more: Value) -> Value {
    let mut hooks = json!({"enabled": true, "token": TOKEN});
    hooks.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"gateway": {"auth": {"token": "the-gateway-token"}}, "hooks": hooks})
}

async fn with_hooks(more: Value) -> Gateway {
    gateway().config(settings(more)).start().await
}

async fn hook(gateway: &Gateway, name: &str, body: &Value) -> Response {
    gateway.send("POST", &format!("/hooks/{name}"), &[HOOK_BEARER], &body.to_string()).await
}

#[tokio::test]
async fn hooks_are_off_unless_configured() {
    let gateway = gateway().start().await;
    assert_eq!(gateway.send("POST", "/hooks/wake", &[HOOK_BEARER], "{}").await.status, 404);
}

#[tokio::test]
async fn a_hook_wants_its_own_token_and_no_other() {
    let gateway = with_hooks(json!({})).await;
    for headers in [vec![], vec![BEARER], vec![("x-openclaw-token", "wrong")]] {
        let refused = gateway.send("POST", "/hooks/agent", &headers, r#"{"message": "x"}"#).await;
        assert_eq!((refused.status, refused.body.as_str()), (401, "Unauthorized"));
    }
    let in_the_query = gateway.send("POST", &format!("/hooks/wake?token={TOKEN}"), &[HOOK_BEARER], "{}").await;
    assert_eq!(in_the_query.status, 400);
    assert!(in_the_query.body.contains("query parameters are not allowed"), "{in_the_query:?}");
    for method in ["GET", "PUT", "DELETE"] {
        let refused = gateway.send(method, "/hooks/wake", &[HOOK_BEARER], "").await;
        assert_eq!((refused.status, refused.header("allow")), (405, "POST"), "{method}");
    }
    for nowhere in ["/hooks", "/hooks/", "/hooks/none-such", "/hooks/%zz"] {
        assert_eq!(gateway.send("POST", nowhere, &[HOOK_BEARER], "{}").await.status, 404, "{nowhere}");
    }
    let other_header = gateway.send("POST", "/hooks/agent", &[("x-openclaw-token", TOKEN)], "{}").await;
    assert_eq!((other_header.status, other_header.json()), (400, json!({"ok": false, "error": "message required"})));
    assert_eq!(gateway.get_with("/sessions/main/history", &[HOOK_BEARER]).await.status, 401, "it opens hooks alone");
}

#[tokio::test]
async fn twenty_guesses_are_enough_and_the_right_token_still_counts() {
    let gateway = with_hooks(json!({})).await;
    let wrong = [("authorization", "Bearer wrong")];
    for _ in 0..20 {
        assert_eq!(gateway.send("POST", "/hooks/wake", &wrong, "{}").await.status, 401);
    }
    let locked = gateway.send("POST", "/hooks/wake", &wrong, "{}").await;
    assert_eq!((locked.status, locked.body.as_str()), (429, "Too Many Requests"));
    assert!((1..=60).contains(&locked.header("retry-after").parse::<u64>().unwrap()), "{locked:?}");
    assert_eq!(hook(&gateway, "wake", &json!({})).await.status, 400);
}

#[tokio::test]
async fn a_message_is_given_to_the_agent_once() {
    let gateway = with_hooks(json!({"defaultSessionKey": "hook:inbox"})).await;
    let headers = [HOOK_BEARER, ("idempotency-key", "delivery-1")];
    let body = json!({"message": "the build is red", "name": "CI"}).to_string();
    let first = gateway.send("POST", "/hooks/agent", &headers, &body).await;
    assert_eq!((first.status, &first.json()["ok"]), (200, &json!(true)), "{first:?}");
    let again = gateway.send("POST", "/hooks/agent", &headers, &body).await;
    assert_eq!(again.json(), first.json(), "the same delivery");
    let run = json!({"runId": first.json()["runId"], "timeoutMs": 10_000});
    let ended = gateway.operator().await.request("agent.wait", run).await.expect("the run is known");
    assert_eq!(ended["status"], "ok", "{ended}");
    let history = gateway.get_with("/sessions/hook%3Ainbox/history", &[BEARER]).await.json();
    let items = history["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{history}");
    let said = items[0].to_string();
    assert!(said.contains("the build is red") && said.contains("CI: sent by another program"), "{said}");
}

#[tokio::test]
async fn a_caller_does_not_choose_the_session_unless_it_may() {
    let asked = json!({"message": "x", "sessionKey": "hook:mine"});
    let closed = with_hooks(json!({})).await;
    let refused = hook(&closed, "agent", &asked).await;
    assert!(refused.json()["error"].as_str().unwrap().contains("hooks.allowRequestSessionKey"), "{refused:?}");
    let open = json!({"allowRequestSessionKey": true, "allowedSessionKeyPrefixes": ["hook:"]});
    let open = with_hooks(open).await;
    assert_eq!(hook(&open, "agent", &asked).await.status, 200);
    for wrong in ["main", "agent:main:main", "agent:other:hook:x"] {
        let refused = hook(&open, "agent", &json!({"message": "x", "sessionKey": wrong})).await;
        assert_eq!(refused.status, 400, "{wrong}: {refused:?}");
    }
}

#[tokio::test]
async fn a_wake_is_queued_for_the_main_session() {
    let gateway = with_hooks(json!({})).await;
    let later = hook(&gateway, "wake", &json!({"text": "rain", "mode": "next-heartbeat"})).await;
    let expected = json!({"ok": true, "mode": "next-heartbeat", "eventOutcome": "queued"});
    assert_eq!((later.status, later.json()), (200, expected));
    let now = hook(&gateway, "wake", &json!({"text": "sun"})).await;
    assert_eq!((now.status, &now.json()["mode"]), (200, &json!("now")));
    let empty = hook(&gateway, "wake", &json!({"text": " "})).await;
    assert_eq!((empty.status, empty.json()), (400, json!({"ok": false, "error": "text required"})));
}

#[tokio::test]
async fn a_mapping_tells_the_agent_what_a_service_sent() {
    let gateway = with_hooks(json!({
        "allowedSessionKeyPrefixes": ["hook:"],
        "mappings": [
            {"match": {"path": "build", "source": "ci"}, "messageTemplate": "{{payload.title}} by {{headers.x-who}}",
             "sessionKey": "hook:{{payload.id}}"},
            {"match": {"path": "bell"}, "action": "wake", "textTemplate": "{{who}} rings"},
            {"match": {"path": "silence"}, "messageTemplate": "{{nothing}}"},
        ],
    }))
    .await;
    let body = json!({"source": "ci", "title": "red", "id": 7}).to_string();
    let mapped = gateway.send("POST", "/hooks/build", &[HOOK_BEARER, ("x-who", "ada")], &body).await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    let history = gateway.get_with("/sessions/hook%3A7/history", &[BEARER]).await.json();
    assert!(history["items"][0].to_string().contains("red by ada"), "{history}");
    assert_eq!(hook(&gateway, "bell", &json!({"who": "Bob"})).await.json()["eventOutcome"], "queued");
    assert_eq!(hook(&gateway, "build", &json!({"source": "other"})).await.status, 404);
    let empty = hook(&gateway, "silence", &json!({})).await;
    assert_eq!((empty.status, empty.json()), (400, json!({"ok": false, "error": "hook mapping requires message"})));
}

#[tokio::test]
async fn a_hook_that_cannot_be_understood_is_told_so() {
    let gateway = with_hooks(json!({})).await;
    for (body, error) in [
        (json!({}), "message required"),
        (json!([]), "message required"),
        (json!({"message": "x", "agentId": "nobody"}), "unknown agentId \"nobody\""),
        (json!({"message": "x", "channel": "zzz"}), "channel must be last"),
        (json!({"message": "x", "model": ""}), "model required"),
    ] {
        let refused = hook(&gateway, "agent", &body).await;
        assert_eq!((refused.status, refused.json()), (400, json!({"ok": false, "error": error})), "{body}");
    }
    let broken = gateway.send("POST", "/hooks/agent", &[HOOK_BEARER], "{").await;
    assert_eq!((broken.status, &broken.json()["ok"]), (400, &json!(false)));
    let large = gateway.send("POST", "/hooks/agent", &[HOOK_BEARER], &" ".repeat(256 * 1024 + 1)).await;
    assert_eq!((large.status, large.json()), (413, json!({"ok": false, "error": "payload too large"})));
}

#[tokio::test]
async fn a_configuration_that_gives_too_much_away_does_not_start() {
    for (wrong, key) in [
        (json!({"token": "the-gateway-token"}), "hooks.token"),
        (json!({"token": null}), "hooks.token"),
        (json!({"path": "/"}), "hooks.path"),
        (json!({"mappings": [{"sessionKey": "{{a}}"}]}), "hooks.allowedSessionKeyPrefixes"),
    ] {
        let output = gateway().config(settings(wrong)).run().await;
        assert_eq!(output.code, Some(78), "{output:?}");
        assert!(output.all().contains(key), "{output:?}");
    }
}
