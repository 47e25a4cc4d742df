//! The command line: one file per verb, all of them thin. Each prints short text, or one JSON document with `--json`.
//!
//! `context` is what every verb starts from, `connect` finds the gateway and the secret, `output` is the only way to
//! stdout, `failure` turns errors into sentences and exit codes. Running a gateway is `app`'s business. Names, flags
//! and exit behaviour are OpenClaw's wherever it has them. Called by `main`.

mod agent;
mod ask;
mod call;
mod completion;
mod config;
mod connect;
mod context;
mod cron;
mod devices;
mod discover;
mod doctor;
mod failure;
mod fingerprint;
mod force;
mod gateway;
mod gateway_status;
mod health;
mod login;
mod logout;
mod logs;
mod nodes;
mod output;
mod probe;
mod qr;
mod report;
mod run;
mod send;
mod sessions;
mod status;
mod system;
mod tailnet_path;
mod tunnel;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::Context;

/// A Tailscale-native gateway for your own AI agent.
#[derive(Debug, Parser)]
#[command(name = "tailclaw", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    /// Use the state folder ~/.tailclaw-<NAME>
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// silent, fatal, error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the gateway in the foreground, or ask one that runs
    Gateway(gateway::GatewayArgs),
    /// Join a tailnet and run the gateway: the guided first run
    Up(up::UpArgs),
    /// Join the tailnet, or renew the login, while the gateway runs
    Login(login::LoginArgs),
    /// Leave the tailnet and delete the login
    Logout(logout::LogoutArgs),
    /// Fetch the health of the running gateway
    Health(health::HealthArgs),
    /// Show the gateway, who it takes you for, its tailnet, model and sessions
    Status(status::StatusArgs),
    /// Check what can go wrong, one line each, with the fix
    Doctor(doctor::DoctorArgs),
    /// Say something to the agent and print its answer
    Agent(agent::AgentArgs),
    /// List, archive and delete conversations
    Sessions(sessions::SessionsArgs),
    /// Show the gateway's log
    Logs(logs::LogsArgs),
    /// Approve devices, and manage what they hold
    Devices(devices::DevicesArgs),
    /// Approve what nodes can do, and call them
    Nodes(nodes::NodesArgs),
    /// Show a QR code that sets a phone up
    Qr(qr::QrArgs),
    /// Read, change and check the configuration
    Config(config::ConfigArgs),
    /// Keep jobs that the agent does at certain times, and run them
    #[command(alias = "automations")]
    Cron(cron::CronArgs),
    /// Tell the agent what happened, and see who is here
    System(system::SystemArgs),
    /// Keep a port of this machine that leads to a gateway elsewhere, through SSH
    Tunnel(tunnel::TunnelArgs),
    /// Become another program that ends with its parent; for this program's own use
    #[command(hide = true)]
    RunGuarded {
        parent: u32,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        program: Vec<std::ffi::OsString>,
    },
    /// Print the completion script of a shell
    Completion(completion::CompletionArgs),
}

/// Parses the command line, does what it says, and returns the process's exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before there are threads.
    if let Verb::RunGuarded { parent, program } = &cli.verb {
        return ExitCode::from(crate::tunnel::run_guarded(*parent, program));
    }
    let context = Context::new(cli.profile, cli.log_level, cli.json);
    let json = context.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anyhow::Error::new(error), json),
    };
    let outcome = runtime.block_on(async {
        let outcome = tokio::select! {
            outcome = dispatch(cli.verb, &context) => outcome,
            code = context.roads.interrupted() => Ok(ExitCode::from(code)),
        };
        context.roads.close().await;
        outcome
    });
    // A thread that is stuck in the kernel, on a name look-up say, must not hold up the exit.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| failure::report(&error, json))
}

