//! Setup codes: a device that presents one is approved by it (protocol §4, "Setup code / QR").
//!
//! A code's token follows from the gateway's key and the code's id, so that only its hash lies on the disk and a join
//! URL can still hand it out.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Error, Pairing};
use crate::clock::now_ms;
use crate::protocol::access::permits;
use crate::protocol::devices::{SetupAccess, SetupCompletion, SetupPayload};
use crate::protocol::{Event, Role, Scope};
use crate::secret::{Secret, fingerprint, random_token};
use crate::store::{self, Presented, SetupRecord};
use crate::tls::Fingerprint;

const TTL_MS: u64 = 10 * 60 * 1_000;
/// How long what became of a code can be asked for.
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
const MOST_OPEN: u64 = 64;
/// Characters of a join code: 16 random bytes.
const JOIN_CODE_LENGTH: usize = 22;

/// What a code is to be good for.
#[derive(Debug)]
pub struct SetupOrder {
    pub access: SetupAccess,
    /// What the device is to connect to.
    pub gateway_url: String,
    /// Of the certificate that it will see there.
    pub tls_fingerprint: Option<Fingerprint>,
    pub with_join_code: bool,
}

/// A fresh code.
#[derive(Debug)]
pub struct SetupTicket {
    pub setup_id: String,
    /// Base64url of the payload.
    pub code: Secret<String>,
    pub join_code: Option<Secret<String>>,
    pub expires_at: u64,
}

/// What became of a code that was used.
#[derive(Debug, PartialEq, Eq)]
pub enum SetupOutcome {
    /// The device was answered.
    Completed(SetupCompletion),
    /// The code is used up, and whether the device has its tokens is not known.
    DeliveryUncertain(SetupCompletion),
}

/// A code is used up, and the answer that gives the device its tokens is on its way. Dropped before it had gone out, it
/// tells operators that nobody knows whether it arrived.
#[derive(Debug)]
pub struct SetupDelivery {
    pairing: Pairing,
    completion: Option<SetupCompletion>,
}

impl SetupDelivery {
    /// The answer has gone out.
    pub async fn confirm(mut self) {
        let Some(completion) = &self.completion else { return };
        if let Err(error) = self.pairing.0.database.deliver_setup_code(&completion.setup_id, now_ms()).await {
            // What cannot be noted is not told either: this then ends as uncertain.
            tracing::error!(%error, "the end of a setup could not be stored");
            return;
        }
        if let Some(completion) = self.completion.take() {
            self.pairing.publish(&[Event::DevicePairSetupCompleted(Box::new(completion))]);
        }
    }
}

impl Drop for SetupDelivery {
    fn drop(&mut self) {
        if let Some(completion) = self.completion.take() {
            tracing::warn!(setup.id = %completion.setup_id, "a device may not have got the tokens of its setup code");
            self.pairing.publish(&[Event::DevicePairSetupDeliveryUncertain(Box::new(completion))]);
        }
    }
}

impl Pairing {
    /// Makes a code.
    ///
    /// # Errors
    /// Too many are open, or it could not be stored.
    pub async fn make_setup_code(&self, order: SetupOrder) -> Result<SetupTicket, Error> {
        let now = now_ms();
        let setup_id = uuid::Uuid::new_v4().to_string();
        let token = self.0.identity.setup_token(&setup_id);
        let join_code = order.with_join_code.then(join_code);
        let record = SetupRecord {
            setup_id,
            token_hash: fingerprint(token.expose()),
            access: order.access,
            issued_at: now,
            expires_at: now + TTL_MS,
            join_hash: join_code.as_ref().map(|code| fingerprint(code.expose())),
            gateway_url: order.gateway_url,
            device_id: None,
            device_name: None,
            completed_at: None,
            delivered_at: None,
        };
        if !self.0.database.add_setup_code(&record, now.saturating_sub(KEPT_MS), MOST_OPEN).await? {
            return Err(Error::TooManySetupCodes);
        }
        tracing::info!(setup.id = %record.setup_id, access = record.access.as_str(), "a setup code was made");
        let mut payload = self.payload(&record);
        payload.tls_fingerprint = order.tls_fingerprint.map(|fingerprint| fingerprint.to_string());
        let payload = serde_json::to_vec(&payload).unwrap_or_default();
        Ok(SetupTicket {
            setup_id: record.setup_id,
            code: Secret::new(URL_SAFE_NO_PAD.encode(payload)),
            join_code,
            expires_at: record.expires_at,
        })
    }

