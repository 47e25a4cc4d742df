//! A "no" with everything that the client needs to act on it (protocol §3, "Failure codes").

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

    /// Too many failures from this address.
    #[must_use]
    pub fn rate_limited(retry_after_ms: u64) -> Self {
        let mut refusal = Self::credential(
            "AUTH_RATE_LIMITED",
            "rate_limited",
            "unauthorized: too many failed authentication attempts (retry later)".to_owned(),
            "wait_then_retry",
            false,
        );
        refusal.shape.retryable = Some(true);
        refusal.shape.retry_after_ms = Some(retry_after_ms);
        refusal
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
