//! Plain HTTP: a request shows the shared secret, or a trusted proxy names its user; else it is nobody's (protocol §9).

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::caller::proxy_profile_id;
use super::case::within;
use super::gatekeeper::{Gatekeeper, tailnet_rights};
use super::guess::Bearer;
use super::origin::{self, Page};
use super::pairing::secret;
use super::proxy::Vouched;
use super::rights::{Rights, Rule};
use super::roles::Others;
use super::settings::Mode;
use crate::net::Peer;
use crate::pairing::Shown;
use crate::protocol::Scope;
use crate::protocol::access::permits;

/// What a program may do: OpenClaw's set for its own command line.
const PROGRAM: [Scope; 7] =
    [Scope::Admin, Scope::Read, Scope::Write, Scope::Approvals, Scope::Questions, Scope::Pairing, Scope::TalkSecrets];

/// A request that asks for something that is not everybody's.
#[derive(Debug, Clone, Copy)]
pub struct HttpAttempt<'a> {
    pub peer: &'a Peer,
    /// Of the `Authorization` header, without `Bearer`.
    pub bearer: Option<&'a str>,
    pub origin: Option<&'a str>,
    pub host: Option<&'a str>,
    /// See [`Gatekeeper::vouched`].
    pub vouched: &'a Vouched,
}

/// Somebody whose request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Whoever knows the shared secret.
    Anonymous,
    /// Somebody whom the way in names: a trusted proxy's user, or the person of this machine.
    Named,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpRefusal {
    Unauthorized,
    /// Known, but narrowed to less than what it asks for.
    MissingScope(Scope),
    /// Known, and kept from it by the operator role of this name.
    OperatorRole(Arc<str>),
    /// For this much longer, also with the right secret.
    LockedOut(Duration),
}

impl Gatekeeper {
    /// Lets programs in that know the shared secret, and whom a trusted proxy names. A tailnet identity is not enough
    /// here: these routes act, and any page in the browser of a tailnet's member could call them.
    ///
    /// `x-openclaw-scopes` narrows those who are named. The shared secret is the whole of it, as in OpenClaw: whoever has
    /// it could leave the header out.
    ///
    /// # Errors
    /// The failure is counted and, on loopback, already waited for.
    pub async fn admit_program(&self, attempt: HttpAttempt<'_>, wanted: Scope) -> Result<Program, HttpRefusal> {
        if self.rights_of(attempt.peer).is_some_and(|rights| rights.rule == Rule::Deny) {
            return Err(HttpRefusal::Unauthorized);
        }
        if let Ok(user) = attempt.vouched.user() {
            // Before the bearer, which behind a proxy may be the proxy's own affair.
            return if self.is_foreign_page(attempt) {
                Err(HttpRefusal::Unauthorized)
            } else {
                self.within_role(attempt, user, wanted)
            };
        }
        let refusal = match attempt.bearer {
            None => HttpRefusal::Unauthorized,
            Some(bearer) => match self.judge_bearer(attempt.peer, bearer).await {
                Bearer::Right(_) => return Ok(Program::Anonymous),
                Bearer::LockedOut(left) => HttpRefusal::LockedOut(left),
                Bearer::Missing | Bearer::Wrong => HttpRefusal::Unauthorized,
            },
        };
        if self.needs_no_secret(attempt) { narrowed(attempt, wanted, &Scope::ALL) } else { Err(refusal) }
    }

    /// What the operator role of a proxy's user leaves of a request. These routes reach any session: a role that hides some
    /// of them, or keeps its holder out of some, is for the WebSocket, where each call is looked at.
    fn within_role(&self, attempt: HttpAttempt<'_>, user: &str, wanted: Scope) -> Result<Program, HttpRefusal> {
        let Ok(held) = self.role_of(&proxy_profile_id(user)) else { return Err(HttpRefusal::Unauthorized) };
        let Some(held) = held else { return narrowed(attempt, wanted, &Scope::ALL) };
        let program = narrowed(attempt, wanted, &held.role.scopes)?;
        let reads = wanted == Scope::Read;
        // As for the WebSocket: to an admin everybody's sessions are open.
        let others = if permits(&held.role.scopes, Scope::Admin) { Others::Write } else { held.role.others };
        match others {
            Others::Write if reads || held.is_for_every_agent() => Ok(program),
            Others::View | Others::Suggest if reads => Ok(program),
            _ => Err(HttpRefusal::OperatorRole(held.name)),
        }
    }

    /// The proxy knows its user by a cookie, which the browser sends for any page: those that are not ours are refused.
    fn is_foreign_page(&self, attempt: HttpAttempt<'_>) -> bool {
        let HttpAttempt { origin, host, peer, .. } = attempt;
        let own_names = self.own_names.read().unwrap_or_else(PoisonError::into_inner);
        origin.is_some() && origin::check(Page { origin, host, peer }, &self.settings(), &own_names).is_err()
    }

    /// Lets a page read what is shown to anyone who may connect: by the shared secret, a device's token, or the tailnet
    /// identity of whoever looks at it.
    ///
    /// # Errors
    /// As [`Gatekeeper::admit_program`].
    pub async fn admit_reader(&self, attempt: HttpAttempt<'_>) -> Result<(), HttpRefusal> {
        // A page of another origin could not read the answer, but one whose name was pointed here could.
        let rights = self.rights_of(attempt.peer);
        if rights.as_ref().is_some_and(|rights| rights.rule == Rule::Deny) {
            return Err(HttpRefusal::Unauthorized);
        }
        let is_vouched_for = rights.is_some_and(|rights| !rights.operator.is_empty());
        if is_vouched_for && self.is_own_host(attempt.host) {
            return Ok(());
        }
        // Before the secret, so that a device with its own token is not taken for a guesser.
        match attempt.bearer {
            Some(bearer) if self.is_device_token(attempt.peer, bearer, is_vouched_for).await => Ok(()),
            _ => self.admit_program(attempt, Scope::Read).await.map(|_| ()),
        }
    }

    fn rights_of(&self, peer: &Peer) -> Option<Rights> {
        tailnet_rights(self.identities().of(peer).as_deref(), &self.settings())
    }

    async fn is_device_token(&self, peer: &Peer, bearer: &str, is_vouched_for: bool) -> bool {
        let settings = self.settings();
        if settings.roles.is_some() {
            // As for the WebSocket: it says nothing of who holds it.
            return false;
        }
        let shown = Shown { peer, secret: secret(&settings), is_vouched_for };
        match self.pairing.knows_operator_token(bearer, shown).await {
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

fn narrowed(attempt: HttpAttempt<'_>, wanted: Scope, most: &[Scope]) -> Result<Program, HttpRefusal> {
    let scopes = within(&attempt.vouched.capped(PROGRAM.to_vec()), most);
    if permits(&scopes, wanted) { Ok(Program::Named) } else { Err(HttpRefusal::MissingScope(wanted)) }
}
