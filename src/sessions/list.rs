//! The list of sessions, and how many there are.

use std::sync::{Arc, PoisonError};

use super::models::Models;
use super::rows::{preview, session_row, title};
use super::{SessionKey, Sessions};
use crate::clock::now_ms;
use crate::protocol::Encoded;
use crate::protocol::sessions::{Archived, ListParams, ListReply, People, SessionRow, SortBy};
use crate::protocol::system::{ModelDefaults, RecentSession, SessionCount};
use crate::store::{Error, MessageFilter, SessionFilter, SessionOrder, StoredSession};

const DEFAULT_LIST: u32 = 100;
const MAX_LIST: u32 = 1_000;
const RECENT: u32 = 5;

/// At which generation of the store, the latest sessions, how many in all.
pub(super) type Counted = Arc<(u64, Vec<StoredSession>, u64)>;

/// The count as `health` shows it: at which generation of the store, in which millisecond, with the path or without.
pub(super) struct EncodedCount {
    asked: (u64, u64, bool),
    count: Encoded<SessionCount>,
}

/// A page of the list, and when and for whom it was read.
pub(super) struct Listed {
    /// Of the store, and of what runs.
    generation: (u64, u64),
    models: Arc<Models>,
    asked: ListParams,
    page: Arc<Page>,
}

pub(super) struct Page {
    rows: Encoded<Vec<SessionRow>>,
    count: usize,
    total: u64,
    defaults: ModelDefaults,
}

impl Sessions {
    /// # Errors
    /// The database could not be read.
    pub async fn list(&self, params: &ListParams) -> Result<ListReply, Error> {
        let page = self.page(params).await?;
        let offset = params.offset.unwrap_or(0);
        let shown = offset + page.count as u64;
        let has_more = shown < page.total;
        Ok(ListReply {
            ts: now_ms(),
            path: self.0.settings.path.clone(),
            count: page.count,
            total_count: page.total,
            limit_applied: limit_of(params),
            offset: params.offset,
            next_offset: has_more.then_some(shown),
            has_more,
            owners: [],
            people: params.include_people.then_some(People {
                people: [],
                people_incomplete: false,
                people_session_count: page.total,
            }),
            defaults: page.defaults.clone(),
            sessions: page.rows.clone(),
        })
    }

