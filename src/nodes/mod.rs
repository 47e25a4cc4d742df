//! Nodes: devices that serve the agent. Who is attached, what each may be asked to do, and the calls that are under way
//! (protocol §5).
//!
//! `platform` and `policy` say which commands a kind of machine may have at all, `surface` what an approval means for
//! what a node declares; none of these knows a database. `attached` is who is here, `calls` what they were asked and
//! have not answered. `approval`, `catalog`, `invoke` and `reports` are what callers can do. A node is a device with the
//! role `node`: whether it is one at all is `pairing`'s. The way to a node's socket is a [`Wire`], which `gateway` gives;
//! handlers are in `rpc`.

mod approval;
mod attached;
mod calls;
mod catalog;
mod error;
mod invoke;
mod platform;
mod policy;
mod reports;
mod surface;
mod system_run;

use std::sync::Arc;

pub use approval::Reach;
pub use attached::{Allowance, Arrival, Attachment, Wire};
pub use error::{Error, Fault};
pub use invoke::{Answered, Invocation};
pub use policy::Settings;

use crate::approvals::Approvals;
use crate::bus::Bus;
use crate::live::Live;
use crate::protocol::Event;
use crate::protocol::nodes::InvokeCancel;
use crate::shutdown::Shutdown;
use crate::store::Database;
use attached::Registry;
use calls::Calls;
use policy::Policy;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Nodes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Live<Policy>,
    database: Database,
    bus: Bus,
    shutdown: Shutdown,
    approvals: Approvals,
    registry: Registry,
    calls: Calls,
}

impl Nodes {
    #[must_use]
    pub fn new(settings: Settings, database: Database, approvals: Approvals, bus: Bus, shutdown: Shutdown) -> Self {
        let policy = Live::new(Policy::new(settings));
        let (registry, calls) = (Registry::default(), Calls::default());
        Self(Arc::new(Inner { policy, database, bus, shutdown, approvals, registry, calls }))
    }

    /// From the next call on these hold, and calls that they do not allow any more are ended. What a node was refused to
    /// declare when it came stays refused until it comes again.
    pub fn apply(&self, settings: Settings) {
        self.0.policy.set(Policy::new(settings));
        self.end_unusable_calls();
    }

    /// Ends the calls under way that are not allowed any more.
    pub fn end_unusable_calls(&self) {
        for node in self.0.registry.all() {
            let usable = self.usable(&node);
            for invoke_id in self.0.calls.end_unusable(&node.connection, |command| usable.commands.contains(command)) {
                let node_id = node.node_id.clone();
                node.wire.tell(&Event::NodeInvokeCancel(InvokeCancel { invoke_id, node_id }));
            }
        }
    }
}
