//! What a running gateway cannot be shown without a tailnet: devices on its nodes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::bus::Subscriber;
use crate::net::{Owner, Peer, WhoIs};
use crate::protocol::Role;
use crate::protocol::devices::SetupAccess;
use crate::protocol::handshake::ClientInfo;
use crate::secret::Secret;

/// Remembers the names of the events.
#[derive(Default)]
struct Listener(Mutex<Vec<&'static str>>);

impl Subscriber for Listener {
    fn deliver(&self, event: &Event) {
        self.0.lock().unwrap().push(event.name());
    }

    fn close(&self, _: &Closing) {}
    fn attends(&self, _: &str) -> bool {
        false
    }
}

async fn pairing(folder: &std::path::Path, bind_tokens: bool) -> (Pairing, Arc<Listener>) {
    let database = Database::open(&folder.join("test.db")).await.unwrap();
    let identity = Arc::new(GatewayIdentity::load_or_create(&folder.join("key")).unwrap());
    let listener = Arc::new(Listener::default());
    let bus = Bus::new(Arc::<Listener>::clone(&listener));
    (Pairing::new(Settings { bind_tokens, ..Settings::default() }, database, identity, bus), listener)
}

fn on_node(stable_id: &str) -> Peer {
    let whois = WhoIs {
        stable_id: stable_id.into(),
        node_name: format!("{stable_id}.test"),
        owner: Owner::User { id: 1, login: "alice@example.com".into(), display_name: String::new() },
        expired: false,
        shared_in: false,
        is_self: false,
        capabilities: std::collections::BTreeMap::new(),
    };
    Peer::Tailnet { address: SocketAddr::from(([100, 64, 0, 1], 1)), whois: Some(Arc::new(whois)) }
}

/// The token that a device is handed on a node under one setting, and what it is worth on two under another.
async fn worth(bind_tokens: bool, later: bool) -> [TokenVerdict; 2] {
    let folder = tempfile::tempdir().unwrap();
    let (pairing, _) = pairing(folder.path(), bind_tokens).await;
    let client: ClientInfo =
        serde_json::from_value(json!({ "id": "cli", "version": "1", "platform": "linux", "mode": "cli" })).unwrap();
    let home = on_node("home");
    let request = Request {
        device_id: "d",
        public_key: "k",
        client: &client,
        role: Role::Operator,
        scopes: &[Scope::Read],
        peer: &home,
        page: Page::None,
        proof: Proof::Identity,
        is_vouched_for: true,
    };
    let token: Secret<String> = pairing.admit(&request).await.unwrap().token.token;
    pairing.apply(Settings { bind_tokens: later, ..Settings::default() });
    let judge = async |peer: &Peer| {
        let shown = Shown { peer, secret: None, is_vouched_for: true };
        pairing.judge_token("d", Role::Operator, &token, &[Scope::Read], shown).await.unwrap()
    };
    [judge(&home).await, judge(&on_node("elsewhere")).await]
}

#[tokio::test]
async fn a_token_of_a_tailnet_node_works_there_alone_unless_told_otherwise() {
    assert_eq!(worth(true, true).await, [TokenVerdict::Fits, TokenVerdict::OtherNode]);
    assert_eq!(worth(false, false).await, [TokenVerdict::Fits, TokenVerdict::Fits]);
    // The setting of the moment decides, about tokens that were bound when they were issued.
    assert_eq!(worth(true, false).await, [TokenVerdict::Fits, TokenVerdict::Fits]);
    assert_eq!(worth(false, true).await, [TokenVerdict::Fits, TokenVerdict::Fits]);
}

/// Lets a phone in by a setup code, and says which.
async fn set_up(pairing: &Pairing, device_id: &str) -> (String, SetupDelivery) {
    let order = SetupOrder {
        access: SetupAccess::Full,
        gateway_url: "ws://127.0.0.1:1".into(),
        tls_fingerprint: None,
        with_join_code: false,
    };
    let setup_id = pairing.make_setup_code(order).await.unwrap().setup_id;
    let token = pairing.0.identity.setup_token(&setup_id);
    let scopes: [Scope; 0] = [];
    let code = pairing.present_setup_token(&token, device_id, Role::Node, &scopes).await.unwrap().unwrap();
    let client: ClientInfo = serde_json::from_value(json!({
        "id": "openclaw-ios", "version": "1", "platform": "iOS 18.2", "mode": "node", "deviceFamily": "iPhone",
    }))
    .unwrap();
    let request = Request {
        device_id,
        public_key: "k",
        client: &client,
        role: Role::Node,
        scopes: &scopes,
        peer: &on_node("phone"),
        page: Page::None,
        proof: Proof::SetupCode(&code),
        is_vouched_for: false,
    };
    (setup_id, pairing.admit(&request).await.unwrap().delivery.expect("the code is used up"))
}

#[tokio::test]
async fn a_setup_is_told_once_the_device_was_answered_and_as_uncertain_where_it_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let (pairing, listener) = pairing(folder.path(), true).await;
    let told = || std::mem::take(&mut *listener.0.lock().unwrap());
    let (answered, delivery) = set_up(&pairing, "one").await;
    let outcome = pairing.setup_outcome(&answered).await.unwrap();
    assert!(matches!(outcome, Some(SetupOutcome::DeliveryUncertain(_))), "until it has gone out: {outcome:?}");
    assert!(!told().iter().any(|name| name.starts_with("device.pair.setup.")));
    delivery.confirm().await;
    let outcome = pairing.setup_outcome(&answered).await.unwrap();
    assert!(matches!(outcome, Some(SetupOutcome::Completed(_))), "{outcome:?}");
    assert_eq!(told(), ["device.pair.setup.completed"]);

    let (lost, delivery) = set_up(&pairing, "two").await;
    told();
    drop(delivery);
    assert_eq!(told(), ["device.pair.setup.deliveryUncertain"]);
    let outcome = pairing.setup_outcome(&lost).await.unwrap();
    assert!(matches!(outcome, Some(SetupOutcome::DeliveryUncertain(_))), "{outcome:?}");
}
