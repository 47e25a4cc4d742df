//! Conversations: their keys, their list, their transcripts. What runs in them is `agent`'s; how they are stored is
//! `store`'s. Called by `rpc` and by `agent`.

mod keys;
mod rows;

use std::sync::{Arc, Mutex, PoisonError};

pub use keys::{KeyError, MAIN, SessionKey};
pub use rows::message_row;

use crate::clock::now_ms;
use crate::protocol::chat::{HistoryReply, PendingInput, PendingInputs};
use crate::protocol::sessions::{ListParams, ListReply, SessionRow};
use crate::protocol::system::{ModelDefaults, RecentSession, SessionCount};
use crate::store::{Database, Error, MessageFilter, SessionFilter, StoredMessage, StoredSession};

const DEFAULT_LIST: u32 = 100;
const MAX_LIST: u32 = 1_000;
const DEFAULT_HISTORY: u32 = 200;
const MAX_HISTORY: u32 = 1_000;
const RECENT: u32 = 5;
/// Of one `chat.history` answer (protocol §1), and what a message costs beside its text.
const MAX_HISTORY_BYTES: usize = 6 * 1024 * 1024;
const MESSAGE_OVERHEAD: usize = 400;

/// What runs in a session right now. Answered by the agent.
pub trait ActiveRuns: Send + Sync + 'static {
    /// Run ids, oldest first; those after the first wait for their turn.
    fn of_session(&self, key: &str) -> Vec<String>;
}

#[derive(Clone)]
pub struct Sessions {
    database: Database,
    runs: Arc<dyn ActiveRuns>,
    defaults: ModelDefaults,
    default_agent: String,
    /// Shown to admins.
    path: String,
    counted: Arc<Mutex<Option<Counted>>>,
    listed: Arc<Mutex<Option<Listed>>>,
}

impl Sessions {
    #[must_use]
    pub fn new(
        database: Database,
        runs: Arc<dyn ActiveRuns>,
        defaults: ModelDefaults,
        default_agent: String,
        path: String,
    ) -> Self {
        Self { database, runs, defaults, default_agent, path, counted: Arc::default(), listed: Arc::default() }
    }

    /// # Errors
    /// The text is no key.
    pub fn key(&self, text: &str) -> Result<SessionKey, KeyError> {
        SessionKey::parse(text, &self.default_agent)
    }

    #[must_use]
    pub const fn defaults(&self) -> &ModelDefaults {
        &self.defaults
    }

    /// # Errors
    /// The database could not be read.
    pub async fn list(&self, params: &ListParams) -> Result<ListReply, Error> {
        let page = self.page(params).await?;
        let offset = params.offset.unwrap_or(0);
        let shown = offset + page.rows.len() as u64;
        let has_more = shown < page.total;
        Ok(ListReply {
            ts: now_ms(),
            path: self.path.clone(),
            count: page.rows.len(),
            total_count: page.total,
            limit_applied: limit_of(params),
            next_offset: has_more.then_some(shown),
            has_more,
            defaults: self.defaults.clone(),
            sessions: page.rows.iter().map(|row| self.live(row)).collect(),
        })
    }

