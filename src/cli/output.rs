//! The way to stdout. A reader who has seen enough (`| head`) is no failure.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Whoever read our output is gone: there is nothing left to do.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed")]
pub(super) struct StdoutClosed;

pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let outcome =
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => anyhow::Error::new(StdoutClosed),
        _ => anyhow::Error::new(error).context("stdout cannot be written"),
    })
}

/// One document, indented for people who look at it all the same.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Rows of name and value with the values under one another. A value of several lines keeps its column.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<(String, String)>,
}

impl Rows {
    pub(super) fn add(&mut self, name: &str, value: impl Into<String>) {
        self.rows.push((name.to_owned(), value.into()));
    }

    pub(super) fn render(&self) -> String {
        let width = self.rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.rows {
            for (index, line) in value.lines().enumerate() {
                let name = if index == 0 { name.as_str() } else { "" };
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{name:width$}  {line}");
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Red, where a person watches who has not forbidden colours.
pub(super) fn alarming(text: &str) -> String {
    let may_colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if may_colour { format!("\u{1b}[31m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// What a gateway says may hold control characters that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() && letter != '\n' && letter != '\t' { '\u{fffd}' } else { letter })
        .collect()
}

/// `2 d 3 h`, `5 min`, `12 s`: the two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let shown: Vec<String> = units
        .into_iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if shown.is_empty() { "0 s".to_owned() } else { shown.join(" ") }
}

pub(super) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_under_one_another() {
        let mut rows = Rows::default();
        rows.add("a", "one\ntwo");
        rows.add("long", "three");
        assert_eq!(rows.render(), "a     one\n      two\nlong  three");
    }

    #[test]
    fn spans_have_at_most_two_units() {
        assert_eq!(span(Duration::from_secs(0)), "0 s");
        assert_eq!(span(Duration::from_secs(61)), "1 min 1 s");
        assert_eq!(span(Duration::from_secs(90_000)), "1 d 1 h");
        assert_eq!(span(Duration::from_secs(86_460)), "1 d");
    }

    #[test]
    fn a_terminal_is_not_steered_from_afar() {
        assert_eq!(plain("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\n");
    }
}
