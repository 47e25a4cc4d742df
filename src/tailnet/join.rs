//! Logging in: by a key, by a key that is made for it, or by a link that a person opens.
//!
//! The first login by a key of the settings is tsnet's own. Everything else is here, by the same three requests: give
//! the node its preferences and a key (`start`), then have it ask for a login. A node that runs keeps its old key, and
//! its connections, until the new one is there.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::localapi::{Dial, LocalApi, SHORT};
use super::report::{Help, Need, Report};
use super::{Error, LoggedIn, LoginBy, Settings, State, oauth};
use crate::live::Live;
use crate::secret::Secret;

/// A control server has said yes, no or where to go by then.
const PATIENCE: Duration = Duration::from_secs(45);
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// Tailscale's own control server (tailscale.com `ipn.DefaultControlURL`).
const CONTROL_URL: &str = "https://controlplane.tailscale.com";

/// Logs one node in. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Membership<D>(Arc<Shared<D>>);

#[derive(Debug)]
struct Shared<D> {
    api: LocalApi<D>,
    report: Report,
    settings: Live<Settings>,
    /// One login at a time.
    turn: Mutex<()>,
}

impl<D: Dial> Membership<D> {
    pub(super) fn new(api: LocalApi<D>, report: Report, settings: Settings) -> Self {
        Self(Arc::new(Shared { api, report, settings: Live::new(settings), turn: Mutex::new(()) }))
    }

