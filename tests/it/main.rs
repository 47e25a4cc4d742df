//! The integration tests: the built program against real control servers, real tailnet machines and the real OpenClaw
//! clients. `tests/run` installs what they need. One file a topic; what they stand on is in `harness/`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod agent;
mod approvals;
mod automation;
mod browser;
mod catalogs;
mod chat;
mod config;
mod config_rpc;
mod contract;
mod control;
mod control_ui;
mod devices;
mod differential;
mod durability;
mod gateway_client;
mod handshake;
mod harness;
mod hostile;
mod http;
mod identity;
mod keepalive;
mod limits;
mod matrix;
mod node_programs;
mod nodes;
mod openclaw_cli;
mod pairing;
mod policy;
mod reload;
mod serve;
mod sessions;
mod setup_codes;
mod stay;
mod system;
