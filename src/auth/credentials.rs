//! Which of the sent credentials counts, and whether the shared secret is among them (protocol §3).

use super::caller::AuthMethod;
use super::reason::SharedSecret;
use super::settings::{Mode, Settings};
use crate::protocol::handshake::Credentials;
use crate::secret::Secret;

/// What was sent, without the space around it. Blank is not sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    pub token: Option<&'a str>,
    pub password: Option<&'a str>,
    pub device_token: Option<&'a str>,
    pub bootstrap_token: Option<&'a str>,
    /// A shared secret was meant to be sent, if only a blank one.
    pub tried_shared_secret: bool,
}

impl<'a> Sent<'a> {
    pub(super) fn of(credentials: Option<&'a Credentials>) -> Self {
        let field = |pick: fn(&Credentials) -> Option<&str>| credentials.and_then(pick);
        let (token, password) = (field(|sent| sent.token.as_deref()), field(|sent| sent.password.as_deref()));
        let is_there = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        Self {
            token: told(token),
            password: told(password),
            device_token: told(field(|sent| sent.device_token.as_deref())),
            bootstrap_token: told(field(|sent| sent.bootstrap_token.as_deref())),
            tried_shared_secret: is_there(token) || is_there(password),
        }
    }

    /// What may be a device token: the field for it, else the token field.
    pub(super) fn as_device_token(&self) -> Option<Secret<String>> {
        self.device_token.or(self.token).map(|token| Secret::new(token.to_owned()))
    }

    pub(super) const fn has_shared_secret(&self) -> bool {
        self.token.is_some() || self.password.is_some()
    }

    pub(super) const fn is_empty(&self) -> bool {
        !self.has_shared_secret() && self.device_token.is_none() && self.bootstrap_token.is_none()
    }
}

fn told(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// Whether a secret is what the mode asks for. `None`: the mode asks for none, or none was sent. It is accepted in
/// either field; where both are filled, the one that is named like the mode counts.
pub(super) fn shared_secret(settings: &Settings, sent: &Sent<'_>) -> Option<(AuthMethod, bool)> {
    let (secret, candidate, method) = match &settings.mode {
        Mode::None | Mode::TrustedProxy(_) => return None,
        Mode::Token(secret) => (secret, sent.token.or(sent.password), AuthMethod::Token),
        Mode::Password(secret) => (secret, sent.password.or(sent.token), AuthMethod::Password),
    };
    Some((method, secret.matches(candidate?)))
}

/// The secret that the mode asks for.
pub(super) const fn asked_for(settings: &Settings) -> Option<SharedSecret> {
    match settings.mode {
        Mode::Token(_) => Some(SharedSecret::Token),
        Mode::Password(_) => Some(SharedSecret::Password),
        Mode::None | Mode::TrustedProxy(_) => None,
    }
}
