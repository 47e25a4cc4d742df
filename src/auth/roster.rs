//! The people who have come in, and the operator roles that were assigned to them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::clock::now_ms;
use crate::protocol::users::Profile;
use crate::store::{Database, Error, StoredPerson};

/// Kept in memory too, so that a connection of somebody known costs the disk nothing. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Roster {
    database: Database,
    known: Arc<RwLock<HashMap<String, StoredPerson>>>,
    /// Two assignments at a time must not end differently in memory and on disk.
    assigning: Arc<tokio::sync::Mutex<()>>,
}

impl Roster {
    /// # Errors
    /// The database could not be read.
    pub async fn open(database: Database) -> Result<Self, Error> {
        let people = database.people().await?;
        let known = people.into_iter().map(|person| (person.id.clone(), person)).collect();
        Ok(Self { database, known: Arc::new(RwLock::new(known)), assigning: Arc::default() })
    }

    /// Notes that somebody is here, and says what role was assigned to them. A disk that is full keeps nobody out: then
    /// the name alone is not kept.
    pub(super) async fn greet(&self, profile: &Profile) -> Option<Arc<str>> {
        if let Some(person) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&profile.id)
            && person.display_name == profile.display_name
            && person.emails == profile.emails
        {
            return role_of(person);
        }
        let stored =
            self.database.name_person(&profile.id, profile.display_name.as_deref(), &profile.emails, now_ms()).await;
        match stored {
            Ok(person) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                let person = match known.remove(&person.id) {
                    // An assignment that came in between is newer than what was read.
                    Some(before) => StoredPerson { role: before.role, ..person },
                    None => person,
                };
                let role = role_of(&person);
                known.insert(person.id.clone(), person);
                role
            }
            Err(error) => {
                tracing::warn!(profile = profile.id, %error, "who came in is not written down");
                self.known.read().unwrap_or_else(PoisonError::into_inner).get(&profile.id).and_then(role_of)
            }
        }
    }

    /// All who have ever come in, by id.
    #[must_use]
    pub fn people(&self) -> Vec<StoredPerson> {
        let mut people: Vec<StoredPerson> =
            self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        people.sort_by(|one, other| one.id.cmp(&other.id));
        people
    }

    pub(super) fn role_of(&self, id: &str) -> Option<Arc<str>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(id).and_then(role_of)
    }

    #[must_use]
    pub fn person(&self, id: &str) -> Option<StoredPerson> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Assigns a role or, with `None`, takes the assignment back: for the next connections. Returns `None` for somebody
    /// who never came in.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn assign(&self, id: &str, role: Option<&str>) -> Result<Option<StoredPerson>, Error> {
        let _turn = self.assigning.lock().await;
        let person = self.database.assign_role(id, role, now_ms()).await?;
        if let Some(person) = &person {
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(person.id.clone(), person.clone());
        }
        Ok(person)
    }
}

fn role_of(person: &StoredPerson) -> Option<Arc<str>> {
    person.role.as_deref().map(Arc::from)
}
