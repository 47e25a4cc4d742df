//! `wake`, `system-event`, `set-heartbeats`, `last-heartbeat`.

use super::{Context, Presence, Table};
use crate::automation::{self, Heartbeats};
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::presence::PresenceEntry;
use crate::protocol::wake::{
    Heartbeat, LastHeartbeat, OkReply, SetHeartbeats, SetHeartbeatsParams, SetHeartbeatsReply, SystemEvent,
    SystemEventParams, Wake, WakeMode, WakeParams,
};
use crate::protocol::{ErrorShape, NoParams};
use crate::sessions::SessionKey;

/// Longest text of an event, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// What these handlers need.
#[derive(Clone)]
pub(super) struct Waking {
    pub(super) heartbeats: Heartbeats,
    pub(super) presence: Presence,
    pub(super) bus: Bus,
    pub(super) agent_id: String,
}

pub(super) fn register(table: &mut Table, waking: &Waking) {
    table.on(Wake, waking, wake);
    table.on(SystemEvent, waking, system_event);
    table.on(SetHeartbeats, &waking.heartbeats, set_heartbeats);
    table.on(LastHeartbeat, &waking.heartbeats, last_heartbeat);
}

async fn wake(waking: Waking, _: Context, params: WakeParams) -> Result<OkReply, ErrorShape> {
    if params.text.is_empty() {
        return Err(ErrorShape::invalid("invalid wake params: at /text: must not have fewer than 1 characters"));
    }
    let text = params.text.trim();
    if text.is_empty() {
        return Ok(OkReply { ok: false });
    }
    bounded(text)?;
    let key = match params.session_key.as_deref() {
        Some(key) => SessionKey::parse(key, params.agent_id.as_deref().unwrap_or(&waking.agent_id))?,
        None => SessionKey::main_of(params.agent_id.as_deref().unwrap_or(&waking.agent_id)),
    };
    if key.agent() != waking.agent_id {
        return Err(automation::Error::UnknownAgent(key.agent().to_owned()).into());
    }
    waking.heartbeats.queue(&key, text).await?;
    if params.mode == WakeMode::Now {
        waking.heartbeats.beat(key).await?;
    }
    Ok(OkReply { ok: true })
}

/// The line shows in the presence list, and the agent is told of it with the next thing that wakes it.
async fn system_event(waking: Waking, _: Context, params: SystemEventParams) -> Result<OkReply, ErrorShape> {
    let text = params.text.trim();
    if text.is_empty() {
        return Err(ErrorShape::invalid("text required"));
    }
    bounded(text)?;
    // Machines report themselves in such lines every few minutes: those are for the list alone.
    if !text.starts_with("Node:") {
        waking.heartbeats.queue(&SessionKey::main_of(&waking.agent_id), text).await?;
    }
    let key = params.device_id.clone().or_else(|| params.instance_id.clone()).unwrap_or_else(|| text.to_lowercase());
    let entry = PresenceEntry {
        mode: params.mode.unwrap_or_default(),
        host: params.host,
        ip: params.ip,
        version: params.version.unwrap_or_default(),
        platform: params.platform.unwrap_or_default(),
        roles: params.roles,
        scopes: params.scopes,
        device_id: params.device_id,
        instance_id: params.instance_id,
        reason: params.reason.unwrap_or_default(),
        text: text.to_owned(),
        ts: now_ms(),
        ..PresenceEntry::default()
    };
    waking.presence.enter(key, entry, &waking.bus);
    Ok(OkReply { ok: true })
}

async fn set_heartbeats(
    heartbeats: Heartbeats,
    _: Context,
    params: SetHeartbeatsParams,
) -> Result<SetHeartbeatsReply, ErrorShape> {
    let Some(enabled) = params.enabled else {
        return Err(ErrorShape::invalid("invalid set-heartbeats params: enabled (boolean) required"));
    };
    heartbeats.set_enabled(enabled).await?;
    Ok(SetHeartbeatsReply { ok: true, enabled })
}

async fn last_heartbeat(heartbeats: Heartbeats, _: Context, _: NoParams) -> Result<Option<Heartbeat>, ErrorShape> {
    Ok(heartbeats.last())
}

fn bounded(text: &str) -> Result<(), ErrorShape> {
    if text.len() > MAX_TEXT {
        return Err(ErrorShape::invalid(format!("text is longer than {MAX_TEXT} bytes")));
    }
    Ok(())
}
