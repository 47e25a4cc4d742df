//! Serve and Funnel on the embedded node: what of its web ports the configuration wants, and what of that is open.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::spawn_server;
use super::tailnet::with_causes;
use crate::gateway::{Entrance, Gateway};
use crate::net::FunnelDoor;
use crate::protocol::system::ServeHealth;
use crate::tailnet::{Exposure, Node, Offer, jittered};
use crate::tls::Certificates;

const HTTPS: u16 = 443;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// What the policy lacks may come at any time; a person waits for it then.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Listens to the internet once there is a certificate, and keeps trying while the tailnet does not let it.
pub(super) struct Funnel {
    exposure: Exposure,
    closed: Vec<(u16, FunnelDoor)>,
    problem: Option<String>,
    next: Instant,
    pause: Duration,
}

impl Funnel {
    pub(super) fn new(exposure: Exposure) -> Self {
        let gateway = (exposure.offer == Offer::Everyone).then_some((HTTPS, FunnelDoor::Gateway));
        let public = exposure.public.as_ref().map(|public| (public.port, FunnelDoor::PublicPaths));
        let closed = gateway.into_iter().chain(public).collect();
        Self { exposure, closed, problem: None, next: Instant::now(), pause: FIRST_PAUSE }
    }

    /// Whether the tailnet is offered the gateway, beside the port that it may be bound to.
    pub(super) fn offers_to_tailnet(&self) -> bool {
        self.exposure.offer != Offer::None
    }

    /// Opens what is not open yet.
    pub(super) async fn open(&mut self, node: &Node, certificates: &Certificates, gateway: &Arc<Gateway>) {
        if self.closed.is_empty() || Instant::now() < self.next {
            return;
        }
        self.problem = None;
        for (port, door) in std::mem::take(&mut self.closed) {
            match node.listen_funnel(port, door).await {
                Ok(listener) => {
                    tracing::info!(port, ?door, "open to the internet by Funnel");
                    spawn_server(listener, Entrance::Secure(certificates.clone()), gateway);
                }
                Err(error) => {
                    self.closed.push((port, door));
                    self.fail(port, &with_causes(&error));
                }
            }
        }
    }

    fn fail(&mut self, port: u16, reason: &str) {
        self.next = Instant::now() + jittered(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        tracing::warn!(port, reason, "not open to the internet; it is tried again");
        self.problem = Some(format!("Funnel does not open port {port}: {reason}"));
    }

    /// As `status` shows it. `domain`: of the certificate, once there is one; `name`: the node's; `is_plain`: served without.
    pub(super) fn health(&self, domain: Option<&str>, name: &str, is_plain: bool) -> Option<ServeHealth> {
        if self.exposure.is_nothing() {
            return None;
        }
        let Exposure { offer, public } = &self.exposure;
        let is_open = |door: FunnelDoor| !self.closed.iter().any(|(_, closed)| *closed == door);
        let url = match (offer, domain) {
            (Offer::None, _) => None,
            (Offer::Everyone, _) if !is_open(FunnelDoor::Gateway) => None,
            (_, Some(domain)) => Some(format!("https://{domain}/")),
            (_, None) => is_plain.then(|| format!("http://{name}/")),
        };
        let public = public.as_ref().filter(|_| is_open(FunnelDoor::PublicPaths)).zip(domain);
        let public_url = public.map(|(public, domain)| match public.port {
            HTTPS => format!("https://{domain}"),
            port => format!("https://{domain}:{port}"),
        });
        let lacks_https = domain.is_none() && !self.closed.is_empty();
        let problem = self.problem.clone().or_else(|| {
            lacks_https.then(|| "Funnel needs HTTPS: turn it on, on the DNS page of the admin console".to_owned())
        });
        Some(ServeHealth { url, public_url, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tailnet::PublicPaths;

    fn funnel(offer: Offer, is_public: bool) -> Funnel {
        let public = is_public.then(|| PublicPaths { port: 8443, paths: vec!["/hooks".to_owned()] });
        Funnel::new(Exposure { offer, public })
    }

    #[test]
    fn nothing_is_shown_where_nothing_is_offered() {
        assert_eq!(funnel(Offer::None, false).health(Some("claw.ts.net"), "claw.ts.net", false), None);
    }

    #[test]
    fn what_is_closed_has_no_address() {
        let mut both = funnel(Offer::Everyone, true);
        let closed = both.health(Some("claw.ts.net"), "claw.ts.net", false).unwrap();
        assert_eq!((closed.url, closed.public_url), (None, None));
        both.closed.clear();
        let open = both.health(Some("claw.ts.net"), "claw.ts.net", false).unwrap();
        assert_eq!(open.url.as_deref(), Some("https://claw.ts.net/"));
        assert_eq!(open.public_url.as_deref(), Some("https://claw.ts.net:8443"));
    }

    #[test]
    fn without_certificates_serve_is_plain_and_funnel_says_what_it_needs() {
        let serve = funnel(Offer::Tailnet, false).health(None, "claw.claw.test", true).unwrap();
        assert_eq!((serve.url.as_deref(), serve.problem), (Some("http://claw.claw.test/"), None));
        let closed = funnel(Offer::Everyone, false).health(None, "claw.claw.test", false).unwrap();
        assert!(closed.url.is_none() && closed.problem.unwrap().contains("HTTPS"));
    }
}
