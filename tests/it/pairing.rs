//! Devices that wait, are approved, hold tokens and lose them. Setup codes are in `setup_codes`.
//! Reference: OpenClaw Gateway protocol 4, pairing at connect, and pairing, tokens, setup codes.

use crate::harness::{
    Closed, Device, Gateway, GatewayBuilder, LAN_ADDRESS, LanHost, OpenClaw, RawClient, Reply, connect_params, gateway,
};
use serde_json::{Value, json};

/// Everything has to be approved, on this machine too.
pub fn strict() -> GatewayBuilder {
    gateway().config(json!({"gateway": {"nodes": {"pairing": {"autoApproveLocal": false}}}}))
}

/// An operator by device, with these credentials and scopes.
pub fn operator(auth: Value, scopes: &[&str]) -> Value {
    let mut params = connect_params("");
    params["auth"] = auth;
    params["scopes"] = json!(scopes);
    params
}

pub fn node(auth: Value, id: &str, platform: &str, family: &str) -> Value {
    let mut params = operator(auth, &[]);
    params["role"] = json!("node");
    params["client"] = json!({"id": id, "version": "1", "platform": platform, "mode": "node", "deviceFamily": family});
    params
}

/// Connects with a proof of the device; the socket stays with the caller.
pub async fn knock(mut client: RawClient, device: &Device, params: Value) -> (RawClient, Reply) {
    let (nonce, clock) = client.challenge().await;
    let params = device.sign(3, params, &nonce, clock);
    let reply = client.connect(params).await;
    (client, reply)
}

pub async fn admitted(gateway: &Gateway, device: &Device, params: Value) -> (RawClient, Value) {
    let (client, reply) = knock(gateway.socket().await, device, params).await;
    (client, reply.expect("the device is let in"))
}

pub async fn refused(gateway: &Gateway, device: &Device, params: Value) -> Value {
    knock(gateway.socket().await, device, params).await.1.expect_err("the device is refused")
}

pub fn token(hello: &Value) -> String {
    hello["auth"]["deviceToken"].as_str().unwrap_or_else(|| panic!("no device token in {hello}")).to_owned()
}

pub async fn bad(client: &mut RawClient, method: &str, params: Value, message: &str) {
    let error = client.request(method, params.clone()).await.expect_err("it is refused");
    assert_eq!(error["code"], "INVALID_REQUEST", "{method} {params}: {error}");
    assert_eq!(error["message"], message, "{method} {params}");
}

