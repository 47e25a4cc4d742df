//! The variables that the process was started with, held as a value so that precedence can be tested.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

/// Values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// The variables of this process. Names and values that are no UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let decoded =
            std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
        Self { variables: decoded.collect() }
    }

    /// A variable's value; an empty one counts as unset.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// `TAILCLAW_<suffix>` or, after it, `OPENCLAW_<suffix>`, with the name that it came under.
    #[must_use]
    pub fn ours_or_openclaw(&self, suffix: &str) -> Option<(String, &str)> {
        ["TAILCLAW_", "OPENCLAW_"].into_iter().find_map(|prefix| {
            let name = format!("{prefix}{suffix}");
            let value = self.variable(&name)?;
            Some((name, value))
        })
    }

    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self { variables: pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_name_wins_and_empty_is_unset() {
        let both = Environment::from([("TAILCLAW_GATEWAY_PORT", "1"), ("OPENCLAW_GATEWAY_PORT", "2")]);
        assert_eq!(both.ours_or_openclaw("GATEWAY_PORT").unwrap().1, "1");
        let blank = Environment::from([("TAILCLAW_GATEWAY_PORT", ""), ("OPENCLAW_GATEWAY_PORT", "2")]);
        assert_eq!(blank.ours_or_openclaw("GATEWAY_PORT"), Some(("OPENCLAW_GATEWAY_PORT".to_owned(), "2")));
    }
}
