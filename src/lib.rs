//! tailclaw: a gateway for a person's own AI agent that is a tailnet node itself.
//!
//! Layers, downward only (`tests/layering.rs` holds them): `protocol`, `secret`, `clock`, `live` · `bus`, `shutdown`,
//! `logging`, `store`, `net`, `tailnet` · `auth`, `pairing`, `sessions`, `agent`, `automation`, `approvals` ·
//! `config` · `rpc`, `ui`, `client`, `tunnel` · `gateway` ·
//! `app`, `cli`. ARCHITECTURE.md is the map.

pub mod agent;
pub mod app;
pub mod approvals;
pub mod auth;
pub mod automation;
pub mod bus;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod discovery;
pub mod gateway;
pub mod live;
pub mod logging;
pub mod net;
pub mod nodes;
pub mod pairing;
pub mod protocol;
pub mod rpc;
pub mod secret;
pub mod sessions;
pub mod shutdown;
pub mod store;
pub mod tailnet;
pub mod tls;
pub mod tunnel;
pub mod ui;

/// Inputs for the tests called `fuzz_*` beside each parser of what peers send.
#[cfg(test)]
#[path = "../tests/fuzz/inputs.rs"]
mod fuzz;

/// As the protocol and `--version` show it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
