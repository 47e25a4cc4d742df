//! What is in force of a caller's rights while its connection lasts. They are judged again when the tailnet or the rules
//! change, and only ever become less: whoever is given more gets it with a new connection.

use std::sync::{Arc, Mutex, PoisonError};

use super::close::Close;
use crate::approvals::Seat;
use crate::auth::{Caller, Ending, Judged, Settings};
use crate::live::Live;
use crate::net::Identities;
use crate::nodes::Allowance;
use crate::protocol::Scope;

#[derive(Debug)]
pub(super) struct Standing {
    connection: Arc<str>,
    caller: Live<Caller>,
    /// Of a node: what it may still be asked for.
    allowance: Arc<Allowance>,
    /// Among those who are asked about approvals. Held while it is judged, too: two judgements at a time must not undo
    /// each other.
    seat: Mutex<Option<Seat>>,
}

impl Standing {
    pub(super) fn new(
        connection: Arc<str>,
        caller: Arc<Caller>,
        allowance: Arc<Allowance>,
        seat: Option<Seat>,
    ) -> Self {
        Self { connection, caller: Live::new(caller), allowance, seat: Mutex::new(seat) }
    }

    /// As it is now. A request takes it once.
    pub(super) fn caller(&self) -> Arc<Caller> {
        self.caller.get()
    }

    /// Judges again, and says so where anything changes. Returns the close that is due, if one is.
    pub(super) fn judge_again(&self, identities: &Identities, rules: &Arc<Settings>) -> Option<Close> {
        let mut seat = self.seat.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.caller();
        let newest = identities.at(before.address());
        match before.judge_again(newest.as_ref(), rules) {
            Judged::Stands => None,
            Judged::Narrowed { caller, why } => {
                tracing::warn!(
                    conn.id = %self.connection, peer.addr = %before.address(), peer.login = before.login(),
                    role = before.role().as_str(), before = %list(before.scopes()), now = %list(caller.scopes()),
                    reason = why, "the rights of a connection were narrowed"
                );
                if !caller.may(Scope::Approvals) {
                    *seat = None;
                }
                self.allowance.set(caller.commands().cloned());
                self.caller.set(*caller);
                None
            }
            Judged::Ended { why } => {
                let reason = match &why {
                    Ending::Auth => "authentication has changed",
                    Ending::OperatorRole => "the operator role has changed",
                    Ending::Identity(words) => words.as_str(),
                };
                tracing::warn!(
                    conn.id = %self.connection, peer.addr = %before.address(), peer.login = before.login(),
                    role = before.role().as_str(), reason, "a connection was put out"
                );
                Some(match why {
                    Ending::Auth => Close::AUTH_CHANGED,
                    Ending::OperatorRole => Close::OPERATOR_ROLE_CHANGED,
                    Ending::Identity(words) => Close::rights_changed(&words),
                })
            }
        }
    }
}

fn list(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}