async fn dispatch(verb: Verb, context: &Context) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Gateway(args) => gateway::main(args, context).await,
        Verb::Up(args) => up::main(args, context).await,
        Verb::Login(args) => login::main(&args, context).await,
        Verb::Logout(args) => logout::main(&args, context).await,
        Verb::Health(args) => health::main(&args, context).await,
        Verb::Status(args) => status::main(&args, context).await,
        Verb::Doctor(args) => doctor::main(&args, context).await,
        Verb::Agent(args) => agent::main(&args, context).await,
        Verb::Sessions(args) => sessions::main(args, context).await,
        Verb::Logs(args) => logs::main(&args, context).await,
        Verb::Devices(args) => devices::main(args, context).await,
        Verb::Nodes(args) => nodes::main(args, context).await,
        Verb::Qr(args) => qr::main(&args, context).await,
        Verb::Config(args) => config::main(args, context),
        Verb::Cron(args) => cron::main(args, context).await,
        Verb::System(args) => system::main(args, context).await,
        Verb::Tunnel(args) => tunnel::main(&args, context).await,
        // Dealt with before there was a runtime.
        Verb::RunGuarded { .. } => Ok(ExitCode::FAILURE),
        Verb::Completion(args) => completion::main(&args, context),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn verbs_and_flags_of_openclaw_parse() {
        for line in [
            "tailclaw gateway",
            "tailclaw gateway --port 1 --bind lan --auth token --token t --tailscale off --force --allow-unconfigured",
            "tailclaw gateway run --port 1 --json",
            "tailclaw --profile work gateway call health --params {} --timeout 5 --json",
            "tailclaw gateway status --url ws://h:1 --token t --require-rpc",
            "tailclaw gateway probe --json",
            "tailclaw gateway health",
            "tailclaw gateway discover --timeout 4000 --json",
            "tailclaw gateway fingerprint --no-ascii",
            "tailclaw gateway probe --ssh ada@claw:22 --ssh-identity /k --port 5",
            "tailclaw gateway agent --message hi",
            "tailclaw gateway send --message hi --session-key main --json",
            "tailclaw health --url wss://h --token t --tls-fingerprint sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "tailclaw health --url wss://h --token t --trust-first-use",
            "tailclaw health --url ws://h --token -starts-with-a-hyphen",
            "tailclaw gateway --token -starts-with-a-hyphen",
            "tailclaw tunnel ada@claw --identity /k --port 5 --local-port 6 --json",
            "tailclaw run-guarded 1 -- ssh -N -o A=b -- h",
            "tailclaw up --yes --hostname claw --control-url http://x --auth-key k",
            "tailclaw login --auth-key file:/k --json",
            "tailclaw login --link --url ws://h --token t",
            "tailclaw logout --yes",
            "tailclaw health --json --timeout 5",
            "tailclaw status --deep",
            "tailclaw doctor --fix --json --only port --skip tls --non-interactive",
            "tailclaw agent --agent main -m hi --session-key main --json",
            "tailclaw sessions --active 5 --json",
            "tailclaw sessions list --agent main --limit all",
            "tailclaw sessions archive agent:main:x --dry-run",
            "tailclaw sessions delete agent:main:x agent:main:y --yes --json",
            "tailclaw logs --follow --limit 5 --json",
            "tailclaw config set gateway.port 1",
            "tailclaw config file",
            "tailclaw devices list --json --timeout 5 --token t",
            "tailclaw devices approve --latest",
            "tailclaw devices approve r1 --url ws://h --password p",
            "tailclaw devices reject r1",
            "tailclaw devices remove d1",
            "tailclaw devices rename --device d1 --name Laptop",
            "tailclaw devices rotate --device d1 --role operator --scope operator.read --scope operator.write",
            "tailclaw devices rotate --device d1 --role node --no-scopes",
            "tailclaw devices revoke --device d1 --role operator",
            "tailclaw qr --limited --public-url wss://h --setup-code-only --no-ascii",
            "tailclaw cron list --all --json",
            "tailclaw cron add --name n --cron 0 --tz UTC --message m --session isolated --no-deliver",
            "tailclaw cron edit id --every 1h --disable",
            "tailclaw system event --text x --mode now",
            "tailclaw system heartbeat last",
            "tailclaw completion bash",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        for line in [
            "tailclaw logs --url ws://h --port 1",
            "tailclaw health --url ws://h --ssh h",
            "tailclaw health --ssh -oProxyCommand=x",
            "tailclaw health --tls-fingerprint ab",
            "tailclaw tunnel -- -oProxyCommand=x",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
