//! What the node's own words mean for a person: `NeedsLogin` is said by tsnet while it still talks to the control
//! server, after a refused key, after an expired one and after a logout alike.

use std::time::{Duration, Instant};

use super::report::{Help, Need};
use super::{State, Status};

/// What a status says when a login went wrong; the cause follows.
const LOGIN_ERROR: &str = "You are logged out. The last login error was: ";
/// Said beside a state that says it already.
const NOISE: [&str; 3] = ["Tailscale is starting. Please wait.", "Tailscale is stopped.", "You are logged out."];

/// What went before, which a status alone does not tell.
#[derive(Debug, Default)]
pub(super) struct Login {
    /// Why the control server refused, in its words.
    refusal: Option<String>,
    was_running: bool,
    /// Since when a running node hears nothing of the control server.
    offline_since: Option<Instant>,
}

/// A connection to the control server is renewed within this time.
const OFFLINE: Duration = Duration::from_mins(1);

/// What else the watcher knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Circumstances {
    /// `Node::logout` was called.
    pub(super) logged_out: bool,
    /// The node's folder holds a login.
    pub(super) has_login: bool,
    /// The node's key is past its end.
    pub(super) key_expired: bool,
    /// The control server does not send the network map.
    pub(super) offline: bool,
    /// Whether it is logged in without a person.
    pub(super) help: Help,
    /// The control server has had enough time to answer.
    pub(super) overdue: bool,
}

impl Login {
    pub(super) fn refused(&mut self, reason: String) {
        self.refusal = Some(reason);
    }

    /// Whether nothing will happen unless somebody logs the node in.
    pub(super) const fn need(&self, status: &Status, circumstances: &Circumstances) -> Need {
        match &status.state {
            _ if circumstances.logged_out => Need::Nothing,
            State::NeedsLogin { .. } if self.was_running && circumstances.key_expired => Need::Renewal,
            State::NeedsLogin { .. } if self.was_running => Need::Removed,
            // While the control server is still asked whether the login is good, there is no link.
            State::NeedsLogin { url } if url.is_some() || !circumstances.has_login || self.refusal.is_some() => {
                Need::First
            }
            _ => Need::Nothing,
        }
    }

    /// The status as a person should see it, with sentences that say what to do.
    pub(super) fn interpret(&mut self, status: Status, circumstances: &Circumstances) -> Status {
        let Status { state, health, version, is_userspace } = status;
        let mut sentences = Vec::new();
        let state = match state {
            State::NeedsLogin { .. } | State::Stopped { .. } if circumstances.logged_out => {
                State::Stopped { reason: "logged out of the tailnet".to_owned() }
            }
            State::NeedsLogin { .. } if circumstances.help == Help::UnderWay => State::Starting,
            State::NeedsLogin { url } => self.needs_login(url, &circumstances.help, &mut sentences),
            State::Running(identity) => {
                let offline_since = circumstances.offline.then(|| self.offline_since.unwrap_or_else(Instant::now));
                *self = Self { refusal: None, was_running: true, offline_since };
                if let Some(minutes) = offline_since.map(|since| since.elapsed()).filter(|time| *time >= OFFLINE) {
                    sentences.push(offline(minutes));
                }
                State::Running(identity)
            }
            other => other,
        };
        if circumstances.overdue && state == State::Starting {
            sentences.push(
                "the control server has not answered yet: check the network, a proxy between, and the control URL"
                    .to_owned(),
            );
        }
        // Sorted, because tsnet's order changes from answer to answer.
        sentences.extend(health.into_iter().filter_map(|sentence| self.reword(sentence)));
        sentences.sort_unstable();
        sentences.dedup();
        Status { state, health: sentences, version, is_userspace }
    }

    fn needs_login(&self, url: Option<String>, help: &Help, sentences: &mut Vec<String>) -> State {
        if let Help::Failed(problem) = help {
            sentences.push(problem.clone());
        }
        if self.was_running {
            sentences.push("the node's login has ended (expired, or removed by an admin): log in again by the link, or with `tailclaw login --auth-key <key>`".to_owned());
        } else if let Some(reason) = &self.refusal {
            sentences.push(format!(
                "the control server refused the login ({reason}): give a new auth key, or none to log in by a link"
            ));
        } else if url.is_none() && *help == Help::None {
            return State::Starting;
        }
        State::NeedsLogin { url }
    }

    fn reword(&self, sentence: String) -> Option<String> {
        if NOISE.contains(&sentence.as_str()) {
            return None;
        }
        match sentence.strip_prefix(LOGIN_ERROR) {
            Some(_) if self.refusal.is_some() => None,
            Some(cause) => {
                Some(format!("the login does not get through ({cause}): check the network and the control URL"))
            }
            None => Some(sentence),
        }
    }
}

