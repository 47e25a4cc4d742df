//! What a gateway says of itself, as OpenClaw's `gateway discover --json` has it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

/// Keys of one announcement that are kept: more than any gateway has.
const MOST_KEYS: usize = 32;
/// Of a value, in characters; a DNS string has no more than 255 bytes.
const LONGEST: usize = 255;
const MOST_ADDRESSES: usize = 16;

/// A gateway that was heard. All of it is a stranger's word; texts have no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Beacon {
    pub instance_name: String,
    pub display_name: String,
    pub domain: &'static str,
    /// That the service is at: a name below `.local`.
    pub host: String,
    pub port: u16,
    /// Of that host, for machines that do not look names up by multicast. Not OpenClaw's.
    pub addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lan_host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tailnet_dns: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cli_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_tls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_tls_fingerprint_sha256: Option<String>,
    /// All that was said, known to us or not.
    pub txt: BTreeMap<String, String>,
    pub ws_url: String,
}

impl Beacon {
    /// `None` for what leads nowhere. `said` are the keys and values as they came.
    pub(super) fn heard<'a>(
        instance: &str,
        host: &str,
        port: u16,
        addresses: impl Iterator<Item = IpAddr>,
        said: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Self> {
        let host = host.trim_end_matches('.');
        let is_host = !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if !is_host || port == 0 {
            return None;
        }
        let mut txt = BTreeMap::new();
        for (key, value) in said.take(MOST_KEYS) {
            txt.entry(clean(key)).or_insert_with(|| clean(value));
        }
        let text = |key: &str| txt.get(key).filter(|value| !value.is_empty()).cloned();
        let port_of = |key: &str| text(key).and_then(|value| value.parse().ok()).filter(|port: &u16| *port > 0);
        let gateway_tls = text("gatewayTls").map(|value| matches!(value.to_lowercase().as_str(), "1" | "true" | "yes"));
        let scheme = if gateway_tls == Some(true) { "wss" } else { "ws" };
        let instance_name = clean(instance);
        let mut addresses: Vec<IpAddr> = addresses.take(MOST_ADDRESSES).collect();
        addresses.sort_unstable();
        Some(Self {
            display_name: text("displayName").unwrap_or_else(|| instance_name.clone()),
            instance_name,
            domain: "local.",
            ws_url: format!("{scheme}://{host}:{port}"),
            host: host.to_owned(),
            port,
            addresses,
            lan_host: text("lanHost"),
            tailnet_dns: text("tailnetDns"),
            gateway_port: port_of("gatewayPort"),
            ssh_port: port_of("sshPort"),
            cli_path: text("cliPath"),
            role: text("role"),
            transport: text("transport"),
            gateway_tls,
            gateway_tls_fingerprint_sha256: text("gatewayTlsSha256").filter(|value| is_fingerprint(value)),
            txt,
        })
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Nothing that a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(host: &str, port: u16, said: &[(&str, &str)]) -> Option<Beacon> {
        let address = std::iter::once("192.0.2.7".parse().unwrap());
        Beacon::heard("claw (OpenClaw)", host, port, address, said.iter().copied())
    }

    #[test]
    fn what_is_said_is_kept_apart_from_where_it_is() {
        let fingerprint = "ab".repeat(32);
        let said = [
            ("role", "gateway"),
            ("gatewayPort", "18789"),
            ("gatewayTls", "1"),
            ("gatewayTlsSha256", fingerprint.as_str()),
            ("lanHost", "elsewhere.local"),
            ("sshPort", "0"),
        ];
        let beacon = heard("claw.local.", 18_789, &said).unwrap();
        assert_eq!(beacon.ws_url, "wss://claw.local:18789");
        assert_eq!((beacon.display_name.as_str(), beacon.gateway_port), ("claw (OpenClaw)", Some(18_789)));
        assert_eq!((beacon.gateway_tls_fingerprint_sha256, beacon.ssh_port), (Some(fingerprint), None));
        let json = serde_json::to_value(heard("claw.local.", 1, &[]).unwrap()).unwrap();
        assert_eq!(json["wsUrl"], "ws://claw.local:1");
        assert!(json.get("gatewayTls").is_none() && json["txt"].as_object().unwrap().is_empty(), "{json}");
    }

    #[test]
    fn what_is_hostile_is_cut_down() {
        for (host, port) in [("", 1), (".", 1), ("a b", 1), ("x\u{1b}[2J.local", 1), ("x/y@z", 1), ("claw.local", 0)] {
            assert_eq!(heard(host, port, &[]), None, "{host:?}:{port}");
        }
        let long = "x".repeat(10_000);
        let beacon =
            heard("h", 1, &[("displayName", "\u{1b}]0;owned\u{7}\n"), ("role", &long), ("gatewayTlsSha256", "no")]);
        let beacon = beacon.unwrap();
        assert_eq!(beacon.display_name, "]0;owned");
        assert_eq!(beacon.role.unwrap().len(), LONGEST);
        assert_eq!(beacon.gateway_tls_fingerprint_sha256, None);
        let many: Vec<String> = (0..1_000).map(|number| format!("k{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "v")).collect();
        assert_eq!(heard("h", 1, &many).unwrap().txt.len(), MOST_KEYS);
    }

    #[test]
    fn fuzz_beacons() {
        crate::fuzz::fuzz_text(&["claw.local.", "gatewayPort", "65536", "\u{1b}[2J"], |text| {
            let said = [("displayName", text), ("gatewayPort", text), (text, text)];
            if let Some(beacon) = Beacon::heard(text, text, 1, std::iter::empty(), said.into_iter()) {
                assert!(!beacon.display_name.contains(char::is_control) && !beacon.host.contains(char::is_whitespace));
            }
        });
    }
}
