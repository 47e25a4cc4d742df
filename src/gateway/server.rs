//! Accepts streams from a listener and serves HTTP/1.1 on each, within TLS where the listener has a certificate.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::{Entrance, Gateway, http as routes, upgrade};
use crate::net::deadline::is_stalled;
use crate::net::{FunnelDoor, Listener, Peer};
use crate::tls::Carrier;

/// Streams of one listener at a time; the next wait in the kernel's queue.
const MAX_STREAMS: usize = 16_384;
/// A request's line and headers have to arrive within this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// For an answer that is ended with the gateway.
const LAST_WORDS: Duration = Duration::from_secs(1);
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What callers find, by the door that they came through.
#[derive(Clone)]
struct Routers {
    all: Router,
    /// Behind `gateway.tailscale.publicPaths`.
    public: Router,
}

/// Serves one listener until the gateway drains, or the listener is over.
///
/// # Errors
/// The listener's own, when it cannot go on.
pub async fn serve<L: Listener>(mut listener: L, entrance: Entrance, gateway: Arc<Gateway>) -> io::Result<()> {
    let entrance = Arc::new(entrance);
    let routers = Routers { all: routes::router(&gateway), public: routes::public_router(&gateway) };
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    let draining = gateway.shutdown.draining();
    tokio::pin!(draining);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let accepted = tokio::select! {
            biased;
            () = &mut draining => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = accepted?;
        let (entrance, routers, gateway) = (Arc::clone(&entrance), routers.clone(), Arc::clone(&gateway));
        gateway.shutdown.clone().spawn(async move {
            if let Some(carrier) = entrance.open(stream, &peer, &gateway).await {
                serve_stream(carrier, peer, entrance, routers, gateway).await;
            }
            drop(place);
        });
    }
}

async fn serve_stream(stream: Carrier, peer: Peer, entrance: Arc<Entrance>, routers: Routers, gateway: Arc<Gateway>) {
    let (draining, stopped) = (gateway.shutdown.draining(), gateway.shutdown.stopped());
    let address = peer.address();
    let _place = gateway.gatekeeper.identities().enter(&peer);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (routers, gateway, peer) = (routers.clone(), Arc::clone(&gateway), peer.clone());
        let entrance = Arc::clone(&entrance);
        async move {
            let peer = match entrance.admit(peer, &mut request, &gateway).await {
                Ok(peer) => peer,
                Err(refusal) => return Ok(refusal),
            };
            if upgrade::is_websocket(&request) {
                return Ok::<_, Infallible>(upgrade::start(request, peer, gateway));
            }
            let mut request = request.map(axum::body::Body::new);
            let router = if matches!(peer, Peer::Funnel { door: FunnelDoor::PublicPaths, .. }) {
                routers.public
            } else {
                routers.all
            };
            request.extensions_mut().insert(peer);
            router.oneshot(request).await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection, draining, stopped);
    let mut is_draining = false;
    loop {
        tokio::select! {
            result = &mut connection => {
                if let Err(error) = result {
                    if is_stalled(&error) {
                        tracing::info!(peer.addr = %address, "ended an HTTP connection: its reader takes nothing");
                        return;
                    }
                    tracing::debug!(peer.addr = %address, %error, "an HTTP connection broke");
                }
                return;
            }
            () = &mut draining, if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = &mut stopped => {
                // What was cut short still says so.
                connection.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(LAST_WORDS, &mut connection).await;
                return;
            }
        }
    }
}
