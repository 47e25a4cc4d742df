//! Where unencrypted bytes may go. They carry the secret and every word of every conversation.
//!
//! OpenClaw's rule is by the host as it is written: this machine, private and link-local networks, a tailnet's addresses,
//! `.local` and `.ts.net`; any other name only where the person vouches for it. Beside it stands one of ours: a name whose
//! addresses this machine reaches through its tailnet is one of the tailnet, whatever it ends with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The process's variable by which a person vouches for the names in a network of their own.
pub const VOUCHED_VARIABLE: &str = "OPENCLAW_ALLOW_INSECURE_PRIVATE_WS";

/// Whether the host is in a network of one's own by the way it is written.
pub(super) fn is_private(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => is_private_address(address.to_canonical()),
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".local") || name.ends_with(".ts.net")
        }
    }
}

pub(super) fn is_name(host: &str) -> bool {
    host.parse::<IpAddr>().is_err()
}

fn is_private_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || is_tailnet_address(address.into())
        }
        IpAddr::V6(address) => {
            let [first, ..] = address.segments();
            // fc00::/7 for private networks, fe80::/10 for one link, and fec0::/10, which once was for a site.
            address.is_loopback() || first & 0xfe00 == 0xfc00 || matches!(first & 0xffc0, 0xfe80 | 0xfec0)
        }
    }
}

/// The ranges that Tailscale hands out: 100.64.0.0/10 and fd7a:115c:a1e0::/48.
pub(super) fn is_tailnet_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            first == 100 && (64..128).contains(&second)
        }
        IpAddr::V6(address) => {
            let [one, two, three, ..] = address.segments();
            one == 0xfd7a && two == 0x115c && three == 0xa1e0
        }
    }
}

/// Whether the system would send from an address of its own tailnet: a name server can claim any address, but not give
/// this machine such a route. Sends nothing.
pub(super) fn leaves_through_the_tailnet(address: &SocketAddr) -> bool {
    if !is_tailnet_address(address.ip()) {
        return false;
    }
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(address)?;
        socket.local_addr()
    });
    source.is_ok_and(|source| is_tailnet_address(source.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_known_by_how_they_are_written() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "localhost",
            "LOCALHOST.",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.202",
            "169.254.7.7",
            "100.64.0.1",
            "100.127.255.255",
            "fd7a:115c:a1e0::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "::ffff:10.0.0.1",
            "mac.local",
            "Mac.Local.",
            "claw.tail1234.ts.net",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.0.1",
            "192.169.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "0.0.0.0",
            "::",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "gateway.example.com",
            "claw",
            "claw.internal",
            "local",
            "ts.net",
            "evil-ts.net",
            "10.0.0.1.example.com",
            "localhost.example.com",
            "claw.ts.net.example.com",
            "",
        ] {
            assert!(!is_private(host), "{host}");
        }
    }

    #[test]
    fn an_address_alone_is_no_route_through_a_tailnet() {
        assert!(!leaves_through_the_tailnet(&"8.8.8.8:1".parse().unwrap()));
        assert!(!leaves_through_the_tailnet(&"127.0.0.1:1".parse().unwrap()));
    }
}
