//! What can go wrong between a client and a gateway, and what the person can do about it.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::VOUCHED_VARIABLE;
use crate::protocol::Scope;
use crate::tls::Fingerprint;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is unusable as it stands: write another.
    #[error("{url:?} cannot be used: {problem}")]
    Url { url: String, problem: String },
    /// The address would carry secrets and conversations unencrypted through networks of others: use TLS or a tunnel.
    #[error("{url} is not encrypted, and its host is not known to be in a network of your own; nothing was sent")]
    Plaintext { url: String },
    /// The certificate is none that the system trusts for this name.
    #[error("{url} shows a certificate that is not trusted here: {problem}{}", shown_text(*.shown))]
    Untrusted { url: String, problem: String, shown: Option<Fingerprint> },
    /// Another certificate than the pinned one: the gateway was given a new one, or somebody is in between.
    #[error(
        "{url} shows another certificate than the pinned one; nothing was sent\n  pinned: {pinned} ({kept_in})\n  shown:  {shown}"
    )]
    WrongCertificate { url: String, pinned: Fingerprint, kept_in: String, shown: Fingerprint },
    /// Nobody answers there: start the gateway, or correct the address.
    #[error("no gateway answers at {url}: {cause}")]
    Unreachable { url: String, cause: io::Error },
    /// Nobody answered in time.
    #[error("no answer from {url} within {} ms", after.as_millis())]
    Silent { url: String, after: Duration },
    /// Something answers that is no gateway, or will not speak WebSocket to us now.
    #[error("{url} answers, but not as a gateway: {problem}")]
    NotAGateway { url: String, problem: String },
    /// The gateway answered `connect` with an error: mend the credentials.
    #[error("the gateway refused the connection: {0}")]
    Refused(Box<Refusal>),
    /// The gateway answered a request with an error.
    #[error("{method}: {refusal}")]
    Failed { method: String, refusal: Box<Refusal> },
    /// The connection ended under us: connect again.
    #[error("the gateway closed the connection{}", close_text(*code, reason))]
    Closed { code: Option<u16>, reason: String },
    /// No answer to a request in time; it may still be carried out.
    #[error("{method}: no answer within {} ms", after.as_millis())]
    Timeout { method: String, after: Duration },
    /// This machine's key pair cannot be used.
    #[error("the device identity {path} cannot be used: {problem}")]
    Identity { path: String, problem: String },
}

