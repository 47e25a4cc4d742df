//! Mode `trusted-proxy`: a proxy that the person named has asked for a login already, and says in a header who it was
//! (protocol §3). The one place where a header counts as identity: the person said so, and the socket is a trusted
//! proxy's.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use http::HeaderMap;

use super::reason::Reason;
use super::settings::{Mode, Settings, TrustedProxy};
use crate::net::Peer;
use crate::protocol::Scope;

/// What the proxy in front of a request says: who its user is, and how much of that user's rights this request is to have.
#[derive(Debug, Clone, Default)]
pub struct Vouched {
    /// `None` where the mode asks no proxy.
    user: Option<Result<String, Reason>>,
    /// Of `x-openclaw-scopes`; `None` without one.
    declared: Option<Vec<Scope>>,
}

impl Vouched {
    /// Reads the headers of a request that came over the socket of `peer`.
    #[must_use]
    pub(super) fn read(settings: &Settings, peer: &Peer, headers: &HeaderMap) -> Self {
        let user = match &settings.mode {
            Mode::TrustedProxy(proxy) => Some(user(settings, proxy, peer, headers)),
            Mode::None | Mode::Token(_) | Mode::Password(_) => None,
        };
        Self { user, declared: declared_scopes(headers) }
    }

    pub(super) fn user(&self) -> Result<&str, Reason> {
        match &self.user {
            Some(Ok(user)) => Ok(user),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(Reason::Proxy("trusted_proxy_no_request")),
        }
    }

    /// What is left of these scopes. Anybody may send the header, because it never gives anything: what it does not
    /// name is taken away, by its exact name as OpenClaw does it.
    pub(super) fn capped(&self, mut scopes: Vec<Scope>) -> Vec<Scope> {
        if let Some(declared) = &self.declared {
            scopes.retain(|scope| declared.contains(scope));
        }
        scopes
    }
}

/// Names that nobody knows count for nothing. So does the whole header where there are two of them: the proxy added its
/// own to what the client sent, and nobody knows which is which.
fn declared_scopes(headers: &HeaderMap) -> Option<Vec<Scope>> {
    let mut values = headers.get_all("x-openclaw-scopes").iter();
    let first = values.next()?;
    let alone = first.to_str().ok().filter(|_| values.next().is_none());
    Some(alone.unwrap_or_default().split(',').filter_map(|name| Scope::parse(name.trim())).collect())
}

/// In the order of OpenClaw's checks, so that the same request is refused for the same reason.
fn user(settings: &Settings, proxy: &TrustedProxy, peer: &Peer, headers: &HeaderMap) -> Result<String, Reason> {
    let socket = match peer {
        Peer::Loopback(socket) | Peer::Network(socket) | Peer::Proxied { proxy: socket, .. } => socket.ip(),
        Peer::Tailnet { .. } | Peer::Serve { .. } | Peer::Funnel { .. } | Peer::ServeBackend(_) => {
            return Err(Reason::Proxy("trusted_proxy_untrusted_source"));
        }
    };
    if !settings.proxies.trusts(socket) {
        return Err(Reason::Proxy("trusted_proxy_untrusted_source"));
    }
    let socket = socket.to_canonical();
    if socket.is_loopback() && !proxy.allow_loopback {
        return Err(Reason::Proxy("trusted_proxy_loopback_source"));
    }
    if !socket.is_loopback() {
        is_elsewhere(socket)?;
    }
    let filled = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?.trim();
        (!value.is_empty()).then_some(value)
    };
    if let Some(missing) = proxy.required_headers.iter().find(|name| filled(name).is_none()) {
        return Err(Reason::ProxyHeader(missing.clone()));
    }
    // Two of them mean that the proxy added its own to what the client sent: nobody knows which is which.
    let is_alone = headers.get_all(&proxy.user_header).iter().count() == 1;
    let user = filled(&proxy.user_header).filter(|_| is_alone).ok_or(Reason::Proxy("trusted_proxy_user_missing"))?;
    if !proxy.allow_users.is_empty() && !proxy.allow_users.iter().any(|allowed| allowed == user) {
        return Err(Reason::Proxy("trusted_proxy_user_not_allowed"));
    }
    match peer {
        Peer::Proxied { .. } => Ok(user.to_owned()),
        _ => Err(Reason::ProxyAttribution),
    }
}

