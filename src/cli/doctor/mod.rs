//! `tailclaw doctor`: one check a line, each with what to do about it. It works with the gateway down, from the
//! configuration and the files, and asks it for the rest where it runs.
//!
//! `folder`, `settings`, `remote` and `machine` look at what lies here, `running` asks the gateway. `--fix` repairs what is safe to
//! repair: it narrows the rights of our own files and clears away what was left half written, and nothing else.

mod check;
mod folder;
mod machine;
mod remote;
mod running;
mod settings;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::connect::ConnectArgs;
use super::context::Context;
use super::output::{alarming, print, print_json};
use crate::config::Overrides;
use check::{Check, Verdict, fail, ok};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Repair what is safe to repair: rights of the gateway's own files, and what was left half written
    #[arg(long, alias = "repair")]
    fix: bool,
    /// Only the check with this id; may be repeated
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Not the check with this id; may be repeated
    #[arg(long, value_name = "ID")]
    skip: Vec<String>,
    /// Accepted for OpenClaw's sake: nothing is ever asked
    #[arg(long, visible_alias = "yes")]
    non_interactive: bool,
    /// Milliseconds to wait for the gateway
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &DoctorArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let fixed = if args.fix { folder::repair(&context.paths()?) } else { Vec::new() };
    let mut checks = gather(args, context).await?;
    checks.retain(|check| {
        let is_named = |ids: &[String]| ids.iter().any(|id| id == check.id);
        (args.only.is_empty() || is_named(&args.only)) && !is_named(&args.skip)
    });
    let worst = checks.iter().map(|check| check.status).max().unwrap_or(Verdict::Ok);
    if context.json {
        print_json(&json!({ "ok": worst != Verdict::Fail, "checks": checks, "fixed": fixed }))?;
    } else {
        print(&render(&checks, &fixed))?;
    }
    Ok(if worst == Verdict::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn gather(args: &DoctorArgs, context: &Context) -> anyhow::Result<Vec<Check>> {
    let paths = context.paths()?;
    let mut checks = folder::checks(&paths);
    let draft = match context.draft(Overrides::default()) {
        Ok(draft) => draft,
        Err(error) => {
            let mistakes = error.issues.iter().map(|issue| {
                let fix = format!("mend {} in {}", issue.path, paths.config_file.display());
                fail("config", format!("{}: {}", issue.path, issue.message), fix)
            });
            checks.splice(0..0, mistakes);
            return Ok(checks);
        }
    };
    let state = if paths.config_file.exists() { "is valid" } else { "does not exist: defaults apply" };
    checks.insert(0, ok("config", format!("{} {state}", paths.config_file.display())));
    checks.extend(settings::checks(&draft));
    checks.extend(remote::checks(&draft).await);
    let answers = running::ask(&args.connect, context, Duration::from_millis(args.timeout.max(1))).await;
    checks.extend(machine::port(&draft, &answers));
    checks.extend(running::checks(&answers, &draft));
    checks.extend(machine::tailscaled(&draft).await);
    Ok(checks)
}

fn render(checks: &[Check], fixed: &[String]) -> String {
    let width = checks.iter().map(|check| check.id.len()).max().unwrap_or(0);
    let mut lines: Vec<String> = fixed.iter().map(|what| format!("fixed {what}")).collect();
    lines.extend(checks.iter().map(|check| {
        let line = check.line(width);
        if check.status == Verdict::Fail { alarming(&line) } else { line }
    }));
    let count = |verdict| checks.iter().filter(|check| check.status == verdict).count();
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (warnings, failures) = (count(Verdict::Warn), count(Verdict::Fail));
    let parts = [counted(checks.len(), "check"), counted(warnings, "warning"), counted(failures, "failure")];
    lines.push(parts.join(", "));
    lines.join("\n")
}
