//! Setup codes: what one gives, to whom, and how often.

use crate::harness::{Device, RawClient, gateway};
use crate::pairing::{admitted, knock, node, operator, refused, strict};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Makes a code and takes it apart: the reply and the token in it.
async fn setup_code(owner: &mut RawClient, params: Value) -> (Value, String) {
    let reply = owner.request("device.pair.setupCode", params).await.expect("a code");
    let code = reply["setupCode"].as_str().expect("the code is text");
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(code).unwrap()).unwrap();
    assert_eq!(payload["url"], reply["gatewayUrl"], "{payload}");
    assert_eq!(payload["expiresAtMs"], reply["expiresAtMs"], "{payload}");
    let token = payload["bootstrapToken"].as_str().expect("it holds a token").to_owned();
    (reply, token)
}

#[tokio::test]
async fn a_phone_is_set_up_by_a_code() {
    let gateway = strict().start().await;
    let mut owner = gateway.operator().await;
    let (reply, bootstrap) = setup_code(&mut owner, json!({"publicUrl": gateway.url()})).await;
    assert_eq!(reply["access"], "full", "{reply}");
    assert_eq!(reply["urlSource"], "request.publicUrl", "{reply}");
    assert!(reply["qrDataUrl"].as_str().unwrap_or_default().starts_with("data:image/png;base64,"), "{reply}");
    let auth = json!({"bootstrapToken": bootstrap});
    let phone = Device::new();
    let (_, hello) = admitted(&gateway, &phone, node(auth.clone(), "openclaw-ios", "iOS 18.2", "iPhone")).await;
    assert_eq!(hello["auth"]["method"], "bootstrap-token", "{hello}");
    let handed = &hello["auth"]["deviceTokens"][0];
    assert_eq!(handed["role"], "operator", "{hello}");
    assert!(handed["scopes"].as_array().unwrap().contains(&json!("operator.admin")), "{hello}");
    let done = owner.event("device.pair.setup.completed", |event| event["setupId"] == reply["setupId"]).await;
    assert_eq!((&done["deviceId"], &done["access"]), (&json!(phone.id()), &json!("full")), "{done}");
    let status = owner.request("device.pair.setupStatus", json!({"setupId": reply["setupId"]})).await;
    assert_eq!(status.expect("the status")["completion"], done);
    // Both tokens are good, the code no longer is.
    let mut as_operator = operator(json!({"deviceToken": handed["deviceToken"]}), &["operator.admin"]);
    as_operator["client"] =
        json!({"id": "openclaw-ios", "version": "1", "platform": "iOS 18.3", "mode": "ui", "deviceFamily": "iPhone"});
    admitted(&gateway, &phone, as_operator).await;
    let error = refused(&gateway, &Device::new(), node(auth, "openclaw-ios", "iOS 18.2", "iPhone")).await;
    assert_eq!(error["details"]["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID", "{error}");
}

#[tokio::test]
async fn a_code_gives_no_more_than_it_says_and_others_wait() {
    let gateway = strict().start().await;
    let mut owner = gateway.operator().await;
    let url = gateway.url();
    let (reply, bootstrap) = setup_code(&mut owner, json!({"publicUrl": url, "bootstrapProfile": "limited"})).await;
    assert_eq!(reply["access"], "limited", "{reply}");
    let auth = json!({"bootstrapToken": bootstrap});
    // Too much is refused and does not take the code from whom it is for.
    let error = refused(&gateway, &Device::new(), operator(auth.clone(), &["operator.admin"])).await;
    assert_eq!(error["details"]["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID", "{error}");
    let device = Device::new();
    let error = refused(&gateway, &device, operator(auth.clone(), &["operator.read"])).await;
    assert_eq!(error["code"], "NOT_PAIRED", "a program is no phone: {error}");
    let error = refused(&gateway, &Device::new(), operator(auth.clone(), &["operator.read"])).await;
    assert_eq!(error["details"]["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID", "it is the first one's: {error}");
    let request =
        refused(&gateway, &device, operator(auth.clone(), &["operator.read"])).await["details"]["requestId"].clone();
    owner.request("device.pair.approve", json!({"requestId": request})).await.expect("it is approved");
    let (_, hello) = admitted(&gateway, &device, operator(auth, &["operator.read"])).await;
    assert_eq!(hello["auth"]["scopes"], json!(["operator.read"]), "{hello}");

    let (_, bootstrap) = setup_code(&mut owner, json!({"publicUrl": url, "bootstrapProfile": "node"})).await;
    let auth = json!({"bootstrapToken": bootstrap});
    let error = refused(&gateway, &Device::new(), node(auth.clone(), "openclaw-ios", "ios", "iphone")).await;
    assert_eq!(error["details"]["recommendedNextStep"], "wait_then_retry", "{error}");
    let downgraded = json!({"publicUrl": "ws://192.168.3.4:1", "includeQr": false});
    let reply = owner.request("device.pair.setupCode", downgraded).await.expect("a code");
    assert_eq!((&reply["access"], &reply["accessDowngraded"]), (&json!("limited"), &json!(true)), "{reply}");
    assert!(reply.get("qrDataUrl").is_none(), "{reply}");
}

#[tokio::test]
async fn of_two_devices_with_one_code_exactly_one_wins() {
    let gateway = strict().start().await;
    let mut owner = gateway.operator().await;
    for _ in 0..5 {
        let (_, bootstrap) =
            setup_code(&mut owner, json!({"publicUrl": gateway.url(), "bootstrapProfile": "node"})).await;
        let params = node(json!({"bootstrapToken": bootstrap}), "node-host", "linux", "Linux");
        let (one, other) = (Device::new(), Device::new());
        let (first, second) = tokio::join!(
            knock(gateway.socket().await, &one, params.clone()),
            knock(gateway.socket().await, &other, params.clone()),
        );
        let outcomes = [first.1, second.1];
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        let loser = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).unwrap();
        assert_eq!(loser["details"]["code"], "AUTH_BOOTSTRAP_TOKEN_INVALID", "{loser}");
    }
}

#[tokio::test]
async fn a_join_url_hands_out_its_code_once() {
    let gateway = gateway().start().await;
    let mut owner = gateway.operator().await;
    let params = json!({"publicUrl": gateway.url(), "joinUrl": true});
    let (reply, bootstrap) = setup_code(&mut owner, params).await;
    assert_eq!(reply["access"], "node", "{reply}");
    let path = reply["joinUrl"].as_str().unwrap().strip_prefix(&gateway.http()).expect("it is ours").to_owned();
    let answer = gateway.get(&path).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    assert_eq!(answer.json()["bootstrapToken"], bootstrap.as_str());
    for gone in [path.as_str(), "/j/abc", "/j/abc/def"] {
        let answer = gateway.get(gone).await;
        assert_eq!((answer.status, answer.json()), (404, json!({"error": "not_found"})), "{gone}");
    }
    let params = json!({"publicUrl": "ws://192.168.3.4", "joinUrl": true});
    let error = owner.request("device.pair.setupCode", params).await.expect_err("anybody could read it");
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
}
