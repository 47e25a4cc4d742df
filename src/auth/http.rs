//! Plain HTTP: a request shows the shared secret, or it is nobody's (protocol §9).

use std::time::Duration;

use super::gatekeeper::{Bearer, Gatekeeper, tailnet_rights};
use super::pairing::secret;
use super::settings::Mode;
use crate::net::Peer;

/// A request that asks for something that is not everybody's.
#[derive(Debug, Clone, Copy)]
pub struct HttpAttempt<'a> {
    pub peer: &'a Peer,
    /// Of the `Authorization` header, without `Bearer`.
    pub bearer: Option<&'a str>,
    pub origin: Option<&'a str>,
    pub host: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpRefusal {
    Unauthorized,
    /// For this much longer, also with the right secret.
    LockedOut(Duration),
}

impl Gatekeeper {
    /// Lets programs in that know the shared secret. A tailnet identity is not enough here: these routes act, and any
    /// page in the browser of a tailnet's member could call them.
    ///
    /// # Errors
    /// The failure is counted and, on loopback, already waited for.
    pub async fn admit_program(&self, attempt: HttpAttempt<'_>) -> Result<(), HttpRefusal> {
        let refusal = match attempt.bearer {
            None => HttpRefusal::Unauthorized,
            Some(bearer) => match self.judge_bearer(attempt.peer, bearer).await {
                Bearer::Right(_) => return Ok(()),
                Bearer::LockedOut(left) => HttpRefusal::LockedOut(left),
                Bearer::Missing | Bearer::Wrong => HttpRefusal::Unauthorized,
            },
        };
        if self.needs_no_secret(attempt) { Ok(()) } else { Err(refusal) }
    }

    /// Lets a page read what is shown to anyone who may connect: by the shared secret, a device's token, or the tailnet
    /// identity of whoever looks at it.
    ///
    /// # Errors
    /// As [`Gatekeeper::admit_program`].
    pub async fn admit_reader(&self, attempt: HttpAttempt<'_>) -> Result<(), HttpRefusal> {
        // A page of another origin could not read the answer, but one whose name was pointed here could.
        let has_rights =
            tailnet_rights(attempt.peer, &self.settings()).is_some_and(|rights| !rights.operator.is_empty());
        if has_rights && self.is_own_host(attempt.host) {
            return Ok(());
        }
        // Before the secret, so that a device with its own token is not taken for a guesser.
        match attempt.bearer {
            Some(bearer) if self.is_device_token(attempt.peer, bearer).await => Ok(()),
            _ => self.admit_program(attempt).await,
        }
    }

    async fn is_device_token(&self, peer: &Peer, bearer: &str) -> bool {
        let settings = self.settings();
        match self.pairing.knows_operator_token(bearer, peer, secret(&settings)).await {
            Ok(is_known) => is_known,
            Err(error) => {
                tracing::error!(%error, "the device records could not be read");
                false
            }
        }
    }

    /// Mode `none` is for this machine alone, and not for the pages that its browser shows: a foreign page can post
    /// to loopback, by an address or by a name that it pointed there.
    fn needs_no_secret(&self, attempt: HttpAttempt<'_>) -> bool {
        self.settings().mode == Mode::None
            && attempt.peer.is_loopback()
            && attempt.origin.is_none()
            && self.is_own_host(attempt.host)
    }
}
