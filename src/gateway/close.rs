//! Why a connection is closed, in the protocol's codes (§1).

use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::net::guard::is_too_large;

/// A close frame's payload holds 125 bytes, two of them the code.
const MAX_REASON: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: &'static str,
}

impl Close {
    pub(super) const NORMAL: Self = Self { code: 1000, reason: "" };
    /// A WebSocket that is none (RFC 6455 §7.4.1).
    pub(super) const PROTOCOL_ERROR: Self = Self { code: 1002, reason: "" };
    /// Text that is no UTF-8.
    pub(super) const NOT_UTF8: Self = Self { code: 1007, reason: "" };
    pub(super) const TOO_LARGE: Self = Self { code: 1009, reason: "" };
    pub(super) const RESTART: Self = Self { code: 1012, reason: "service restart" };
    pub(super) const SLOW_CONSUMER: Self = Self { code: 1008, reason: "slow consumer" };
    pub(super) const UNAUTHORIZED_CALLS: Self = Self { code: 1008, reason: "repeated unauthorized calls" };
    pub(super) const AUTH_CHANGED: Self = Self { code: 4001, reason: "gateway auth changed" };
    pub(super) const NOT_A_REQUEST: Self = Self { code: 1008, reason: "invalid request frame" };
    /// The shape of a worker, which comes in by a path of its own.
    pub(super) const INVALID_HANDSHAKE: Self = Self { code: 1008, reason: "invalid-handshake" };
    pub(super) const TOO_MANY_PENDING: Self = Self { code: 1008, reason: "too many pending handshake frames" };
    pub(super) const PROTOCOL_MISMATCH: Self = Self { code: 1002, reason: "protocol mismatch" };

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

    pub(super) const DEVICE_REMOVED: Self = Self { code: 4001, reason: "device removed" };

    pub(super) fn frame(self) -> CloseFrame {
        CloseFrame { code: CloseCode::from(self.code), reason: self.reason.into() }
    }
}

/// The close after a refused handshake: 1008 with the message, cut to fit.
pub(super) fn policy(message: &str) -> CloseFrame {
    let mut end = message.len().min(MAX_REASON);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let reason = message.get(..end).unwrap_or_default();
    CloseFrame { code: CloseCode::Policy, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = policy(&"ä".repeat(100));
        assert_eq!(frame.reason.as_str().len(), 120);
    }
}
