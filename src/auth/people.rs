//! What the configuration says about people and tags of the tailnet: who is let in at all, and with what.

use std::collections::BTreeMap;
use std::fmt;

use crate::net::{Owner, WhoIs};
use crate::protocol::Scope;

/// An entry of `gateway.auth.tailscale.allow` or `deny`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// `*`
    Anyone,
    /// `alice@example.com`
    Login(String),
    /// `*@example.com`
    Domain(String),
    /// `tag:camera`
    Tag(String),
}

/// Why an entry names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamesNobody;

impl Who {
    /// # Errors
    /// It is empty, or has a `*` where none means anything.
    pub fn parse(text: &str) -> Result<Self, NamesNobody> {
        let text = text.trim();
        let who = match (text, text.strip_prefix("*@"), text.strip_prefix("tag:")) {
            ("*", ..) => Self::Anyone,
            (_, Some(domain), _) => Self::Domain(domain.to_ascii_lowercase()),
            (_, _, Some(tag)) => Self::Tag(format!("tag:{tag}")),
            _ => Self::Login(login(text)),
        };
        let (Self::Login(name) | Self::Domain(name) | Self::Tag(name)) = &who else { return Ok(who) };
        if name.is_empty() || name == "tag:" || name.contains('*') { Err(NamesNobody) } else { Ok(who) }
    }

    /// A node is a person's or has tags: a list of logins says nothing of a tagged node, and the other way round.
    #[must_use]
    pub fn names(&self, whois: &WhoIs) -> bool {
        match (self, &whois.owner) {
            (Self::Anyone, _) => true,
            (Self::Login(wanted), Owner::User { login: has, .. }) => *wanted == login(has),
            (Self::Domain(wanted), Owner::User { login, .. }) => {
                login.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(wanted))
            }
            (Self::Tag(wanted), Owner::Tagged(tags)) => tags.contains(wanted),
            _ => false,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => formatter.write_str("*"),
            Self::Login(name) | Self::Tag(name) => formatter.write_str(name),
            Self::Domain(domain) => write!(formatter, "*@{domain}"),
        }
    }
}

/// `gateway.auth.identityScopes`: what a verified login is worth, for those who keep rights in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityScopes(BTreeMap<String, Vec<Scope>>);

impl IdentityScopes {
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (String, Vec<Scope>)>) -> Self {
        Self(entries.into_iter().map(|(name, scopes)| (login(&name), scopes)).collect())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn of(&self, name: &str) -> Option<&[Scope]> {
        self.0.get(&login(name)).map(Vec::as_slice)
    }
}

/// As logins are compared, which is OpenClaw's way: an address of mail in whatever case, anything else exactly.
/// headscale writes `alice@` where there is no domain.
pub(super) fn login(text: &str) -> String {
    let text = text.trim().trim_end_matches('@');
    if text.contains('@') { text.to_lowercase() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(login: &str) -> WhoIs {
        WhoIs::of(Owner::User { id: 1, login: login.into(), display_name: String::new() })
    }

    fn names(entry: &str, whois: &WhoIs) -> bool {
        Who::parse(entry).unwrap().names(whois)
    }

    #[test]
    fn entries_name_logins_domains_and_tags() {
        let alice = person("Alice@Example.com");
        assert!(names("alice@example.com", &alice) && names(" *@EXAMPLE.com", &alice) && names("*", &alice));
        for other in ["bob@example.com", "*@ample.com", "*@example.com.evil", "tag:camera", "alice"] {
            assert!(!names(other, &alice), "{other}");
        }
        assert!(names("alice", &person("alice@")) && names("alice@", &person("alice")));
        assert!(!names("alice", &person("Alice")), "no address of mail");
        let camera = WhoIs::of(Owner::Tagged(vec!["tag:camera".into(), "tag:home".into()]));
        assert!(names("tag:home", &camera) && names("*", &camera));
        assert!(!names("tag:hom", &camera) && !names("*@example.com", &camera));
    }

    #[test]
    fn what_names_nobody_is_no_entry() {
        for text in ["", " ", "tag:", "*@", "al*ce@example.com", "tag:*", "**", "*@*"] {
            assert_eq!(Who::parse(text), Err(NamesNobody), "{text}");
        }
    }

    #[test]
    fn scopes_are_found_by_the_login() {
        let scopes = IdentityScopes::new([("Alice@example.com".to_owned(), vec![Scope::Read])]);
        assert_eq!(scopes.of("alice@EXAMPLE.com"), Some(&[Scope::Read][..]));
        assert_eq!(scopes.of("bob@example.com"), None);
    }
}
