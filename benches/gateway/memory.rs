//! What an idle connection costs a server: its resident memory with a thousand of them, less what it had before.

use std::time::Duration;

use crate::Outcome;
use crate::bare::Frames;
use crate::client::{operator, operators};
use crate::figures::{Better, Contest, Goals};
use crate::model::Standin;
use crate::servers::Server;

const SOCKETS: usize = 1_000;
const ROUNDS: usize = 3;
/// So that what was only needed for connecting is given back.
const SETTLING: Duration = Duration::from_secs(3);

pub async fn measure(model: &Standin, openclaw: Option<&Server>) -> Outcome<()> {
    let title = format!("memory of an idle connection, of {SOCKETS}");
    let mut contest = Contest::new(title, "KiB", Better::Less);
    let title = format!("memory of the whole process with {SOCKETS} idle connections");
    let mut whole = Contest::new(title, "KiB", Better::Less);
    for _ in 0..ROUNDS {
        let gateway = Server::tailclaw(model).await?;
        let (_, greeting) = operator(gateway.port).await?;
        let (each, all) = use_of(&gateway).await?;
        contest.ours.push(each);
        whole.ours.push(all);
        gateway.stop()?;
        let (each, all) = use_of(&Server::bare(&Frames::new(greeting, String::new(), None))?).await?;
        contest.bare.push(each);
        whole.bare.push(all);
    }
    // Its heap has room to spare and is tidied when it likes, so what one connection adds scatters from nothing to
    // much: the whole says more. One process serves all rounds.
    if let Some(openclaw) = openclaw {
        for _ in 0..ROUNDS {
            let (each, all) = use_of(openclaw).await?;
            contest.openclaw.push(each);
            whole.openclaw.push(all);
        }
    }
    contest.print(Goals::default());
    whole.print(Goals::default());
    Ok(())
}

/// Of each connection and of the whole process, in KiB, after the first few connections have warmed it up.
async fn use_of(server: &Server) -> Outcome<(f64, f64)> {
    drop(operators(server.port, 32).await?);
    tokio::time::sleep(SETTLING).await;
    let before = server.resident()?;
    let sockets = operators(server.port, SOCKETS).await?;
    tokio::time::sleep(SETTLING).await;
    let after = server.resident()?;
    drop(sockets);
    Ok(((after - before) / SOCKETS as f64 / 1024.0, after / 1024.0))
}
