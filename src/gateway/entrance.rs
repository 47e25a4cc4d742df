//! For whom a request is made: by what its stream's peer proves, and where that speaks for many, by what it says of this
//! one.

use std::sync::{Arc, Once};

use axum::response::{IntoResponse, Response};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use hyper::body::Incoming;

use super::{Gateway, http as routes, upgrade};
use crate::live::Live;
use crate::net::deadline::WriteDeadline;
use crate::net::forwarded::{self, Unattributable};
use crate::net::{FunnelDoor, Peer, Stream};
use crate::tailnet::{Door, Turned};
use crate::tls::{self, Carrier, Certificates};

/// How a listener's callers are told apart.
#[derive(Debug)]
pub enum Entrance {
    /// Each stream is one caller's, or that of a proxy that the configuration may trust.
    Streams,
    /// The same within TLS, and nothing else.
    Secure(Certificates),
    /// Nobody is let in here: every request is led to this host over HTTPS, whatever host it asked for.
    Elsewhere(Arc<Live<String>>),
    /// Behind this machine's tailscaled.
    Serve(Door),
}

impl Entrance {
    /// Up to where HTTP begins. `None`: it did not come so far.
    pub(super) async fn open(&self, stream: Stream, peer: &Peer, gateway: &Gateway) -> Option<Carrier> {
        let patience = gateway.patience.get().write_timeout;
        let Self::Secure(certificates) = self else {
            return Some(Carrier::Plain(WriteDeadline::new(stream, patience)));
        };
        // A handshake proves nothing of the peer: it counts among what one address may have begun.
        let Some(_slot) = gateway.unauthenticated.take(peer.address().ip()) else {
            tracing::debug!(peer.addr = %peer.address(), "refused: too many unauthenticated sockets");
            return None;
        };
        let limit = gateway.gatekeeper.settings().handshake_timeout;
        let accepted = tokio::select! {
            accepted = tls::accept(stream, certificates, limit, patience) => accepted,
            () = gateway.shutdown.stopped() => return None,
        };
        accepted
            .inspect_err(|error| {
                tracing::debug!(peer.addr = %peer.address(), %error, "a TLS handshake did not come about");
            })
            .ok()
    }

    /// The caller. What it asked for may be changed to what it meant.
    ///
    /// # Errors
    /// The answer, instead of any route's.
    pub(super) async fn admit(
        &self,
        peer: Peer,
        request: &mut Request<Incoming>,
        gateway: &Gateway,
    ) -> Result<Peer, Response> {
        let peer = match self {
            Self::Streams | Self::Secure(_) => {
                match forwarded::attribute(peer, request.headers(), &gateway.gatekeeper.settings().proxies) {
                    Ok(peer) => peer,
                    Err(unattributable) => {
                        warn_of_proxy(&unattributable);
                        if upgrade::is_websocket(request) {
                            return Err(routes::proxy::refusal());
                        }
                        let peer = unattributable.0.clone();
                        request.extensions_mut().insert(unattributable);
                        peer
                    }
                }
            }
            Self::Elsewhere(host) => return Err(led_to(&host.get(), request.uri())),
            Self::Serve(door) => {
                let (caller, uri) =
                    door.caller(request.uri(), request.headers()).await.map_err(|turned| turn_away(&peer, &turned))?;
                *request.uri_mut() = uri;
                caller
            }
        };
        // Not even the handshake of an operator begins here.
        if matches!(peer, Peer::Funnel { door: FunnelDoor::PublicPaths, .. }) && upgrade::is_websocket(request) {
            return Err((StatusCode::NOT_FOUND, "Not Found").into_response());
        }
        Ok(peer)
    }
}

fn led_to(host: &str, uri: &Uri) -> Response {
    // What is no path of ours to begin with (`*`, a proxy's absolute address) leads to the front.
    let path = uri.path_and_query().map(PathAndQuery::as_str).filter(|path| path.starts_with('/')).unwrap_or("/");
    let Ok(location) = HeaderValue::try_from(format!("https://{host}{path}")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)], "use https:// here\n").into_response()
}

/// Once at a level that calls for a person: strangers shall not fill the log.
fn warn_of_proxy(unattributable: &Unattributable) {
    static FIRST: Once = Once::new();
    let address = unattributable.0.address();
    FIRST.call_once(|| {
        tracing::warn!(
            peer.addr = %address, "a proxy stands before the gateway; its requests are refused until \
            gateway.trustedProxies names it and it says for whom it speaks"
        );
    });
    tracing::debug!(peer.addr = %address, "a proxy stands before the caller");
}

fn turn_away(peer: &Peer, turned: &Turned) -> Response {
    tracing::warn!(peer.addr = %peer.address(), reason = %turned, "refused a request at the back end of Serve");
    let status = match turned {
        Turned::NotThroughServe | Turned::NoAddress => StatusCode::FORBIDDEN,
        Turned::WhoIs(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, format!("refused: {turned}\n")).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
