//! What the model is given: the conversation, and what came with the message to answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::providers::{Picture, Prompt, Turn};
use super::settings::{ModelSettings, Settings};
use crate::protocol::chat::{Media, MediaKind, MessageRole};
use crate::store::{Database, Error, MessageFilter, MessageKind, StoredMessage, StoredSession};

/// Longest file that is shown to the model as text, in bytes.
const MAX_TEXT_FILE: usize = 256 * 1024;

/// What a prompt is made with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) database: &'a Database,
    pub(super) agent: &'a Settings,
    pub(super) model: &'a ModelSettings,
}

/// Everything up to `input`, which comes last.
pub(super) async fn prompt(
    context: Context<'_>,
    session: &StoredSession,
    input: &StoredMessage,
) -> Result<Prompt, Error> {
    let Context { database, agent: settings, .. } = context;
    let filter = MessageFilter::Newest { floor: session.reset_seq, limit: settings.history_messages, offset: 0 };
    let (messages, _) = database.messages(&session.key, filter).await?;
    // A message that waited its turn was stored before the answers to earlier ones; one that came later waits for
    // its own run. So: every answer, every earlier message, and at the end the one to answer.
    let is_earlier = |message: &StoredMessage| message.role == MessageRole::Assistant || message.seq < input.seq;
    let is_said = |message: &StoredMessage| matches!(message.kind, MessageKind::Turn | MessageKind::Injected);
    let mut turns: Vec<Turn> = messages
        .into_iter()
        .filter(|message| is_earlier(message) && is_said(message))
        .map(|message| {
            let text = message.media.iter().fold(message.text, |text, media| joined(text, &mention(media)));
            Turn::text(message.role, text)
        })
        .filter(|turn| !turn.text.is_empty())
        .collect();
    turns.push(last_turn(context, input).await?);
    Ok(Prompt { instructions: settings.instructions.clone(), turns })
}

/// With its files: pictures as pictures where the model takes them, text as text, the rest by name.
async fn last_turn(context: Context<'_>, input: &StoredMessage) -> Result<Turn, Error> {
    let mut turn = Turn::text(input.role, input.text.clone());
    for media in &input.media {
        let content = context.database.attachment(media.id()).await?.unwrap_or_default();
        if media.kind == MediaKind::Image && context.model.takes_images {
            turn.images.push(Picture { mime_type: media.content_type.clone(), base64: STANDARD.encode(content) });
            continue;
        }
        let text = if content.len() <= MAX_TEXT_FILE && media.kind == MediaKind::Document {
            String::from_utf8(content).ok()
        } else {
            None
        };
        let shown = match text {
            Some(text) => format!("[File {}]\n{text}\n[End of file]", media.file_name),
            None => format!("{} Its content cannot be shown to this model.", mention(media)),
        };
        turn.text = joined(turn.text, &shown);
    }
    Ok(turn)
}

fn mention(media: &Media) -> String {
    format!("[Attached: {}, {}, {} bytes]", media.file_name, media.content_type, media.size_bytes)
}

fn joined(text: String, more: &str) -> String {
    if text.is_empty() { more.to_owned() } else { format!("{text}\n\n{more}") }
}