    /// The stored part of a list. Clients ask for the same one again and again, so it is read anew only when
    /// something has changed.
    async fn page(&self, params: &ListParams) -> Result<Arc<Page>, Error> {
        let generation = self.database.generation();
        if let Some((known_at, asked, page)) = &*self.listed.lock().unwrap_or_else(PoisonError::into_inner)
            && *known_at == generation
            && asked == params
        {
            return Ok(Arc::clone(page));
        }
        let since = params.active_minutes.map(|minutes| now_ms().saturating_sub(minutes.saturating_mul(60_000)));
        let filter = SessionFilter {
            agent_id: params.agent_id.clone(),
            search: params.search.clone().filter(|search| !search.trim().is_empty()),
            updated_since: since,
            limit: limit_of(params),
            offset: params.offset.unwrap_or(0),
        };
        let (stored, total) = self.database.sessions(&filter).await?;
        let mut rows = Vec::with_capacity(stored.len());
        for session in stored {
            rows.push(self.with_texts(session, params.include_derived_titles, params.include_last_message).await?);
        }
        let page = Arc::new(Page { rows, total });
        // A list of what was active lately changes with the clock, too.
        if since.is_none() {
            let listed = (generation, params.clone(), Arc::clone(&page));
            *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed);
        }
        Ok(page)
    }

    /// # Errors
    /// The database could not be read.
    pub async fn describe(&self, key: &SessionKey, title: bool, last: bool) -> Result<Option<SessionRow>, Error> {
        match self.database.session(key.as_str()).await? {
            Some(session) => Ok(Some(self.live(&self.with_texts(session, title, last).await?))),
            None => Ok(None),
        }
    }

    async fn with_texts(&self, session: StoredSession, title: bool, last: bool) -> Result<Row, Error> {
        Ok(Row {
            derived_title: if title { self.first_text(&session.key).await? } else { None },
            last_message_preview: if last { self.last_text(&session.key).await? } else { None },
            session,
        })
    }

    /// Adds what is true of this moment alone.
    fn live(&self, row: &Row) -> SessionRow {
        let session = &row.session;
        let active_run_ids = self.runs.of_session(&session.key);
        SessionRow {
            key: session.key.clone(),
            kind: "direct",
            agent_id: session.agent_id.clone(),
            is_main: session.key.splitn(3, ':').nth(2) == Some(MAIN),
            label: session.label.clone(),
            derived_title: row.derived_title.clone(),
            last_message_preview: row.last_message_preview.clone(),
            session_id: session.session_id.clone(),
            updated_at: session.updated_at,
            archived: false,
            pinned: false,
            unread: false,
            model_provider: self.defaults.model_provider.clone(),
            model: self.defaults.model.clone(),
            last_run_id: session.last_run_id.clone(),
            snapshot_at: now_ms(),
            has_active_run: !active_run_ids.is_empty(),
            active_run_ids,
        }
    }

    async fn first_text(&self, key: &str) -> Result<Option<String>, Error> {
        let (messages, _) = self.database.messages(key, MessageFilter::After { seq: 0, limit: 1 }).await?;
        Ok(messages.first().map(|message| rows::title(&message.text)))
    }

    async fn last_text(&self, key: &str) -> Result<Option<String>, Error> {
        let (messages, _) = self.database.messages(key, MessageFilter::Newest { limit: 1, offset: 0 }).await?;
        Ok(messages.last().map(|message| rows::preview(&message.text)))
    }

    /// A part of a transcript. `shown_key` is echoed as the client sent it; `after` asks for what came later than
    /// that seq.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn history(
        &self,
        key: &SessionKey,
        shown_key: String,
        limit: Option<u32>,
        offset: u64,
        after: Option<u64>,
    ) -> Result<HistoryReply, Error> {
        let limit = limit.unwrap_or(DEFAULT_HISTORY).clamp(1, MAX_HISTORY);
        let filter = match after {
            Some(seq) => MessageFilter::After { seq, limit },
            None => MessageFilter::Newest { limit, offset },
        };
        let (stored, total) = self.database.messages(key.as_str(), filter).await?;
        let stored = within_cap(stored, after.is_none());
        let info = self.describe(key, false, false).await?;
        let shown = offset + stored.len() as u64;
        let has_more = after.is_none() && shown < total;
        let last_seq = stored.last().map_or(after.unwrap_or(0), |message| message.seq);
        let waiting: Vec<PendingInput> =
            self.runs.of_session(key.as_str()).into_iter().skip(1).map(|run_id| PendingInput { run_id }).collect();
        Ok(HistoryReply {
            kind: after.map(|_| "delta"),
            session_key: shown_key,
            session_id: info.as_ref().map(|info| info.session_id.clone()),
            messages: stored.iter().map(message_row).collect(),
            pending_inputs: PendingInputs { total: waiting.len(), items: waiting },
            delta_cursor: last_seq.to_string(),
            next_offset: has_more.then_some(shown),
            has_more,
            total_messages: total,
            defaults: self.defaults.clone(),
            session_info: info,
        })
    }

    /// For `health` and `status`: how many there are and the latest. Asked for with every connection, so it is read
    /// anew only when something has changed.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn count(&self) -> Result<SessionCount, Error> {
        let generation = self.database.generation();
        let known = self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
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
        Ok(SessionCount { path: self.path.clone(), count: *count, recent })
    }

    async fn count_anew(&self, generation: u64) -> Result<Counted, Error> {
        let filter = SessionFilter { limit: RECENT, ..SessionFilter::default() };
        let (recent, count) = self.database.sessions(&filter).await?;
        let counted = Arc::new((generation, recent, count));
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&counted));
        Ok(counted)
    }
}

/// At which generation of the store, the latest sessions, how many in all.
type Counted = Arc<(u64, Vec<StoredSession>, u64)>;

/// At which generation of the store, what was asked, the answer's stored part.
type Listed = (u64, ListParams, Arc<Page>);

struct Page {
    rows: Vec<Row>,
    total: u64,
}

struct Row {
    session: StoredSession,
    derived_title: Option<String>,
    last_message_preview: Option<String>,
}

fn limit_of(params: &ListParams) -> u32 {
    params.limit.unwrap_or(DEFAULT_LIST).clamp(1, MAX_LIST)
}

/// Keeps as many messages as fit into one answer: the last ones of a page of the newest, else the first.
fn within_cap(messages: Vec<StoredMessage>, keeps_last: bool) -> Vec<StoredMessage> {
    let mut room = MAX_HISTORY_BYTES;
    let mut fits = |message: &StoredMessage| {
        let size = message.text.len() + MESSAGE_OVERHEAD;
        let fitting = size <= room;
        room = room.saturating_sub(size);
        fitting
    };
    if keeps_last {
        let kept = messages.iter().rev().take_while(|message| fits(message)).count();
        let skipped = messages.len() - kept.max(1).min(messages.len());
        messages.into_iter().skip(skipped).collect()
    } else {
        let kept = messages.iter().take_while(|message| fits(message)).count();
        messages.into_iter().take(kept.max(1)).collect()
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sessions").field("path", &self.path).finish_non_exhaustive()
    }
}
