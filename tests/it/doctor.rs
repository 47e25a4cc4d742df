//! `tailclaw doctor`: what it finds, with the gateway up and down, and what it repairs.

use crate::harness::{Gateway, Output, gateway, tailnet};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

fn find<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("a list of checks");
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check {id}: {report}"))
}

fn status<'a>(report: &'a Value, id: &str) -> &'a str {
    find(report, id)["status"].as_str().expect("a status")
}

async fn doctor(gateway: &Gateway, arguments: &[&str]) -> Output {
    gateway.cli(&[&["doctor"], arguments].concat()).await
}

#[tokio::test]
async fn a_healthy_gateway_has_one_line_a_check() {
    let mut gateway = gateway().start().await;
    let shown = doctor(&gateway, &[]).await.success().stdout;
    let lines: Vec<&str> = shown.lines().collect();
    for id in ["config", "state-folder", "auth", "bind", "port", "gateway", "tailnet"] {
        let found = lines.iter().filter(|line| line.split_whitespace().nth(1) == Some(id)).count();
        assert_eq!(found, 1, "{id} in {shown}");
    }
    assert!(lines.iter().any(|line| line.starts_with("ok    gateway")), "{shown}");
    let report = doctor(&gateway, &["--json"]).await.success().json();
    assert_eq!((&report["ok"], &report["fixed"]), (&json!(true), &json!([])), "{report}");
    assert!(!report.to_string().contains(&gateway.token()), "secrets stay where they are");
    let only = doctor(&gateway, &["--json", "--only", "port"]).await.success().json();
    assert_eq!(only["checks"].as_array().unwrap().len(), 1, "{only}");

    gateway.stop().await;
    let down = doctor(&gateway, &["--json"]).await.success().json();
    assert_eq!((status(&down, "gateway"), status(&down, "port")), ("warn", "ok"), "{down}");
    assert!(find(&down, "gateway")["fix"].as_str().unwrap().contains("tailclaw gateway"), "{down}");
}

#[tokio::test]
async fn open_files_are_a_failure_and_are_repaired() {
    let mut gateway = gateway().start().await;
    gateway.stop().await;
    let token = gateway.state_folder().join("gateway-token");
    let open =
        |path: &std::path::Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(gateway.state_folder(), 0o755);
    open(&token, 0o644);
    let draft = gateway.state_folder().join(".tailclaw-0.new");
    std::fs::write(&draft, "half").unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    std::fs::File::open(&draft).unwrap().set_modified(old).unwrap();

    let found = doctor(&gateway, &["--json"]).await;
    assert_eq!(found.code, Some(1), "{found:?}");
    let report = found.json();
    assert_eq!(status(&report, "state-folder"), "fail", "{report}");
    assert!(find(&report, "state-folder")["fix"].as_str().unwrap().starts_with("chmod 700"), "{report}");
    assert_eq!(status(&report, "leftovers"), "warn", "{report}");
    assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o644, "looking changes nothing");

    let repaired = doctor(&gateway, &["--fix", "--json"]).await.success().json();
    assert!(repaired["fixed"].as_array().unwrap().len() >= 3, "{repaired}");
    assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!draft.exists());
    gateway.restart().await;
    gateway.stop().await;
}

#[tokio::test]
async fn mistakes_of_the_configuration_are_named_with_their_fix() {
    let gateway = gateway().config(json!({"gateway": {"bind": "lan"}})).start().await;
    let exposed = doctor(&gateway, &["--json"]).await.json();
    assert_eq!(status(&exposed, "bind"), "warn", "{exposed}");
    std::fs::write(gateway.state_folder().join("tailclaw.json"), "{ gateway: { prot: 1 } }").unwrap();
    let broken = doctor(&gateway, &["--json"]).await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let report = broken.json();
    assert_eq!(status(&report, "config"), "fail", "{report}");
    assert!(find(&report, "config")["what"].as_str().unwrap().contains("gateway.prot"), "{report}");
}

#[tokio::test]
async fn a_port_that_another_program_has_is_a_failure() {
    let mut gateway = gateway().start().await;
    gateway.stop().await;
    let _other = tokio::net::TcpListener::bind(("127.0.0.1", gateway.port)).await.expect("the port is free again");
    let report = doctor(&gateway, &["--json", "--timeout", "500"]).await;
    assert_eq!(report.code, Some(1), "{report:?}");
    assert_eq!(status(&report.json(), "port"), "fail", "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_on_the_tailnet_is_looked_at_as_well() {
    let tailnet = tailnet().await;
    let mut here = tailnet.start_gateway(tailnet.gateway().await).await;
    let report = doctor(&here.gateway, &["--json"]).await.json();
    for (id, wanted) in [("tailnet", "ok"), ("key-expiry", "ok"), ("clock", "ok"), ("magic-dns", "ok"), ("grant", "ok")]
    {
        assert_eq!(status(&report, id), wanted, "{id}: {report}");
    }
    assert_eq!(status(&report, "https"), "warn", "headscale gives no certificates: {report}");
    here.gateway.stop().await;
    let down = doctor(&here.gateway, &["--json"]).await.json();
    assert!(find(&down, "tailnet")["what"].as_str().unwrap().contains("has joined before"), "{down}");
}

/// Such a daemon hands tailnet traffic to loopback ports: loopback is then not private.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tailscaled_without_an_interface_is_told() {
    let tailnet = tailnet().await;
    let socket = tailnet.alice.socket().to_str().expect("a path of text").to_owned();
    let settings = json!({"gateway": {"tailscale": {"node": "host", "socket": socket}}});
    let mut gateway = gateway().config(settings.clone()).start().await;
    let report = doctor(&gateway, &["--json"]).await.json();
    assert_eq!(status(&report, "tailscaled"), "warn", "{report}");
    assert!(find(&report, "tailscaled")["what"].as_str().unwrap().contains("loopback ports"), "{report}");
    gateway.stop().await;
    // Proven, and not only said: what comes to that machine's address arrives on its loopback.
    let mut open =
        crate::harness::gateway().config(settings).config(json!({"gateway": {"auth": {"mode": "none"}}})).start().await;
    let report = doctor(&open, &["--json", "--only", "tailscaled"]).await;
    assert_eq!(report.code, Some(1), "{report:?}");
    let address = tailnet.alice.status().await["Self"]["TailscaleIPs"][0].as_str().expect("an address").to_owned();
    let port = open.port;
    let whoami = crate::harness::eventually("bob reaches it", crate::harness::seconds(60), || {
        tailnet.bob.get(&address, port, "/whoami")
    });
    assert_eq!(whoami.await.json()["path"], "loopback");
    open.stop().await;
}
