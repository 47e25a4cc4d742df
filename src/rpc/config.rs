//! `config.*`.

use super::{Context, Table};
use crate::clock::now_ms;
use crate::config::{self, Applied, Configuration, ReplacePaths, Written};
use crate::protocol::config::{
    ApplyParams, ApplyReply, ConfigApply, ConfigGet, ConfigPatch, ConfigSchema, ConfigSchemaLookup, ConfigSet,
    GetReply, LookupParams, LookupReply, PatchParams, SchemaReply, Sentinel, SentinelPayload, SentinelStats, SetParams,
    SetReply,
};
use crate::protocol::{ErrorCode, ErrorShape, NoParams};

pub(super) fn register(table: &mut Table, configuration: &Configuration) {
    table.on(ConfigGet, configuration, get);
    table.on(ConfigSet, configuration, set);
    table.on(ConfigApply, configuration, apply);
    table.on(ConfigPatch, configuration, patch);
    table.on(ConfigSchema, &(), schema);
    table.on(ConfigSchemaLookup, &(), lookup);
}

async fn get(configuration: Configuration, _: Context, _: NoParams) -> Result<GetReply, ErrorShape> {
    beside(move || configuration.snapshot()).await
}

async fn set(configuration: Configuration, context: Context, params: SetParams) -> Result<SetReply, ErrorShape> {
    let path = configuration.paths().config_file.display().to_string();
    let written = beside(move || configuration.set(&params.raw, params.base_hash.as_deref())).await??;
    note("config.set", &context, &written, None);
    let warnings = warnings(&written);
    Ok(SetReply { ok: true, path, hash: written.hash, config: written.config, warnings })
}

async fn apply(configuration: Configuration, context: Context, params: ApplyParams) -> Result<ApplyReply, ErrorShape> {
    let path = configuration.paths().config_file.display().to_string();
    let ApplyParams { raw, base_hash, session_key, note: why } = params;
    let written = beside(move || configuration.set(&raw, base_hash.as_deref())).await??;
    note("config.apply", &context, &written, why.as_deref());
    refuse_unapplied("config.apply", &written)?;
    Ok(ApplyReply {
        changed_paths: None,
        noop: false,
        sentinel: Some(sentinel("config-apply", "config.apply", &path, session_key, why, &written)),
        warnings: warnings(&written),
        ok: true,
        path,
        hash: Some(written.hash),
        config: written.config,
    })
}

async fn patch(configuration: Configuration, context: Context, params: PatchParams) -> Result<ApplyReply, ErrorShape> {
    let path = configuration.paths().config_file.display().to_string();
    let PatchParams { raw, base_hash, replace_paths, session_key, note: why } = params;
    let replace = ReplacePaths::new(&replace_paths);
    let written = beside(move || configuration.patch(&raw, base_hash.as_deref(), &replace)).await??;
    if written.changed.is_empty() {
        let (config, changed_paths) = (written.config, Some(Vec::new()));
        let (hash, sentinel, warnings) = (None, None, Vec::new());
        return Ok(ApplyReply { ok: true, noop: true, changed_paths, path, hash, config, sentinel, warnings });
    }
    note("config.patch", &context, &written, why.as_deref());
    refuse_unapplied("config.patch", &written)?;
    Ok(ApplyReply {
        changed_paths: Some(written.changed.clone()),
        noop: false,
        sentinel: Some(sentinel("config-patch", "config.patch", &path, session_key, why, &written)),
        warnings: warnings(&written),
        ok: true,
        path,
        hash: Some(written.hash),
        config: written.config,
    })
}

async fn schema((): (), _: Context, _: NoParams) -> Result<SchemaReply, ErrorShape> {
    Ok(config::schema())
}

async fn lookup((): (), _: Context, params: LookupParams) -> Result<LookupReply, ErrorShape> {
    config::lookup(&params.path).ok_or_else(|| ErrorShape::invalid("config schema path not found"))
}

/// Files are read, and programs that hold secrets run, beside the runtime.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ErrorShape> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "the configuration could not be used");
        ErrorShape::unavailable("the gateway could not use its configuration; see its log", 1_000)
    })
}

/// Who changed what; never to what.
fn note(method: &'static str, context: &Context, written: &Written, why: Option<&str>) {
    if !written.changed.is_empty() {
        tracing::info!(
            rpc.method = method, peer.login = context.caller.login(), changed = %written.changed.join(", "), note = why,
            "the configuration was written"
        );
    }
}

/// The file is right and written, but a part of the gateway could not follow.
fn refuse_unapplied(method: &str, written: &Written) -> Result<(), ErrorShape> {
    match &written.applied {
        Applied::Failed(problem) => {
            tracing::warn!(problem, "the configuration that was written does not count yet");
            let fix = "run config.get, then use config.apply to reapply the saved config or restart the Gateway";
            Err(ErrorShape::new(
                ErrorCode::Unavailable,
                format!("{method} persisted but was not applied to the active Gateway (failed); {fix}"),
            ))
        }
        Applied::Yes { .. } | Applied::Off => Ok(()),
    }
}

fn sentinel(
    kind: &'static str,
    mode: &'static str,
    path: &str,
    session_key: Option<String>,
    message: Option<String>,
    written: &Written,
) -> Sentinel {
    let requires_restart = match &written.applied {
        Applied::Yes { waiting } => !waiting.is_empty(),
        Applied::Off | Applied::Failed(_) => true,
    };
    let stats = SentinelStats { mode, root: path.to_owned(), requires_restart };
    let doctor_hint = "Check it with: tailclaw config validate";
    let payload = SentinelPayload { kind, status: "ok", ts: now_ms(), session_key, message, doctor_hint, stats };
    Sentinel { persisted: false, payload }
}

fn warnings(written: &Written) -> Vec<String> {
    let mut warnings = Vec::new();
    if written.lost_comments
        && let Some(backup) = &written.backup
    {
        let name = backup.file_name().unwrap_or_default().display();
        warnings.push(format!("the file had comments, which are lost in it; {name} beside it is the file as it was"));
    }
    match &written.applied {
        Applied::Yes { waiting } if !waiting.is_empty() => {
            warnings.push(format!("restart the gateway for {}", waiting.join(", ")));
        }
        Applied::Off => warnings.push("gateway.reload.mode is off: restart the gateway for the changes".to_owned()),
        Applied::Failed(_) => {
            warnings.push("the running gateway could not take the changes over; see its log".to_owned());
        }
        Applied::Yes { .. } => {}
    }
    warnings
}
