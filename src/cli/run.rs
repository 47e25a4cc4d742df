//! `tailclaw gateway [run]`: the gateway in the foreground.

use std::process::ExitCode;

use clap::Args;

use super::context::Context;
use super::force;
use crate::app;
use crate::config::{ConfigError, Overrides};

#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// Port for WebSocket and HTTP (default 18789)
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// loopback, lan, tailnet, auto or custom
    #[arg(long, value_name = "MODE")]
    bind: Option<String>,
    /// none, token or password
    #[arg(long, value_name = "MODE")]
    auth: Option<String>,
    /// The token that callers have to show
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
    /// The password that callers have to show
    #[arg(long, value_name = "PASSWORD", allow_hyphen_values = true)]
    password: Option<String>,
    /// off, serve or funnel; embedded or host names the node
    #[arg(long, value_name = "MODE")]
    tailscale: Option<String>,
    /// First stop the gateway that runs on this state folder
    #[arg(long)]
    force: bool,
    /// Start although gateway.mode is "remote"
    #[arg(long)]
    allow_unconfigured: bool,
}

impl RunArgs {
    fn overrides(&self) -> Overrides {
        let mut overrides = Overrides::default();
        overrides.set_some("gateway.port", "--port", self.port.as_deref());
        overrides.set_some("gateway.bind", "--bind", self.bind.as_deref());
        overrides.set_some("gateway.auth.mode", "--auth", self.auth.as_deref());
        overrides.set_some("gateway.auth.token", "--token", self.token.as_deref());
        overrides.set_some("gateway.auth.password", "--password", self.password.as_deref());
        if let Some(mode) = self.tailscale.as_deref() {
            // OpenClaw's modes and our kinds of node share the flag.
            let key =
                if matches!(mode, "serve" | "funnel") { "gateway.tailscale.mode" } else { "gateway.tailscale.node" };
            overrides.set(key, "--tailscale", mode);
        }
        overrides
    }
}

pub(super) async fn main(args: &RunArgs, context: &Context) -> anyhow::Result<ExitCode> {
    start(args.overrides(), Start { force: args.force, whatever_mode: args.allow_unconfigured }, context).await
}

/// How much is asked before a gateway starts.
pub(super) struct Start {
    /// First stop the one that runs.
    pub(super) force: bool,
    /// Also where the configuration says that the gateway is elsewhere.
    pub(super) whatever_mode: bool,
}

pub(super) async fn start(overrides: Overrides, start: Start, context: &Context) -> anyhow::Result<ExitCode> {
    let draft = context.draft(overrides)?;
    if draft.remote.is_default && !start.whatever_mode {
        return Err(ConfigError::one("gateway.mode", IS_ELSEWHERE).into());
    }
    let resolved = draft.complete()?;
    if start.force {
        force::take_over(&resolved.paths.lock_file()).await?;
    }
    app::run(resolved, context.reader()).await
}

const IS_ELSEWHERE: &str = "is \"remote\", so the gateway of this machine's commands is another one: set it to \"local\" to \
                            run one here, or pass --allow-unconfigured";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Paths, load};

    #[test]
    fn mistakes_in_flags_bear_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { state_dir: folder.path().into(), config_file: folder.path().join("none.json") };
        let text = |text: &str| Some(text.to_owned());
        let args = RunArgs { port: text("many"), bind: text("lam"), tailscale: text("tailnet"), ..RunArgs::default() };
        let error = load(paths, &Environment::default(), &args.overrides()).unwrap_err();
        let names: Vec<&str> = error.issues.iter().map(|issue| issue.path.as_str()).collect();
        assert_eq!(names, ["--port", "--bind", "--tailscale"]);
    }
}