    /// Logs in, for the first time or again, and waits until it is known how that went.
    pub(super) async fn login(&self, by: LoginBy) -> Result<LoggedIn, Error> {
        let Ok(_turn) = self.0.turn.try_lock() else {
            let reason = "another login is under way".to_owned();
            return Err(Error::Refused { action: "log in", reason });
        };
        let key = match by {
            LoginBy::Link => None,
            LoginBy::Key(key) => Some(key),
            LoginBy::Settings => self.key_of_settings().await?,
        };
        if key.is_none()
            && let Some(url) = self.link()
        {
            return Ok(LoggedIn::Link(url));
        }
        self.0.report.logged_out(false);
        let was_running = matches!(*self.0.report.state.borrow(), State::Running(_));
        let outcome = match tokio::time::timeout(PATIENCE, self.try_login(key.as_ref())).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::TimedOut { request: "the login".to_owned(), limit: PATIENCE }),
        };
        if outcome.is_err() && was_running {
            // The old key is as good as before.
            self.start(None).await?;
        }
        outcome
    }

    /// What the settings have for a login without a person.
    async fn key_of_settings(&self) -> Result<Option<Secret<String>>, Error> {
        let settings = self.0.settings.get();
        match &settings.oauth {
            Some(_) => match self.mint(&settings).await {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(Error::Refused { action: "log in", reason: error.to_string() }),
            },
            None => Ok(settings.auth_key.clone()),
        }
    }

    async fn mint(&self, settings: &Settings) -> Result<Secret<String>, oauth::Error> {
        let Some(client) = &settings.oauth else {
            return Err(oauth::Error::Refused("no OAuth client is configured".to_owned()));
        };
        let wish = oauth::Wish { tags: &settings.tags, ephemeral: settings.ephemeral, hostname: &settings.hostname };
        let key = oauth::mint(client, &wish).await?;
        tracing::info!(target: "tailnet", tags = settings.tags.join(","), "a key for one login was made by the OAuth client");
        Ok(key)
    }

    async fn try_login(&self, key: Option<&Secret<String>>) -> Result<LoggedIn, Error> {
        let mut logins = self.0.report.logins.subscribe();
        let mut state = self.0.report.state.subscribe();
        let before = logins.borrow_and_update().clone();
        self.start(key).await?;
        const PATH: &str = "login-interactive";
        self.0.api.ask(Method::POST, PATH, SHORT).await?.wanted(Method::POST, PATH)?;
        loop {
            {
                let now = logins.borrow_and_update();
                if now.finished > before.finished {
                    break;
                }
                if now.refused > before.refused {
                    return Err(Error::Refused { action: "log in", reason: now.reason.clone() });
                }
            }
            if key.is_none()
                && let Some(url) = link(&state.borrow_and_update())
            {
                return Ok(LoggedIn::Link(url));
            }
            tokio::select! {
                changed = logins.changed() => changed.map_err(closed)?,
                changed = state.changed() => changed.map_err(closed)?,
            }
        }
        let settled = state.wait_for(|state| matches!(state, State::Running(_) | State::NeedsApproval)).await;
        Ok(match *settled.map_err(closed)? {
            State::NeedsApproval => LoggedIn::NeedsApproval,
            _ => LoggedIn::Done,
        })
    }

    /// Gives the node its preferences anew, as they are after a logout and before. Its control connection begins anew;
    /// what passes between it and its peers goes on.
    async fn start(&self, key: Option<&Secret<String>>) -> Result<(), Error> {
        let settings = self.0.settings.get();
        let mut preferences: Value = self.0.api.json("prefs").await?;
        if let Value::Object(fields) = &mut preferences {
            fields.remove("Config");
            let url = settings.control_url.as_deref().unwrap_or(CONTROL_URL);
            fields.insert("ControlURL".to_owned(), Value::from(url));
            fields.insert("Hostname".to_owned(), Value::from(settings.hostname.as_str()));
            // A key by OAuth brings its tags with it; to ask for them as well is refused where the key's maker owns them.
            let tags = if settings.oauth.is_some() { Vec::new() } else { settings.tags.clone() };
            fields.insert("AdvertiseTags".to_owned(), Value::from(tags));
            fields.insert("WantRunning".to_owned(), Value::from(true));
            fields.insert("LoggedOut".to_owned(), Value::from(false));
        }
        let key = key.map_or("", |key| key.expose().as_str());
        let document = json!({ "AuthKey": key, "UpdatePrefs": preferences });
        self.0.api.send(Method::POST, "start", &document).await.map(drop)
    }

    /// A link that waits to be opened.
    fn link(&self) -> Option<String> {
        link(&self.0.report.state.borrow())
    }

    /// Another name, from now on and for later logins.
    pub(super) async fn rename(&self, hostname: &str) -> Result<(), Error> {
        let settings = Settings { hostname: hostname.to_owned(), ..(*self.0.settings.get()).clone() };
        self.0.settings.set(settings);
        let document = json!({ "Hostname": hostname, "HostnameSet": true });
        self.0.api.send(Method::PATCH, "prefs", &document).await.map(drop)
    }

    /// Helps where the node cannot go on by itself, until it ends.
    pub(super) async fn keep(self, ended: CancellationToken) {
        let () = ended.run_until_cancelled(self.help_on()).await.unwrap_or_default();
    }

    async fn help_on(self) {
        let mut needs = self.0.report.need.subscribe();
        let mut pause = FIRST_PAUSE;
        let mut spent = false;
        loop {
            let need = *needs.borrow_and_update();
            if matches!(*self.0.report.state.borrow(), State::Running(_)) {
                (pause, spent) = (FIRST_PAUSE, false);
            }
            match self.help(need, spent).await {
                Ok(()) => {
                    if needs.changed().await.is_err() {
                        return;
                    }
                }
                Err(Trouble { help, wait }) => {
                    self.0.report.help(help);
                    // Not cut short by a change of the need: every try changes it back and forth.
                    tokio::time::sleep(wait.unwrap_or(pause).max(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            spent |= need == Need::Renewal;
        }
    }

    /// Does what can be done without a person. `spent`: the key of the settings was tried already.
    async fn help(&self, need: Need, spent: bool) -> Result<(), Trouble> {
        let settings = self.0.settings.get();
        match need {
            Need::First | Need::Renewal if settings.oauth.is_some() => self.log_in_by_oauth(&settings).await,
            Need::Nothing | Need::First => {
                self.0.report.help(Help::None);
                Ok(())
            }
            Need::Renewal if !spent => self.login_or_link(LoginBy::Settings).await,
            // What an admin has removed does not come back by itself.
            Need::Renewal | Need::Removed => self.login_or_link(LoginBy::Link).await,
        }
    }

    /// A key of the settings may be used up or over: then a person is asked.
    async fn login_or_link(&self, by: LoginBy) -> Result<(), Trouble> {
        let outcome = match self.login(by).await {
            Err(Error::Refused { .. }) => self.login(LoginBy::Link).await,
            outcome => outcome,
        };
        outcome.map(drop).map_err(|error| Trouble::of_login(&error))
    }

    async fn log_in_by_oauth(&self, settings: &Settings) -> Result<(), Trouble> {
        self.0.report.help(Help::UnderWay);
        let key = self.mint(settings).await.map_err(|error| {
            let wait = match &error {
                oauth::Error::Temporary { wait, .. } => *wait,
                // Somebody may mend it in the admin console.
                oauth::Error::Refused(_) => Some(LONGEST_PAUSE),
            };
            Trouble { help: Help::Failed(error.to_string()), wait }
        })?;
        let outcome = self.login(LoginBy::Key(key)).await;
        outcome.map_err(|error| Trouble::of_login(&error))?;
        self.0.report.help(Help::None);
        Ok(())
    }
}

/// Why nobody is logged in, and when to try again, where that is known.
struct Trouble {
    help: Help,
    wait: Option<Duration>,
}

impl Trouble {
    /// What the control server refused is in the node's health already.
    fn of_login(error: &Error) -> Self {
        tracing::debug!(target: "tailnet", %error, "no login yet");
        Self { help: Help::None, wait: None }
    }
}

fn link(state: &State) -> Option<String> {
    match state {
        State::NeedsLogin { url } => url.clone(),
        State::Running(identity) => identity.renewal_url.clone(),
        _ => None,
    }
}

fn closed(_: tokio::sync::watch::error::RecvError) -> Error {
    Error::Refused { action: "log in", reason: "the node was closed".to_owned() }
}
