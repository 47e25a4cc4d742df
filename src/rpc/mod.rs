//! The methods that the gateway serves: one table, and one file of handlers a family, named as in `protocol`.
//!
//! A handler sees its caller, one service and its decoded params, never the whole program. Role and scope are checked
//! by the table before the params are decoded. `gateway::connection` is the caller; `app` fills the table.

mod agents;
mod approvals;
mod board;
mod budget;
mod channels;
mod chat;
mod commands;
mod config;
mod cron;
mod devices;
mod error;
mod foreign;
mod logs;
mod machine;
mod models;
mod nodes;
mod presence;
mod projects;
mod reach;
mod sessions;
mod skills;
mod system;
mod table;
mod tailnet;
mod talk;
mod tasks;
mod tools;
mod users;
mod voicewake;
mod wake;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

pub use devices::Doors;
pub use presence::Presence;
pub use system::{Sight, System, TailnetView};
pub use table::{Answer, Dispatch, Table};
pub use tailnet::{Place, TailnetTeller};
pub use voicewake::Voicewake;

use crate::agent::Agent;
use crate::approvals::{Approvals, Policy};
use crate::auth::{Caller, Others, Roster, Settings};
use crate::automation::{Cron, Heartbeats};
use crate::bus::Bus;
use crate::config::{Configuration, Paths};
use crate::live::Live;
use crate::nodes::Nodes;
use crate::pairing::Pairing;
use serde_json::json;

use crate::protocol::access::{Access, Scope, permits};
use crate::protocol::{ErrorCode, ErrorShape};
use crate::sessions::Sessions;
use crate::store::{Database, GatewayIdentity};

/// Most sessions that one connection may follow.
const MAX_FOLLOWED: usize = 256;

/// What a handler knows of the connection that it answers.
#[derive(Debug, Clone)]
pub struct Context {
    pub caller: Arc<Caller>,
    pub subscriptions: Arc<Subscriptions>,
    /// Its id.
    pub connection: Arc<str>,
    /// The client's own name for itself, for people to read.
    pub client: Arc<str>,
}

impl Context {
    /// The id of the person behind the connection, if it is somebody in particular.
    fn person(&self) -> Option<String> {
        self.caller.profile().map(|profile| profile.id)
    }

    /// The id of the person, where nobody else's sessions are to be seen.
    fn only_own(&self) -> Option<String> {
        self.person().filter(|_| self.caller.others() == Others::Nothing)
    }

    /// For params that ask for more than the method's own scope.
    ///
    /// # Errors
    /// `FORBIDDEN`, with the scope that is missing.
    pub fn require(&self, scope: Scope) -> Result<(), ErrorShape> {
        if permits(self.caller.scopes(), scope) {
            return Ok(());
        }
        let details = json!({ "code": "MISSING_SCOPE", "missingScope": scope, "requiredScopes": [scope] });
        Err(ErrorShape::new(ErrorCode::Forbidden, format!("missing scope: {scope}")).with_details(details))
    }
}

/// What a connection asked to be told, beyond what everybody is told.
#[derive(Debug, Default)]
pub struct Subscriptions {
    session_list: AtomicBool,
    /// Whether it is asked about approvals.
    decides: AtomicBool,
    messages: RwLock<HashSet<String>>,
}

impl Subscriptions {
    pub fn follow_approvals(&self) {
        self.decides.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn follows_approvals(&self) -> bool {
        self.decides.load(Ordering::Relaxed)
    }

    pub fn follow_session_list(&self) {
        self.session_list.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn follows_session_list(&self) -> bool {
        self.session_list.load(Ordering::Relaxed)
    }

    /// Returns false when the connection follows too many already.
    #[must_use]
    pub fn follow_messages(&self, key: &str) -> bool {
        let mut followed = self.messages.write().unwrap_or_else(PoisonError::into_inner);
        if followed.len() >= MAX_FOLLOWED && !followed.contains(key) {
            return false;
        }
        followed.insert(key.to_owned());
        true
    }

    pub fn unfollow_messages(&self, key: &str) {
        self.messages.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    #[must_use]
    pub fn follows_messages(&self, key: &str) -> bool {
        self.messages.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

/// Everything that handlers need, taken apart when the table is filled: each family keeps its own part.
#[derive(Debug, Clone)]
pub struct Services {
    pub agent: Agent,
    pub sessions: Sessions,
    pub system: System,
    pub presence: Presence,
    pub pairing: Pairing,
    pub doors: Doors,
    pub heartbeats: Heartbeats,
    pub cron: Cron,
    pub approvals: Approvals,
    pub nodes: Nodes,
    pub voicewake: Voicewake,
    pub place: Place,
    pub bus: Bus,
    pub port: u16,
    pub database: Database,
    pub roster: Roster,
    /// The rules about callers, as they are now.
    pub auth: Arc<Live<Settings>>,
    pub identity: Arc<GatewayIdentity>,
    pub paths: Paths,
    pub configuration: Configuration,
}

impl Services {
    /// The table of everything that is served.
    #[must_use]
    pub fn table(self) -> Table {
        let mut table = Table::new(self.agent.id(), &self.database);
        system::register(&mut table, &self.system, &self.identity);
        tailnet::register(&mut table, &self.place);
        presence::register(&mut table, &self.presence);
        config::register(&mut table, &self.configuration);
        devices::register(&mut table, &self.pairing, self.doors);
        channels::register(&mut table);
        let chat = chat::Chat { agent: self.agent.clone(), sessions: self.sessions };
        agents::register(&mut table, &chat);
        board::register(&mut table, &chat.sessions);
        projects::register(&mut table);
        skills::register(&mut table, &self.agent);
        tools::register(&mut table, &chat);
        commands::register(&mut table, &self.agent);
        models::register(&mut table, &self.agent);
        nodes::register(&mut table, &self.nodes, &self.pairing);
        logs::register(&mut table, self.paths.logs_dir());
        sessions::register(&mut table, &chat);
        chat::register(&mut table, &chat);
        let people = users::People { roster: self.roster, rules: self.auth };
        users::register(&mut table, &people, &self.database, &self.bus);
        voicewake::register(&mut table, &self.voicewake);
        machine::register(&mut table, &self.system, &self.paths.state_dir, self.port);
        let agent_id = self.agent.id().to_owned();
        let waking = wake::Waking { heartbeats: self.heartbeats, presence: self.presence, bus: self.bus, agent_id };
        wake::register(&mut table, &waking);
        let policy = Policy::new(self.database.clone(), format!("{}#exec.approvals", self.paths.database().display()));
        approvals::register(&mut table, &self.approvals, &policy);
        talk::register(&mut table);
        tasks::register(&mut table, &self.agent, &self.cron);
        cron::register(&mut table, &self.cron, self.paths.database().display().to_string());
        table
    }
}

/// What a method that is in no table asks for: the scope check comes before the look-up (protocol §1).
const UNKNOWN_METHOD_ACCESS: Access = Access::Operator(Scope::Admin);
