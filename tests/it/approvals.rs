//! Commands that somebody is asked to allow, and the policy that says what needs no asking.

use crate::harness::{Gateway, RawClient, connect_params, gateway};
use serde_json::{Value, json};

/// An operator that says it can show approvals.
async fn approver(gateway: &Gateway, name: &str) -> RawClient {
    let mut client = gateway.socket().await;
    client.challenge().await;
    let mut params = connect_params(&gateway.token());
    params["caps"] = json!(["approvals"]);
    params["client"]["displayName"] = json!(name);
    params["scopes"] = json!(["operator.approvals"]);
    client.connect(params).await.expect("an approver is let in");
    client
}

async fn call(client: &mut RawClient, method: &str, params: Value) -> Value {
    client.request(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
}

async fn refusal(client: &mut RawClient, method: &str, params: Value) -> Value {
    client.request(method, params.clone()).await.expect_err(&format!("{method} {params} is refused"))
}

fn command(id: &str) -> Value {
    json!({"id": id, "command": "ls -la", "host": "gateway", "cwd": "/x", "agentId": "main", "twoPhase": true})
}

#[tokio::test]
async fn of_two_who_decide_the_first_stands() {
    let gateway = gateway().start().await;
    let mut asking = gateway.operator().await;
    let (mut one, mut other) = (approver(&gateway, "One").await, approver(&gateway, "Other").await);
    let id = asking.start("exec.approval.request", command("a1")).await;
    let accepted = asking.response(&id).await.expect("it is taken");
    assert_eq!((&accepted["status"], &accepted["deliveryRoute"]), (&json!("accepted"), &json!("approval-client")));
    for client in [&mut one, &mut other] {
        let told = client.event("exec.approval.requested", |event| event["id"] == "a1").await;
        assert_eq!((&told["approvalKind"], &told["request"]["command"]), (&json!("exec"), &json!("ls -la")), "{told}");
    }
    let list = call(&mut one, "exec.approval.list", json!({})).await;
    assert_eq!((list.as_array().map(Vec::len), &list[0]["id"]), (Some(1), &json!("a1")), "{list}");
    assert_eq!(call(&mut one, "exec.approval.get", json!({"id": "a"})).await["commandText"], "ls -la");
    let waiting = other.start("exec.approval.waitDecision", json!({"id": "a1"})).await;

    let allow = one.start("exec.approval.resolve", json!({"id": "a1", "decision": "allow-once"})).await;
    let deny = other.start("exec.approval.resolve", json!({"id": "a1", "decision": "deny"})).await;
    let outcomes = [one.response(&allow).await, other.response(&deny).await];
    let lost: Vec<&Value> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert_eq!(lost.len(), 1, "one of them decided: {outcomes:?}");
    assert_eq!(lost[0]["details"], json!({"reason": "APPROVAL_ALREADY_RESOLVED"}), "{lost:?}");
    let stands = if outcomes[0].is_ok() { "allow-once" } else { "deny" };
    let decided = asking.response(&id).await.expect("the second answer");
    assert_eq!((&decided["id"], &decided["decision"]), (&json!("a1"), &json!(stands)), "{decided}");
    let waited = other.response(&waiting).await.expect("who waited is told");
    assert_eq!((&waited["decision"], &waited["terminalReason"]), (&json!(stands), &json!("user")), "{waited}");
    let told = one.event("exec.approval.resolved", |event| event["id"] == "a1").await;
    assert_eq!(told["decision"], stands, "{told}");
    call(&mut one, "exec.approval.resolve", json!({"id": "a1", "decision": stands})).await;
    assert_eq!(call(&mut one, "exec.approval.list", json!({})).await, json!([]));
    let shown = call(&mut one, "approval.get", json!({"id": "a1"})).await;
    assert_eq!((&shown["approval"]["decision"], &shown["approval"]["reason"]), (&json!(stands), &json!("user")));
    let again = json!({"id": "a1", "kind": "exec", "decision": "allow-always"});
    assert_eq!(call(&mut one, "approval.resolve", again).await["applied"], false);
}

#[tokio::test]
async fn without_anybody_to_ask_there_is_no_decision_at_once() {
    let gateway = gateway().start().await;
    let mut asking = approver(&gateway, "Asks").await;
    let reply = call(&mut asking, "exec.approval.request", command("n1")).await;
    assert_eq!(
        (&reply["decision"], reply.get("status")),
        (&Value::Null, None),
        "nobody decides about themselves: {reply}"
    );
    assert_eq!(
        refusal(&mut asking, "exec.approval.request", command("n1")).await["message"],
        "approval id already pending"
    );
    let waited = call(&mut asking, "exec.approval.waitDecision", json!({"id": "n1"})).await;
    assert_eq!((&waited["decision"], &waited["terminalReason"]), (&Value::Null, &json!("no-route")), "{waited}");
    // Who left cannot be asked.
    let mut leaving = approver(&gateway, "Leaves").await;
    leaving.send_text("not a frame").await;
    call(&mut leaving, "exec.approval.list", json!({})).await;
    drop(leaving);
    crate::harness::eventually("the one who left is gone", crate::harness::seconds(20), || async {
        let status = gateway.operator().await.request("status", json!({})).await.expect("a status");
        match status["process"]["connections"].as_u64() {
            Some(2) => Ok(()),
            other => Err(format!("{other:?} connections")),
        }
    })
    .await;
    assert_eq!(call(&mut asking, "exec.approval.request", command("n2")).await["decision"], Value::Null);
}

#[tokio::test]
async fn a_request_ends_in_time_and_with_the_gateway() {
    let mut gateway = gateway().start().await;
    let (mut asking, mut one) = (gateway.operator().await, approver(&gateway, "One").await);
    let mut brief = command("t1");
    brief["timeoutMs"] = json!(1);
    let id = asking.start("exec.approval.request", brief).await;
    asking.response(&id).await.expect("it is taken");
    assert_eq!(asking.response(&id).await.expect("it ends")["decision"], Value::Null);
    let told = one.event("exec.approval.resolved", |event| event["id"] == "t1").await;
    assert_eq!((&told["decision"], &told["resolvedBy"]), (&json!("deny"), &Value::Null), "{told}");
    let id = asking.start("exec.approval.request", command("t2")).await;
    asking.response(&id).await.expect("it is taken");
    gateway.kill9().await;
    gateway.restart().await;

    let mut one = approver(&gateway, "One").await;
    assert_eq!(call(&mut one, "exec.approval.list", json!({})).await, json!([]));
    let first = call(&mut one, "approval.history", json!({"limit": 1})).await;
    let cut = &first["items"][0];
    assert_eq!(
        (&cut["id"], &cut["status"], &cut["reason"]),
        (&json!("t2"), &json!("cancelled"), &json!("gateway-restart"))
    );
    let rest = call(&mut one, "approval.history", json!({"cursor": first["nextCursor"]})).await;
    assert_eq!((&rest["items"][0]["id"], &rest["items"][0]["status"]), (&json!("t1"), &json!("expired")), "{rest}");
    assert!(rest.get("nextCursor").is_none(), "{rest}");
}

#[tokio::test]
async fn what_is_no_request_or_no_decision_is_refused() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for (method, params, message) in [
        ("exec.approval.request", json!({}), "command is required"),
        ("exec.approval.request", json!({"command": "x", "host": "node"}), "nodeId is required for host=node"),
        (
            "exec.approval.request",
            json!({"command": "x", "host": "node", "nodeId": "n"}),
            "systemRunPlan is required for host=node",
        ),
        (
            "exec.approval.request",
            json!({"command": "x".repeat(20_000)}),
            "command exceeds exec approval display limit",
        ),
        ("exec.approval.resolve", json!({"id": "x", "decision": "perhaps"}), "invalid decision"),
        ("exec.approval.resolve", json!({"id": "x", "decision": "deny"}), "unknown or expired approval id"),
        ("exec.approval.get", json!({"id": "x"}), "unknown or expired approval id"),
        ("exec.approval.waitDecision", json!({}), "id is required"),
        ("exec.approval.waitDecision", json!({"id": "x"}), "approval expired or not found"),
        ("approval.get", json!({"id": "x"}), "approval not found"),
        ("approval.resolve", json!({"id": "x", "kind": "exec", "decision": "deny"}), "approval not found"),
        ("approval.history", json!({"limit": 101}), "invalid approval.history params"),
        ("approval.history", json!({"cursor": "?"}), "invalid approval.history params"),
    ] {
        let error = refusal(&mut client, method, params).await;
        assert_eq!((&error["code"], &error["message"]), (&json!("INVALID_REQUEST"), &json!(message)), "{method}");
    }
    let error = refusal(&mut client, "exec.approval.get", json!({"id": "x"})).await;
    assert_eq!(error["details"]["reason"], "APPROVAL_NOT_FOUND", "{error}");
    let mut one = approver(&gateway, "One").await;
    let mut always = command("always");
    always["ask"] = json!("always");
    let id = client.start("exec.approval.request", always).await;
    client.response(&id).await.expect("it is taken");
    let error = refusal(&mut one, "exec.approval.resolve", json!({"id": "always", "decision": "allow-always"})).await;
    assert_eq!(error["details"]["reason"], "APPROVAL_ALLOW_ALWAYS_UNAVAILABLE", "{error}");
    assert_eq!(refusal(&mut one, "exec.approvals.get", json!({})).await["code"], "FORBIDDEN");
    for (method, empty) in [
        ("plugin.approval.list", json!([])),
        ("openclaw.approval.list", json!([])),
        ("question.list", json!({"questions": []})),
    ] {
        assert_eq!(call(&mut client, method, json!({})).await, empty, "{method}");
    }
}

