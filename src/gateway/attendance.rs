//! Who is shown as present, for as long as the connection lasts (protocol §2, "Presence").

use crate::auth::Caller;
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::net::Peer;
use crate::protocol::Scope;
use crate::protocol::handshake::{ClientId, ClientInfo, ClientMode};
use crate::protocol::presence::{PresenceEntry, PresenceUser};
use crate::rpc::Presence;

/// An entry in the presence list; dropping it marks the entry as gone.
pub(super) struct Attendance {
    key: String,
    presence: Presence,
    bus: Bus,
}

impl Attendance {
    /// Enters people and devices. Programs come and go, and are not shown.
    pub(super) fn enter(
        connection_id: &str,
        peer: &Peer,
        client: &ClientInfo,
        caller: &Caller,
        presence: &Presence,
        bus: &Bus,
    ) -> Option<Self> {
        if matches!(client.mode, ClientMode::Cli | ClientMode::Backend | ClientMode::Probe) {
            return None;
        }
        let key = caller.device_id().or(client.instance_id.as_deref()).unwrap_or(connection_id).to_owned();
        presence.enter(key.clone(), entry(peer, client, caller), bus);
        Some(Self { key, presence: presence.clone(), bus: bus.clone() })
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.presence.leave(&self.key, &self.bus);
    }
}

/// Whether a client is asked about approvals: it may decide, and can show the question (protocol §6).
pub(super) fn decides(client: &ClientInfo, caps: &[String], caller: &Caller) -> bool {
    let shows = matches!(
        client.id,
        ClientId::OpenclawControlUi | ClientId::OpenclawMacos | ClientId::OpenclawIos | ClientId::OpenclawAndroid
    );
    let says = caps.iter().any(|cap| cap == "approvals" || cap == "exec-approvals");
    caller.may(Scope::Approvals) && (shows || says)
}

fn entry(peer: &Peer, client: &ClientInfo, caller: &Caller) -> PresenceEntry {
    let now = now_ms();
    PresenceEntry {
        client_id: Some(client.id.as_str().to_owned()),
        mode: client.mode.as_str().to_owned(),
        host: peer.whois().map(|who| who.node_name.clone()).or_else(|| client.display_name.clone()),
        ip: Some(peer.address().ip().to_canonical().to_string()),
        version: client.version.clone(),
        platform: client.platform.clone(),
        roles: vec![caller.role().as_str().to_owned()],
        scopes: caller.scopes().iter().map(ToString::to_string).collect(),
        device_id: caller.device_id().map(str::to_owned),
        instance_id: client.instance_id.clone(),
        user: caller.profile().map(|profile| PresenceUser { id: profile.id, name: profile.display_name }),
        online_since: Some(now),
        reason: "connect".to_owned(),
        text: format!("{} {} · {}", client.id.as_str(), client.version, peer.path()),
        ts: now,
    }
}
