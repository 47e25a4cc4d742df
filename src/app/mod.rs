//! The composition root: makes every part, hands each what it needs, runs the gateway and takes it down in order.
//!
//! The only module that knows everyone. `tailnet` brings the node up beside the running gateway, `greeting` is what a
//! person reads at the start, `signals` is how they end it. Called by `cli`.

mod announce;
mod expiry;
mod funnel;
mod greeting;
mod host;
mod https;
mod look;
mod recheck;
mod reload;
mod signals;
mod tailnet;
mod tls;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::watch;

use crate::agent::Agent;
use crate::approvals::Approvals;
use crate::auth::{Gatekeeper, OwnNames, Roster};
use crate::automation::{Cron, Heartbeats};
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::config::{Configuration, Paths, Resolved};
use crate::gateway::{About, Entrance, Fanout, Gateway, Surface};
use crate::live::Live;
use crate::net::bind::KernelListener;
use crate::net::{AddressLimit, Identities, Listener};
use crate::nodes::Nodes;
use crate::pairing::Pairing;
use crate::protocol::Event;
use crate::protocol::presence::PresenceEntry;
use crate::rpc::{Doors, Place, Presence, Services, System, Voicewake};
use crate::sessions::{SessionKey, Sessions};
use crate::shutdown::Shutdown;
use crate::store::{Database, GatewayIdentity};
use crate::tls::Certificates;
use crate::{agent, gateway, logging, sessions, store};

/// How long runs may go on after the gateway was asked to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(15);
/// How long everything else may take after that.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Who reads stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// At a terminal: the login link comes as a QR code, too.
    Person,
    /// A file or a pipe.
    Log,
    /// One JSON document.
    Program,
}

/// Runs the gateway until it is told to end.
///
/// # Errors
/// It could not start: the port is taken, the state folder is in use or cannot be written.
pub async fn run(resolved: Resolved, reader: Reader) -> anyhow::Result<ExitCode> {
    let paths = &resolved.paths;
    let logging = logging::start(&logging::Settings { level: resolved.log_level.clone(), folder: paths.logs_dir() })
        .context("the log cannot be written")?;
    for warning in &resolved.warnings {
        tracing::warn!(path = %warning.path, "{}", warning.message);
    }
    let _lock = take_state_folder(&resolved)?;
    raise_descriptor_limit();
    let signals = signals::Signals::register().context("signal handlers cannot be registered")?;
    let tls = tls::open(&resolved)?;
    let listeners = bind(&resolved).await?;
    let addresses: Vec<SocketAddr> = listeners.iter().map(KernelListener::address).collect();

    let parts = assemble(&resolved, &addresses, tls.as_ref().map(|tls| tls.certificates.clone())).await?;
    let shutdown = parts.gateway.shutdown.clone();
    for listener in listeners {
        let entrance = tls.as_ref().map_or(Entrance::Streams, |tls| Entrance::Secure(tls.certificates.clone()));
        spawn_server(listener, entrance, &parts.gateway);
    }
    shutdown.spawn(gateway::beat(Arc::clone(&parts.gateway)));
    parts.configuration.hand_to(Box::new(reload::Parts::new(
        &parts.gateway,
        &parts.agent,
        logging.level(),
        parts.teller.subscribe(),
    )));
    shutdown.spawn(reload::watch(parts.configuration.clone(), shutdown.clone()));
    let shown = tls.as_ref().map(|tls| tls.certificates.shown());
    if let Some(tls) = tls {
        shutdown.spawn(tls.watch(parts.configuration.clone(), shutdown.clone()));
    }
    if let Some(place) = announce::place(resolved.bind.mode) {
        shutdown.spawn(announce::run(place, parts.gateway_id.clone(), Arc::clone(&parts.gateway)));
    }
    greeting::print(&resolved, &addresses, shown.as_deref(), &parts.agent, reader);
    if let Some(settings) = resolved.host.clone() {
        host::Served {
            settings,
            exposure: resolved.exposure.clone(),
            gateway: Arc::clone(&parts.gateway),
            view: parts.tailnet_view.clone(),
            teller: parts.teller.clone(),
            own_names: Arc::clone(&parts.own_names),
            reader,
        }
        .start();
    }
    let node = resolved.tailnet.clone().map(|settings| {
        tailnet::Join {
            settings,
            port: resolved.bind.port,
            // The node may run for other reasons than to be reached.
            serves: resolved.bind.mode == crate::net::bind::BindMode::Tailnet,
            exposure: resolved.exposure.clone(),
            gateway: Arc::clone(&parts.gateway),
            view: parts.tailnet_view,
            teller: parts.teller,
            own_names: parts.own_names,
            reader,
        }
        .start()
    });
    signals.wait().await;
    end(&parts.gateway, &parts.agent, &parts.database, node, &signals).await
}

