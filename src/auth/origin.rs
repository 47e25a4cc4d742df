//! Which web pages may open a socket here.
//!
//! A tailnet identity needs no secret, so any page that its owner visits could otherwise speak in their name: the
//! browser sends the connection, and the connection is the identity. The `Origin` header is the browser's word about
//! the page, and the only thing it is used for is to refuse.

use std::net::IpAddr;

use super::settings::Settings;
use crate::net::Peer;

/// What the rule needs to know of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    pub host: Option<&'a str>,
    pub peer: &'a Peer,
}

/// Why a page may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// No `Origin`, or none that names a page.
    Unnamed,
    NotAllowed,
}

/// Whether a page may connect: it is ours (same origin, under a name that is ours or that no stranger can own), it
/// is local on this machine, or the configuration names it.
pub(super) fn check(page: Page<'_>, settings: &Settings, own_names: &[String]) -> Result<(), Foreign> {
    let authority = page.origin.and_then(authority_of).ok_or(Foreign::Unnamed)?;
    let origin = page.origin.unwrap_or_default().trim_end_matches('/');
    if settings.allowed_origins.iter().any(|entry| is_entry(entry, origin)) {
        return Ok(());
    }
    let name = host_name(authority);
    if page.peer.is_loopback() && is_loopback_name(name) {
        return Ok(());
    }
    let is_same = page.host.is_some_and(|host| host.eq_ignore_ascii_case(authority));
    if is_same && settings.host_header_fallback {
        tracing::warn!(origin, "let in by gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback");
        return Ok(());
    }
    if is_same && is_ours(name, own_names) { Ok(()) } else { Err(Foreign::NotAllowed) }
}

/// Whether the origin is that of a browser extension as Chrome forms it: 32 letters from a to p.
pub(super) fn is_extension(origin: &str) -> bool {
    let id = origin.trim_end_matches('/').strip_prefix("chrome-extension://");
    id.is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| (b'a'..=b'p').contains(&byte)))
}

fn is_entry(entry: &str, origin: &str) -> bool {
    let entry = entry.trim();
    entry == "*" || entry.trim_end_matches('/').eq_ignore_ascii_case(origin)
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

/// `host[:port]` of an origin, without the port that goes without saying. `null` has none.
fn authority_of(origin: &str) -> Option<&str> {
    let (scheme, rest) = origin.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|other| other.is_ascii_alphanumeric() || "+.-".contains(other));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let is_authority = !rest.is_empty() && !rest.contains(['/', '?', '#', '\\', '@', ' ']);
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    (is_scheme && is_authority).then(|| rest.strip_suffix(default_port).unwrap_or(rest))
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
    use super::super::settings::Mode;
    use super::*;

    fn settings(fallback: bool) -> Settings {
        Settings {
            allowed_origins: vec!["https://ui.example.com".to_owned()],
            host_header_fallback: fallback,
            ..Settings::of(Mode::None)
        }
    }

    fn verdict(origin: &str, host: &str, peer: &str, fallback: bool) -> Result<(), Foreign> {
        let address = peer.parse().unwrap();
        let peer = if peer.starts_with("127.") { Peer::Loopback(address) } else { Peer::Network(address) };
        let own = ["claw.example.ts.net".to_owned(), "claw".to_owned()];
        super::check(Page { origin: Some(origin), host: Some(host), peer: &peer }, &settings(fallback), &own)
    }

    fn check(origin: &str, host: &str, peer: &str) -> bool {
        verdict(origin, host, peer, false).is_ok()
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
    }

    #[test]
    fn what_names_no_page_is_told_apart() {
        for origin in
            ["null", "", "claw", "http://", "http://claw@evil.example", "http://claw/path", "://claw", "1x://claw"]
        {
            assert_eq!(verdict(origin, "claw", "127.0.0.1:9", true), Err(Foreign::Unnamed), "{origin}");
        }
        assert_eq!(verdict("https://evil.example", "claw", "127.0.0.1:9", true), Err(Foreign::NotAllowed));
    }

    #[test]
    fn the_fallback_believes_the_host() {
        assert_eq!(verdict("https://evil.example", "evil.example", "192.0.2.1:9", true), Ok(()));
        assert_eq!(verdict("https://evil.example:443", "evil.example", "192.0.2.1:9", true), Ok(()));
        assert_eq!(verdict("https://evil.example", "claw", "192.0.2.1:9", true), Err(Foreign::NotAllowed));
    }

    #[test]
    fn an_extension_has_a_name_of_its_own_kind() {
        assert!(is_extension("chrome-extension://abcdefghijklmnopabcdefghijklmnop"));
        assert!(!is_extension("chrome-extension://abcdefghijklmnopabcdefghijklmnoz"));
        assert!(!is_extension("https://abcdefghijklmnopabcdefghijklmnop"));
    }

    /// A page of a stranger's name is never ours, however it is written.
    #[test]
    fn fuzz_origins() {
        let seeds =
            ["https://evil.example", "http://evil.example:80/", "https://user@evil.example", "null", "evil.example"];
        crate::fuzz::fuzz_text(&seeds, |origin| {
            let name = host_name(authority_of(origin).unwrap_or_default()).to_ascii_lowercase();
            let is_known = is_loopback_name(&name) || name.parse::<IpAddr>().is_ok();
            let is_safe_suffix = [".ts.net", ".local"].iter().any(|suffix| name.ends_with(suffix));
            if !is_known && !is_safe_suffix {
                assert!(!check(origin, &name, "203.0.113.9:9"), "{origin:?}");
            }
            let _ = is_own_host(Some(origin), &[origin.to_owned()], &[]);
        });
    }
}