/// The error object of a response. Codes are kept as text: newer gateways have more.
#[derive(Debug, Clone, PartialEq, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct Refusal {
    pub code: String,
    pub message: String,
    #[serde(default)]
    pub details: Option<Value>,
    #[serde(default)]
    pub retryable: bool,
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// `details.code`, by which clients steer.
    #[must_use]
    pub fn detail_code(&self) -> Option<&str> {
        self.detail("code")
    }

    fn missing_scope(&self) -> Option<Scope> {
        let name = self.detail("missingScope").filter(|_| self.detail_code() == Some("MISSING_SCOPE"))?;
        Scope::parse(name)
    }

    fn detail(&self, key: &str) -> Option<&str> {
        self.details.as_ref()?.get(key)?.as_str()
    }

    fn advice(&self) -> Option<String> {
        let said = match self.detail_code() {
            Some(code) => self.advice_for(code),
            None => None,
        };
        said.or_else(|| self.advice_by_top_code())
    }

    fn advice_for(&self, code: &str) -> Option<String> {
        let sentence = match code {
            "AUTH_TOKEN_MISSING" | "DEVICE_IDENTITY_REQUIRED" => {
                "pass the gateway's secret with --token or --password, or reach it by its tailnet name".to_owned()
            }
            "AUTH_TOKEN_MISMATCH" => {
                "the token is not this gateway's: it is gateway.auth.token in the configuration of \
                 the gateway's machine, or in the file gateway-token of its state folder"
                    .to_owned()
            }
            "AUTH_PASSWORD_MISSING" => "this gateway asks for a password: pass it with --password".to_owned(),
            "AUTH_PASSWORD_MISMATCH" => {
                "the password is not this gateway's: it is gateway.auth.password on the gateway's machine".to_owned()
            }
            "AUTH_RATE_LIMITED" => format!("too many failed attempts: wait {} and try again", self.wait()),
            "AUTH_TOKEN_NOT_CONFIGURED" => {
                "the gateway has no secret: set gateway.auth.token on its machine and restart it".to_owned()
            }
            "PAIRING_REQUIRED" => format!(
                "this device waits for approval{}: approve it on the gateway's machine, then try again",
                self.detail("requestId").map_or(String::new(), |id| format!(" (request {id})"))
            ),
            "DEVICE_AUTH_SIGNATURE_EXPIRED" => {
                "the clocks of this machine and the gateway's are more than two minutes apart: set them".to_owned()
            }
            "DEVICE_AUTH_DEVICE_ID_MISMATCH" | "DEVICE_AUTH_PUBLIC_KEY_INVALID" | "DEVICE_AUTH_SIGNATURE_INVALID" => {
                "remove identity/device.json from the state folder; a new identity is made on the next try".to_owned()
            }
            "PROTOCOL_MISMATCH" => "client and gateway are of different protocol versions: update the older".to_owned(),
            "MISSING_SCOPE" => format!(
                "this caller lacks the scope {}: see what the gateway grants you with `tailclaw status`",
                self.detail("missingScope").unwrap_or("that is needed")
            ),
            _ => return None,
        };
        Some(sentence)
    }

    fn advice_by_top_code(&self) -> Option<String> {
        if self.retryable {
            return Some(format!("the gateway is not ready: wait {} and try again", self.wait()));
        }
        if self.message.starts_with("unknown method") {
            return Some("this gateway does not serve that method: see features.methods of its hello".to_owned());
        }
        match self.code.as_str() {
            "FORBIDDEN" | "NOT_PAIRED" => Some(
                "ask /whoami on the gateway who it takes you for; rights come from its policy or secret".to_owned(),
            ),
            "INVALID_REQUEST" if self.message.starts_with("invalid ") => Some("check --params".to_owned()),
            _ => None,
        }
    }

    fn wait(&self) -> String {
        match self.retry_after_ms {
            Some(milliseconds) if milliseconds >= 1_000 => format!("{} s", milliseconds.div_ceil(1_000)),
            _ => "a moment".to_owned(),
        }
    }
}

impl ClientError {
    /// What a request would have to be allowed that was refused for want of it.
    #[must_use]
    pub fn missing_scope(&self) -> Option<Scope> {
        match self {
            Self::Failed { refusal, .. } => refusal.missing_scope(),
            _ => None,
        }
    }

    /// One sentence that says what to do; `None` where nothing sensible can be said.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match self {
            // Its own text says what to write.
            Self::Url { .. } => None,
            Self::Plaintext { .. } => Some(format!(
                "use wss://, the gateway's tailnet name, or SSH (--ssh user@host); for a name in a network that you trust, \
                 set {VOUCHED_VARIABLE}=1"
            )),
            Self::Untrusted { .. } => Some(
                "compare the fingerprint with the one that `tailclaw gateway status` shows on the gateway's machine; if \
                 they are the same, pin it with --tls-fingerprint or gateway.remote.tlsFingerprint"
                    .to_owned(),
            ),
            Self::WrongCertificate { kept_in, .. } => Some(format!(
                "if the gateway was given a new certificate, compare the shown fingerprint with the one on its machine \
                 and write it into {kept_in}; if not, somebody is in between"
            )),
            Self::Unreachable { .. } => Some(
                "start it with `tailclaw gateway`, or check host and port (a gateway listens on 18789 unless told)"
                    .to_owned(),
            ),
            Self::Silent { .. } => Some("check the address and the network, or allow more with --timeout".to_owned()),
            Self::NotAGateway { .. } => Some("check the port: another program may be listening there".to_owned()),
            Self::Refused(refusal) | Self::Failed { refusal, .. } => refusal.advice(),
            Self::Closed { code, reason } => Some(close_advice(*code, reason)),
            Self::Timeout { .. } => Some("allow more with --timeout, or look at `tailclaw logs`".to_owned()),
            Self::Identity { .. } => Some("remove the file; a new identity is made on the next try".to_owned()),
        }
    }

    /// Whether no gateway was reached at all.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::NotAGateway { .. })
    }

    /// Whether the same again may work in a moment.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Closed { .. } | Self::Timeout { .. } => true,
            Self::Refused(refusal) | Self::Failed { refusal, .. } => refusal.retryable,
            Self::Url { .. }
            | Self::Plaintext { .. }
            | Self::Untrusted { .. }
            | Self::WrongCertificate { .. }
            | Self::NotAGateway { .. }
            | Self::Identity { .. } => false,
        }
    }
}

