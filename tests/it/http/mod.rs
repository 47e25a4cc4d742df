//! The HTTP surface (protocol §9): every route by its verb, its authentication, its body and its bounds.

mod follow;
mod hooks;
mod pages;
mod programs;
mod proxied;

use crate::harness::{Gateway, Response, gateway};
use serde_json::json;

/// With every switch on.
async fn open_gateway() -> Gateway {
    let on = json!({"enabled": true});
    gateway()
        .config(json!({"gateway": {
            "auth": {"token": "the-gateway-token"},
            "http": {"endpoints": {"chatCompletions": on, "responses": on}},
        }}))
        .start()
        .await
}

const BEARER: (&str, &str) = ("authorization", "Bearer the-gateway-token");

/// A POST with the gateway's token.
async fn post(gateway: &Gateway, path: &str, body: &str) -> Response {
    gateway.send("POST", path, &[BEARER, ("content-type", "application/json")], body).await
}

fn assert_error(answer: &Response, status: u16, kind: &str, message: &str) {
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status, &error["type"], &error["message"]),
        (status, &json!(kind), &json!(message)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn probes_take_get_and_head_and_say_so() {
    let gateway = gateway().start().await;
    for path in ["/health", "/healthz", "/ready", "/readyz", "/startup", "/startupz"] {
        let read = gateway.get(path).await;
        assert_eq!((read.status, read.header("cache-control")), (200, "no-store"), "{path}");
        let head = gateway.send("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let refused = gateway.send(method, path, &[], "").await;
            assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"), "{method} {path}");
            assert_eq!(refused.body, "Method Not Allowed");
        }
        let slash = gateway.get(&format!("{path}/")).await;
        assert_eq!((slash.status, slash.body.as_str()), (404, "Not Found"), "{path}/");
    }
}

#[tokio::test]
async fn behind_an_unknown_proxy_only_the_live_probe_answers() {
    let gateway = gateway().start().await;
    let proxied = [("x-forwarded-for", "192.0.2.1")];
    assert_eq!(gateway.get_with("/healthz", &proxied).await.status, 200);
    for path in ["/readyz", "/startupz", "/", "/v1/models", "/anything"] {
        let refused = gateway.get_with(path, &proxied).await;
        assert_eq!(refused.status, 403, "{path}");
        assert_eq!(refused.json()["error"]["type"], "proxy_attribution_required", "{path}");
    }
}
