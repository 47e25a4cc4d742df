//! The sorts of clients that the rules tell apart (protocol §3). A client says itself what it is, so a sort may cost it
//! rights or change a hint, but it never proves anything.

use crate::protocol::handshake::{ClientId, ClientInfo, ClientMode};

/// A program on somebody's command line: hints are worded for it.
pub(super) const fn is_command_line(client: &ClientInfo) -> bool {
    matches!(client.mode, ClientMode::Cli)
}

/// `openclaw` itself on the gateway's own machine.
pub(super) const fn is_own_command_line(client: &ClientInfo) -> bool {
    matches!((client.id, client.mode), (ClientId::Cli, ClientMode::Cli))
}

/// A part of the gateway's own installation.
pub(super) const fn is_backend(client: &ClientInfo) -> bool {
    matches!((client.id, client.mode), (ClientId::GatewayClient, ClientMode::Backend))
}

/// Looks, and asks for nothing.
pub(super) const fn is_probe(client: &ClientInfo) -> bool {
    matches!(client.mode, ClientMode::Probe | ClientMode::Test)
}

/// A whole user interface: it has a device, or it is not let in.
pub(super) const fn is_operator_ui(client: &ClientInfo) -> bool {
    matches!(client.id, ClientId::OpenclawControlUi | ClientId::OpenclawTui)
}

/// The browser extension. It is bound to the extension that it was paired for.
pub(super) const fn is_copilot(client: &ClientInfo) -> bool {
    matches!(client.id, ClientId::OpenclawBrowserCopilot)
}

pub(super) const fn is_webchat(client: &ClientInfo) -> bool {
    matches!(client.mode, ClientMode::Webchat) || matches!(client.id, ClientId::WebchatUi)
}

/// Lives in a browser, and so has an `Origin`.
pub(super) const fn is_page(client: &ClientInfo) -> bool {
    matches!(client.id, ClientId::OpenclawControlUi) || is_copilot(client) || is_webchat(client)
}
