//! The gateway's own key pair, made once and kept in a private file.

use std::fs;
use std::io;
use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Error, create_private_file};
use crate::secret::{Secret, hex};

/// Ed25519. Also the root of the device tokens: see [`GatewayIdentity::device_token`].
pub struct GatewayIdentity(SigningKey);

impl GatewayIdentity {
    /// Reads the key, or makes one if there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, or does not hold 32 bytes in base64url.
    pub fn load_or_create(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { what: format!("the gateway's key {}", path.display()), source };
        if !path.exists() {
            let mut seed = Zeroizing::new([0_u8; 32]);
            getrandom::fill(seed.as_mut()).map_err(|error| failed(io::Error::other(error)))?;
            create_private_file(path, URL_SAFE_NO_PAD.encode(seed.as_ref()).as_bytes()).map_err(failed)?;
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed)?);
        let seed = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| Error::Corrupt("the gateway's key file"))?;
        let seed: [u8; 32] = seed.try_into().map_err(|_| Error::Corrupt("the gateway's key file"))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Lowercase hex SHA-256 of the public key.
    #[must_use]
    pub fn device_id(&self) -> String {
        hex(&Sha256::digest(self.0.verifying_key().as_bytes()))
    }

    /// Base64url of the 32 bytes.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().as_bytes())
    }

    /// The token of a device's role at a generation. Derived, so that a reconnecting device can be handed the same
    /// token again although only its hash is stored; a new generation is a new token.
    #[must_use]
    pub fn device_token(&self, device_id: &str, role: &str, generation: u64) -> Secret<String> {
        self.derive(&format!("tailclaw device token|{device_id}|{role}|{generation}"))
    }

    /// The token of a setup code; derived for the same reason.
    #[must_use]
    pub fn setup_token(&self, setup_id: &str) -> Secret<String> {
        self.derive(&format!("tailclaw setup code|{setup_id}"))
    }

    /// By which a shared secret is known again without being stored. Keyed: who reads the database cannot try guesses.
    #[must_use]
    pub fn mark_of_secret(&self, secret: &Secret<String>) -> String {
        self.derive(&Zeroizing::new(format!("tailclaw shared secret|{}", secret.expose()))).expose().clone()
    }

    fn derive(&self, text: &str) -> Secret<String> {
        let key = Zeroizing::new(self.0.to_bytes());
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_ref()).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        Secret::new(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for GatewayIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "GatewayIdentity({})", self.device_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_survives_and_tokens_follow_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.key");
        let first = GatewayIdentity::load_or_create(&path).unwrap();
        let second = GatewayIdentity::load_or_create(&path).unwrap();
        assert_eq!(first.device_id(), second.device_id());
        assert_eq!(first.device_token("d", "operator", 1), second.device_token("d", "operator", 1));
        assert_ne!(first.device_token("d", "operator", 1), first.device_token("d", "operator", 2));
        assert_eq!(first.device_token("d", "node", 1).expose().len(), 43);
    }
}