/// What `run` holds on to.
struct Parts {
    gateway: Arc<Gateway>,
    /// Lowercase hex, of its public key.
    gateway_id: String,
    agent: Agent,
    database: Database,
    tailnet_view: watch::Sender<Option<crate::protocol::system::TailnetHealth>>,
    teller: watch::Sender<Option<crate::tailnet::Teller>>,
    own_names: OwnNames,
    configuration: Configuration,
}

async fn open_database(paths: &Paths) -> anyhow::Result<Database> {
    let database = Database::open(&paths.database())
        .await
        .with_context(|| format!("the database {} cannot be opened", paths.database().display()))?;
    let word = "the gateway ended while this was being answered; send it again";
    let interrupted = database.end_interrupted_runs(word, now_ms()).await?;
    if interrupted > 0 {
        tracing::warn!(runs = interrupted, "runs were cut off when the gateway last ended; their messages are kept");
    }
    Ok(database)
}

fn open_agent(
    resolved: &Resolved,
    database: &Database,
    bus: &Bus,
    shutdown: &Shutdown,
) -> anyhow::Result<(Sessions, Agent)> {
    let runs = Arc::new(agent::Registry::default());
    let about_sessions = sessions::Settings {
        default_agent: resolved.agent.agent_id.clone(),
        path: resolved.paths.database().display().to_string(),
        archive: resolved.paths.state_dir.join("sessions"),
    };
    let models = Arc::new(agent::model_names(&resolved.agent));
    let registry = Arc::<agent::Registry>::clone(&runs);
    let sessions = Sessions::new(about_sessions, models, database.clone(), bus.clone(), registry);
    let agent =
        Agent::new(resolved.agent.clone(), database.clone(), sessions.clone(), bus.clone(), shutdown.clone(), runs)
            .map_err(|error| anyhow!(error))?;
    Ok((sessions, agent))
}

fn open_nodes(
    resolved: &Resolved,
    database: &Database,
    approvals: &Approvals,
    bus: &Bus,
    shutdown: &Shutdown,
) -> (Nodes, Voicewake) {
    let (database, bus) = (database.clone(), bus.clone());
    let nodes = Nodes::new(resolved.nodes.clone(), database.clone(), approvals.clone(), bus.clone(), shutdown.clone());
    (nodes.clone(), Voicewake { database, bus, nodes })
}

