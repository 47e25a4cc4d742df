//! `gateway.port`, `gateway.bind`, `gateway.customBindHost`, and how long a peer that does nothing is waited for.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::super::layers::Layers;
use super::super::raw::{Bind, Gateway, TailscaleMode, address};
use super::named;
use crate::net::Patience;
use crate::net::bind::{BindMode, Settings};
use crate::protocol::config::Issue;
use crate::tailnet;

const DEFAULT_PORT: u16 = 18_789;

/// Unset is `auto`: the tailnet where there is a node of our own, else loopback.
pub(super) fn resolve(
    gateway: &Gateway,
    tailnet: Option<&tailnet::Settings>,
    layers: &Layers,
    issues: &mut Vec<Issue>,
) -> Settings {
    let mode = match gateway.bind {
        Some(Bind::Loopback) => BindMode::Loopback,
        Some(Bind::Lan) => BindMode::Lan,
        Some(Bind::Tailnet) => BindMode::Tailnet,
        Some(Bind::Custom) => BindMode::Custom(custom_address(gateway, layers, issues)),
        // Serve and Funnel are ways of their own to a gateway that stays on loopback.
        Some(Bind::Auto) | None if tailnet.is_some() && gateway.tailscale.mode == TailscaleMode::Off => {
            BindMode::Tailnet
        }
        Some(Bind::Auto) | None => BindMode::Loopback,
    };
    Settings { mode, port: gateway.port.unwrap_or(DEFAULT_PORT) }
}

pub(super) fn patience(gateway: &Gateway) -> Patience {
    let usual = Patience::default();
    Patience {
        write_timeout: gateway.write_timeout_ms.map_or(usual.write_timeout, Duration::from_millis),
        ping_interval: gateway.ping_interval_ms.map_or(usual.ping_interval, Duration::from_millis),
    }
}

fn custom_address(gateway: &Gateway, layers: &Layers, issues: &mut Vec<Issue>) -> IpAddr {
    const KEY: &str = "gateway.customBindHost";
    let problem = match gateway.custom_bind_host.as_deref() {
        Some(text) => match address(text) {
            Some(address) => return address,
            None => format!("{text:?} is no IP address: write one of this machine's, as in \"192.0.2.10\""),
        },
        None => "is needed because gateway.bind is \"custom\": set it to an IP address of this machine".to_owned(),
    };
    issues.push(named(layers, KEY, problem));
    // Never used: there is an issue now.
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}
