//! HTTPS on the embedded node: 443 with the node's certificate, 80 that leads there, and what Funnel opens with it.
//!
//! The certificate is the tailnet's own (`NAME.TAILNET.ts.net`); the node gets and renews it, and what it has is shown
//! here from then on, connections going on. A tailnet without certificates leaves the configured port as it is, and
//! `status` says what is missing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::funnel::Funnel;
use super::look::Look;
use super::spawn_server;
use crate::gateway::{Entrance, Gateway};
use crate::live::Live;
use crate::protocol::system::{HttpsHealth, ServeHealth};
use crate::tailnet::{Exposure, Identity, Node, State, jittered};
use crate::tls::{Certificates, Pair};

const HTTPS: u16 = 443;
const HTTP: u16 = 80;
/// Between two looks at whether the node has renewed its certificate.
const LOOK: Duration = Duration::from_secs(2);
/// The node renews in good time, when it is asked.
const ASKED_EVERY: Duration = Duration::from_secs(12 * 60 * 60);
const FIRST_PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// The node's certificate while it runs.
pub(super) struct OwnHttps {
    node: Node,
    /// Where the node keeps what it was given.
    folder: PathBuf,
    gateway: Arc<Gateway>,
    view: watch::Sender<Web>,
    /// Whether the node's own 443 and 80 are wanted.
    is_wanted: bool,
    funnel: Funnel,
    /// Port 80 without TLS, where there is no certificate to be had.
    is_plain: bool,
    /// For which domain, once there is one.
    shown: Option<(String, Certificates)>,
    /// Where requests without TLS are sent.
    destination: Arc<Live<String>>,
    next: Instant,
    pause: Duration,
    before: Option<Look>,
}

/// What is reached over the node's web ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Web {
    pub(super) https: Option<HttpsHealth>,
    pub(super) serve: Option<ServeHealth>,
}

impl OwnHttps {
    /// `state_dir` is the node's; `is_bound`: the gateway is bound to the tailnet. What comes of it can be followed.
    pub(super) fn start(
        node: Node,
        state_dir: &std::path::Path,
        gateway: &Arc<Gateway>,
        is_bound: bool,
        exposure: Exposure,
    ) -> watch::Receiver<Web> {
        let (view, receiver) = watch::channel(Web::default());
        let funnel = Funnel::new(exposure);
        let https = Self {
            node,
            folder: state_dir.join("certs"),
            gateway: Arc::clone(gateway),
            view,
            is_wanted: is_bound || funnel.offers_to_tailnet(),
            funnel,
            is_plain: false,
            shown: None,
            destination: Arc::default(),
            next: Instant::now(),
            pause: FIRST_PAUSE,
            before: None,
        };
        gateway.shutdown.spawn(https.run());
        receiver
    }

    async fn run(mut self) {
        let mut state = self.node.state();
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let draining = self.gateway.shutdown.draining();
        tokio::pin!(draining);
        loop {
            let now = state.borrow_and_update().clone();
            let work = async {
                if let State::Running(identity) = &now {
                    self.keep(identity).await;
                    self.offer(identity).await;
                }
                ticks.tick().await;
            };
            tokio::select! {
                () = &mut draining => return,
                // A first certificate can take a minute: it is asked for without regard to what changes meanwhile.
                () = work => {}
            }
        }
    }

