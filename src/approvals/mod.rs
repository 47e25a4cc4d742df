//! Commands that somebody is asked to allow: who can be asked, what is asked, and the one end that it has.
//!
//! Nothing is run here. A request and its end are on disk before they are told; what waits when the gateway ends is
//! cancelled at the next start. `policy` is the file that says what may run without asking. Called by `rpc`;
//! `gateway` says who is there.

mod backing;
mod display;
mod policy;
mod seats;
mod view;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use backing::{Backing, Claim, Requester, Unbacked};
pub use policy::Policy;
pub use seats::{Approvers, Seat};

use backing::Backings;

use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::approvals::{
    Decision, GetReply, Kind, Pending, Reason, Request, RequestParams, Resolved, Resolver, Snapshot, Status,
};
use crate::shutdown::Shutdown;
use crate::store::{Database, StoredApproval};

/// Requests that wait at a time.
const MAX_PENDING: usize = 256;
const DEFAULT_TIMEOUT_MS: u64 = 1_800_000;
const MAX_TIMEOUT_MS: u64 = 86_400_000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// What was sent is no request.
    #[error("{0}")]
    Invalid(&'static str),
    #[error("command exceeds exec approval display limit")]
    TooLong,
    #[error("unknown or expired approval id")]
    Unknown,
    #[error("ambiguous approval id prefix; use the full id")]
    Ambiguous,
    #[error("approval already resolved")]
    AlreadyResolved,
    #[error("allow-always is not available for this request")]
    NotAllowed,
    #[error("{MAX_PENDING} requests wait already; try again when one has ended")]
    TooMany,
    #[error("exec approvals base hash required; re-run exec.approvals.get and retry")]
    HashRequired,
    #[error("exec approvals changed since last load; re-run exec.approvals.get and retry")]
    Changed,
    #[error("{0}")]
    Policy(String),
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub status: Status,
    pub decision: Option<Decision>,
    pub reason: Reason,
    pub resolver: Resolver,
}

impl Verdict {
    fn by_system(status: Status, decision: Option<Decision>, reason: Reason, id: Option<&str>) -> Self {
        let resolver = Resolver { kind: "system".to_owned(), id: id.map(str::to_owned) };
        Self { status, decision, reason, resolver }
    }
}

/// A request that was taken.
#[derive(Debug)]
pub struct Taken {
    pub id: String,
    pub created_at: u64,
    pub expires_at: u64,
    /// Whether somebody was there to be asked.
    pub has_route: bool,
    pub outcome: watch::Receiver<Option<Verdict>>,
}

#[derive(Debug, Clone)]
pub struct Approvals(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    bus: Bus,
    shutdown: Shutdown,
    approvers: Approvers,
    backings: Backings,
    pending: Mutex<HashMap<String, watch::Sender<Option<Verdict>>>>,
}

