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
    for _ in 0..ROUNDS {
        let gateway = Server::tailclaw(model).await?;
        let (_, greeting) = operator(gateway.port).await?;
        contest.ours.push(each(&gateway).await?);
        gateway.stop()?;
        contest.bare.push(each(&Server::bare(&Frames::new(greeting, String::new(), None))?).await?);
    }
    // One process for all measurements. Its garbage is collected when it likes, so its figures scatter.
    if let Some(openclaw) = openclaw {
        for _ in 0..ROUNDS {
            contest.openclaw.push(each(openclaw).await?);
        }
    }
    contest.print(Goals::default());
    Ok(())
}

/// In KiB, after the first few connections have warmed it up.
async fn each(server: &Server) -> Outcome<f64> {
    drop(operators(server.port, 32).await?);
    tokio::time::sleep(SETTLING).await;
    let before = server.resident()?;
    let sockets = operators(server.port, SOCKETS).await?;
    tokio::time::sleep(SETTLING).await;
    let after = server.resident()?;
    drop(sockets);
    Ok((after - before) / SOCKETS as f64 / 1024.0)
}