#[tokio::test]
async fn the_policy_is_replaced_only_over_what_was_read_and_kept() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let before = call(&mut client, "exec.approvals.get", json!({})).await;
    assert_eq!((&before["exists"], &before["resolvedDefaults"]["ask"]), (&json!(false), &json!("off")), "{before}");
    let file = json!({"version": 1, "socket": {"path": "s", "token": "secret"}, "defaults": {"ask": "always"}});
    let refused = refusal(&mut client, "exec.approvals.set", json!({"file": file})).await;
    assert_eq!(refused["message"], "exec approvals base hash required; re-run exec.approvals.get and retry");
    let set = json!({"file": file, "baseHash": before["hash"]});
    let after = call(&mut client, "exec.approvals.set", set.clone()).await;
    assert_eq!((&after["exists"], &after["resolvedDefaults"]["ask"]), (&json!(true), &json!("always")), "{after}");
    assert!(!after.to_string().contains("secret"), "{after}");
    let stale = refusal(&mut client, "exec.approvals.set", set).await;
    assert_eq!(stale["message"], "exec approvals changed since last load; re-run exec.approvals.get and retry");
    let other = json!({"file": {"version": 2}, "baseHash": after["hash"]});
    assert_eq!(refusal(&mut client, "exec.approvals.set", other).await["code"], "INVALID_REQUEST");
    gateway.kill9().await;
    gateway.restart().await;
    let mut client = gateway.operator().await;
    assert_eq!(call(&mut client, "exec.approvals.get", json!({})).await["hash"], after["hash"]);
}
