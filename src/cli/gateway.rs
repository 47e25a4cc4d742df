//! `tailclaw gateway …`: without a verb of its own it runs the gateway.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::context::Context;
use super::{agent, call, discover, fingerprint, gateway_status, health, probe, run, send};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct GatewayArgs {
    #[command(subcommand)]
    verb: Option<GatewayVerb>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum GatewayVerb {
    /// Run the gateway in the foreground
    Run(run::RunArgs),
    /// Show configuration, port and whether the gateway lets us in
    Status(gateway_status::StatusArgs),
    /// Fetch the health of the running gateway
    Health(health::HealthArgs),
    /// Call a method of the gateway
    Call(call::CallArgs),
    /// Say something to the agent and print its answer
    Agent(agent::AgentArgs),
    /// Leave a message for the agent, without waiting for its answer
    Send(send::SendArgs),
    /// Find gateways in the local network
    Discover(discover::DiscoverArgs),
    /// Show the fingerprint of this gateway's certificate, as text and as a QR code
    Fingerprint(fingerprint::FingerprintArgs),
    /// Show whether the gateway is reachable and what we may do there
    Probe(probe::ProbeArgs),
}

pub(super) async fn main(args: GatewayArgs, context: &Context) -> anyhow::Result<ExitCode> {
    match args.verb {
        None => run::main(&args.run, context).await,
        Some(GatewayVerb::Run(args)) => run::main(&args, context).await,
        Some(GatewayVerb::Status(args)) => gateway_status::main(&args, context).await,
        Some(GatewayVerb::Health(args)) => health::main(&args, context).await,
        Some(GatewayVerb::Call(args)) => call::main(&args, context).await,
        Some(GatewayVerb::Agent(args)) => agent::main(&args, context).await,
        Some(GatewayVerb::Send(args)) => send::main(&args, context).await,
        Some(GatewayVerb::Discover(args)) => discover::main(&args, context).await,
        Some(GatewayVerb::Fingerprint(args)) => fingerprint::main(&args, context),
        Some(GatewayVerb::Probe(args)) => probe::main(&args, context).await,
    }
}
