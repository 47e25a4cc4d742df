//! `tailclaw login`: joins the tailnet, or renews the login, while the gateway runs.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use qrcode::QrCode;
use qrcode::render::unicode;
use serde_json::{Value, json};

use super::ask::AskArgs;
use super::context::Context;
use super::output::{plain, print, print_json};
use super::report::At;

/// The gateway itself waits a little less for the control server.
pub(super) const PATIENCE: Duration = Duration::from_secs(75);

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// Key to log in with, or file:PATH; it is used once and not written down
    #[arg(long, value_name = "KEY", conflicts_with = "link")]
    auth_key: Option<String>,
    /// Ask for a link, also where the configuration has a key
    #[arg(long)]
    link: bool,
    #[command(flatten)]
    ask: AskArgs,
}

pub(super) async fn main(args: &LoginArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let key = args.auth_key.as_deref().map(key_of).transpose()?;
    let params = json!({ "authKey": key, "link": args.link });
    let gateway = args.ask.gateway(context).await?;
    let reply = gateway.call_within("tailnet.login", params, PATIENCE).await?;
    show(&reply, context)?;
    Ok(ExitCode::SUCCESS)
}

/// Also for `up`, where a gateway runs already.
pub(super) fn show(reply: &Value, context: &Context) -> anyhow::Result<()> {
    if context.json {
        return print_json(reply);
    }
    match (reply.at("outcome").as_str(), reply.at("loginUrl").as_str()) {
        (Some("link"), Some(url)) => {
            let picture = context.is_interactive().then(|| QrCode::new(url).ok()).flatten();
            let picture = picture.map(|code| "\n".to_owned() + &code.render::<unicode::Dense1x2>().build());
            print(&format!(
                "To log in, open {}{}\nThe gateway goes on meanwhile; `tailclaw status` shows when it is done.",
                plain(url),
                picture.unwrap_or_default()
            ))
        }
        (Some("approval"), _) => print("Logged in; an admin of the tailnet has to approve this device."),
        _ => print("Logged in."),
    }
}

/// `file:PATH` as in the configuration.
pub(super) fn key_of(text: &str) -> anyhow::Result<String> {
    let Some(path) = text.strip_prefix("file:") else { return Ok(text.to_owned()) };
    let key = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{path} cannot be read: {error}"))?;
    Ok(key.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_lie_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "tskey-1\n").unwrap();
        assert_eq!(key_of(&format!("file:{}", path.display())).unwrap(), "tskey-1");
        assert_eq!(key_of("tskey-2").unwrap(), "tskey-2");
        assert!(key_of("file:/does/not/exist").is_err());
    }
}
