//! From what a person or a link says of a session to its key.

use super::{KeyError, Sessions};
use crate::store::{Error, SessionFilter, StoredSession};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Key(String),
    SessionId(String),
    Label(String),
    /// The first 8 to 32 hexadecimal digits of a session id, dashes left out.
    ShortId(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("No session found: {0}")]
    Unknown(String),
    #[error("No session found with label: {0}")]
    UnknownLabel(String),
    #[error("Multiple sessions found: {0}")]
    Ambiguous(String),
    #[error("shortId must be 8-32 hexadecimal characters")]
    ShortId,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] Error),
}

/// Which sessions come into question.
#[derive(Debug, Clone, Default)]
pub struct Among {
    pub agent_id: Option<String>,
    pub parent_key: Option<String>,
    /// The id of the person who began them.
    pub created_by: Option<String>,
}

impl Sessions {
    /// # Errors
    /// There is no such session, or more than one.
    pub async fn resolve(&self, reference: &Reference, among: Among) -> Result<StoredSession, ResolveError> {
        let filter = SessionFilter {
            agent_id: among.agent_id,
            parent_key: among.parent_key,
            created_by: among.created_by,
            limit: 2,
            ..SessionFilter::default()
        };
        let (found, text) = match reference {
            Reference::Key(text) => {
                let key = self.key(text)?;
                let fits = |session: &StoredSession| {
                    filter.agent_id.as_ref().is_none_or(|agent| *agent == session.agent_id)
                        && (filter.parent_key.is_none() || filter.parent_key == session.parent_key)
                        && filter.created_by.as_deref().is_none_or(|person| self.is_of(&key, person))
                };
                (self.stored(&key).await?.filter(fits).into_iter().collect(), key.to_string())
            }
            Reference::SessionId(id) => {
                let filter = SessionFilter { session_id: Some(id.clone()), ..filter };
                (self.0.database.sessions(&filter).await?.0, id.clone())
            }
            Reference::Label(label) => {
                let filter = SessionFilter { label: Some(label.clone()), ..filter };
                let found = self.0.database.sessions(&filter).await?.0;
                if found.is_empty() {
                    return Err(ResolveError::UnknownLabel(label.clone()));
                }
                (found, label.clone())
            }
            Reference::ShortId(short) => {
                let dashed = dashed(short).ok_or(ResolveError::ShortId)?;
                let filter = SessionFilter { search: Some(dashed.clone()), limit: 50, ..filter };
                let found = self.0.database.sessions(&filter).await?.0;
                (found.into_iter().filter(|session| session.session_id.starts_with(&dashed)).collect(), short.clone())
            }
        };
        let mut found: std::vec::IntoIter<StoredSession> = Vec::into_iter(found);
        match (found.next(), found.next()) {
            (Some(session), None) => Ok(session),
            (None, _) => Err(ResolveError::Unknown(text)),
            (Some(_), Some(_)) => Err(ResolveError::Ambiguous(text)),
        }
    }
}

/// The beginning of a UUID as it is stored: with its dashes.
fn dashed(short: &str) -> Option<String> {
    let is_hexadecimal = short.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !(8..=32).contains(&short.len()) || !is_hexadecimal {
        return None;
    }
    let mut text = String::with_capacity(36);
    for (position, digit) in short.to_ascii_lowercase().chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_is_the_beginning_of_a_uuid() {
        assert_eq!(dashed("001BA21D").as_deref(), Some("001ba21d"));
        assert_eq!(dashed("001ba21d455e4").as_deref(), Some("001ba21d-455e-4"));
        assert_eq!(dashed("001ba21"), None);
        assert_eq!(dashed("zzzzzzzz"), None);
    }
}
