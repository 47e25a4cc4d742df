//! `agents.list`, `agent.identity.get`, `agent` with its two responses, `agent.wait`.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;

use super::chat::check_message;
use super::table::TwoReplies;
use super::{Context, Table};
use crate::agent::{Agent, Input, Outcome, Started};
use crate::clock::now_ms;
use crate::protocol::agents::{
    Accepted, AgentIdentity, AgentMeta, AgentParams, AgentRow, AgentRun, AgentWait, AgentsList, Completed,
    IdentityParams, IdentityReply, ListReply, Payload, PrimaryModel, RunMeta, RunResult, WaitParams, WaitReply,
};
use crate::protocol::{ErrorShape, NoParams};
use crate::sessions::{MAIN, SessionKey, Sessions};
use crate::store::{RunStatus, StoredRun};

const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

#[derive(Debug, Clone)]
struct Agents {
    agent: Agent,
    sessions: Sessions,
}

pub(super) fn register(table: &mut Table, agent: &Agent, sessions: &Sessions) {
    let agents = Agents { agent: agent.clone(), sessions: sessions.clone() };
    table.on(AgentsList, agent, list);
    table.on(AgentIdentity, agent, identity);
    table.on_twice(AgentRun, &agents, run);
    table.on(AgentWait, agent, wait);
}

async fn list(agent: Agent, _: Context, _: NoParams) -> Result<ListReply, ErrorShape> {
    let settings = agent.settings();
    Ok(ListReply {
        default_id: settings.agent_id.clone(),
        ownership: "sole",
        selection_required: false,
        main_key: MAIN,
        scope: "per-sender",
        agents: vec![AgentRow {
            id: settings.agent_id.clone(),
            model: PrimaryModel { primary: settings.model.reference() },
        }],
    })
}

async fn identity(agent: Agent, _: Context, params: IdentityParams) -> Result<IdentityReply, ErrorShape> {
    let own = agent.settings().agent_id.clone();
    match params.agent_id {
        Some(asked) if asked != own => Err(crate::agent::Error::UnknownAgent(asked).into()),
        _ => Ok(IdentityReply { agent_id: own, name: "Assistant", name_source: "default", avatar: "A" }),
    }
}

async fn run(agents: Agents, _: Context, params: AgentParams) -> Result<TwoReplies<Accepted, Completed>, ErrorShape> {
    check_message("agent", &params.message, &params.idempotency_key)?;
    let agent_id = params.agent_id.unwrap_or_else(|| agents.agent.settings().agent_id.clone());
    let key = match params.session_key.as_deref() {
        Some(key) => agents.sessions.key(key)?,
        None => SessionKey::main_of(&agent_id),
    };
    let run_id = params.idempotency_key;
    let input = Input {
        key: key.clone(),
        text: params.message,
        run_id: run_id.clone(),
        timeout: params.timeout.filter(|seconds| *seconds > 0).map(Duration::from_secs),
    };
    let accepted = Accepted {
        run_id: run_id.clone(),
        session_key: key.to_string(),
        agent_id: key.agent().to_owned(),
        status: "accepted",
        accepted_at: now_ms(),
    };
    let agent = agents.agent.clone();
    match agents.agent.start(input).await? {
        Started::New(outcome) | Started::InFlight(outcome) => {
            Ok(TwoReplies { first: Some(accepted), second: completed(agent, run_id, key, outcome).boxed() })
        }
        // A key that was used before gets the end alone.
        Started::Ended(run) => {
            Ok(TwoReplies { first: None, second: async move { Ok(completed_before(&agent, &run)) }.boxed() })
        }
    }
}

async fn completed(
    agent: Agent,
    run_id: String,
    key: SessionKey,
    outcome: watch::Receiver<Option<Outcome>>,
) -> Result<Completed, ErrorShape> {
    let Some(outcome) = ended(outcome).await else {
        return Err(ErrorShape::unavailable("the run was lost; see the gateway's log", 1_000));
    };
    if let (RunStatus::Error, Some(error)) = (outcome.status, &outcome.error) {
        return Err(ErrorShape::new(crate::protocol::ErrorCode::Unavailable, error.clone()));
    }
    let aborted = outcome.status != RunStatus::Ok;
    let meta = run_meta(&agent, &key, outcome.ended_at.saturating_sub(outcome.started_at), aborted);
    Ok(Completed {
        run_id,
        status: "ok",
        summary: if aborted { "aborted" } else { "completed" }.to_owned(),
        result: RunResult { payloads: vec![Payload { text: outcome.text, media_url: None }], meta },
    })
}

fn completed_before(agent: &Agent, run: &StoredRun) -> Completed {
    let key = SessionKey::parse(&run.session_key, &agent.settings().agent_id)
        .unwrap_or_else(|_| SessionKey::main_of(&agent.settings().agent_id));
    let duration = run.ended_at.unwrap_or(run.started_at).saturating_sub(run.started_at);
    let is_ok = run.status == RunStatus::Ok;
    Completed {
        run_id: run.run_id.clone(),
        status: if is_ok { "ok" } else { "error" },
        summary: if is_ok { "completed" } else { "did not complete" }.to_owned(),
        result: RunResult { payloads: Vec::new(), meta: run_meta(agent, &key, duration, !is_ok) },
    }
}

fn run_meta(agent: &Agent, key: &SessionKey, duration_ms: u64, aborted: bool) -> RunMeta {
    let model = &agent.settings().model;
    RunMeta {
        duration_ms,
        aborted,
        agent_meta: AgentMeta {
            session_id: key.to_string(),
            provider: model.provider.clone(),
            model: model.id.clone(),
        },
    }
}

/// `None` when the run's task died without an end, which is a bug of ours.
async fn ended(mut outcome: watch::Receiver<Option<Outcome>>) -> Option<Outcome> {
    outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
}

async fn wait(agent: Agent, _: Context, params: WaitParams) -> Result<WaitReply, ErrorShape> {
    let limit = params.timeout_ms.map_or(DEFAULT_WAIT, Duration::from_millis).min(LONGEST_WAIT);
    if let Some(outcome) = agent.watch(&params.run_id) {
        // Either way the store has the last word: it knows the times.
        let _ = tokio::time::timeout(limit, ended(outcome)).await;
    }
    let run = agent.stored_run(&params.run_id).await?.filter(|run| run.status != RunStatus::Running);
    let unended =
        WaitReply { run_id: params.run_id, status: "timeout", started_at: None, ended_at: None, stop_reason: None };
    Ok(match run {
        None => unended,
        Some(run) => WaitReply {
            status: if matches!(run.status, RunStatus::Ok | RunStatus::Aborted) { "ok" } else { "error" },
            started_at: Some(run.started_at),
            ended_at: run.ended_at,
            stop_reason: (run.status != RunStatus::Ok).then_some("aborted"),
            ..unended
        },
    })
}
