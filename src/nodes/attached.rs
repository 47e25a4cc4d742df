//! Who is here. One slot a node: a later connection of the same node takes it over, and the earlier one goes on without
//! it until it ends by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::policy::Kind;
use super::surface::{Declaration, Surface};
use super::{Error, Nodes};
use crate::clock::now_ms;
use crate::live;
use crate::protocol::devices::ApprovedVia;
use crate::protocol::handshake::ClientInfo;
use crate::protocol::nodes::{NodeDecision, NodeResolved, SeenHostStats};
use crate::protocol::{Event, Scope};
use crate::store::{NodeRecord, WaitingSurface};

/// Longest `pathEnv` that is kept, in bytes.
const MAX_PATH: usize = 16 * 1024;

/// The way to a node: its connection, as `gateway` has it.
pub trait Wire: Send + Sync + 'static {
    /// Sends an event outside the count. Of a connection that has ended, nothing comes of it.
    fn tell(&self, event: &Event);
}

/// A node that was let in, and what it declares.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub node_id: String,
    /// The connection's id.
    pub connection: Arc<str>,
    pub client: ClientInfo,
    pub caps: Vec<String>,
    pub commands: Vec<String>,
    pub permissions: BTreeMap<String, bool>,
    pub path_env: Option<String>,
    /// Unless it is this machine.
    pub remote_ip: Option<String>,
    /// What its way in lets it be asked for.
    pub allowance: Arc<Allowance>,
    /// Whether it came with a setup code, whose maker has vouched for what it can do.
    pub is_set_up: bool,
}

/// The commands that a node's way in lets it be asked for, beside what it declares, was approved for and the policy
/// allows. Changes while it is connected: a grant in the tailnet's policy file has changed.
#[derive(Debug, Default)]
pub struct Allowance(live::Live<Option<Arc<BTreeSet<String>>>>);

impl Allowance {
    /// `None` are all.
    #[must_use]
    pub fn of(commands: Option<Arc<BTreeSet<String>>>) -> Self {
        Self(live::Live::new(commands))
    }

    pub fn set(&self, commands: Option<Arc<BTreeSet<String>>>) {
        self.0.set(commands);
    }

    fn cut(&self, surface: &mut Surface) {
        if let Some(commands) = &*self.0.get() {
            surface.commands.retain(|command| commands.contains(command));
        }
    }
}

/// A connected node.
pub(super) struct Attached {
    pub node_id: String,
    pub connection: Arc<str>,
    pub client: ClientInfo,
    pub kind: Kind,
    /// What counts of what it declares.
    pub declared: Surface,
    pub path_env: Option<String>,
    pub remote_ip: Option<String>,
    pub connected_at: u64,
    pub wire: Arc<dyn Wire>,
    allowance: Arc<Allowance>,
    live: Mutex<Live>,
}

/// What changes while it is connected.
#[derive(Debug, Clone, Default)]
struct Live {
    /// When what it may use was approved; `None` before the first approval.
    approved_at: Option<u64>,
    /// What counts of what was approved.
    approved: Arc<Surface>,
    host_stats: Option<SeenHostStats>,
}

impl Attached {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_approved(&self) -> bool {
        self.live().approved_at.is_some()
    }

    fn approved(&self) -> Arc<Surface> {
        Arc::clone(&self.live().approved)
    }

    pub(super) fn host_stats(&self) -> Option<SeenHostStats> {
        self.live().host_stats.clone()
    }

