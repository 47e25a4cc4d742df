//! Why a connection is closed, in the protocol's codes (§1).

use std::borrow::Cow;

use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::net::guard::is_too_large;

/// A close frame's payload holds 125 bytes, two of them the code.
const MAX_REASON: usize = 120;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

impl Close {
    pub(super) const NORMAL: Self = Self { code: 1000, reason: Cow::Borrowed("") };
    /// A WebSocket that is none (RFC 6455 §7.4.1).
    pub(super) const PROTOCOL_ERROR: Self = Self { code: 1002, reason: Cow::Borrowed("") };
    /// Text that is no UTF-8.
    pub(super) const NOT_UTF8: Self = Self { code: 1007, reason: Cow::Borrowed("") };
    pub(super) const TOO_LARGE: Self = Self { code: 1009, reason: Cow::Borrowed("") };
    pub(super) const RESTART: Self = Self { code: 1012, reason: Cow::Borrowed("service restart") };
    pub(super) const SLOW_CONSUMER: Self = Self { code: 1008, reason: Cow::Borrowed("slow consumer") };
    pub(super) const UNAUTHORIZED_CALLS: Self =
        Self { code: 1008, reason: Cow::Borrowed("repeated unauthorized calls") };
    pub(super) const AUTH_CHANGED: Self = Self { code: 4001, reason: Cow::Borrowed("gateway auth changed") };
    pub(super) const NOT_A_REQUEST: Self = Self { code: 1008, reason: Cow::Borrowed("invalid request frame") };
    /// The shape of a worker, which comes in by a path of its own.
    pub(super) const INVALID_HANDSHAKE: Self = Self { code: 1008, reason: Cow::Borrowed("invalid-handshake") };
    pub(super) const TOO_MANY_PENDING: Self =
        Self { code: 1008, reason: Cow::Borrowed("too many pending handshake frames") };
    pub(super) const PROTOCOL_MISMATCH: Self = Self { code: 1002, reason: Cow::Borrowed("protocol mismatch") };

    /// What an error of the stream is answered with; `None`: there is nobody to answer.
    pub(super) fn of(error: &WsError) -> Option<Self> {
        match error {
            WsError::Io(error) if is_too_large(error) => Some(Self::TOO_LARGE),
            WsError::Capacity(_) => Some(Self::TOO_LARGE),
            WsError::Utf8(_) => Some(Self::NOT_UTF8),
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
            WsError::Protocol(_) => Some(Self::PROTOCOL_ERROR),
            _ => None,
        }
    }

    pub(super) const DEVICE_REMOVED: Self = Self { code: 4001, reason: Cow::Borrowed("device removed") };

    pub(super) const OPERATOR_ROLE_CHANGED: Self = Self { code: 4001, reason: Cow::Borrowed("operator role changed") };

    /// What a tailnet identity is worth has changed, in words.
    pub(super) fn rights_changed(words: &str) -> Self {
        Self { code: 4001, reason: Cow::Owned(fitting(&format!("tailnet rights changed: {words}")).to_owned()) }
    }

    pub(super) fn frame(self) -> CloseFrame {
        CloseFrame { code: CloseCode::from(self.code), reason: self.reason.as_ref().into() }
    }
}

/// The close after a refused handshake: 1008 with the message, cut to fit.
pub(super) fn policy(message: &str) -> CloseFrame {
    CloseFrame { code: CloseCode::Policy, reason: fitting(message).into() }
}

/// As much of a text as a close frame holds.
fn fitting(text: &str) -> &str {
    let mut end = text.len().min(MAX_REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = "ä".repeat(100);
        for frame in [policy(&long), Close::rights_changed(&long).frame()] {
            assert!((119..=120).contains(&frame.reason.as_str().len()), "{frame:?}");
        }
    }
}