    /// What became of a code; `None` while nothing has.
    ///
    /// # Errors
    /// The records could not be read.
    pub async fn setup_outcome(&self, setup_id: &str) -> Result<Option<SetupOutcome>, Error> {
        let Some(record) = self.0.database.setup_code(setup_id).await? else { return Ok(None) };
        Ok(completion(&record).map(|completion| match record.delivered_at {
            Some(_) => SetupOutcome::Completed(completion),
            None => SetupOutcome::DeliveryUncertain(completion),
        }))
    }

    /// Hands out what stands behind a join code, once. Which certificate is shown now, the caller knows.
    ///
    /// # Errors
    /// The records could not be changed.
    pub async fn take_join_code(&self, code: &str) -> Result<Option<SetupPayload>, store::Error> {
        let is_code = code.len() == JOIN_CODE_LENGTH
            && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_code {
            return Ok(None);
        }
        let record = self.0.database.take_join_code(&fingerprint(code), now_ms()).await?;
        Ok(record.map(|record| self.payload(&record)))
    }

    /// Judges the token of a code, and binds it to the device where it is good. `None` for whatever is wrong with it.
    ///
    /// # Errors
    /// The records could not be changed.
    pub async fn present_setup_token(
        &self,
        token: &Secret<String>,
        device_id: &str,
        role: Role,
        scopes: &[Scope],
    ) -> Result<Option<SetupRecord>, store::Error> {
        let hash = fingerprint(token.expose().trim());
        let Some(record) = self.0.database.setup_code_of_token(&hash).await? else { return Ok(None) };
        // Before it is bound: asking for too much does not take the code from whom it is for.
        let is_within =
            record.access.roles().contains(&role) && scopes.iter().all(|scope| permits(record.access.scopes(), *scope));
        if !is_within {
            return Ok(None);
        }
        Ok(match self.0.database.bind_setup_code(&hash, device_id, now_ms()).await? {
            Presented::Accepted(record) => Some(record),
            Presented::Refused => None,
        })
    }

    /// Uses the code up. `None`: another connection of the device was quicker.
    pub(super) async fn complete(
        &self,
        code: &SetupRecord,
        device_id: &str,
        device_name: Option<&str>,
        now: u64,
    ) -> Result<Option<SetupDelivery>, store::Error> {
        if !self.0.database.complete_setup_code(&code.setup_id, device_id, device_name, now).await? {
            return Ok(None);
        }
        tracing::info!(setup.id = %code.setup_id, device.id = device_id, "a setup code was used");
        let completion = SetupCompletion {
            setup_id: code.setup_id.clone(),
            device_id: device_id.to_owned(),
            device_name: device_name.map(str::to_owned),
            access: code.access,
            ts: now,
        };
        Ok(Some(SetupDelivery { pairing: self.clone(), completion: Some(completion) }))
    }

    fn payload(&self, record: &SetupRecord) -> SetupPayload {
        SetupPayload {
            url: record.gateway_url.clone(),
            bootstrap_token: self.0.identity.setup_token(&record.setup_id).expose().clone(),
            expires_at_ms: record.expires_at,
            tls_fingerprint: None,
        }
    }
}

fn completion(record: &SetupRecord) -> Option<SetupCompletion> {
    Some(SetupCompletion {
        setup_id: record.setup_id.clone(),
        device_id: record.device_id.clone()?,
        device_name: record.device_name.clone(),
        access: record.access,
        ts: record.completed_at?,
    })
}

/// 128 bits: short enough to be typed, too long to be guessed in ten minutes.
fn join_code() -> Secret<String> {
    let mut code = random_token().expose().clone();
    code.truncate(JOIN_CODE_LENGTH);
    Secret::new(code)
}
