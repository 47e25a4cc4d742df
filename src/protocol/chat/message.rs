//! One message of a transcript as the wire has it.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MessageRole {
    User,
    Assistant,
    /// The gateway's own marks: where a conversation began anew.
    System,
}

/// A user's message is one text, everything else has parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

impl Content {
    #[must_use]
    pub fn parts(text: impl Into<String>) -> Self {
        Self::Parts(vec![ContentPart::Text { text: text.into() }])
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ContentPart {
    Text { text: String },
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageRow {
    pub role: MessageRole,
    pub content: Content,
    /// Unix time in milliseconds.
    pub timestamp: u64,
    /// Which model answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Of an answer: `stop`, `aborted` or `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Of a user's message: `<run id>:user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    #[serde(rename = "__openclaw", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MessageMeta>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageMeta {
    pub id: String,
    /// From 1 within what a client can see: a reset begins anew.
    pub seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    pub record_timestamp_ms: u64,
    /// `reset` where the conversation began anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// The text is longer than what was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// Before the id of what came with a message.
pub const MEDIA_PREFIX: &str = "media://inbound/";

/// Something that came with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// [`MEDIA_PREFIX`] and the id.
    pub url: String,
    pub content_type: String,
    pub kind: MediaKind,
    pub file_name: String,
    pub size_bytes: u64,
}

impl Media {
    #[must_use]
    pub fn id(&self) -> &str {
        self.url.strip_prefix(MEDIA_PREFIX).unwrap_or(&self.url)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    Document,
}

impl MediaKind {
    #[must_use]
    pub fn of(content_type: &str) -> Self {
        match content_type.split('/').next() {
            Some("image") => Self::Image,
            Some("audio") => Self::Audio,
            Some("video") => Self::Video,
            _ => Self::Document,
        }
    }
}

impl MessageRow {
    /// A message that is not stored: what a run has said so far.
    #[must_use]
    pub fn assistant(text: &str, timestamp: u64) -> Self {
        Self {
            role: MessageRole::Assistant,
            content: Content::parts(text),
            timestamp,
            provider: None,
            model: None,
            usage: None,
            stop_reason: None,
            error_message: None,
            idempotency_key: None,
            meta: None,
        }
    }
}

/// Tokens, as the provider counts them. Without `cost`: no price list is known here, and a wrong 0 is worse than
/// nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    pub total_tokens: u64,
}

impl Usage {
    #[must_use]
    pub const fn of(input: u64, output: u64) -> Self {
        Self { input, output, total_tokens: input.saturating_add(output) }
    }
}
