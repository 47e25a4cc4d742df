//! `tailclaw tunnel user@host`: a port of this machine that leads to the gateway there, for a browser or any program,
//! until Ctrl-C.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;

use super::connect::{self, SshRoad};
use super::context::Context;
use super::output::{print, print_json};
use crate::net::SshTarget;
use crate::tunnel::State;

/// Open at once; more wait.
const MOST_CONNECTIONS: usize = 256;

#[derive(Debug, Args)]
pub(super) struct TunnelArgs {
    /// user@host or user@host:port, or a name of ssh's configuration (default gateway.remote.sshTarget)
    target: Option<SshTarget>,
    /// Key file for SSH
    #[arg(long, visible_alias = "ssh-identity", value_name = "PATH")]
    identity: Option<PathBuf>,
    /// Port of the gateway on that machine (default 18789)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Port on this machine (default: a free one)
    #[arg(long, value_name = "PORT")]
    local_port: Option<u16>,
}

pub(super) async fn main(args: &TunnelArgs, context: &Context) -> anyhow::Result<ExitCode> {
    // Bound before anything else: it stays this process's while ssh comes and goes.
    let wanted = args.local_port.unwrap_or(0);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .await
        .with_context(|| format!("port {wanted} of this machine cannot be used; choose another with --local-port"))?;
    let port = listener.local_addr()?.port();
    let road = connect::ssh_road(context, args.target.as_ref(), args.identity.as_deref(), args.port).await?;
    let (http, ws) = if road.is_tls { ("https", "wss") } else { ("http", "ws") };
    let url = format!("{http}://127.0.0.1:{port}/");
    if context.json {
        print_json(&json!({ "url": url, "wsUrl": format!("{ws}://127.0.0.1:{port}"), "localPort": port,
                            "target": road.target.to_string(), "remotePort": road.remote_port }))?;
    } else {
        print(&format!("{url} leads to the gateway of {} until Ctrl-C", road.target))?;
    }
    tokio::select! {
        outcome = serve(listener, road.socket.clone()) => outcome?,
        outcome = tell(road) => outcome?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(listener: TcpListener, socket: PathBuf) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        match listener.accept().await {
            Ok((near, _)) => {
                let socket = socket.clone();
                tokio::spawn(async move {
                    carry(near, &socket).await;
                    drop(slot);
                });
            }
            // One that went again, or no descriptors for a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// While ssh is being started anew there is nobody to carry to: the connection ends, as it would at the gateway.
async fn carry(mut near: TcpStream, socket: &std::path::Path) {
    let _ = near.set_nodelay(true);
    if let Ok(mut far) = UnixStream::connect(socket).await {
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }
}

/// What becomes of ssh, on stderr; comes back when it will not be tried again.
async fn tell(mut road: SshRoad) -> anyhow::Result<()> {
    let mut was_up = true;
    loop {
        let now = road.state.borrow_and_update().clone();
        match now {
            State::Up if !was_up => {
                eprintln!("connected again");
                was_up = true;
            }
            State::Up | State::Connecting => {}
            State::Down { error, pause } => {
                eprintln!("{error}; trying again in {} s", pause.as_secs().max(1));
                was_up = false;
            }
            State::Over(error) => return Err(error.into()),
        }
        if road.state.changed().await.is_err() {
            return Ok(());
        }
    }
}
