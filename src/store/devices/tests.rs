use super::*;
use crate::protocol::devices::SetupAccess;

fn facts(device_id: &str) -> DeviceFacts {
    DeviceFacts {
        device_id: device_id.into(),
        public_key: "k".into(),
        display_name: Some("Laptop".into()),
        platform: "linux".into(),
        device_family: None,
        client_id: "cli".into(),
        client_mode: "cli".into(),
        browser_origin: None,
        remote_ip: Some("192.0.2.7".into()),
    }
}

fn device(device_id: &str) -> Device {
    Device {
        facts: facts(device_id),
        label: None,
        role: Role::Operator,
        approved_via: ApprovedVia::Owner,
        tailnet_node: Some("n1".into()),
        created_at: 1,
        approved_at: 2,
        last_seen_at: 3,
        last_seen_by: SeenBy::Connect,
        roles: vec![DeviceRole {
            role: Role::Operator,
            approved: vec![Scope::Write, Scope::Read],
            scopes: vec![Scope::Read],
            token_hash: format!("hash of {device_id}"),
            generation: 4,
            issuer: Some("i".into()),
            tailnet_node: None,
            created_at: 1,
            rotated_at: Some(4),
            revoked_at: None,
            last_used_at: None,
        }],
    }
}

fn waiting(device_id: &str, refreshed_at: u64) -> Waiting {
    Waiting {
        request_id: format!("request of {device_id}"),
        facts: facts(device_id),
        role: Role::Node,
        roles: vec![Role::Operator, Role::Node],
        scopes: vec![Scope::Read],
        is_repair: true,
        created_at: 5,
        refreshed_at,
    }
}

async fn opened() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("test.db")).await.unwrap();
    (folder, database)
}

#[tokio::test]
async fn what_a_change_leaves_comes_back_as_it_was_left() {
    let (_folder, database) = opened().await;
    let wanted = DeviceState { device: Some(device("d")), waiting: Some(waiting("d", 9)) };
    database.change_device("d", 0, |state, _| *state = wanted.clone()).await.unwrap();
    let found = database.change_device("d", 0, |state, others| (state.clone(), others)).await.unwrap();
    assert_eq!(found, (wanted, 1));
    assert_eq!(database.devices().await.unwrap(), vec![device("d")]);
    assert_eq!(database.waiting_device("request of d", 0).await.unwrap(), Some(waiting("d", 9)));
    database.change_device("d", 0, |state, _| *state = DeviceState::default()).await.unwrap();
    assert!(database.devices().await.unwrap().is_empty() && database.device("d").await.unwrap().is_none());
}

#[tokio::test]
async fn a_request_that_nobody_refreshed_is_as_good_as_gone() {
    let (_folder, database) = opened().await;
    database.change_device("old", 0, |state, _| state.waiting = Some(waiting("old", 10))).await.unwrap();
    let (state, others) = database.change_device("old", 10, |state, others| (state.clone(), others)).await.unwrap();
    assert_eq!((state.waiting, others), (None, 0));
    assert!(database.waiting_devices(10).await.unwrap().is_empty());
    assert_eq!(database.waiting_device("request of old", 10).await.unwrap(), None);
    // The next one that is written clears it away, so that the table does not grow.
    database.change_device("new", 10, |state, _| state.waiting = Some(waiting("new", 11))).await.unwrap();
    assert_eq!(database.waiting_devices(0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn sightings_count_for_known_devices_and_never_backwards() {
    let (_folder, database) = opened().await;
    database.change_device("d", 0, |state, _| state.device = Some(device("d"))).await.unwrap();
    let seen = |device_id: &str, at| Sighting {
        device_id: device_id.into(),
        at,
        by: SeenBy::DeviceTokenAuth,
        display_name: None,
        remote_ip: None,
        used: Some(Role::Operator),
    };
    database.record_sightings(&[seen("d", 7), seen("stranger", 7), seen("d", 6)]).await.unwrap();
    let found = database.device("d").await.unwrap().unwrap();
    assert_eq!((found.last_seen_at, found.last_seen_by), (7, SeenBy::DeviceTokenAuth));
    assert_eq!(database.devices().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_setup_code_is_for_one_device_and_for_one_time() {
    let (_folder, database) = opened().await;
    let code = SetupRecord {
        setup_id: "s".into(),
        token_hash: "t".into(),
        access: SetupAccess::Limited,
        issued_at: 10,
        expires_at: 20,
        join_hash: Some("j".into()),
        gateway_url: "ws://h".into(),
        device_id: None,
        device_name: None,
        completed_at: None,
        delivered_at: None,
    };
    assert!(database.add_setup_code(&code, 0, 1).await.unwrap());
    let another = SetupRecord { setup_id: "s2".into(), token_hash: "t2".into(), join_hash: None, ..code.clone() };
    assert!(!database.add_setup_code(&another, 0, 1).await.unwrap(), "one may be open");
    let accepted = |presented| matches!(presented, Presented::Accepted(_));
    assert!(!accepted(database.bind_setup_code("t", "late", 20).await.unwrap()));
    assert!(accepted(database.bind_setup_code("t", "d", 11).await.unwrap()));
    assert!(!accepted(database.bind_setup_code("t", "other", 11).await.unwrap()));
    assert!(accepted(database.bind_setup_code("t", "d", 11).await.unwrap()), "the same device may try again");
    assert!(database.take_join_code("j", 11).await.unwrap().is_some());
    assert!(database.take_join_code("j", 11).await.unwrap().is_none(), "a join code is handed out once");
    assert!(database.complete_setup_code("s", "d", Some("Phone"), 12).await.unwrap());
    assert!(!database.complete_setup_code("s", "d", None, 13).await.unwrap());
    assert!(!accepted(database.bind_setup_code("t", "d", 13).await.unwrap()), "it is used up");
    let kept = database.setup_code("s").await.unwrap().unwrap();
    assert_eq!((kept.completed_at, kept.device_name.as_deref()), (Some(12), Some("Phone")));
    assert_eq!(kept.delivered_at, None);
    database.deliver_setup_code("s", 14).await.unwrap();
    assert_eq!(database.setup_code("s").await.unwrap().unwrap().delivered_at, Some(14));
}
