//! What a command may be run by: an approval stands behind one command, for whoever asked for it, for a moment.
//!
//! Kept in memory on purpose: after a restart nothing stands behind anything, and it has to be asked again.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Approvals, Error, read, verdict};
use crate::clock::now_ms;
use crate::protocol::approvals::{Decision, Reason, SystemRunPlan};
use crate::secret::fingerprint;

/// How long after the decision the command may be begun.
const GRACE_MS: u64 = 15_000;
/// Approvals that something may stand behind at a time. The oldest makes room: who comes too late asks again.
const MAX_HELD: usize = 1_024;

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    pub device: Option<String>,
    pub connection: String,
}

/// Somebody says that a command was approved.
#[derive(Debug)]
pub struct Claim<'a> {
    pub id: &'a str,
    pub node_id: &'a str,
    pub by: &'a Requester,
    /// Beside the node's own.
    pub env: &'a BTreeMap<String, String>,
}

/// What was approved: this is run, whatever else was sent.
#[derive(Debug)]
pub struct Backing {
    pub plan: SystemRunPlan,
    pub decision: Decision,
}

/// Why nothing stands behind a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unbacked {
    Unknown,
    Expired,
    /// It is for no node at all.
    NoNode,
    OtherNode,
    OtherDevice,
    OtherClient,
    /// Its environment was not part of what was asked.
    EnvMissing,
    EnvDiffers,
    /// Nobody has allowed it, or it was used.
    NotAllowed,
}

#[derive(Debug)]
struct Held {
    by: Requester,
    /// `None` without any.
    env: Option<String>,
    held_at: u64,
    is_used: bool,
}

/// By the approval's id.
#[derive(Debug, Default)]
pub(super) struct Backings(Mutex<HashMap<String, Held>>);

impl Backings {
    pub(super) fn hold(&self, id: &str, by: Requester, env: &BTreeMap<String, String>, now: u64) {
        let mut held = self.held();
        if held.len() >= MAX_HELD
            && let Some(oldest) = held.iter().min_by_key(|(_, held)| held.held_at).map(|(id, _)| id.clone())
        {
            held.remove(&oldest);
        }
        held.insert(id.to_owned(), Held { by, env: hash(env), held_at: now, is_used: false });
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, claim: &Claim<'_>) -> Result<(), Unbacked> {
        let held = self.held();
        let held = held.get(claim.id).ok_or(Unbacked::Unknown)?;
        match &held.by.device {
            Some(device) if claim.by.device.as_ref() != Some(device) => return Err(Unbacked::OtherDevice),
            None if held.by.connection != claim.by.connection => return Err(Unbacked::OtherClient),
            _ => {}
        }
        match (&held.env, hash(claim.env)) {
            (asked, given) if *asked == given => Ok(()),
            (None, _) => Err(Unbacked::EnvMissing),
            _ => Err(Unbacked::EnvDiffers),
        }
    }

    /// Uses up an approval for one time. Returns whether it was still good: of two that come at once, one has it.
    fn take(&self, id: &str) -> bool {
        self.held().get_mut(id).is_some_and(|held| !std::mem::replace(&mut held.is_used, true))
    }
}

fn hash(env: &BTreeMap<String, String>) -> Option<String> {
    (!env.is_empty()).then(|| fingerprint(&serde_json::to_string(env).unwrap_or_default()))
}

impl Approvals {
    /// Redeems an approval: one for one time is used up by it.
    ///
    /// # Errors
    /// The records could not be read; otherwise, whether something stands behind the claim.
    pub async fn redeem(&self, claim: &Claim<'_>) -> Result<Result<Backing, Unbacked>, Error> {
        let Some(stored) = self.0.database.approval(claim.id).await? else { return Ok(Err(Unbacked::Unknown)) };
        let (request, verdict) = (read(&stored)?, verdict(&stored)?);
        let now = now_ms();
        let found = match (request.node_id.as_deref(), request.system_run_plan) {
            _ if stored.resolved_at.is_some_and(|at| now > at + GRACE_MS) => Err(Unbacked::Unknown),
            _ if now > stored.expires_at => Err(Unbacked::Expired),
            (None, _) | (_, None) => Err(Unbacked::NoNode),
            (Some(node), _) if node != claim.node_id => Err(Unbacked::OtherNode),
            (Some(_), Some(plan)) => self.0.backings.check(claim).map(|()| plan),
        };
        let allowed = verdict.filter(|verdict| verdict.reason == Reason::User).and_then(|verdict| verdict.decision);
        Ok(found.and_then(|plan| match allowed {
            Some(Decision::AllowAlways) => Ok(Backing { plan, decision: Decision::AllowAlways }),
            Some(Decision::AllowOnce) if self.0.backings.take(claim.id) => {
                Ok(Backing { plan, decision: Decision::AllowOnce })
            }
            _ => Err(Unbacked::NotAllowed),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(device: Option<&str>, connection: &str) -> Requester {
        Requester { device: device.map(str::to_owned), connection: connection.to_owned() }
    }

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_approval_is_for_who_asked_and_for_what_was_asked() {
        let backings = Backings::default();
        let (none, some, other) = (env(&[]), env(&[("A", "1")]), env(&[("A", "2")]));
        backings.hold("device", by(Some("d"), "c1"), &none, 1);
        backings.hold("program", by(None, "c1"), &some, 1);
        let check = |id, by: Requester, env| backings.check(&Claim { id, node_id: "n", by: &by, env });
        assert_eq!(check("none", by(None, "c1"), &none), Err(Unbacked::Unknown));
        assert_eq!(check("device", by(Some("d"), "c2"), &none), Ok(()), "it may have connected anew");
        assert_eq!(check("device", by(Some("e"), "c1"), &none), Err(Unbacked::OtherDevice));
        assert_eq!(check("device", by(None, "c1"), &none), Err(Unbacked::OtherDevice));
        assert_eq!(check("device", by(Some("d"), "c1"), &some), Err(Unbacked::EnvMissing));
        assert_eq!(check("program", by(None, "c1"), &some), Ok(()));
        assert_eq!(check("program", by(None, "c2"), &some), Err(Unbacked::OtherClient));
        assert_eq!(check("program", by(None, "c1"), &other), Err(Unbacked::EnvDiffers));
        assert_eq!(check("program", by(None, "c1"), &none), Err(Unbacked::EnvDiffers));
        assert!(backings.take("device") && !backings.take("device"), "once");
    }

    #[test]
    fn the_oldest_makes_room() {
        let backings = Backings::default();
        for number in 0..=MAX_HELD {
            backings.hold(&number.to_string(), by(None, "c"), &env(&[]), number as u64);
        }
        assert_eq!(backings.held().len(), MAX_HELD);
        assert!(!backings.take("0") && backings.take("1"));
    }
}
