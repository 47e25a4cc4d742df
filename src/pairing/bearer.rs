//! A device token that is shown by itself, as a page does over HTTP: the token names its device.

use super::{Pairing, TokenVerdict};
use crate::net::Peer;
use crate::protocol::Role;
use crate::secret::{Secret, fingerprint};
use crate::store;

impl Pairing {
    /// Whether this is an operator's device token that counts here. `secret` is the gateway's own, under which browsers
    /// are given theirs.
    ///
    /// # Errors
    /// The records could not be read.
    pub async fn knows_operator_token(
        &self,
        token: &str,
        peer: &Peer,
        secret: Option<&Secret<String>>,
    ) -> Result<bool, store::Error> {
        let Some(device_id) = self.0.database.device_of_operator_token(&fingerprint(token)).await? else {
            return Ok(false);
        };
        let token = Secret::new(token.to_owned());
        let verdict = self.judge_token(&device_id, Role::Operator, &token, &[], peer, secret).await?;
        Ok(verdict == TokenVerdict::Fits)
    }
}
