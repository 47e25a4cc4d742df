//! One run, from its turn to its stored end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Inner;
use super::prompt::{Context, prompt};
use super::providers::{Chunk, ModelError};
use super::registry::{Outcome, Slot};
use crate::clock::now_ms;
use crate::protocol::Event;
use crate::protocol::agents::{AgentEvent, Stream};
use crate::protocol::chat::{ChatEvent, ChatState, MessageRow, RunPhase, Usage};
use crate::sessions::{Cause, ModelChoice, SessionKey};
use crate::store::{AnswerSource, RunEnd, RunStatus, StoredMessage, StoredSession};

/// Deltas are gathered this long: every one carries the whole text so far, and nobody reads faster.
const GATHER: Duration = Duration::from_millis(30);
/// Longest answer that is kept, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

pub(super) struct Run {
    agent: Arc<Inner>,
    key: SessionKey,
    run_id: String,
    session: StoredSession,
    input: StoredMessage,
    choice: ModelChoice,
    limit: Duration,
    started_at: u64,
    /// Of the last event: `agent` and `chat` count together.
    seq: u64,
    text: String,
    usage: Usage,
}

/// Why a run stopped.
enum End {
    Complete,
    Aborted(&'static str),
    Failed { cause: String, kind: &'static str },
}

impl End {
    fn failed(cause: impl ToString) -> Self {
        Self::Failed { cause: cause.to_string(), kind: "unknown" }
    }

    fn model(error: &ModelError) -> Self {
        Self::Failed { cause: error.to_string(), kind: error.kind() }
    }
}

impl Run {
    pub(super) fn new(
        agent: Arc<Inner>,
        key: SessionKey,
        session: StoredSession,
        input: StoredMessage,
        limit: Duration,
    ) -> Self {
        let choice = agent.models.get().names.of(&session.settings);
        Self {
            agent,
            key,
            run_id: input.run_id.clone(),
            session,
            input,
            choice,
            limit,
            started_at: now_ms(),
            seq: 0,
            text: String::new(),
            usage: Usage::default(),
        }
    }

    /// Takes its turn, streams the answer, stores the end and tells everybody.
    pub(super) async fn finish(mut self, slot: Slot) {
        // The turn is held until the end is stored: the next run of the session sees this one's answer.
        let (end, _turn) = tokio::select! {
            biased;
            () = slot.stop().cancelled() => (End::Aborted("rpc"), None),
            turn = slot.turn() => (self.answer(&slot).await, Some(turn)),
        };
        let outcome = self.store(end).await;
        let phase = if outcome.status == RunStatus::Error { "error" } else { "end" };
        slot.end(outcome);
        self.tell(Cause::Reason("agent.input.settled")).await;
        self.tell(Cause::Phase { phase, run_id: &self.run_id }).await;
    }

    async fn answer(&mut self, slot: &Slot) -> End {
        self.started_at = now_ms();
        self.phase(RunPhase::PreparingContext);
        // A session that was reset or given another model while this waited is answered as it is now.
        match self.agent.sessions.stored(&self.key).await {
            Ok(Some(session)) => self.session = session,
            Ok(None) => return End::Aborted("rpc"),
            Err(error) => return End::failed(error),
        }
        // As they are configured now, to the end of the run.
        let models = self.agent.models.get();
        self.choice = models.names.of(&self.session.settings);
        let opened = match models.open(&self.choice) {
            Ok(opened) => opened,
            Err(error) => return End::model(&error),
        };
        let context = Context { database: &self.agent.database, agent: &models.settings, model: &opened.settings };
        let prompt = match prompt(context, &self.session, &self.input).await {
            Ok(prompt) => prompt,
            Err(error) => return End::failed(error),
        };
        self.emit_lifecycle(json!({ "phase": "start", "startedAt": self.started_at }));
        self.phase(RunPhase::StartingModel);
        self.tell(Cause::Reason("agent.run.started")).await;
        self.tell(Cause::Phase { phase: "start", run_id: &self.run_id }).await;
        self.emit_lifecycle(json!({
            "phase": "model", "provider": self.choice.provider, "model": self.choice.model,
        }));
        let stream = opened.model.answer(prompt);
        let agent = Arc::clone(&self.agent);
        let stopped = agent.shutdown.stopped();
        tokio::select! {
            biased;
            () = slot.stop().cancelled() => End::Aborted("rpc"),
            () = stopped => End::Aborted("gateway stopping"),
            () = tokio::time::sleep(self.limit) => End::Aborted("timeout"),
            end = self.follow(stream) => end,
        }
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
                    return ControlFlow::Break(End::failed("the answer grew past 4 MiB and was cut"));
                }
                ControlFlow::Continue(())
            }
            Some(Ok(Chunk::Usage(usage))) => {
                self.usage = usage;
                ControlFlow::Continue(())
            }
            Some(Err(error)) => ControlFlow::Break(End::model(&error)),
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
        self.emit_agent(Stream::Assistant, json!({ "text": self.text, "delta": delta }));
        let message = MessageRow::assistant(&self.text, now_ms());
        self.emit_chat(ChatState::Delta { delta_text: delta, message });
    }