    async fn keep(&mut self, identity: &Identity) {
        let Some(domain) = domain(identity) else {
            self.serve_plain().await;
            self.tell(HttpsHealth {
                problem: Some(
                    "the tailnet gives out no HTTPS certificates: turn on MagicDNS and HTTPS on the DNS page of its \
                     admin console"
                        .to_owned(),
                ),
                ..HttpsHealth::default()
            });
            return;
        };
        if !self.is_due(domain) {
            return;
        }
        match self.fetch(domain).await {
            Ok(pair) => {
                self.pause = FIRST_PAUSE;
                self.next = Instant::now() + jittered(ASKED_EVERY);
                self.take_over(domain, pair).await;
            }
            Err(problem) => {
                self.next = Instant::now() + jittered(self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                tracing::warn!(domain, problem, "the node's certificate is not to be had; it is asked for again");
                let known = self.view.borrow().https.clone().unwrap_or_default();
                self.tell(HttpsHealth { problem: Some(format!("no certificate for {domain}: {problem}")), ..known });
            }
        }
    }

    /// Once in a while, after a failure, under another name, and when the node has written another one.
    fn is_due(&mut self, domain: &str) -> bool {
        let is_other = self.shown.as_ref().is_some_and(|(shown, _)| shown != domain);
        let now = Look::at(&self.folder.join(format!("{domain}.crt")));
        let is_rewritten = self.shown.is_some() && now != self.before;
        self.before = now;
        is_other || is_rewritten || Instant::now() >= self.next
    }

    async fn fetch(&self, domain: &str) -> Result<Pair, String> {
        let pair = self.node.certificate(domain).await.map_err(|error| super::tailnet::with_causes(&error))?;
        Pair::from_pem(pair.chain.as_bytes(), pair.key.expose().as_bytes(), None).map_err(|fault| fault.to_string())
    }

    async fn take_over(&mut self, domain: &str, pair: Pair) {
        let health = HttpsHealth {
            url: self.is_wanted.then(|| format!("https://{domain}")),
            expires_at_ms: Some(pair.not_after_ms),
            problem: None,
        };
        let expires = pair.expires();
        self.destination.set(domain.to_owned());
        match &mut self.shown {
            Some((shown, certificates)) => {
                if certificates.shown().fingerprint != pair.fingerprint {
                    tracing::info!(domain, expires, "the node's certificate was renewed");
                }
                certificates.replace(pair);
                domain.clone_into(shown);
                self.tell(health);
            }
            None => {
                let certificates = Certificates::new(pair);
                match self.listen(certificates.clone()).await {
                    Ok(()) => {
                        tracing::info!(domain, expires, "serving HTTPS by the node's own name");
                        self.shown = Some((domain.to_owned(), certificates));
                        self.tell(health);
                    }
                    Err(error) => {
                        self.next = Instant::now() + jittered(FIRST_PAUSE);
                        tracing::error!(%error, "the gateway cannot serve HTTPS on the tailnet");
                        self.tell(HttpsHealth { url: None, problem: Some(format!("port {HTTPS}: {error}")), ..health });
                    }
                }
            }
        }
    }

    /// What the configuration offers beyond the port that the gateway is bound to.
    async fn offer(&mut self, identity: &Identity) {
        if let Some((_, certificates)) = &self.shown {
            self.funnel.open(&self.node, certificates, &self.gateway).await;
        }
        let domain = self.shown.as_ref().map(|(domain, _)| domain.as_str());
        let serve = self.funnel.health(domain, &identity.dns_name, self.is_plain);
        self.view.send_if_modified(|known| {
            let is_news = known.serve != serve;
            known.serve = serve;
            is_news
        });
    }

    /// Served to the tailnet without a certificate: what it encrypts it encrypts all the same.
    async fn serve_plain(&mut self) {
        if self.is_plain || !self.funnel.offers_to_tailnet() {
            return;
        }
        match self.node.listen(HTTP).await {
            Ok(plain) => {
                spawn_server(plain, Entrance::Streams, &self.gateway);
                self.is_plain = true;
            }
            Err(error) => tracing::error!(%error, "the gateway cannot be served to the tailnet"),
        }
    }

    async fn listen(&self, certificates: Certificates) -> Result<(), crate::tailnet::Error> {
        if !self.is_wanted {
            return Ok(());
        }
        let secure = self.node.listen(HTTPS).await?;
        spawn_server(secure, Entrance::Secure(certificates), &self.gateway);
        match self.node.listen(HTTP).await {
            Ok(plain) => spawn_server(plain, Entrance::Elsewhere(Arc::clone(&self.destination)), &self.gateway),
            // Nobody is worse off than without it.
            Err(error) => tracing::warn!(%error, "requests to port 80 are not led to HTTPS"),
        }
        Ok(())
    }

    fn tell(&self, health: HttpsHealth) {
        self.view.send_if_modified(|known| {
            let is_news = known.https.as_ref() != Some(&health);
            known.https = Some(health);
            is_news
        });
    }
}

/// The node's own name, where the tailnet gives out certificates for it.
fn domain(identity: &Identity) -> Option<&str> {
    let domains = &identity.cert_domains;
    domains.iter().find(|domain| **domain == identity.dns_name).or(domains.first()).map(String::as_str)
}