/// Told in steps, because each new text is logged.
fn offline(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let time = match minutes {
        0..5 => "a minute or more".to_owned(),
        5..60 => format!("{} minutes or more", minutes / 5 * 5),
        _ => format!("{} h or more", minutes / 60),
    };
    format!(
        "the control server has not been heard of for {time}: devices that are known go on, and nothing new is learnt of \
         others, of the policy and of logins; check the network and the control URL"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tailnet::Identity;

    fn status(state: State, health: &[&str]) -> Status {
        Status {
            state,
            health: health.iter().map(|&text| text.to_owned()).collect(),
            version: String::new(),
            is_userspace: true,
        }
    }

    fn running() -> State {
        State::Running(Arc::new(Identity {
            dns_name: "gw.claw.test".to_owned(),
            addresses: Vec::new(),
            stable_id: "3".to_owned(),
            tailnet: String::new(),
            magic_dns_suffix: String::new(),
            cert_domains: Vec::new(),
            tags: Vec::new(),
            login: None,
            key_expiry: None,
            renewal_url: None,
            magic_dns: true,
            may_funnel: false,
            may_https: false,
        }))
    }

    const NO_LINK: State = State::NeedsLogin { url: None };

    #[test]
    fn a_login_that_is_under_way_is_starting() {
        let seen = Login::default().interpret(status(NO_LINK, &[NOISE[0]]), &Circumstances::default());
        assert_eq!((seen.state, seen.health.len()), (State::Starting, 0));
    }

    #[test]
    fn silence_is_told_after_a_while() {
        let late = Circumstances { overdue: true, ..Circumstances::default() };
        let seen = Login::default().interpret(status(NO_LINK, &[]), &late);
        assert!(seen.health[0].starts_with("the control server has not answered"));
    }

    #[test]
    fn an_unreachable_server_is_told_with_its_cause() {
        let text = format!("{LOGIN_ERROR}dial tcp 127.0.0.1:9: connect: connection refused");
        let seen = Login::default().interpret(status(NO_LINK, &[&text]), &Circumstances::default());
        assert_eq!(seen.state, State::Starting);
        assert!(seen.health[0].contains("connection refused): check the network"));
    }

    #[test]
    fn a_refused_key_needs_a_person() {
        let mut login = Login::default();
        login.refused("invalid pre auth key".to_owned());
        let text = format!("{LOGIN_ERROR}invalid pre auth key");
        let seen = login.interpret(status(NO_LINK, &[&text]), &Circumstances::default());
        assert_eq!(seen.state, NO_LINK);
        assert_eq!(seen.health.len(), 1);
        assert!(seen.health[0].contains("give a new auth key"));
    }

    #[test]
    fn an_ended_login_asks_for_a_link() {
        let mut login = Login::default();
        login.interpret(status(running(), &[]), &Circumstances::default());
        let ended = status(NO_LINK, &[]);
        assert_eq!(login.need(&ended, &Circumstances::default()), Need::Removed);
        let expired = Circumstances { key_expired: true, ..Circumstances::default() };
        assert_eq!(login.need(&ended, &expired), Need::Renewal);
        assert_eq!(login.interpret(ended, &Circumstances::default()).state, NO_LINK);
    }

    #[test]
    fn a_first_login_is_needed_where_there_is_none() {
        let login = Login::default();
        let need = |has_login, url: Option<&str>| {
            let circumstances = Circumstances { has_login, ..Circumstances::default() };
            login.need(&status(State::NeedsLogin { url: url.map(str::to_owned) }, &[]), &circumstances)
        };
        assert_eq!(need(false, None), Need::First);
        assert_eq!(need(true, Some("https://x")), Need::First);
        // The stored login may be good: the server has not said.
        assert_eq!(need(true, None), Need::Nothing);
    }

    #[test]
    fn a_key_in_the_making_is_starting_and_a_failure_is_told() {
        let mut login = Login::default();
        let waiting = || status(State::NeedsLogin { url: Some("https://x".to_owned()) }, &[]);
        let working = Circumstances { help: Help::UnderWay, ..Circumstances::default() };
        assert_eq!(login.interpret(waiting(), &working).state, State::Starting);
        let failed = Circumstances { help: Help::Failed("no scope".to_owned()), ..Circumstances::default() };
        let seen = login.interpret(waiting(), &failed);
        assert!(matches!(seen.state, State::NeedsLogin { .. }));
        assert_eq!(seen.health, ["no scope"]);
    }

    #[test]
    fn a_control_server_that_is_gone_is_told_after_a_while() {
        let mut login = Login::default();
        let gone = Circumstances { offline: true, ..Circumstances::default() };
        assert!(login.interpret(status(running(), &[]), &gone).health.is_empty());
        login.offline_since = Instant::now().checked_sub(Duration::from_secs(61));
        let seen = login.interpret(status(running(), &[]), &gone);
        assert!(matches!(seen.state, State::Running(_)));
        assert!(seen.health[0].contains("for a minute or more"), "{:?}", seen.health);
        login.offline_since = Instant::now().checked_sub(Duration::from_mins(8));
        assert!(login.interpret(status(running(), &[]), &gone).health[0].contains("5 minutes or more"));
        assert!(login.interpret(status(running(), &[]), &Circumstances::default()).health.is_empty());
    }

    #[test]
    fn a_logout_is_the_end() {
        let mut login = Login::default();
        login.interpret(status(running(), &[]), &Circumstances::default());
        let left = Circumstances { logged_out: true, ..Circumstances::default() };
        assert!(matches!(login.interpret(status(NO_LINK, &[]), &left).state, State::Stopped { .. }));
    }
}
