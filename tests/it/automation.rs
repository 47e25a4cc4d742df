//! What the agent does unasked: events that wake it, heartbeats, cron jobs.

use crate::harness::{RawClient, gateway};
use serde_json::{Value, json};

async fn queued(client: &mut RawClient) -> Value {
    client.request("status", json!({})).await.expect("a status")["queuedSystemEvents"].clone()
}

#[tokio::test]
async fn an_event_waits_over_a_kill_until_the_agent_is_woken() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let wake = async |client: &mut RawClient, params: Value| client.request("wake", params).await;
    let later = json!({"mode": "next-heartbeat", "text": "the parcel came"});
    assert_eq!(wake(&mut client, later).await.expect("queued"), json!({"ok": true}));
    assert_eq!(wake(&mut client, json!({"mode": "now", "text": "  "})).await.expect("an answer"), json!({"ok": false}));
    gateway.kill9().await;
    gateway.restart().await;

    let mut client = gateway.operator().await;
    assert_eq!(queued(&mut client).await, json!(["the parcel came"]));
    assert_eq!(client.request("last-heartbeat", json!({})).await.expect("none yet"), Value::Null);
    wake(&mut client, json!({"mode": "now", "text": "the bell rang"})).await.expect("woken");
    let beat = client.event("heartbeat", |_| true).await;
    assert_eq!((&beat["status"], &beat["reason"]), (&json!("skipped"), &json!("no-route")), "{beat}");
    assert!(beat["preview"].as_str().is_some_and(|text| text.contains("the parcel came")), "{beat}");
    assert_eq!(client.request("last-heartbeat", json!({})).await.expect("it is kept"), beat);
    assert_eq!(queued(&mut client).await, json!([]), "what was told waits no longer");
    let history =
        client.request("chat.history", json!({"sessionKey": "main"})).await.expect("the turn is in the session");
    let text = history["messages"].to_string();
    assert!(text.contains("the parcel came") && text.contains("the bell rang"), "{text}");
}

#[tokio::test]
async fn heartbeats_that_are_off_leave_events_in_the_queue() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let off = client.request("set-heartbeats", json!({"enabled": false})).await.expect("off");
    assert_eq!(off, json!({"ok": true, "enabled": false}));
    gateway.kill9().await;
    gateway.restart().await;
    let mut client = gateway.operator().await;
    client.request("wake", json!({"mode": "now", "text": "hello"})).await.expect("queued");
    let beat = client.event("heartbeat", |_| true).await;
    assert_eq!((&beat["status"], &beat["reason"]), (&json!("skipped"), &json!("disabled")), "{beat}");
    assert_eq!(queued(&mut client).await, json!(["hello"]));
    let error = client.request("set-heartbeats", json!({})).await.expect_err("nothing was said");
    assert_eq!(error["message"], "invalid set-heartbeats params: enabled (boolean) required");
}

#[tokio::test]
async fn what_cannot_wake_anybody_is_refused_and_the_queue_is_bounded() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for params in [json!({}), json!({"mode": "soon", "text": "x"}), json!({"mode": "now"})] {
        let error = client.request("wake", params).await.expect_err("bad params");
        assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    }
    let nobody = json!({"mode": "next-heartbeat", "text": "x", "agentId": "nobody"});
    let error = client.request("wake", nobody).await.expect_err("no such agent");
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
    for number in 0..25 {
        let text = format!("event {number}");
        client.request("wake", json!({"mode": "next-heartbeat", "text": text})).await.expect("queued");
    }
    let waiting = queued(&mut client).await;
    let waiting = waiting.as_array().expect("a list");
    assert_eq!((waiting.len(), &waiting[0]), (20, &json!("event 5")));
}
