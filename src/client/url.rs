//! A gateway's address as people write it: `ws://host:port`, `http://host:port`, or just the host.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::ClientError;

const DEFAULT_PORT: u16 = 18_789;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayUrl {
    /// Without brackets, also where it is an IPv6 address.
    host: String,
    port: u16,
    path: String,
}

impl GatewayUrl {
    /// The gateway of this machine.
    #[must_use]
    pub fn local(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port, path: "/".to_owned() }
    }

    /// # Errors
    /// [`ClientError::Url`] for what is no address, or asks for TLS.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let refuse = |problem: &str| ClientError::Url { url: text.to_owned(), problem: problem.to_owned() };
        let text = text.trim();
        let (with_scheme, default_port) = match text.split_once("://") {
            Some(_) => (text.to_owned(), 80),
            None => (format!("ws://{text}"), DEFAULT_PORT),
        };
        let uri: ::http::Uri = with_scheme.parse().map_err(|_| refuse("it is no address: write ws://host:port"))?;
        match uri.scheme_str() {
            Some("ws" | "http") => {}
            Some("wss" | "https") => return Err(refuse(TLS)),
            _ => return Err(refuse("its scheme is not ws: write ws://host:port")),
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refuse("it carries a user name: pass the secret with --token or --password"));
        }
        let written = uri.host().unwrap_or_default();
        let bracketed = written.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(written);
        if host.is_empty() {
            return Err(refuse("it has no host: write ws://host:port"));
        }
        // The parser lets brackets stand anywhere, and around anything.
        if host.contains(['[', ']']) || (bracketed.is_some() && host.parse::<Ipv6Addr>().is_err()) {
            return Err(refuse("its host is no name and no address: write ws://host:port"));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(default_port), path: path.to_owned() })
    }

    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` as in a `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The same place for a browser.
    #[must_use]
    pub fn page(&self) -> String {
        format!("http://{}/", self.authority())
    }

    /// Whether it is this machine by its own name, without asking a name server.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether the name leads to an address of a tailnet, where a caller may be known without a secret.
    pub async fn is_tailnet(&self) -> bool {
        if self.host.ends_with(".ts.net") {
            return true;
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        found.is_ok_and(|mut addresses| addresses.any(|address| is_tailnet_address(&address)))
    }
}

const TLS: &str = "TLS is not in this version yet: use ws://, which inside of a tailnet is encrypted all the same";

/// The ranges that Tailscale hands out: 100.64.0.0/10 and fd7a:115c:a1e0::/48.
fn is_tailnet_address(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            first == 100 && (64..128).contains(&second)
        }
        IpAddr::V6(address) => in_tailnet_prefix(address),
    }
}

const fn in_tailnet_prefix(address: Ipv6Addr) -> bool {
    let [one, two, three, ..] = address.segments();
    one == 0xfd7a && two == 0x115c && three == 0xa1e0
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == "/" { "" } else { &self.path };
        write!(formatter, "ws://{}{path}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        let shown = |text: &str| GatewayUrl::parse(text).unwrap().to_string();
        assert_eq!(shown("ws://127.0.0.1:18789"), "ws://127.0.0.1:18789");
        assert_eq!(shown("http://claw:18789/"), "ws://claw:18789");
        assert_eq!(shown("claw"), "ws://claw:18789");
        assert_eq!(shown("ws://claw"), "ws://claw:80");
        assert_eq!(shown("[::1]:5"), "ws://[::1]:5");
        assert_eq!(shown("ws://h:1/ws"), "ws://h:1/ws");
    }

    #[test]
    fn refuses_tls_and_nonsense() {
        assert!(GatewayUrl::parse("wss://claw").unwrap_err().to_string().contains("not in this version"));
        assert!(GatewayUrl::parse("ftp://claw").is_err());
        assert!(GatewayUrl::parse("ws://ada:secret@claw").unwrap_err().to_string().contains("--token"));
        for nonsense in ["", "..[::1]:5", "[claw]:5", "[::1", "ws://[]"] {
            assert!(GatewayUrl::parse(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn knows_loopback_and_tailnet_addresses() {
        assert!(GatewayUrl::parse("localhost:1").unwrap().is_loopback());
        assert!(GatewayUrl::parse("[::1]:1").unwrap().is_loopback());
        assert!(!GatewayUrl::parse("claw").unwrap().is_loopback());
        for (address, is_tailnet) in
            [("100.64.0.1:1", true), ("100.127.9.9:1", true), ("100.128.0.1:1", false), ("[fd7a:115c:a1e0::1]:1", true)]
        {
            assert_eq!(is_tailnet_address(&address.parse().unwrap()), is_tailnet, "{address}");
        }
    }

    #[test]
    fn fuzz_urls() {
        let seeds =
            ["ws://127.0.0.1:18789", "wss://h.ts.net/", "[::1]:5", "http://user:pw@host:1/path?x#y", "ws://h:99999"];
        crate::fuzz::fuzz_text(&seeds, |text| {
            if let Ok(url) = GatewayUrl::parse(text) {
                assert!(!url.host().is_empty() && GatewayUrl::parse(&url.to_string()).is_ok(), "{text:?} as {url}");
            }
        });
    }
}
