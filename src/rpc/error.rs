//! The only place where the errors of services become errors of the wire. The client is told what it can do; the
//! cause goes to the log, once, here.

use serde_json::json;

use crate::protocol::{ErrorCode, ErrorShape};
use crate::{agent, approvals, automation, config, nodes, pairing, sessions, store, tailnet};

const RETRY_AFTER_MS: u64 = 1_000;

impl From<sessions::ResolveError> for ErrorShape {
    fn from(error: sessions::ResolveError) -> Self {
        match error {
            sessions::ResolveError::Store(error) => error.into(),
            error => Self::invalid(error.to_string()),
        }
    }
}

impl From<tailnet::Error> for ErrorShape {
    fn from(error: tailnet::Error) -> Self {
        tracing::warn!(error = %error, "the tailnet node could not do that");
        match error {
            // The control server's own words, or those of the API that makes keys.
            tailnet::Error::Refused { .. } | tailnet::Error::TimedOut { .. } => {
                Self::new(ErrorCode::Unavailable, error.to_string())
            }
            _ => Self::new(ErrorCode::Unavailable, "the tailnet node could not do that; see the gateway's log"),
        }
    }
}

impl From<sessions::UsageError> for ErrorShape {
    fn from(error: sessions::UsageError) -> Self {
        match error {
            sessions::UsageError::Store(error) => error.into(),
            sessions::UsageError::Date(_) => Self::invalid(format!("invalid sessions.usage params: {error}")),
            sessions::UsageError::Unknown(_) => Self::invalid(error.to_string()),
        }
    }
}

impl From<sessions::PatchError> for ErrorShape {
    fn from(error: sessions::PatchError) -> Self {
        match error {
            sessions::PatchError::Length(_) => Self::invalid(format!("invalid sessions.patch params: {error}")),
            error => Self::invalid(error.to_string()),
        }
    }
}

impl From<sessions::EditError> for ErrorShape {
    fn from(error: sessions::EditError) -> Self {
        match error {
            sessions::EditError::Store(error) => error.into(),
            sessions::EditError::Patch(error) => error.into(),
            sessions::EditError::Changed { .. } => session_changed(&error),
            sessions::EditError::LabelTaken(_)
            | sessions::EditError::ExpectationMissing(_)
            | sessions::EditError::MainArchived => Self::invalid(error.to_string()),
        }
    }
}

impl From<sessions::DeleteError> for ErrorShape {
    fn from(error: sessions::DeleteError) -> Self {
        match error {
            sessions::DeleteError::Store(error) => error.into(),
            sessions::DeleteError::Changed(_) => session_changed(&error),
            sessions::DeleteError::Main(_) | sessions::DeleteError::NotArchived(_) => Self::invalid(error.to_string()),
        }
    }
}

fn session_changed(error: &impl ToString) -> ErrorShape {
    ErrorShape::invalid(error.to_string()).with_details(json!({ "reason": "session-changed" }))
}

/// A number that is too small, in the real gateway's words.
pub(super) fn at_least(method: &str, field: &str, number: Option<u32>, least: u32) -> Result<(), ErrorShape> {
    match number {
        Some(number) if number < least => {
            Err(ErrorShape::invalid(format!("invalid {method} params: at /{field}: must be >= {least}")))
        }
        _ => Ok(()),
    }
}

/// A number that is too large.
pub(super) fn at_most(method: &str, field: &str, number: Option<u32>, most: u32) -> Result<(), ErrorShape> {
    match number {
        Some(number) if number > most => {
            Err(ErrorShape::invalid(format!("invalid {method} params: at /{field}: must be <= {most}")))
        }
        _ => Ok(()),
    }
}

/// A field that one of several forms of the params has to have.
pub(super) fn missing(method: &str, field: &str) -> ErrorShape {
    ErrorShape::invalid(format!("invalid {method} params: must have required property '{field}'"))
}

