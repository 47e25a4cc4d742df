//! Setup codes: made, bound to the first device that presents one, used up.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::{Database, Error, from_sql, to_sql};
use crate::protocol::devices::SetupAccess;

/// A code as it is stored: its token and its join code are hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupRecord {
    pub setup_id: String,
    pub token_hash: String,
    pub access: SetupAccess,
    pub issued_at: u64,
    pub expires_at: u64,
    pub join_hash: Option<String>,
    /// What the device is to connect to.
    pub gateway_url: String,
    pub device_id: Option<String>,
    pub device_name: Option<String>,
    /// When it was used up.
    pub completed_at: Option<u64>,
    /// When the answer that gives the device its tokens had gone out.
    pub delivered_at: Option<u64>,
}

/// What came of presenting a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// Bound to the device, now or before.
    Accepted(SetupRecord),
    /// Unknown, expired, used up, or another device's.
    Refused,
}

/// As text, so that every statement is whole when it is compiled.
macro_rules! columns {
    () => {
        "setup_id, token_hash, profile, issued_at, expires_at, join_hash, gateway_url, device_id, \
     device_name, completed_at, delivered_at"
    };
}

impl Database {
    /// Stores a new code, and clears away what ended before `horizon`. Returns false, and stores nothing, when `most`
    /// codes are open.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn add_setup_code(&self, code: &SetupRecord, horizon: u64, most: u64) -> Result<bool, Error> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query("DELETE FROM setup_codes WHERE expires_at <= $1")
            .bind(to_sql(horizon))
            .execute(&mut *transaction)
            .await?;
        let open: i64 =
            sqlx::query("SELECT COUNT(*) AS open FROM setup_codes WHERE expires_at > $1 AND completed_at IS NULL")
                .bind(to_sql(code.issued_at))
                .fetch_one(&mut *transaction)
                .await?
                .try_get("open")?;
        if from_sql(open) >= most {
            return Ok(false);
        }
        sqlx::query(concat!(
            "INSERT INTO setup_codes (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL, NULL, NULL)"
        ))
        .bind(&code.setup_id)
        .bind(&code.token_hash)
        .bind(code.access.as_str())
        .bind(to_sql(code.issued_at))
        .bind(to_sql(code.expires_at))
        .bind(&code.join_hash)
        .bind(&code.gateway_url)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The code behind a token, whether it is still good or not.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn setup_code_of_token(&self, token_hash: &str) -> Result<Option<SetupRecord>, Error> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM setup_codes WHERE token_hash = $1"))
            .bind(token_hash)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(setup_row).transpose()
    }

    /// # Errors
    /// The database could not be read.
    pub async fn setup_code(&self, setup_id: &str) -> Result<Option<SetupRecord>, Error> {
        let row = sqlx::query(concat!("SELECT ", columns!(), " FROM setup_codes WHERE setup_id = $1"))
            .bind(setup_id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(setup_row).transpose()
    }

    /// Binds a code to the device that presents it first. Of several at once exactly one is accepted: the row is
    /// changed only while it is nobody's.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn bind_setup_code(&self, token_hash: &str, device_id: &str, now: u64) -> Result<Presented, Error> {
        let row = sqlx::query(concat!("UPDATE setup_codes SET device_id = $2 \
             WHERE token_hash = $1 AND expires_at > $3 AND completed_at IS NULL AND (device_id IS NULL OR device_id = $2) \
             RETURNING ", columns!(), ""))
        .bind(token_hash)
        .bind(device_id)
        .bind(to_sql(now))
        .fetch_optional(&self.writer)
        .await?;
        Ok(match row {
            Some(row) => Presented::Accepted(setup_row(&row)?),
            None => Presented::Refused,
        })
    }

    /// Uses a code up. Returns false if it was already.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn complete_setup_code(
        &self,
        setup_id: &str,
        device_id: &str,
        device_name: Option<&str>,
        now: u64,
    ) -> Result<bool, Error> {
        let done = sqlx::query(
            "UPDATE setup_codes SET completed_at = $4, device_name = $3 \
             WHERE setup_id = $1 AND device_id = $2 AND completed_at IS NULL",
        )
        .bind(setup_id)
        .bind(device_id)
        .bind(device_name)
        .bind(to_sql(now))
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The device of a code that is used up has been answered.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn deliver_setup_code(&self, setup_id: &str, now: u64) -> Result<(), Error> {
        sqlx::query("UPDATE setup_codes SET delivered_at = $2 WHERE setup_id = $1 AND completed_at IS NOT NULL")
            .bind(setup_id)
            .bind(to_sql(now))
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Ends the open codes that a device has presented: it was turned away.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn drop_setup_codes_of(&self, device_id: &str) -> Result<(), Error> {
        sqlx::query("DELETE FROM setup_codes WHERE device_id = $1 AND completed_at IS NULL")
            .bind(device_id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Hands out what stands behind a join code, once.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn take_join_code(&self, join_hash: &str, now: u64) -> Result<Option<SetupRecord>, Error> {
        let row = sqlx::query(concat!(
            "UPDATE setup_codes SET join_hash = NULL \
             WHERE join_hash = $1 AND expires_at > $2 AND completed_at IS NULL RETURNING ",
            columns!(),
            ""
        ))
        .bind(join_hash)
        .bind(to_sql(now))
        .fetch_optional(&self.writer)
        .await?;
        row.as_ref().map(setup_row).transpose()
    }
}

fn setup_row(row: &SqliteRow) -> Result<SetupRecord, Error> {
    let profile: String = row.try_get("profile")?;
    Ok(SetupRecord {
        setup_id: row.try_get("setup_id")?,
        token_hash: row.try_get("token_hash")?,
        access: SetupAccess::ALL
            .into_iter()
            .find(|access| access.as_str() == profile)
            .ok_or(Error::Corrupt("a setup code"))?,
        issued_at: from_sql(row.try_get("issued_at")?),
        expires_at: from_sql(row.try_get("expires_at")?),
        join_hash: row.try_get("join_hash")?,
        gateway_url: row.try_get("gateway_url")?,
        device_id: row.try_get("device_id")?,
        device_name: row.try_get("device_name")?,
        completed_at: row.try_get::<Option<i64>, _>("completed_at")?.map(from_sql),
        delivered_at: row.try_get::<Option<i64>, _>("delivered_at")?.map(from_sql),
    })
}
