//! Starting: what the configuration may say, how its mistakes are told, and which addresses are served.

use crate::harness::{LAN_ADDRESS, LanHost, OpenClaw, eventually, free_port, gateway, get, seconds, tailnet};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

/// `EX_CONFIG` of sysexits: the configuration is wrong.
const EX_CONFIG: i32 = 78;

#[tokio::test]
async fn a_fresh_gateway_makes_its_token_and_prints_the_link() {
    let gateway = gateway().start().await;
    let token = gateway.token();
    assert!(token.len() >= 32, "a token that cannot be guessed, not {} characters", token.len());
    let mode = std::fs::metadata(gateway.state_folder().join("gateway-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let link = format!("http://127.0.0.1:{}/#token={token}", gateway.port);
    let localhost = link.replace("127.0.0.1", "localhost");
    eventually("the link is printed", seconds(5), || async {
        let log = gateway.log();
        if log.contains(&link) || log.contains(&localhost) { Ok(()) } else { Err(log) }
    })
    .await;

    // The command line beside it uses that token without being told.
    let health = gateway.cli(&["health", "--json"]).await.success();
    assert_eq!(health.json()["ok"], true, "{health:?}");
    let answer = gateway.cli(&["agent", "--agent", "main", "--message", "hello"]).await.success();
    assert!(answer.stdout.contains("echo: hello"), "{answer:?}");
}

#[tokio::test]
async fn the_token_is_the_same_after_a_restart() {
    let mut gateway = gateway().start().await;
    let token = gateway.token();
    gateway.stop().await;
    gateway.restart().await;
    assert_eq!(gateway.token(), token);
    gateway.operator().await.request("health", json!({})).await.expect("the token still opens");
}

#[tokio::test]
async fn every_mistake_of_a_configuration_is_told_at_once() {
    let text = r#"{
        // json5: comments and trailing commas are fine, all that follows is not
        gateway: {
            port: 99999999,
            bind: "everywhere",
            prot: 1,
            auth: {mode: "magic", tailscale: {require: 5}},
            tailscale: {node: "sideways", hostname: "two words"},
            controlUi: {allowedOrigins: "not-a-list"},
        },
        gatewey: {},
    }"#;
    let output = gateway().config_text(text).run().await;
    assert_eq!(output.code, Some(EX_CONFIG), "{output:?}");
    for path in [
        "gateway.port",
        "gateway.bind",
        "gateway.prot",
        "gateway.auth.mode",
        "gateway.auth.tailscale.require",
        "gateway.tailscale.node",
        "gateway.tailscale.hostname",
        "gateway.controlUi.allowedOrigins",
        "gatewey",
    ] {
        assert!(output.stderr.contains(path), "{path} is not named in: {}", output.stderr);
    }
}

#[tokio::test]
async fn a_configuration_that_is_no_json5_is_refused_with_its_place() {
    let output = gateway().config_text("{\n  gateway: {\n    port: ,\n  }\n}\n").run().await;
    assert_eq!(output.code, Some(EX_CONFIG), "{output:?}");
    assert!(output.stderr.contains("tailclaw.json"), "{}", output.stderr);
    assert!(output.stderr.contains('3'), "the line is named: {}", output.stderr);
}

#[tokio::test]
async fn config_validate_get_and_set_agree_with_the_start() {
    let gateway = gateway().start().await;
    gateway.cli(&["config", "validate"]).await.success();
    gateway.cli(&["config", "set", "gateway.tailscale.hostname", "my-gateway"]).await.success();
    let value = gateway.cli(&["config", "get", "gateway.tailscale.hostname"]).await.success();
    assert!(value.stdout.contains("my-gateway"), "{value:?}");
    let refused = gateway.cli(&["config", "set", "gateway.bind", "everywhere"]).await;
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("gateway.bind"), "{refused:?}");
    gateway.cli(&["config", "validate"]).await.success();
}

