//! `tailnet.status`, `tailnet.login`, `tailnet.logout`.

use std::sync::Arc;

use chrono::DateTime;
use tokio::sync::watch;

use super::system::TailnetView;
use super::{Context, Table};
use crate::auth;
use crate::config::Configuration;
use crate::live::Live;
use crate::protocol::tailnet::{
    TailnetCertificate, TailnetLack, TailnetLogin, TailnetLoginParams, TailnetLoginReply, TailnetLogout,
    TailnetLogoutReply, TailnetPath, TailnetPeer, TailnetStatus, TailnetStatusReply,
};
use crate::protocol::{ErrorCode, ErrorShape, NoParams};
use crate::secret::Secret;
use crate::tailnet::{Identity, LoggedIn, LoginBy, Node, Path, PeerPath, State, Teller, Way};
use crate::tls::Pair;

/// Longest auth key, in bytes; real ones are below a hundred.
const MAX_KEY: usize = 1_024;

/// The node or the daemon, as soon as it is there. `None`: not yet, or never.
pub type TailnetTeller = watch::Receiver<Option<Teller>>;

/// The gateway's place in a tailnet.
#[derive(Debug, Clone)]
pub struct Place {
    pub view: TailnetView,
    pub teller: TailnetTeller,
    pub configuration: Configuration,
    pub auth: Arc<Live<auth::Settings>>,
}

pub(super) fn register(table: &mut Table, place: &Place) {
    table.on(TailnetStatus, place, status);
    table.on(TailnetLogin, place, login);
    table.on(TailnetLogout, place, logout);
}

impl Place {
    fn node(&self) -> Result<Node, ErrorShape> {
        let reason = self.view.borrow().as_ref().and_then(|view| view.reason.clone());
        let text = match (self.teller.borrow().clone(), reason) {
            (Some(Teller::Node(node)), _) => return Ok(node),
            (Some(Teller::Host(_)), _) => {
                "the node is this machine's own tailscaled, which the gateway does not log in or out: use `tailscale \
                 up` or `tailscale logout` there"
            }
            (None, Some(_)) => "the tailnet node could not start; see the gateway's log",
            (None, None) => "this gateway is in no tailnet: `tailclaw up` on its machine joins one",
        };
        Err(ErrorShape::new(ErrorCode::Unavailable, text))
    }
}

impl Place {
    /// Where rights come by grants, and nobody has one.
    async fn grants_are_missing(&self, teller: &Teller, peers: &[PeerPath]) -> Option<TailnetLack> {
        let rules = self.auth.get();
        if rules.require != auth::Require::Grant || !rules.allow_tailscale {
            return None;
        }
        for peer in peers {
            let whois = teller.whois(peer.address).await.ok().flatten();
            if whois.is_some_and(|whois| whois.capabilities.contains_key(&rules.capability)) {
                return None;
            }
        }
        let fix = format!(
            "no other node has rights here: add to the policy file's grants {{\"src\": [\"you@example.com\"], \"dst\": \
             [\"tag:gateway\"], \"app\": {{\"{}\": [{{\"scopes\": [\"operator.admin\"]}}]}}}}",
            rules.capability
        );
        Some(TailnetLack { what: "grant", fix })
    }

    /// The node's own domain, and the end of the certificate that lies in its folder.
    async fn certificate(&self, identity: &Identity) -> Option<TailnetCertificate> {
        let domain = identity.cert_domains.first()?.clone();
        let folder = self.configuration.tailnet_dir()?.join("certs");
        let name = domain.clone();
        let read = move || {
            let chain = std::fs::read(folder.join(format!("{name}.crt"))).ok()?;
            let key = std::fs::read(folder.join(format!("{name}.key"))).ok()?;
            let end = Pair::from_pem(&chain, &key, None).ok()?.not_after_ms;
            Some(DateTime::from_timestamp_millis(i64::try_from(end).ok()?)?.to_rfc3339())
        };
        let expires = tokio::task::spawn_blocking(read).await.ok().flatten();
        Some(TailnetCertificate { domain, expires })
    }
}

