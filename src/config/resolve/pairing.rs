//! `gateway.nodes.*` and `gateway.auth.bindTokens`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::issue;
use super::super::raw::Gateway;
use crate::nodes;
use crate::pairing::Settings;
use crate::protocol::config::Issue;

pub(super) fn resolve(gateway: &Gateway, issues: &mut Vec<Issue>) -> Settings {
    let usual = Settings::default();
    let pairing = &gateway.nodes.pairing;
    Settings {
        auto_approve_local: pairing.auto_approve_local.unwrap_or(usual.auto_approve_local),
        auto_approve_cidrs: pairing.auto_approve_cidrs.iter().filter_map(|text| network(text, issues)).collect(),
        bind_tokens: gateway.auth.bind_tokens.unwrap_or(usual.bind_tokens),
    }
}

pub(super) fn nodes(gateway: &Gateway) -> nodes::Settings {
    let set = |list: &[String]| list.iter().map(|command| command.trim().to_owned()).collect();
    let commands = &gateway.nodes.commands;
    nodes::Settings { allow: set(&commands.allow), deny: set(&commands.deny) }
}

/// A network, or a single address as a network of one.
fn network(text: &str, issues: &mut Vec<Issue>) -> Option<IpNet> {
    let text = text.trim();
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    if network.is_none() {
        let fix = "write it as in \"192.168.1.0/24\"";
        issues.push(issue("gateway.nodes.pairing.autoApproveCidrs", format!("{text:?} is no network: {fix}")));
    }
    network
}
