//! The rules by which a device's record changes: what an approval gives, when a token is used again, who waits. They
//! work on values; the store runs them inside a transaction.

use crate::bus::Closing;
use crate::protocol::access::permits;
use crate::protocol::devices::{ApprovedVia, Decision, DeviceFacts, PendingDevice, Resolved, SeenBy};
use crate::protocol::{Event, Role, Scope};
use crate::secret::{Secret, fingerprint};
use crate::store::{Device, DeviceRole, DeviceState, GatewayIdentity, Waiting};

/// Devices that may wait at a time. Only callers with a credential get so far, so this is no door for strangers.
pub(super) const MAX_WAITING: u64 = 256;

/// What is asked for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub facts: DeviceFacts,
    pub role: Role,
    pub roles: Vec<Role>,
    pub scopes: Vec<Scope>,
}

/// What a token is tied to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bond {
    pub issuer: Option<String>,
    pub tailnet_node: Option<String>,
}

impl Ask {
    pub(super) fn of(waiting: &Waiting) -> Self {
        Self {
            facts: waiting.facts.clone(),
            role: waiting.role,
            roles: waiting.roles.clone(),
            scopes: waiting.scopes.clone(),
        }
    }

    fn scopes_of(&self, role: Role) -> &[Scope] {
        match role {
            Role::Operator => &self.scopes,
            // Scopes are an operator's.
            Role::Node => &[],
        }
    }
}

/// The token that stands for a role at its generation.
pub(super) fn token_of(identity: &GatewayIdentity, device_id: &str, role: &DeviceRole) -> Secret<String> {
    identity.device_token(device_id, role.role.as_str(), role.generation)
}

/// Gives what was asked for, over what was there. Returns whose connections stand on a token that is no more.
pub(super) fn approve(
    state: &mut DeviceState,
    ask: &Ask,
    via: ApprovedVia,
    bond: Option<&Bond>,
    identity: &GatewayIdentity,
    now: u64,
) -> Vec<Closing> {
    let mut device = match state.device.take() {
        Some(known) => Device {
            facts: DeviceFacts {
                display_name: ask.facts.display_name.clone().or(known.facts.display_name),
                ..ask.facts.clone()
            },
            role: ask.role,
            approved_via: merged_via(known.approved_via, via),
            approved_at: now,
            ..known
        },
        None => Device {
            facts: ask.facts.clone(),
            label: None,
            role: ask.role,
            approved_via: via,
            tailnet_node: None,
            created_at: now,
            approved_at: now,
            last_seen_at: now,
            last_seen_by: SeenBy::Connect,
            roles: Vec::new(),
        },
    };
    let device_id = device.facts.device_id.clone();
    let mut closings = Vec::new();
    for role in &ask.roles {
        let asked = ask.scopes_of(*role);
        if let Some(known) = device.role_mut(*role) {
            if known.is_active() && *role == Role::Node {
                closings.push(closing(&device_id, Some(Role::Node)));
            }
            let before: &[Scope] = if known.is_active() { &known.scopes } else { &[] };
            let scopes = union(before, asked);
            known.approved = union(&known.approved, asked);
            if let Some(bond) = bond {
                known.issuer.clone_from(&bond.issuer);
                known.tailnet_node.clone_from(&bond.tailnet_node);
            }
            reissue(known, scopes, &device_id, identity, now);
        } else {
            let bond = bond.cloned().unwrap_or_default();
            let mut fresh = DeviceRole {
                role: *role,
                approved: asked.to_vec(),
                scopes: asked.to_vec(),
                token_hash: String::new(),
                // Never a number that was there before, also where the device was removed and comes back: the token
                // follows from it.
                generation: now,
                issuer: bond.issuer,
                tailnet_node: bond.tailnet_node,
                created_at: now,
                rotated_at: None,
                revoked_at: None,
                last_used_at: None,
            };
            fresh.token_hash = fingerprint(token_of(identity, &device_id, &fresh).expose());
            device.roles.push(fresh);
        }
    }
    device.roles.sort_by_key(|role| role.role.as_str());
    state.device = Some(device);
    state.waiting = None;
    closings
}

/// An owner's word and a setup code's are not forgotten over a silent approval.
const fn merged_via(known: ApprovedVia, incoming: ApprovedVia) -> ApprovedVia {
    match (known, incoming) {
        (_, ApprovedVia::Owner) => ApprovedVia::Owner,
        (ApprovedVia::Owner | ApprovedVia::Bootstrap, _) => known,
        _ => incoming,
    }
}

