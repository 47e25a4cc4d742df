//! The page from a folder, and what a page asks for beside its files.

use super::{BEARER, open_gateway};
use crate::harness::{Device, Gateway, connect_params, gateway};
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

/// A built page, with things around it that are nobody's business.
fn page() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("page");
    std::fs::create_dir_all(root.join("assets")).unwrap();
    let html = "<html><script>alert(1)</script><script src=\"./assets/a.js\"></script></html>";
    for (name, text) in [("page/index.html", html), ("page/assets/a.js", "1"), ("page/.env", "x"), ("secret.js", "s")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("../secret.js", root.join("link.js")).unwrap();
    folder
}

async fn serving(root: &Path, base_path: &str) -> Gateway {
    let control_ui = json!({"root": root, "basePath": base_path});
    let config = json!({"gateway": {"auth": {"token": "the-gateway-token"}, "controlUi": control_ui}});
    gateway().config(config).start().await
}

#[tokio::test]
async fn a_page_is_served_from_a_folder_with_its_headers() {
    let folder = page();
    let gateway = serving(&folder.path().join("page"), "/").await;
    for path in ["/", "/index.html", "/chat/main", "/?x=1"] {
        let page = gateway.get(path).await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-cache"), "{path}");
        assert!(page.body.contains("src=\"/assets/a.js\""), "found at any depth: {}", page.body);
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("'sha256-bhHHL3z2vDgxUt0W3dWQ"),
            "{policy}"
        );
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
    let asset = gateway.get("/assets/a.js").await;
    assert_eq!((asset.status, asset.body.as_str()), (200, "1"));
    assert!(asset.header("content-type").starts_with("text/javascript"));
    assert!(asset.header("cache-control").contains("immutable"));
    let known = gateway.get_with("/assets/a.js", &[("if-none-match", asset.header("etag"))]).await;
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    assert_eq!(gateway.send("HEAD", "/", &[], "").await.body, "");
    assert_eq!(gateway.send("POST", "/", &[], "").await.status, 404);
}

#[tokio::test]
async fn nothing_outside_the_folder_is_served() {
    let folder = page();
    let gateway = serving(&folder.path().join("page"), "/").await;
    for path in [
        "/../secret.js",
        "/%2e%2e/secret.js",
        "/..%2fsecret.js",
        "/%2e%2e%2fsecret.js",
        "/assets/../../secret.js",
        "/assets/%2e%2e/%2e%2e/secret.js",
        "/..%5csecret.js",
        "/%252e%252e/secret.js",
        "/link.js",
        "/.env",
        "/%2eenv",
        "/assets//a.js",
        "//assets/a.js",
        "/assets/a.js%00",
        "/%zz.js",
        "/none.js",
    ] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "Not Found"), "{path}");
    }
}

#[tokio::test]
async fn a_base_path_holds_the_page_and_its_data() {
    let folder = page();
    let gateway = serving(&folder.path().join("page"), "ui/").await;
    let bare = gateway.get("/ui").await;
    assert_eq!((bare.status, bare.header("location")), (302, "/ui/"));
    let page = gateway.get("/ui/chat/main").await;
    assert!(page.body.contains("src=\"/ui/assets/a.js\""), "{}", page.body);
    assert!(page.body.contains("data-openclaw-control-ui-base-path=\"/ui\""), "{}", page.body);
    assert_eq!(gateway.get("/ui/assets/a.js").await.status, 200);
    let config = gateway.get_with("/ui/control-ui-config.json", &[BEARER]).await;
    assert_eq!(config.json()["basePath"], "/ui");
    for elsewhere in ["/", "/assets/a.js", "/uix/"] {
        assert_eq!(gateway.get(elsewhere).await.status, 404, "{elsewhere}");
    }
}

#[tokio::test]
async fn a_folder_without_a_page_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [json!({"root": folder.path()}), json!({"basePath": "/../x"})] {
        let output = gateway().config(json!({"gateway": {"controlUi": wrong}})).run().await;
        assert_eq!(output.code, Some(78), "{output:?}");
        assert!(output.all().contains("gateway.controlUi."), "{output:?}");
    }
}

const DATA: [&str; 5] = [
    "/control-ui-config.json",
    "/__openclaw/control-ui-config.json",
    "/__openclaw__/control-ui-config.json",
    "/avatar/main?meta=1",
    "/api/users/gateway-owner/avatar",
];

#[tokio::test]
async fn what_a_page_asks_for_is_not_everybodys() {
    let gateway = open_gateway().await;
    for path in DATA {
        assert_eq!(gateway.get(path).await.status, 401, "{path}");
        assert_eq!(gateway.get_with(path, &[("authorization", "Bearer wrong")]).await.status, 401, "{path}");
    }
    let config = gateway.get_with(DATA[0], &[BEARER]).await;
    assert_eq!((config.status, config.header("cache-control")), (200, "no-cache"));
    let config = config.json();
    assert_eq!((&config["assistantAgentId"], &config["terminalEnabled"]), (&json!("main"), &json!(false)));
    assert!(config.get("serverBuildId").is_none(), "a page would insist on being of that build");
    let none = json!({"avatarUrl": null, "avatarSource": null, "avatarStatus": null, "avatarReason": null});
    assert_eq!(gateway.get_with("/avatar/main?meta=1", &[BEARER]).await.json(), none);
    assert_eq!(gateway.get_with("/avatar/main", &[BEARER]).await.status, 404);
    assert_eq!(gateway.get_with("/api/users/gateway-owner/avatar", &[BEARER]).await.status, 404);
    assert_eq!(gateway.send("POST", DATA[0], &[BEARER], "").await.status, 404);
}

#[tokio::test]
async fn a_device_reads_with_its_token_what_a_page_reads_and_no_more() {
    let gateway = open_gateway().await;
    let mut client = gateway.socket().await;
    let (nonce, ts) = client.challenge().await;
    let params = Device::new().sign(3, connect_params("the-gateway-token"), &nonce, ts);
    let hello = client.connect(params).await.expect("the device is paired silently");
    let token = format!("Bearer {}", hello["auth"]["deviceToken"].as_str().expect("a device token"));
    let bearer = [("authorization", token.as_str())];
    assert_eq!(gateway.get_with(DATA[0], &bearer).await.status, 200);
    for private in ["/v1/models", "/sessions/main/history"] {
        assert_eq!(gateway.get_with(private, &bearer).await.status, 401, "{private}");
    }
}