    pub(super) fn note_host_stats(&self, stats: SeenHostStats) {
        self.live().host_stats = Some(stats);
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Attached").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

/// By node id.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<HashMap<String, Arc<Attached>>>);

impl Registry {
    fn slots(&self) -> MutexGuard<'_, HashMap<String, Arc<Attached>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, node_id: &str) -> Option<Arc<Attached>> {
        self.slots().get(node_id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Attached>> {
        self.slots().values().cloned().collect()
    }

    /// The node, if the connection still holds its slot.
    pub(super) fn held(&self, node_id: &str, connection: &str) -> Option<Arc<Attached>> {
        self.find(node_id).filter(|node| &*node.connection == connection)
    }

    fn enter(&self, node: Arc<Attached>) {
        self.slots().insert(node.node_id.clone(), node);
    }

    /// Empties the slot, unless another connection has it now.
    fn leave(&self, node: &Attached) -> bool {
        let mut slots = self.slots();
        let is_ours = slots.get(&node.node_id).is_some_and(|held| held.connection == node.connection);
        if is_ours {
            slots.remove(&node.node_id);
        }
        is_ours
    }
}

/// A node's place, for as long as its connection lasts.
#[derive(Debug)]
pub struct Attachment {
    nodes: Nodes,
    node: Arc<Attached>,
}

impl Nodes {
    /// Enters a node that was let in. What it declares beyond what was approved waits for an operator from here on.
    ///
    /// # Errors
    /// Nothing could be stored, or the device is no node any more.
    pub async fn attach(&self, arrival: Arrival, wire: Arc<dyn Wire>) -> Result<Attachment, Error> {
        let said = Surface::read(&arrival.caps, &arrival.commands, &arrival.permissions);
        let kind = Kind::of(&arrival.client, &said);
        let mut declared = self.0.policy.get().admit(kind, said.clone());
        arrival.allowance.cut(&mut declared);
        let withheld: Vec<&str> = said.commands.difference(&declared.commands).map(String::as_str).collect();
        if !withheld.is_empty() {
            tracing::warn!(node.id = %arrival.node_id, commands = withheld.join(","), "commands of a node are withheld");
        }
        let device = self.0.database.device(&arrival.node_id).await?.ok_or(Error::PairingChanged)?;
        let is_silent = matches!(device.approved_via, ApprovedVia::Silent | ApprovedVia::Bootstrap);
        let declaration = Declaration::of(&arrival.client, declared.clone(), is_silent);
        let now = now_ms();
        let change = |record: &mut NodeRecord| {
            record.last_connected_at = Some(now);
            self.reconcile(record, &declaration, arrival.is_set_up, now)
        };
        let outcome = self.0.database.change_node(&arrival.node_id, change).await?.ok_or(Error::PairingChanged)??;
        let node = Arc::new(Attached {
            node_id: arrival.node_id,
            connection: arrival.connection,
            client: arrival.client,
            kind,
            declared,
            path_env: arrival.path_env.filter(|path| path.len() <= MAX_PATH),
            remote_ip: arrival.remote_ip,
            connected_at: now,
            wire,
            allowance: arrival.allowance,
            live: Mutex::default(),
        });
        self.0.registry.enter(Arc::clone(&node));
        if let Some((approved, approved_at)) = &outcome.approved {
            self.settle(&node, approved, *approved_at);
        }
        for request_id in &outcome.overtaken {
            self.publish_resolved(request_id, &node.node_id, NodeDecision::Rejected);
        }
        if let Some(request_id) = &outcome.granted {
            self.publish_resolved(request_id, &node.node_id, NodeDecision::Approved);
        }
        let attachment = Attachment { nodes: self.clone(), node };
        if outcome.asks_anew {
            attachment.publish_request().await?;
        }
        Ok(attachment)
    }

    /// What the node may use follows from the newest approval; an older one that comes late changes nothing.
    pub(super) fn settle(&self, node: &Attached, approved: &Surface, approved_at: u64) {
        let approved = node.declared.within(approved);
        let mut live = node.live();
        if live.approved_at.is_none_or(|before| before <= approved_at) {
            live.approved_at = Some(approved_at);
            live.approved = Arc::new(approved);
        }
    }

    /// What can be asked of a node, as the policy is now.
    pub(super) fn usable(&self, node: &Attached) -> Surface {
        let mut usable = self.0.policy.get().runnable(node.kind, Surface::clone(&node.approved()));
        node.allowance.cut(&mut usable);
        usable
    }

    /// Tells an event to every connected node, outside the count.
    pub fn tell_all(&self, event: &Event) {
        for node in self.0.registry.all() {
            node.wire.tell(event);
        }
    }

    pub(super) fn publish_resolved(&self, request_id: &str, node_id: &str, decision: NodeDecision) -> Event {
        let (request_id, node_id) = (request_id.to_owned(), node_id.to_owned());
        let event = Event::NodePairResolved(Box::new(NodeResolved { request_id, node_id, decision, ts: now_ms() }));
        self.0.bus.publish(&event);
        event
    }

    /// Makes a record fit what the node declares now. Without need for it, what waited is dropped.
    fn reconcile(
        &self,
        record: &mut NodeRecord,
        declaration: &Declaration,
        is_set_up: bool,
        now: u64,
    ) -> Result<Outcome, Error> {
        let approved = super::approval::approved(record)?;
        let waiting = super::approval::waiting(record)?;
        let mut outcome = Outcome::default();
        let before = record.waiting.take();
        let fits = approved.as_ref().is_some_and(|(approved, _)| !declaration.surface.exceeds(&approved.surface));
        let is_same = waiting.is_some_and(|waiting| waiting.surface == declaration.surface);
        if !fits {
            // Of a later request the first approval, which somebody gave, says more.
            let is_silent = declaration.is_silent && approved.is_none();
            let text = super::approval::write(&Declaration { is_silent, ..declaration.clone() })?;
            let request_id = match &before {
                Some(before) if is_same => before.request_id.clone(),
                _ => uuid::Uuid::new_v4().to_string(),
            };
            outcome.asks_anew = before.as_ref().is_none_or(|before| before.request_id != request_id);
            record.waiting = Some(WaitingSurface { request_id, declaration: text, requested_at: now });
        }
        let stays = record.waiting.as_ref().map(|waiting| &waiting.request_id);
        outcome
            .overtaken
            .extend(before.filter(|before| Some(&before.request_id) != stays).map(|before| before.request_id));
        if is_set_up && approved.is_none() {
            outcome.granted = super::approval::grant(record, now);
            outcome.asks_anew = false;
        }
        outcome.approved = super::approval::approved(record)?.map(|(approved, at)| (approved.surface, at));
        Ok(outcome)
    }
}

/// What came of an arrival.
#[derive(Debug, Default)]
struct Outcome {
    approved: Option<(Surface, u64)>,
    /// Requests that another took the place of, or that nobody needs any more.
    overtaken: Vec<String>,
    /// The request that the setup code has answered.
    granted: Option<String>,
    asks_anew: bool,
}

impl Attachment {
    async fn publish_request(&self) -> Result<(), Error> {
        let pending = self.nodes.pending_of(&self.node.node_id).await?;
        if let Some(pending) = pending {
            let needs: Vec<&str> = pending.required_approve_scopes.iter().map(|scope: &Scope| scope.as_str()).collect();
            tracing::info!(node.id = %self.node.node_id, needs = needs.join(","), "a node waits for an approval of what it can do");
            self.nodes.0.bus.publish(&Event::NodePairRequested(Box::new(pending)));
        }
        Ok(())
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let Self { nodes, node } = self;
        let was_here = nodes.0.registry.leave(node);
        // In this order: a call that begins meanwhile finds the slot empty, or is ended here.
        nodes.0.calls.end_of(&node.connection);
        if !was_here {
            return;
        }
        let (nodes, node, now) = (nodes.clone(), Arc::clone(node), now_ms());
        nodes.0.shutdown.clone().spawn(async move {
            let stats = node.host_stats();
            let change = |record: &mut NodeRecord| {
                record.last_disconnected_at = Some(now);
                if let Some(stats) = stats.as_ref() {
                    let text = serde_json::to_string(&stats.stats).ok();
                    record.host_stats = text.map(|text| (text, stats.updated_at_ms));
                }
            };
            if let Err(error) = nodes.0.database.change_node(&node.node_id, change).await {
                tracing::warn!(node.id = %node.node_id, %error, "when a node left could not be written down");
            }
        });
    }
}