impl From<sessions::KeyError> for ErrorShape {
    fn from(error: sessions::KeyError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<pairing::Error> for ErrorShape {
    fn from(error: pairing::Error) -> Self {
        match error {
            pairing::Error::Store(error) => error.into(),
            pairing::Error::TooManySetupCodes => Self::unavailable(error.to_string(), 60_000),
            pairing::Error::UnknownRequest
            | pairing::Error::UnknownDevice
            | pairing::Error::UnknownNode
            | pairing::Error::NodeRemovalDenied
            | pairing::Error::PairingDenied(_)
            | pairing::Error::TokenDenied(_)
            | pairing::Error::MissingScope(_)
            | pairing::Error::LabelRequired => Self::invalid(error.to_string()),
        }
    }
}

impl From<pairing::AddressError> for ErrorShape {
    fn from(error: pairing::AddressError) -> Self {
        match error {
            // As the real gateway has it, which throws there.
            pairing::AddressError::JoinNeedsTls => Self::new(ErrorCode::Unavailable, format!("Error: {error}")),
            _ => Self::invalid(error.to_string()),
        }
    }
}

impl From<store::Error> for ErrorShape {
    fn from(error: store::Error) -> Self {
        tracing::error!(%error, "the store failed");
        match error {
            store::Error::Full => {
                Self::unavailable(error.to_string(), RETRY_AFTER_MS).with_details(json!({ "code": "STORAGE_FULL" }))
            }
            store::Error::Database(_)
            | store::Error::Migration(_)
            | store::Error::File { .. }
            | store::Error::Corrupt(_) => {
                Self::unavailable("the gateway could not use its database; see its log", RETRY_AFTER_MS)
            }
        }
    }
}

impl From<approvals::Error> for ErrorShape {
    fn from(error: approvals::Error) -> Self {
        use approvals::Error;
        let details = match &error {
            Error::Unknown => json!({
                "reason": "APPROVAL_NOT_FOUND",
                "remediation": "Re-request the action; pending approvals are cleared after expiry or restart.",
            }),
            Error::AlreadyResolved => json!({ "reason": "APPROVAL_ALREADY_RESOLVED" }),
            Error::NotAllowed => json!({ "reason": "APPROVAL_ALLOW_ALWAYS_UNAVAILABLE" }),
            Error::TooLong => json!({ "reason": "EXEC_APPROVAL_COMMAND_DISPLAY_LIMIT" }),
            Error::Invalid(_) | Error::Ambiguous | Error::HashRequired | Error::Changed | Error::Policy(_) => {
                return Self::invalid(error.to_string());
            }
            Error::TooMany => return Self::unavailable(error.to_string(), RETRY_AFTER_MS),
            Error::Store(_) => {
                let Error::Store(error) = error else { return Self::invalid(error.to_string()) };
                return error.into();
            }
        };
        Self::invalid(error.to_string()).with_details(details)
    }
}

impl From<automation::Error> for ErrorShape {
    fn from(error: automation::Error) -> Self {
        match error {
            automation::Error::Store(error) => error.into(),
            // With OpenClaw's own prefix, which is its way of showing such an error.
            automation::Error::UnknownAgent(_) => Self::new(ErrorCode::Unavailable, format!("Error: {error}")),
            automation::Error::Invalid(_)
            | automation::Error::Schedule(_)
            | automation::Error::UnknownJob(_)
            | automation::Error::TooManyJobs => Self::invalid(error.to_string()),
        }
    }
}

impl From<agent::Error> for ErrorShape {
    fn from(error: agent::Error) -> Self {
        match error {
            agent::Error::Store(error) => error.into(),
            agent::Error::Limit(limit) => Self::unavailable(limit.to_string(), RETRY_AFTER_MS),
            agent::Error::Stopping => Self::unavailable(error.to_string(), RETRY_AFTER_MS)
                .with_details(json!({ "reason": "gateway-restarting" })),
            agent::Error::LeafChanged => {
                Self::invalid(error.to_string()).with_details(json!({ "reason": "active-leaf-changed" }))
            }
            agent::Error::SendDenied => Self::invalid(error.to_string()),
            agent::Error::StillActive(_) => Self::unavailable(error.to_string(), RETRY_AFTER_MS),
            agent::Error::UnknownAgent(_) => Self::new(ErrorCode::InvalidRequest, error.to_string())
                .with_details(json!({ "code": "UNKNOWN_AGENT_ID" })),
        }
    }
}

impl From<config::WriteError> for ErrorShape {
    fn from(error: config::WriteError) -> Self {
        use config::WriteError;
        match &error {
            WriteError::Io { path, cause } => {
                tracing::error!(path = %path.display(), error = %cause, "the configuration could not be written");
                let shape = Self::unavailable(error.to_string(), RETRY_AFTER_MS);
                match cause.kind() {
                    std::io::ErrorKind::StorageFull => shape.with_details(json!({ "code": "STORAGE_FULL" })),
                    _ => shape,
                }
            }
            WriteError::Invalid(issues) | WriteError::InvalidBase(issues) => {
                Self::invalid(error.to_string()).with_details(json!({ "issues": issues }))
            }
            WriteError::BaseRequired
            | WriteError::BaseRequiredFor(_)
            | WriteError::Stale
            | WriteError::NotJson5(_)
            | WriteError::NotAnObject
            | WriteError::Sentinel(_)
            | WriteError::Patch(_) => Self::invalid(error.to_string()),
        }
    }
}

impl From<nodes::Error> for ErrorShape {
    fn from(error: nodes::Error) -> Self {
        use nodes::Error;
        let text = error.to_string();
        match error {
            Error::Store(error) => error.into(),
            Error::UnknownRequest | Error::UnknownNode | Error::Denied(_) | Error::Invalid(_) => Self::invalid(text),
            Error::MissingScope { missing, required } => {
                let details = json!({ "code": "MISSING_SCOPE", "missingScope": missing, "requiredScopes": required });
                Self::new(ErrorCode::Forbidden, text).with_details(details)
            }
            Error::Never { command, .. } => Self::invalid(text).with_details(json!({ "command": command })),
            Error::NotAllowed { reason, command, .. } => {
                Self::invalid(text).with_details(json!({ "reason": reason, "command": command }))
            }
            Error::SystemRun { code, run_id: None, .. } => Self::invalid(text).with_details(json!({ "code": code })),
            Error::SystemRun { code, run_id: Some(id), .. } => {
                Self::invalid(text).with_details(json!({ "code": code, "runId": id }))
            }
            Error::PairingChanged => {
                Self { retryable: Some(true), ..unavailable(text).with_details(json!({ "code": "PAIRING_CHANGED" })) }
            }
            Error::NotConnected => {
                let fault = json!({ "code": "NOT_CONNECTED", "message": text });
                let details = json!({ "code": "NOT_CONNECTED", "nodeError": fault, "nodeCommandDispatched": false });
                unavailable(text).with_details(details)
            }
            Error::Failed(fault) => {
                let details = json!({ "nodeError": fault.fault, "nodeCommandDispatched": fault.was_sent });
                unavailable(text).with_details(details)
            }
            Error::TooManyCalls => Self::unavailable(text, 1_000),
            Error::AwaitsApproval(_) | Error::NotCurrent => unavailable(text),
        }
    }
}

/// Without a word on whether to try again.
fn unavailable(text: String) -> ErrorShape {
    ErrorShape::new(ErrorCode::Unavailable, text)
}
