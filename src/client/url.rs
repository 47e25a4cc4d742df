//! A gateway's address as people write it: `ws://host:port`, `wss://host`, the same with `http`, or just the host.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::{ClientError, plaintext};

const DEFAULT_PORT: u16 = 18_789;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayUrl {
    scheme: Scheme,
    /// Without brackets, also where it is an IPv6 address.
    host: String,
    port: u16,
    path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Plain,
    Tls,
}

impl GatewayUrl {
    /// The gateway of this machine.
    #[must_use]
    pub fn local(port: u16) -> Self {
        Self { scheme: Scheme::Plain, host: "127.0.0.1".to_owned(), port, path: "/".to_owned() }
    }

    /// # Errors
    /// [`ClientError::Url`] for what is no address.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let refuse = |problem: &str| ClientError::Url { url: text.to_owned(), problem: problem.to_owned() };
        let text = text.trim();
        let has_scheme = text.contains("://");
        let with_scheme = if has_scheme { text.to_owned() } else { format!("ws://{text}") };
        let uri: ::http::Uri = with_scheme.parse().map_err(|_| refuse("it is no address: write ws://host:port"))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("ws") if !has_scheme => (Scheme::Plain, DEFAULT_PORT),
            Some("ws" | "http") => (Scheme::Plain, 80),
            Some("wss" | "https") => (Scheme::Tls, 443),
            _ => return Err(refuse("its scheme is neither ws nor wss: write wss://host, or ws://host:port")),
        };
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
        Ok(Self { scheme, host: host.to_owned(), port: uri.port_u16().unwrap_or(default_port), path: path.to_owned() })
    }

    /// The same, by TLS.
    #[must_use]
    pub fn with_tls(self) -> Self {
        Self { scheme: Scheme::Tls, ..self }
    }

    /// The same, elsewhere on that host.
    #[must_use]
    pub fn on_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::Tls
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
        let scheme = if self.is_tls() { "https" } else { "http" };
        format!("{scheme}://{}/", self.authority())
    }

    /// Whether both are the same place: scheme, host, port and path, as edge credentials are bound to it.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        let path = |url: &Self| url.path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
        self.scheme == other.scheme
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
            && path(self) == path(other)
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
        found.is_ok_and(|mut addresses| addresses.any(|address| plaintext::is_tailnet_address(address.ip())))
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == "/" { "" } else { &self.path };
        let scheme = if self.is_tls() { "wss" } else { "ws" };
        write!(formatter, "{scheme}://{}{path}", self.authority())
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
        assert_eq!(shown("wss://claw.example"), "wss://claw.example:443");
        assert_eq!(shown("https://claw.example:8443/"), "wss://claw.example:8443");
        assert_eq!(GatewayUrl::parse("wss://claw").unwrap().page(), "https://claw:443/");
    }

    #[test]
    fn a_place_is_scheme_host_port_and_path() {
        let url = |text: &str| GatewayUrl::parse(text).unwrap();
        let here = url("wss://Claw.example/gw/");
        for same in ["wss://claw.example/gw", "https://claw.example:443/gw/?x=1"] {
            assert!(here.is_same_place(&url(same)), "{same}");
        }
        for other in
            ["ws://claw.example:443/gw", "wss://claw.example:444/gw", "wss://claw.example/", "wss://c.example/gw"]
        {
            assert!(!here.is_same_place(&url(other)), "{other}");
        }
    }

    #[test]
    fn refuses_nonsense() {
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
            [("100.64.0.1", true), ("100.127.9.9", true), ("100.128.0.1", false), ("fd7a:115c:a1e0::1", true)]
        {
            assert_eq!(plaintext::is_tailnet_address(address.parse().unwrap()), is_tailnet, "{address}");
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
