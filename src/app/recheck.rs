//! Asks again who is at the addresses of the tailnet that somebody is connected from: what the tailnet's policy says of
//! them counts for those who are in already, too.
//!
//! One question an address, however many connections come from there. Asked when the node hears of a change (a changed
//! policy shows as one of our own node, with which a new packet filter comes), and every two seconds in any case, so that
//! the bound does not rest on what the node tells. The answer is in the node's memory: a question takes a fraction of a
//! millisecond.
//!
//! A node that cannot say anything (it is starting anew, or hangs) ends nobody's connection at once: its word of before
//! goes on counting for [`PATIENCE`]. A control server that is away changes nothing at all: the node knows what it knew.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::gateway::{Gateway, Whose};
use crate::net::WhoIs;
use crate::tailnet::{State, Teller};

const INTERVAL: Duration = Duration::from_secs(2);
/// Between two rounds, however much changes.
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// Goes on until the gateway stops.
pub(super) fn start(teller: Teller, gateway: &Arc<Gateway>) {
    gateway.shutdown.spawn(run(teller, Arc::clone(gateway)));
}

async fn run(teller: Teller, gateway: Arc<Gateway>) {
    let mut changes = teller.changes();
    let stopped = gateway.shutdown.stopped();
    tokio::pin!(stopped);
    let mut is_silent = false;
    loop {
        tokio::select! {
            () = &mut stopped => return,
            // The node closes before its handles do: then there is nothing to hear any more.
            Ok(()) = changes.changed() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
        tokio::select! {
            () = &mut stopped => return,
            () = round(&teller, &gateway, &mut is_silent) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn round(teller: &Teller, gateway: &Gateway, is_silent: &mut bool) {
    let identities = gateway.gatekeeper.identities();
    let mut changed = HashSet::new();
    let mut problem = None;
    for address in identities.addresses() {
        let is_news = match ask(teller, address).await {
            Ok(whois) => identities.learn(address, whois),
            Err(why) => {
                problem = Some(why);
                identities.unheard(address, PATIENCE)
            }
        };
        if is_news {
            changed.insert(address);
        }
    }
    if let Some(why) = &problem
        && !*is_silent
    {
        tracing::warn!(
            reason = why,
            seconds = PATIENCE.as_secs(),
            "the node does not say who is connected; what it said last goes on counting for a while"
        );
    }
    *is_silent = problem.is_some();
    if !changed.is_empty() {
        gateway.judge_again(&Whose::At(changed));
    }
}

/// That nobody is known at an address counts only from a node that is in the tailnet: one that is not knows nobody.
async fn ask(teller: &Teller, address: IpAddr) -> Result<Option<WhoIs>, String> {
    let answer = teller.whois(address).await.map_err(|error| error.to_string())?;
    if answer.is_none() && !matches!(&*teller.state().borrow(), State::Running(_)) {
        return Err("it is not in the tailnet now".to_owned());
    }
    Ok(answer)
}
