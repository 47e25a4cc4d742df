//! `tailclaw config {get,set,validate,path}`: the file, without a gateway.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::output::{print, print_json};
use crate::config::{ConfigError, Document, Overrides, WriteError};

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Print what the file has at a key path, as in gateway.port; secrets are not shown
    Get {
        /// The whole file without it
        path: Option<String>,
    },
    /// Set a key path; the value is JSON5, or text where it is not
    Set { path: String, value: String },
    /// Check file, environment and key paths, without starting anything
    Validate,
    /// Print where the file is
    #[command(alias = "file")]
    Path,
}

pub(super) fn main(args: ConfigArgs, context: &Context) -> anyhow::Result<ExitCode> {
    match args.verb {
        ConfigVerb::Get { path } => get(path.as_deref(), context),
        ConfigVerb::Set { path, value } => set(&path, &value, context),
        ConfigVerb::Validate => validate(context),
        ConfigVerb::Path => {
            let path = context.paths()?.config_file.display().to_string();
            if context.json {
                print_json(&json!({ "path": path }))?
            } else {
                print(&path)?
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn get(path: Option<&str>, context: &Context) -> anyhow::Result<ExitCode> {
    let document = Document::read(&context.paths()?.config_file)?;
    let value = match path {
        Some(path) => document.at(path)?.ok_or_else(|| {
            anyhow!("{path} is not set: its default applies; set it with `tailclaw config set {path} <value>`")
        })?,
        None => document.redacted(),
    };
    match value {
        Value::String(text) if !context.json => print(&text)?,
        value => print_json(&value)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn set(path: &str, value: &str, context: &Context) -> anyhow::Result<ExitCode> {
    let mut document = Document::read(&context.paths()?.config_file)?;
    let outcome = match json5::from_str::<Value>(value) {
        // A token of digits only is text all the same: try what it looks like, then what it is.
        Ok(parsed) => match document.set(path, parsed) {
            Err(WriteError::Invalid(error)) => document.set(path, Value::from(value)).map_err(|_| error.into()),
            outcome => outcome,
        },
        Err(_) => document.set(path, Value::from(value)),
    };
    let written = outcome.map_err(|error| match error {
        WriteError::Invalid(error) => anyhow::Error::new(error),
        error @ WriteError::Io { .. } => anyhow::Error::new(error),
    })?;
    if let Some(backup) = &written.backup {
        eprintln!("The file had comments, which are lost in it: it is kept as {} as it was.", backup.display());
    }
    if let Err(error) = context.draft(Overrides::default()) {
        warn(&error);
    }
    if context.json {
        print_json(&json!({ "ok": true, "path": path, "backup": written.backup }))?;
    } else {
        print(&format!("{path} is set. It counts from the gateway's next start."))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The value is right for its key, but the whole does not stand yet: another key may have to follow.
fn warn(error: &ConfigError) {
    for line in error.to_string().lines() {
        eprintln!("warning: {line}");
    }
}

fn validate(context: &Context) -> anyhow::Result<ExitCode> {
    let path = context.paths()?.config_file;
    let exists = Document::read(&path)?.exists();
    context.draft(Overrides::default())?;
    let shown = path.display();
    if context.json {
        print_json(&json!({ "valid": true, "path": path, "exists": exists, "issues": [] }))?;
    } else if exists {
        print(&format!("{shown} is right."))?;
    } else {
        print(&format!("{shown} does not exist: defaults apply."))?;
    }
    Ok(ExitCode::SUCCESS)
}
