//! The part of `status --deep` about the tailnet: how packets get to us and to others, how long the login and the
//! certificate last, where the gateway is offered, and what the tailnet lacks.

use serde_json::Value;

use super::output::{Rows, alarming, plain};
use super::report::{At, text};

/// So many peers are shown; the JSON has them all.
const SHOWN: usize = 8;

/// From the answer to `tailnet.status`.
pub(super) fn add(rows: &mut Rows, reply: &Value) {
    let node = reply.at("tailnet");
    if !node.is_object() {
        return;
    }
    if reply.at("caller").is_object() {
        rows.add("your path", path(reply.at("caller")));
    }
    let peers = reply.at("peers").as_array().map(Vec::as_slice).unwrap_or_default();
    if !peers.is_empty() {
        rows.add("peers", peer_lines(peers));
    }
    if node.at("state") == "Running" {
        rows.add("login", node.at("keyExpiry").as_str().map_or_else(|| "has no end".to_owned(), until));
    }
    if let Some(domain) = reply.at("certificate.domain").as_str() {
        let end = reply.at("certificate.expires").as_str();
        let end = end.map_or_else(|| "none fetched yet".to_owned(), until);
        rows.add("certificate", format!("{}, {end}", plain(domain)));
    }
    let serve = node.at("serve");
    if serve.is_object() {
        rows.add("offered at", offered(serve));
    }
    let lacks = reply.at("lacks").as_array().map(Vec::as_slice).unwrap_or_default();
    let lacks: Vec<String> =
        lacks.iter().map(|lack| format!("{}: {}", text(lack.at("what")), text(lack.at("fix")))).collect();
    if !lacks.is_empty() {
        rows.add("lacking", lacks.join("\n"));
    }
}

fn until(end: &str) -> String {
    format!("good until {}", plain(end))
}

fn peer_lines(peers: &[Value]) -> String {
    let mut lines: Vec<String> =
        peers.iter().take(SHOWN).map(|peer| format!("{}: {}", text(peer.at("name")), path(peer))).collect();
    if peers.len() > SHOWN {
        lines.push(format!("and {} more", peers.len() - SHOWN));
    }
    lines.join("\n")
}

fn path(peer: &Value) -> String {
    let path = peer.at("path");
    let latency = path.at("latencyMs").as_f64().unwrap_or(0.0);
    match path.at("kind").as_str() {
        Some("direct") => format!("direct, {}, {latency:.1} ms", text(path.at("endpoint"))),
        Some("relay") => format!("by the relay {}, {latency:.1} ms", text(path.at("region"))),
        Some(kind) => format!("{}, {}, {latency:.1} ms", plain(kind), text(path.at("endpoint"))),
        None if peer.at("online") == true => "online, nothing passes at the moment".to_owned(),
        None => "offline".to_owned(),
    }
}

fn offered(serve: &Value) -> String {
    let urls = [serve.at("url"), serve.at("publicUrl")];
    let mut lines: Vec<String> = urls.into_iter().filter_map(Value::as_str).map(plain).collect();
    lines.extend(serve.at("problem").as_str().map(|problem| alarming(&plain(problem))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_told_in_words() {
        let direct =
            json!({"online": true, "path": {"kind": "direct", "endpoint": "192.0.2.1:41641", "latencyMs": 12.34}});
        assert_eq!(path(&direct), "direct, 192.0.2.1:41641, 12.3 ms");
        let relay = json!({"online": true, "path": {"kind": "relay", "region": "fra", "latencyMs": 30.0}});
        assert_eq!(path(&relay), "by the relay fra, 30.0 ms");
        assert_eq!(path(&json!({"online": false})), "offline");
    }

    #[test]
    fn everything_has_its_row() {
        let mut rows = Rows::default();
        add(
            &mut rows,
            &json!({
                "tailnet": {"state": "Running", "keyExpiry": "2027-01-01T00:00:00Z", "serve": {"url": "https://gw.ts.net"}},
                "peers": [{"name": "laptop.ts.net", "online": true}],
                "certificate": {"domain": "gw.ts.net"},
                "lacks": [{"what": "funnel", "fix": "f"}],
            }),
        );
        let shown = rows.render();
        for part in [
            "laptop.ts.net: online",
            "good until 2027",
            "gw.ts.net, none fetched yet",
            "https://gw.ts.net",
            "funnel: f",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }
}
