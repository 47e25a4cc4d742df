//! What the configuration says about pairing.

use ipnet::IpNet;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `gateway.nodes.pairing.autoApproveLocal`: a program of this machine needs no approval.
    pub auto_approve_local: bool,
    /// `gateway.nodes.pairing.autoApproveCidrs`: nodes that come from there for the first time need none either.
    pub auto_approve_cidrs: Vec<IpNet>,
    /// `gateway.auth.bindTokens`: a token that was issued on a tailnet node works from that node alone. On by default:
    /// who steals a token from a device is not on the device.
    pub bind_tokens: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { auto_approve_local: true, auto_approve_cidrs: Vec::new(), bind_tokens: true }
    }
}
