//! `health`, `status`, `gateway.identity.get`, `update.status`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::watch;

use super::{Context, Table};
use crate::agent::Agent;
use crate::auth::{Caller, Others};
use crate::automation::Heartbeats;
use crate::clock::now_ms;
use crate::config::Configuration;
use crate::protocol::access::Scope;
use crate::protocol::system::{
    AgentHealth, AgentHeartbeat, AgentSessions, CliAgent, CliAgents, CliProjection, ConfigReload,
    GatewayIdentity as GatewayIdentityMethod, Health, HealthParams, HealthReply, HeartbeatHealth, HeartbeatStatus,
    IdentityReply, MemoryPlugin, ModelRuntime, PluginHealth, ProcessStatus, SessionCount, SessionStatus, Status,
    StatusParams, StatusReply, TailnetHealth, TaskAudit, TaskCounts, UpdateReply, UpdateStatus,
};
use crate::protocol::{ErrorShape, NoParams, Role};
use crate::sessions::{SessionKey, Sessions};
use crate::store::{GatewayIdentity, RunStatus};

/// What the tailnet node does, as clients are shown it; `None` where there is none.
pub type TailnetView = watch::Receiver<Option<TailnetHealth>>;

/// How the gateway is.
#[derive(Debug, Clone)]
pub struct System {
    agent: Agent,
    sessions: Sessions,
    heartbeats: Heartbeats,
    configuration: Configuration,
    tailnet: TailnetView,
    started: Instant,
    connections: Arc<AtomicUsize>,
}

impl System {
    #[must_use]
    pub fn new(
        agent: Agent,
        sessions: Sessions,
        heartbeats: Heartbeats,
        configuration: Configuration,
        tailnet: TailnetView,
        connections: Arc<AtomicUsize>,
    ) -> Self {
        Self { agent, sessions, heartbeats, configuration, tailnet, started: Instant::now(), connections }
    }

    #[must_use]
    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// # Errors
    /// The database could not be read: the gateway is not healthy then, and says so.
    pub async fn health(&self, sight: Sight) -> Result<HealthReply, ErrorShape> {
        let begun = Instant::now();
        let sessions =
            if sight.sessions { self.sessions.encoded_count(sight.paths).await? } else { Sessions::encoded_none()? };
        let agent_id = self.agent.id().to_owned();
        Ok(HealthReply {
            ok: true,
            ts: now_ms(),
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            channels: BTreeMap::new(),
            channel_order: Vec::new(),
            channel_labels: BTreeMap::new(),
            heartbeat_seconds: 0,
            default_agent_id: agent_id.clone(),
            agents: vec![AgentHealth {
                agent_id,
                is_default: true,
                heartbeat: NO_HEARTBEAT,
                sessions: sessions.clone(),
            }],
            sessions,
            plugins: PluginHealth::default(),
            model_runtime: None,
            config_reload: ConfigReload {
                hot_reload_status: if self.configuration.is_live() { "active" } else { "disabled" },
            },
            tailnet: self.tailnet.borrow().clone().map(|tailnet| TailnetHealth {
                // Whoever opens the link decides whose tailnet it is.
                login_url: tailnet.login_url.filter(|_| sight.login),
                ..tailnet
            }),
        })
    }

    /// What a caller is shown of all this.
    #[must_use]
    pub fn sight_of(&self, caller: &Caller) -> Sight {
        let is_operator = caller.role() == Role::Operator;
        Sight {
            paths: caller.may(Scope::Admin),
            login: caller.may(Scope::Read),
            sessions: !is_operator
                || (caller.others() != Others::Nothing && caller.agents().permit(self.agent.id(), Scope::Read)),
        }
    }

