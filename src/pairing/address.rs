//! The address that a setup code names.

use std::net::{IpAddr, UdpSocket};

use http::Uri;

use crate::net::bind::BindMode;

/// Where an address comes from that the node has.
const TAILNET: &str = "gateway.bind=tailnet";

/// How the gateway can be reached.
#[derive(Debug, Clone)]
pub struct Reach {
    pub bind: BindMode,
    pub port: u16,
    /// Whether what is bound speaks TLS.
    pub has_tls: bool,
    /// The name of our tailnet node, once it has joined.
    pub tailnet_name: Option<String>,
    /// Whether that name has HTTPS of its own, on 443.
    pub tailnet_https: bool,
}

/// What stands in a setup code, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub url: String,
    pub source: &'static str,
    /// Whether `operator.admin` may be given to who comes by it: it is encrypted, or does not leave this machine.
    pub is_private: bool,
}

/// Why there is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("Configured publicUrl is invalid.")]
    Invalid,
    #[error(
        "Tailscale and public mobile pairing require a secure gateway URL (wss://) or Tailscale Serve/Funnel. Fix: use \
         a private LAN address, join a tailnet, or pass a wss:// URL. ws:// is only valid for localhost, private LAN \
         addresses, .local hosts, this gateway's own tailnet node, or the Android emulator."
    )]
    Insecure,
    #[error(
        "Gateway is only bound to loopback. Set gateway.bind=lan, join a tailnet (tailclaw up), or pass a public URL."
    )]
    OnlyLoopback,
    #[error("gateway.bind=lan set, but no private LAN IP was found.")]
    NoLan,
    #[error(
        "Join URLs require a TLS gateway endpoint, except for loopback. Use the setup code directly for plaintext LAN \
         pairing."
    )]
    JoinNeedsTls,
}

impl Reach {
    const fn scheme(&self) -> &'static str {
        if self.has_tls { "wss" } else { "ws" }
    }
}

impl Address {
    /// Whether it is what the kernel's listeners are bound to, and shows their certificate.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.url.starts_with("wss://") && self.source != TAILNET
    }

    /// What a join URL begins with: the same place over HTTP, since it is the one that hands the token out.
    ///
    /// # Errors
    /// Somebody on the way could read it.
    pub fn join_base(&self) -> Result<String, AddressError> {
        match self.url.split_once("://") {
            Some(("wss", rest)) => Ok(format!("https://{rest}")),
            Some((_, rest)) if self.is_private => Ok(format!("http://{rest}")),
            _ => Err(AddressError::JoinNeedsTls),
        }
    }
}

/// What the caller asked for, else the tailnet node's own name, else the address that is bound.
///
/// A tailnet node's `ws://` counts as private, unlike with OpenClaw: WireGuard encrypts it, and the listener behind it
/// hears nobody else.
///
/// # Errors
/// There is no address that another device could use.
pub fn choose(public_url: Option<&str>, reach: &Reach) -> Result<Address, AddressError> {
    if let Some(url) = public_url {
        let url = normalise(url, reach.scheme()).ok_or(AddressError::Invalid)?;
        let (scheme, rest) = url.split_once("://").ok_or(AddressError::Invalid)?;
        let host = host_of(rest);
        let own_node = reach.tailnet_name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(host));
        if scheme == "ws" && !own_node && !may_be_plain(host) {
            return Err(AddressError::Insecure);
        }
        let is_private = scheme == "wss" || own_node || is_loopback(host);
        return Ok(Address { url, source: "request.publicUrl", is_private });
    }
    let port = reach.port;
    if let Some(name) = &reach.tailnet_name {
        let url = if reach.tailnet_https { format!("wss://{name}") } else { format!("ws://{name}:{port}") };
        return Ok(Address { url, source: TAILNET, is_private: true });
    }
    let (scheme, is_private) = (reach.scheme(), reach.has_tls);
    match reach.bind {
        BindMode::Lan => {
            let address = lan_address().ok_or(AddressError::NoLan)?;
            Ok(Address { url: format!("{scheme}://{address}:{port}"), source: "gateway.bind=lan", is_private })
        }
        BindMode::Custom(address) if !address.is_loopback() && !address.is_unspecified() => {
            let host = match address {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            };
            if !is_private && !may_be_plain(&host) {
                return Err(AddressError::Insecure);
            }
            Ok(Address { url: format!("{scheme}://{host}:{port}"), source: "gateway.bind=custom", is_private })
        }
        BindMode::Loopback | BindMode::Tailnet | BindMode::Custom(_) => Err(AddressError::OnlyLoopback),
    }
}

/// `wss://host[:port][/path]`: a web address becomes the socket's, a bare host gets the scheme of what is bound.
fn normalise(text: &str, bare: &str) -> Option<String> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => (bare.to_owned(), text),
    };
    let scheme = match scheme.as_str() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return None,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let uri: Uri = format!("{scheme}://{rest}").parse().ok()?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    if authority.host().is_empty() {
        return None;
    }
    let path = uri.path().trim_end_matches('/');
    Some(format!("{scheme}://{}{path}", authority.as_str().to_ascii_lowercase()))
}

