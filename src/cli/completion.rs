//! `tailclaw completion <shell>`: the script on stdout.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::context::Context;
use super::failure::Usage;
use super::output::{print, print_json};

#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    /// bash, zsh, fish, elvish or powershell; that of $SHELL unless told
    #[arg(value_enum)]
    shell: Option<Shell>,
    /// The same as a flag
    #[arg(long = "shell", short, value_enum, value_name = "SHELL", conflicts_with = "shell")]
    shell_flag: Option<Shell>,
}

pub(super) fn main(args: &CompletionArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let shell = args.shell.or(args.shell_flag).or_else(Shell::from_env).ok_or_else(|| {
        Usage("which shell it is for is not known: name it, as in `tailclaw completion bash`".to_owned())
    })?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::Cli::command(), "tailclaw", &mut script);
    let script = String::from_utf8_lossy(&script);
    if context.json {
        print_json(&json!({ "shell": shell.to_string(), "script": script }))?;
    } else {
        print(script.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}
