//! `cargo bench --bench gateway -- [starts] [memory] [connects] [fanout] [requests]`, all of them without a name: how
//! the gateway does beside a bare tokio-tungstenite server that sends the same bytes, and beside OpenClaw's own gateway.
//!
//! Each of the three is a process of its own, set up alike and driven by the same client, round by round in turn on the
//! same machine: the ratios are what counts. OpenClaw lies where `tests/run` installs it (`TAILCLAW_TEST_CACHE`);
//! without it the rest still runs.

mod bare;
mod client;
mod connects;
mod fanout;
mod figures;
mod memory;
mod model;
mod requests;
mod servers;
mod starts;

use std::error::Error;

use servers::Server;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Memory comes before what makes OpenClaw's heap grow: it is started once for all.
const MEASUREMENTS: [&str; 5] = ["starts", "memory", "connects", "fanout", "requests"];
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Outcome<()> {
    // Cargo adds `--bench`.
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if names.first().is_some_and(|name| name == bare::COMMAND) {
        return bare::serve().await;
    }
    if let Some(name) = names.iter().find(|name| !MEASUREMENTS.contains(&name.as_str())) {
        return Err(format!("no measurement {name}; there are {}", MEASUREMENTS.join(", ")).into());
    }
    servers::raise_descriptor_limit()?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    let model = model::Standin::start().await?;
    let others = MEASUREMENTS.iter().filter(|name| **name != "starts");
    let openclaw = match others.into_iter().any(|name| wanted(name)) {
        true => Server::openclaw(&model).await?,
        false => None,
    };
    let openclaw = openclaw.as_ref();
    if wanted("starts") {
        starts::measure(&model).await?;
    }
    if wanted("memory") {
        memory::measure(&model, openclaw).await?;
    }
    if wanted("connects") {
        connects::measure(&model, openclaw).await?;
    }
    if wanted("fanout") {
        fanout::measure(&model, openclaw).await?;
    }
    if wanted("requests") {
        requests::measure(&model, openclaw).await?;
    }
    Ok(())
}
