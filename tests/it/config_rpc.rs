//! The configuration over the wire and while the gateway runs: what is shown, written, refused and taken over.

use crate::harness::{Gateway, RawClient, connect_params, eventually, gateway, seconds};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn file_of(gateway: &Gateway) -> PathBuf {
    gateway.state_folder().join("tailclaw.json")
}

fn text_of(gateway: &Gateway) -> String {
    std::fs::read_to_string(file_of(gateway)).expect("the configuration is read")
}

async fn get(client: &mut RawClient) -> Value {
    client.request("config.get", json!({})).await.expect("the configuration is shown")
}

async fn patch(client: &mut RawClient, raw: &str) -> Result<Value, Value> {
    let base_hash = get(client).await["hash"].clone();
    client.request("config.patch", json!({"raw": raw, "baseHash": base_hash})).await
}

#[tokio::test]
async fn a_write_is_based_on_what_was_read_and_checked_first() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let shown = get(&mut client).await;
    assert_eq!(shown["valid"], true, "{shown}");
    assert_eq!(shown["raw"], Value::Null);
    assert_eq!(shown["configRevisionHash"], shown["appliedConfigHash"]);
    let before = text_of(&gateway);

    let required = "config base hash required; re-run config.get and retry";
    let stale = "config changed since last load; re-run config.get and retry";
    for (method, params, expected) in [
        ("config.set", json!({"raw": "{}"}), required),
        ("config.apply", json!({"raw": "{}"}), required),
        ("config.set", json!({"raw": "{}", "baseHash": "old"}), stale),
        ("config.apply", json!({"raw": "{}", "baseHash": "old"}), stale),
        ("config.patch", json!({"raw": "{}", "baseHash": "old"}), stale),
        ("config.set", json!({}), "invalid config.set params: "),
        ("config.set", json!({"raw": ""}), "invalid config.set params: at /raw: must not have fewer than 1 characters"),
        ("config.patch", json!({"raw": 5}), "invalid config.patch params: at /raw: "),
        ("config.apply", json!({"raw": null}), "invalid config.apply params: at /raw: "),
        ("config.patch", json!({"raw": "[1]", "baseHash": shown["hash"]}), "config.patch raw must be an object"),
        ("config.set", json!({"raw": "{ bad", "baseHash": shown["hash"]}), "SyntaxError: JSON5: "),
    ] {
        let error = client.request(method, params.clone()).await.expect_err("refused");
        assert_eq!(error["code"], "INVALID_REQUEST", "{method} {params}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with(expected), "{method} {params}: {error}");
    }
    let wrong = r#"{gateway: {port: "x"}, nonsense: 1}"#;
    let error = client.request("config.set", json!({"raw": wrong, "baseHash": shown["hash"]})).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().starts_with("invalid config: gateway.port: "), "{error}");
    assert_eq!(error["details"]["issues"][1]["path"], "nonsense", "{error}");
    assert_eq!(text_of(&gateway), before, "nothing was written");

    let written = patch(&mut client, "{logging: {level: 'debug'}}").await.expect("a right patch is taken");
    assert_eq!(written["changedPaths"], json!(["logging.level"]), "{written}");
    assert_eq!(written["sentinel"]["payload"]["stats"]["requiresRestart"], false, "{written}");
    let changed = client.event("config.changed", |_| true).await;
    assert_eq!(changed["hash"], written["hash"]);
    assert_eq!(std::fs::metadata(file_of(&gateway)).unwrap().permissions().mode() & 0o777, 0o600);
    let backup = gateway.state_folder().join("tailclaw.json.bak");
    assert_eq!(std::fs::read_to_string(&backup).unwrap(), before);
    let again = get(&mut client).await;
    assert_eq!(again["hash"], written["hash"]);
    assert_eq!(again["configRevisionHash"], again["appliedConfigHash"]);

    let same = patch(&mut client, "{logging: {level: 'debug'}}").await.unwrap();
    assert_eq!((&same["noop"], &same["changedPaths"]), (&json!(true), &json!([])));
    let waits = patch(&mut client, "{gateway: {port: 1}}").await.unwrap();
    assert_eq!(waits["sentinel"]["payload"]["stats"]["requiresRestart"], true, "{waits}");
    assert!(waits["warnings"][0].as_str().unwrap().contains("gateway.port"), "{waits}");
}