#[expect(clippy::too_many_lines, reason = "one line a part: the only place where all of them meet")]
async fn assemble(
    resolved: &Resolved,
    addresses: &[SocketAddr],
    certificates: Option<Certificates>,
) -> anyhow::Result<Parts> {
    let paths = &resolved.paths;
    let database = open_database(paths).await?;
    let identity = Arc::new(GatewayIdentity::load_or_create(&paths.state_dir.join("identity").join("gateway.key"))?);
    let shutdown = Shutdown::new();
    let auth = Arc::new(Live::new(resolved.auth.clone()));
    let identities = Arc::new(Identities::default());
    let fanout = Arc::new(Fanout::new(
        Arc::clone(&auth),
        Arc::clone(&identities),
        &resolved.agent.agent_id,
        Arc::clone(database.creators()),
    ));
    let roster = Roster::open(database.clone()).await?;
    let bus = Bus::new(Arc::<Fanout>::clone(&fanout));
    let (sessions, agent) = open_agent(resolved, &database, &bus, &shutdown)?;
    let connections = Arc::new(AtomicUsize::new(0));
    let configuration = Configuration::new(resolved.clone());
    let ((tailnet_view, tailnet), (tell, teller)) = (watch::channel(None), watch::channel(None));
    let heartbeats = Heartbeats::open(agent.clone(), database.clone(), bus.clone(), shutdown.clone()).await?;
    let cron = Cron::open(agent.clone(), heartbeats.clone(), database.clone(), bus.clone(), shutdown.clone()).await?;
    let approvals = Approvals::open(database.clone(), bus.clone(), shutdown.clone()).await?;
    let approvers = approvals.approvers().clone();
    let (nodes, voicewake) = open_nodes(resolved, &database, &approvals, &bus, &shutdown);
    let system = System::new(
        agent.clone(),
        sessions.clone(),
        heartbeats.clone(),
        configuration.clone(),
        tailnet.clone(),
        Arc::clone(&connections),
    );
    let presence = Presence::new(own_presence(addresses));
    let pairing = Pairing::new(resolved.pairing.clone(), database.clone(), Arc::clone(&identity), bus.clone());
    shutdown.spawn(pairing.clone().keep_sightings(shutdown.clone()));
    let doors = Doors { bind: resolved.bind.clone(), tailnet: tailnet.clone(), auth: Arc::clone(&auth), certificates };
    let services = Services {
        agent: agent.clone(),
        sessions: sessions.clone(),
        system: system.clone(),
        presence: presence.clone(),
        pairing: pairing.clone(),
        doors: doors.clone(),
        heartbeats: heartbeats.clone(),
        cron,
        approvals,
        nodes: nodes.clone(),
        voicewake: voicewake.clone(),
        place: Place { view: tailnet.clone(), teller, configuration: configuration.clone(), auth: Arc::clone(&auth) },
        bus: bus.clone(),
        port: resolved.bind.port,
        database: database.clone(),
        roster: roster.clone(),
        auth: Arc::clone(&auth),
        identity: Arc::clone(&identity),
        paths: paths.clone(),
        configuration: configuration.clone(),
    };
    let own_names = OwnNames::new(machine_names().into());
    let gateway = Gateway {
        gatekeeper: Gatekeeper::new(auth, pairing.clone(), Arc::clone(&own_names), identities, roster),
        pairing,
        table: services.table(),
        fanout,
        bus,
        presence,
        approvers,
        nodes,
        voicewake,
        system,
        shutdown,
        about: about(resolved),
        connections,
        unauthenticated: AddressLimit::new(resolved.auth.max_unauthenticated_per_address),
        patience: Live::new(resolved.patience),
        doors,
        discovery: Live::new(resolved.discovery.clone()),
        http: Surface::new(resolved.http.clone(), agent.clone(), sessions, heartbeats),
        public_paths: resolved.exposure.public.as_ref().map(|public| public.paths.clone()).unwrap_or_default(),
    };
    let gateway_id = identity.device_id();
    Ok(Parts {
        gateway: Arc::new(gateway),
        gateway_id,
        agent,
        database,
        tailnet_view,
        teller: tell,
        own_names,
        configuration,
    })
}

fn about(resolved: &Resolved) -> About {
    let agent_id = &resolved.agent.agent_id;
    About {
        boot_id: uuid::Uuid::new_v4().to_string(),
        config_path: resolved.paths.config_file.display().to_string(),
        state_dir: resolved.paths.state_dir.display().to_string(),
        default_agent_id: agent_id.clone(),
        main_session_key: SessionKey::main_of(agent_id).to_string(),
    }
}

