//! One run, from its turn to its stored end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::json;
use tokio::time::Instant;

use super::Inner;
use super::providers::{Chunk, ModelError, Prompt, Turn};
use super::registry::{Outcome, Slot};
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::agents::AgentEvent;
use crate::protocol::chat::{ChatEvent, ChatState, MessageRole, MessageRow, Usage};
use crate::sessions::{SessionKey, message_row};
use crate::store::{MessageFilter, RunEnd, RunStatus, StoredMessage};

/// Deltas are gathered this long: every one carries the whole text so far, and nobody reads faster.
const GATHER: Duration = Duration::from_millis(30);
/// Longest answer that is kept, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

pub(super) struct Run {
    agent: Arc<Inner>,
    key: SessionKey,
    run_id: String,
    input: StoredMessage,
    limit: Duration,
    chat_seq: u64,
    agent_seq: u64,
    text: String,
    usage: Usage,
}

/// Why a run stopped.
enum End {
    Complete,
    Aborted(&'static str),
    Failed(String),
}

impl Run {
    pub(super) fn new(
        agent: Arc<Inner>,
        key: SessionKey,
        run_id: String,
        input: StoredMessage,
        limit: Duration,
    ) -> Self {
        Self {
            agent,
            key,
            run_id,
            input,
            limit,
            chat_seq: 0,
            agent_seq: 0,
            text: String::new(),
            usage: Usage::default(),
        }
    }

    /// Takes its turn, streams the answer, stores the end and tells everybody.
    pub(super) async fn finish(mut self, slot: Slot) {
        let started_at = now_ms();
        // The turn is held until the end is stored: the next run of the session sees this one's answer.
        let (end, _turn) = tokio::select! {
            biased;
            () = slot.stop().cancelled() => (End::Aborted("rpc"), None),
            turn = slot.turn() => (self.answer(&slot).await, Some(turn)),
        };
        let outcome = self.store(end, started_at).await;
        slot.end(outcome);
        self.agent.announce(&self.key, "agent.input.settled", None);
    }

    async fn answer(&mut self, slot: &Slot) -> End {
        self.agent.announce(&self.key, "agent.run.started", None);
        self.emit_agent("lifecycle", json!({ "phase": "start", "startedAt": now_ms() }));
        self.emit_chat(ChatState::Status { phase: "starting_model" });
        let prompt = match self.prompt().await {
            Ok(prompt) => prompt,
            Err(error) => return End::Failed(error.to_string()),
        };
        let stream = self.agent.model.answer(prompt);
        let stopped = self.agent.shutdown.stopped();
        tokio::select! {
            biased;
            () = slot.stop().cancelled() => End::Aborted("rpc"),
            () = stopped => End::Aborted("gateway stopping"),
            () = tokio::time::sleep(self.limit) => End::Aborted("timeout"),
            end = self.follow(stream) => end,
        }
    }

    async fn prompt(&self) -> Result<Prompt, crate::store::Error> {
        let settings = &self.agent.settings;
        let filter = MessageFilter::Newest { limit: settings.history_messages, offset: 0 };
        let (messages, _) = self.agent.database.messages(self.key.as_str(), filter).await?;
        // A message that waited its turn was stored before the answers to earlier ones; one that came later waits for
        // its own run. So: every answer, every earlier message, and at the end the one to answer.
        let earlier = messages.into_iter().filter(|message| is_answer(message) || message.seq < self.input.seq);
        let mut turns: Vec<Turn> = earlier
            .filter(|message| !message.text.is_empty())
            .map(|message| turn(message.role, message.text))
            .collect();
        turns.push(turn(self.input.role, self.input.text.clone()));
        Ok(Prompt { instructions: settings.instructions.clone(), turns })
    }

