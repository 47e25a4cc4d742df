//! `agent`: its two answers, and the session that it speaks in.

use crate::chat::refused;
use crate::harness::gateway;
use serde_json::{Value, json};

#[tokio::test]
async fn agent_answers_twice_and_a_repeat_only_with_the_end() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let params = json!({"message": "hi", "agentId": "main", "idempotencyKey": "turn", "deliver": false});
    let id = client.start("agent", params.clone()).await;
    let accepted = client.response(&id).await.expect("the turn is accepted");
    assert_eq!(accepted["status"], "accepted", "{accepted}");
    assert!(accepted["acceptedAt"].is_u64() && accepted["sessionKey"] == "agent:main:main", "{accepted}");
    let done = client.response(&id).await.expect("the turn ends well");
    assert_eq!((&done["status"], &done["runId"]), (&json!("ok"), &accepted["runId"]), "{done}");
    assert_eq!(done["result"]["payloads"][0]["text"], "echo: hi", "{done}");

    let again = client.request("agent", params).await.expect("the same turn again");
    assert_eq!((&again["status"], &again["runId"]), (&json!("ok"), &accepted["runId"]), "{again}");
    let waited = client.request("agent.wait", json!({"runId": accepted["runId"]})).await.expect("an answer");
    assert_eq!(waited["status"], "ok", "{waited}");
    let unknown = json!({"runId": "never-heard-of", "timeoutMs": 50});
    assert_eq!(client.request("agent.wait", unknown).await.expect("an answer")["status"], "timeout");
}

#[tokio::test]
async fn agent_finds_its_session_and_says_what_it_could_not_do() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let turn = |more: Value| {
        let mut params = json!({"message": "hi", "idempotencyKey": uuid::Uuid::new_v4().to_string()});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    for (more, key) in [
        (json!({"agentId": "main", "deliver": true}), "agent:main:main"),
        (json!({"to": "+15551234"}), "agent:main:main"),
        (json!({"sessionKey": "work"}), "agent:main:work"),
        (json!({"idempotencyKey": "alone"}), "agent:main:explicit:alone"),
    ] {
        let delivers = more["deliver"] == true;
        let id = client.start("agent", turn(more)).await;
        assert_eq!(client.response(&id).await.expect("it is accepted")["sessionKey"], key);
        let done = client.response(&id).await.expect("it ends well");
        assert_eq!(done["result"]["payloads"][0]["text"], "echo: hi", "{done}");
        assert_eq!(done["result"]["delivery"]["delivered"] == false, delivers, "{done}");
        let row =
            client.request("sessions.describe", json!({"key": key})).await.expect("the session")["session"].clone();
        assert_eq!(done["result"]["meta"]["agentMeta"]["sessionId"], row["sessionId"], "{done}");
    }
    let error = refused(&mut client, "agent", turn(json!({"agentId": "zork"}))).await;
    assert_eq!(error["message"], "invalid agent params: unknown agent id \"zork\"");
    let error = refused(&mut client, "agent", turn(json!({"message": ""}))).await;
    assert_eq!(error["message"], "invalid agent params: at /message: must not have fewer than 1 characters");
    refused(&mut client, "agent", turn(json!({"sessionId": "nobody"}))).await;
    refused(&mut client, "agent", turn(json!({"agentId": "main", "sessionKey": "agent:other:x"}))).await;

    let long = json!({"message": vec!["word"; 2000].join(" "), "agentId": "main", "idempotencyKey": "long"});
    let first = client.start("agent", long.clone()).await;
    client.response(&first).await.expect("it is accepted");
    let second = client.request("agent", long).await.expect("it runs already");
    assert_eq!(
        second,
        json!({"runId": "long", "status": "in_flight", "sessionKey": "agent:main:main", "agentId": "main"})
    );
    client.request("chat.abort", json!({"sessionKey": "main"})).await.expect("it is stopped");
    assert_eq!(client.response(&first).await.expect("it ends")["result"]["meta"]["aborted"], true);
}