/// A new token in place of the old one, which is dead from now on.
pub(super) fn reissue(
    role: &mut DeviceRole,
    scopes: Vec<Scope>,
    device_id: &str,
    identity: &GatewayIdentity,
    now: u64,
) {
    role.generation = now.max(role.generation + 1);
    role.scopes = scopes;
    role.rotated_at = Some(now);
    role.revoked_at = None;
    role.token_hash = fingerprint(token_of(identity, device_id, role).expose());
}

/// Whether a token may be handed out again.
pub(super) fn is_reusable(role: &DeviceRole, scopes: &[Scope], bond: &Bond) -> bool {
    role.is_active()
        && scopes.iter().all(|scope| permits(&role.scopes, *scope))
        && role.scopes.iter().all(|scope| permits(&role.approved, *scope))
        && role.issuer == bond.issuer
        && role.tailnet_node == bond.tailnet_node
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Asked {
    Waits(String, Vec<Event>),
    /// Too many others wait.
    Full,
}

/// Enters a request. One that asks for no more than what waits already keeps its id; a broader one takes its place, and
/// what it asks for comes on top.
pub(super) fn wait(state: &mut DeviceState, ask: &Ask, others: u64, now: u64) -> Asked {
    let is_repair = state.device.is_some();
    if let Some(waiting) = state.waiting.as_mut().filter(|waiting| covers(waiting, ask)) {
        waiting.facts = DeviceFacts {
            display_name: ask.facts.display_name.clone().or(waiting.facts.display_name.take()),
            ..ask.facts.clone()
        };
        waiting.is_repair |= is_repair;
        waiting.refreshed_at = now;
        return Asked::Waits(waiting.request_id.clone(), Vec::new());
    }
    let mut events = Vec::new();
    let (mut roles, mut scopes) = (Vec::new(), Vec::new());
    match state.waiting.take() {
        Some(before) => {
            events.push(resolved(&before.request_id, &before.facts.device_id, Decision::Rejected, now));
            (roles, scopes) = (before.roles, before.scopes);
        }
        None if others >= MAX_WAITING => return Asked::Full,
        None => {}
    }
    for role in &ask.roles {
        if !roles.contains(role) {
            roles.push(*role);
        }
    }
    scopes = union(&scopes, &ask.scopes);
    let waiting = Waiting {
        request_id: uuid::Uuid::new_v4().to_string(),
        facts: ask.facts.clone(),
        role: ask.role,
        roles,
        scopes,
        is_repair,
        created_at: now,
        refreshed_at: now,
    };
    let request_id = waiting.request_id.clone();
    events.push(Event::DevicePairRequested(Box::new(pending(&waiting))));
    state.waiting = Some(waiting);
    Asked::Waits(request_id, events)
}

fn covers(waiting: &Waiting, ask: &Ask) -> bool {
    waiting.role == ask.role
        && waiting.facts.browser_origin == ask.facts.browser_origin
        && ask.roles.iter().all(|role| waiting.roles.contains(role))
        && ask.scopes.iter().all(|scope| permits(&waiting.scopes, *scope))
}

pub(super) fn pending(waiting: &Waiting) -> PendingDevice {
    PendingDevice {
        request_id: waiting.request_id.clone(),
        facts: waiting.facts.clone(),
        role: waiting.role,
        roles: waiting.roles.clone(),
        scopes: waiting.scopes.clone(),
        silent: false,
        is_repair: waiting.is_repair,
        ts: waiting.created_at,
    }
}

pub(super) fn resolved(request_id: &str, device_id: &str, decision: Decision, now: u64) -> Event {
    let (request_id, device_id) = (request_id.to_owned(), device_id.to_owned());
    Event::DevicePairResolved(Box::new(Resolved { request_id, device_id, decision, ts: now }))
}

pub(super) fn closing(device_id: &str, role: Option<Role>) -> Closing {
    Closing::Device { id: device_id.to_owned(), role }
}

/// Both lists, each scope once.
fn union(one: &[Scope], other: &[Scope]) -> Vec<Scope> {
    let mut all = one.to_vec();
    for scope in other {
        if !all.contains(scope) {
            all.push(*scope);
        }
    }
    all
}
