//! Holds our routes in tailscaled's configuration, for as long as somebody holds the claim.
//!
//! They stand there as a foreground session (tailscale.com `ServeConfig.Foreground`, what `tailscale serve` does without
//! `--bg`): they belong to one open stream of notifications, and the daemon itself takes them away when that ends,
//! however we end. Routes of others are never written, and a port that somebody else has is not taken.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::routes::{Prefixes, Routes, routes};
use crate::tailnet::bus::Lines;
use crate::tailnet::host::Host;
use crate::tailnet::localapi::SHORT;
use crate::tailnet::{Error, Exposure, Identity, State};

const CONFIG: &str = "serve-config";
/// tailscale.com `ipn.NotifyInitialState`: the first notification then names the session.
const SESSION: &str = "watch-ipn-bus?mask=2";
/// Somebody else changed the configuration at the same moment: who comes last looks again.
const ATTEMPTS: usize = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where Serve stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServeState {
    /// Where the gateway is reached; `None` while it is not.
    pub url: Option<String>,
    /// Where the public paths are.
    pub public_url: Option<String>,
    /// Why it is not, in a sentence that says what to do.
    pub problem: Option<String>,
}

/// Keeps the routes there until [`Claim::hold`] is dropped.
#[derive(Debug)]
pub struct Claim {
    pub(super) host: Host,
    pub(super) exposure: Exposure,
    pub(super) prefixes: Arc<Prefixes>,
    /// Of the back end, on loopback.
    pub(super) port: u16,
    pub(super) state: watch::Sender<ServeState>,
}

/// What ends one attempt.
enum End {
    /// The daemon ended the session, or what we claim is no longer right: claim again.
    Over,
    Failed(String),
}

#[derive(Deserialize)]
struct First {
    #[serde(rename = "SessionID")]
    session: String,
}

impl Claim {
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ServeState> {
        self.state.subscribe()
    }

    /// Never ends by itself.
    pub async fn hold(self) {
        let mut node = self.host.state();
        let mut pause = FIRST_PAUSE;
        loop {
            let running = node.wait_for(|state| matches!(state, State::Running(_))).await.map(|state| state.clone());
            let Ok(State::Running(identity)) = running else { return };
            match self.session(&identity, &mut node).await {
                End::Over => pause = FIRST_PAUSE,
                End::Failed(problem) => self.say(ServeState { problem: Some(problem), ..ServeState::default() }),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn session(&self, identity: &Identity, node: &mut watch::Receiver<State>) -> End {
        let routes = match routes(&self.exposure, identity, &self.prefixes, self.port) {
            Ok(routes) => routes,
            Err(problem) => return End::Failed(problem),
        };
        let mut lines = match self.host.api().stream(SESSION).await {
            Ok(body) => Lines::new(body),
            Err(error) => return End::Failed(error.to_string()),
        };
        let first = lines.next().await.and_then(|line| serde_json::from_slice::<First>(&line).ok());
        let Some(First { session }) = first else {
            return End::Failed("this machine's tailscaled does not name its session: update it".to_owned());
        };
        if let Err(error) = self.claim(&session, &routes).await {
            return End::Failed(advice(&error, &routes));
        }
        let Routes { url, public_url, .. } = routes;
        self.say(ServeState { url, public_url, problem: None });
        loop {
            tokio::select! {
                line = lines.next() => if line.is_none() { break },
                changed = node.changed() => {
                    let is_same = matches!(&*node.borrow(), State::Running(now) if is_reached_alike(now, identity));
                    if changed.is_err() || !is_same {
                        break;
                    }
                }
            }
        }
        self.say(ServeState {
            problem: Some("waiting for this machine's tailscaled".to_owned()),
            ..ServeState::default()
        });
        End::Over
    }

    async fn claim(&self, session: &str, routes: &Routes) -> Result<(), Error> {
        let mut outcome = Ok(());
        for _ in 0..ATTEMPTS {
            let answer = self.host.api().ask(Method::GET, CONFIG, SHORT).await?.wanted(Method::GET, CONFIG)?;
            let known: Value = serde_json::from_slice(&answer.body)
                .map_err(|error| Error::Unreachable { request: format!("GET {CONFIG}"), source: error.into() })?;
            let body = serde_json::to_vec(&with_session(known, session, &routes.config)).unwrap_or_default();
            let answer = self.host.api().replace(CONFIG, body, answer.etag).await?;
            let was_changed_meanwhile = answer.status == http::StatusCode::PRECONDITION_FAILED;
            outcome = answer.wanted(Method::POST, CONFIG).map(drop);
            if !was_changed_meanwhile {
                break;
            }
        }
        outcome
    }

    fn say(&self, now: ServeState) {
        self.state.send_if_modified(|before| {
            if *before == now {
                return false;
            }
            match &now {
                ServeState { problem: Some(problem), .. } => tracing::warn!(problem, "not served by tailscaled"),
                ServeState { url, public_url, .. } => {
                    tracing::info!(url, public_url, "served by this machine's tailscaled");
                }
            }
            *before = now;
            true
        });
    }
}

/// All that others have, untouched, and ours beside it.
fn with_session(known: Value, session: &str, config: &Value) -> Value {
    let mut whole = match known {
        Value::Object(whole) => whole,
        _ => serde_json::Map::new(),
    };
    let foreground = whole.entry("Foreground").or_insert_with(|| json!({}));
    if !foreground.is_object() {
        *foreground = json!({});
    }
    if let Value::Object(sessions) = foreground {
        sessions.insert(session.to_owned(), config.clone());
    }
    Value::Object(whole)
}

fn is_reached_alike(now: &Identity, before: &Identity) -> bool {
    now.dns_name == before.dns_name && now.cert_domains == before.cert_domains
}

fn advice(error: &Error, routes: &Routes) -> String {
    match error {
        Error::Answer { status: 401 | 403, .. } => {
            "this machine's tailscaled lets only root and its operator change Serve: run `sudo tailscale set \
             --operator=$USER` once"
                .to_owned()
        }
        Error::Answer { message, .. } if message.contains("listener already exists for port") => {
            let whose = routes.url.as_deref().or(routes.public_url.as_deref()).unwrap_or_default();
            let port = message.split_whitespace().last().unwrap_or_default().trim_end_matches(['"', '}']);
            format!(
                "something else is served on port {port} of this machine, so {whose} is not ours to take: see \
                 `tailscale serve status`, or use gateway.tailscale.node \"embedded\" for a name and ports of our own"
            )
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_stays_as_it_is() {
        let known = json!({
            "TCP": { "8080": { "HTTP": true } }, "Later": [1],
            "Foreground": { "theirs": { "TCP": { "9": {} } } },
        });
        let config = json!({ "TCP": { "443": { "HTTPS": true } } });
        let mut whole = with_session(known.clone(), "ours", &config);
        assert_eq!(whole["Foreground"]["ours"], config);
        whole["Foreground"].as_object_mut().unwrap().remove("ours");
        assert_eq!(whole, known);
        for nothing in [Value::Null, json!({}), json!({ "Foreground": null })] {
            assert_eq!(with_session(nothing, "s", &config)["Foreground"]["s"], config);
        }
    }
}