    async fn follow(&mut self, mut stream: BoxStream<'static, Result<Chunk, ModelError>>) -> End {
        let mut pending = String::new();
        let mut flush_at = Instant::now() + GATHER;
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(flush_at), if !pending.is_empty() => self.say(&mut pending),
                chunk = stream.next() => {
                    if pending.is_empty() {
                        flush_at = Instant::now() + GATHER;
                    }
                    if let ControlFlow::Break(end) = self.take(chunk, &mut pending) {
                        self.say(&mut pending);
                        return end;
                    }
                }
            }
        }
    }

    fn take(&mut self, chunk: Option<Result<Chunk, ModelError>>, pending: &mut String) -> ControlFlow<End> {
        match chunk {
            Some(Ok(Chunk::Text(text))) => {
                pending.push_str(&text);
                if self.text.len() + pending.len() > MAX_ANSWER {
                    return ControlFlow::Break(End::Failed("the answer grew past 4 MiB and was cut".to_owned()));
                }
                ControlFlow::Continue(())
            }
            Some(Ok(Chunk::Usage(usage))) => {
                self.usage = usage;
                ControlFlow::Continue(())
            }
            Some(Err(error)) => ControlFlow::Break(End::Failed(error.to_string())),
            None => ControlFlow::Break(End::Complete),
        }
    }

    /// Sends what has gathered.
    fn say(&mut self, pending: &mut String) {
        if pending.is_empty() {
            return;
        }
        let delta = std::mem::take(pending);
        self.text.push_str(&delta);
        self.emit_agent("assistant", json!({ "text": self.text, "delta": delta }));
        let message = MessageRow::assistant(&self.text, now_ms());
        self.emit_chat(ChatState::Delta { delta_text: delta, message });
    }

    async fn store(&mut self, end: End, started_at: u64) -> Outcome {
        let (status, mut error) = match &end {
            End::Complete => (RunStatus::Ok, None),
            End::Aborted(_) => (RunStatus::Aborted, None),
            End::Failed(cause) => (RunStatus::Error, Some(cause.clone())),
        };
        let ended_at = now_ms();
        let text = self.text.clone();
        let record = RunEnd {
            session_key: self.key.as_str(),
            run_id: &self.run_id,
            status,
            text: &text,
            error_message: error.as_deref(),
            usage: self.usage,
            now: ended_at,
        };
        let stored = match self.agent.database.finish_run(&record).await {
            Ok(stored) => stored,
            Err(cause) => {
                tracing::error!(run.id = %self.run_id, error = %cause, "the answer could not be stored");
                error = Some(format!("the answer could not be stored: {cause}"));
                None
            }
        };
        let status = if error.is_some() { RunStatus::Error } else { status };
        self.tell_the_end(&end, error.as_deref(), stored.as_ref(), ended_at);
        Outcome { status, text, error, usage: self.usage, started_at, ended_at }
    }

    fn tell_the_end(&mut self, end: &End, error: Option<&str>, stored: Option<&StoredMessage>, ended_at: u64) {
        let message = stored.map(message_row);
        if let Some(stored) = stored {
            self.agent.announce(&self.key, "send", Some(stored));
        }
        let (phase, data, state) = match (end, error) {
            (_, Some(error)) => {
                ("error", json!({ "error": error }), ChatState::Error { error_message: error.to_owned() })
            }
            (End::Aborted(reason), None) => (
                "end",
                json!({ "aborted": true, "stopReason": reason }),
                ChatState::Aborted { message, stop_reason: reason },
            ),
            (End::Complete | End::Failed(_), None) => {
                let message = message.unwrap_or_else(|| MessageRow::assistant(&self.text, ended_at));
                let usage = Some(self.usage).filter(|usage| *usage != Usage::default());
                ("end", json!({}), ChatState::Final { message, stop_reason: "stop", usage })
            }
        };
        self.emit_chat(state);
        let mut data = data;
        if let Some(fields) = data.as_object_mut() {
            fields.insert("phase".to_owned(), json!(phase));
            fields.insert("endedAt".to_owned(), json!(ended_at));
        }
        self.emit_agent("lifecycle", data);
    }

    fn emit_chat(&mut self, state: ChatState) {
        self.chat_seq += 1;
        self.agent.bus.publish(&Event::Chat(Box::new(ChatEvent {
            run_id: self.run_id.clone(),
            session_key: self.key.to_string(),
            agent_id: self.key.agent().to_owned(),
            seq: self.chat_seq,
            state,
        })));
    }

    fn emit_agent(&mut self, stream: &'static str, data: serde_json::Value) {
        self.agent_seq += 1;
        self.agent.bus.publish(&Event::Agent(Box::new(AgentEvent {
            run_id: self.run_id.clone(),
            session_key: self.key.to_string(),
            agent_id: self.key.agent().to_owned(),
            seq: self.agent_seq,
            stream,
            ts: now_ms(),
            data,
        })));
    }
}

const fn is_answer(message: &StoredMessage) -> bool {
    matches!(message.role, MessageRole::Assistant)
}

const fn turn(role: MessageRole, text: String) -> Turn {
    Turn { role, text }
}