/// An address of this machine is used by any program on it; a proxy that is meant stands elsewhere, or the person
/// trusts loopback. What can be bound is ours.
fn is_elsewhere(address: IpAddr) -> Result<(), Reason> {
    match UdpSocket::bind(SocketAddr::new(address, 0)) {
        Ok(_) => Err(Reason::Proxy("trusted_proxy_local_interface_source")),
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Ok(()),
        Err(_) => Err(Reason::Proxy("trusted_proxy_local_interface_check_failed")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn settings(change: impl Fn(&mut TrustedProxy)) -> Settings {
        let mut proxy = TrustedProxy {
            user_header: "X-Forwarded-User".to_owned(),
            required_headers: vec!["X-Forwarded-Proto".to_owned()],
            allow_users: vec!["alice@example.com".to_owned()],
            ..TrustedProxy::default()
        };
        change(&mut proxy);
        let mut settings = Settings::of(Mode::TrustedProxy(proxy));
        settings.proxies.trusted = vec!["198.51.100.0/24".parse().unwrap(), "127.0.0.0/8".parse().unwrap()];
        settings
    }

    fn says(settings: &Settings, proxy: &str, headers: &[(&'static str, &'static str)]) -> Result<String, Reason> {
        let peer = Peer::Proxied {
            client: "203.0.113.9:0".parse().unwrap(),
            proxy: SocketAddr::new(proxy.parse().unwrap(), 9),
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Vouched::read(settings, &peer, &map).user().map(str::to_owned)
    }

    const ALICE: [(&str, &str); 2] = [("x-forwarded-proto", "https"), ("x-forwarded-user", " alice@example.com ")];

    #[test]
    fn the_user_of_a_trusted_proxy_is_believed() {
        assert_eq!(says(&settings(|_| ()), "198.51.100.7", &ALICE).as_deref(), Ok("alice@example.com"));
        assert_eq!(
            says(&settings(|proxy| proxy.allow_users.clear()), "198.51.100.7", &ALICE).as_deref(),
            Ok("alice@example.com")
        );
        assert_eq!(
            says(&settings(|proxy| proxy.allow_loopback = true), "127.0.0.1", &ALICE).as_deref(),
            Ok("alice@example.com")
        );
    }

    #[test]
    fn each_rule_names_itself() {
        let plain = settings(|_| ());
        let name = |reason| Err(Reason::Proxy(reason));
        assert_eq!(says(&plain, "192.0.2.7", &ALICE), name("trusted_proxy_untrusted_source"));
        assert_eq!(says(&plain, "127.0.0.1", &ALICE), name("trusted_proxy_loopback_source"));
        assert_eq!(says(&plain, "198.51.100.7", &ALICE[..1]), name("trusted_proxy_user_missing"));
        let twice = [ALICE[0], ("x-forwarded-user", "admin"), ALICE[1]];
        assert_eq!(says(&plain, "198.51.100.7", &twice), name("trusted_proxy_user_missing"));
        let missing = Err(Reason::ProxyHeader("X-Forwarded-Proto".to_owned()));
        assert_eq!(says(&plain, "198.51.100.7", &ALICE[1..]), missing);
        let mallory = [ALICE[0], ("x-forwarded-user", "mallory")];
        assert_eq!(says(&plain, "198.51.100.7", &mallory), name("trusted_proxy_user_not_allowed"));
    }

    #[test]
    fn a_declaration_of_scopes_only_takes_away() {
        use Scope::{Admin, Read, Write};
        let left = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-openclaw-scopes", HeaderValue::from_static(value));
            }
            let peer = Peer::Loopback("127.0.0.1:9".parse().unwrap());
            Vouched::read(&Settings::of(Mode::None), &peer, &headers).capped(vec![Read, Write])
        };
        assert_eq!(left(&[]), [Read, Write]);
        assert_eq!(left(&[" operator.write ,operator.pairing"]), [Write]);
        // More than there is gives nothing; what cannot be understood takes everything.
        let nothing: [Scope; 0] = [];
        for closed in ["operator.admin", "", ",", "operator.Read", "read", "operator.read operator.write"] {
            assert_eq!(left(&[closed]), nothing, "{closed:?}");
        }
        assert_eq!(left(&["operator.read", "operator.write"]), nothing);
        assert!(!left(&["operator.admin"]).contains(&Admin));
    }

    #[test]
    fn a_proxy_that_does_not_say_for_whom_speaks_for_nobody() {
        let settings = settings(|proxy| {
            proxy.allow_loopback = true;
            proxy.required_headers.clear();
        });
        let peer = Peer::Loopback("127.0.0.1:9".parse().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-user", HeaderValue::from_static("alice@example.com"));
        let vouched = Vouched::read(&settings, &peer, &headers);
        assert_eq!(vouched.user(), Err(Reason::ProxyAttribution));
    }

    /// Whatever stands there, nothing is added.
    #[test]
    fn fuzz_declared_scopes_and_users() {
        let seeds: [&[u8]; 3] = [b"operator.read, operator.write", b" operator.admin ", b"alice@example.com"];
        crate::fuzz::fuzz(&seeds, |bytes| {
            let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
            headers.insert("x-openclaw-scopes", value.clone());
            headers.insert("x-forwarded-user", value);
            let peer =
                Peer::Proxied { client: "203.0.113.9:0".parse().unwrap(), proxy: "198.51.100.7:9".parse().unwrap() };
            let vouched = Vouched::read(&settings(|_| ()), &peer, &headers);
            assert!(vouched.capped(vec![Scope::Read]).iter().all(|scope| *scope == Scope::Read));
            assert!(vouched.capped(Vec::new()).is_empty());
            assert!(vouched.user().is_err() || bytes.trim_ascii() == b"alice@example.com");
        });
    }
}
