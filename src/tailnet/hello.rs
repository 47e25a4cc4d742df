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
    let whois = hello.whois.map(|answer| Arc::new(answer.into_whois(hello.is_self)));
    Ok(Peer::Tailnet { address: hello.source, whois })
}
