//! Who makes a request that tailscaled hands on: its word for the address, its WhoIs for the rest.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use super::routes::Prefixes;
use crate::net::{FunnelDoor, Peer, WhoIs};
use crate::tailnet::Error;
use crate::tailnet::host::Host;

/// How long one answer of WhoIs serves. Who holds a connection is looked at again elsewhere.
const FRESH: Duration = Duration::from_secs(2);
/// Addresses that are remembered at a time.
const MOST_KNOWN: usize = 1024;

/// Why a request at the back end is for nobody.
#[derive(Debug, thiserror::Error)]
pub enum Turned {
    #[error("it did not come through this gateway's own Serve routes")]
    NotThroughServe,
    #[error("tailscaled did not say from which address it comes")]
    NoAddress,
    #[error("nobody knows who is calling: {0}")]
    WhoIs(#[from] Error),
}

#[derive(Debug)]
pub struct Door {
    host: Host,
    prefixes: Arc<Prefixes>,
    known: Mutex<HashMap<IpAddr, Known>>,
}

#[derive(Debug)]
struct Known {
    since: Instant,
    whois: Option<Arc<WhoIs>>,
}

impl Door {
    pub(super) fn new(host: Host, prefixes: Arc<Prefixes>) -> Self {
        Self { host, prefixes, known: Mutex::default() }
    }

    /// The caller, and the path as they asked for it. The headers that name a login are not looked at: they say no more than
    /// WhoIs does, and nothing at all of a tagged node.
    ///
    /// # Errors
    /// [`Turned`]: answer with a refusal, and nothing else.
    pub async fn caller(&self, uri: &Uri, headers: &HeaderMap) -> Result<(Peer, Uri), Turned> {
        let (door, uri) = self.prefixes.open(uri).ok_or(Turned::NotThroughServe)?;
        let client = address(headers).ok_or(Turned::NoAddress)?;
        let address = SocketAddr::new(client, 0);
        if door == FunnelDoor::PublicPaths || headers.contains_key("tailscale-funnel-request") {
            return Ok((Peer::Funnel { address, door }, uri));
        }
        let whois = self.whois(client).await?;
        Ok((Peer::Serve { address, whois }, uri))
    }

    async fn whois(&self, address: IpAddr) -> Result<Option<Arc<WhoIs>>, Error> {
        if let Some(known) = self.known().get(&address).filter(|known| known.since.elapsed() < FRESH) {
            return Ok(known.whois.clone());
        }
        let whois = self.host.whois(address).await?.map(Arc::new);
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.retain(|_, known| known.since.elapsed() < FRESH);
        }
        if known.len() < MOST_KNOWN {
            known.insert(address, Known { since: Instant::now(), whois: whois.clone() });
        }
        Ok(whois)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prefixes {
    /// Which of our routes a path came through, and the path behind the prefix.
    fn open(&self, uri: &Uri) -> Option<(FunnelDoor, Uri)> {
        let whole = uri.path_and_query()?.as_str().strip_prefix('/')?;
        let end = whole.find(['/', '?']).unwrap_or(whole.len());
        let (prefix, rest) = whole.split_at_checked(end)?;
        let door = match (self.gateway.matches(prefix), self.public.matches(prefix)) {
            (true, _) => FunnelDoor::Gateway,
            (_, true) => FunnelDoor::PublicPaths,
            _ => return None,
        };
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
        Some((door, Uri::from_parts(parts).ok()?))
    }
}

/// The daemon replaces what the client sent, so there is exactly one.
fn address(headers: &HeaderMap) -> Option<IpAddr> {
    let mut values = headers.get_all("x-forwarded-for").iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    only.to_str().ok()?.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::secret::Secret;

    fn open(uri: &str) -> Option<(FunnelDoor, String)> {
        let prefixes = Prefixes { gateway: Secret::new("g1".to_owned()), public: Secret::new("p1".to_owned()) };
        prefixes.open(&uri.parse().unwrap()).map(|(door, uri)| (door, uri.to_string()))
    }

    #[test]
    fn the_prefix_tells_the_route_and_goes() {
        assert_eq!(open("/g1/whoami?a=b"), Some((FunnelDoor::Gateway, "/whoami?a=b".to_owned())));
        assert_eq!(open("/g1"), Some((FunnelDoor::Gateway, "/".to_owned())));
        assert_eq!(open("/g1?x"), Some((FunnelDoor::Gateway, "/?x".to_owned())));
        assert_eq!(open("/p1/hooks/a"), Some((FunnelDoor::PublicPaths, "/hooks/a".to_owned())));
        for other in ["/", "/g", "/g12/", "/G1/", "//g1/", "/whoami", "*", "/p1g1"] {
            assert_eq!(open(other), None, "{other}");
        }
    }

    #[test]
    fn one_address_and_nothing_else() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", HeaderValue::from_str(value).unwrap());
            }
            address(&headers).map(|address| address.to_string())
        };
        assert_eq!(of(&["100.64.0.1"]).as_deref(), Some("100.64.0.1"));
        assert_eq!(of(&["fd7a:115c:a1e0::1"]).as_deref(), Some("fd7a:115c:a1e0::1"));
        for wrong in [&[][..], &["100.64.0.1", "100.64.0.1"], &["100.64.0.1, 100.64.0.2"], &["100.64.0.1:5"], &["a"]] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn fuzz_paths() {
        crate::fuzz::fuzz_text(&["/g1/whoami?x#y", "/p1/hooks", "/g1?a", "//g1"], |text| {
            if let Ok(uri) = text.parse::<Uri>()
                && let Some((_, rest)) =
                    (Prefixes { gateway: Secret::new("g1".into()), public: Secret::new("p1".into()) }).open(&uri)
            {
                assert!(rest.path().starts_with('/'), "{text:?} as {rest}");
            }
        });
    }
}
