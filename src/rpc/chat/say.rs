//! Saying something in a session, by whichever method: the bounds, the commands, the start of the run.

use std::time::Duration;

use super::{Chat, attachments, command};
use crate::agent::{Input, Leaf, Started};
use crate::protocol::access::Scope;
use crate::protocol::chat::{AttachmentParams, SendReply, Started as StartedReply, StartedStatus};
use crate::protocol::sessions::ThinkingLevel;
use crate::protocol::{ErrorCode, ErrorShape};
use crate::rpc::Context;
use crate::sessions::SessionKey;
use crate::store::{NewAttachment, RunStatus};

/// Longest message, in bytes: what a model could ever read.
const MAX_MESSAGE: usize = 2 * 1024 * 1024;
const MAX_RUN_ID: usize = 256;

/// Name, as it is written, what it does.
pub(super) const COMMANDS: [(&str, &str, &str); 3] = [
    ("stop", "/stop", "Stop the current run."),
    ("reset", "/reset", "Reset the current session."),
    ("new", "/new", "Start a new session."),
];

/// Something that is to be said.
#[derive(Debug)]
pub(in crate::rpc) struct Say {
    pub(in crate::rpc) run_id: String,
    pub(in crate::rpc) text: String,
    pub(in crate::rpc) attachments: Vec<NewAttachment>,
    pub(in crate::rpc) thinking: Option<String>,
    pub(in crate::rpc) timeout: Option<Duration>,
    pub(in crate::rpc) leaf: Leaf,
    /// A text that looks like a command is none.
    pub(in crate::rpc) is_literal: bool,
    /// The id of the person who says it.
    pub(in crate::rpc) by: Option<String>,
}

/// What a text asks the gateway itself to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Command<'a> {
    Stop,
    /// With what is to be said afterwards.
    Reset {
        reason: &'static str,
        answer: &'static str,
        then: &'a str,
    },
}

impl Say {
    pub(in crate::rpc) const fn new(run_id: String, text: String) -> Self {
        Self {
            run_id,
            text,
            attachments: Vec::new(),
            thinking: None,
            timeout: None,
            leaf: Leaf::Any,
            is_literal: false,
            by: None,
        }
    }

    pub(in crate::rpc) fn with_attachments(mut self, params: &[AttachmentParams]) -> Result<Self, ErrorShape> {
        self.attachments = attachments::read(params)?;
        Ok(self)
    }

    pub(in crate::rpc) fn command(&self) -> Option<Command<'_>> {
        if self.is_literal { None } else { Command::of(&self.text) }
    }

    /// Beginning a session anew takes the scope of `sessions.reset`, however it is asked for.
    pub(in crate::rpc) fn allowed_to(mut self, context: &Context) -> Result<Self, ErrorShape> {
        self.by = context.person();
        if let Some(Command::Reset { .. }) = self.command() {
            context.require(Scope::Admin)?;
        }
        Ok(self)
    }
}

impl<'a> Command<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (word, then) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let then = then.trim();
        match word.to_ascii_lowercase().as_str() {
            "/stop" if then.is_empty() => Some(Self::Stop),
            "/new" => Some(Self::Reset { reason: "new", answer: "✅ New session started.", then }),
            "/reset" => Some(Self::Reset { reason: "reset", answer: "✅ Session reset.", then }),
            _ => None,
        }
    }
}

impl Chat {
    /// Answered once it is on disk.
    pub(in crate::rpc) async fn say(&self, key: &SessionKey, say: Say) -> Result<SendReply, ErrorShape> {
        if say.text.trim().is_empty() && say.attachments.is_empty() {
            return Err(ErrorShape::invalid("message or attachment required"));
        }
        check_message("chat.send", &say.text, &say.run_id)?;
        check_thinking(say.thinking.as_deref())?;
        let text = match say.command() {
            Some(Command::Stop) => return Ok(SendReply::Stopped(self.stop(key, None))),
            Some(Command::Reset { reason, answer, then }) => {
                match self.reset_by_message(key, &say, reason, answer, then).await? {
                    Some(reply) => return Ok(reply),
                    None => then.to_owned(),
                }
            }
            None => say.text,
        };
        let input = Input {
            timeout: say.timeout,
            attachments: say.attachments,
            expected_leaf: say.leaf,
            by: say.by,
            ..Input::new(key.clone(), text, say.run_id.clone())
        };
        let status = match self.agent.start(input).await? {
            Started::New(_) => StartedStatus::Started,
            Started::InFlight(_) => StartedStatus::InFlight,
            Started::Ended(_) => StartedStatus::Ok,
        };
        Ok(SendReply::Started(StartedReply { run_id: say.run_id, status }))
    }

