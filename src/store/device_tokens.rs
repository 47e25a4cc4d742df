//! Whose token a device token is, where the token is all that is shown (`auth::http`).

use sqlx::Row;

use super::{Database, Error};
use crate::protocol::Role;

impl Database {
    /// The device of an operator's token, by the token's fingerprint. To look up a hash tells a guesser nothing of the
    /// token.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn device_of_operator_token(&self, token_hash: &str) -> Result<Option<String>, Error> {
        let row = sqlx::query("SELECT device_id FROM device_roles WHERE token_hash = $1 AND role = $2")
            .bind(token_hash)
            .bind(Role::Operator.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(row.try_get(0)?)).transpose()
    }
}
