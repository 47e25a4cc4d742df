//! The fingerprint of a certificate: what `gateway.remote.tlsFingerprint` pins.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// SHA-256 of a certificate in DER. It is no secret: whoever connects sees the certificate.
///
/// Printed as OpenClaw keeps it, 64 small hexadecimal digits; read as it reads it, in either case, with colons between
/// all bytes or none, and with or without `sha256:` in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no SHA-256 fingerprint of a certificate: 64 hexadecimal digits, with colons between the bytes or without")]
pub struct NotAFingerprint;

impl Fingerprint {
    /// Of a leaf certificate, as a peer presents it.
    #[must_use]
    pub fn of_der(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        const PREFIX: &str = "sha256:";
        let text = text.trim();
        let digits = match text.get(..PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => text.get(PREFIX.len()..).unwrap_or_default(),
            _ => text,
        };
        // 32 bytes of two digits, and a colon between each two of them or nowhere.
        let step = match digits.len() {
            64 => 2,
            95 => 3,
            _ => return Err(NotAFingerprint),
        };
        let mut bytes = [0; 32];
        for (byte, place) in bytes.iter_mut().zip(digits.as_bytes().chunks(step)) {
            let [high, low, rest @ ..] = place else { return Err(NotAFingerprint) };
            if !matches!(rest, [] | [b':']) {
                return Err(NotAFingerprint);
            }
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn digit(letter: u8) -> Result<u8, NotAFingerprint> {
    match letter {
        b'0'..=b'9' => Ok(letter - b'0'),
        b'a'..=b'f' => Ok(letter - b'a' + 10),
        b'A'..=b'F' => Ok(letter - b'A' + 10),
        _ => Err(NotAFingerprint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn with_colons() -> String {
        PLAIN.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":")
    }

    #[test]
    fn it_is_the_digest_of_the_certificate() {
        assert_eq!(Fingerprint::of_der(b"hello").to_string(), PLAIN);
    }

    #[test]
    fn every_way_of_writing_it_is_read() {
        let known = Fingerprint::of_der(b"hello");
        let spaced = format!(" {PLAIN}\n");
        let prefixed = format!("SHA256:{}", with_colons().to_uppercase());
        for text in [PLAIN, &PLAIN.to_uppercase(), &with_colons(), &spaced, &prefixed, &format!("sha256:{PLAIN}")] {
            assert_eq!(text.parse(), Ok(known), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_one() {
        let short = &PLAIN[..62];
        let half_way = PLAIN.replacen("2c", "2c:", 1);
        let other_digit = PLAIN.replacen('2', "g", 1);
        let other_sign = with_colons().replace(':', "-");
        let colon_for_digit = with_colons().replacen("2c:", "2::", 1);
        let sha1 = format!("sha1:{PLAIN}");
        for text in [
            "",
            "sha256:",
            short,
            &half_way,
            &other_digit,
            &other_sign,
            &colon_for_digit,
            &sha1,
            "sha256é",
            &"é".repeat(32),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(NotAFingerprint), "{text}");
        }
    }

    #[test]
    fn fuzz_fingerprints() {
        crate::fuzz::fuzz_text(&[PLAIN, &with_colons(), &format!("sha256:{PLAIN}")], |text| {
            if let Ok(fingerprint) = text.parse::<Fingerprint>() {
                assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint), "{text:?}");
            }
        });
    }
}