/// What this machine calls itself: the name by which a neighbour in the local network may ask for it.
fn machine_names() -> Vec<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let short = name.split('.').next().map(str::to_owned);
    std::iter::once(name.clone()).chain(short.filter(|short| *short != name)).filter(|name| !name.is_empty()).collect()
}

/// The gateway's own line in the presence list.
fn own_presence(addresses: &[SocketAddr]) -> PresenceEntry {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let ip = addresses.first().map(|address| address.ip().to_string());
    PresenceEntry {
        mode: "gateway".to_owned(),
        text: format!("Gateway: {host} · tailclaw {} · mode gateway · reason self", crate::VERSION),
        host: Some(host),
        ip,
        version: crate::VERSION.to_owned(),
        platform: std::env::consts::OS.to_owned(),
        reason: "self".to_owned(),
        ts: now_ms(),
        ..PresenceEntry::default()
    }
}

/// One gateway for a state folder.
fn take_state_folder(resolved: &Resolved) -> anyhow::Result<std::fs::File> {
    let lock = resolved.paths.lock_file();
    store::lock_folder(&lock).map_err(|error| {
        if error.kind() == std::io::ErrorKind::WouldBlock {
            anyhow!(
                "a gateway (process {error}) already runs on {}; stop it, take over with --force, or use another \
                 folder with --profile",
                resolved.paths.state_dir.display()
            )
        } else {
            anyhow!(error).context(format!("{} cannot be locked", lock.display()))
        }
    })
}

async fn bind(resolved: &Resolved) -> anyhow::Result<Vec<KernelListener>> {
    let mut listeners = Vec::new();
    for address in resolved.bind.mode.addresses(resolved.bind.port) {
        let listener = KernelListener::bind(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => anyhow!(
                "port {} is taken on {}: stop what uses it, or choose another with --port or gateway.port",
                address.port(),
                address.ip()
            ),
            std::io::ErrorKind::AddrNotAvailable => {
                anyhow!("{} is no address of this machine: mend gateway.customBindHost", address.ip())
            }
            std::io::ErrorKind::PermissionDenied => anyhow!(
                "port {} needs rights that this user does not have: choose one above 1023 with --port",
                address.port()
            ),
            _ => anyhow!(error).context(format!("cannot listen on {address}")),
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn spawn_server<L: Listener>(listener: L, entrance: Entrance, gateway: &Arc<Gateway>) {
    let name = listener.name();
    let server = gateway::serve(listener, entrance, Arc::clone(gateway));
    gateway.shutdown.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(listener = %name, %error, "a listener is over; the others go on");
        }
    });
}

/// Every connection is a descriptor, on the tailnet two. A limit that cannot be raised stays.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Not ready, nothing new, clients told, runs drained, connections closed, the store flushed, the node closed.
async fn end(
    gateway: &Gateway,
    agent: &Agent,
    database: &Database,
    node: Option<tailnet::Joining>,
    signals: &signals::Signals,
) -> anyhow::Result<ExitCode> {
    tracing::info!(runs = agent.active_count(), "the gateway is stopping");
    gateway.shutdown.drain();
    gateway.bus.publish(&Event::Shutdown { reason: "gateway stopping" });
    tokio::select! {
        () = agent.idle() => {}
        () = tokio::time::sleep(DRAIN_LIMIT) => tracing::warn!("runs are cut off: they took too long to end"),
        () = signals.wait() => tracing::warn!("runs are cut off: asked a second time"),
    }
    agent.abort_all();
    // Cut runs are stored as such; that takes a moment.
    let _ = tokio::time::timeout(STOP_LIMIT, agent.idle()).await;
    if !gateway.shutdown.stop(STOP_LIMIT).await {
        tracing::warn!("some tasks did not end in time");
    }
    database.close().await;
    if let Some(node) = node {
        node.close().await;
    }
    tracing::info!("the gateway has stopped");
    Ok(ExitCode::SUCCESS)
}
