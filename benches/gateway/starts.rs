//! From exec to the first 200 of `/healthz`: a state folder of its own each time, then again on the same one.

use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figures::spread;
use crate::model::Standin;
use crate::servers::Server;

const STARTS: usize = 11;

pub async fn measure(model: &Standin) -> Outcome<()> {
    let (mut fresh, mut again) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("tailclaw.json"), model.config().to_string())?;
        for times in [&mut fresh, &mut again] {
            let begun = Instant::now();
            let mut gateway = Server::tailclaw_in(folder.path())?;
            gateway.answers("/healthz", Duration::from_secs(20)).await?;
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
            gateway.stop()?;
        }
    }
    println!("start to /healthz");
    println!("  fresh state    {} ms", spread(&fresh));
    println!("  existing state {} ms", spread(&again));
    Ok(())
}
