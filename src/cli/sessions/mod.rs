//! `tailclaw sessions …`: without a verb of its own it lists them. All of it over the gateway.

mod end;
mod list;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::context::Context;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct SessionsArgs {
    #[command(subcommand)]
    verb: Option<SessionsVerb>,
    #[command(flatten)]
    list: list::ListArgs,
}

#[derive(Debug, Subcommand)]
enum SessionsVerb {
    /// List the conversations
    List(list::ListArgs),
    /// Put conversations away; they can be taken back
    Archive(end::EndArgs),
    /// Delete conversations; what was said in them is kept as a file
    Delete(end::DeleteArgs),
}

pub(super) async fn main(args: SessionsArgs, context: &Context) -> anyhow::Result<ExitCode> {
    match args.verb {
        None => list::main(&args.list, context).await,
        Some(SessionsVerb::List(args)) => list::main(&args, context).await,
        Some(SessionsVerb::Archive(args)) => end::archive(&args, context).await,
        Some(SessionsVerb::Delete(args)) => end::delete(&args, context).await,
    }
}
