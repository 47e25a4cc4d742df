//! How packets get to other nodes: the LocalAPI's list of peers, and a ping of those that matter.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde::Deserialize;

use super::localapi::{Dial, LocalApi, SHORT};
use super::{Error, Path, PeerPath, Way};

/// A ping that is not answered within this time has no path to show.
const PING: Duration = Duration::from_secs(3);
/// So many peers are named.
const NAMED: usize = 64;
/// So many of them are pinged: those that something passes to or from.
const PINGED: usize = 8;

/// tailscale.com `ipnstate.Status` with its peers.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Peer", default)]
    peers: Option<BTreeMap<String, Peer>>,
}

/// tailscale.com `ipnstate.PeerStatus`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Peer {
    #[serde(rename = "DNSName", default)]
    name: String,
    #[serde(rename = "TailscaleIPs", default)]
    addresses: Option<Vec<IpAddr>>,
    #[serde(default)]
    online: bool,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    key_expiry: Option<String>,
}

/// tailscale.com `ipnstate.PingResult`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ping {
    #[serde(default)]
    err: String,
    #[serde(default)]
    latency_seconds: f64,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    peer_relay: String,
    #[serde(rename = "DERPRegionID", default)]
    region: i64,
    #[serde(rename = "DERPRegionCode", default)]
    region_code: String,
}

/// Sends one ping. `None`: no answer, or none that says how it came.
pub(super) async fn ping<D: Dial>(api: &LocalApi<D>, address: IpAddr) -> Result<Option<Path>, Error> {
    let path = format!("ping?ip={address}&type=disco");
    match api.ask(Method::POST, &path, PING).await {
        Err(Error::TimedOut { .. }) => Ok(None),
        Err(error) => Err(error),
        Ok(answer) => {
            let body = answer.wanted(Method::POST, &path)?.body;
            Ok(serde_json::from_slice::<Ping>(&body).ok().and_then(Ping::into_path))
        }
    }
}

/// The tailnet's other nodes as far as there is room for them, those in use first, each of these with its path.
pub(super) async fn peers<D: Dial>(api: &LocalApi<D>) -> Result<Vec<PeerPath>, Error> {
    let answer = api.ask(Method::GET, "status", SHORT).await?.wanted(Method::GET, "status")?;
    let answer: Answer = serde_json::from_slice(&answer.body)
        .map_err(|error| Error::Unreachable { request: "GET status".to_owned(), source: error.into() })?;
    let mut peers: Vec<(Peer, IpAddr)> = answer
        .peers
        .unwrap_or_default()
        .into_values()
        .filter_map(|peer| {
            let address = *peer.addresses.as_ref()?.first()?;
            Some((peer, address))
        })
        .collect();
    peers.sort_by(|(a, _), (b, _)| (b.active, b.online, &a.name).cmp(&(a.active, a.online, &b.name)));
    peers.truncate(NAMED);
    let paths = peers.into_iter().enumerate().map(|(index, (peer, address))| async move {
        let wanted = peer.active && peer.online && index < PINGED;
        let path = if wanted { ping(api, address).await.ok().flatten() } else { None };
        let name = peer.name.trim_end_matches('.').to_owned();
        PeerPath { name, address, online: peer.online, key_expiry: peer.key_expiry, path }
    });
    Ok(join_all(paths).await)
}

impl Ping {
    fn into_path(self) -> Option<Path> {
        if !self.err.is_empty() {
            return None;
        }
        let way = if !self.endpoint.is_empty() {
            Way::Direct(self.endpoint)
        } else if !self.peer_relay.is_empty() {
            Way::PeerRelay(self.peer_relay)
        } else if self.region != 0 {
            let region = if self.region_code.is_empty() { self.region.to_string() } else { self.region_code };
            Way::Relay(region)
        } else {
            return None;
        };
        Some(Path { way, latency: Duration::try_from_secs_f64(self.latency_seconds).unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Option<Path> {
        serde_json::from_str::<Ping>(text).unwrap().into_path()
    }

    /// From tailscaled 1.102.5.
    #[test]
    fn a_ping_tells_its_way() {
        let direct = r#"{"IP":"100.64.0.2","NodeName":"a","Err":"","LatencySeconds":0.0012,"Endpoint":"127.0.0.1:4",
            "PeerRelay":"","DERPRegionID":0,"DERPRegionCode":""}"#;
        let found = path(direct).unwrap();
        assert_eq!(found.way, Way::Direct("127.0.0.1:4".to_owned()));
        assert_eq!(found.latency, Duration::from_micros(1_200));
        let relayed = r#"{"LatencySeconds":0.02,"Endpoint":"","DERPRegionID":999,"DERPRegionCode":"hs"}"#;
        assert_eq!(path(relayed).unwrap().way, Way::Relay("hs".to_owned()));
        let by_a_peer = r#"{"LatencySeconds":-1,"PeerRelay":"192.0.2.1:7:vni:3"}"#;
        assert_eq!(path(by_a_peer).unwrap().way, Way::PeerRelay("192.0.2.1:7:vni:3".to_owned()));
        assert_eq!(path(r#"{"Err":"no route"}"#), None);
        assert_eq!(path("{}"), None);
    }
}
