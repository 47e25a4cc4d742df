//! Why a connection is closed, in the protocol's codes (§1).

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// A close frame's payload holds 125 bytes, two of them the code.
const MAX_REASON: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: &'static str,
}

impl Close {
    pub(super) const NORMAL: Self = Self { code: 1000, reason: "" };
    pub(super) const TOO_LARGE: Self = Self { code: 1009, reason: "" };
    pub(super) const RESTART: Self = Self { code: 1012, reason: "service restart" };
    pub(super) const SLOW_CONSUMER: Self = Self { code: 1008, reason: "slow consumer" };
    pub(super) const UNAUTHORIZED_CALLS: Self = Self { code: 1008, reason: "repeated unauthorized calls" };
    pub(super) const NOT_A_REQUEST: Self = Self { code: 1008, reason: "invalid request frame" };
    pub(super) const PROTOCOL_MISMATCH: Self = Self { code: 1002, reason: "protocol mismatch" };

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
