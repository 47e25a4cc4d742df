//! Listening for gateways for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use mdns_sd::{ResolvedService, ServiceDaemon, ServiceEvent};
use tokio::time::{Instant, timeout_at};

use super::{Beacon, Error, SERVICE};

/// More than any network has; who floods it is heard so far and no further.
const MOST: usize = 256;

/// All gateways that answer within `patience`, by name.
///
/// # Errors
/// There is no socket for it.
pub async fn browse(patience: Duration) -> Result<Vec<Beacon>, Error> {
    let deadline = Instant::now() + patience;
    let daemon = ServiceDaemon::new()?;
    let events = daemon.browse(SERVICE)?;
    let mut heard: BTreeMap<String, Beacon> = BTreeMap::new();
    while let Ok(Ok(event)) = timeout_at(deadline, events.recv_async()).await {
        match event {
            ServiceEvent::ServiceResolved(service) if heard.len() < MOST || heard.contains_key(&service.fullname) => {
                if let Some(beacon) = beacon(&service) {
                    heard.insert(service.fullname.clone(), beacon);
                }
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                heard.remove(&name);
            }
            _ => {}
        }
    }
    // Its thread ends with the process at the latest.
    let _ = daemon.shutdown();
    let mut beacons: Vec<Beacon> = heard.into_values().collect();
    beacons.sort_by(|one, other| one.display_name.cmp(&other.display_name));
    Ok(beacons)
}

fn beacon(service: &ResolvedService) -> Option<Beacon> {
    let instance = service.fullname.strip_suffix(SERVICE).unwrap_or(&service.fullname).trim_end_matches('.');
    let addresses = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr);
    let said = service.txt_properties.iter().map(|property| (property.key(), property.val_str()));
    Beacon::heard(&unescaped(instance), &service.host, service.port, addresses, said)
}

/// Names come with their dots and backslashes escaped (RFC 6763 §4.3).
fn unescaped(name: &str) -> String {
    let mut letters = name.chars();
    let mut plain = String::with_capacity(name.len());
    while let Some(letter) = letters.next() {
        plain.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_off() {
        assert_eq!(unescaped(r"St\. John\\s (OpenClaw)"), r"St. John\s (OpenClaw)");
        assert_eq!(unescaped(r"end\"), r"end\");
    }
}
