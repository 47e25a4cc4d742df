//! The message that comes with an accepted connection's descriptor (`libtailscale/accept.go`).

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;

use super::whois::Answer;
use crate::net::Peer;

#[derive(Deserialize)]
struct Hello {
    source: SocketAddr,
    #[serde(rename = "self")]
    is_self: bool,
    #[serde(default)]
    whois: Option<Answer>,
    #[serde(default)]
    error: Option<String>,
}

/// Our own Go code writes this, but it carries what peers and the control server chose: anything that is not
/// understood is an error, and the connection is refused.
pub(super) fn peer(message: &[u8]) -> Result<Peer, serde_json::Error> {
    let hello: Hello = serde_json::from_slice(message)?;
    if let Some(error) = hello.error {
        tracing::warn!(target: "tailnet", error, peer.addr = %hello.source, "the caller's identity is not known");
    }
    let whois = hello.whois.and_then(|answer| answer.into_whois(hello.is_self)).map(Arc::new);
    Ok(Peer::Tailnet { address: hello.source, whois })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOIS: &str =
        r#""whois":{"Node":{"StableID":"n1","Name":"a.ts.net."},"UserProfile":{"ID":1,"LoginName":"a@b"}}"#;

    fn hello(rest: &str) -> String {
        format!(r#"{{"source":"100.64.0.2:41641","self":false{rest}}}"#)
    }

    #[test]
    fn the_identity_is_the_whois_that_came_with_the_address() {
        let peer = peer(hello(&format!(",{WHOIS}")).as_bytes()).unwrap();
        assert_eq!(peer.address().to_string(), "100.64.0.2:41641");
        assert_eq!(peer.whois().unwrap().login(), Some("a@b"));
    }

    #[test]
    fn our_own_node_is_marked() {
        let text = hello(&format!(",{WHOIS}")).replace("\"self\":false", "\"self\":true");
        assert!(peer(text.as_bytes()).unwrap().whois().unwrap().is_self);
    }

    #[test]
    fn ipv6_addresses_have_brackets() {
        let text = hello("").replace("100.64.0.2:41641", "[fd7a:115c:a1e0::2]:41641");
        assert!(peer(text.as_bytes()).unwrap().address().is_ipv6());
    }

    #[test]
    fn an_unknown_or_failed_identity_is_none() {
        assert!(peer(hello("").as_bytes()).unwrap().whois().is_none());
        assert!(peer(hello(r#","error":"whois: 500""#).as_bytes()).unwrap().whois().is_none());
    }

    #[test]
    fn garbled_messages_are_errors_and_never_panics() {
        let whole = hello(&format!(",{WHOIS}"));
        for length in 0..whole.len() {
            assert!(peer(&whole.as_bytes()[..length]).is_err(), "{length}");
        }
        for text in ["null", "[]", "{}", "\u{0}", r#"{"source":"nowhere","self":false}"#, r#"{"source":"1.2.3.4:5"}"#] {
            assert!(peer(text.as_bytes()).is_err(), "{text}");
        }
        assert!(peer(&[0xff, 0xfe, 0x7b]).is_err());
        assert!(peer(hello(r#","whois":{"Node":{},"UserProfile":{}}"#).as_bytes()).is_err());
        assert!(peer(format!("{whole}{whole}").as_bytes()).is_err());
        assert!(peer("[".repeat(60_000).as_bytes()).is_err());
    }

    /// Peers and control servers choose what stands in it.
    #[test]
    fn fuzz_messages() {
        let whole = hello(&format!(",{WHOIS}"));
        let tagged = hello(
            r#","whois":{"Node":{"StableID":"n","Name":"x.","Tags":["tag:a"],"Expired":true,"Sharer":5,
            "Hostinfo":{"ShareeNode":true}},"UserProfile":{"ID":-1,"LoginName":"tagged-devices"},"CapMap":{"c":[{"a":[]}],"d":null}}"#,
        );
        crate::fuzz::fuzz_json(&[&whole, &tagged], |message| {
            let _ = peer(message.to_string().as_bytes());
        });
        crate::fuzz::fuzz(&[whole.as_bytes(), b"{}"], |message| {
            let _ = peer(message);
        });
    }
}
