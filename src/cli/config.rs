//! `tailclaw config {get,set,unset,patch,schema,validate,path}`: the file, without a gateway. A gateway that runs
//! sees the change within a second.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::output::{print, print_json};
use crate::config::{self, ConfigError, Document, Overrides, ReplacePaths};

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
    Set(SetArgs),
    /// Remove what stands at a key path
    Unset {
        path: String,
        /// Check, but write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Merge a JSON5 object into the file: null removes, lists of objects with ids merge by id
    Patch(PatchArgs),
    /// Print the JSON Schema of the file
    Schema,
    /// Check file, environment and key paths, without starting anything
    Validate,
    /// Print where the file is
    #[command(alias = "file")]
    Path,
}

#[derive(Debug, Args)]
struct SetArgs {
    path: String,
    value: Option<String>,
    /// The value must be JSON5: never take it as text
    #[arg(long)]
    strict_json: bool,
    /// Merge an object into what is there instead of replacing it
    #[arg(long)]
    merge: bool,
    /// Check, but write nothing
    #[arg(long)]
    dry_run: bool,
    /// Refer to a secret instead of writing it: env, file or exec
    #[arg(long, value_name = "SOURCE", requires = "ref_id", conflicts_with = "value")]
    ref_source: Option<String>,
    /// The provider of the reference, as under secrets.providers
    #[arg(long, value_name = "NAME", default_value = "default")]
    ref_provider: String,
    /// The secret's id at the provider
    #[arg(long, value_name = "ID", requires = "ref_source")]
    ref_id: Option<String>,
}

#[derive(Debug, Args)]
struct PatchArgs {
    /// Read the object from a file
    #[arg(long, value_name = "PATH", conflicts_with = "stdin", required_unless_present = "stdin")]
    file: Option<PathBuf>,
    /// Read the object from standard input
    #[arg(long)]
    stdin: bool,
    /// A list that may lose entries
    #[arg(long, value_name = "PATH")]
    replace_path: Vec<String>,
    /// Check, but write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn main(args: ConfigArgs, context: &Context) -> anyhow::Result<ExitCode> {
    match args.verb {
        ConfigVerb::Get { path } => get(path.as_deref(), context)?,
        ConfigVerb::Set(args) => set(&args, context)?,
        ConfigVerb::Unset { path, dry_run } => unset(&path, dry_run, context)?,
        ConfigVerb::Patch(args) => patch(&args, context)?,
        ConfigVerb::Schema => print_json(&config::schema().schema)?,
        ConfigVerb::Validate => validate(context)?,
        ConfigVerb::Path => {
            let path = context.paths()?.config_file.display().to_string();
            if context.json { print_json(&json!({ "path": path }))? } else { print(&path)? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn get(path: Option<&str>, context: &Context) -> anyhow::Result<()> {
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
    Ok(())
}

fn set(args: &SetArgs, context: &Context) -> anyhow::Result<()> {
    let document = Document::read(&context.paths()?.config_file)?;
    let path = args.path.as_str();
    let content = match (&args.value, &args.ref_source) {
        (_, Some(source)) => {
            document.with(path, json!({ "source": source, "provider": args.ref_provider, "id": args.ref_id }))?
        }
        (Some(value), None) => with_text(&document, args, value)?,
        (None, None) => bail!("give a value, or --ref-source and --ref-id"),
    };
    write(&document, &content, path, args.dry_run, "is set", context)
}

fn with_text(document: &Document, args: &SetArgs, text: &str) -> anyhow::Result<Value> {
    let path = args.path.as_str();
    match config::parse(text) {
        Ok(value) if args.merge && value.is_object() => {
            let nested = path.rsplit('.').fold(value, |value, key| json!({ key: value }));
            Ok(config::merge(document.value(), &nested, &ReplacePaths::default())?)
        }
        // A token of digits only is text all the same: try what it looks like, then what it is.
        Ok(value) => match document.with(path, value) {
            Err(error) if !args.strict_json => Ok(document.with(path, Value::from(text)).map_err(|_| error)?),
            outcome => Ok(outcome?),
        },
        Err(problem) if args.strict_json => bail!("the value is no JSON5: {problem}"),
        Err(_) => Ok(document.with(path, Value::from(text))?),
    }
}

fn unset(path: &str, dry_run: bool, context: &Context) -> anyhow::Result<()> {
    let document = Document::read(&context.paths()?.config_file)?;
    let content = document.without(path)?.ok_or_else(|| anyhow!("{path} is not set: nothing was changed"))?;
    write(&document, &content, path, dry_run, "is removed", context)
}

fn patch(args: &PatchArgs, context: &Context) -> anyhow::Result<()> {
    let text = match &args.file {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?,
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
            text
        }
    };
    let patch = config::parse(&text).map_err(|problem| anyhow!("the patch is no JSON5: {problem}"))?;
    if !patch.is_object() {
        bail!("the patch must be an object, as in {{ gateway: {{ port: 18789 }} }}");
    }
    let document = Document::read(&context.paths()?.config_file)?;
    let content = config::merge(document.value(), &patch, &ReplacePaths::new(&args.replace_path))?;
    write(&document, &content, "the patch", args.dry_run, "is written", context)
}

/// Checks the whole and writes it. What is wrong with other keys than before is refused; what only this environment
/// lacks is a warning, because the gateway may run in another.
fn write(
    document: &Document,
    content: &Value,
    what: &str,
    dry_run: bool,
    done: &str,
    context: &Context,
) -> anyhow::Result<()> {
    let mut next = document.changed_to(content)?;
    let known = document.issues();
    let issues: Vec<_> = next.issues().into_iter().filter(|issue| !known.contains(issue)).collect();
    if !issues.is_empty() {
        return Err(ConfigError { issues }.into());
    }
    if dry_run {
        return if context.json {
            print_json(&json!({ "ok": true, "dryRun": true, "path": what }))
        } else {
            print("The configuration would be right. Nothing was written.")
        };
    }
    let replaced = next.replace()?;
    if let (true, Some(backup)) = (replaced.lost_comments, &replaced.backup) {
        eprintln!("The file had comments, which are lost in it: it is kept as {} as it was.", backup.display());
    }
    if let Err(error) = context.draft(Overrides::default()) {
        warn(&error);
    }
    if context.json {
        print_json(&json!({ "ok": true, "path": what, "backup": replaced.backup }))
    } else {
        print(&format!("{what} {done}. A gateway that runs takes over what it can, and says in its log what waits."))
    }
}

/// The value is right for its key, but the whole does not stand yet: another key may have to follow.
fn warn(error: &ConfigError) {
    for line in error.to_string().lines() {
        eprintln!("warning: {line}");
    }
}

fn validate(context: &Context) -> anyhow::Result<()> {
    let path = context.paths()?.config_file;
    let exists = Document::read(&path)?.exists();
    context.draft(Overrides::default())?;
    let shown = path.display();
    if context.json {
        print_json(&json!({ "valid": true, "path": path, "exists": exists, "issues": [] }))
    } else if exists {
        print(&format!("{shown} is right."))
    } else {
        print(&format!("{shown} does not exist: defaults apply."))
    }
}
