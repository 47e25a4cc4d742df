//! Connects a second: TCP, upgrade, challenge, `connect` with a signed device, `hello-ok`, close.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::try_join_all;

use crate::bare::Frames;
use crate::client::{AT_ONCE, Device};
use crate::figures::{Better, Contest, Goals};
use crate::model::Standin;
use crate::servers::Server;
use crate::{Outcome, ROUNDS};

const SPELL: Duration = Duration::from_millis(2_000);

pub async fn measure(model: &Standin, openclaw: Option<&Server>) -> Outcome<()> {
    let gateway = Server::tailclaw(model).await?;
    // Known from here on: what is measured are devices that come back.
    let devices = (0..AT_ONCE).map(|_| Device::new()).collect::<Outcome<Vec<_>>>()?;
    let mut sizes = Vec::new();
    let mut greeting = None;
    for port in [Some(gateway.port), openclaw.map(|openclaw| openclaw.port)].into_iter().flatten() {
        for device in &devices {
            greeting = Some(device.connect(port).await?.1);
        }
        sizes.extend(greeting.as_ref().map(|greeting| greeting.hello.len()));
    }
    let (_, greeting) = devices.first().ok_or("there are devices")?.connect(gateway.port).await?;
    let bare = Server::bare(&Frames::new(greeting, String::new(), None))?;
    let title = format!("connects with a device's signature, {AT_ONCE} at a time (hello-ok: {sizes:?} bytes)");
    let mut contest = Contest::new(title, "connects/s", Better::More);
    for _ in 0..ROUNDS {
        contest.ours.push(load(gateway.port, &devices).await?);
        contest.bare.push(load(bare.port, &devices).await?);
        if let Some(openclaw) = openclaw {
            contest.openclaw.push(load(openclaw.port, &devices).await?);
        }
    }
    contest.print(Goals::default());
    gateway.stop()
}

async fn load(port: u16, devices: &[Device]) -> Outcome<f64> {
    let begun = Instant::now();
    let counts = try_join_all(devices.iter().map(|device| async move {
        let mut count = 0_usize;
        while begun.elapsed() < SPELL {
            let (mut socket, _) = device.connect(port).await?;
            socket.close(None).await?;
            // To the server's own close frame.
            while let Some(Ok(_)) = socket.next().await {}
            count += 1;
        }
        Outcome::Ok(count)
    }))
    .await?;
    Ok(counts.iter().sum::<usize>() as f64 / begun.elapsed().as_secs_f64())
}
