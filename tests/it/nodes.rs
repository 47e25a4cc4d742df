//! `node.*` on the wire: what is approved, what is asked, and nodes that mean harm.

use crate::harness::{Device, Gateway, RawClient, connect_params, gateway};
use crate::pairing::{admitted, bad, node, token};
use crate::reload::patch;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// What a node host of this machine declares, where nothing else is said.
pub fn declares(gateway: &Gateway, commands: &[&str]) -> Value {
    let mut params = node(json!({"token": gateway.token()}), "node-host", "linux", "Linux");
    params["client"]["displayName"] = json!("Bench");
    params["caps"] = json!(["system"]);
    params["commands"] = json!(commands);
    params
}

/// Lets a node in and approves all that it declares.
async fn approved(gateway: &Gateway, owner: &mut RawClient, device: &Device, commands: &[&str]) -> (RawClient, Value) {
    let (mut client, hello) = admitted(gateway, device, declares(gateway, commands)).await;
    let pending = ask(owner, "node.pair.list", json!({})).await["pending"].clone();
    let of_this = |pending: &&Value| pending["nodeId"] == device.id();
    let request = pending.as_array().unwrap().iter().find(of_this).expect("it waits")["requestId"].clone();
    ask(owner, "node.pair.approve", json!({"requestId": request})).await;
    let told = client.event("node.pair.resolved", |event| event["requestId"] == request).await;
    assert_eq!((&told["decision"], &told["nodeId"]), (&json!("approved"), &json!(device.id())), "{told}");
    (client, hello)
}

async fn ask(client: &mut RawClient, method: &str, params: Value) -> Value {
    client.request(method, params.clone()).await.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
}