fn host_of(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, _)) => inside,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Hosts to which a phone's app speaks without TLS.
fn may_be_plain(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    is_loopback(bare) || bare.ends_with(".local") || bare.parse().is_ok_and(is_lan)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_lan(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// The address by which this machine would leave for the wider network. Nothing is sent to find out.
fn lan_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    // Of the range that documentation uses: no packet goes there.
    socket.connect(("198.51.100.1", 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| is_lan(*address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(bind: BindMode, tailnet_name: Option<&str>) -> Reach {
        Reach {
            bind,
            port: 18_789,
            has_tls: false,
            tailnet_https: false,
            tailnet_name: tailnet_name.map(str::to_owned),
        }
    }

    fn chosen(url: Option<&str>, bind: BindMode, name: Option<&str>) -> Result<(String, bool), AddressError> {
        choose(url, &reach(bind, name)).map(|address| (address.url, address.is_private))
    }

    #[test]
    fn what_was_asked_for_is_made_a_socket_address() {
        let asked = |url| chosen(Some(url), BindMode::Loopback, Some("gw.tail.ts.net"));
        assert_eq!(asked("https://Gw.example.com/"), Ok(("wss://gw.example.com".into(), true)));
        assert_eq!(asked("wss://gw.example.com:8443/claw/"), Ok(("wss://gw.example.com:8443/claw".into(), true)));
        assert_eq!(asked("192.168.3.4:18789"), Ok(("ws://192.168.3.4:18789".into(), false)));
        assert_eq!(asked("ws://127.0.0.1:1"), Ok(("ws://127.0.0.1:1".into(), true)));
        assert_eq!(asked("ws://gw.tail.ts.net:18789"), Ok(("ws://gw.tail.ts.net:18789".into(), true)));
        for insecure in ["ws://gw.example.com", "ws://100.64.1.2:1", "gw.example.com/x"] {
            assert_eq!(asked(insecure), Err(AddressError::Insecure), "{insecure}");
        }
        for invalid in ["http://x y", "ftp://h", "wss://", "wss://u:p@h", ""] {
            assert_eq!(asked(invalid), Err(AddressError::Invalid), "{invalid}");
        }
    }

    #[test]
    fn the_tailnet_node_comes_before_what_is_bound() {
        let tailnet = chosen(None, BindMode::Loopback, Some("gw.tail.ts.net"));
        assert_eq!(tailnet, Ok(("ws://gw.tail.ts.net:18789".into(), true)));
        let https = Reach { tailnet_https: true, ..reach(BindMode::Tailnet, Some("gw.tail.ts.net")) };
        let https = choose(None, &https).unwrap();
        assert_eq!((https.url.as_str(), https.is_bound()), ("wss://gw.tail.ts.net", false));
        assert_eq!(chosen(None, BindMode::Loopback, None), Err(AddressError::OnlyLoopback));
        assert_eq!(chosen(None, BindMode::Tailnet, None), Err(AddressError::OnlyLoopback));
        let custom = chosen(None, BindMode::Custom("192.168.1.2".parse().unwrap()), None);
        assert_eq!(custom, Ok(("ws://192.168.1.2:18789".into(), false)));
        let public = chosen(None, BindMode::Custom("203.0.113.9".parse().unwrap()), None);
        assert_eq!(public, Err(AddressError::Insecure));
    }

    #[test]
    fn with_tls_what_is_bound_is_private() {
        let tls = |url, bind| choose(url, &Reach { has_tls: true, ..reach(bind, None) });
        let custom = tls(None, BindMode::Custom("203.0.113.9".parse().unwrap())).unwrap();
        assert_eq!((custom.url.as_str(), custom.is_private), ("wss://203.0.113.9:18789", true));
        assert_eq!(custom.join_base().as_deref(), Ok("https://203.0.113.9:18789"));
        assert_eq!(tls(Some("gw.example.com:1"), BindMode::Loopback).unwrap().url, "wss://gw.example.com:1");
        assert_eq!(tls(None, BindMode::Loopback), Err(AddressError::OnlyLoopback));
    }

    #[test]
    fn fuzz_addresses() {
        let seeds = ["wss://gateway.example/x", "ws://192.168.1.5:18789", "https://[fd7a::1]:443", "http://h", "h:1"];
        crate::fuzz::fuzz_text(&seeds, |text| {
            if let Some(url) = normalise(text, "ws") {
                assert_eq!(normalise(&url, "wss").as_ref(), Some(&url), "{text:?}");
                assert!(may_be_plain(host_of("")) || !url.contains(char::is_whitespace), "{text:?}");
            }
        });
    }
}
