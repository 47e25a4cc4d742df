//! Paired devices and what was approved for them. Tokens are stored as hashes.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Database, Error, from_sql, to_sql};
use crate::protocol::{Role, Scope};

/// A device as it presents itself.
#[derive(Debug, Clone)]
pub struct NewDevice<'a> {
    /// Lowercase hex SHA-256 of the public key.
    pub device_id: &'a str,
    /// Base64url of the raw key.
    pub public_key: &'a str,
    pub display_name: Option<&'a str>,
    pub platform: &'a str,
    pub device_family: &'a str,
    pub client_id: &'a str,
    pub client_mode: &'a str,
    /// `silent` (loopback) or `tailscale` (a node with rights).
    pub approved_via: &'a str,
    pub tailnet_node: Option<&'a str>,
}

#[derive(Debug, Clone)]
pub struct DeviceRecord {
    pub device_id: String,
    pub display_name: Option<String>,
    pub platform: String,
    pub client_id: String,
    pub client_mode: String,
}

/// A role that was approved for a device.
#[derive(Debug, Clone)]
pub struct DeviceRole {
    pub device_id: String,
    pub role: Role,
    /// Approved; the token carries these.
    pub scopes: Vec<Scope>,
    pub token_hash: String,
    /// Grows by one with each new token.
    pub generation: u64,
    pub issued_at: u64,
    pub revoked: bool,
    /// The tailnet node that the device was approved on, if it came that way.
    pub tailnet_node: Option<String>,
}

impl Database {
    /// Stores an approved device and its role, over what was there.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn approve_device(&self, device: &NewDevice<'_>, role: &DeviceRole, now: u64) -> Result<(), Error> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query(
            "INSERT INTO devices (device_id, public_key, display_name, platform, device_family, client_id, client_mode, \
                 approved_via, tailnet_node, created_at, last_seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) \
             ON CONFLICT (device_id) DO UPDATE SET display_name = $3, platform = $4, device_family = $5, \
                 client_id = $6, client_mode = $7, approved_via = $8, tailnet_node = $9, last_seen_at = $10",
        )
        .bind(device.device_id)
        .bind(device.public_key)
        .bind(device.display_name)
        .bind(device.platform)
        .bind(device.device_family)
        .bind(device.client_id)
        .bind(device.client_mode)
        .bind(device.approved_via)
        .bind(device.tailnet_node)
        .bind(to_sql(now))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO device_roles (device_id, role, scopes, token_hash, generation, issued_at, revoked_at) \
             VALUES ($1, $2, $3, $4, $5, $6, NULL) \
             ON CONFLICT (device_id, role) DO UPDATE SET scopes = $3, token_hash = $4, generation = $5, \
                 issued_at = $6, revoked_at = NULL",
        )
        .bind(&role.device_id)
        .bind(role.role.as_str())
        .bind(join_scopes(&role.scopes))
        .bind(&role.token_hash)
        .bind(to_sql(role.generation))
        .bind(to_sql(role.issued_at))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// # Errors
    /// The database could not be read.
    pub async fn device_role(&self, device_id: &str, role: Role) -> Result<Option<DeviceRole>, Error> {
        let row = sqlx::query(
            "SELECT r.device_id, r.role, r.scopes, r.token_hash, r.generation, r.issued_at, r.revoked_at, d.tailnet_node \
             FROM device_roles r JOIN devices d ON d.device_id = r.device_id WHERE r.device_id = $1 AND r.role = $2",
        )
        .bind(device_id)
        .bind(role.as_str())
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(|row| role_row(row, role)).transpose()
    }

    /// The devices that were approved for a role, newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn devices_with_role(&self, role: Role) -> Result<Vec<DeviceRecord>, Error> {
        let rows = sqlx::query(
            "SELECT d.device_id, d.display_name, d.platform, d.client_id, d.client_mode FROM devices d \
             JOIN device_roles r ON r.device_id = d.device_id WHERE r.role = $1 AND r.revoked_at IS NULL \
             ORDER BY d.created_at DESC",
        )
        .bind(role.as_str())
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DeviceRecord {
                    device_id: row.try_get("device_id")?,
                    display_name: row.try_get("display_name")?,
                    platform: row.try_get("platform")?,
                    client_id: row.try_get("client_id")?,
                    client_mode: row.try_get("client_mode")?,
                })
            })
            .collect()
    }
}

fn role_row(row: &SqliteRow, role: Role) -> Result<DeviceRole, Error> {
    let scopes: String = row.try_get("scopes")?;
    Ok(DeviceRole {
        device_id: row.try_get("device_id")?,
        role,
        scopes: scopes.split(',').filter_map(Scope::parse).collect(),
        token_hash: row.try_get("token_hash")?,
        generation: from_sql(row.try_get("generation")?),
        issued_at: from_sql(row.try_get("issued_at")?),
        revoked: row.try_get::<Option<i64>, _>("revoked_at")?.is_some(),
        tailnet_node: row.try_get("tailnet_node")?,
    })
}

fn join_scopes(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_device_comes_back_as_it_was_approved() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let device = NewDevice {
            device_id: "d",
            public_key: "k",
            display_name: None,
            platform: "linux",
            device_family: "",
            client_id: "cli",
            client_mode: "cli",
            approved_via: "silent",
            tailnet_node: Some("n1"),
        };
        let role = DeviceRole {
            device_id: "d".into(),
            role: Role::Operator,
            scopes: vec![Scope::Write, Scope::Read],
            token_hash: "h".into(),
            generation: 1,
            issued_at: 2,
            revoked: false,
            tailnet_node: None,
        };
        database.approve_device(&device, &role, 3).await.unwrap();
        let found = database.device_role("d", Role::Operator).await.unwrap().unwrap();
        assert_eq!((found.scopes, found.tailnet_node.as_deref()), (vec![Scope::Write, Scope::Read], Some("n1")));
        assert!(database.device_role("d", Role::Node).await.unwrap().is_none());
        assert!(database.devices_with_role(Role::Node).await.unwrap().is_empty());
    }
}