#[tokio::test]
async fn a_device_from_elsewhere_waits_until_it_is_approved() {
    let host = LanHost::start(gateway().config(json!({"gateway": {"bind": "lan"}}))).await;
    let secret = json!({"token": host.gateway.token()});
    let mut owner = host.socket("127.0.0.1", &[]).await;
    owner.challenge().await;
    owner.connect(connect_params(&host.gateway.token())).await.expect("the token is accepted");
    let device = Device::new();

    let read = operator(secret.clone(), &["operator.read"]);
    let (mut client, reply) = knock(host.socket(LAN_ADDRESS, &[]).await, &device, read.clone()).await;
    let error = reply.expect_err("nobody has approved it");
    let request = error["details"]["requestId"].as_str().expect("it has a request id").to_owned();
    assert_eq!(
        error,
        json!({
            "code": "NOT_PAIRED", "message": "pairing required: device is not approved yet",
            "details": {
                "code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": request,
                "remediationHint": "Approve this device from the pending pairing requests.",
                "deviceId": device.id(), "requestedRole": "operator", "requestedScopes": ["operator.read"],
            }
        })
    );
    let reason = format!("pairing required: device is not approved yet (requestId: {request})");
    assert_eq!(client.closed().await, Closed { code: 1008, reason });
    let told = owner.event("device.pair.requested", |event| event["requestId"] == request.as_str()).await;
    assert_eq!(told["remoteIp"], LAN_ADDRESS, "{told}");
    assert_eq!(told["silent"], false, "{told}");
    assert_eq!(told["isRepair"], false, "{told}");

    // The same again keeps the id; more than that takes its place.
    let (_, reply) = knock(host.socket(LAN_ADDRESS, &[]).await, &device, read).await;
    assert_eq!(reply.expect_err("still not")["details"]["requestId"], request.as_str());
    let broader = operator(secret.clone(), &["operator.read", "operator.write"]);
    let (_, reply) = knock(host.socket(LAN_ADDRESS, &[]).await, &device, broader.clone()).await;
    let second = reply.expect_err("still not")["details"]["requestId"].as_str().unwrap().to_owned();
    assert_ne!(second, request);
    let resolved = owner.event("device.pair.resolved", |event| event["requestId"] == request.as_str()).await;
    assert_eq!(resolved["decision"], "rejected", "{resolved}");
    owner.event("device.pair.requested", |event| event["requestId"] == second.as_str()).await;

    let list = owner.request("device.pair.list", json!({})).await.expect("the list");
    assert_eq!(list["pending"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["pending"][0]["scopes"], json!(["operator.read", "operator.write"]), "{list}");
    let approved = owner.request("device.pair.approve", json!({"requestId": second})).await.expect("it is approved");
    assert_eq!(approved["device"]["approvedVia"], "owner", "{approved}");
    assert_eq!(approved["device"]["remoteIp"], LAN_ADDRESS, "{approved}");
    assert!(!approved.to_string().contains("tokenHash"), "{approved}");
    owner.event("device.pair.resolved", |event| event["decision"] == "approved").await;
    let (_stays, reply) = knock(host.socket(LAN_ADDRESS, &[]).await, &device, broader).await;
    reply.expect("it is approved");
    let list = owner.request("device.pair.list", json!({})).await.expect("the list");
    assert_eq!(list["paired"][0]["connected"], true, "{list}");
}

#[tokio::test]
async fn nodes_of_a_trusted_network_are_approved_once() {
    let pairing = json!({"pairing": {"autoApproveCidrs": ["192.168.77.0/24"]}});
    let host = LanHost::start(gateway().config(json!({"gateway": {"bind": "lan", "nodes": pairing}}))).await;
    let secret = json!({"token": host.gateway.token()});
    let device = Device::new();
    let params = node(secret.clone(), "node-host", "linux", "Linux");
    let (_, reply) = knock(host.socket(LAN_ADDRESS, &[]).await, &device, params).await;
    token(&reply.expect("a node of that network needs nobody"));
    let (_, reply) =
        knock(host.socket(LAN_ADDRESS, &[]).await, &Device::new(), operator(secret, &["operator.read"])).await;
    let error = reply.expect_err("an operator does");
    assert_eq!(error["details"]["reason"], "not-paired", "{error}");
}

#[tokio::test]
async fn requests_outlive_a_restart_and_approvals_a_kill() {
    let mut gateway = strict().start().await;
    let secret = json!({"token": gateway.token()});
    let device = Device::new();
    let params = operator(secret, &["operator.read"]);
    let error = refused(&gateway, &device, params.clone()).await;
    let request = error["details"]["requestId"].as_str().unwrap().to_owned();
    gateway.stop().await;
    gateway.restart().await;
    let mut owner = gateway.operator().await;
    owner.request("device.pair.approve", json!({"requestId": request})).await.expect("the request was kept");
    gateway.kill9().await;
    gateway.restart().await;
    let (_, hello) = admitted(&gateway, &device, params).await;
    let (_, again) =
        admitted(&gateway, &device, operator(json!({"deviceToken": token(&hello)}), &["operator.read"])).await;
    assert_eq!(again["auth"]["method"], "device-token", "{again}");
}

#[tokio::test]
async fn approvers_give_only_what_they_have() {
    let gateway = strict().start().await;
    let secret = gateway.token();
    let as_operator = async |scopes: &[&str]| {
        let mut client = gateway.socket().await;
        client.challenge().await;
        let mut params = connect_params(&secret);
        params["scopes"] = json!(scopes);
        client.connect(params).await.expect("the token is accepted");
        client
    };
    let wants = operator(json!({"token": secret}), &["operator.read", "operator.write"]);
    let request = refused(&gateway, &Device::new(), wants).await["details"]["requestId"].clone();
    let mut narrow = as_operator(&["operator.pairing"]).await;
    bad(&mut narrow, "device.pair.approve", json!({"requestId": request}), "missing scope: operator.read").await;
    bad(&mut narrow, "device.pair.approve", json!({"requestId": "nope"}), "device pairing approval denied").await;
    let mut enough = as_operator(&["operator.pairing", "operator.write"]).await;
    enough.request("device.pair.approve", json!({"requestId": request})).await.expect("write holds read");

    let wants = node(json!({"token": secret}), "node-host", "linux", "Linux");
    let request = refused(&gateway, &Device::new(), wants).await["details"]["requestId"].clone();
    bad(&mut enough, "device.pair.approve", json!({"requestId": request}), "device pairing approval denied").await;
    let mut admin = as_operator(&["operator.admin"]).await;
    admin.request("device.pair.approve", json!({"requestId": request})).await.expect("an admin may");
    let mut reader = as_operator(&["operator.read"]).await;
    let error = reader.request("device.pair.list", json!({})).await.expect_err("it takes operator.pairing");
    assert_eq!(error["message"], "missing scope: operator.pairing", "{error}");
}

#[tokio::test]
async fn a_device_by_its_token_sees_and_decides_about_itself_alone() {
    let gateway = gateway().start().await;
    let secret = json!({"token": gateway.token()});
    let (own, other) = (Device::new(), Device::new());
    let scopes = ["operator.read", "operator.pairing"];
    let (_, hello) = admitted(&gateway, &own, operator(secret.clone(), &scopes)).await;
    let (_other, _) = admitted(&gateway, &other, operator(secret.clone(), &["operator.read"])).await;
    let (mut client, _) = admitted(&gateway, &own, operator(json!({"deviceToken": token(&hello)}), &scopes)).await;
    let list = client.request("device.pair.list", json!({})).await.expect("its own entry");
    assert_eq!(list["paired"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["paired"][0]["deviceId"], own.id(), "{list}");
    assert_eq!(list["paired"][0]["lastSeenReason"], "device-token-auth", "{list}");
    assert!(list["paired"][0]["tokens"][0]["lastUsedAtMs"].is_u64(), "{list}");

    let at = |device: &Device| json!({"deviceId": device.id(), "role": "operator", "label": "mine"});
    bad(&mut client, "device.pair.rename", at(&other), "device pairing rename denied").await;
    bad(&mut client, "device.pair.remove", at(&other), "device pairing removal denied").await;
    bad(&mut client, "device.token.rotate", at(&other), "device token rotation denied").await;
    bad(&mut client, "device.token.revoke", at(&other), "device token revocation denied").await;
    bad(&mut client, "device.pair.reject", json!({"requestId": "nope"}), "device pairing rejection denied").await;
    client.request("device.pair.rename", at(&own)).await.expect("it may name itself");
    let rotated = client.request("device.token.rotate", at(&own)).await.expect("it may rotate its own token");
    assert_eq!(rotated["tokenDelivery"], "in-band", "{rotated}");
    // The answer came before the end, and the new token opens the door that the old one no longer does.
    assert_eq!(client.closed().await, Closed { code: 4001, reason: "device removed".into() });
    admitted(&gateway, &own, operator(json!({"deviceToken": rotated["token"]}), &scopes)).await;
    let error = refused(&gateway, &own, operator(json!({"deviceToken": token(&hello)}), &scopes)).await;
    assert_eq!(error["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH", "{error}");
}

#[tokio::test]
async fn tokens_are_reused_widened_rotated_and_revoked() {
    let gateway = gateway().start().await;
    let secret = json!({"token": gateway.token()});
    let device = Device::new();
    let mut owner = gateway.operator().await;
    let (_, first) = admitted(&gateway, &device, operator(secret.clone(), &["operator.write"])).await;
    let (_, narrower) = admitted(&gateway, &device, operator(secret.clone(), &["operator.read"])).await;
    assert_eq!(token(&first), token(&narrower), "a token that covers what is asked is handed out again");
    assert_eq!(first["auth"]["issuedAtMs"], narrower["auth"]["issuedAtMs"]);
    let too_much = operator(json!({"deviceToken": token(&first)}), &["operator.approvals"]);
    let error = refused(&gateway, &device, too_much).await;
    assert_eq!(error["details"]["code"], "AUTH_SCOPE_MISMATCH", "{error}");
    let (_, wider) = admitted(&gateway, &device, operator(secret.clone(), &["operator.approvals"])).await;
    assert_ne!(token(&first), token(&wider), "a wider one is new");
    let error = refused(&gateway, &device, operator(json!({"deviceToken": token(&first)}), &["operator.read"])).await;
    assert_eq!(error["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH", "{error}");

    let (mut live, hello) = admitted(&gateway, &device, operator(secret.clone(), &["operator.read"])).await;
    let role = json!({"deviceId": device.id(), "role": "operator"});
    let rotated = owner.request("device.token.rotate", role.clone()).await.expect("it is rotated");
    assert_eq!(rotated["tokenDelivery"], "withheld-cross-device", "{rotated}");
    assert!(rotated.get("token").is_none(), "{rotated}");
    assert_eq!(live.closed().await, Closed { code: 4001, reason: "device removed".into() });
    let error = refused(&gateway, &device, operator(json!({"deviceToken": token(&hello)}), &["operator.read"])).await;
    assert_eq!(error["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH", "{error}");

    let (mut live, hello) = admitted(&gateway, &device, operator(secret.clone(), &["operator.read"])).await;
    let revoked = owner.request("device.token.revoke", role.clone()).await.expect("it is revoked");
    assert!(revoked["revokedAtMs"].is_u64(), "{revoked}");
    assert_eq!(live.closed().await.code, 4001);
    refused(&gateway, &device, operator(json!({"deviceToken": token(&hello)}), &["operator.read"])).await;
    // With the shared secret, on this machine, it has its role back without a click.
    let (_, back) = admitted(&gateway, &device, operator(secret.clone(), &["operator.read"])).await;
    assert_ne!(token(&back), token(&hello));

    let (mut live, hello) = admitted(&gateway, &device, operator(secret, &["operator.read"])).await;
    owner.request("device.pair.remove", json!({"deviceId": device.id()})).await.expect("it is removed");
    assert_eq!(live.closed().await.code, 4001);
    refused(&gateway, &device, operator(json!({"deviceToken": token(&hello)}), &["operator.read"])).await;
}

#[tokio::test]
async fn bad_input_is_named() {
    let gateway = strict().start().await;
    let mut owner = gateway.operator().await;
    let device = Device::new();
    let secret = json!({"token": gateway.token()});
    let request =
        refused(&gateway, &device, operator(secret, &["operator.read"])).await["details"]["requestId"].clone();
    owner.request("device.pair.approve", json!({"requestId": request})).await.expect("it is approved");
    let id = device.id();
    let empty = "must not have fewer than 1 characters";
    let cases = [
        ("device.pair.approve", json!({"requestId": "nope"}), "unknown requestId".to_owned()),
        ("device.pair.approve", json!({"requestId": request}), "unknown requestId".to_owned()),
        ("device.pair.reject", json!({"requestId": "nope"}), "unknown requestId".to_owned()),
        ("device.pair.remove", json!({"deviceId": "nope"}), "unknown deviceId".to_owned()),
        ("device.pair.rename", json!({"deviceId": "nope", "label": "x"}), "unknown deviceId".to_owned()),
        ("device.pair.rename", json!({"deviceId": id, "label": "  "}), "label required".to_owned()),
        (
            "device.token.rotate",
            json!({"deviceId": "nope", "role": "operator"}),
            "device token rotation denied".to_owned(),
        ),
        ("device.token.rotate", json!({"deviceId": id, "role": "node"}), "device token rotation denied".to_owned()),
        ("device.token.rotate", json!({"deviceId": id, "role": "king"}), "device token rotation denied".to_owned()),
        (
            "device.token.rotate",
            json!({"deviceId": id, "role": "operator", "scopes": ["operator.admin"]}),
            "device token rotation denied".to_owned(),
        ),
        ("device.token.revoke", json!({"deviceId": id, "role": "node"}), "device token revocation denied".to_owned()),
        (
            "device.pair.approve",
            json!({"requestId": ""}),
            format!("invalid device.pair.approve params: at /requestId: {empty}"),
        ),
        (
            "device.pair.remove",
            json!({"deviceId": ""}),
            format!("invalid device.pair.remove params: at /deviceId: {empty}"),
        ),
        (
            "device.pair.rename",
            json!({"deviceId": id, "label": "x".repeat(65)}),
            "invalid device.pair.rename params: at /label: must not have more than 64 characters".to_owned(),
        ),
        ("device.pair.setupCode", json!({"publicUrl": "http://x y"}), "Configured publicUrl is invalid.".to_owned()),
        (
            "device.pair.setupCode",
            json!({"joinUrl": true, "bootstrapProfile": "limited"}),
            "Join URLs require bootstrapProfile=node.".to_owned(),
        ),
    ];
    for (method, params, message) in cases {
        bad(&mut owner, method, params, &message).await;
    }
    for method in ["device.pair.approve", "device.pair.rename", "device.token.rotate", "device.pair.setupStatus"] {
        let error = owner.request(method, json!({})).await.expect_err("something is missing");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(&format!("invalid {method} params: ")), "{error}");
    }
    let error = owner.request("device.pair.setupCode", json!({})).await.expect_err("nothing but loopback");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("Gateway is only bound to loopback."), "{error}");
    assert_eq!(owner.request("device.pair.setupStatus", json!({"setupId": "nope"})).await, Ok(json!({})));
}

#[tokio::test]
async fn what_is_never_silent() {
    let gateway = gateway().config(json!({"gateway": {"controlUi": {"allowedOrigins": ["https://page.example"]}}}));
    let gateway = gateway.start().await;
    let secret = json!({"token": gateway.token()});
    let device = Device::new();
    admitted(&gateway, &device, operator(secret.clone(), &["operator.read"])).await;
    let mut as_node = node(secret.clone(), "node-host", "linux", "");
    let error = refused(&gateway, &device, as_node.clone()).await;
    assert_eq!(error["details"]["reason"], "role-upgrade", "a node out of an operator: {error}");
    assert_eq!(error["details"]["approvedRoles"], json!(["operator"]), "{error}");
    assert_eq!(error["details"]["approvedScopes"], json!(["operator.read"]), "{error}");
    assert!(error["details"].get("requestedScopes").is_none(), "{error}");
    admitted(&gateway, &Device::new(), as_node.clone()).await;

    as_node = operator(secret.clone(), &["operator.read"]);
    as_node["client"]["platform"] = json!("darwin");
    let error = refused(&gateway, &device, as_node).await;
    assert_eq!(error["details"]["reason"], "metadata-upgrade", "another system: {error}");

    let origin = [("origin", "https://page.example")];
    let (_, reply) =
        knock(gateway.socket_with("/", &origin).await, &Device::new(), operator(secret, &["operator.read"])).await;
    assert_eq!(reply.expect_err("a page of somebody else")["details"]["reason"], "not-paired");
}

#[tokio::test]
async fn the_waiting_page_is_told_to_ask_again() {
    let gateway = strict().start().await;
    let mut params = operator(json!({"token": gateway.token()}), &["operator.read"]);
    params["client"] = json!({"id": "openclaw-control-ui", "version": "1", "platform": "web", "mode": "webchat"});
    let origin = gateway.http();
    let socket = gateway.socket_with("/", &[("origin", &origin)]).await;
    let details = knock(socket, &Device::new(), params).await.1.expect_err("it has to wait")["details"].clone();
    assert_eq!(details["recommendedNextStep"], "wait_then_retry", "{details}");
    assert_eq!(details["retryable"], true, "{details}");
    assert_eq!(details["pauseReconnect"], false, "{details}");
}

#[tokio::test]
async fn a_browsers_token_ends_with_the_shared_secret() {
    let builder = gateway();
    let with = |secret: &str| builder.clone().config(json!({"gateway": {"auth": {"token": secret}}}));
    let page = |auth: Value| {
        let mut params = operator(auth, &["operator.read"]);
        params["client"] = json!({"id": "openclaw-control-ui", "version": "1", "platform": "web", "mode": "webchat"});
        params
    };
    let (browser, program) = (Device::new(), Device::new());
    let mut gateway = with("the-first-secret").start().await;
    let origin = gateway.http();
    let by_page = async |gateway: &Gateway, auth: Value| {
        knock(gateway.socket_with("/", &[("origin", &origin)]).await, &browser, page(auth)).await.1
    };
    let hello = by_page(&gateway, json!({"token": "the-first-secret"})).await.expect("the secret is right");
    let held = json!({"deviceToken": token(&hello)});
    by_page(&gateway, held.clone()).await.expect("its token is good");
    let (_, hello) =
        admitted(&gateway, &program, operator(json!({"token": "the-first-secret"}), &["operator.read"])).await;
    gateway.stop().await;

    let gateway = with("the-second-secret").start().await;
    let error = by_page(&gateway, held).await.expect_err("the secret is another one");
    assert_eq!(error["details"]["code"], "AUTH_DEVICE_TOKEN_MISMATCH", "{error}");
    admitted(&gateway, &program, operator(json!({"deviceToken": token(&hello)}), &["operator.read"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_decides_about_devices() {
    let gateway = strict().start().await;
    let device = Device::new();
    let params = operator(json!({"token": gateway.token()}), &["operator.read"]);
    let ask =
        async || refused(&gateway, &device, params.clone()).await["details"]["requestId"].as_str().unwrap().to_owned();
    let none = gateway.cli(&["devices", "list"]).await.success();
    assert_eq!(none.stdout.trim(), "No device pairing entries.");
    let nothing = gateway.cli(&["devices", "approve"]).await;
    assert_eq!(nothing.code, Some(1), "{}", nothing.all());
    assert!(nothing.all().contains("No pending device pairing requests to approve"), "{}", nothing.all());
    let request = ask().await;
    let shown = gateway.cli(&["devices", "approve", "--latest"]).await;
    assert_eq!(shown.code, Some(1), "it only shows what there is: {}", shown.all());
    assert!(shown.all().contains(&format!("tailclaw devices approve {request}")), "{}", shown.all());
    gateway.cli(&["devices", "reject", &request]).await.success();
    let request = ask().await;
    let approved = gateway.cli(&["devices", "approve", &request, "--json"]).await.success().json();
    assert_eq!(approved["device"]["deviceId"], device.id(), "{approved}");
    let id = device.id();
    gateway.cli(&["devices", "rename", "--device", &id, "--name", "Laptop"]).await.success();
    assert!(gateway.cli(&["devices", "list"]).await.success().stdout.contains("Laptop"));
    let rotated = gateway.cli(&["devices", "rotate", "--device", &id, "--role", "operator"]).await.success().json();
    assert_eq!(rotated["tokenDelivery"], "withheld-cross-device", "{rotated}");
    gateway.cli(&["devices", "revoke", "--device", &id, "--role", "operator"]).await.success();
    gateway.cli(&["devices", "remove", &id]).await.success();
    let unknown = gateway.cli(&["devices", "remove", &id]).await;
    assert_eq!(unknown.code, Some(1), "{}", unknown.all());
    assert!(unknown.all().contains("unknown deviceId"), "{}", unknown.all());

    let code = gateway.cli(&["qr", "--public-url", "wss://gw.example.com", "--json"]).await.success().json();
    assert_eq!(code["gatewayUrl"], "wss://gw.example.com", "{code}");
    let refused = gateway.cli(&["qr"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.all());
    assert!(refused.all().contains("only bound to loopback"), "{}", refused.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaws_command_line_decides_about_devices() {
    let gateway = strict().start().await;
    let openclaw = OpenClaw::local(gateway.port, &gateway.token());
    let device = Device::new();
    let params = operator(json!({"token": gateway.token()}), &["operator.read"]);
    let request = refused(&gateway, &device, params).await["details"]["requestId"].as_str().unwrap().to_owned();
    let list = openclaw.run(&["devices", "list", "--json"]).await.success().json();
    assert_eq!(list["pending"][0]["requestId"], request.as_str(), "{list}");
    let approved = openclaw.run(&["devices", "approve", &request, "--json"]).await.success().json();
    assert_eq!(approved["device"]["deviceId"], device.id(), "{approved}");
    let id = device.id();
    openclaw.run(&["devices", "rename", "--device", &id, "--name", "Laptop"]).await.success();
    let rotated = openclaw.run(&["devices", "rotate", "--device", &id, "--role", "operator"]).await.success();
    assert!(rotated.all().contains("withheld-cross-device"), "{}", rotated.all());
    openclaw.run(&["devices", "revoke", "--device", &id, "--role", "operator"]).await.success();
    openclaw.run(&["devices", "remove", &id]).await.success();
    let unknown = openclaw.run(&["devices", "reject", "nope"]).await;
    assert_eq!(unknown.code, Some(1), "{}", unknown.all());
    assert!(unknown.all().contains("unknown requestId"), "{}", unknown.all());
}
