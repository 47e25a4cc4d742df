//! The Ed25519 proof that a device presents (protocol §2, "Device identity").

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::DecodePublicKey;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Refusal;
use crate::protocol::handshake::{ConnectParams, Credentials, DeviceProof};
use crate::secret::hex;

/// How far a device's clock may be off, in milliseconds.
const MAX_SKEW_MS: u64 = 120_000;

/// A device that proved to hold its key on this very connection.
#[derive(Debug, Clone)]
pub(super) struct VerifiedDevice {
    pub id: String,
    /// Base64url of the raw key.
    pub public_key: String,
}

/// Checks a proof in the order of the protocol's table.
///
/// # Errors
/// The refusal names the check that failed.
pub(super) fn verify(
    proof: &DeviceProof,
    params: &ConnectParams,
    nonce: &str,
    now_ms: u64,
) -> Result<VerifiedDevice, Refusal> {
    let key = parse_key(&proof.public_key)
        .ok_or_else(|| refused("DEVICE_AUTH_PUBLIC_KEY_INVALID", "device-public-key", "device public key invalid"))?;
    if hex(&Sha256::digest(key.as_bytes())) != proof.id {
        return Err(refused("DEVICE_AUTH_DEVICE_ID_MISMATCH", "device-id-mismatch", "device identity mismatch"));
    }
    let signed_at = u64::try_from(proof.signed_at).unwrap_or(0);
    if signed_at.abs_diff(now_ms) > MAX_SKEW_MS {
        return Err(refused("DEVICE_AUTH_SIGNATURE_EXPIRED", "device-signature-stale", "device signature expired"));
    }
    if proof.nonce.trim().is_empty() {
        return Err(refused("DEVICE_AUTH_NONCE_REQUIRED", "device-nonce-missing", "device nonce required"));
    }
    if proof.nonce != nonce {
        return Err(refused("DEVICE_AUTH_NONCE_MISMATCH", "device-nonce-mismatch", "device nonce mismatch"));
    }
    let invalid = || refused("DEVICE_AUTH_SIGNATURE_INVALID", "device-signature", "device signature invalid");
    let signature = decode_base64(&proof.signature).ok_or_else(invalid)?;
    let signature = Signature::from_slice(&signature).map_err(|_| invalid())?;
    let signed = payloads(proof, params).iter().any(|text| key.verify_strict(text.as_bytes(), &signature).is_ok());
    if !signed {
        return Err(invalid());
    }
    Ok(VerifiedDevice { id: proof.id.clone(), public_key: URL_SAFE_NO_PAD.encode(key.as_bytes()) })
}

/// The texts that may have been signed: v3, then v2.
fn payloads(proof: &DeviceProof, params: &ConnectParams) -> [String; 2] {
    let client = &params.client;
    let role = params.role.as_deref().unwrap_or("operator");
    let token = params.auth.as_ref().and_then(bound_token).unwrap_or_default();
    let common = format!(
        "{}|{}|{}|{role}|{}|{}|{token}|{}",
        proof.id,
        client.id.as_str(),
        client.mode.as_str(),
        params.scopes.join(","),
        proof.signed_at,
        proof.nonce
    );
    let normal = |text: Option<&str>| text.unwrap_or_default().trim().to_ascii_lowercase();
    let (platform, family) = (normal(Some(&client.platform)), normal(client.device_family.as_deref()));
    [format!("v3|{common}|{platform}|{family}"), format!("v2|{common}")]
}

/// The one credential that a signature covers. A password is never bound.
fn bound_token(auth: &Credentials) -> Option<&str> {
    auth.token.as_deref().or(auth.device_token.as_deref()).or(auth.bootstrap_token.as_deref())
}

/// Raw bytes in base64, or an SPKI PEM.
fn parse_key(text: &str) -> Option<VerifyingKey> {
    if text.contains("BEGIN") {
        return VerifyingKey::from_public_key_pem(text.trim()).ok();
    }
    let bytes: [u8; 32] = decode_base64(text)?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

/// Base64url without padding, or the standard alphabet with it.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD.decode(text)).ok()
}

fn refused(code: &'static str, reason: &str, message: &str) -> Refusal {
    Refusal::new(code, message).detail("reason", json!(reason))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    const NOW: u64 = 1_795_170_867_840;

    fn signed(version: &str, change: impl Fn(&mut DeviceProof)) -> Result<VerifiedDevice, Refusal> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let id = hex(&Sha256::digest(key.verifying_key().as_bytes()));
        let tail = if version == "v3" { "|linux|" } else { "" };
        let text = format!("{version}|{id}|cli|cli|operator|operator.read|{NOW}|tok|nonce-1{tail}");
        let mut proof = DeviceProof {
            id,
            public_key: URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()),
            signature: URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()).to_bytes()),
            signed_at: i64::try_from(NOW).unwrap(),
            nonce: "nonce-1".into(),
        };
        change(&mut proof);
        let params: ConnectParams = serde_json::from_value(json!({
            "minProtocol": 4, "maxProtocol": 4, "scopes": ["operator.read"], "auth": { "token": "tok", "password": "p" },
            "client": { "id": "cli", "version": "1", "platform": " Linux ", "mode": "cli" },
        }))
        .unwrap();
        verify(&proof, &params, "nonce-1", NOW)
    }

    #[test]
    fn accepts_v3_and_v2() {
        signed("v3", |_| ()).unwrap();
        signed("v2", |_| ()).unwrap();
    }

    #[test]
    fn names_what_is_wrong() {
        let code = |change: fn(&mut DeviceProof)| signed("v3", change).unwrap_err().code();
        assert_eq!(code(|proof| proof.id = "00".into()), "DEVICE_AUTH_DEVICE_ID_MISMATCH");
        assert_eq!(code(|proof| proof.public_key = "!".into()), "DEVICE_AUTH_PUBLIC_KEY_INVALID");
        assert_eq!(code(|proof| proof.signed_at -= 121_000), "DEVICE_AUTH_SIGNATURE_EXPIRED");
        assert_eq!(code(|proof| proof.signed_at += 121_000), "DEVICE_AUTH_SIGNATURE_EXPIRED");
        assert_eq!(code(|proof| proof.signed_at = i64::MIN), "DEVICE_AUTH_SIGNATURE_EXPIRED");
        assert_eq!(code(|proof| proof.nonce = "  ".into()), "DEVICE_AUTH_NONCE_REQUIRED");
        assert_eq!(code(|proof| proof.nonce = "other".into()), "DEVICE_AUTH_NONCE_MISMATCH");
        assert_eq!(code(|proof| proof.signature = "AAAA".into()), "DEVICE_AUTH_SIGNATURE_INVALID");
        // Within the skew, but not what was signed.
        assert_eq!(code(|proof| proof.signed_at += 1), "DEVICE_AUTH_SIGNATURE_INVALID");
    }

    /// Only what was signed is believed: any other key, signature or id is refused.
    #[test]
    fn fuzz_proofs() {
        let seeds =
            ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n", "00", ""];
        crate::fuzz::fuzz_text(&seeds, |text| {
            let is_same = |kept: &str| text == kept;
            for field in 0..3 {
                let verified = signed("v3", |proof| {
                    let place = [&mut proof.public_key, &mut proof.signature, &mut proof.nonce];
                    if let Some(place) = place.into_iter().nth(field)
                        && !is_same(place)
                    {
                        *place = text.to_owned();
                    }
                });
                assert!(verified.is_err(), "field {field}: {text:?}");
            }
        });
    }
}
