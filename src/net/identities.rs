//! Who has which address of the tailnet, as it was last heard, for the addresses that somebody is connected from.
//!
//! A stream comes with the identity that its caller had when it was accepted. Policy and nodes change while it lasts: a
//! kept-alive connection, a handshake under way and a session all ask here for the newest word. It is kept for an
//! address and not for a connection, so that the node is asked once for all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Peer, WhoIs};

/// Holds no more addresses than there are streams.
#[derive(Debug, Default)]
pub struct Identities(Mutex<HashMap<IpAddr, Known>>);

#[derive(Debug)]
struct Known {
    /// Streams and connections from there.
    places: usize,
    /// `None`: the control plane knows nobody there.
    whois: Option<Arc<WhoIs>>,
    heard: Instant,
}

/// Keeps an address among those that are asked about. Dropping it ends that.
#[derive(Debug)]
pub struct Place {
    identities: Arc<Identities>,
    address: IpAddr,
}

impl Identities {
    /// What came with the stream is the newest word. `None` for those whom no tailnet names.
    pub fn enter(self: &Arc<Self>, peer: &Peer) -> Option<Place> {
        let address = address(peer)?;
        let mut known = self.known();
        let places = known.get(&address).map_or(0, |known| known.places) + 1;
        known.insert(address, Known { places, whois: peer.identity().cloned(), heard: Instant::now() });
        drop(known);
        Some(Place { identities: Arc::clone(self), address })
    }

    /// Whom the tailnet names as this peer now.
    #[must_use]
    pub fn of(&self, peer: &Peer) -> Option<Arc<WhoIs>> {
        match self.known().get(&address(peer)?) {
            Some(known) => known.whois.clone(),
            None => peer.identity().cloned(),
        }
    }

    /// As [`Identities::of`], for an address that somebody holds a [`Place`] for.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> Option<Arc<WhoIs>> {
        self.known().get(&address).and_then(|known| known.whois.clone())
    }

    /// Those that somebody is connected from, each once.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.known().keys().copied().collect()
    }

    /// Takes an answer in, and returns whether it is a new one. Of an address that everybody has left nothing is kept.
    pub fn learn(&self, address: IpAddr, whois: Option<WhoIs>) -> bool {
        let mut known = self.known();
        let Some(known) = known.get_mut(&address) else { return false };
        known.heard = Instant::now();
        let is_news = known.whois.as_deref() != whois.as_ref();
        if is_news {
            known.whois = whois.map(Arc::new);
        }
        is_news
    }

    /// Nobody could say who is there. What was heard last goes on counting for a while: the node that cannot be asked
    /// is the one that carries the connections, and one hiccup of it shall not end them all. Returns whether that while
    /// is over, in which case nobody is known there from now on.
    pub fn unheard(&self, address: IpAddr, patience: Duration) -> bool {
        let mut known = self.known();
        let Some(known) = known.get_mut(&address).filter(|known| known.heard.elapsed() > patience) else {
            return false;
        };
        known.whois.take().is_some()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of somebody whom the tailnet may name.
fn address(peer: &Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tailnet { address, .. } | Peer::Serve { address, .. } => Some(address.ip().to_canonical()),
        Peer::Loopback(_) | Peer::Network(_) | Peer::Proxied { .. } | Peer::Funnel { .. } | Peer::ServeBackend(_) => {
            None
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.identities.known();
        if let Some(entry) = known.get_mut(&self.address) {
            entry.places -= 1;
            if entry.places == 0 {
                known.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::Owner;
    use super::*;

    fn whois(login: &str) -> WhoIs {
        WhoIs::of(Owner::User { id: 1, login: login.into(), display_name: String::new() })
    }

    fn peer(port: u16, login: &str) -> Peer {
        let address = SocketAddr::from(([100, 64, 0, 2], port));
        Peer::Tailnet { address, whois: Some(Arc::new(whois(login))) }
    }

    fn login(whois: Option<Arc<WhoIs>>) -> Option<String> {
        whois.and_then(|whois| whois.login().map(str::to_owned))
    }

    #[test]
    fn the_newest_word_counts_for_every_connection_from_an_address() {
        let identities = Arc::new(Identities::default());
        let (first, second) = (peer(1, "alice"), peer(2, "alice"));
        let places = (identities.enter(&first), identities.enter(&second));
        let address = first.address().ip();
        assert_eq!(identities.addresses(), [address]);
        assert!(identities.learn(address, Some(whois("bob"))));
        assert!(!identities.learn(address, Some(whois("bob"))), "it was known");
        assert_eq!(login(identities.of(&first)).as_deref(), Some("bob"));
        assert!(identities.learn(address, None));
        assert_eq!(login(identities.of(&second)), None);
        drop(places.0);
        assert_eq!(identities.addresses(), [address]);
        drop(places.1);
        assert!(identities.addresses().is_empty(), "nobody is connected from there any more");
        assert!(!identities.learn(address, Some(whois("bob"))));
        assert_eq!(login(identities.of(&first)).as_deref(), Some("alice"), "its own, where nothing newer is known");
    }

    #[test]
    fn silence_is_borne_for_a_while() {
        let identities = Arc::new(Identities::default());
        let caller = peer(1, "alice");
        let _place = identities.enter(&caller);
        let address = caller.address().ip();
        assert!(!identities.unheard(address, Duration::from_secs(60)));
        assert_eq!(login(identities.at(address)).as_deref(), Some("alice"));
        assert!(identities.unheard(address, Duration::ZERO), "the while is over");
        assert!(!identities.unheard(address, Duration::ZERO), "which is said once");
        assert_eq!(login(identities.at(address)), None);
    }

    #[test]
    fn whom_no_tailnet_names_has_no_place() {
        let identities = Arc::new(Identities::default());
        let here = Peer::Loopback(SocketAddr::from(([127, 0, 0, 1], 1)));
        assert!(identities.enter(&here).is_none() && identities.of(&here).is_none());
    }
}