#[tokio::test]
async fn readers_read_and_do_not_write() {
    let gateway = gateway().start().await;
    let mut client = gateway.socket().await;
    client.challenge().await;
    let mut params = connect_params(&gateway.token());
    params["scopes"] = json!(["operator.read"]);
    client.connect(params).await.expect("the token is accepted");
    for (method, params) in [
        ("config.get", json!({})),
        ("config.schema", json!({})),
        ("config.schema.lookup", json!({"path": "gateway.auth.token"})),
    ] {
        client.request(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"));
    }
    for method in ["config.set", "config.patch", "config.apply"] {
        let error = client.request(method, json!({"raw": "{}"})).await.expect_err("admins only");
        assert_eq!(error["details"]["missingScope"], "operator.admin", "{method}: {error}");
    }
}

#[tokio::test]
async fn the_schema_and_its_nodes_are_told() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let whole = client.request("config.schema", json!({})).await.unwrap();
    assert_eq!(whole["schema"]["properties"]["gateway"]["properties"]["port"]["maximum"], 65_535);
    assert_eq!(whole["uiHints"]["models.providers.*.apiKey"]["sensitive"], true);
    let printed = gateway.cli(&["config", "schema"]).await.success();
    assert_eq!(printed.json(), whole["schema"], "the command line prints the same");
    let lookup =
        async |client: &mut RawClient, path: &str| client.request("config.schema.lookup", json!({"path": path})).await;
    let port = lookup(&mut client, "gateway.port").await.unwrap();
    assert_eq!((&port["reloadKind"], &port["schema"]["type"]), (&json!("restart"), &json!("integer")));
    assert_eq!(lookup(&mut client, "gateway.auth.token").await.unwrap()["reloadKind"], "hot");
    for (path, expected) in [
        ("no.such.key", "config schema path not found"),
        ("", "invalid config.schema.lookup params: at /path: must not have fewer than 1 characters"),
        ("a b", "invalid config.schema.lookup params: at /path: must match pattern"),
    ] {
        let error = lookup(&mut client, path).await.expect_err("no such key");
        assert!(error["message"].as_str().unwrap().starts_with(expected), "{path:?}: {error}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_reply_log_or_output() {
    const SECRETS: [&str; 5] = ["hunter-token", "hunter-key", "hunter-variable", "hunter-file", "hunter-url"];
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join("vault.json");
    std::fs::write(&vault, r#"{"key": "hunter-file"}"#).unwrap();
    std::fs::set_permissions(&vault, std::fs::Permissions::from_mode(0o600)).unwrap();
    let provider = |key: Value| json!({"baseUrl": "http://127.0.0.1:9/v1", "apiKey": key, "models": [{"id": "m"}]});
    let mut with_url = provider(json!("k"));
    with_url["baseUrl"] = json!("http://user:hunter-url@127.0.0.1:9/v1");
    let config = json!({
        "gateway": {"auth": {"token": "hunter-token"}},
        "logging": {"level": "trace"},
        "secrets": {"providers": {"vault": {"source": "file", "path": vault}}},
        "models": {"providers": {
            "plain": provider(json!("hunter-key")),
            "variable": provider(json!("${MODELS_KEY}")),
            "reference": provider(json!({"source": "env", "provider": "default", "id": "MODELS_KEY"})),
            "file": provider(json!({"source": "file", "provider": "vault", "id": "/key"})),
            "url": with_url,
        }},
    });
    let gateway = gateway().config(config).env("MODELS_KEY", "hunter-variable").start().await;
    let mut client = gateway.socket().await;
    client.challenge().await;
    client.connect(connect_params("hunter-token")).await.expect("the configured token opens");
    let shown = get(&mut client).await;
    assert_eq!(shown["config"]["models"]["providers"]["variable"]["apiKey"], "${MODELS_KEY}", "a name is no secret");
    let mut everything = shown.to_string();
    let edited = shown["sourceConfig"].to_string();
    for method in ["config.set", "config.apply"] {
        let base_hash = get(&mut client).await["hash"].clone();
        let reply = client.request(method, json!({"raw": edited, "baseHash": base_hash})).await;
        everything += &reply.expect("what was shown can be sent back").to_string();
    }
    everything += &patch(&mut client, "{logging: {level: 'debug'}}").await.expect("a patch").to_string();
    everything += &patch(&mut client, "{models: {providers: {plain: {api: 5}}}}").await.unwrap_err().to_string();
    for arguments in [
        &["config", "get", "--json"][..],
        &["config", "get", "models.providers"],
        &["config", "validate", "--json"],
        &["config", "set", "logging.level", "info", "--json"],
        &["config", "set", "models.providers.plain.apiKey", "{}", "--strict-json"],
    ] {
        everything += &gateway.cli(arguments).await.all();
    }
    everything += &gateway.log();
    for entry in std::fs::read_dir(gateway.state_folder().join("logs")).unwrap() {
        everything += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    for secret in SECRETS {
        assert!(!everything.contains(secret), "{secret} is shown");
    }
    // The file has them still: they came back from the sentinel.
    let text = text_of(&gateway);
    assert!(text.contains("hunter-token") && text.contains("hunter-key") && text.contains("hunter-url"), "{text}");
    assert!(!text.contains("hunter-file") && !text.contains("hunter-variable") && !text.contains("REDACTED"), "{text}");
}

#[tokio::test]
async fn a_reference_that_leads_nowhere_ends_the_start_with_its_key() {
    let config = json!({"gateway": {"auth": {"token": {"source": "env", "provider": "default", "id": "NOT_SET"}}}});
    let output = gateway().config(config).run().await;
    assert_eq!(output.code, Some(78), "{output:?}");
    assert!(output.stderr.contains("gateway.auth.token") && output.stderr.contains("NOT_SET"), "{output:?}");
}

#[tokio::test]
async fn a_file_that_changes_counts_and_a_wrong_one_does_not() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let mut config: Value = serde_json::from_str(&text_of(&gateway)).unwrap();
    config["logging"] = json!({"level": "debug"});
    std::fs::write(file_of(&gateway), config.to_string()).unwrap();
    let changed = client.event("config.changed", |_| true).await;
    let shown = get(&mut client).await;
    assert_eq!((&shown["hash"], &shown["appliedConfigHash"]), (&changed["hash"], &shown["configRevisionHash"]));
    eventually("lines of the new level are written", seconds(10), || async {
        if gateway.log().contains("served") { Ok(()) } else { Err("no debug line".to_owned()) }
    })
    .await;

    std::fs::write(file_of(&gateway), "{ gateway: { port: 'x' } }").unwrap();
    client.event("config.changed", |_| true).await;
    let shown = get(&mut client).await;
    assert_eq!((&shown["valid"], &shown["issues"][0]["path"]), (&json!(false), &json!("gateway.port")));
    assert!(gateway.log().contains("cannot be used"), "it is told loudly");

    // As a deployment does it: a link that is turned to another file.
    let elsewhere = gateway.state_folder().join("next.json");
    config["logging"] = json!({"level": "info"});
    std::fs::write(&elsewhere, config.to_string()).unwrap();
    std::fs::remove_file(file_of(&gateway)).unwrap();
    std::os::unix::fs::symlink("next.json", file_of(&gateway)).unwrap();
    client.event("config.changed", |_| true).await;
    eventually("the linked file counts", seconds(10), || async {
        let shown = gateway.operator().await.request("config.get", json!({})).await.unwrap();
        if shown["valid"] == true && shown["config"]["logging"]["level"] == "info" {
            Ok(())
        } else {
            Err(shown.to_string())
        }
    })
    .await;
    patch(&mut client, "{logging: {level: 'warn'}}").await.expect("a write goes through the link");
    assert!(std::fs::symlink_metadata(file_of(&gateway)).unwrap().is_symlink());
    assert!(std::fs::read_to_string(&elsewhere).unwrap().contains("warn"));
    assert_eq!(client.request("health", json!({})).await.unwrap()["configReload"]["hotReloadStatus"], "active");
}

#[tokio::test]
async fn a_changed_secret_puts_out_who_came_in_by_the_old_one() {
    let gateway = gateway().config(json!({"gateway": {"auth": {"token": "the-old-one"}}})).start().await;
    let connect = async |token: &str| {
        let mut client = gateway.socket().await;
        client.challenge().await;
        let reply = client.connect(connect_params(token)).await;
        (client, reply)
    };
    let (mut bystander, reply) = connect("the-old-one").await;
    reply.expect("the old one opens");
    let (mut writer, _) = connect("the-old-one").await;
    let written =
        patch(&mut writer, "{gateway: {auth: {token: 'the-new-one'}}}").await.expect("the writer is answered");
    assert_eq!(written["changedPaths"], json!(["gateway.auth.token"]));
    let (mut newcomer, reply) = connect("the-new-one").await;
    reply.expect("the new one opens at once");
    for client in [&mut bystander, &mut writer] {
        let closed = client.closed().await;
        assert_eq!((closed.code, closed.reason.as_str()), (4001, "gateway auth changed"));
    }
    assert!(connect("the-old-one").await.1.is_err());
    newcomer.request("health", json!({})).await.expect("who came by the new one stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_during_writes_leaves_a_whole_file() {
    let mut gateway = gateway().start().await;
    for round in 0..3 {
        let mut client = gateway.operator().await;
        for number in 0..5 {
            let level = if number % 2 == 0 { "info" } else { "warn" };
            let long = "x".repeat(50_000 + number);
            let raw = json!({"logging": {"level": level}, "agents": {"defaults": {"instructions": long}}});
            let base_hash = get(&mut client).await["hash"].clone();
            let params = json!({"raw": raw.to_string(), "baseHash": base_hash});
            let id = client.start("config.patch", params).await;
            // The last one of a round is cut somewhere on its way.
            if number < 4 {
                client.response(&id).await.unwrap_or_else(|error| panic!("round {round}: {error}"));
            }
        }
        gateway.kill9().await;
        let value: Value = serde_json::from_str(&text_of(&gateway)).expect("the file is whole");
        let length = value["agents"]["defaults"]["instructions"].as_str().unwrap().len();
        assert!(matches!(length, 50_003 | 50_004), "the one before or the last, not {length}");
        gateway.restart().await;
    }
}

#[tokio::test]
async fn the_command_line_changes_the_file_and_keeps_includes() {
    let gateway = gateway().start().await;
    let cli = async |arguments: &[&str]| gateway.cli(arguments).await;
    cli(&["config", "set", "agents.defaults.model", "{primary: 'tailclaw/echo'}"]).await.success();
    cli(&["config", "set", "agents.defaults", "{instructions: 'Be brief.'}", "--merge"]).await.success();
    let kept = cli(&["config", "get", "agents.defaults.model.primary"]).await.success();
    assert_eq!(kept.stdout.trim(), "tailclaw/echo", "merged, not replaced");
    cli(&["config", "unset", "agents.defaults.instructions"]).await.success();
    assert_ne!(cli(&["config", "unset", "agents.defaults.instructions"]).await.code, Some(0));
    let before = text_of(&gateway);
    cli(&["config", "set", "logging.level", "warn", "--dry-run"]).await.success();
    assert_ne!(cli(&["config", "set", "logging.level", "warn,", "--strict-json"]).await.code, Some(0));
    assert_eq!(text_of(&gateway), before);
    cli(&["config", "set", "gateway.auth.token", "--ref-source", "env", "--ref-id", "GATEWAY_TOKEN"]).await.success();
    assert!(text_of(&gateway).contains("GATEWAY_TOKEN"));

    std::fs::write(gateway.state_folder().join("logging.json5"), "{ level: 'info' }").unwrap();
    let patch = gateway.state_folder().join("patch.json5");
    std::fs::write(&patch, "{ logging: { $include: './logging.json5' }, gateway: { auth: null } }").unwrap();
    cli(&["config", "patch", "--file", patch.to_str().unwrap()]).await.success();
    let shown = cli(&["config", "get", "logging.level"]).await.success();
    assert_eq!(shown.stdout.trim(), "info", "from the included file");
    cli(&["config", "set", "agents.defaults.model", "tailclaw/echo"]).await.success();
    assert!(text_of(&gateway).contains("$include"), "{}", text_of(&gateway));
}