    async fn status(&self, sight: Sight, wants_projection: bool) -> Result<StatusReply, ErrorShape> {
        let shows_all = sight.paths;
        let sessions = if sight.sessions { self.sessions.count().await? } else { SessionCount::default() };
        let sessions = redacted(sessions, shows_all);
        let agent_id = self.agent.id().to_owned();
        let by_agent = AgentSessions {
            agent_id: agent_id.clone(),
            path: sessions.path.clone(),
            count: sessions.count,
            recent: sessions.recent.clone(),
        };
        let queued = self.heartbeats.queued(&SessionKey::main_of(&agent_id)).await?;
        Ok(StatusReply {
            runtime_version: crate::VERSION.to_owned(),
            heartbeat: HeartbeatStatus {
                default_agent_id: agent_id.clone(),
                agents: vec![AgentHeartbeat { agent_id: agent_id.clone(), heartbeat: NO_HEARTBEAT }],
            },
            channel_summary: Vec::new(),
            queued_system_events: if shows_all { queued } else { Vec::new() },
            degraded_secret_owners: Vec::new(),
            degraded_plugins: Vec::new(),
            tasks: task_counts(&self.agent.run_counts().await?),
            task_audit: TaskAudit::default(),
            sessions: SessionStatus {
                paths: vec![sessions.path],
                count: sessions.count,
                defaults: self.agent.model_defaults(),
                recent: sessions.recent,
                by_agent: vec![by_agent],
            },
            model_runtime: ModelRuntime::default(),
            pid: std::process::id(),
            uptime_ms: self.uptime_ms(),
            process: ProcessStatus {
                pid: std::process::id(),
                rss_bytes: resident_bytes(),
                connections: self.connections.load(Ordering::Relaxed),
            },
            tailnet: self.tailnet.borrow().clone(),
            cli_projection: wants_projection.then(|| projection(agent_id)),
        })
    }
}

fn projection(agent_id: String) -> CliProjection {
    CliProjection {
        agents: CliAgents {
            default_id: agent_id.clone(),
            ownership: "sole",
            selection_required: false,
            rows: vec![CliAgent { id: agent_id }],
        },
        update_channel: None,
        memory_plugin: MemoryPlugin { enabled: false, slot: None, reason: "plugins disabled" },
    }
}

/// Heartbeats by the clock come with the scheduler; until then one runs only when `wake` asks for it.
const NO_HEARTBEAT: HeartbeatHealth =
    HeartbeatHealth { enabled: false, every: "disabled", every_ms: None, prompt: "", target: "none", ack_max_chars: 0 };

/// How much of the gateway somebody is shown.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    /// Of this machine: for admins.
    pub paths: bool,
    /// The login link: for those who may read.
    pub login: bool,
    /// Which there are: for those to whom other people's exist.
    pub sessions: bool,
}

impl Sight {
    /// For a message to everybody to whom sessions may be shown.
    pub const EVERYBODYS: Self = Self { paths: false, login: false, sessions: true };
}

fn redacted(count: SessionCount, shows_paths: bool) -> SessionCount {
    if shows_paths { count } else { SessionCount { path: String::new(), ..count } }
}

fn task_counts(counts: &[(RunStatus, u64)]) -> TaskCounts {
    let of = |status| counts.iter().filter(|(other, _)| *other == status).map(|(_, count)| count).sum::<u64>();
    let by_status = BTreeMap::from([
        ("queued", 0),
        ("running", of(RunStatus::Running)),
        ("succeeded", of(RunStatus::Ok)),
        ("failed", of(RunStatus::Error)),
        // A run past its limit is stopped like any other.
        ("timed_out", 0),
        ("cancelled", of(RunStatus::Aborted)),
        ("lost", of(RunStatus::Interrupted)),
    ]);
    let total = by_status.values().sum::<u64>();
    let active = of(RunStatus::Running);
    TaskCounts {
        total,
        active,
        terminal: total - active,
        failures: of(RunStatus::Error) + of(RunStatus::Interrupted),
        by_status,
        by_runtime: BTreeMap::from([("subagent", 0), ("acp", 0), ("cli", total), ("cron", 0)]),
    }
}

/// Of this process, by the kernel's own count; 0 where the kernel does not say.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    pages * u64::try_from(rustix::param::page_size()).unwrap_or(4_096)
}

pub(super) fn register(table: &mut Table, system: &System, identity: &Arc<GatewayIdentity>) {
    table.on(Health, system, health);
    table.on(Status, system, status);
    table.on(GatewayIdentityMethod, identity, identity_of);
    table.on(UpdateStatus, &(), update_status);
}

async fn health(system: System, context: Context, _: HealthParams) -> Result<HealthReply, ErrorShape> {
    let health = system.health(system.sight_of(&context.caller)).await?;
    Ok(HealthReply { model_runtime: Some(ModelRuntime::default()), ..health })
}

async fn status(system: System, context: Context, params: StatusParams) -> Result<StatusReply, ErrorShape> {
    let sight = system.sight_of(&context.caller);
    system.status(sight, params.include_cli_projection).await
}

async fn identity_of(identity: Arc<GatewayIdentity>, _: Context, _: NoParams) -> Result<IdentityReply, ErrorShape> {
    Ok(IdentityReply { device_id: identity.device_id(), public_key: identity.public_key() })
}

async fn update_status((): (), _: Context, _: NoParams) -> Result<UpdateReply, ErrorShape> {
    Ok(UpdateReply::default())
}