fn call(device: &Device, command: &str, more: Value) -> Value {
    let mut params = json!({"nodeId": device.id(), "command": command, "idempotencyKey": "k"});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

async fn operator_with(gateway: &Gateway, scopes: &[&str]) -> RawClient {
    let mut client = gateway.socket().await;
    client.challenge().await;
    let mut params = connect_params(&gateway.token());
    params["scopes"] = json!(scopes);
    client.connect(params).await.expect("an operator is let in");
    client
}

async fn described(owner: &mut RawClient, device: &Device) -> Value {
    ask(owner, "node.describe", json!({"nodeId": device.id()})).await
}

#[tokio::test]
async fn a_call_goes_to_the_node_and_comes_back() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let device = Device::new();
    let (mut bench, _) = approved(&gateway, &mut owner, &device, &["system.which", "system.run"]).await;
    // Behind its hello and outside the count.
    for name in ["voicewake.changed", "voicewake.routing.changed"] {
        let event = bench.find(name, |frame| frame["event"] == name).await;
        assert!(event.get("seq").is_none(), "{event}");
    }
    let params = json!({"params": {"bins": ["sh"]}, "sessionKey": "agent:main:main", "timeoutMs": 20_000});
    let id = owner.start("node.invoke", call(&device, "system.which", params)).await;
    let asked = bench.find("the request", |frame| frame["event"] == "node.invoke.request").await;
    assert!(asked.get("seq").is_none(), "{asked}");
    let asked = &asked["payload"];
    assert_eq!((&asked["command"], &asked["sessionKey"]), (&json!("system.which"), &json!("agent:main:main")));
    assert_eq!((&asked["paramsJSON"], &asked["idempotencyKey"]), (&json!(r#"{"bins":["sh"]}"#), &json!("k")));
    assert!(asked["timeoutMs"].as_u64().is_some_and(|left| 0 < left && left <= 20_000), "{asked}");
    let progress = json!({"invokeId": asked["id"], "nodeId": device.id(), "seq": 0, "chunk": "…"});
    assert_eq!(ask(&mut bench, "node.invoke.progress", progress.clone()).await, json!({"ok": true, "ignored": true}));
    let result = json!({"id": asked["id"], "nodeId": device.id(), "ok": true, "payloadJSON": r#"{"a":1}"#});
    assert_eq!(ask(&mut bench, "node.invoke.result", result.clone()).await, json!({"ok": true}));
    let answer = owner.response(&id).await.expect("the node's answer");
    assert_eq!((&answer["payload"], &answer["payloadJSON"]), (&json!({"a": 1}), &json!(r#"{"a":1}"#)), "{answer}");
    assert_eq!(ask(&mut bench, "node.invoke.result", result).await, json!({"ok": true, "ignored": true}), "late");

    // Of system.run only what the protocol names is handed on.
    let params = json!({"params": {"command": ["ls"], "secret": 1, "approved": false, "runId": "r1"}});
    let id = owner.start("node.invoke", call(&device, "system.run", params)).await;
    let asked = bench.event("node.invoke.request", |event| event["command"] == "system.run").await;
    assert_eq!(asked["paramsJSON"], r#"{"command":["ls"],"runId":"r1"}"#, "{asked}");
    let fault = json!({"code": "EXEC", "message": "no such program"});
    let result = json!({"id": asked["id"], "nodeId": device.id(), "ok": false, "error": fault});
    ask(&mut bench, "node.invoke.result", result).await;
    let error = owner.response(&id).await.expect_err("it failed there");
    assert_eq!((&error["code"], &error["message"]), (&json!("UNAVAILABLE"), &json!("EXEC: no such program")));
    assert_eq!(error["details"], json!({"nodeError": fault, "nodeCommandDispatched": true}));

    let stats = json!({"cpuCount": 2, "memoryTotalBytes": 10, "memoryFreeBytes": 5});
    let event = json!({"event": "node.host.stats", "payloadJSON": stats.to_string()});
    assert_eq!(ask(&mut bench, "node.event", event).await["reason"], "updated");
    let told = owner.event("node.hostStats", |_| true).await;
    assert_eq!((&told["nodeId"], &told["hostStats"]["cpuCount"]), (&json!(device.id()), &json!(2)), "{told}");
    let event = json!({"event": "node.host.stats", "payload": {"cpuCount": 2}});
    assert_eq!(ask(&mut bench, "node.event", event).await["reason"], "invalid_payload");
    let event = json!({"event": "agent.request", "payload": {"message": "hi"}});
    let unknown = json!({"ok": true, "event": "agent.request", "handled": false, "reason": "unsupported_event"});
    assert_eq!(ask(&mut bench, "node.event", event).await, unknown);
    assert_eq!(described(&mut owner, &device).await["hostStats"]["memoryFreeBytes"], 5);
    ask(&mut owner, "voicewake.set", json!({"triggers": ["lobster"]})).await;
    let told = bench.find("the words", |frame| frame["event"] == "voicewake.changed").await;
    assert_eq!((&told["payload"]["triggers"], told.get("seq")), (&json!(["lobster"]), None), "{told}");
}

#[tokio::test]
async fn what_was_not_approved_is_not_run() {
    let gateway =
        gateway().config(json!({"gateway": {"nodes": {"commands": {"deny": ["computer.act"]}}}})).start().await;
    let mut owner = gateway.operator().await;
    let device = Device::new();
    let (mut bench, _) = admitted(&gateway, &device, declares(&gateway, &["system.which", "file.fetch"])).await;
    let waits = described(&mut owner, &device).await;
    assert_eq!((&waits["approvalState"], &waits["commands"]), (&json!("pending-approval"), &json!([])), "{waits}");
    assert_eq!(waits["pendingDeclaredCommands"], json!(["system.which"]), "{waits}");
    let which = call(&device, "system.which", json!({}));
    for (client, method, params) in [
        (&mut owner, "node.invoke", which.clone()),
        (&mut bench, "node.event", json!({"event": "node.host.stats", "payload": {}})),
    ] {
        let error = client.request(method, params).await.expect_err("nothing was approved");
        assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{error}");
        assert_eq!(error["details"], json!({"code": "PAIRING_CHANGED"}), "{error}");
    }
    let inventory = json!({"protocolFeatures": ["node-worker-supervisor-v6"], "workerHost": {"enabled": false}});
    let error = bench.request("node.runnerInventory.update", inventory.clone()).await.expect_err("it waits");
    let request = waits["pendingRequestId"].as_str().unwrap();
    assert!(error["message"].as_str().unwrap().contains(&format!("nodes approve {request}")), "{error}");
    let mut reader = operator_with(&gateway, &["operator.read"]).await;
    let seen = described(&mut reader, &device).await;
    assert!(seen.get("pendingRequestId").is_none() && seen.get("pendingDeclaredCommands").is_none(), "{seen}");

    // Who may pair may not let a node run commands by that alone.
    let mut pairer = operator_with(&gateway, &["operator.pairing", "operator.write"]).await;
    let approve = json!({"requestId": request});
    let error = pairer.request("node.pair.approve", approve.clone()).await.expect_err("it takes an admin");
    let details = json!({
        "code": "MISSING_SCOPE", "missingScope": "operator.admin",
        "requiredScopes": ["operator.pairing", "operator.admin"],
    });
    assert_eq!((&error["code"], &error["details"]), (&json!("FORBIDDEN"), &details), "{error}");
    let node = ask(&mut owner, "node.pair.approve", approve.clone()).await["node"].clone();
    assert_eq!(node["commands"], json!(["system.which"]), "{node}");
    bad(&mut owner, "node.pair.approve", approve, "unknown requestId").await;
    assert_eq!(ask(&mut bench, "node.runnerInventory.update", inventory).await, json!({"nodeId": device.id()}));

    for (command, reason) in [
        ("system.run", "command not allowlisted"),
        ("computer.act", "command not allowlisted"),
        ("file.fetch", "command not allowlisted"),
        ("system.notify", "command not declared by node"),
    ] {
        let error = owner.request("node.invoke", call(&device, command, json!({}))).await.expect_err(command);
        assert_eq!(error["details"], json!({"reason": reason, "command": command}), "{error}");
    }
    for command in ["system.execApprovals.get", "worker.launch.v1", "agent.cli.claude.run.v1"] {
        let error = owner.request("node.invoke", call(&device, command, json!({}))).await.expect_err(command);
        assert_eq!(error["details"], json!({"command": command}), "{error}");
    }
    let mut writer = operator_with(&gateway, &["operator.write"]).await;
    let error = writer.request("node.invoke", call(&device, "fs.listDir", json!({}))).await.expect_err("for admins");
    assert_eq!(error["code"], "FORBIDDEN", "{error}");
}

#[tokio::test]
async fn what_nodes_may_do_at_all_changes_between_two_calls() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let device = Device::new();
    let _node = approved(&gateway, &mut owner, &device, &["system.which", "camera.snap"]).await;
    assert_eq!(described(&mut owner, &device).await["commands"], json!(["system.which"]), "the camera needs more");
    patch(&mut owner, json!({"gateway": {"nodes": {"commands": {"allow": ["camera.snap"]}}}})).await;
    assert_eq!(described(&mut owner, &device).await["commands"], json!(["camera.snap", "system.which"]));
    patch(&mut owner, json!({"gateway": {"nodes": {"commands": {"deny": ["system.which"]}}}})).await;
    assert_eq!(described(&mut owner, &device).await["commands"], json!(["camera.snap"]));
    let error = owner.request("node.invoke", call(&device, "system.which", json!({}))).await.expect_err("it is denied");
    assert!(error["message"].as_str().unwrap().contains("blocked by gateway.nodes.commands.deny"), "{error}");
}

#[tokio::test]
async fn more_than_was_approved_waits_and_the_rest_goes_on() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let device = Device::new();
    let (bench, hello) = approved(&gateway, &mut owner, &device, &["system.which"]).await;
    ask(&mut owner, "node.rename", json!({"nodeId": device.id(), "displayName": " Desk "})).await;
    drop(bench);
    let mut wider = declares(&gateway, &["system.which", "system.run"]);
    wider["auth"] = json!({"deviceToken": token(&hello)});
    let (mut bench, _) = admitted(&gateway, &device, wider.clone()).await;
    let shown = described(&mut owner, &device).await;
    assert_eq!((&shown["approvalState"], &shown["displayName"]), (&json!("pending-reapproval"), &json!("Desk")));
    assert_eq!((&shown["commands"], &shown["connected"]), (&json!(["system.which"]), &json!(true)), "{shown}");
    let id = owner.start("node.invoke", call(&device, "system.which", json!({}))).await;
    let asked = bench.event("node.invoke.request", |_| true).await;
    assert_eq!(asked.get("paramsJSON"), None, "{asked}");
    ask(&mut bench, "node.invoke.result", json!({"id": asked["id"], "nodeId": device.id(), "ok": true})).await;
    let answer = owner.response(&id).await.expect("what was approved goes on");
    assert_eq!((&answer["ok"], &answer["payloadJSON"], answer.get("payload")), (&json!(true), &Value::Null, None));

    let request = shown["pendingRequestId"].clone();
    assert_eq!(ask(&mut owner, "node.pair.reject", json!({"requestId": request})).await["nodeId"], device.id());
    bad(&mut owner, "node.pair.reject", json!({"requestId": request}), "unknown requestId").await;
    assert_eq!(described(&mut owner, &device).await["approvalState"], "approved");
    // A later connection takes the place over; the earlier is not closed, and speaks for nobody.
    let (mut other, _) = admitted(&gateway, &device, wider).await;
    let event =
        json!({"event": "node.host.stats", "payload": {"cpuCount": 1, "memoryTotalBytes": 1, "memoryFreeBytes": 1}});
    let error = bench.request("node.event", event.clone()).await.expect_err("another speaks for it");
    assert_eq!(error["details"]["code"], "PAIRING_CHANGED", "{error}");
    assert_eq!(ask(&mut other, "node.event", event).await["handled"], true);
    drop(bench);
    let again = described(&mut owner, &device).await;
    assert_eq!((&again["connected"], &again["approvalState"]), (&json!(true), &json!("pending-reapproval")), "{again}");
}

#[tokio::test]
async fn a_node_that_is_removed_leaves_nothing_behind() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let device = Device::new();
    let (mut bench, _) = approved(&gateway, &mut owner, &device, &["system.which"]).await;
    let id = owner.start("node.invoke", call(&device, "system.which", json!({"timeoutMs": 0}))).await;
    let asked = bench.event("node.invoke.request", |_| true).await;
    assert_eq!(asked["timeoutMs"], 0, "as long as it takes: {asked}");
    let remove = json!({"nodeId": device.id()});
    assert_eq!(ask(&mut owner, "node.pair.remove", remove.clone()).await, remove);
    let told = owner.event("node.pair.resolved", |event| event["decision"] == "removed").await;
    assert_eq!((&told["requestId"], &told["nodeId"]), (&json!(""), &json!(device.id())), "{told}");
    let closed = bench.closed().await;
    assert_eq!((closed.code, closed.reason.as_str()), (4001, "device removed"));
    let error = owner.response(&id).await.expect_err("the node has gone");
    assert_eq!(error["message"], "DISCONNECTED: node disconnected (system.which)", "{error}");
    bad(&mut owner, "node.pair.remove", remove, "unknown nodeId").await;
    bad(&mut owner, "node.describe", json!({"nodeId": device.id()}), "unknown nodeId").await;
    assert_eq!(ask(&mut owner, "node.pair.list", json!({})).await, json!({"pending": [], "paired": []}));
    // The same key comes back as a stranger: what was approved once does not count.
    let (_bench, _) = admitted(&gateway, &device, declares(&gateway, &["system.which"])).await;
    assert_eq!(described(&mut owner, &device).await["approvalState"], "pending-approval");
}

#[tokio::test]
async fn nodes_that_mean_harm_reach_nobody_else() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let (device, other) = (Device::new(), Device::new());
    let (mut bench, _) = approved(&gateway, &mut owner, &device, &["system.which"]).await;
    let (mut rogue, _) = approved(&gateway, &mut owner, &other, &["system.which"]).await;
    let id = owner.start("node.invoke", call(&device, "system.which", json!({}))).await;
    let asked = bench.event("node.invoke.request", |_| true).await;
    let forged = |node: &Device| json!({"id": asked["id"], "nodeId": node.id(), "ok": true, "payload": "forged"});
    bad(&mut rogue, "node.invoke.result", forged(&device), "nodeId mismatch").await;
    assert_eq!(ask(&mut rogue, "node.invoke.result", forged(&other)).await["ignored"], true);
    let piece = |text: String| json!({"invokeId": asked["id"], "nodeId": other.id(), "seq": 0, "chunk": text});
    bad(&mut rogue, "node.invoke.progress", piece("x".repeat(16_385)), "progress chunk too large").await;
    let large = "x".repeat(8 * 1024 * 1024 + 1);
    let result = json!({"id": asked["id"], "nodeId": device.id(), "ok": true, "payloadJSON": large});
    assert_eq!(ask(&mut bench, "node.invoke.result", result).await, json!({"ok": true}));
    let error = owner.response(&id).await.expect_err("too much");
    assert_eq!(error["details"]["nodeError"]["code"], "PAYLOAD_TOO_LARGE", "{error}");

    let result = json!({"id": "none", "nodeId": device.id(), "ok": 5});
    bad(&mut bench, "node.invoke.result", result, "invalid node.invoke.result params: at /ok: must be boolean").await;
    let large = call(&device, "system.which", json!({"params": {"text": "x".repeat(8 * 1024 * 1024)}}));
    let error = owner.request("node.invoke", large).await.expect_err("too much for a frame");
    assert_eq!(error["message"], "the params are too large for a node", "{error}");
    let name = json!({"nodeId": device.id(), "displayName": "x".repeat(257)});
    let problem = "invalid node.rename params: at /displayName: must not have more than 256 characters";
    bad(&mut owner, "node.rename", name, problem).await;

    // Neither has the other's methods.
    bad(&mut rogue, "node.list", json!({}), "unauthorized role: node").await;
    bad(&mut rogue, "node.invoke", call(&device, "system.which", json!({})), "unauthorized role: node").await;
    for method in ["node.event", "node.invoke.result", "node.skills.update"] {
        bad(&mut owner, method, json!({}), "unauthorized role: operator").await;
    }
    let skills: Vec<Value> = (0..65).map(|_| json!({"name": "a", "description": "b", "content": "c"})).collect();
    let problem = "invalid node.skills.update params: at /skills: must not have more than 64 items";
    bad(&mut rogue, "node.skills.update", json!({"skills": skills}), problem).await;
    bad(&mut rogue, "node.runnerInventory.update", json!({}), "invalid node runner inventory").await;
    // What it declares is bounded.
    let many: Vec<String> = (0..2_000).map(|number| format!("cap-{number}")).collect();
    let mut params = declares(&gateway, &["system.which"]);
    params["caps"] = json!(many);
    let (_rogue, _) = admitted(&gateway, &other, params).await;
    let shown = described(&mut owner, &other).await;
    assert_eq!(shown["pendingDeclaredCaps"].as_array().map(Vec::len), Some(512));

    // One who does not answer holds up no more than its share, and is told when nobody waits any longer.
    let mut waiting = Vec::new();
    for _ in 0..64 {
        waiting.push(owner.start("node.invoke", call(&device, "system.which", json!({"timeoutMs": 60_000}))).await);
    }
    for _ in 0..64 {
        bench.event("node.invoke.request", |_| true).await;
    }
    let error = owner.request("node.invoke", call(&device, "system.which", json!({}))).await.expect_err("too many");
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{error}");
    drop(bench);
    for id in waiting {
        let error = owner.response(&id).await.expect_err("it has gone");
        assert_eq!(error["details"]["nodeError"]["code"], "DISCONNECTED", "{error}");
    }
    let error = owner.request("node.invoke", call(&device, "system.which", json!({}))).await.expect_err("it is away");
    let fault = json!({"code": "NOT_CONNECTED", "message": "node not connected"});
    let details = json!({"code": "NOT_CONNECTED", "nodeError": fault, "nodeCommandDispatched": false});
    assert_eq!((&error["message"], &error["details"]), (&json!("node not connected"), &details), "{error}");
    let (mut bench, _) = admitted(&gateway, &device, declares(&gateway, &["system.which"])).await;
    let id = owner.start("node.invoke", call(&device, "system.which", json!({"timeoutMs": 300}))).await;
    let asked = bench.event("node.invoke.request", |_| true).await;
    let cancelled = bench.event("node.invoke.cancel", |_| true).await;
    assert_eq!(cancelled, json!({"invokeId": asked["id"], "nodeId": device.id()}));
    let error = owner.response(&id).await.expect_err("nobody answered");
    assert_eq!(error["message"], "TIMEOUT: node invoke timed out", "{error}");
}

#[tokio::test]
async fn an_approval_counts_for_what_was_asked_and_who_asked_once() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let (device, other) = (Device::new(), Device::new());
    let (mut bench, _) = approved(&gateway, &mut owner, &device, &["system.run"]).await;
    let plan = json!({"argv": ["ls"], "cwd": null, "commandText": "ls", "agentId": null, "sessionKey": null});
    for (id, host, node) in [("a1", "node", device.id()), ("a2", "node", other.id()), ("a3", "gateway", String::new())]
    {
        let request = json!({
            "id": id, "command": "ls", "host": host, "nodeId": node, "systemRunPlan": plan, "twoPhase": true,
            "requireDeliveryRoute": false,
        });
        let started = owner.start("exec.approval.request", request).await;
        owner.response(&started).await.expect("it is taken");
        ask(&mut owner, "exec.approval.resolve", json!({"id": id, "decision": "allow-once"})).await;
    }
    for (claim, code) in [
        (json!({"approved": true}), "MISSING_RUN_ID"),
        (json!({"approved": true, "runId": "none"}), "UNKNOWN_APPROVAL_ID"),
        (json!({"approvalDecision": "allow-always", "runId": "a2"}), "APPROVAL_NODE_MISMATCH"),
        (json!({"approved": true, "runId": "a3"}), "APPROVAL_NODE_BINDING_MISSING"),
        (json!({"approved": true, "runId": "a1", "env": {"A": "1"}}), "APPROVAL_ENV_BINDING_MISSING"),
        (json!({"approvalSource": "ask-fallback", "runId": "a1"}), "APPROVAL_REQUIRED"),
        (json!({"approvalSource": "me"}), "INVALID_APPROVAL_SOURCE"),
    ] {
        let mut params = json!({"command": ["ls"]});
        params.as_object_mut().unwrap().extend(claim.as_object().unwrap().clone());
        let call = call(&device, "system.run", json!({"params": params}));
        let error = owner.request("node.invoke", call).await.expect_err("it is refused");
        assert_eq!((&error["code"], &error["details"]["code"]), (&json!("INVALID_REQUEST"), &json!(code)), "{error}");
    }
    // Nor is what somebody else asked for, or nobody has allowed.
    let mut other_client = gateway.operator().await;
    let claim = json!({"params": {"command": ["ls"], "approved": true, "runId": "a1"}, "timeoutMs": 200});
    let error =
        other_client.request("node.invoke", call(&device, "system.run", claim.clone())).await.expect_err("not its own");
    assert_eq!(error["details"], json!({"code": "APPROVAL_CLIENT_MISMATCH", "runId": "a1"}), "{error}");
    let request = json!({
        "id": "a4", "command": "ls", "host": "node", "nodeId": device.id(), "systemRunPlan": plan, "twoPhase": true,
        "requireDeliveryRoute": false,
    });
    let started = owner.start("exec.approval.request", request).await;
    owner.response(&started).await.expect("it is taken");
    let undecided = json!({"params": {"command": ["ls"], "approved": true, "runId": "a4"}});
    let error = owner.request("node.invoke", call(&device, "system.run", undecided)).await.expect_err("undecided");
    assert_eq!(error["details"]["code"], "APPROVAL_REQUIRED", "{error}");

    // What was approved is run, whatever else is sent, and once.
    let mut lying = claim.clone();
    lying["params"]["command"] = json!(["rm", "-rf", "/"]);
    lying["params"]["cwd"] = json!("/elsewhere");
    let id = owner.start("node.invoke", call(&device, "system.run", lying)).await;
    let asked = bench.event("node.invoke.request", |_| true).await;
    let handed: Value = serde_json::from_str(asked["paramsJSON"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&handed["command"], &handed["rawCommand"], &handed["approved"], &handed["approvalDecision"]),
        (&json!(["ls"]), &json!("ls"), &json!(true), &json!("allow-once")),
        "{handed}"
    );
    assert_eq!((handed.get("cwd"), &handed["systemRunPlan"]["argv"]), (None, &json!(["ls"])), "{handed}");
    owner.response(&id).await.expect_err("nobody answers");
    let error = owner.request("node.invoke", call(&device, "system.run", claim)).await.expect_err("it is used up");
    assert_eq!(error["details"]["code"], "APPROVAL_REQUIRED", "{error}");
    // One that claims nothing gets through without a word of it.
    let params = json!({"params": {"command": ["ls"], "runId": "a1", "approvalDecision": "deny"}, "timeoutMs": 100});
    let id = owner.start("node.invoke", call(&device, "system.run", params)).await;
    let asked = bench.event("node.invoke.request", |_| true).await;
    assert_eq!(asked["paramsJSON"], r#"{"command":["ls"],"runId":"a1"}"#, "{asked}");
    owner.response(&id).await.expect_err("nobody answers");
}

#[tokio::test]
async fn a_call_under_way_ends_when_its_command_is_denied() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let device = Device::new();
    let (mut bench, _) = approved(&gateway, &mut owner, &device, &["system.which", "system.notify"]).await;
    let id = owner.start("node.invoke", call(&device, "system.which", json!({"timeoutMs": 0}))).await;
    let asked = bench.event("node.invoke.request", |_| true).await;
    patch(&mut owner, json!({"gateway": {"nodes": {"commands": {"deny": ["system.which"]}}}})).await;
    let error = owner.response(&id).await.expect_err("it is denied now");
    assert_eq!(error["message"], "POLICY_CHANGED: node command is no longer allowed", "{error}");
    let cancelled = bench.event("node.invoke.cancel", |_| true).await;
    assert_eq!(cancelled["invokeId"], asked["id"], "{cancelled}");
}

#[tokio::test]
async fn a_setup_code_vouches_for_what_its_node_can_do() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let profile = json!({"publicUrl": gateway.url(), "bootstrapProfile": "node"});
    let code = ask(&mut owner, "device.pair.setupCode", profile).await["setupCode"].as_str().unwrap().to_owned();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(code).unwrap()).unwrap();
    let device = Device::new();
    let mut params = declares(&gateway, &["system.which"]);
    params["auth"] = json!({"bootstrapToken": payload["bootstrapToken"]});
    let (_bench, _) = admitted(&gateway, &device, params).await;
    let told = owner.event("node.pair.resolved", |_| true).await;
    assert_eq!((&told["decision"], &told["nodeId"]), (&json!("approved"), &json!(device.id())), "{told}");
    let shown = described(&mut owner, &device).await;
    assert_eq!(
        (&shown["approvalState"], &shown["commands"]),
        (&json!("approved"), &json!(["system.which"])),
        "{shown}"
    );
}
