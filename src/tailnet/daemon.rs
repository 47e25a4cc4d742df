//! What is asked of a node in the same way whether it is embedded or this machine's tailscaled.

use std::net::IpAddr;

use http::{Method, StatusCode};
use tokio_util::sync::CancellationToken;

use super::localapi::{Dial, LocalApi, SHORT};
use super::report::Report;
#[cfg(feature = "tailnet")]
use super::{CertificatePair, certificate};
use super::{Error, State, Status, status, whois};
use crate::net::WhoIs;

/// A first certificate takes a round with the certificate authority and with DNS.
#[cfg(feature = "tailnet")]
const CERTIFICATE: std::time::Duration = std::time::Duration::from_mins(3);

#[derive(Debug)]
pub(super) struct Daemon<D> {
    pub(super) api: LocalApi<D>,
    pub(super) report: Report,
    /// Ends the tasks that follow the node.
    pub(super) ended: CancellationToken,
}

impl<D: Dial> Daemon<D> {
    pub(super) fn new(dial: D) -> Self {
        Self { api: LocalApi::new(dial), report: Report::new(), ended: CancellationToken::new() }
    }

    /// `None`: nobody that the control plane knows.
    pub(super) async fn whois(&self, address: IpAddr) -> Result<Option<WhoIs>, Error> {
        let path = format!("whois?addr={address}&proto=tcp");
        let answer = self.api.ask(Method::GET, &path, SHORT).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let body = answer.wanted(Method::GET, &path)?.body;
        let answer: whois::Answer = serde_json::from_slice(&body)
            .map_err(|error| Error::Unreachable { request: "GET whois".to_owned(), source: error.into() })?;
        Ok(answer.into_whois(self.has_address(address)))
    }

    /// Asks the node itself, so an answer also shows that it works. Until it runs, the state is the published one,
    /// which knows what went before.
    pub(super) async fn status(&self) -> Result<Status, Error> {
        let mut status = self.api.json::<status::Answer>(status::PATH).await?.into_status();
        if !matches!(status.state, State::Running(_)) {
            status.state = self.report.state.borrow().clone();
        }
        status.health.clone_from(&self.report.health.borrow());
        Ok(status)
    }

    #[cfg(feature = "tailnet")]
    pub(super) async fn certificate(&self, domain: &str) -> Result<CertificatePair, Error> {
        let path = format!("cert/{domain}?type=pair");
        let answer = self.api.ask(Method::GET, &path, CERTIFICATE).await?.wanted(Method::GET, &path)?;
        std::str::from_utf8(&answer.body).ok().and_then(certificate::split).ok_or_else(|| Error::Answer {
            request: format!("GET cert/{domain}"),
            status: answer.status.as_u16(),
            message: "not a certificate and its key".to_owned(),
        })
    }

    fn has_address(&self, address: IpAddr) -> bool {
        matches!(&*self.report.state.borrow(), State::Running(identity) if identity.addresses.contains(&address))
    }
}
