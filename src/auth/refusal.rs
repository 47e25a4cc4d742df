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
}

impl Refusal {
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let shape = ErrorShape::invalid(message).with_details(json!({ "code": code }));
        Self { shape: Box::new(shape), code }
    }

    /// Refused for what it is, not for what it showed: there are no details.
    #[must_use]
    pub fn plain(message: &'static str) -> Self {
        Self { shape: Box::new(ErrorShape::invalid(message)), code: "INVALID_REQUEST" }
    }

    #[must_use]
    pub fn not_paired(code: &'static str, message: impl Into<String>) -> Self {
        let shape = ErrorShape::new(ErrorCode::NotPaired, message).with_details(json!({ "code": code }));
        Self { shape: Box::new(shape), code }
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
        Self { shape: Box::new(ErrorShape::unavailable(message, 1_000)), code: "UNAVAILABLE" }
    }

    #[must_use]
    pub fn detail(mut self, key: &str, value: Value) -> Self {
        if let Some(Value::Object(details)) = self.shape.details.as_mut() {
            details.insert(key.to_owned(), value);
        }
        self
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
