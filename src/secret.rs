//! Values that must not leak: tokens, passwords, keys.
//!
//! `Secret<T>` has no `Display`, prints as `Secret(…)`, compares in constant time and wipes its memory when
//! dropped. What is stored at rest is the hash that [`fingerprint`] gives, never the value.

use std::fmt;

use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A value that is never printed. Reach it with [`Secret::expose`], at the one place that needs it.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<String> {
    /// Compares without telling by its duration where the two differ. Lengths are hidden too: both sides are hashed.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        let (ours, theirs) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(candidate.as_bytes()));
        ours.ct_eq(&theirs).into()
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl PartialEq for Secret<String> {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret<String> {}

impl<'de> Deserialize<'de> for Secret<String> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// The lowercase hex SHA-256 under which a random token is stored and looked up.
#[must_use]
pub fn fingerprint(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Lowercase hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A fresh token: 32 random bytes as 43 characters of base64url, the form OpenClaw's device tokens have.
///
/// # Panics
/// If the operating system has no randomness to give; nothing safe can be done then.
#[must_use]
pub fn random_token() -> Secret<String> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    let token = URL_SAFE_NO_PAD.encode(bytes);
    bytes.zeroize();
    Secret::new(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret(…)");
    }

    #[test]
    fn matches_only_the_same_text() {
        let secret = Secret::new("abc".to_owned());
        assert!(secret.matches("abc"));
        assert!(!secret.matches("abcd"));
        assert!(!secret.matches(""));
    }

    #[test]
    fn tokens_are_fresh_and_43_characters() {
        let (one, two) = (random_token(), random_token());
        assert_eq!(one.expose().len(), 43);
        assert_ne!(one, two);
    }
}