async fn status(place: Place, context: Context, _: NoParams) -> Result<TailnetStatusReply, ErrorShape> {
    let tailnet = place.view.borrow().clone();
    let Some(teller) = place.teller.borrow().clone() else {
        return Ok(TailnetStatusReply {
            tailnet,
            version: None,
            caller: None,
            peers: Vec::new(),
            certificate: None,
            lacks: Vec::new(),
        });
    };
    let now = teller.status().await?;
    let mut reply = TailnetStatusReply {
        tailnet,
        version: Some(now.version),
        caller: None,
        peers: Vec::new(),
        certificate: None,
        lacks: Vec::new(),
    };
    if let State::Running(identity) = now.state {
        let peers = teller.peers().await?;
        reply.lacks = lacks(&identity);
        reply.lacks.extend(place.grants_are_missing(&teller, &peers).await);
        reply.peers = peers.into_iter().map(peer).collect();
        reply.caller = caller(&teller, &context, &reply.peers).await;
        // The daemon's lie in a folder that only root reads.
        if matches!(teller, Teller::Node(_)) {
            reply.certificate = place.certificate(&identity).await;
        }
    }
    Ok(reply)
}

/// Whoever asks, if they came over the tailnet. The caller's own path is always measured.
async fn caller(teller: &Teller, context: &Context, peers: &[TailnetPeer]) -> Option<TailnetPeer> {
    let name = context.caller.node_name()?.to_owned();
    let path = teller.path(context.caller.address()).await.ok().flatten();
    let address = context.caller.address().to_string();
    let known = peers.iter().find(|peer| peer.name == name);
    let key_expiry = known.and_then(|peer| peer.key_expiry.clone());
    Some(TailnetPeer { name, address, online: true, key_expiry, path: path.map(way) })
}

fn peer(peer: PeerPath) -> TailnetPeer {
    TailnetPeer {
        name: peer.name,
        address: peer.address.to_string(),
        online: peer.online,
        key_expiry: peer.key_expiry,
        path: peer.path.map(way),
    }
}

fn way(path: Path) -> TailnetPath {
    let (kind, region, endpoint) = match path.way {
        Way::Direct(endpoint) => ("direct", None, Some(endpoint)),
        Way::Relay(region) => ("relay", Some(region), None),
        Way::PeerRelay(endpoint) => ("peer-relay", None, Some(endpoint)),
    };
    TailnetPath { kind, region, endpoint, latency_ms: (path.latency.as_secs_f64() * 1e6).round() / 1e3 }
}

fn lacks(identity: &Identity) -> Vec<TailnetLack> {
    let lack = |what, fix: &str| TailnetLack { what, fix: fix.to_owned() };
    let mut lacks = Vec::new();
    if !identity.magic_dns {
        lacks.push(lack(
            "magic-dns",
            "without it the gateway is reached by address only: switch MagicDNS on under DNS in the admin console",
        ));
    }
    if identity.cert_domains.is_empty() {
        lacks.push(lack("https", "there are no certificates, so browsers see plain http: switch HTTPS certificates on under DNS in the admin console"));
    }
    if !identity.may_funnel {
        lacks.push(lack("funnel", "nothing can be published to the internet: give this node the attribute \"funnel\" under nodeAttrs in the policy file"));
    }
    lacks
}

async fn login(place: Place, context: Context, params: TailnetLoginParams) -> Result<TailnetLoginReply, ErrorShape> {
    let by = match params.auth_key {
        Some(_) if params.link => {
            return Err(ErrorShape::invalid("invalid tailnet.login params: authKey and link do not go together"));
        }
        Some(key) if key.trim().is_empty() || key.len() > MAX_KEY => {
            return Err(ErrorShape::invalid("invalid tailnet.login params: at /authKey: is no key"));
        }
        Some(key) => LoginBy::Key(Secret::new(key.trim().to_owned())),
        None if params.link => LoginBy::Link,
        None => LoginBy::Settings,
    };
    let node = place.node()?;
    tracing::info!(login = context.caller.login(), "a login of the tailnet node was asked for");
    let (outcome, login_url) = match node.login(by).await? {
        LoggedIn::Done => ("done", None),
        LoggedIn::Link(url) => ("link", Some(url)),
        LoggedIn::NeedsApproval => ("approval", None),
    };
    Ok(TailnetLoginReply { outcome, login_url })
}

async fn logout(place: Place, context: Context, _: NoParams) -> Result<TailnetLogoutReply, ErrorShape> {
    let node = place.node()?;
    tracing::warn!(login = context.caller.login(), "the tailnet node was told to leave its tailnet");
    node.logout().await?;
    Ok(TailnetLogoutReply { ok: true, rejoins: place.configuration.joins_by_itself() })
}
