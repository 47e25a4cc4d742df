//! What operators do to the tokens of devices.

use super::change::{closing, reissue, token_of};
use super::decisions::By;
use super::{Error, Pairing, horizon};
use crate::bus::Closing;
use crate::clock::now_ms;
use crate::protocol::access::permits;
use crate::protocol::devices::{RevokeReply, RotateReply, TokenDelivery};
use crate::protocol::{Role, Scope};

impl Pairing {
    /// Makes a new token in place of the old one. Only the device itself, by its token, is told the new one.
    ///
    /// # Errors
    /// One word for everything that is wrong, as on the wire: what there is, is not told to who may not know.
    pub async fn rotate(
        &self,
        device_id: &str,
        role: &str,
        scopes: Option<&[String]>,
        by: By<'_>,
    ) -> Result<(RotateReply, Closing), Error> {
        let role = may_manage(device_id, role, by, "rotation")?;
        let now = now_ms();
        let is_own = by.device == Some(device_id);
        let reply = self
            .0
            .database
            .change_device(device_id, horizon(), |state, _| {
                let known = state.device.as_mut()?.role_mut(role)?;
                let wanted: Vec<Scope> = match scopes {
                    Some(names) => names.iter().map(|name| Scope::parse(name)).collect::<Option<_>>()?,
                    None => known.scopes.clone(),
                };
                let is_approved = wanted.iter().all(|scope| permits(&known.approved, *scope));
                if !is_approved || (role == Role::Operator && by.lacks(&wanted).is_some()) {
                    return None;
                }
                reissue(known, wanted, device_id, &self.0.identity, now);
                Some(RotateReply {
                    device_id: device_id.to_owned(),
                    role,
                    token: is_own.then(|| token_of(&self.0.identity, device_id, known).expose().clone()),
                    scopes: known.scopes.clone(),
                    rotated_at_ms: now,
                    token_delivery: if is_own { TokenDelivery::InBand } else { TokenDelivery::WithheldCrossDevice },
                })
            })
            .await?;
        let reply = reply.ok_or(Error::TokenDenied("rotation"))?;
        tracing::info!(device.id = device_id, role = role.as_str(), "device token rotated");
        Ok((reply, closing(device_id, Some(role))))
    }

    /// Ends a token. The device needs an approval to have another.
    ///
    /// # Errors
    /// As [`Self::rotate`].
    pub async fn revoke(&self, device_id: &str, role: &str, by: By<'_>) -> Result<(RevokeReply, Closing), Error> {
        let role = may_manage(device_id, role, by, "revocation")?;
        let now = now_ms();
        let is_done = self
            .0
            .database
            .change_device(device_id, horizon(), |state, _| {
                let known = state.device.as_mut()?.role_mut(role)?;
                if role == Role::Operator && by.lacks(&known.scopes).is_some() {
                    return None;
                }
                known.revoked_at = Some(now);
                Some(())
            })
            .await?;
        is_done.ok_or(Error::TokenDenied("revocation"))?;
        tracing::warn!(device.id = device_id, role = role.as_str(), "device token revoked");
        let reply = RevokeReply { device_id: device_id.to_owned(), role, revoked_at_ms: now };
        Ok((reply, closing(device_id, Some(role))))
    }
}

fn may_manage(device_id: &str, role: &str, by: By<'_>, what: &'static str) -> Result<Role, Error> {
    let denied = || Error::TokenDenied(what);
    let role = Role::parse(role.trim()).ok_or_else(denied)?;
    let is_allowed = by.may_reach(device_id) && (role == Role::Operator || by.is_admin());
    if is_allowed { Ok(role) } else { Err(denied()) }
}
