//! What a node can do, as it declares it, and what an approval makes of that. Values only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::protocol::handshake::ClientInfo;

/// Most entries of each list of a declaration, and the longest of them in bytes. What is more is as if it had not been
/// said: no real node comes near.
const MAX_ENTRIES: usize = 512;
const MAX_ENTRY: usize = 128;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Surface {
    pub caps: BTreeSet<String>,
    pub commands: BTreeSet<String>,
    /// What the person at the machine has allowed it, by name.
    pub permissions: BTreeMap<String, bool>,
}

/// A surface with what the node said of itself beside it: what waits for an approval, and what was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Declaration {
    #[serde(flatten)]
    pub surface: Surface,
    pub display_name: Option<String>,
    pub version: String,
    pub model_identifier: Option<String>,
    /// The device was paired without anybody's approval.
    pub is_silent: bool,
}

impl Declaration {
    pub(super) fn of(client: &ClientInfo, surface: Surface, is_silent: bool) -> Self {
        Self {
            surface,
            display_name: client.display_name.clone(),
            version: client.version.clone(),
            model_identifier: client.model_identifier.clone(),
            is_silent,
        }
    }
}

impl Surface {
    /// From what was sent: trimmed, each once, and within bounds.
    pub(super) fn read(caps: &[String], commands: &[String], permissions: &BTreeMap<String, bool>) -> Self {
        let is_sound = |entry: &str| !entry.is_empty() && entry.len() <= MAX_ENTRY;
        let list = |entries: &[String]| {
            let sound = entries.iter().map(|entry| entry.trim()).filter(|entry| is_sound(entry));
            sound.take(MAX_ENTRIES).map(str::to_owned).collect()
        };
        let sound = permissions.iter().filter(|(name, _)| is_sound(name)).take(MAX_ENTRIES);
        Self {
            caps: list(caps),
            commands: list(commands),
            permissions: sound.map(|(name, is_given)| (name.clone(), *is_given)).collect(),
        }
    }

    /// Whether it holds anything that was not approved. To be denied a permission is nothing more.
    pub(super) fn exceeds(&self, approved: &Self) -> bool {
        !self.caps.is_subset(&approved.caps)
            || !self.commands.is_subset(&approved.commands)
            || self
                .permissions
                .iter()
                .any(|(name, is_given)| *is_given && approved.permissions.get(name) != Some(&true))
    }

    /// What it may use: all of it while it is within what was approved, otherwise what is in both.
    pub(super) fn within(&self, approved: &Self) -> Self {
        if !self.exceeds(approved) {
            return self.clone();
        }
        let permissions = self.permissions.iter().filter_map(|(name, is_given)| match approved.permissions.get(name) {
            _ if !is_given => Some((name.clone(), false)),
            Some(approved) => Some((name.clone(), *approved)),
            None => None,
        });
        Self {
            caps: self.caps.intersection(&approved.caps).cloned().collect(),
            commands: self.commands.intersection(&approved.commands).cloned().collect(),
            permissions: permissions.collect(),
        }
    }

    /// As the wire has it: none at all rather than an empty object.
    pub(super) fn told_permissions(&self) -> Option<BTreeMap<String, bool>> {
        (!self.permissions.is_empty()).then(|| self.permissions.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(commands: &[&str], permissions: &[(&str, bool)]) -> Surface {
        Surface {
            caps: BTreeSet::new(),
            commands: commands.iter().map(|command| (*command).to_owned()).collect(),
            permissions: permissions.iter().map(|(name, is_given)| ((*name).to_owned(), *is_given)).collect(),
        }
    }

    #[test]
    fn more_than_was_approved_is_left_out_until_it_is_approved() {
        let approved = surface(&["a", "b"], &[("p", true), ("q", false)]);
        let less = surface(&["a"], &[("p", false), ("new", false)]);
        assert!(!less.exceeds(&approved));
        assert_eq!(less.within(&approved), less);
        let more = surface(&["a", "c"], &[("p", true), ("q", true), ("r", true), ("s", false)]);
        assert!(more.exceeds(&approved));
        assert_eq!(more.within(&approved), surface(&["a"], &[("p", true), ("q", false), ("s", false)]));
        assert!(surface(&[], &[("q", true)]).exceeds(&approved), "a permission that was denied");
    }

    #[test]
    fn what_was_sent_is_trimmed_and_bounded() {
        let sent = [" a ".to_owned(), "a".to_owned(), String::new(), "x".repeat(MAX_ENTRY + 1)];
        let read = Surface::read(&sent, &vec!["c".to_owned(); 3], &BTreeMap::new());
        assert_eq!((read.caps.len(), read.commands.len()), (1, 1));
        let many: Vec<String> = (0..2 * MAX_ENTRIES).map(|number| number.to_string()).collect();
        assert_eq!(Surface::read(&many, &[], &BTreeMap::new()).caps.len(), MAX_ENTRIES);
    }
}
