//! A machine as `ssh` is told of it: `user@host`, `user@host:port`, or a name of its configuration.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Safe to be an argument of `ssh`: neither part can be taken for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshTarget {
    pub user: Option<String>,
    pub host: String,
    /// `None`: as ssh's configuration has it for this host.
    pub port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no SSH target: write user@host or user@host:port")]
pub struct NotAnSshTarget;

impl FromStr for SshTarget {
    type Err = NotAnSshTarget;

    fn from_str(text: &str) -> Result<Self, NotAnSshTarget> {
        let text = text.trim();
        // People copy the whole command.
        let text = text.strip_prefix("ssh ").map_or(text, str::trim_start);
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(NotAnSshTarget)?)),
            // More than one colon is an IPv6 address.
            None if rest.matches(':').count() == 1 => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
            None => (rest, None),
        };
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0).ok_or(NotAnSshTarget)?),
            None => None,
        };
        let is_safe = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.contains(|sign: char| sign.is_whitespace() || sign.is_control())
        };
        // Else a port would hide in it.
        let is_address = |host: &str| host.split('%').next().is_some_and(|bare| bare.parse::<Ipv6Addr>().is_ok());
        if host.contains(':') && !is_address(host) {
            return Err(NotAnSshTarget);
        }
        if !is_safe(host) || host.contains(['@', '[', ']']) || !user.is_none_or(is_safe) {
            return Err(NotAnSshTarget);
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

impl fmt::Display for SshTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(formatter, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(formatter, "[{}]:{port}", self.host),
            Some(port) => write!(formatter, "{}:{port}", self.host),
            None => formatter.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, shown) in [
            ("ada@claw", "ada@claw"),
            ("ada@claw:2222", "ada@claw:2222"),
            ("claw", "claw"),
            (" ssh ada@claw ", "ada@claw"),
            ("ada@fd7a::1", "ada@fd7a::1"),
            ("ada@[fd7a::1]:22", "ada@[fd7a::1]:22"),
        ] {
            assert_eq!(text.parse::<SshTarget>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn nothing_becomes_an_option_of_ssh() {
        for text in [
            "",
            "ada@[!:1]",
            "@claw",
            "ada@",
            "-oProxyCommand=x",
            "ada@-oProxyCommand=x",
            "-l@claw",
            "ada@claw:0",
            "ada@claw:x",
            "ada@claw:70000",
            "ada@claw -v",
            "a b@claw",
            "ada@b@claw",
            "ada@[::1",
            "ada@[::1]x",
            "claw\nx",
        ] {
            assert_eq!(text.parse::<SshTarget>(), Err(NotAnSshTarget), "{text:?}");
        }
    }

    #[test]
    fn fuzz_ssh_targets() {
        crate::fuzz::fuzz_text(&["ada@claw:22", "ada@[::1]:22", "ssh ada@fd7a::1"], |text| {
            if let Ok(target) = text.parse::<SshTarget>() {
                assert!(!target.host.starts_with('-') && target.to_string().parse() == Ok(target), "{text:?}");
            }
        });
    }
}
