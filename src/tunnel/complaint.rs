//! What `ssh` says on stderr, and what it means. The words are OpenSSH's, of 8.0 to 10.x; what is not known is passed on
//! as it stands.

use std::collections::VecDeque;

use super::TunnelError;

/// Lines kept of one run of `ssh`, and of each so many letters: a server may print a whole page before the login.
const MOST_LINES: usize = 40;
const MOST_LETTERS: usize = 400;

/// The last that one run of `ssh` said.
#[derive(Debug, Default)]
pub(super) struct Said {
    lines: VecDeque<String>,
}

impl Said {
    pub(super) fn hear(&mut self, line: &[u8]) {
        // A terminal would obey what a server's banner says.
        let line: String = String::from_utf8_lossy(line).chars().filter(|letter| !letter.is_control()).collect();
        let line: String = line.trim().chars().take(MOST_LETTERS).collect();
        if line.is_empty() {
            return;
        }
        if self.lines.len() == MOST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn line(&self, word: &str) -> Option<&str> {
        self.lines.iter().rev().map(String::as_str).find(|line| line.contains(word))
    }

    fn last(&self) -> String {
        self.lines.back().cloned().unwrap_or_else(|| "it gave no reason".to_owned())
    }

    /// Why `ssh` has ended.
    pub(super) fn end(&self, target: &str) -> TunnelError {
        let target = target.to_owned();
        if self.line("REMOTE HOST IDENTIFICATION HAS CHANGED").is_some() {
            let known_in =
                self.line("Offending ").and_then(|line| line.rsplit_once(" in ")).map(|(_, place)| place.to_owned());
            return TunnelError::HostKeyChanged { target, known_in };
        }
        if self.line("Host key verification failed").is_some() {
            return TunnelError::HostKeyUnknown { target };
        }
        if let Some(line) = self.line("Permission denied").or_else(|| self.line("Too many authentication failures")) {
            return TunnelError::LoginRefused { target, said: line.to_owned() };
        }
        let far = [
            "Could not resolve hostname",
            "ssh: connect to host",
            "kex_exchange_identification",
            "Connection closed by",
        ];
        if let Some(line) = far.into_iter().find_map(|word| self.line(word)) {
            return TunnelError::Unreachable { target, said: line.trim_start_matches("ssh: ").to_owned() };
        }
        if let Some(line) = self.line("cannot bind").or_else(|| self.line("Could not request local forwarding")) {
            return TunnelError::Local(line.to_owned());
        }
        TunnelError::Ended { target, said: self.last() }
    }

    /// Why a connection through the tunnel came to nothing although `ssh` goes on.
    pub(super) fn channel(&self, target: &str, port: u16) -> Option<TunnelError> {
        let target = target.to_owned();
        let line = self.line("open failed: ")?;
        let (_, why) = line.split_once("open failed: ")?;
        if why.contains("prohibited") {
            return Some(TunnelError::ForwardRefused { target });
        }
        let said = why.trim_start_matches("connect failed: ").to_owned();
        Some(TunnelError::NoGateway { target, port, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        let mut said = Said::default();
        text.lines().for_each(|line| said.hear(line.as_bytes()));
        said
    }

    fn end(text: &str) -> TunnelError {
        said(text).end("ada@claw")
    }

    #[test]
    fn each_end_has_its_sentence() {
        let target = "ada@claw".to_owned();
        let changed = "@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@\n\
            IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n\
            Offending ED25519 key in /home/ada/.ssh/known_hosts:3\nHost key verification failed.";
        let known_in = Some("/home/ada/.ssh/known_hosts:3".to_owned());
        assert_eq!(end(changed), TunnelError::HostKeyChanged { target: target.clone(), known_in });
        let unknown = "No ED25519 host key is known for claw and you have requested strict checking.\n\
            Host key verification failed.";
        assert_eq!(end(unknown), TunnelError::HostKeyUnknown { target: target.clone() });
        let denied = "Welcome to claw\nada@claw: Permission denied (publickey,password).";
        let refused = TunnelError::LoginRefused {
            target: target.clone(),
            said: "ada@claw: Permission denied (publickey,password).".to_owned(),
        };
        assert_eq!(end(denied), refused);
        let nobody = "ssh: connect to host claw port 22: Connection refused";
        let unreachable = TunnelError::Unreachable {
            target: target.clone(),
            said: "connect to host claw port 22: Connection refused".into(),
        };
        assert_eq!(end(nobody), unreachable);
        assert!(matches!(
            end("ssh: Could not resolve hostname claw: Name or service not known"),
            TunnelError::Unreachable { .. }
        ));
        assert!(matches!(end("unix_listener: cannot bind to path /x: No such file"), TunnelError::Local(_)));
        assert_eq!(end("what now\n"), TunnelError::Ended { target: target.clone(), said: "what now".to_owned() });
        assert!(matches!(end(""), TunnelError::Ended { .. }));
    }

    #[test]
    fn a_refused_channel_says_whose_fault_it_was() {
        let channel = |text: &str| said(text).channel("ada@claw", 18_789);
        let prohibited = channel("channel 1: open failed: administratively prohibited: open failed");
        assert!(matches!(prohibited, Some(TunnelError::ForwardRefused { .. })));
        let refused = channel("channel 2: open failed: connect failed: Connection refused").unwrap();
        assert!(matches!(&refused, TunnelError::NoGateway { said, .. } if said == "Connection refused"), "{refused:?}");
        assert_eq!(channel("hello"), None);
    }

    #[test]
    fn a_page_of_text_is_kept_short_and_plain() {
        let mut said = Said::default();
        for _ in 0..1_000 {
            said.hear(format!("\u{1b}[2J{}", "x".repeat(10_000)).as_bytes());
        }
        assert_eq!(said.lines.len(), MOST_LINES);
        assert!(said.lines.iter().all(|line| line.len() <= MOST_LETTERS && !line.contains('\u{1b}')));
    }
}
