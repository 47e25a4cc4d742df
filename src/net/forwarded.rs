//! For whom a proxy speaks (protocol §3, "Locality / proxies").
//!
//! A header is believed for one thing only, the client's address, and only from a socket whose own address the person
//! put into `gateway.trustedProxies`. Any other request that bears a proxy's marks is for nobody: its socket's address
//! would speak for somebody else, and on loopback would make a stranger local.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use super::Peer;

/// `gateway.trustedProxies` and `gateway.allowRealIpFallback`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Single addresses are networks of one.
    pub trusted: Vec<IpNet>,
    /// Whether `X-Real-IP` counts where a trusted proxy sends no `X-Forwarded-For`.
    pub accept_real_ip: bool,
}

/// A proxy stands between, and there is no telling for whom it speaks. Carries the peer of the socket.
#[derive(Debug, Clone)]
pub struct Unattributable(pub Peer);

/// Who a request comes from, when it came over the socket of `peer`.
///
/// # Errors
/// Nobody knows: the proxy is not trusted, or it is and does not say.
pub fn attribute(peer: Peer, headers: &HeaderMap, proxies: &Proxies) -> Result<Peer, Unattributable> {
    // On the tailnet such headers are noise: WireGuard names the peer.
    let (Peer::Loopback(socket) | Peer::Network(socket)) = peer else {
        return Ok(peer);
    };
    let is_marked = is_marked(headers);
    if peer.is_loopback() && !is_marked {
        return Ok(peer);
    }
    if !proxies.trusts(socket.ip()) {
        return if is_marked { Err(Unattributable(peer)) } else { Ok(peer) };
    }
    match proxies.client(headers) {
        Some(client) => Ok(Peer::Proxied { client: SocketAddr::new(client, 0), proxy: socket }),
        None => Err(Unattributable(peer)),
    }
}

impl Proxies {
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The rightmost hop that is no proxy of ours: what stands left of it, the client itself may have written.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let chain = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let mut hops: Vec<IpAddr> = chain.flat_map(|value| value.split(',')).filter_map(parse_hop).collect();
        hops.retain(|hop| !hop.is_loopback());
        let forwarded = hops.into_iter().rev().find(|hop| !self.trusts(*hop));
        let real = || headers.get("x-real-ip").and_then(|value| parse_hop(value.to_str().ok()?));
        forwarded
            .or_else(|| if self.accept_real_ip { real() } else { None })
            .filter(|address| !address.is_loopback() && !address.is_unspecified())
    }
}

/// Whether a proxy left its marks.
#[must_use]
pub fn is_marked(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-") || name.starts_with("tailscale-")
    })
}

/// An address, with or without a port.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    address
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn proxies() -> Proxies {
        let trusted = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        Proxies { trusted: trusted.to_vec(), accept_real_ip: false }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn peer(address: &str) -> Peer {
        let socket = SocketAddr::new(address.parse().unwrap(), 9);
        if socket.ip().is_loopback() { Peer::Loopback(socket) } else { Peer::Network(socket) }
    }

    /// `loopback`, `network`, the client's address behind a proxy, or `refused`.
    fn outcome(socket: &str, pairs: &[(&str, &str)], proxies: &Proxies) -> String {
        match attribute(peer(socket), &headers(pairs), proxies) {
            Ok(Peer::Proxied { client, .. }) => client.ip().to_string(),
            Ok(peer) => peer.path().to_owned(),
            Err(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn marks_of_a_proxy_that_is_not_trusted_are_refused() {
        for mark in ["X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Tailscale-User-Login"] {
            assert_eq!(outcome("127.0.0.1", &[(mark, "x")], &Proxies::default()), "refused", "{mark}");
            assert_eq!(outcome("192.0.2.1", &[(mark, "x")], &proxies()), "refused", "{mark}");
        }
        assert_eq!(outcome("127.0.0.1", &[], &proxies()), "loopback");
        assert_eq!(outcome("192.0.2.1", &[("Via", "x")], &proxies()), "network");
    }

    #[test]
    fn a_trusted_proxy_has_to_say_for_whom_it_speaks() {
        for silent in [&[][..], &[("X-Forwarded-Proto", "https")], &[("X-Forwarded-For", "127.0.0.1")]] {
            assert_eq!(outcome("10.1.2.3", silent, &proxies()), "refused", "{silent:?}");
        }
        // A name, and nothing but proxies of ours.
        for unusable in ["unknown", "10.9.9.9", "10.9.9.9, 127.0.0.1", "::1", "0.0.0.0"] {
            let said = [("X-Forwarded-For", unusable)];
            assert_eq!(outcome("127.0.0.1", &said, &proxies()), "refused", "{unusable}");
        }
    }

    #[test]
    fn the_rightmost_stranger_is_the_client() {
        for (chain, client) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:443", "203.0.113.9"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            // What the client wrote itself stands on the left.
            ("127.0.0.1, 198.51.100.1, 203.0.113.9", "203.0.113.9"),
            ("203.0.113.9, 10.0.0.5, 127.0.0.1", "203.0.113.9"),
            ("junk, 203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(outcome("127.0.0.1", &[("X-Forwarded-For", chain)], &proxies()), client, "{chain}");
        }
        let twice = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "203.0.113.9")];
        assert_eq!(outcome("10.0.0.1", &twice, &proxies()), "203.0.113.9");
        assert_eq!(outcome("::ffff:10.0.0.1", &twice, &proxies()), "203.0.113.9");
    }

    #[test]
    fn x_real_ip_counts_only_where_the_person_said_so() {
        let said = [("X-Real-IP", "203.0.113.9")];
        assert_eq!(outcome("10.0.0.1", &said, &proxies()), "refused");
        assert_eq!(outcome("10.0.0.1", &said, &Proxies { accept_real_ip: true, ..proxies() }), "203.0.113.9");
    }

    #[test]
    fn on_the_tailnet_the_marks_are_noise() {
        let address = "10.0.0.1:9".parse().unwrap();
        let peer = Peer::Tailnet { address, whois: None };
        let same = attribute(peer, &headers(&[("X-Forwarded-For", "203.0.113.9")]), &proxies()).unwrap();
        assert!(matches!(same, Peer::Tailnet { address: now, .. } if now == address));
    }

    /// Nobody becomes local by a header, and only a trusted socket speaks for others.
    #[test]
    fn fuzz_headers_of_proxies() {
        let seeds =
            ["203.0.113.9", "10.0.0.9, 203.0.113.9", "[2001:db8::1]:443", "::ffff:127.0.0.1", "unknown, 1.2.3.4:99"];
        crate::fuzz::fuzz_text(&seeds, |text| {
            let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { return };
            for name in ["x-forwarded-for", "x-real-ip", "forwarded"] {
                let map = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
                for socket in ["127.0.0.1", "10.1.1.1", "203.0.113.77"] {
                    let proxies = Proxies { accept_real_ip: true, ..proxies() };
                    if let Ok(who) = attribute(peer(socket), &map, &proxies) {
                        assert!(matches!(who, Peer::Proxied { .. }) && socket != "203.0.113.77", "{who:?}");
                        assert!(!who.address().ip().to_canonical().is_loopback(), "{who:?}");
                    }
                }
            }
        });
    }
}
