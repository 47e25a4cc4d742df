//! The HTTP surface (protocol §9): every route by its verb, its authentication, its body and its bounds.

use crate::harness::gateway;

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
