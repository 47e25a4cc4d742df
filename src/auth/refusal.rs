//! A "no" with everything that the client needs to act on it (protocol §3, "Failure codes").

use std::time::Duration;

use serde_json::{Value, json};

use crate::protocol::{ErrorCode, ErrorShape};

/// Why somebody was not let in. The connection is closed with 1008 after the response.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Boxed: refusals are rare, and the way of those who are let in should stay light.
    shape: Box<ErrorShape>,
    /// `details.code`.
    code: &'static str,
    /// Follows the message in the close frame.
    close_suffix: String,
}

impl Refusal {
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let shape = ErrorShape::invalid(message).with_details(json!({ "code": code }));
        Self { shape: Box::new(shape), code, close_suffix: String::new() }
    }

    /// Refused for what it is, not for what it showed: there are no details.
    #[must_use]
    pub fn plain(message: &'static str) -> Self {
        Self { shape: Box::new(ErrorShape::invalid(message)), code: "INVALID_REQUEST", close_suffix: String::new() }
    }

    #[must_use]
    pub fn not_paired(code: &'static str, message: impl Into<String>) -> Self {
        let shape = ErrorShape::new(ErrorCode::NotPaired, message).with_details(json!({ "code": code }));
        Self { shape: Box::new(shape), code, close_suffix: String::new() }
    }

    /// A failed or missing credential.
    #[must_use]
    pub fn credential(code: &'static str, reason: &str, message: String, next_step: &str, can_retry: bool) -> Self {
        Self::new(code, message)
            .detail("authReason", json!(reason))
            .detail("canRetryWithDeviceToken", json!(can_retry))
            .detail("recommendedNextStep", json!(next_step))
    }

    /// It passes: the client may come back then.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.shape.retryable = Some(true);
        self.shape.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The gateway itself could not decide.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            shape: Box::new(ErrorShape::unavailable(message, 1_000)),
            code: "UNAVAILABLE",
            close_suffix: String::new(),
        }
    }

    #[must_use]
    pub fn detail(mut self, key: &str, value: Value) -> Self {
        if let Some(Value::Object(details)) = self.shape.details.as_mut() {
            details.insert(key.to_owned(), value);
        }
        self
    }

    #[must_use]
    pub fn closing_with(mut self, suffix: String) -> Self {
        self.close_suffix = suffix;
        self
    }

    /// The reason in the close frame: the message, and what clients that read nothing else need.
    #[must_use]
    pub fn close_reason(&self) -> String {
        format!("{}{}", self.shape.message, self.close_suffix)
    }

    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    #[must_use]
    pub fn shape(&self) -> &ErrorShape {
        &self.shape
    }
}
