//! `agents.list`, `agent.identity.get`, `agent` with its two responses, `agent.wait`.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::chat::{Chat, Say, check_message, check_thinking};
use super::table::TwoReplies;
use super::{Context, Table};
use crate::agent::{Agent, Input, Outcome, Started};
use crate::clock::now_ms;
use crate::protocol::agents::{
    Accepted, AgentIdentity, AgentMeta, AgentParams, AgentReply, AgentRow, AgentRun, AgentWait, AgentsList, Completed,
    Delivery, IdentityParams, IdentityReply, InFlight, ListReply, Payload, PrimaryModel, RunMeta, RunResult,
    WaitParams, WaitReply,
};
use crate::protocol::chat::SendReply;
use crate::protocol::{ErrorCode, ErrorShape, NoParams};
use crate::sessions::{Among, MAIN, Reference, SessionKey};
use crate::store::{RunStatus, StoredRun};

const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

pub(super) fn register(table: &mut Table, chat: &Chat) {
    table.on(AgentsList, &chat.agent, list);
    table.on(AgentIdentity, &chat.agent, identity);
    table.on_twice(AgentRun, chat, run);
    table.on(AgentWait, chat, wait);
}

/// The agent that params name: there is one, which is meant where none is named.
pub(super) fn named(agent: &Agent, asked: Option<String>) -> Result<String, ErrorShape> {
    let own = agent.id();
    match asked {
        Some(asked) if asked != own => Err(ErrorShape::invalid(format!("unknown agent id \"{asked}\""))),
        _ => Ok(own.to_owned()),
    }
}

async fn list(agent: Agent, _: Context, _: NoParams) -> Result<ListReply, ErrorShape> {
    let settings = agent.settings();
    Ok(ListReply {
        default_id: agent.id().to_owned(),
        ownership: "sole",
        selection_required: false,
        main_key: MAIN,
        scope: "per-sender",
        agents: vec![AgentRow {
            id: agent.id().to_owned(),
            model: PrimaryModel { primary: settings.model.reference() },
        }],
    })
}

async fn identity(agent: Agent, _: Context, params: IdentityParams) -> Result<IdentityReply, ErrorShape> {
    let own = agent.id().to_owned();
    match params.agent_id {
        Some(asked) if asked != own => Err(crate::agent::Error::UnknownAgent(asked).into()),
        _ => Ok(IdentityReply { agent_id: own, name: "Assistant", name_source: "default", avatar: "A" }),
    }
}

async fn run(
    chat: Chat,
    context: Context,
    params: AgentParams,
) -> Result<TwoReplies<Accepted, AgentReply>, ErrorShape> {
    if params.message.is_empty() {
        let problem = "at /message: must not have fewer than 1 characters";
        return Err(ErrorShape::invalid(format!("invalid agent params: {problem}")));
    }
    check_message("agent", &params.message, &params.idempotency_key)?;
    check_thinking(params.thinking.as_deref())?;
    let key = target(&chat, &params).await?;
    let mut say = Say::new(params.idempotency_key, params.message).with_attachments(&params.attachments)?;
    say.timeout = params.timeout.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let say = say.allowed_to(&context)?;
    if say.command().is_some() {
        let reply = command(&chat, &key, say).await?;
        return Ok(TwoReplies { first: None, second: async move { Ok(reply) }.boxed() });
    }
    let run_id = say.run_id;
    let input = Input {
        timeout: say.timeout,
        attachments: say.attachments,
        by: say.by,
        ..Input::new(key.clone(), say.text, run_id.clone())
    };
    let asks_for_delivery = params.deliver;
    match chat.agent.start(input).await? {
        Started::New(outcome) => {
            let first = Accepted {
                run_id: run_id.clone(),
                session_key: key.to_string(),
                agent_id: key.agent().to_owned(),
                status: "accepted",
                accepted_at: now_ms(),
            };
            let second = completed(run_id, outcome, asks_for_delivery).boxed();
            Ok(TwoReplies { first: Some(first), second })
        }
        Started::InFlight(_) => {
            let (session_key, agent_id) = (key.to_string(), key.agent().to_owned());
            let reply = AgentReply::InFlight(InFlight { run_id, status: "in_flight", session_key, agent_id });
            Ok(TwoReplies { first: None, second: async move { Ok(reply) }.boxed() })
        }
        // A key that was used before gets the end alone.
        Started::Ended(run) => Ok(TwoReplies {
            first: None,
            second: async move { completed_before(&chat, &run, asks_for_delivery).await }.boxed(),
        }),
    }
}

