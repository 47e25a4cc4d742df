//! Which person began which session, in memory.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::sqlite::SqlitePool;

use super::SessionSeed;
use crate::store::Error;

/// As many as there are sessions that somebody in particular began. Sessions change hands only by being deleted.
#[derive(Debug, Default)]
pub struct Creators(RwLock<HashMap<String, Arc<str>>>);

impl Creators {
    pub(in crate::store) async fn read(pool: &SqlitePool) -> Result<Self, Error> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT session_key, created_by FROM sessions WHERE created_by IS NOT NULL")
                .fetch_all(pool)
                .await?;
        Ok(Self(RwLock::new(rows.into_iter().map(|(key, person)| (key, Arc::from(person))).collect())))
    }

    /// The id of the person who began a session, if anybody in particular did. From memory, as each event asks for it.
    #[must_use]
    pub fn of(&self, key: &str) -> Option<Arc<str>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// After the transaction that made the session.
    pub(super) fn began(&self, session: SessionSeed<'_>) {
        let Some(person) = session.by else { return };
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(session.key.to_owned(), Arc::from(person));
    }

    pub(super) fn forget(&self, key: &str) -> Option<Arc<str>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    pub(super) fn restore(&self, key: &str, person: Option<Arc<str>>) {
        let Some(person) = person else { return };
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), person);
    }
}
