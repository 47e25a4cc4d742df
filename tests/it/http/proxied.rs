//! Programs behind a trusted proxy that names its user, and the header that narrows what a request may do.

use super::BEARER;
use crate::harness::{Gateway, connect_params, gateway};
use serde_json::{Value, json};

async fn behind_a_proxy() -> Gateway {
    let on = json!({"enabled": true});
    gateway()
        .config(json!({"gateway": {
            "trustedProxies": ["127.0.0.1"],
            "auth": {"mode": "trusted-proxy", "trustedProxy": {"userHeader": "x-user", "allowLoopback": true}},
            "http": {"endpoints": {"chatCompletions": on}},
        }}))
        .start()
        .await
}

const CLIENT: (&str, &str) = ("x-forwarded-for", "203.0.113.9");
const ALICE: (&str, &str) = ("x-user", "alice@example.com");

fn missing(scope: &str) -> Value {
    json!({"ok": false, "error": {
        "type": "forbidden", "message": format!("missing scope: {scope}"),
        "details": {"code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope]},
    }})
}

#[tokio::test]
async fn a_proxys_user_may_what_the_header_leaves() {
    let gateway = behind_a_proxy().await;
    let wish = json!({"model": "openclaw", "user": "ann", "messages": [{"role": "user", "content": "hello"}]});
    let chat = ("POST", "/v1/chat/completions", wish.to_string(), "operator.write");
    let tool = ("POST", "/tools/invoke", json!({"tool": "x"}).to_string(), "operator.write");
    let models = ("GET", "/v1/models", String::new(), "operator.read");
    let history = ("GET", "/sessions/openai-user:ann/history", String::new(), "operator.read");
    let kill = ("POST", "/sessions/openai-user:ann/kill", String::new(), "operator.admin");
    for (method, path, body, scope) in [chat, tool, models, history, kill] {
        let ask = async |headers: &[(&str, &str)]| {
            let headers = [&[CLIENT, ALICE], headers].concat();
            gateway.send(method, path, &headers, &body).await
        };
        let refused = |status| status == 401 || status == 403;
        assert!(!refused(ask(&[]).await.status), "{path}: without the header nothing is taken away");
        assert!(!refused(ask(&[("x-openclaw-scopes", scope)]).await.status), "{path}");
        assert!(!refused(ask(&[("x-openclaw-scopes", "operator.admin")]).await.status), "{path}: admin is all");
        for narrow in ["operator.approvals", "", "all", "operator.everything"] {
            let answer = ask(&[("x-openclaw-scopes", narrow)]).await;
            assert_eq!((answer.status, answer.json()), (403, missing(scope)), "{path}: {narrow:?}");
        }
        // The proxy's beside the client's own: nobody knows which is which.
        let twice = ask(&[("x-openclaw-scopes", scope), ("x-openclaw-scopes", "operator.admin")]).await;
        assert_eq!(twice.status, 403, "{path}: {twice:?}");
        // A page that the proxy's user happens to visit.
        for origin in ["https://evil.example", "null"] {
            assert_eq!(ask(&[("origin", origin)]).await.status, 401, "{path}: {origin}");
        }
        let nobody = gateway.send(method, path, &[CLIENT, ("x-openclaw-scopes", "operator.admin")], &body).await;
        assert_eq!(nobody.status, 401, "{path}: the header names nobody");
    }
}

#[tokio::test]
async fn the_shared_secret_is_the_whole_of_it() {
    let gateway = super::open_gateway().await;
    let narrow = ("x-openclaw-scopes", "operator.approvals");
    assert_eq!(gateway.get_with("/v1/models", &[BEARER, narrow]).await.status, 200);
    assert_eq!(gateway.get_with("/v1/models", &[("x-openclaw-scopes", "operator.admin")]).await.status, 401);
    let kill = gateway.send("POST", "/sessions/main/kill", &[BEARER, narrow], "").await;
    assert_eq!((kill.status, kill.json()), (403, missing("operator.admin")), "it names nobody");
}

#[tokio::test]
async fn a_socket_has_what_the_header_leaves() {
    let gateway = gateway().start().await;
    let scopes = async |asked: &[&str], header: &[(&str, &str)]| {
        let mut client = gateway.socket_with("/", header).await;
        client.challenge().await;
        let mut params = connect_params(&gateway.token());
        params["scopes"] = json!(asked);
        let hello = client.connect(params).await.expect("the token is right");
        (hello["auth"]["scopes"].clone(), client)
    };
    let (read, write, admin) = ("operator.read", "operator.write", "operator.admin");
    let (all, _) = scopes(&[read, write], &[]).await;
    assert_eq!(all, json!([read, write]));
    let (left, mut client) = scopes(&[read, write], &[("x-openclaw-scopes", "operator.read, operator.admin")]).await;
    assert_eq!(left, json!([read]));
    client.request("sessions.list", json!({})).await.expect("reading is left");
    let refused = client.request("chat.abort", json!({"sessionKey": "main"})).await.expect_err("writing is not");
    assert_eq!(refused["details"]["missingScope"], write, "{refused}");
    for (asked, header) in [(admin, read), (read, admin), (read, "")] {
        let (left, _) = scopes(&[asked], &[("x-openclaw-scopes", header)]).await;
        assert_eq!(left, json!([]), "{asked} under {header:?}");
    }
}
