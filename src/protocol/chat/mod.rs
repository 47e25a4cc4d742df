//! `chat.*`: a conversation's messages and the runs that answer them (protocol §6, "Chat").

mod event;
mod history;
mod message;
mod send;

pub use event::{ChatEvent, ChatState, RunPhase};
pub use history::{
    ChatHistory, ChatMetadata, ChatStartup, DeltaReply, HistoryParams, HistoryReply, MetadataParams, MetadataReply,
    PendingInput, PendingInputs, Resolution, Startup, StartupParams, StartupReply, Transcript, TranscriptPage,
};
pub use message::{Content, ContentPart, MEDIA_PREFIX, Media, MediaKind, MessageMeta, MessageRole, MessageRow, Usage};
pub use send::{
    AbortParams, AbortReply, AttachmentParams, ChatAbort, ChatInject, ChatSend, InjectParams, InjectReply, SendParams,
    SendReply, Started, StartedStatus,
};

use super::methods;

methods![ChatHistory, ChatStartup, ChatMetadata, ChatSend, ChatAbort, ChatInject];