fn shown_text(shown: Option<Fingerprint>) -> String {
    shown.map_or(String::new(), |shown| format!("\n  shown: {shown}"))
}

fn close_text(code: Option<u16>, reason: &str) -> String {
    match (code, reason) {
        (None, _) => " without saying why".to_owned(),
        (Some(code), "") => format!(" (code {code})"),
        (Some(code), reason) => format!(" (code {code}, {reason})"),
    }
}

/// The codes of protocol §1.
fn close_advice(code: Option<u16>, reason: &str) -> String {
    match (code, reason) {
        (Some(1012), _) => "it is restarting: try again in a moment",
        (Some(1013), _) => "it is starting: try again in a moment",
        (Some(1009), _) => "a message was larger than the gateway takes: send less at once",
        (Some(1002), _) => "client and gateway are of different protocol versions: update the older",
        (Some(1008), "slow consumer") => "this client read too slowly: connect again",
        (Some(4001), _) => "this device's access was changed on the gateway: have it approved again",
        (Some(1000), _) => "the handshake took too long: try again",
        _ => "see `tailclaw logs`, or the gateway's own output, for the cause",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(details: Value) -> Box<Refusal> {
        serde_json::from_value(json!({ "code": "INVALID_REQUEST", "message": "unauthorized", "details": details }))
            .unwrap()
    }

    #[test]
    fn every_known_refusal_says_what_to_do() {
        for (code, hint) in [
            ("AUTH_TOKEN_MISSING", "--token"),
            ("AUTH_TOKEN_MISMATCH", "gateway-token"),
            ("AUTH_PASSWORD_MISMATCH", "gateway.auth.password"),
            ("DEVICE_IDENTITY_REQUIRED", "tailnet name"),
            ("DEVICE_AUTH_SIGNATURE_EXPIRED", "clocks"),
            ("PROTOCOL_MISMATCH", "update"),
        ] {
            let advice = ClientError::Refused(refusal(json!({ "code": code }))).advice().unwrap();
            assert!(advice.contains(hint), "{code}: {advice}");
        }
    }

    #[test]
    fn advice_carries_the_numbers_of_the_answer() {
        let pairing = refusal(json!({ "code": "PAIRING_REQUIRED", "requestId": "r-1" }));
        assert!(ClientError::Refused(pairing).advice().unwrap().contains("r-1"));
        let scope = refusal(json!({ "code": "MISSING_SCOPE", "missingScope": "operator.admin" }));
        assert!(scope.advice().unwrap().contains("operator.admin"));
        let limited: Refusal = serde_json::from_value(
            json!({ "code": "X", "message": "", "retryAfterMs": 300_000, "details": { "code": "AUTH_RATE_LIMITED" } }),
        )
        .unwrap();
        assert!(limited.advice().unwrap().contains("300 s"));
    }

    #[test]
    fn closing_is_explained() {
        let error = ClientError::Closed { code: Some(1012), reason: "service restart".into() };
        assert_eq!(error.to_string(), "the gateway closed the connection (code 1012, service restart)");
        assert!(error.advice().unwrap().contains("restarting"));
        assert!(error.is_passing() && !error.is_unreachable());
    }
}
