//! From an error to what the person reads and the shell gets.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::output::{StdoutClosed, print_json};
use crate::client::ClientError;
use crate::config::{self, ConfigError};
use crate::tunnel::TunnelError;

/// A flag or argument that is wrong in a way that the parser cannot see.
const EXIT_USAGE: u8 = 2;
/// `EX_UNAVAILABLE` of sysexits: no gateway there.
pub(super) const EXIT_UNAVAILABLE: u8 = 69;

/// The command line asks for something that does not go together. The text ends with what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// Prints the error as text on stderr, with `--json` as a document on stdout too.
pub(super) fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    if error.is::<StdoutClosed>() {
        return ExitCode::SUCCESS;
    }
    if json {
        // If stdout is gone, stderr still tells.
        let _ = print_json(&document(error));
    }
    eprintln!("error: {}", text(error));
    ExitCode::from(exit_code(error))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() {
        config::EXIT_CODE
    } else if error.is::<Usage>() {
        EXIT_USAGE
    } else if error.downcast_ref::<ClientError>().is_some_and(ClientError::is_unreachable)
        || error.downcast_ref::<TunnelError>().is_some_and(TunnelError::is_unreachable)
    {
        EXIT_UNAVAILABLE
    } else {
        1
    }
}

fn text(error: &anyhow::Error) -> String {
    if let Some(error) = error.downcast_ref::<ConfigError>() {
        let lines: Vec<String> = error.to_string().lines().map(|line| format!("  {line}")).collect();
        let count = error.issues.len();
        let mistakes = if count == 1 { "a mistake".to_owned() } else { format!("{count} mistakes") };
        return format!("the configuration has {mistakes}\n{}\nMend what is named, then try again.", lines.join("\n"));
    }
    let shown = format!("{error:#}");
    match advice(error) {
        Some(advice) => format!("{shown}\n{}", sentence(&advice)),
        None => shown,
    }
}

fn advice(error: &anyhow::Error) -> Option<String> {
    let by_client = error.downcast_ref::<ClientError>().and_then(ClientError::advice);
    by_client.or_else(|| error.downcast_ref::<TunnelError>().and_then(TunnelError::advice))
}

/// OpenClaw's envelope for failures, and what to do beside it.
fn document(error: &anyhow::Error) -> Value {
    let config_error = error.downcast_ref::<ConfigError>();
    let kind = match exit_code(error) {
        config::EXIT_CODE => "config_error",
        EXIT_UNAVAILABLE => "gateway_unreachable",
        _ => "cli_error",
    };
    let mut detail = json!({ "type": kind, "message": format!("{error:#}") });
    if let Value::Object(fields) = &mut detail {
        if let Some(advice) = advice(error) {
            fields.insert("advice".to_owned(), Value::from(advice));
        }
        if let Some(error) = config_error {
            fields.insert("issues".to_owned(), json!(error.issues));
        }
        if let Some(ClientError::Refused(refusal) | ClientError::Failed { refusal, .. }) = error.downcast_ref() {
            fields.insert("code".to_owned(), Value::from(refusal.code.as_str()));
            fields.insert("details".to_owned(), json!(refusal.details));
        }
    }
    json!({ "ok": false, "error": detail })
}

/// Advice as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_exit_code() {
        let config_error = ConfigError { issues: vec![config::issue("gateway.port", "must be a number")] };
        let unreachable =
            ClientError::Unreachable { url: "ws://h".into(), cause: std::io::ErrorKind::ConnectionRefused.into() };
        let closed = ClientError::Closed { code: Some(1012), reason: String::new() };
        assert_eq!(exit_code(&config_error.into()), 78);
        assert_eq!(exit_code(&unreachable.into()), 69);
        assert_eq!(exit_code(&closed.into()), 1);
        assert_eq!(exit_code(&Usage("x".into()).into()), 2);
    }

    #[test]
    fn an_error_ends_with_what_to_do() {
        let unreachable =
            ClientError::Unreachable { url: "ws://h".into(), cause: std::io::ErrorKind::ConnectionRefused.into() };
        let text = text(&unreachable.into());
        assert!(text.starts_with("no gateway answers at ws://h"), "{text}");
        assert!(text.contains("\nStart it with `tailclaw gateway`"), "{text}");
    }

    #[test]
    fn mistakes_are_listed_one_a_line() {
        let error = ConfigError { issues: vec![config::issue("a", "x"), config::issue("b", "y")] };
        let document = document(&error.clone().into());
        assert_eq!(document["error"]["issues"][1]["path"], "b");
        assert_eq!(text(&error.into()).lines().count(), 4);
    }
}
