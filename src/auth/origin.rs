//! Which web pages may open a socket here.
//!
//! A tailnet identity needs no secret, so any page that its owner visits could otherwise speak in their name: the
//! browser sends the connection, and the connection is the identity. The `Origin` header is the browser's word about
//! the page, and the only thing it is used for is to refuse.

use std::net::IpAddr;

use crate::net::Peer;

/// What the rule needs to know of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    pub origin: &'a str,
    pub host: Option<&'a str>,
    pub peer: &'a Peer,
}

/// Whether a page may connect: it is ours (same origin, under a name that is ours or that no stranger can own), it
/// is local on this machine, or the configuration names it.
pub(super) fn allows(page: Page<'_>, allowed: &[String], own_names: &[String]) -> bool {
    if allowed.iter().any(|entry| entry == "*" || entry.trim_end_matches('/').eq_ignore_ascii_case(page.origin)) {
        return true;
    }
    let Some(authority) = authority_of(page.origin) else {
        return false;
    };
    let name = host_name(authority);
    if page.peer.is_loopback() && is_loopback_name(name) {
        return true;
    }
    page.host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) && is_ours(name, own_names)
}

/// Whether a request that a page may have sent was meant for us: its `Host` is a name of ours, or no page's business.
pub(super) fn is_own_host(host: Option<&str>, allowed: &[String], own_names: &[String]) -> bool {
    let Some(host) = host else {
        return true;
    };
    let is_allowed = allowed.iter().any(|entry| {
        entry == "*" || authority_of(entry.trim_end_matches('/')).is_some_and(|name| name.eq_ignore_ascii_case(host))
    });
    is_allowed || is_ours(host_name(host), own_names)
}

/// A name that a stranger's DNS cannot point at us: this is what stops rebinding.
fn is_ours(name: &str, own_names: &[String]) -> bool {
    let name = name.to_ascii_lowercase();
    if let Ok(address) = name.parse::<IpAddr>() {
        // A page at an address is served by whoever has the address, and its Host equals it: us.
        return is_private(address) || own_names.contains(&name);
    }
    is_loopback_name(&name)
        || own_names.contains(&name)
        || [".ts.net", ".local"].iter().any(|suffix| name.ends_with(suffix))
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared_space = first == 100 && (64..128).contains(&second);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared_space
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// `host[:port]` of an `http(s)` origin.
fn authority_of(origin: &str) -> Option<&str> {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
    (!rest.is_empty() && !rest.contains(['/', '@', ' '])).then_some(rest)
}

/// Without port and brackets.
fn host_name(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.rsplit_once(':').map_or(authority, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: &str, host: &str, peer: &str) -> bool {
        let address = peer.parse().unwrap();
        let peer = if peer.starts_with("127.") { Peer::Loopback(address) } else { Peer::Network(address) };
        let own = ["claw.example.ts.net".to_owned(), "claw".to_owned()];
        allows(Page { origin, host: Some(host), peer: &peer }, &["https://ui.example.com".to_owned()], &own)
    }

    #[test]
    fn our_own_pages_connect() {
        assert!(check("http://100.64.0.1:18789", "100.64.0.1:18789", "100.64.0.2:9"));
        assert!(check("http://claw:18789", "claw:18789", "100.64.0.2:9"));
        assert!(check("https://claw.example.ts.net", "claw.example.ts.net", "100.64.0.2:9"));
        assert!(check("http://[fd7a:115c:a1e0::1]:18789", "[fd7a:115c:a1e0::1]:18789", "100.64.0.2:9"));
        assert!(check("http://localhost:5173", "127.0.0.1:18789", "127.0.0.1:9"));
        assert!(check("https://ui.example.com", "claw", "100.64.0.2:9"));
    }

    #[test]
    fn a_host_that_is_not_ours_is_told_apart() {
        let own = ["claw".to_owned()];
        for host in ["claw:18789", "127.0.0.1:18789", "192.168.1.9", "box.local", "a.b.ts.net", "ui.example.com"] {
            assert!(is_own_host(Some(host), &["https://ui.example.com".to_owned()], &own), "{host}");
        }
        assert!(is_own_host(None, &[], &own));
        assert!(!is_own_host(Some("evil.example:18789"), &[], &own));
    }

    #[test]
    fn strangers_do_not() {
        assert!(!check("http://evil.example", "claw:18789", "100.64.0.2:9"));
        // DNS rebinding: the page and the Host agree, but the name is not ours.
        assert!(!check("http://evil.example:18789", "evil.example:18789", "100.64.0.2:9"));
        assert!(!check("http://evil.example:18789", "evil.example:18789", "127.0.0.1:9"));
        // A page on the visitor's own machine is not a page of ours.
        assert!(!check("http://localhost:5173", "claw:18789", "100.64.0.2:9"));
        assert!(!check("http://8.8.8.8", "8.8.8.8", "100.64.0.2:9"));
        assert!(!check("null", "claw:18789", "100.64.0.2:9"));
        assert!(!check("http://claw@evil.example", "claw@evil.example", "100.64.0.2:9"));
    }
}
