//! `tailclaw gateway discover`: the gateways that the local network tells of. The JSON has OpenClaw's keys.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::output::{print, print_json};
use crate::discovery::{Beacon, browse};

#[derive(Debug, Args)]
pub(super) struct DiscoverArgs {
    /// Milliseconds to listen
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    timeout: u64,
}

pub(super) async fn main(args: &DiscoverArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let beacons = browse(Duration::from_millis(args.timeout)).await?;
    if context.json {
        print_json(&json!({
            "timeoutMs": args.timeout,
            "domains": ["local."],
            "count": beacons.len(),
            "beacons": beacons,
        }))?;
    } else {
        let heading = format!("Gateway Discovery\nFound {} gateway(s) · domains: local.", beacons.len());
        let blocks = beacons.iter().map(|beacon| lines(beacon).join("\n"));
        print(&std::iter::once(heading).chain(blocks).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(beacon: &Beacon) -> Vec<String> {
    let mut lines = vec![format!("- {} {}", beacon.display_name, beacon.domain)];
    let mut add = |name: &str, value: Option<&str>| lines.extend(value.map(|value| format!("  {name}: {value}")));
    add("tailnet", beacon.tailnet_dns.as_deref());
    add("lan", beacon.lan_host.as_deref());
    add("host", Some(&beacon.host));
    let addresses: Vec<String> = beacon.addresses.iter().map(ToString::to_string).collect();
    add("addresses", Some(addresses.join(", ")).as_deref().filter(|addresses| !addresses.is_empty()));
    add("ws", Some(&beacon.ws_url));
    add("role", beacon.role.as_deref());
    add("transport", beacon.transport.as_deref());
    if beacon.gateway_tls == Some(true) {
        let fingerprint = beacon.gateway_tls_fingerprint_sha256.as_ref();
        let tls = fingerprint.map_or_else(|| "enabled".to_owned(), |fingerprint| format!("sha256 {fingerprint}"));
        add("tls", Some(&tls));
    }
    if let Some(port) = beacon.ssh_port {
        let (host, far) = (&beacon.host, beacon.port);
        add("ssh", Some(&format!("ssh -N -L 18789:127.0.0.1:{far} <user>@{host} -p {port}")));
    }
    lines
}