    /// Clients ask for the same page again and again, so it is read and encoded anew only when something has changed.
    async fn page(&self, params: &ListParams) -> Result<Arc<Page>, Error> {
        let generation = (self.0.database.generation(), self.0.runs.changes());
        let models = self.models();
        if let Some(listed) = &*self.0.listed.lock().unwrap_or_else(PoisonError::into_inner)
            && listed.generation == generation
            && Arc::ptr_eq(&listed.models, &models)
            && listed.asked == *params
        {
            return Ok(Arc::clone(&listed.page));
        }
        let filter = filter(params);
        let is_timeless = filter.updated_since.is_none();
        let (stored, total) =
            if params.fits_none() { (Vec::new(), 0) } else { self.0.database.sessions(&filter).await? };
        let mut rows = Vec::with_capacity(stored.len());
        for session in &stored {
            let row = session_row(session, &models);
            let row = self.with_texts(row, session, params.include_derived_titles, params.include_last_message).await?;
            rows.push(self.live(row, now_ms()));
        }
        let encoded = Encoded::new(&rows).map_err(|_| Error::Corrupt("the list of sessions"))?;
        let (count, defaults) = (rows.len(), models.defaults().clone());
        let page = Arc::new(Page { rows: encoded, count, total, defaults });
        // A list of what was active lately changes with the clock, too.
        if is_timeless {
            let listed = Listed { generation, models, asked: params.clone(), page: Arc::clone(&page) };
            *self.0.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed);
        }
        Ok(page)
    }

    /// # Errors
    /// The database could not be read.
    pub async fn describe(&self, key: &SessionKey, title: bool, last: bool) -> Result<Option<SessionRow>, Error> {
        match self.stored(key).await? {
            Some(session) => {
                let row = session_row(&session, &self.models());
                Ok(Some(self.live(self.with_texts(row, &session, title, last).await?, now_ms())))
            }
            None => Ok(None),
        }
    }

    async fn with_texts(
        &self,
        mut row: SessionRow,
        session: &StoredSession,
        wants_title: bool,
        last: bool,
    ) -> Result<SessionRow, Error> {
        let database = &self.0.database;
        if wants_title {
            let filter = MessageFilter::After { seq: session.reset_seq, limit: 2 };
            let (messages, _) = database.messages(&session.key, filter).await?;
            row.derived_title = messages.iter().find(|message| is_text(message)).map(|message| title(&message.text));
        }
        if last {
            let filter = MessageFilter::Newest { floor: session.reset_seq, limit: 1, offset: 0 };
            let (messages, _) = database.messages(&session.key, filter).await?;
            let message = messages.iter().find(|message| is_text(message));
            row.last_message_preview = message.map(|message| preview(&message.text));
        }
        Ok(row)
    }

    /// Adds what is true of this moment alone.
    pub(super) fn live(&self, row: SessionRow, now: u64) -> SessionRow {
        let active_run_ids = self.0.runs.of_session(&row.key);
        SessionRow { snapshot_at: now, has_active_run: !active_run_ids.is_empty(), active_run_ids, ..row }
    }

    /// [`Sessions::count`] for `health`, which shows it twice and is asked for by everybody: encoded once a millisecond,
    /// because the ages in it change by then. `shows_path` for admins.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn encoded_count(&self, shows_path: bool) -> Result<Encoded<SessionCount>, Error> {
        let asked = (self.0.database.generation(), now_ms(), shows_path);
        if let Some(known) = &*self.0.encoded_count.lock().unwrap_or_else(PoisonError::into_inner)
            && known.asked == asked
        {
            return Ok(known.count.clone());
        }
        let mut count = self.count().await?;
        if !shows_path {
            count.path.clear();
        }
        let count = Encoded::new(&count).map_err(|_| Error::Corrupt("the count of the sessions"))?;
        let known = EncodedCount { asked, count: count.clone() };
        *self.0.encoded_count.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(count)
    }

    /// For `status`: how many there are and the latest. Read anew only when something has changed.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn count(&self) -> Result<SessionCount, Error> {
        let generation = self.0.database.generation();
        let known = self.0.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let counted = match known {
            Some(known) if known.0 == generation => known,
            _ => self.count_anew(generation).await?,
        };
        let now = now_ms();
        let (_, recent, count) = &*counted;
        let recent = recent
            .iter()
            .map(|session| RecentSession {
                key: session.key.clone(),
                updated_at: session.updated_at,
                age: now.saturating_sub(session.updated_at),
            })
            .collect();
        Ok(SessionCount { path: self.0.settings.path.clone(), count: *count, recent })
    }

    /// The count as it is shown to those to whom no session is.
    ///
    /// # Errors
    /// It does not serialise, which is our fault.
    pub fn encoded_none() -> Result<Encoded<SessionCount>, Error> {
        Encoded::new(&SessionCount::default()).map_err(|_| Error::Corrupt("the count of the sessions"))
    }

    async fn count_anew(&self, generation: u64) -> Result<Counted, Error> {
        let filter = SessionFilter { limit: RECENT, order: SessionOrder::Recent, ..SessionFilter::default() };
        let (recent, count) = self.0.database.sessions(&filter).await?;
        let counted = Arc::new((generation, recent, count));
        *self.0.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&counted));
        Ok(counted)
    }
}

fn is_text(message: &crate::store::StoredMessage) -> bool {
    message.kind != crate::store::MessageKind::Reset && !message.text.trim().is_empty()
}

fn filter(params: &ListParams) -> SessionFilter {
    let since = params.active_minutes.map(|minutes| now_ms().saturating_sub(minutes.saturating_mul(60_000)));
    SessionFilter {
        agent_id: params.agent_id.clone(),
        search: params.search.clone().filter(|search| !search.trim().is_empty()),
        label: params.label.clone(),
        session_id: None,
        created_by: params.creator_id.clone(),
        parent_key: params.spawned_by.clone(),
        updated_since: since,
        archived: match params.archived {
            Archived::Only(archived) => Some(archived),
            Archived::All(_) => None,
        },
        with_interaction: params.require_last_interaction,
        order: match params.sort_by {
            SortBy::UpdatedAt => SessionOrder::Updated,
            SortBy::LastInteractionAt => SessionOrder::LastInteraction,
        },
        limit: limit_of(params),
        offset: params.offset.unwrap_or(0),
    }
}

fn limit_of(params: &ListParams) -> u32 {
    params.limit.unwrap_or(DEFAULT_LIST).clamp(1, MAX_LIST)
}
