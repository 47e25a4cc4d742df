//! What one check found.

use serde::Serialize;

use crate::cli::output::plain;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It works, and should be looked at.
    Warn,
    /// It does not work, or is not safe.
    Fail,
}

/// One line. Several may bear the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) status: Verdict,
    pub(super) what: String,
    /// A command, or what else to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

pub(super) fn ok(id: &'static str, what: impl Into<String>) -> Check {
    Check { id, status: Verdict::Ok, what: what.into(), fix: None }
}

pub(super) fn warn(id: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { id, status: Verdict::Warn, what: what.into(), fix: Some(fix.into()) }
}

pub(super) fn fail(id: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { id, status: Verdict::Fail, what: what.into(), fix: Some(fix.into()) }
}

impl Check {
    /// `fail  state-folder  what; fix: chmod 700 …`, on one line whatever stands in it.
    pub(super) fn line(&self, width: usize) -> String {
        let status = match self.status {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        let fix = self.fix.as_ref().map_or(String::new(), |fix| format!(" | fix: {fix}"));
        let text = plain(&format!("{}{fix}", self.what)).replace('\n', "; ");
        format!("{status}  {:width$}  {text}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_one_line() {
        let check = fail("port", "taken\nby\u{1b}another", "tailclaw config set gateway.port 1");
        assert_eq!(check.line(6), "fail  port    taken; by\u{fffd}another | fix: tailclaw config set gateway.port 1");
        assert!(Verdict::Ok < Verdict::Warn && Verdict::Warn < Verdict::Fail);
    }
}
