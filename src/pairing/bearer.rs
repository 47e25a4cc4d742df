//! A device token that is shown by itself, as a page does over HTTP: the token names its device.

use super::{Pairing, Shown, TokenVerdict};
use crate::protocol::Role;
use crate::secret::{Secret, fingerprint};
use crate::store;

impl Pairing {
    /// Whether this is an operator's device token that counts here.
    ///
    /// # Errors
    /// The records could not be read.
    pub async fn knows_operator_token(&self, token: &str, shown: Shown<'_>) -> Result<bool, store::Error> {
        let Some(device_id) = self.0.database.device_of_operator_token(&fingerprint(token)).await? else {
            return Ok(false);
        };
        let token = Secret::new(token.to_owned());
        let verdict = self.judge_token(&device_id, Role::Operator, &token, &[], shown).await?;
        Ok(verdict == TokenVerdict::Fits)
    }
}
