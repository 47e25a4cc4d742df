//! `tailclaw up`: the guided first run. It writes down that this gateway is a node of a tailnet, then runs it; the
//! login link and its QR code come from there.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::ask::Gateway;
use super::context::Context;
use super::failure::Usage;
use super::output::{print, print_json};
use super::report::{self, At};
use super::{force, login, run};
use crate::client::CONNECT_TIMEOUT;
use crate::config::{Document, Overrides, default_hostname};

#[derive(Debug, Args)]
pub(super) struct UpArgs {
    /// Name of this gateway in the tailnet (default tailclaw)
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Control server other than Tailscale's, as in https://headscale.example.com
    #[arg(long, value_name = "URL")]
    control_url: Option<String>,
    /// Key to join without a browser, or file:PATH
    #[arg(long, value_name = "KEY")]
    auth_key: Option<String>,
    /// Do not ask before the configuration is written
    #[arg(long, short)]
    yes: bool,
    /// First stop the gateway that runs on this state folder
    #[arg(long)]
    force: bool,
}

impl UpArgs {
    /// What would be written, where it is not there already.
    fn changes(&self, document: &Document, default_hostname: &str) -> Vec<(&'static str, Value)> {
        let has = |key: &str| document.at(key).ok().flatten().is_some();
        let hostname =
            self.hostname.clone().or_else(|| (!has("gateway.tailscale.hostname")).then(|| default_hostname.to_owned()));
        let wanted = [
            ("gateway.tailscale.node", Some("embedded".to_owned())),
            ("gateway.tailscale.hostname", hostname),
            ("gateway.tailscale.controlUrl", self.control_url.clone()),
            ("gateway.tailscale.authKey", self.auth_key.clone()),
        ];
        let wanted = wanted.into_iter().filter_map(|(key, value)| Some((key, Value::from(value?))));
        wanted
            .filter(|(key, value)| {
                // A secret is not shown by `at`, and so is written anew.
                document.at(key).ok().flatten().as_ref() != Some(value)
            })
            .collect()
    }
}

pub(super) async fn main(args: UpArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let paths = context.paths()?;
    let mut document = Document::read(&paths.config_file)?;
    let changes = args.changes(&document, &default_hostname(&paths));
    if !changes.is_empty() {
        // Wrong values are told before anything is asked or written.
        let mut overrides = Overrides::default();
        for (key, value) in &changes {
            overrides.set(key, flag_of(key), value.clone());
        }
        context.draft(overrides)?;
        let shown = paths.config_file.display().to_string();
        if !args.yes {
            confirm(&changes, &shown)?;
        }
        for (key, value) in changes {
            document = document.changed_to(&document.with(key, value)?)?;
        }
        document.replace()?;
    }
    if !args.force && force::holder(&paths.lock_file())?.is_some() {
        return by_running_gateway(&args, context).await;
    }
    let mut overrides = Overrides::default();
    // Asked for by name: an `off` or a `loopback` left in the file does not hold against it.
    overrides.set("gateway.tailscale.node", "tailclaw up", "embedded");
    run::start(overrides, run::Start { force: args.force, whatever_mode: false }, context).await
}

/// A gateway runs on this state folder already: its node is asked, and nothing is interrupted. A new name was taken over
/// with the configuration.
async fn by_running_gateway(args: &UpArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::local(context, CONNECT_TIMEOUT).await?;
    let status = gateway.call("status", json!({})).await?;
    let key = args.auth_key.as_deref().map(login::key_of).transpose()?;
    match status.at("tailnet.state").as_str() {
        None => Err(Usage(
            "a gateway runs here without a node of a tailnet: start it anew, or let this do it with --force".to_owned(),
        )
        .into()),
        Some("Running") if key.is_none() => {
            if context.json {
                print_json(status.at("tailnet"))?;
            } else {
                print(&format!("The gateway runs, and has joined as {}.", report::text(status.at("tailnet.name"))))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(_) => {
            let reply = gateway.call_within("tailnet.login", json!({ "authKey": key }), login::PATIENCE).await?;
            login::show(&reply, context)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn flag_of(key: &str) -> &'static str {
    match key {
        "gateway.tailscale.hostname" => "--hostname",
        "gateway.tailscale.controlUrl" => "--control-url",
        "gateway.tailscale.authKey" => "--auth-key",
        _ => "tailclaw up",
    }
}

/// On stderr, so that stdout stays what the gateway says.
fn confirm(changes: &[(&'static str, Value)], file: &str) -> anyhow::Result<()> {
    let mut stderr = io::stderr().lock();
    if !io::stdin().is_terminal() {
        return Err(Usage(format!(
            "joining a tailnet changes {file}, and there is nobody to ask: run it in a terminal, or with --yes"
        ))
        .into());
    }
    writeln!(stderr, "This gateway will join a tailnet as a node of its own. To be written to {file}:")?;
    for (key, value) in changes {
        let value = if key.ends_with("authKey") { "(the key)".to_owned() } else { value.to_string() };
        writeln!(stderr, "  {key} = {value}")?;
    }
    write!(stderr, "Go on? [Y/n] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    let length = io::stdin().lock().read_line(&mut answer)?;
    let is_yes = length > 0 && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes");
    if is_yes {
        Ok(())
    } else {
        Err(anyhow::anyhow!("nothing was changed: run `tailclaw gateway` to stay on loopback"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tailclaw.json");
        let args = UpArgs { hostname: None, control_url: None, auth_key: None, yes: true, force: false };
        let keys = |args: &UpArgs| -> Vec<&str> {
            args.changes(&Document::read(&path).unwrap(), "tailclaw").into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(&args), ["gateway.tailscale.node", "gateway.tailscale.hostname"]);
        std::fs::write(&path, r#"{ gateway: { tailscale: { node: "embedded", hostname: "claw" } } }"#).unwrap();
        assert!(keys(&args).is_empty());
        let renamed = UpArgs { hostname: Some("other".to_owned()), ..args };
        assert_eq!(keys(&renamed), ["gateway.tailscale.hostname"]);
    }
}
