//! From an HTTP request to a WebSocket. Every path upgrades (protocol §1).

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Gateway, connection, http as routes};
use crate::auth::Vouched;
use crate::net::Peer;
use crate::net::guard::Guard;
use crate::protocol::MAX_FRAME_BEFORE_AUTH;
use crate::tls::Carrier;

/// What the handshake needs of the request.
#[derive(Debug)]
pub(super) struct Headers {
    pub origin: Option<String>,
    pub host: Option<String>,
    pub vouched: Vouched,
}

pub(super) fn is_websocket(request: &Request<Incoming>) -> bool {
    let asks = routes::text(request.headers(), header::UPGRADE);
    asks.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Answers 101 and goes on with the connection in a task of its own.
pub(super) fn start(mut request: Request<Incoming>, peer: Peer, gateway: Arc<Gateway>) -> Response {
    let Some(accept) = accept_key(request.headers()) else {
        return (StatusCode::BAD_REQUEST, "a WebSocket request needs version 13 and a key\n").into_response();
    };
    let Some(slot) = gateway.unauthenticated.take(peer.address().ip()) else {
        tracing::warn!(peer.addr = %peer.address(), "refused: too many unauthenticated sockets");
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many unauthenticated sockets").into_response();
    };
    let text = |name| {
        let value = routes::text(request.headers(), name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let headers = Headers {
        origin: text(header::ORIGIN),
        host: text(header::HOST),
        vouched: gateway.gatekeeper.vouched(&peer, request.headers()),
    };
    // The stream's own place ends with HTTP.
    let place = gateway.gatekeeper.identities().enter(&peer);
    let upgrade = hyper::upgrade::on(&mut request);
    let shutdown = gateway.shutdown.clone();
    shutdown.spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                tracing::debug!(peer.addr = %peer.address(), %error, "the upgrade did not come about");
                return;
            }
        };
        // Our own stream again, without the layers of the HTTP server around it.
        match upgraded.downcast::<TokioIo<Carrier>>() {
            Ok(parts) => {
                let guard = Guard::new(parts.io.into_inner(), parts.read_buf, MAX_FRAME_BEFORE_AUTH);
                Box::pin(connection::run(guard, peer, headers, slot, gateway)).await;
                drop(place);
            }
            Err(_) => tracing::error!("an upgraded connection was not the stream that was accepted"),
        }
    });
    switching_protocols(accept)
}

fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let is_version_13 = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_version_13)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

fn switching_protocols(accept: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}