/// Where the message goes: see [`AgentParams`].
async fn target(chat: &Chat, params: &AgentParams) -> Result<SessionKey, ErrorShape> {
    let own = chat.agent.id();
    if let Some(asked) = params.agent_id.as_deref().filter(|asked| *asked != own) {
        return Err(ErrorShape::invalid(format!("invalid agent params: unknown agent id \"{asked}\"")));
    }
    let named = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    if let Some(key) = named(&params.session_key) {
        let key = chat.sessions.key(&key)?;
        return match &params.agent_id {
            Some(agent) if agent != key.agent() => Err(ErrorShape::invalid(format!(
                "The agent-scoped session key belongs to \"{}\", not \"{agent}\".",
                key.agent()
            ))),
            _ => Ok(key),
        };
    }
    if let Some(id) = named(&params.session_id) {
        let session = chat.sessions.resolve(&Reference::SessionId(id), Among::default()).await?;
        return Ok(chat.sessions.key(&session.key)?);
    }
    if params.agent_id.is_some() || named(&params.to).is_some() {
        return Ok(SessionKey::main_of(own));
    }
    Ok(SessionKey::explicit(own, &params.idempotency_key))
}

/// A command has no run: it is done when it is answered.
async fn command(chat: &Chat, key: &SessionKey, say: Say) -> Result<AgentReply, ErrorShape> {
    let run_id = say.run_id.clone();
    let text = match chat.say(key, say).await? {
        SendReply::Stopped(stopped) if stopped.aborted => "Stopped.".to_owned(),
        SendReply::Stopped(_) => "Nothing was running.".to_owned(),
        SendReply::Started(_) => {
            // With something to say after it, it has a run after all.
            if let Some(outcome) = chat.agent.watch(&run_id) {
                return completed(run_id, outcome, false).await;
            }
            chat.agent.stored_answer(&run_id).await?.map(|message| message.text).unwrap_or_default()
        }
    };
    let session_id = chat.sessions.stored(key).await?.map(|session| session.session_id).unwrap_or_default();
    let agent_meta = AgentMeta { session_id, provider: None, model: None, usage: None };
    Ok(AgentReply::Completed(Box::new(Completed {
        run_id,
        status: "ok",
        summary: "completed".to_owned(),
        result: RunResult {
            payloads: vec![Payload { text, media_url: None }],
            meta: RunMeta { duration_ms: 0, aborted: false, stop_reason: None, agent_meta },
            delivery: None,
        },
    })))
}

async fn completed(
    run_id: String,
    outcome: watch::Receiver<Option<Outcome>>,
    asks_for_delivery: bool,
) -> Result<AgentReply, ErrorShape> {
    let Some(outcome) = ended(outcome).await else {
        return Err(ErrorShape::unavailable("the run was lost; see the gateway's log", 1_000));
    };
    if let (RunStatus::Error, Some(error)) = (outcome.status, &outcome.error) {
        return Err(ErrorShape::new(ErrorCode::Unavailable, error.clone()));
    }
    let aborted = outcome.status != RunStatus::Ok;
    let agent_meta = AgentMeta {
        session_id: outcome.session_id,
        provider: Some(outcome.provider),
        model: Some(outcome.model),
        usage: Some(outcome.usage),
    };
    let duration_ms = outcome.ended_at.saturating_sub(outcome.started_at);
    Ok(AgentReply::Completed(Box::new(Completed {
        run_id,
        status: "ok",
        summary: if aborted { "aborted" } else { "completed" }.to_owned(),
        result: RunResult {
            payloads: vec![Payload { text: outcome.text, media_url: None }],
            meta: RunMeta { duration_ms, aborted, stop_reason: Some(outcome.stop_reason), agent_meta },
            delivery: delivery(asks_for_delivery),
        },
    })))
}

