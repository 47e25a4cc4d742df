//! What every integration test stands on: real programs started and ended by process id, and small builders for them.
//!
//! Nothing here knows the gateway's sources: it is driven through its program, its sockets and its files only.
//! One file per kind of thing a test talks to. The topics in `tests/it/*.rs` hold the tests.

mod acme;
mod authority;
mod browser;
mod client;
mod driver;
mod gateway;
mod headscale;
mod http;
mod lan;
mod machine;
mod observed;
mod openclaw;
mod openclaw_gateway;
mod peer;
mod process;
mod published_client;
mod sshd;
mod tailnet;
mod test_control;
mod tls_front;
mod tools;

pub use acme::Pebble;
pub use authority::{Authority, any_tls, tls};
pub use browser::Browser;
pub use client::{Closed, Device, Io, RawClient, Reply, connect_params};
pub use gateway::{Gateway, GatewayBuilder, Output, gateway};
pub use headscale::{Headscale, Node, Owner, environment as headscale_environment};
pub use http::{Response, get, request, send};
pub use lan::{LAN_ADDRESS, LanHost, is_root};
pub use machine::Machine;
pub use openclaw::OpenClaw;
pub use openclaw_gateway::{OpenClawGateway, StandinModel};
pub use peer::{LOOPBACK_ONLY, TailscalePeer};
pub use process::{Process, Signal, free_port, guarded, raise_descriptor_limit, run};
pub use published_client::PublishedClient;
pub use sshd::{Sshd, ssh_processes};
pub use tailnet::{OnTailnet, Tailnet, tailnet, unique_name, with_tailnet_env};
pub use test_control::{TEST_DOMAIN, TestControl};
pub use tls_front::TlsFront;
pub use tools::tools;

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

/// Asks `probe` again and again until it answers `Ok`; panics with its last complaint after `limit`.
pub async fn eventually<T, E: Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(complaint) if Instant::now() >= deadline => {
                panic!("{what}: not within {} s; last seen: {complaint}", limit.as_secs_f32())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(40)).await,
        }
    }
}

/// Runs `work` with a bound, so that a hung gateway fails a test instead of hanging the run.
pub async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, work).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: no end after {} s", limit.as_secs_f32()),
    }
}

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