impl Approvals {
    /// Cancels what the last end of the gateway left waiting: nobody waits for its answer any more.
    ///
    /// # Errors
    /// The database could not be used.
    pub async fn open(database: Database, bus: Bus, shutdown: Shutdown) -> Result<Self, Error> {
        let cut = Verdict::by_system(Status::Cancelled, None, Reason::GatewayRestart, None);
        database.end_all_approvals(&json(&cut)?, now_ms()).await?;
        let (approvers, backings, pending) = (Approvers::default(), Backings::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { database, bus, shutdown, approvers, backings, pending })))
    }

    #[must_use]
    pub fn approvers(&self) -> &Approvers {
        &self.0.approvers
    }

    /// Takes a request from a connection. When this returns, it is on disk and those who can decide were told. With
    /// nobody there it has its end already, unless it asked to wait all the same.
    ///
    /// # Errors
    /// It is no request, its id is taken, too many wait, or nothing could be stored.
    pub async fn request(&self, params: RequestParams, by: Requester) -> Result<Taken, Error> {
        let waits_anyway = params.require_delivery_route == Some(false);
        let timeout = params.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS).clamp(1, MAX_TIMEOUT_MS);
        let id = params.id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let env = params.env.clone().unwrap_or_default();
        let request = view::request(params)?;
        let (created_at, expires_at) = (now_ms(), now_ms().saturating_add(timeout));
        let outcome = self.reserve(&id)?;
        let stored = StoredApproval {
            id: id.clone(),
            request: json(&request)?,
            created_at,
            expires_at,
            resolved_at: None,
            verdict: None,
        };
        match self.0.database.add_approval(&stored).await {
            Ok(true) => {}
            Ok(false) => {
                self.pending().remove(&id);
                return Err(Error::Invalid("approval id already pending"));
            }
            Err(error) => {
                self.pending().remove(&id);
                return Err(error.into());
            }
        }
        let has_route = self.0.approvers.has_other_than(&by.connection);
        self.0.backings.hold(&id, by, &env, created_at);
        let taken = Taken { id: id.clone(), created_at, expires_at, has_route, outcome };
        if has_route {
            let pending = Pending {
                approval_kind: Kind::Exec,
                id: id.clone(),
                request,
                created_at_ms: created_at,
                expires_at_ms: expires_at,
            };
            self.0.bus.publish(&Event::ExecApprovalRequested(Box::new(pending)));
        }
        if has_route || waits_anyway {
            let (approvals, outcome) = (self.clone(), taken.outcome.clone());
            self.0.shutdown.spawn(async move { approvals.expire(id, timeout, outcome).await });
        } else {
            let no_route =
                Verdict::by_system(Status::Denied, Some(Decision::Deny), Reason::NoRoute, Some("no-approval-route"));
            self.end(&id, no_route, None).await?;
        }
        Ok(taken)
    }

    fn reserve(&self, id: &str) -> Result<watch::Receiver<Option<Verdict>>, Error> {
        let mut pending = self.pending();
        if pending.contains_key(id) {
            return Err(Error::Invalid("approval id already pending"));
        }
        if pending.len() >= MAX_PENDING {
            return Err(Error::TooMany);
        }
        let (sender, receiver) = watch::channel(None);
        pending.insert(id.to_owned(), sender);
        Ok(receiver)
    }

    async fn expire(&self, id: String, timeout: u64, mut outcome: watch::Receiver<Option<Verdict>>) {
        let stopping = self.0.shutdown.draining();
        tokio::select! {
            () = async { drop(outcome.wait_for(Option::is_some).await) } => {}
            // It waits on disk for the next start, which cancels it.
            () = stopping => {}
            () = tokio::time::sleep(Duration::from_millis(timeout)) => {
                let expired = Verdict::by_system(Status::Expired, None, Reason::Timeout, None);
                if let Err(error) = self.end(&id, expired, None).await {
                    tracing::error!(%error, "the end of an approval could not be stored");
                }
            }
        }
    }

    /// Decides. The first decision stands; the same again is well, too.
    ///
    /// # Errors
    /// There is no such request, it was decided otherwise, or nothing could be stored.
    pub async fn resolve(&self, id: &str, decision: Decision, resolver: Resolver, by: &str) -> Result<(), Error> {
        let stored = match self.find_pending(id).await {
            Ok(stored) => stored,
            Err(Error::Unknown) => return self.repeated(id, decision).await,
            Err(other) => return Err(other),
        };
        if !read(&stored)?.allowed_decisions.contains(&decision) {
            return Err(Error::NotAllowed);
        }
        let status = if decision == Decision::Deny { Status::Denied } else { Status::Allowed };
        let verdict = Verdict { status, decision: Some(decision), reason: Reason::User, resolver };
        if self.end(&stored.id, verdict, Some(by)).await? { Ok(()) } else { self.repeated(&stored.id, decision).await }
    }

    async fn repeated(&self, id: &str, decision: Decision) -> Result<(), Error> {
        match self.snapshot(id).await?.decision {
            Some(stands) if stands == decision => Ok(()),
            _ => Err(Error::AlreadyResolved),
        }
    }

    /// Stores an end and tells of it. Returns whether it is the one.
    async fn end(&self, id: &str, verdict: Verdict, by: Option<&str>) -> Result<bool, Error> {
        let is_ours = self.0.database.end_approval(id, &json(&verdict)?, now_ms()).await?;
        let waiting = self.pending().remove(id);
        if !is_ours {
            return Ok(false);
        }
        let decision = verdict.decision.unwrap_or(Decision::Deny);
        let tells = verdict.reason != Reason::NoRoute;
        if let Some(waiting) = waiting {
            waiting.send_replace(Some(verdict));
        }
        if let Some(stored) = self.0.database.approval(id).await?.filter(|_| tells) {
            let resolved = Resolved {
                id: id.to_owned(),
                decision,
                resolved_by: by.map(str::to_owned),
                ts: now_ms(),
                request: read(&stored)?,
            };
            self.0.bus.publish(&Event::ExecApprovalResolved(Box::new(resolved)));
        }
        Ok(true)
    }

    /// The end of a request: at once if it has one, otherwise when it comes.
    ///
    /// # Errors
    /// There is no such request.
    pub async fn watch(&self, id: &str) -> Result<Taken, Error> {
        let stored = self.0.database.approval(id).await?.ok_or(Error::Unknown)?;
        let waiting = self.pending().get(id).map(watch::Sender::subscribe);
        let outcome = match waiting {
            Some(waiting) => waiting,
            // Ended meanwhile, maybe since it was read.
            None => {
                let stored = self.0.database.approval(id).await?.ok_or(Error::Unknown)?;
                watch::channel(Some(verdict(&stored)?.ok_or(Error::Unknown)?)).1
            }
        };
        let (created_at, expires_at) = (stored.created_at, stored.expires_at);
        Ok(Taken { id: stored.id, created_at, expires_at, has_route: true, outcome })
    }

    /// What waits, oldest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn pending_list(&self) -> Result<Vec<Pending>, Error> {
        let stored = self.0.database.pending_approvals().await?;
        stored
            .into_iter()
            .map(|stored| {
                Ok(Pending {
                    approval_kind: Kind::Exec,
                    request: read(&stored)?,
                    id: stored.id,
                    created_at_ms: stored.created_at,
                    expires_at_ms: stored.expires_at,
                })
            })
            .collect()
    }

    /// One that waits.
    ///
    /// # Errors
    /// There is none of that id, or more than one that begins so.
    pub async fn pending_one(&self, id: &str) -> Result<GetReply, Error> {
        let stored = self.find_pending(id).await?;
        Ok(view::waiting(stored.id.clone(), read(&stored)?, stored.expires_at))
    }

    /// One in whatever state.
    ///
    /// # Errors
    /// There is none of that id.
    pub async fn snapshot(&self, id: &str) -> Result<Snapshot, Error> {
        let stored = self.0.database.approval(id).await?.ok_or(Error::Unknown)?;
        view::snapshot(&stored, read(&stored)?, verdict(&stored)?)
    }

    /// Those with an end, the newest end first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn history(&self, before: Option<(u64, String)>, limit: u64) -> Result<Vec<Snapshot>, Error> {
        let before = before.as_ref().map(|(time, id)| (*time, id.as_str()));
        let stored = self.0.database.ended_approvals(before, limit).await?;
        stored.iter().map(|stored| view::snapshot(stored, read(stored)?, verdict(stored)?)).collect()
    }

    async fn find_pending(&self, id: &str) -> Result<StoredApproval, Error> {
        let mut found: Vec<StoredApproval> = self.0.database.pending_approvals().await?;
        if let Some(position) = found.iter().position(|stored| stored.id == id) {
            return Ok(found.swap_remove(position));
        }
        found.retain(|stored| !id.is_empty() && stored.id.starts_with(id));
        if found.len() > 1 {
            return Err(Error::Ambiguous);
        }
        found.pop().ok_or(Error::Unknown)
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Option<Verdict>>>> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| CORRUPT)
}

fn read(stored: &StoredApproval) -> Result<Request, Error> {
    serde_json::from_str(&stored.request).map_err(|_| CORRUPT)
}

fn verdict(stored: &StoredApproval) -> Result<Option<Verdict>, Error> {
    stored.verdict.as_deref().map(|text| serde_json::from_str(text).map_err(|_| CORRUPT)).transpose()
}

const CORRUPT: Error = Error::Store(crate::store::Error::Corrupt("an approval"));
