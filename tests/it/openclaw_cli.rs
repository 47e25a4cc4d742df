//! OpenClaw's own published command line against the gateway: what its users type today must work unchanged.

use crate::harness::{Machine, OpenClaw, Output, gateway, tailnet};
use serde_json::{Value, json};

/// Every command of the main job: its exit code and that it shows what it is for.
async fn main_commands(openclaw: &OpenClaw) {
    let shows = async |arguments: &[&str], wanted: &[&str]| {
        let output: Output = openclaw.run(arguments).await;
        assert_eq!(output.code, Some(0), "openclaw {arguments:?}: {}", output.all());
        for text in wanted {
            assert!(output.all().contains(text), "openclaw {arguments:?} does not show {text:?}: {}", output.all());
        }
    };
    tokio::join!(
        shows(&["health"], &["Agents: main (default)"]),
        shows(&["gateway", "status"], &["Connectivity probe: ok"]),
        shows(&["gateway", "probe"], &["Reachable: yes", "Connect: ok"]),
        shows(&["gateway", "call", "health"], &["\"ok\": true", "\"defaultAgentId\": \"main\""]),
        shows(&["status", "--deep"], &["OpenClaw status", "reachable", "Health"]),
        shows(&["agent", "--agent", "main", "--message", "hi there"], &["echo: hi there"]),
        shows(&["logs", "--limit", "50"], &["Log file:"]),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaw_cli_works_on_loopback() {
    let gateway = gateway().start().await;
    main_commands(&OpenClaw::local(gateway.port, &gateway.token())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaw_cli_works_through_the_tailnet() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    let forwarder = tailnet.alice.forward(&here.host, here.gateway.port).await;
    main_commands(&OpenClaw::local(forwarder.port(), &here.gateway.token())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaw_cli_works_in_remote_mode() {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    let forwarder = tailnet.alice.forward(&here.host, here.gateway.port).await;
    let openclaw = OpenClaw::remote(&format!("ws://{forwarder}"), &here.gateway.token());
    let health = openclaw.run(&["health"]).await.success();
    assert!(health.all().contains("main"), "{}", health.all());
    let named = openclaw.run_with_url(&["gateway", "call", "health"]).await.success();
    assert!(named.all().contains("\"ok\": true"), "{}", named.all());
    let answer = openclaw.run(&["agent", "--agent", "main", "--message", "from afar"]).await.success();
    assert!(answer.all().contains("echo: from afar"), "{}", answer.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaw_cli_fails_clearly_with_a_wrong_token() {
    let gateway = gateway().start().await;
    let openclaw = OpenClaw::local(gateway.port, "not-the-token");
    let output = openclaw.run(&["gateway", "call", "health"]).await;
    assert_ne!(output.code, Some(0), "{}", output.all());
    assert!(output.all().contains("unauthorized: gateway token mismatch"), "{}", output.all());
}

/// Both command lines take the same secret of those that they could take, and refuse the same addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaw_cli_and_ours_take_the_same_secrets_for_a_remote_gateway() {
    let own = gateway().config(json!({"gateway": {"auth": {"mode": "token", "token": "right"}}})).start().await;
    let (token, password) = ("OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_GATEWAY_PASSWORD");
    let here = own.url();
    type Row<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str], bool);
    let rows: &[Row<'_>] = &[
        (json!({"url": here, "token": "right"}), &[(token, "wrong")], &[], true),
        (json!({"url": here, "token": "wrong"}), &[(token, "right")], &[], false),
        (json!({"url": here}), &[(token, "right")], &[], true),
        (json!({"url": here, "password": "wrong"}), &[(password, "right")], &[], true),
        (json!({"url": here, "password": "right"}), &[(password, "wrong")], &[], false),
        (json!({"url": here, "token": "wrong"}), &[], &["--token", "right"], true),
        (json!({"url": here, "token": "right"}), &[(token, "right")], &["--url", &here], false),
        (json!({"url": "ws://127.0.0.1:1", "token": "right"}), &[("OPENCLAW_GATEWAY_URL", &here)], &[], false),
        (json!({"url": "ws://127.0.0.1:1"}), &[("OPENCLAW_GATEWAY_URL", &here), (token, "right")], &[], true),
        (json!({"url": "ws://203.0.113.9:1", "token": "right"}), &[], &[], false),
    ];
    for (remote, environment, flags, is_let_in) in rows {
        let arguments = [&["gateway", "call", "health"][..], flags].concat();
        let theirs = OpenClaw::with_remote(remote).run_with_env(environment, &arguments).await;
        let machine = Machine::new(&json!({"gateway": {"mode": "remote", "remote": remote}}));
        let machine = environment.iter().fold(machine, |machine, (name, value)| machine.env(name, value));
        let ours = machine.run(&arguments).await;
        let both = (theirs.code == Some(0), ours.code == Some(0));
        assert_eq!(both, (*is_let_in, *is_let_in), "{remote} {environment:?} {flags:?}: {theirs:?} {ours:?}");
    }
}
