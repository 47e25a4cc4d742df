//! Nodes by the programs that people run: OpenClaw's own published node host and command line, and our command line.

use crate::harness::{Device, OpenClaw, eventually, gateway, seconds, tailnet};
use crate::nodes::declares;
use crate::pairing::{admitted, knock, node};
use serde_json::{Value, json};

/// The JSON that a command prints.
async fn printed(openclaw: &OpenClaw, arguments: &[&str]) -> Value {
    openclaw.run(&[arguments, &["--json"]].concat()).await.success().json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaws_own_node_serves_from_pairing_to_restart() {
    let mut gateway = gateway().start().await;
    let here = OpenClaw::local(gateway.port, &gateway.token());
    let machine = OpenClaw::bare();
    let port = gateway.port.to_string();
    let run = ["node", "run", "--host", "127.0.0.1", "--port", port.as_str()];
    let host = machine.start(&[&run[..], &["--display-name", "Bench"]].concat(), Some(&gateway.token()));

    let pending = eventually("the node waits for an approval", seconds(60), || async {
        let pending = printed(&here, &["nodes", "pending"]).await;
        if pending[0].is_object() { Ok(pending[0].clone()) } else { Err(host.log()) }
    })
    .await;
    assert_eq!((&pending["displayName"], &pending["platform"]), (&json!("Bench"), &json!("linux")), "{pending}");
    let commands = pending["commands"].as_array().unwrap();
    assert!(commands.contains(&json!("system.run")) && !commands.contains(&json!("file.fetch")), "{pending}");
    assert_eq!(pending["requiredApproveScopes"], json!(["operator.pairing", "operator.admin"]), "{pending}");
    let id = pending["nodeId"].as_str().unwrap();
    let which = ["nodes", "invoke", "--node", id, "--command", "system.which", "--params", r#"{"bins":["sh"]}"#];
    let refused = here.run(&which).await;
    assert_ne!(refused.code, Some(0), "nothing was approved yet: {}", refused.all());

    let approved = printed(&here, &["nodes", "approve", pending["requestId"].as_str().unwrap()]).await;
    assert_eq!((&approved["node"]["nodeId"], &approved["node"]["commands"]), (&json!(id), &pending["commands"]));
    let answer = printed(&here, &which).await;
    assert_eq!(answer["ok"], true, "{answer}");
    assert!(answer["payload"]["bins"]["sh"].as_str().is_some_and(|path| path.ends_with("/sh")), "{answer}");
    here.run(&["nodes", "rename", "--node", "Bench", "--name", "Desk"]).await.success();
    let shown = printed(&here, &["nodes", "describe", "--node", "Desk"]).await;
    assert_eq!((&shown["approvalState"], &shown["connected"]), (&json!("approved"), &json!(true)), "{shown}");
    let status = here.run(&["nodes", "status"]).await.success();
    assert!(status.all().contains("Known: 1 · Paired: 1 · Connected: 1"), "{}", status.all());

    drop(host);
    seen_as(&here, false).await;
    let which = [&which[..3], &["Desk"], &which[4..]].concat();
    let output = here.run(&which).await;
    assert_ne!(output.code, Some(0), "{}", output.all());
    assert!(output.all().contains("node not connected"), "{}", output.all());

    // It comes back by its own token, also when the gateway goes and comes, as what it was approved for.
    let _host = machine.start(&run, None);
    seen_as(&here, true).await;
    gateway.stop().await;
    gateway.restart().await;
    seen_as(&here, true).await;
    let log = gateway.log();
    let entered = log.lines().rev().find(|line| line.contains(" connected") && line.contains("node-host"));
    assert!(entered.is_some_and(|line| line.contains("device-token")), "it has no other credential: {log}");
    assert_eq!(printed(&here, &which).await["ok"], true, "{}", gateway.log());
}

/// Waits until the node is shown as here, or as away.
async fn seen_as(openclaw: &OpenClaw, connected: bool) {
    eventually("the node comes or goes", seconds(60), || async {
        let shown = printed(openclaw, &["nodes", "describe", "--node", "Desk"]).await;
        if shown["connected"] == connected { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn the_command_line_approves_renames_calls_and_removes_a_node() {
    let gateway = gateway().start().await;
    assert_eq!(gateway.cli(&["nodes", "list"]).await.success().stdout.trim(), "no nodes");
    let device = Device::new();
    let (mut node, _) = admitted(&gateway, &device, declares(&gateway, &["system.which"])).await;
    let waiting = gateway.cli(&["nodes", "pending"]).await.success().stdout;
    assert!(
        waiting.contains("Bench") && waiting.contains("system.which"),
        "it shows what would be approved: {waiting}"
    );
    let pending = gateway.cli(&["nodes", "pending", "--json"]).await.success().json();
    let request = pending[0]["requestId"].as_str().expect("a request").to_owned();
    let other = gateway.cli(&["nodes", "approve", "none-such"]).await;
    assert_eq!(other.code, Some(1), "{}", other.all());
    assert!(other.all().contains("tailclaw nodes pending"), "{}", other.all());
    let approved = gateway.cli(&["nodes", "approve", &request]).await.success().stdout;
    assert!(approved.contains("Approved Bench") && approved.contains("system.which"), "{approved}");
    gateway.cli(&["nodes", "rename", "--node", "bench", "--name", "Desk"]).await.success();
    let listed = gateway.cli(&["nodes", "status"]).await.success().stdout;
    assert!(listed.contains("Desk") && listed.contains("connected  approved"), "{listed}");

    let answers = async {
        let asked = node.event("node.invoke.request", |_| true).await;
        let reply =
            json!({"id": asked["id"], "nodeId": device.id(), "ok": true, "payload": {"bins": {"sh": "/bin/sh"}}});
        node.request("node.invoke.result", reply).await.expect("the answer is taken");
    };
    let call = ["nodes", "invoke", "--node", "Desk", "--command", "system.which", "--params", r#"{"bins":["sh"]}"#];
    let (called, ()) = tokio::join!(gateway.cli(&call), answers);
    assert_eq!(called.success().json(), json!({"bins": {"sh": "/bin/sh"}}));
    let wrong = gateway.cli(&["nodes", "invoke", "--node", "Desk", "--command", "x", "--params", "1"]).await;
    assert_eq!(wrong.code, Some(2), "{}", wrong.all());
    let refused = gateway.cli(&["nodes", "invoke", "--node", "Desk", "--command", "camera.snap"]).await;
    assert!(refused.code == Some(1) && refused.all().contains("not allowed"), "{}", refused.all());
    gateway.cli(&["nodes", "remove", "--node", "Desk"]).await.success();
    assert_eq!(gateway.cli(&["nodes", "list"]).await.success().stdout.trim(), "no nodes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaws_own_node_comes_over_the_tailnet_without_a_secret() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    // The policy lets alice be an operator and no node, and says so.
    let params = node(json!({}), "node-host", "linux", "Linux");
    let (_, reply) = knock(here.socket_from(&tailnet.alice).await, &Device::new(), params).await;
    let refusal = reply.expect_err("alice's grant names no node");
    assert!(refusal["message"].as_str().is_some_and(|text| text.contains(r#"add {"role":"node"}"#)), "{refusal}");

    here.reached_by(&tailnet.camera).await;
    let forwarder = tailnet.camera.forward(&here.host, here.gateway.port).await;
    let port = forwarder.port().to_string();
    let machine = OpenClaw::bare();
    let run = ["node", "run", "--host", "127.0.0.1", "--port", port.as_str(), "--display-name", "Far"];
    let host = machine.start(&run, None);
    let request = eventually("the node waits for an approval", seconds(60), || async {
        let pending = here.gateway.cli(&["nodes", "pending", "--json"]).await.success().json();
        pending[0]["requestId"].as_str().map(str::to_owned).ok_or_else(|| host.log())
    })
    .await;
    here.gateway.cli(&["nodes", "approve", &request]).await.success();
    let call = ["nodes", "invoke", "--node", "Far", "--command", "system.which", "--params", r#"{"bins":["sh"]}"#];
    let answer = here.gateway.cli(&call).await.success().json();
    assert!(answer["bins"]["sh"].as_str().is_some_and(|path| path.ends_with("/sh")), "{answer}");
    let node = here.gateway.cli(&["nodes", "describe", "--node", "Far", "--json"]).await.success().json();
    assert!(node["remoteIp"].as_str().is_some_and(|address| address.starts_with("100.")), "{node}");
}
