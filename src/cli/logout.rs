//! `tailclaw logout`: leaves the tailnet and deletes the login. By the gateway where one runs, and else by a node of
//! its own, because the control server has to be told.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::ask::AskArgs;
use super::context::Context;
use super::failure::Usage;
use super::output::{print, print_json};
use super::report::At;
use crate::client::ClientError;
use crate::config::Overrides;
use crate::tailnet::{Node, Settings, State};

/// A control server that answers does so within this time.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct LogoutArgs {
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    ask: AskArgs,
}

pub(super) async fn main(args: &LogoutArgs, context: &Context) -> anyhow::Result<ExitCode> {
    if !args.yes {
        confirm()?;
    }
    let reply = match by_gateway(args, context).await {
        Err(error) if is_down(&error) && !args.ask.is_elsewhere(context) => by_own_node(context).await?,
        outcome => outcome?,
    };
    if context.json {
        print_json(&reply)?;
    } else {
        print(text(&reply))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn by_gateway(args: &LogoutArgs, context: &Context) -> anyhow::Result<Value> {
    let gateway = args.ask.gateway(context).await?;
    gateway.call_within("tailnet.logout", json!({}), PATIENCE).await
}

fn is_down(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ClientError>().is_some_and(ClientError::is_unreachable)
}

/// No gateway runs here.
async fn by_own_node(context: &Context) -> anyhow::Result<Value> {
    let draft = context.draft(Overrides::default())?;
    let Some(settings) = draft.tailnet else {
        return Err(anyhow::anyhow!("this gateway is in no tailnet: there is nothing to leave"));
    };
    if !settings.state_dir.join("tailscaled.state").exists() {
        return Err(anyhow::anyhow!("this gateway has never joined a tailnet: there is nothing to leave"));
    }
    let rejoins = settings.auth_key.is_some() || settings.oauth.is_some();
    // Without them: a login that has ended must not be renewed in order to end it.
    let node = Node::start(Settings { auth_key: None, oauth: None, ..settings }).await?;
    let outcome = leave(&node).await;
    let closed = node.close().await;
    outcome?;
    closed?;
    Ok(json!({ "ok": true, "rejoins": rejoins }))
}

async fn leave(node: &Node) -> anyhow::Result<()> {
    let mut state = node.state();
    let settled = state.wait_for(|state| !matches!(state, State::Starting));
    match tokio::time::timeout(PATIENCE, settled).await {
        Err(_) => Err(anyhow::anyhow!(
            "the control server does not answer, and it has to be told: try again, or remove the device in its admin console"
        )),
        Ok(settled) => {
            drop(settled?);
            Ok(node.logout().await?)
        }
    }
}

fn text(reply: &Value) -> &'static str {
    if reply.at("rejoins") == true {
        "Left the tailnet; the login is deleted.\nThe configuration has a key or an OAuth client: if that is still good, \
         the next start of the gateway joins anew. To stay out: tailclaw config set gateway.tailscale.node off"
    } else {
        "Left the tailnet; the login is deleted. `tailclaw login` joins anew."
    }
}

/// On stderr, as the answer goes to stdout.
fn confirm() -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Usage(
            "this ends the gateway's login in its tailnet, and there is nobody to ask: pass --yes".to_owned(),
        )
        .into());
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "The gateway leaves its tailnet: connections over it end, and the login is deleted. Go on? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(anyhow::anyhow!("nothing was changed"))
    }
}