/// From the store, so that it holds after a restart too.
async fn completed_before(chat: &Chat, run: &StoredRun, asks_for_delivery: bool) -> Result<AgentReply, ErrorShape> {
    let answer = chat.agent.stored_answer(&run.run_id).await?;
    let key = chat.sessions.key(&run.session_key)?;
    let session = chat.sessions.stored(&key).await?;
    let is_ok = run.status == RunStatus::Ok;
    let why = answer.as_ref().and_then(|answer| answer.error_message.clone());
    let source = answer.as_ref().and_then(|answer| answer.source.clone());
    let agent_meta = AgentMeta {
        session_id: session.map(|session| session.session_id).unwrap_or_default(),
        usage: source.as_ref().map(|source| source.usage),
        provider: source.as_ref().map(|source| source.provider.clone()),
        model: source.map(|source| source.model),
    };
    let payloads = answer.filter(|answer| !answer.text.is_empty());
    Ok(AgentReply::Completed(Box::new(Completed {
        run_id: run.run_id.clone(),
        status: if is_ok { "ok" } else { "error" },
        summary: if is_ok { "completed".to_owned() } else { why.unwrap_or_else(|| "aborted".to_owned()) },
        result: RunResult {
            payloads: payloads.map(|answer| Payload { text: answer.text, media_url: None }).into_iter().collect(),
            meta: RunMeta {
                duration_ms: run.ended_at.unwrap_or(run.started_at).saturating_sub(run.started_at),
                aborted: !is_ok,
                stop_reason: is_ok.then_some("stop"),
                agent_meta,
            },
            delivery: delivery(asks_for_delivery),
        },
    })))
}

fn delivery(is_asked_for: bool) -> Option<Delivery> {
    is_asked_for.then_some(Delivery { delivered: false, reason: "no channel is configured to deliver to" })
}

/// `None` when the run's task died without an end, which is a bug of ours.
async fn ended(mut outcome: watch::Receiver<Option<Outcome>>) -> Option<Outcome> {
    outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
}

async fn wait(chat: Chat, _: Context, params: WaitParams) -> Result<WaitReply, ErrorShape> {
    let agent = chat.agent;
    let limit = params.timeout_ms.map_or(DEFAULT_WAIT, Duration::from_millis).min(LONGEST_WAIT);
    if let Some(outcome) = agent.watch(&params.run_id) {
        // Either way the store has the last word: it knows the times.
        let _ = tokio::time::timeout(limit, ended(outcome)).await;
    }
    let run = agent.stored_run(&params.run_id).await?.filter(|run| run.status != RunStatus::Running);
    let Some(run) = run else {
        let run_id = params.run_id;
        return Ok(WaitReply {
            run_id,
            status: "timeout",
            started_at: None,
            ended_at: None,
            stop_reason: None,
            error: None,
        });
    };
    let (status, stop_reason) = match run.status {
        RunStatus::Ok => ("ok", "stop"),
        RunStatus::Aborted => ("ok", "aborted"),
        RunStatus::Error | RunStatus::Interrupted | RunStatus::Running => ("error", "error"),
    };
    let answer = if status == "error" { agent.stored_answer(&params.run_id).await? } else { None };
    Ok(WaitReply {
        run_id: params.run_id,
        status,
        started_at: Some(run.started_at),
        ended_at: run.ended_at,
        stop_reason: Some(stop_reason),
        error: answer.and_then(|answer| answer.error_message),
    })
}
