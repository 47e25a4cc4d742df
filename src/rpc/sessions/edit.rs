//! `sessions.create`, `patch`, `reset`, `delete`.

use serde_json::json;

use super::required;
use crate::protocol::access::Scope;
use crate::protocol::sessions::{
    CreateParams, CreateReply, DeleteParams, DeleteReply, EditReply, PatchParams, ResetParams, ResetReason, Resolved,
    SessionsCreate, SessionsDelete, SessionsPatch, SessionsReset,
};
use crate::protocol::{ErrorCode, ErrorShape};
use crate::rpc::chat::{Chat, Say};
use crate::rpc::{Context, Table};
use crate::sessions::{Creation, Expectation, Patch, PatchError, SessionKey, entry};
use crate::store::StoredSession;

pub(super) fn register(table: &mut Table, chat: &Chat) {
    table.on(SessionsCreate, chat, create);
    table.on(SessionsPatch, chat, patch);
    table.on(SessionsReset, chat, reset);
    table.on(SessionsDelete, chat, delete);
}

async fn create(chat: Chat, context: Context, params: CreateParams) -> Result<CreateReply, ErrorShape> {
    let unsupported = [
        ("incognito", params.incognito == Some(true)),
        ("permissionMode", params.permission_mode.is_some()),
        ("toolOverrides", params.tool_overrides.is_some()),
        ("execNode", params.exec_node.is_some()),
    ];
    if let Some((field, _)) = unsupported.iter().find(|(_, is_set)| *is_set) {
        context.require(Scope::Admin)?;
        return Err(PatchError::Unsupported(field).into());
    }
    let key = key_of_new(&chat, params.key.as_deref(), params.agent_id.as_deref())?;
    let parent = match params.parent_session_key.as_deref() {
        Some(parent) => chat.sessions.key(parent)?,
        None => SessionKey::main_of(key.agent()),
    };
    let creation = Creation {
        label: params.label,
        display_name: params.display_name,
        category: params.category,
        model: params.model,
        thinking_level: params.thinking_level,
        fast_mode: params.fast_mode,
        parent_key: Some(parent.to_string()),
        by: context.person(),
    };
    let text = params.message.or(params.task).unwrap_or_default();
    let says = !text.trim().is_empty() || !params.attachments.is_empty();
    // What cannot be said is refused before there is a session to say it in.
    let say = if says {
        let say = Say::new(uuid::Uuid::new_v4().to_string(), text).with_attachments(&params.attachments)?;
        Some(say.allowed_to(&context)?)
    } else {
        None
    };
    let session = chat.sessions.create(&key, creation).await?;
    let mut reply = CreateReply {
        ok: true,
        key: key.to_string(),
        session_id: session.session_id.clone(),
        entry: entry(&session),
        run_started: false,
        run_id: None,
        run_error: None,
        resolved: resolved(&chat, &session),
    };
    if let Some(say) = say {
        let run_id = say.run_id.clone();
        match chat.say(&key, say).await {
            Ok(_) => (reply.run_started, reply.run_id) = (true, Some(run_id)),
            Err(error) => reply.run_error = Some(error),
        }
    }
    Ok(reply)
}

fn key_of_new(chat: &Chat, key: Option<&str>, agent_id: Option<&str>) -> Result<SessionKey, ErrorShape> {
    let own = chat.agent.id();
    let key = match key.filter(|key| !key.trim().is_empty()) {
        Some(key) => chat.sessions.key(key)?,
        None => chat.sessions.new_key(agent_id.unwrap_or(own)),
    };
    for agent in [Some(key.agent()), agent_id].into_iter().flatten() {
        if agent != own {
            return Err(ErrorShape::invalid(format!("Unknown agent id \"{agent}\"")));
        }
    }
    Ok(key)
}

async fn patch(chat: Chat, context: Context, params: PatchParams) -> Result<EditReply, ErrorShape> {
    let mut params = params;
    let key = chat.sessions.key(&required("sessions.patch", params.key.take())?)?;
    let expected = Expectation {
        session_id: params.expected_session_id.take(),
        lifecycle_revision: params.expected_lifecycle_revision.take(),
    };
    let patch = Patch::parse(params, &chat.sessions.models());
    // Who may not set a field is not told first that nobody can.
    if matches!(&patch, Err(PatchError::Unsupported(_))) || patch.as_ref().is_ok_and(Patch::needs_admin) {
        context.require(Scope::Admin)?;
    }
    let patch = patch?;
    known_agent(&chat, &key)?;
    let session = chat.sessions.patch(&key, patch, expected, context.person().as_deref()).await?;
    let path = context.caller.may(Scope::Admin).then(|| chat.sessions.settings().path.clone());
    Ok(EditReply { path, ..edited(&chat, &key, &session) })
}

async fn reset(chat: Chat, context: Context, params: ResetParams) -> Result<EditReply, ErrorShape> {
    let key = chat.sessions.key(&params.key)?;
    known_agent(&chat, &key)?;
    chat.agent.settle(&key).await?;
    let reason = match params.reason {
        Some(ResetReason::New) => "new",
        Some(ResetReason::Reset) | None => "reset",
    };
    let session = chat.sessions.reset(&key, reason, context.person().as_deref()).await?;
    Ok(edited(&chat, &key, &session))
}

async fn delete(chat: Chat, context: Context, params: DeleteParams) -> Result<DeleteReply, ErrorShape> {
    if !params.archived_only {
        context.require(Scope::Admin)?;
    }
    let key = chat.sessions.key(&params.key)?;
    let expected =
        Expectation { session_id: params.expected_session_id, lifecycle_revision: params.expected_lifecycle_revision };
    chat.sessions.may_delete(&key, &expected, params.archived_only).await?;
    chat.agent.settle(&key).await?;
    let deleted = chat.sessions.delete(&key, &expected, params.archived_only).await?;
    let shows_paths = context.caller.may(Scope::Admin);
    let name = |path: String| if shows_paths { path } else { path.rsplit('/').next().unwrap_or_default().to_owned() };
    Ok(DeleteReply {
        ok: true,
        key: key.to_string(),
        deleted: deleted.is_deleted,
        archived: deleted.archive.map(name).into_iter().collect(),
    })
}

fn known_agent(chat: &Chat, key: &SessionKey) -> Result<(), ErrorShape> {
    if key.agent() == chat.agent.id() {
        return Ok(());
    }
    Err(ErrorShape::new(
        ErrorCode::InvalidRequest,
        format!("Agent \"{}\" no longer exists in configuration", key.agent()),
    )
    .with_details(json!({ "code": "UNKNOWN_AGENT_ID" })))
}

fn edited(chat: &Chat, key: &SessionKey, session: &StoredSession) -> EditReply {
    EditReply { ok: true, path: None, key: key.to_string(), entry: entry(session), resolved: resolved(chat, session) }
}

fn resolved(chat: &Chat, session: &StoredSession) -> Resolved {
    let choice = chat.sessions.models().of(&session.settings);
    Resolved { model_provider: choice.provider, model: choice.model }
}