    /// `None` when there is more to say.
    async fn reset_by_message(
        &self,
        key: &SessionKey,
        say: &Say,
        reason: &'static str,
        answer: &str,
        then: &str,
    ) -> Result<Option<SendReply>, ErrorShape> {
        let status = |status| Some(SendReply::Started(StartedReply { run_id: say.run_id.clone(), status }));
        if self.agent.watch(&say.run_id).is_some() {
            return Ok(status(StartedStatus::InFlight));
        }
        // The same message again must not begin the session anew a second time.
        if self.agent.stored_run(&say.run_id).await?.is_some() {
            return Ok(status(StartedStatus::Ok));
        }
        self.agent.settle(key).await?;
        if !then.is_empty() || !say.attachments.is_empty() {
            self.sessions.reset(key, reason, say.by.as_deref()).await?;
            return Ok(None);
        }
        let command = command(&say.run_id, say.text.trim(), answer);
        match self.sessions.reset_by_command(key, reason, command, say.by.as_deref()).await? {
            Ok(messages) => {
                if let Some(answer) = messages.last() {
                    self.sessions.tell_final(key, say.run_id.clone(), 1, answer);
                }
                Ok(status(StartedStatus::Started))
            }
            Err(run) if run.status == RunStatus::Running => Ok(status(StartedStatus::InFlight)),
            Err(_) => Ok(status(StartedStatus::Ok)),
        }
    }
}

/// Bounds that hold for `chat.send` and `agent` alike.
pub(in crate::rpc) fn check_message(method: &str, message: &str, run_id: &str) -> Result<(), ErrorShape> {
    check_length(method, message)?;
    if run_id.is_empty() {
        let problem = "at /idempotencyKey: must not have fewer than 1 characters";
        return Err(ErrorShape::invalid(format!("invalid {method} params: {problem}")));
    }
    if run_id.len() > MAX_RUN_ID {
        let problem = format!("at /idempotencyKey: must not have more than {MAX_RUN_ID} bytes");
        return Err(ErrorShape::invalid(format!("invalid {method} params: {problem}")));
    }
    Ok(())
}

pub(super) fn check_length(method: &str, message: &str) -> Result<(), ErrorShape> {
    if message.len() > MAX_MESSAGE {
        return Err(ErrorShape::invalid(format!("invalid {method} params: at /message: must be at most 2 MiB")));
    }
    Ok(())
}

/// Refused before anything is stored; the real gateway accepts the message and lets the run fail.
pub(in crate::rpc) fn check_thinking(level: Option<&str>) -> Result<(), ErrorShape> {
    match level.filter(|level| !level.is_empty()) {
        Some(level) if ThinkingLevel::parse(level).is_none() => {
            Err(ErrorShape::new(ErrorCode::Unavailable, "Invalid thinking level. Use one of: off."))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_whole_words_at_the_beginning() {
        assert_eq!(Command::of(" /STOP "), Some(Command::Stop));
        assert_eq!(Command::of("/stop it"), None);
        assert_eq!(Command::of("please /new"), None);
        assert_eq!(Command::of("/newest"), None);
        let Some(Command::Reset { reason, then, .. }) = Command::of("/new hello\nthere") else { panic!("a reset") };
        assert_eq!((reason, then), ("new", "hello\nthere"));
        assert!(matches!(Command::of("/reset"), Some(Command::Reset { reason: "reset", then: "", .. })));
    }
}
