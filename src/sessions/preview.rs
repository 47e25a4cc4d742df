//! A few words of several sessions: `sessions.preview`.

use super::rows::shorten;
use super::{SessionKey, Sessions};
use crate::protocol::sessions::{Preview, PreviewItem, PreviewStatus};
use crate::store::{Error, MessageFilter, MessageKind};

const DEFAULT_ITEMS: u32 = 12;
const MAX_ITEMS: u32 = 50;
const DEFAULT_CHARACTERS: u32 = 240;
const MAX_CHARACTERS: u32 = 2_000;

impl Sessions {
    /// # Errors
    /// The database could not be read.
    pub async fn preview(
        &self,
        key: &SessionKey,
        shown_key: String,
        limit: Option<u32>,
        max_chars: Option<u32>,
    ) -> Result<Preview, Error> {
        let Some(session) = self.stored(key).await? else {
            return Ok(Preview { key: shown_key, status: PreviewStatus::Missing, items: Vec::new() });
        };
        let limit = limit.unwrap_or(DEFAULT_ITEMS).min(MAX_ITEMS);
        let characters = max_chars.unwrap_or(DEFAULT_CHARACTERS).min(MAX_CHARACTERS) as usize;
        let filter = MessageFilter::Newest { floor: session.reset_seq, limit, offset: 0 };
        let (messages, _) = self.0.database.messages(key.as_str(), filter).await?;
        let items: Vec<PreviewItem> = messages
            .iter()
            .filter(|message| message.kind != MessageKind::Reset && !message.text.is_empty())
            .map(|message| PreviewItem { role: message.role, text: shorten(&message.text, characters) })
            .collect();
        let status = if items.is_empty() { PreviewStatus::Empty } else { PreviewStatus::Ok };
        Ok(Preview { key: shown_key, status, items })
    }
}
