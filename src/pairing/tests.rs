//! What a running gateway cannot be shown without a tailnet: devices on its nodes.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::bus::Subscriber;
use crate::net::{Owner, Peer, WhoIs};
use crate::protocol::Role;
use crate::protocol::handshake::ClientInfo;
use crate::secret::Secret;

struct Nobody;

impl Subscriber for Nobody {
    fn deliver(&self, _: &Event) {}
    fn close(&self, _: &Closing) {}
    fn attends(&self, _: &str) -> bool {
        false
    }
}

async fn pairing(folder: &std::path::Path, bind_tokens: bool) -> Pairing {
    let database = Database::open(&folder.join("test.db")).await.unwrap();
    let identity = Arc::new(GatewayIdentity::load_or_create(&folder.join("key")).unwrap());
    Pairing::new(Settings { bind_tokens, ..Settings::default() }, database, identity, Bus::new(Arc::new(Nobody)))
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
    let pairing = pairing(folder.path(), bind_tokens).await;
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
    let judge =
        async |peer: &Peer| pairing.judge_token("d", Role::Operator, &token, &[Scope::Read], peer, None).await.unwrap();
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
