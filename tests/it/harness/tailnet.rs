//! One tailnet for all tests of a run: a control server and three machines. Each test brings its own gateway.

use super::headscale::{DOMAIN, Headscale, Node, Owner, environment};
use super::{Gateway, GatewayBuilder, TailscalePeer, eventually, gateway, seconds};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

pub struct Tailnet {
    pub headscale: Headscale,
    /// Of alice, whom the policy grants everything on a gateway.
    pub alice: TailscalePeer,
    /// Of bob, whom the policy grants nothing.
    pub bob: TailscalePeer,
    /// Tagged `tag:camera`.
    pub camera: TailscalePeer,
}

/// The shared tailnet; the first caller starts it.
pub async fn tailnet() -> &'static Tailnet {
    static TAILNET: OnceCell<Tailnet> = OnceCell::const_new();
    TAILNET.get_or_init(Tailnet::start).await
}

impl Tailnet {
    async fn start() -> Tailnet {
        let folder = run_folder();
        let headscale = Headscale::start(&folder.join("headscale")).await;
        let keys = (
            headscale.auth_key(Owner::User("alice")).await,
            headscale.auth_key(Owner::User("bob")).await,
            headscale.auth_key(Owner::Tag("tag:camera")).await,
        );
        let join = |name: &'static str, key: String| {
            let (folder, url) = (folder.join(name), headscale.url.clone());
            async move { TailscalePeer::join(&folder, name, &url, &key, &environment()).await }
        };
        let (alice, bob, camera) =
            tokio::join!(join("alice-laptop", keys.0), join("bob-phone", keys.1), join("camera", keys.2));
        Tailnet { headscale, alice, bob, camera }
    }

    /// A gateway that joins as its own node under a name nobody else has, lets tailnet identities in by their grants
    /// and listens on the tailnet.
    pub async fn gateway(&self) -> GatewayBuilder {
        self.gateway_tagged("tag:gateway").await
    }

    pub async fn gateway_tagged(&self, tag: &'static str) -> GatewayBuilder {
        let key = self.headscale.auth_key(Owner::Tag(tag)).await;
        with_tailnet_env(gateway()).config(self.settings(&unique_name(), &key))
    }

    fn settings(&self, name: &str, auth_key: &str) -> Value {
        json!({"gateway": {
            "bind": "tailnet",
            "auth": {"allowTailscale": true, "tailscale": {"require": "grant"}},
            "tailscale": {
                "node": "embedded", "hostname": name, "controlUrl": self.headscale.url, "authKey": auth_key,
            },
        }})
    }

    /// Starts a gateway and waits until alice's machine reaches it.
    pub async fn start_gateway(&self, builder: GatewayBuilder) -> OnTailnet {
        let gateway = builder.start().await;
        let name = gateway.setting("/gateway/tailscale/hostname").as_str().expect("a host name").to_owned();
        let node = self.headscale.node(&name).await;
        let here = OnTailnet { host: node.address.to_string(), full_name: format!("{name}.{DOMAIN}"), node, gateway };
        here.reached_by(&self.alice).await;
        here
    }
}

/// A unique host name for a gateway of one test.
pub fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("gw-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn with_tailnet_env(builder: GatewayBuilder) -> GatewayBuilder {
    environment().iter().fold(builder, |builder, (name, value)| builder.env(name, value))
}

/// A gateway that has joined the tailnet.
pub struct OnTailnet {
    pub gateway: Gateway,
    pub node: Node,
    /// Its tailnet address.
    pub host: String,
    /// Its name with the tailnet's domain.
    pub full_name: String,
}

impl OnTailnet {
    /// Waits until that peer has a path: between two fresh peers this can take over ten seconds.
    pub async fn reached_by(&self, peer: &TailscalePeer) {
        let what = format!("{} reaches the gateway {}", peer.name, self.node.name);
        eventually(&what, seconds(60), || async {
            match peer.get(&self.host, self.gateway.port, "/healthz").await {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// `GET /whoami` from that peer.
    pub async fn whoami(&self, peer: &TailscalePeer) -> Value {
        self.reached_by(peer).await;
        peer.get(&self.host, self.gateway.port, "/whoami").await.expect("whoami answers").json()
    }

    /// A WebSocket from that peer, upgraded and nothing more.
    pub async fn socket_from(&self, peer: &TailscalePeer) -> super::RawClient {
        self.reached_by(peer).await;
        let stream = peer.dial(&self.host, self.gateway.port).await.expect("the gateway is reached");
        let url = format!("ws://{}:{}/", self.host, self.gateway.port);
        super::RawClient::upgrade(Box::new(stream), &url, &[]).await.expect("the gateway upgrades")
    }
}

/// A short-named folder of this run (socket paths are limited to about 100 bytes); those of runs that were killed are
/// cleared away.
pub fn run_folder() -> PathBuf {
    let base = std::env::temp_dir();
    for entry in std::fs::read_dir(&base).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(pid) = name.strip_prefix("tailclaw-it-")
            && pid.parse::<u32>().is_ok()
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let folder = base.join(format!("tailclaw-it-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder takes a new one");
    folder
}