#[tokio::test]
async fn a_taken_port_ends_the_start_with_a_sentence() {
    let first = gateway().start().await;
    let port = first.port.to_string();
    let output = gateway().arguments(&["--port", &port]).run().await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains(&port), "the port is named: {}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    assert_eq!(first.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn two_gateways_do_not_share_a_state_folder() {
    let first = gateway().start().await;
    let folder = first.state_folder().to_str().unwrap().to_owned();
    let second = gateway().env("TAILCLAW_STATE_DIR", &folder);
    let port = second.port.to_string();
    let output = second.arguments(&["--port", &port]).run().await;
    assert!(output.code.is_some_and(|code| code != 0), "{output:?}");
    assert!(output.stderr.contains(&folder), "the folder is named: {}", output.stderr);
    first.operator().await.request("health", json!({})).await.expect("the first serves on");
}

#[tokio::test]
async fn arguments_win_over_the_environment_and_that_over_the_file() {
    let (by_openclaw, by_tailclaw, by_argument) = (free_port(), free_port(), free_port());
    let serves = async |port: u16| get(&format!("http://127.0.0.1:{port}"), "/healthz").await.is_ok();

    let base = gateway().env("OPENCLAW_GATEWAY_PORT", &by_openclaw.to_string());
    let mut builder = base.env("OPENCLAW_GATEWAY_TOKEN", "token-from-openclaws-variable");
    builder.port = by_openclaw;
    let running = builder.start().await;
    let mut client = running.socket().await;
    client.challenge().await;
    let params = crate::harness::connect_params("token-from-openclaws-variable");
    client.connect(params).await.expect("OpenClaw's own variables count");
    drop(running);

    let mut builder = gateway().env("OPENCLAW_GATEWAY_PORT", &by_openclaw.to_string());
    builder = builder.env("TAILCLAW_GATEWAY_PORT", &by_tailclaw.to_string());
    builder.port = by_tailclaw;
    let running = builder.clone().start().await;
    assert!(serves(by_tailclaw).await);
    drop(running);

    let mut builder = builder.arguments(&["--port", &by_argument.to_string()]);
    builder.port = by_argument;
    let _running = builder.start().await;
    assert!(serves(by_argument).await && !serves(by_tailclaw).await);
}

#[tokio::test]
async fn other_addresses_than_loopback_ask_for_authentication() {
    for bind in ["lan", "custom", "tailnet"] {
        let open = json!({"gateway": {
            "bind": bind, "customBindHost": "0.0.0.0", "auth": {"mode": "none", "allowTailscale": false},
        }});
        let output = gateway().config(open).run().await;
        assert_eq!(output.code, Some(EX_CONFIG), "bind {bind} without authentication: {output:?}");
        assert!(output.stderr.contains("gateway.auth.mode"), "the fix is named: {}", output.stderr);
    }
}

#[tokio::test]
async fn lan_and_custom_binds_keep_loopback() {
    for (settings, lan) in [
        (json!({"gateway": {"bind": "lan"}}), true),
        (json!({"gateway": {"bind": "custom", "customBindHost": LAN_ADDRESS}}), true),
        (json!({"gateway": {"bind": "loopback"}}), false),
    ] {
        let host = LanHost::start(gateway().config(settings.clone())).await;
        assert_eq!(host.get("127.0.0.1", "/whoami", &[]).await.json()["path"], "loopback", "{settings}");
        let on_lan = host.try_get(LAN_ADDRESS, "/whoami").await;
        match on_lan {
            Ok(answer) => assert!(lan && answer.json()["path"] == "network", "{settings}: {answer:?}"),
            Err(error) => assert!(!lan, "{settings}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tailnet_bind_keeps_loopback() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    assert_eq!(here.gateway.get("/whoami").await.json()["path"], "loopback");
    assert_eq!(here.whoami(&tailnet.alice).await["path"], "tailnet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaws_command_line_reads_the_gateways_configuration() {
    let gateway = gateway().start().await;
    let output = OpenClaw::local(gateway.port, &gateway.token());
    let call = output.run(&["gateway", "call", "config.get"]).await.success();
    assert!(call.all().contains("\"valid\": true"), "{}", call.all());
    assert!(!call.all().contains(&gateway.token()), "secrets are redacted: {}", call.all());
}