    async fn store(&mut self, end: End) -> Outcome {
        let (status, stop_reason, mut error) = match &end {
            End::Complete => (RunStatus::Ok, "stop", None),
            End::Aborted(reason) => (RunStatus::Aborted, *reason, None),
            End::Failed { cause, .. } => (RunStatus::Error, "error", Some(cause.clone())),
        };
        if self.usage != Usage::default() {
            self.emit_agent(Stream::Usage, json!({ "outputTokens": self.usage.output }));
        }
        let ended_at = now_ms();
        let text = self.text.clone();
        let ModelChoice { provider, model } = self.choice.clone();
        let record = RunEnd {
            session_key: self.key.as_str(),
            run_id: &self.run_id,
            status,
            text: &text,
            error_message: error.as_deref(),
            source: AnswerSource { provider: provider.clone(), model: model.clone(), usage: self.usage },
            now: ended_at,
        };
        match self.agent.database.finish_run(&record).await {
            Ok(Some(stored)) => self.agent.sessions.tell_message(&self.key, &stored, &self.session),
            Ok(None) => {}
            Err(cause) => {
                tracing::error!(run.id = %self.run_id, error = %cause, "the answer could not be stored");
                error = Some("the answer could not be stored; see the gateway's log".to_owned());
            }
        }
        let status = if error.is_some() { RunStatus::Error } else { status };
        self.tell_the_end(&end, error.as_deref(), ended_at);
        Outcome {
            status,
            text,
            error,
            stop_reason,
            session_id: self.session.session_id.clone(),
            provider,
            model,
            usage: self.usage,
            started_at: self.started_at,
            ended_at,
        }
    }

    /// The last events, in the order of the real gateway: an aborted chat hears of it first, others after the run.
    fn tell_the_end(&mut self, end: &End, error: Option<&str>, ended_at: u64) {
        let message = MessageRow::assistant(&self.text, ended_at);
        let times = |mut data: Value| {
            if let Some(fields) = data.as_object_mut() {
                fields.insert("startedAt".to_owned(), json!(self.started_at));
                fields.insert("endedAt".to_owned(), json!(ended_at));
            }
            data
        };
        match (end, error) {
            (_, Some(error)) => {
                let kind = if let End::Failed { kind, .. } = end { kind } else { "unknown" };
                self.emit_lifecycle(times(json!({ "phase": "error", "error": error, "stopReason": "error" })));
                self.emit_chat(ChatState::Error {
                    error_message: error.to_owned(),
                    error_kind: kind,
                    stop_reason: "error",
                });
            }
            (End::Aborted(reason), None) => {
                let data = times(json!({
                    "phase": "end", "status": "cancelled", "aborted": true, "stopReason": reason,
                }));
                let message = Some(message).filter(|_| !self.text.is_empty());
                self.seq += 1;
                self.emit_chat(ChatState::Aborted { message, stop_reason: reason });
                self.seq -= 1;
                self.emit_lifecycle(data);
            }
            (End::Complete | End::Failed { .. }, None) => {
                self.emit_lifecycle(times(json!({ "phase": "end", "stopReason": "stop", "aborted": false })));
                let usage = Some(self.usage).filter(|usage| *usage != Usage::default());
                self.emit_chat(ChatState::Final { message, stop_reason: "stop", usage });
            }
        }
    }

    async fn tell(&self, cause: Cause<'_>) {
        self.agent.sessions.tell(&self.key, cause).await;
    }

    /// How far it is before the model speaks; the chat hears of it first.
    fn phase(&mut self, phase: RunPhase) {
        self.seq += 1;
        self.emit_chat(ChatState::Status { phase });
        self.seq -= 1;
        self.emit_agent(Stream::RunStatus, json!({ "phase": phase }));
    }

    /// Goes with the `agent` event before it.
    fn emit_chat(&self, state: ChatState) {
        self.agent.bus.publish(&Event::Chat(Box::new(ChatEvent {
            run_id: self.run_id.clone(),
            session_key: self.key.to_string(),
            agent_id: self.key.agent().to_owned(),
            seq: self.seq,
            state,
        })));
    }

    fn emit_lifecycle(&mut self, data: Value) {
        self.emit_agent(Stream::Lifecycle, data);
    }

    fn emit_agent(&mut self, stream: Stream, data: Value) {
        self.seq += 1;
        self.agent.bus.publish(&Event::Agent(Box::new(AgentEvent {
            run_id: self.run_id.clone(),
            session_key: self.key.to_string(),
            session_id: self.session.session_id.clone(),
            agent_id: self.key.agent().to_owned(),
            seq: self.seq,
            stream,
            ts: now_ms(),
            data,
        })));
    }
}

/// `None` when the run's task died without an end, which is a bug of ours.
pub(super) async fn ended(mut outcome: watch::Receiver<Option<Outcome>>) -> Option<Outcome> {
    outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
}
