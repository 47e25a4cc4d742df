//! `tailclaw gateway status`: what this machine knows of its gateway, and whether it lets us in. It diagnoses, so it
//! succeeds also where the gateway is down, unless `--require-rpc` asks for more.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::context::Context;
use super::failure::EXIT_UNAVAILABLE;
use super::output::{Rows, alarming, print, print_json};
use super::report::{self, At, put};
use crate::client::{ClientError, fetch};
use crate::config::{Document, Overrides};
use crate::net::bind::BindMode;

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Fail unless the gateway answers a request
    #[arg(long)]
    require_rpc: bool,
    /// Do not connect
    #[arg(long, conflicts_with = "require_rpc")]
    no_probe: bool,
    /// Accepted for OpenClaw's sake
    #[arg(long)]
    deep: bool,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &StatusArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let paths = context.paths()?;
    let draft = context.draft(Overrides::default())?;
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let fingerprint = draft.tls.as_ref().and_then(|tls| tls.fingerprint().ok()).map(|known| known.to_string());
    let mut report = json!({
        "config": { "path": paths.config_file, "exists": Document::read(&paths.config_file)?.exists() },
        "stateDir": paths.state_dir,
        "gateway": {
            "bindMode": bind_name(draft.bind.mode),
            "port": draft.bind.port,
            "authMode": draft.access.mode_name(),
            "tls": { "enabled": draft.tls.is_some(), "fingerprint": fingerprint },
            "allowTailscale": draft.access.allows_tailscale(),
            "probeUrl": destination.route.url.to_string(),
            "controlUi": destination.route.url.page(),
        },
    });
    let mut is_answered = true;
    let mut is_listening = true;
    if !args.no_probe {
        let live = fetch(&destination.route, "/healthz", &destination.credentials, timeout).await;
        is_listening = live.is_ok();
        let probe = probe(&destination, args.require_rpc, timeout).await;
        is_answered = probe.at("ok") == true;
        put(
            &mut report,
            "port",
            json!({ "listening": is_listening, "live": live.is_ok_and(|answer| answer.status == 200) }),
        );
        put(&mut report, "rpc", probe);
    }
    if context.json {
        print_json(&report)?;
    } else {
        print(&render(&report))?;
    }
    Ok(match (args.require_rpc && !is_answered, is_listening) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(EXIT_UNAVAILABLE),
    })
}

async fn probe(destination: &super::connect::Destination, require_rpc: bool, timeout: Duration) -> Value {
    let started = Instant::now();
    let outcome: Result<Value, ClientError> = async {
        let mut client = destination.connect(&["status"]).await?;
        if require_rpc {
            client.call_raw("status", json!({}), timeout).await?;
        }
        let scopes = client.hello().auth.scopes.clone();
        let found = json!({
            "ok": true,
            "url": destination.route.url.to_string(),
            "latencyMs": started.elapsed().as_millis(),
            "version": client.hello().server.version,
            "auth": { "role": client.hello().auth.role, "scopes": scopes, "capability": report::capability(&scopes) },
        });
        client.close().await;
        Ok(found)
    }
    .await;
    outcome.unwrap_or_else(|error| {
        let url = destination.route.url.to_string();
        json!({ "ok": false, "url": url, "error": error.to_string(), "advice": error.advice() })
    })
}

const fn bind_name(mode: BindMode) -> &'static str {
    match mode {
        BindMode::Loopback => "loopback",
        BindMode::Lan => "lan",
        BindMode::Tailnet => "tailnet",
        BindMode::Custom(_) => "custom",
    }
}

fn render(report: &Value) -> String {
    let mut rows = Rows::default();
    let missing = if report.at("config.exists") == true { "" } else { " (missing: defaults apply)" };
    rows.add("config", format!("{}{missing}", report::text(report.at("config.path"))));
    rows.add("state", report::text(report.at("stateDir")));
    let gateway = report.at("gateway");
    rows.add("gateway", format!("bind {}, port {}", report::text(gateway.at("bindMode")), gateway.at("port")));
    let tailscale = if gateway.at("allowTailscale") == true { ", or a tailnet identity" } else { "" };
    rows.add("auth", format!("{}{tailscale}", report::text(gateway.at("authMode"))));
    if gateway.at("tls.enabled") == true {
        let fingerprint = gateway.at("tls.fingerprint").as_str().unwrap_or("there is none yet: start the gateway");
        rows.add("certificate", fingerprint.to_owned());
    }
    rows.add("Control UI", report::text(gateway.at("controlUi")));
    if report.at("rpc").is_object() {
        let listening = if report.at("port.listening") == true { "yes".to_owned() } else { alarming("no") };
        rows.add("listening", listening);
        rows.add("probe", probe_lines(report.at("rpc")));
    }
    rows.render()
}

fn probe_lines(rpc: &Value) -> String {
    if rpc.at("ok") == true {
        let capability = report::text(rpc.at("auth.capability")).replace('_', "-");
        return format!("ok in {} ms, {capability}, gateway {}", rpc.at("latencyMs"), report::text(rpc.at("version")));
    }
    let advice = rpc.at("advice").as_str().map_or(String::new(), |advice| format!("\n{advice}"));
    format!("{}: {}{advice}", alarming("failed"), report::text(rpc.at("error")))
}
