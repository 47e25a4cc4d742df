//! Accepts streams from a listener and serves HTTP/1.1 on each.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use super::{Gateway, http as routes, upgrade};
use crate::net::deadline::{WriteDeadline, is_stalled};
use crate::net::forwarded::{self, Unattributable};
use crate::net::{Listener, Peer, Stream};

/// Streams of one listener at a time; the next wait in the kernel's queue.
const MAX_STREAMS: usize = 16_384;
/// A request's line and headers have to arrive within this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// For an answer that is ended with the gateway.
const LAST_WORDS: Duration = Duration::from_secs(1);
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Serves one listener until the gateway drains, or the listener is over.
///
/// # Errors
/// The listener's own, when it cannot go on.
pub async fn serve<L: Listener>(mut listener: L, gateway: Arc<Gateway>) -> io::Result<()> {
    let router = routes::router(&gateway);
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
        let (router, gateway) = (router.clone(), Arc::clone(&gateway));
        gateway.shutdown.clone().spawn(async move {
            serve_stream(stream, peer, router, gateway).await;
            drop(place);
        });
    }
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

async fn serve_stream(stream: Stream, peer: Peer, router: Router, gateway: Arc<Gateway>) {
    let (draining, stopped) = (gateway.shutdown.draining(), gateway.shutdown.stopped());
    let address = peer.address();
    let stream = WriteDeadline::new(stream, gateway.patience.get().write_timeout);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (router, gateway, peer) = (router.clone(), Arc::clone(&gateway), peer.clone());
        async move {
            // Whose request it is, as the socket and a trusted proxy have it.
            let peer = match forwarded::attribute(peer, request.headers(), &gateway.gatekeeper.settings().proxies) {
                Ok(peer) => peer,
                Err(unattributable) => {
                    warn_of_proxy(&unattributable);
                    if upgrade::is_websocket(&request) {
                        return Ok(routes::proxy::refusal());
                    }
                    let peer = unattributable.0.clone();
                    request.extensions_mut().insert(unattributable);
                    peer
                }
            };
            if upgrade::is_websocket(&request) {
                return Ok::<_, Infallible>(upgrade::start(request, peer, gateway));
            }
            let mut request = request.map(axum::body::Body::new);
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
