//! Keeps what the local network is told of the gateway in step with the settings, the certificate and the tailnet.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::discovery::{About, Announcement, Announcer, Place};
use crate::gateway::Gateway;
use crate::net::bind::BindMode;

const LOOK: Duration = Duration::from_secs(1);
/// Of the gateway's own id, in hexadecimal digits: enough to tell those of a home apart.
const MARK: usize = 6;

/// `None` where the local network cannot reach the gateway: then there is nothing to tell it.
pub(super) fn place(mode: BindMode) -> Option<Place> {
    match mode {
        BindMode::Lan => Some(Place::Everywhere),
        BindMode::Custom(address) if address.is_unspecified() => Some(Place::Everywhere),
        BindMode::Custom(address) => (!address.is_loopback()).then_some(Place::Address(address)),
        BindMode::Loopback | BindMode::Tailnet => None,
    }
}

pub(super) async fn run(place: Place, gateway_id: String, gateway: Arc<Gateway>) {
    let mark = gateway_id.get(..MARK).unwrap_or_default().to_owned();
    let machine = super::machine_names().into_iter().next().unwrap_or_default();
    let mut announcer = Announcer::default();
    let mut failed: Option<Announcement> = None;
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let draining = gateway.shutdown.draining();
    tokio::pin!(draining);
    loop {
        let wanted = wanted(place, &mark, &machine, &gateway);
        // What could not be said is tried again when there is something else to say.
        if wanted.as_ref() != announcer.said() && (wanted.is_none() || wanted != failed) {
            failed = None;
            if let Err(error) = announcer.say(wanted.clone()).await {
                tracing::warn!(%error, "the local network is not told of the gateway");
                failed = wanted;
            }
        }
        tokio::select! {
            () = &mut draining => break,
            _ = ticks.tick() => {}
        }
    }
    announcer.end().await;
}

fn wanted(place: Place, mark: &str, machine: &str, gateway: &Gateway) -> Option<Announcement> {
    let doors = &gateway.doors;
    let fingerprint = doors.certificates.as_ref().map(|certificates| certificates.shown().fingerprint.to_string());
    let tailnet = doors.tailnet.borrow().as_ref().and_then(|tailnet| tailnet.name.clone());
    let about = About {
        place,
        port: doors.bind.port,
        tls_fingerprint: fingerprint,
        tailnet_dns: tailnet.as_deref(),
        machine,
        mark,
    };
    Announcement::of(&gateway.discovery.get(), about)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn only_what_the_network_reaches_is_told_to_it() {
        let custom = |address: &str| BindMode::Custom(address.parse::<IpAddr>().unwrap());
        for mode in [BindMode::Loopback, BindMode::Tailnet, custom("127.0.0.2")] {
            assert_eq!(place(mode), None, "{mode:?}");
        }
        assert_eq!(place(BindMode::Lan), Some(Place::Everywhere));
        assert_eq!(place(custom("192.168.1.2")), Some(Place::Address("192.168.1.2".parse().unwrap())));
    }
}
