//! Saying that there is a gateway.

use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{IfKind, IfPredicate, ServiceDaemon, ServiceInfo};

use super::{Error, Mode, SERVICE, Settings};

/// For the goodbye, so that nobody keeps an address that is gone.
const FAREWELL: Duration = Duration::from_millis(500);
const MOST_OF_A_LABEL: usize = 63;

/// Where the gateway can be reached from the local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// By every address of this machine that the network has.
    Everywhere,
    Address(IpAddr),
}

/// What is said. Equal ones say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    place: Place,
    port: u16,
    name: String,
    host: String,
    said: Vec<(&'static str, String)>,
}

/// What there is to say.
#[derive(Debug, Clone)]
pub struct About<'a> {
    pub place: Place,
    pub port: u16,
    /// Of the certificate that is shown there; `None` without TLS.
    pub tls_fingerprint: Option<String>,
    pub tailnet_dns: Option<&'a str>,
    /// The machine's own name.
    pub machine: &'a str,
    /// Tells gateways apart where no name may be said.
    pub mark: &'a str,
}

impl Announcement {
    /// `None` in mode `off`.
    #[must_use]
    pub fn of(settings: &Settings, about: About<'_>) -> Option<Self> {
        let given = settings.host.as_deref();
        let (host, name, display_name) = match (settings.mode, given) {
            (Mode::Off, _) => return None,
            (Mode::Minimal, None) => {
                let host = label(&format!("tailclaw-{}", about.mark));
                (host.clone(), host, None)
            }
            // A name that was given for it is there to be said.
            (_, given) => {
                let host = label(given.unwrap_or(about.machine));
                (host.clone(), format!("{host} (OpenClaw)"), Some(host))
            }
        };
        let mut said = vec![
            ("role", "gateway".to_owned()),
            ("transport", "gateway".to_owned()),
            ("gatewayPort", about.port.to_string()),
            ("lanHost", format!("{host}.local")),
            ("displayName", display_name.unwrap_or_else(|| name.clone())),
            ("gatewayDirectReachable", "1".to_owned()),
        ];
        if let Some(fingerprint) = about.tls_fingerprint {
            said.push(("gatewayTls", "1".to_owned()));
            said.push(("gatewayTlsSha256", fingerprint));
        }
        if settings.mode == Mode::Full {
            said.push(("sshPort", settings.ssh_port.to_string()));
            said.extend(about.tailnet_dns.map(|name| ("tailnetDns", name.to_owned())));
            said.extend(settings.cli_path.clone().map(|path| ("cliPath", path)));
        }
        // What does not fit into a DNS string is left out.
        said.retain(|(key, value)| key.len() + value.len() < 255);
        Some(Self { place: about.place, port: about.port, name, host, said })
    }

    fn service(&self) -> Result<ServiceInfo, Error> {
        let host = format!("{}.local.", self.host);
        let said = self.said.as_slice();
        Ok(match self.place {
            Place::Everywhere => {
                let mut service = ServiceInfo::new(SERVICE, &self.name, &host, (), self.port, said)?.enable_addr_auto();
                service.set_interfaces(vec![IfKind::Predicate(IfPredicate::new(|interface| {
                    !interface.is_loopback() && !is_tailnet(interface.ip())
                }))]);
                service
            }
            Place::Address(address) => {
                let mut service = ServiceInfo::new(SERVICE, &self.name, &host, address, self.port, said)?;
                service.set_interfaces(vec![IfKind::Addr(address)]);
                service
            }
        })
    }
}

/// The address space of tailnets (100.64.0.0/10): peers there have names of their own.
fn is_tailnet(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            first == 100 && (64..128).contains(&second)
        }
        IpAddr::V6(address) => address.segments().starts_with(&[0xfd7a, 0x115c, 0xa1e0]),
    }
}

/// The first label of a host name; `openclaw` where it cannot be one, as with OpenClaw.
fn label(name: &str) -> String {
    let first = name.trim().split('.').next().unwrap_or_default();
    let is_label = !first.is_empty()
        && first.len() <= MOST_OF_A_LABEL
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_label { first.to_owned() } else { "openclaw".to_owned() }
}

/// Says one announcement at a time, until it is dropped.
#[derive(Default)]
pub struct Announcer {
    /// Made with the first announcement: without one no socket is opened.
    saying: Option<(ServiceDaemon, Announcement)>,
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Announcer").field(&self.said()).finish()
    }
}

impl Announcer {
    #[must_use]
    pub fn said(&self) -> Option<&Announcement> {
        self.saying.as_ref().map(|(_, announcement)| announcement)
    }

    /// Says this from now on, and nothing else.
    ///
    /// # Errors
    /// There is no socket for it; nothing is said then.
    pub async fn say(&mut self, announcement: Option<Announcement>) -> Result<(), Error> {
        self.end().await;
        let Some(announcement) = announcement else { return Ok(()) };
        let daemon = ServiceDaemon::new()?;
        daemon.register(announcement.service()?)?;
        self.saying = Some((daemon, announcement));
        Ok(())
    }

    /// Takes it back.
    pub async fn end(&mut self) {
        let Some((daemon, _)) = self.saying.take() else { return };
        // The goodbye goes out before the end is told. Nobody is waited for long: it is a courtesy.
        if let Ok(ended) = daemon.shutdown() {
            let _ = tokio::time::timeout(FAREWELL, ended.recv_async()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mode: Mode, host: Option<&str>, tls: bool) -> Option<Announcement> {
        let settings =
            Settings { mode, ssh_port: 22, cli_path: Some("/opt/tailclaw".into()), host: host.map(str::to_owned) };
        let about = About {
            place: Place::Everywhere,
            port: 18_789,
            tls_fingerprint: tls.then(|| "ab".repeat(32)),
            tailnet_dns: Some("claw.tail1.ts.net"),
            machine: "adas-laptop.lan",
            mark: "0f3c",
        };
        Announcement::of(&settings, about)
    }

    #[test]
    fn no_name_is_said_unless_it_was_asked_for() {
        assert_eq!(said(Mode::Off, Some("x"), true), None);
        let minimal = said(Mode::Minimal, None, true).unwrap();
        assert!(!format!("{minimal:?}").contains("ada") && !format!("{minimal:?}").contains("ts.net"), "{minimal:?}");
        assert!(!minimal.said.iter().any(|(key, _)| matches!(*key, "sshPort" | "cliPath" | "tailnetDns")));
        assert!(minimal.said.contains(&("gatewayTlsSha256", "ab".repeat(32))));
        minimal.service().unwrap();
        let given = said(Mode::Minimal, Some("claw.local"), false).unwrap();
        assert_eq!((given.name.as_str(), given.host.as_str()), ("claw (OpenClaw)", "claw"));
        assert!(!given.said.iter().any(|(key, _)| key.starts_with("gatewayTls")));
        let full = said(Mode::Full, None, false).unwrap();
        assert_eq!(full.name, "adas-laptop (OpenClaw)");
        for key in ["sshPort", "cliPath", "tailnetDns"] {
            assert!(full.said.iter().any(|(said, _)| *said == key), "{key}");
        }
    }

    #[test]
    fn a_name_that_is_no_label_is_replaced() {
        assert_eq!(label("claw.example.com"), "claw");
        for other in ["", "my box", "a_b", &"x".repeat(64)] {
            assert_eq!(label(other), "openclaw", "{other}");
        }
        assert!(is_tailnet("100.100.1.1".parse().unwrap()) && !is_tailnet("100.1.1.1".parse().unwrap()));
    }
}
