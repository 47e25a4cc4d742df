//! A connection under the role `node` as the nodes' room sees it: what it declares, and the way to it.

use std::sync::Arc;

use super::Gateway;
use super::close::Close;
use super::outbox::Outbox;
use crate::auth::{AuthMethod, Caller};
use crate::nodes::{Allowance, Arrival, Attachment, Wire};
use crate::protocol::handshake::ConnectParams;
use crate::protocol::{Event, Role};

/// What a node declares. `None` for operators, and for a node without a device: there is no name to ask for it by.
pub(super) fn arrival(
    caller: &Caller,
    params: &ConnectParams,
    connection_id: &str,
    allowance: &Arc<Allowance>,
) -> Option<Arrival> {
    let node_id = caller.device_id().filter(|_| caller.role() == Role::Node)?;
    let address = caller.address();
    Some(Arrival {
        node_id: node_id.to_owned(),
        connection: connection_id.into(),
        client: params.client.clone(),
        caps: params.caps.clone(),
        commands: params.commands.clone(),
        permissions: params.permissions.clone(),
        path_env: params.path_env.clone(),
        remote_ip: (!address.is_loopback()).then(|| address.to_string()),
        allowance: Arc::clone(allowance),
        is_set_up: caller.method() == AuthMethod::BootstrapToken,
    })
}

/// Gives the node its place and, behind its hello, what every node is told first.
///
/// # Errors
/// It could not be written down; the node tries again by itself.
pub(super) async fn enter(arrival: Arrival, outbox: &Arc<Outbox>, gateway: &Gateway) -> Result<Attachment, Close> {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a node could not be entered");
        Close::RESTART
    };
    for event in gateway.voicewake.events().await.map_err(|error| failed(&error))? {
        outbox.tell(&event);
    }
    let wire: Arc<dyn Wire> = Arc::<Outbox>::clone(outbox);
    gateway.nodes.attach(arrival, wire).await.map_err(|error| failed(&error))
}

impl Wire for Outbox {
    fn tell(&self, event: &Event) {
        match event.encode() {
            Ok(encoded) => self.push_frame(encoded.frame(None)),
            Err(error) => tracing::error!(event = event.name(), %error, "an event could not be serialised"),
        }
    }
}
