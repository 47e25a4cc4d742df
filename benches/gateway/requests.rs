//! Requests a second over one socket, with many on their way at a time.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::bare::Frames;
use crate::client::{call, is_response, next, operator, request};
use crate::figures::{Better, Contest, Goals};
use crate::model::Standin;
use crate::servers::Server;
use crate::{Outcome, ROUNDS};

const IN_FLIGHT: usize = 64;
/// How long each is kept busy in a round.
const SPELL: Duration = Duration::from_millis(1_500);
/// Conversations on both gateways.
const SESSIONS: usize = 5;

/// The methods, and how many times OpenClaw's rate is the goal.
const METHODS: [(&str, Option<f64>); 5] = [
    ("health", Some(60.0)),
    ("models.list", Some(60.0)),
    ("sessions.list", Some(60.0)),
    ("system-presence", None),
    ("gateway.identity.get", None),
];

pub async fn measure(model: &Standin, openclaw: Option<&Server>) -> Outcome<()> {
    let gateway = Server::tailclaw(model).await?;
    for server in [Some(&gateway), openclaw].into_iter().flatten() {
        converse(server.port).await?;
    }
    for (method, goal) in METHODS {
        one(method, goal, &gateway, openclaw).await?;
    }
    gateway.stop()
}

/// The same few conversations, so that the lists are of the same length.
async fn converse(port: u16) -> Outcome<()> {
    for number in 0..SESSIONS {
        let (mut socket, _) = operator(port).await?;
        let key = format!("bench-{number}");
        let params = json!({ "sessionKey": key, "message": "Are you there?", "idempotencyKey": key });
        call(&mut socket, "chat.send", params).await?;
        while !next(&mut socket).await?.contains(r#""state":"final""#) {}
    }
    Ok(())
}

async fn one(method: &str, goal: Option<f64>, gateway: &Server, openclaw: Option<&Server>) -> Outcome<()> {
    let (mut socket, greeting) = operator(gateway.port).await?;
    let sample = call(&mut socket, method, json!({})).await?;
    let their_size = match openclaw {
        Some(server) => {
            let (mut socket, _) = operator(server.port).await?;
            format!(", openclaw's {}", call(&mut socket, method, json!({})).await?.len())
        }
        None => String::new(),
    };
    let title = format!("{method}, {IN_FLIGHT} in flight (bytes of an answer: {}{their_size})", sample.len());
    let bare = Server::bare(&Frames::new(greeting, sample, None))?;
    let mut contest = Contest::new(title, "requests/s", Better::More);
    for _ in 0..ROUNDS {
        contest.ours.push(load(gateway.port, method).await?);
        contest.bare.push(load(bare.port, method).await?);
        if let Some(server) = openclaw {
            contest.openclaw.push(load(server.port, method).await?);
        }
    }
    contest.print(Goals { bare: Some(0.85), openclaw: goal });
    Ok(())
}

/// On a connection of its own: one that is left unread between its turns is ended by its server.
async fn load(port: u16, method: &str) -> Outcome<f64> {
    let (mut socket, _) = operator(port).await?;
    let frame = Message::text(request(method, json!({})));
    let begun = Instant::now();
    let (mut sent, mut received) = (0_usize, 0_usize);
    loop {
        let goes_on = begun.elapsed() < SPELL;
        if !goes_on && received == sent {
            return Ok(received as f64 / begun.elapsed().as_secs_f64());
        }
        while goes_on && sent - received < IN_FLIGHT {
            socket.feed(frame.clone()).await?;
            sent += 1;
        }
        socket.flush().await?;
        // Half of what is there is taken before more is sent, as a busy client would.
        let mut taken = 0;
        while taken < IN_FLIGHT / 2 && received < sent {
            if is_response(&next(&mut socket).await?) {
                received += 1;
                taken += 1;
            }
        }
    }
}
