//! Devices at the handshake: Ed25519 proofs that are let in, and those that are refused by name.
//! Reference: OpenClaw Gateway protocol 4, device identity.

use crate::handshake::{merged, refused};
use crate::harness::{Device, connect_params, gateway};
use serde_json::{Value, json};

#[tokio::test]
async fn signed_devices_are_let_in_and_get_a_token() {
    let gateway = gateway().start().await;
    for version in [3, 2] {
        let device = Device::new();
        let from_desktop = |mut params: Value, auth: Value| {
            params["client"]["platform"] = json!(" Linux ");
            params["client"]["deviceFamily"] = json!("Desktop");
            params["auth"] = auth;
            params
        };
        let mut client = gateway.socket().await;
        let (nonce, clock) = client.challenge().await;
        let params = from_desktop(connect_params(""), json!({"token": gateway.token()}));
        let params = device.sign(version, params, &nonce, clock);
        let hello = client.connect(params).await.unwrap_or_else(|error| panic!("version {version}: {error}"));
        let token = hello["auth"]["deviceToken"].as_str().expect("a paired device gets a token").to_owned();
        assert_eq!(token.len(), 43, "{token}");

        // The device's own token opens the door without the shared one, in either field.
        for field in ["deviceToken", "token"] {
            let mut client = gateway.socket().await;
            let (nonce, clock) = client.challenge().await;
            let params = from_desktop(connect_params(""), json!({field: token}));
            let hello = client.connect(device.sign(version, params, &nonce, clock)).await;
            let hello = hello.unwrap_or_else(|error| panic!("the device token as {field}: {error}"));
            assert_eq!(hello["auth"]["role"], "operator");
        }
        // It is bound to its device.
        let mut client = gateway.socket().await;
        let (nonce, clock) = client.challenge().await;
        let params = from_desktop(connect_params(""), json!({"deviceToken": token}));
        let params = Device::new().sign(version, params, &nonce, clock);
        refused(&mut client, params, "INVALID_REQUEST", "AUTH_DEVICE_TOKEN_MISMATCH", 1008).await;
    }
}

/// Makes connect params out of the socket's nonce and clock.
type Forge<'a> = Box<dyn Fn(&str, i64) -> Value + 'a>;

/// What is wrong, the code and the reason that name it, and the params that have it.
fn forgeries<'a>(
    device: &'a Device,
    other: &'a Device,
    token: &'a str,
) -> Vec<(&'static str, &'static str, &'static str, Forge<'a>)> {
    let signed = move |nonce: &str, clock: i64| device.sign(3, connect_params(token), nonce, clock);
    vec![
        (
            "the id of another key",
            "DEVICE_AUTH_DEVICE_ID_MISMATCH",
            "device-id-mismatch",
            Box::new(move |nonce, clock| merged(signed(nonce, clock), "/device/id", json!(other.id()))),
        ),
        (
            "signed 121 s ago",
            "DEVICE_AUTH_SIGNATURE_EXPIRED",
            "device-signature-stale",
            Box::new(move |nonce, clock| signed(nonce, clock - 121_000)),
        ),
        (
            "signed in 125 s",
            "DEVICE_AUTH_SIGNATURE_EXPIRED",
            "device-signature-stale",
            Box::new(move |nonce, clock| signed(nonce, clock + 125_000)),
        ),
        (
            "a blank nonce",
            "DEVICE_AUTH_NONCE_REQUIRED",
            "device-nonce-missing",
            Box::new(move |_, clock| signed(" ", clock)),
        ),
        (
            "a nonce of its own",
            "DEVICE_AUTH_NONCE_MISMATCH",
            "device-nonce-mismatch",
            Box::new(move |_, clock| signed("11111111-1111-4111-8111-111111111111", clock)),
        ),
        (
            "the signature of another key",
            "DEVICE_AUTH_SIGNATURE_INVALID",
            "device-signature",
            Box::new(move |nonce, clock| {
                let foreign = other.sign(3, connect_params(token), nonce, clock);
                merged(signed(nonce, clock), "/device/signature", foreign["device"]["signature"].clone())
            }),
        ),
        (
            "scopes widened after signing",
            "DEVICE_AUTH_SIGNATURE_INVALID",
            "device-signature",
            Box::new(move |nonce, clock| {
                let narrow = merged(connect_params(token), "/scopes", json!(["operator.read"]));
                merged(device.sign(3, narrow, nonce, clock), "/scopes", json!(["operator.admin"]))
            }),
        ),
        (
            "a signature that is no base64",
            "DEVICE_AUTH_SIGNATURE_INVALID",
            "device-signature",
            Box::new(move |nonce, clock| merged(signed(nonce, clock), "/device/signature", json!("%%%"))),
        ),
    ]
}

#[tokio::test]
async fn bad_device_proofs_are_refused_by_name() {
    let gateway = gateway().start().await;
    let (device, other) = (Device::new(), Device::new());
    let token = gateway.token();
    for (what, code, reason, forge) in forgeries(&device, &other, &token) {
        let mut client = gateway.socket().await;
        let (nonce, clock) = client.challenge().await;
        let error = client.connect(forge(&nonce, clock)).await.expect_err(what);
        assert_eq!(error["code"], "INVALID_REQUEST", "{what}: {error}");
        assert_eq!(error["details"]["code"], code, "{what}: {error}");
        assert_eq!(error["details"]["reason"], reason, "{what}: {error}");
        assert_eq!(client.closed().await.code, 1008, "{what}");
    }
    let mut client = gateway.socket().await;
    let (nonce, clock) = client.challenge().await;
    let late = device.sign(3, connect_params(&token), &nonce, clock - 115_000);
    client.connect(late).await.expect("a clock 115 s behind is within the skew");
}

#[tokio::test]
async fn a_proof_replayed_on_another_socket_is_refused() {
    let gateway = gateway().start().await;
    let device = Device::new();
    let mut first = gateway.socket().await;
    let (nonce, clock) = first.challenge().await;
    let params = device.sign(3, connect_params(&gateway.token()), &nonce, clock);
    first.connect(params.clone()).await.expect("the proof fits its socket");

    let mut second = gateway.socket().await;
    second.challenge().await;
    refused(&mut second, params, "INVALID_REQUEST", "DEVICE_AUTH_NONCE_MISMATCH", 1008).await;
}
