//! Roads to a gateway that bring their own encryption: a port forward by the system's OpenSSH, and a tailnet node that
//! lives as long as the command.
//!
//! What is sent on them is `client`'s business, which of them a command takes is `cli`'s. Both end with whoever opened
//! them: [`SshTunnel`] and [`OwnNode`] have a `close` that waits within bounds, and nothing is left behind by a process
//! that is killed either (`guard`).

mod complaint;
mod error;
mod guard;
mod node;
mod private_folder;
mod ssh;

pub use error::TunnelError;
pub use guard::run_guarded;
pub use node::{NodeSettings, OwnNode, Step, node_folder};
pub use ssh::{SshSettings, SshTunnel, State};
