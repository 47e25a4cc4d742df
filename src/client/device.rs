//! This machine's key pair, with which it presents itself where loopback does not vouch for it (protocol §2).

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding};
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::ClientError;
use crate::protocol::Scope;
use crate::store;

pub struct Device {
    key: SigningKey,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Device").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The file, in OpenClaw's form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u32,
    device_id: String,
    public_key_pem: String,
    private_key_pem: String,
    created_at_ms: u64,
}

/// What the signature covers beside the device itself.
pub(super) struct Claim<'a> {
    pub(super) client_id: &'a str,
    pub(super) client_mode: &'a str,
    pub(super) role: &'a str,
    pub(super) scopes: &'a [Scope],
    /// Never the password.
    pub(super) token: &'a str,
    pub(super) nonce: &'a str,
    pub(super) signed_at: u64,
    pub(super) platform: &'a str,
}

impl Device {
    /// Reads the key pair, or makes one on first use.
    ///
    /// # Errors
    /// [`ClientError::Identity`]: the file cannot be read or written, or holds something else.
    pub fn read_or_create(path: &Path) -> Result<Self, ClientError> {
        let outcome = match fs::read_to_string(path) {
            Ok(text) => decode(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        outcome.map_err(|problem| ClientError::Identity { path: path.display().to_string(), problem })
    }

    /// Lowercase hex SHA-256 of the raw public key.
    #[must_use]
    pub fn id(&self) -> String {
        crate::secret::hex(&Sha256::digest(self.key.verifying_key().as_bytes()))
    }

    /// The `device` of the connect params.
    pub(super) fn prove(&self, claim: &Claim<'_>) -> Value {
        let signature = self.key.sign(payload_v3(&self.id(), claim).as_bytes());
        json!({
            "id": self.id(),
            "publicKey": URL_SAFE_NO_PAD.encode(self.key.verifying_key().as_bytes()),
            "signature": URL_SAFE_NO_PAD.encode(signature.to_bytes()),
            "signedAt": claim.signed_at,
            "nonce": claim.nonce,
        })
    }
}

/// The device family stays empty: we send none.
fn payload_v3(id: &str, claim: &Claim<'_>) -> String {
    let scopes: Vec<&str> = claim.scopes.iter().map(|scope| scope.as_str()).collect();
    format!(
        "v3|{id}|{}|{}|{}|{}|{}|{}|{}|{}|",
        claim.client_id,
        claim.client_mode,
        claim.role,
        scopes.join(","),
        claim.signed_at,
        claim.token,
        claim.nonce,
        claim.platform.trim().to_ascii_lowercase(),
    )
}

fn decode(text: &str) -> Result<Device, String> {
    let stored: Stored = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let key = SigningKey::from_pkcs8_pem(&stored.private_key_pem).map_err(|error| error.to_string())?;
    let device = Device { key };
    if device.id() == stored.device_id { Ok(device) } else { Err("its id is not that of its key".to_owned()) }
}

fn create(path: &Path) -> io::Result<Device> {
    let mut seed = [0_u8; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let device = Device { key: SigningKey::from_bytes(&seed) };
    seed.zeroize();
    let created_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let stored = Stored {
        version: 1,
        device_id: device.id(),
        public_key_pem: device.key.verifying_key().to_public_key_pem(LineEnding::LF).map_err(io::Error::other)?,
        private_key_pem: device.key.to_pkcs8_pem(LineEnding::LF).map_err(io::Error::other)?.to_string(),
        created_at_ms: u64::try_from(created_at).unwrap_or_default(),
    };
    let mut text = serde_json::to_string_pretty(&stored)?;
    text.push('\n');
    // A key that is cut off would lock this machine out.
    store::write_private_file(path, text.as_bytes())?;
    Ok(device)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ed25519_dalek::{Signature, Verifier};

    use super::*;

    #[test]
    fn is_made_once_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity/device.json");
        let first = Device::read_or_create(&path).unwrap();
        assert_eq!(Device::read_or_create(&path).unwrap().id(), first.id());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{}").unwrap();
        assert!(matches!(Device::read_or_create(&path), Err(ClientError::Identity { .. })));
    }

    #[test]
    fn signs_the_payload_of_the_protocol() {
        let device = Device { key: SigningKey::from_bytes(&[7; 32]) };
        let claim = Claim {
            client_id: "cli",
            client_mode: "cli",
            role: "operator",
            scopes: &[Scope::Read, Scope::Write],
            token: "tok",
            nonce: "n-1",
            signed_at: 5,
            platform: " Linux ",
        };
        let expected = format!("v3|{}|cli|cli|operator|operator.read,operator.write|5|tok|n-1|linux|", device.id());
        assert_eq!(payload_v3(&device.id(), &claim), expected);
        let proof = device.prove(&claim);
        let bytes = URL_SAFE_NO_PAD.decode(proof["signature"].as_str().unwrap()).unwrap();
        let signature = Signature::from_slice(&bytes).unwrap();
        device.key.verifying_key().verify(expected.as_bytes(), &signature).unwrap();
    }
}
