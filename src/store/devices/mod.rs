//! Paired devices, those that wait for it, and the codes that set one up. Tokens are stored as hashes.

mod rows;
mod setup;
#[cfg(test)]
mod tests;

pub use setup::{Presented, SetupRecord};

use sqlx::{Row, SqliteConnection};

use super::{Database, Error, from_sql, to_sql};
use crate::protocol::devices::{ApprovedVia, DeviceFacts, SeenBy};
use crate::protocol::{Role, Scope};
use rows::{device_row, join_roles, join_scopes, role_row, waiting_row};

/// A device that was approved, with all its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub facts: DeviceFacts,
    /// Given by an operator.
    pub label: Option<String>,
    /// Of the last approval.
    pub role: Role,
    pub approved_via: ApprovedVia,
    /// The stable id of the tailnet node that it was approved on, if it came that way.
    pub tailnet_node: Option<String>,
    pub created_at: u64,
    pub approved_at: u64,
    pub last_seen_at: u64,
    pub last_seen_by: SeenBy,
    pub roles: Vec<DeviceRole>,
}

/// A role that was approved for a device, and the token that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRole {
    pub role: Role,
    /// The bound that approvals set.
    pub approved: Vec<Scope>,
    /// What the token carries of it.
    pub scopes: Vec<Scope>,
    pub token_hash: String,
    /// Grows by one with each new token.
    pub generation: u64,
    /// The shared secret, as a keyed hash, with which the token ends.
    pub issuer: Option<String>,
    /// The tailnet node that the token was issued on.
    pub tailnet_node: Option<String>,
    pub created_at: u64,
    pub rotated_at: Option<u64>,
    pub revoked_at: Option<u64>,
    pub last_used_at: Option<u64>,
}

/// A device that waits for an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub request_id: String,
    pub facts: DeviceFacts,
    pub role: Role,
    pub roles: Vec<Role>,
    pub scopes: Vec<Scope>,
    pub is_repair: bool,
    pub created_at: u64,
    pub refreshed_at: u64,
}

/// Everything on disk about one device, as a change sees and leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceState {
    pub device: Option<Device>,
    pub waiting: Option<Waiting>,
}

/// A device that was here. Kept apart from changes: it is written now and then, many at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub device_id: String,
    pub at: u64,
    pub by: SeenBy,
    pub display_name: Option<String>,
    pub remote_ip: Option<String>,
    /// The role whose token was used, if one was.
    pub used: Option<Role>,
}

macro_rules! device_columns {
    () => {
        "device_id, public_key, display_name, platform, device_family, client_id, client_mode, \
     browser_origin, remote_ip, label, role, approved_via, tailnet_node, created_at, approved_at, last_seen_at, \
     last_seen_reason"
    };
}
macro_rules! role_columns {
    () => {
        "device_id, role, approved_scopes, scopes, token_hash, generation, issuer, tailnet_node, \
     created_at, rotated_at, revoked_at, last_used_at"
    };
}
macro_rules! waiting_columns {
    () => {
        "request_id, device_id, public_key, display_name, platform, device_family, client_id, \
     client_mode, browser_origin, remote_ip, role, roles, scopes, is_repair, created_at, refreshed_at"
    };
}

impl Database {
    /// # Errors
    /// The database could not be read.
    pub async fn device(&self, device_id: &str) -> Result<Option<Device>, Error> {
        let mut connection = self.readers.acquire().await?;
        read_device(&mut connection, device_id).await
    }

    /// All of them, the newest approval first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn devices(&self) -> Result<Vec<Device>, Error> {
        let mut connection = self.readers.acquire().await?;
        // One snapshot for both, so that no device is seen with half of its roles.
        let mut transaction = sqlx::Connection::begin(&mut *connection).await?;
        let devices =
            sqlx::query(concat!("SELECT ", device_columns!(), " FROM devices ORDER BY approved_at DESC, device_id"))
                .fetch_all(&mut *transaction)
                .await?;
        let roles = sqlx::query(concat!("SELECT ", role_columns!(), " FROM device_roles ORDER BY device_id, role"))
            .fetch_all(&mut *transaction)
            .await?;
        let mut devices = devices.iter().map(device_row).collect::<Result<Vec<Device>, Error>>()?;
        let mut by_device = std::collections::HashMap::<String, Vec<DeviceRole>>::new();
        for row in &roles {
            by_device.entry(row.try_get("device_id")?).or_default().push(role_row(row)?);
        }
        for device in &mut devices {
            device.roles = by_device.remove(&device.facts.device_id).unwrap_or_default();
        }
        Ok(devices)
    }

    /// Those that asked after `horizon`, the newest first.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn waiting_devices(&self, horizon: u64) -> Result<Vec<Waiting>, Error> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            waiting_columns!(),
            " FROM pairing_requests WHERE refreshed_at > $1 ORDER BY created_at DESC, request_id"
        ))
        .bind(to_sql(horizon))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(waiting_row).collect()
    }

    /// # Errors
    /// The database could not be read.
    pub async fn waiting_device(&self, request_id: &str, horizon: u64) -> Result<Option<Waiting>, Error> {
        let row = sqlx::query(concat!(
            "SELECT ",
            waiting_columns!(),
            " FROM pairing_requests WHERE request_id = $1 AND refreshed_at > $2"
        ))
        .bind(request_id)
        .bind(to_sql(horizon))
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(waiting_row).transpose()
    }

    /// Hands `change` what is on disk about a device and how many devices wait, and stores what it leaves: one
    /// transaction, and none at all where nothing was changed. Requests from before `horizon` are as good as gone.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn change_device<R>(
        &self,
        device_id: &str,
        horizon: u64,
        change: impl FnOnce(&mut DeviceState, u64) -> R,
    ) -> Result<R, Error> {
        let mut transaction = self.writer.begin().await?;
        let device = read_device(&mut transaction, device_id).await?;
        let waiting = sqlx::query(concat!(
            "SELECT ",
            waiting_columns!(),
            " FROM pairing_requests WHERE device_id = $1 AND refreshed_at > $2"
        ))
        .bind(device_id)
        .bind(to_sql(horizon))
        .fetch_optional(&mut *transaction)
        .await?;
        let waiting = waiting.as_ref().map(waiting_row).transpose()?;
        let count: i64 = sqlx::query("SELECT COUNT(*) AS waiting FROM pairing_requests WHERE refreshed_at > $1")
            .bind(to_sql(horizon))
            .fetch_one(&mut *transaction)
            .await?
            .try_get("waiting")?;
        let before = DeviceState { device, waiting };
        let mut after = before.clone();
        let result = change(&mut after, from_sql(count));
        if before == after {
            return Ok(result);
        }
        if before.device != after.device {
            write_device(&mut transaction, device_id, after.device.as_ref()).await?;
        }
        if before.waiting != after.waiting {
            sqlx::query("DELETE FROM pairing_requests WHERE device_id = $1 OR refreshed_at <= $2")
                .bind(device_id)
                .bind(to_sql(horizon))
                .execute(&mut *transaction)
                .await?;
            if let Some(waiting) = &after.waiting {
                write_waiting(&mut transaction, waiting).await?;
            }
        }
        transaction.commit().await?;
        Ok(result)
    }

    /// Notes that devices were here; unknown ones are passed over.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn record_sightings(&self, sightings: &[Sighting]) -> Result<(), Error> {
        let mut transaction = self.writer.begin().await?;
        for sighting in sightings {
            sqlx::query(
                "UPDATE devices SET last_seen_at = $2, last_seen_reason = $3, display_name = $4, remote_ip = $5 \
                 WHERE device_id = $1 AND last_seen_at <= $2",
            )
            .bind(&sighting.device_id)
            .bind(to_sql(sighting.at))
            .bind(sighting.by.as_str())
            .bind(&sighting.display_name)
            .bind(&sighting.remote_ip)
            .execute(&mut *transaction)
            .await?;
            if let Some(role) = sighting.used {
                sqlx::query("UPDATE device_roles SET last_used_at = $3 WHERE device_id = $1 AND role = $2")
                    .bind(&sighting.device_id)
                    .bind(role.as_str())
                    .bind(to_sql(sighting.at))
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn read_device(connection: &mut SqliteConnection, device_id: &str) -> Result<Option<Device>, Error> {
    let row = sqlx::query(concat!("SELECT ", device_columns!(), " FROM devices WHERE device_id = $1"))
        .bind(device_id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut device = device_row(&row)?;
    let roles =
        sqlx::query(concat!("SELECT ", role_columns!(), " FROM device_roles WHERE device_id = $1 ORDER BY role"))
            .bind(device_id)
            .fetch_all(&mut *connection)
            .await?;
    device.roles = roles.iter().map(role_row).collect::<Result<_, Error>>()?;
    Ok(Some(device))
}

async fn write_device(
    connection: &mut SqliteConnection,
    device_id: &str,
    device: Option<&Device>,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM device_roles WHERE device_id = $1").bind(device_id).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM devices WHERE device_id = $1").bind(device_id).execute(&mut *connection).await?;
    if device.is_none_or(|device| device.role(Role::Node).is_none()) {
        // What was approved for a node does not outlive its role: should it come back, it asks anew.
        sqlx::query("DELETE FROM nodes WHERE node_id = $1").bind(device_id).execute(&mut *connection).await?;
    }
    let Some(device) = device else { return Ok(()) };
    sqlx::query(concat!(
        "INSERT INTO devices (",
        device_columns!(),
        ") \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    ))
    .bind(&device.facts.device_id)
    .bind(&device.facts.public_key)
    .bind(&device.facts.display_name)
    .bind(&device.facts.platform)
    .bind(device.facts.device_family.as_deref().unwrap_or_default())
    .bind(&device.facts.client_id)
    .bind(&device.facts.client_mode)
    .bind(&device.facts.browser_origin)
    .bind(&device.facts.remote_ip)
    .bind(&device.label)
    .bind(device.role.as_str())
    .bind(device.approved_via.as_str())
    .bind(&device.tailnet_node)
    .bind(to_sql(device.created_at))
    .bind(to_sql(device.approved_at))
    .bind(to_sql(device.last_seen_at))
    .bind(device.last_seen_by.as_str())
    .execute(&mut *connection)
    .await?;
    for role in &device.roles {
        sqlx::query(concat!(
            "INSERT INTO device_roles (",
            role_columns!(),
            ", issued_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
        ))
        .bind(&device.facts.device_id)
        .bind(role.role.as_str())
        .bind(join_scopes(&role.approved))
        .bind(join_scopes(&role.scopes))
        .bind(&role.token_hash)
        .bind(to_sql(role.generation))
        .bind(&role.issuer)
        .bind(&role.tailnet_node)
        .bind(to_sql(role.created_at))
        .bind(role.rotated_at.map(to_sql))
        .bind(role.revoked_at.map(to_sql))
        .bind(role.last_used_at.map(to_sql))
        .bind(to_sql(role.issued_at()))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn write_waiting(connection: &mut SqliteConnection, waiting: &Waiting) -> Result<(), Error> {
    sqlx::query(concat!(
        "INSERT INTO pairing_requests (",
        waiting_columns!(),
        ") \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    ))
    .bind(&waiting.request_id)
    .bind(&waiting.facts.device_id)
    .bind(&waiting.facts.public_key)
    .bind(&waiting.facts.display_name)
    .bind(&waiting.facts.platform)
    .bind(waiting.facts.device_family.as_deref().unwrap_or_default())
    .bind(&waiting.facts.client_id)
    .bind(&waiting.facts.client_mode)
    .bind(&waiting.facts.browser_origin)
    .bind(&waiting.facts.remote_ip)
    .bind(waiting.role.as_str())
    .bind(join_roles(&waiting.roles))
    .bind(join_scopes(&waiting.scopes))
    .bind(i64::from(waiting.is_repair))
    .bind(to_sql(waiting.created_at))
    .bind(to_sql(waiting.refreshed_at))
    .execute(&mut *connection)
    .await?;
    Ok(())
}

impl Device {
    #[must_use]
    pub fn role(&self, role: Role) -> Option<&DeviceRole> {
        self.roles.iter().find(|known| known.role == role)
    }

    pub fn role_mut(&mut self, role: Role) -> Option<&mut DeviceRole> {
        self.roles.iter_mut().find(|known| known.role == role)
    }

    /// Everything that was approved, over all roles.
    #[must_use]
    pub fn approved_scopes(&self) -> Vec<Scope> {
        let mut scopes = Vec::new();
        for scope in self.roles.iter().flat_map(|role| &role.approved) {
            if !scopes.contains(scope) {
                scopes.push(*scope);
            }
        }
        scopes
    }
}

impl DeviceRole {
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// When the token of the moment was made.
    #[must_use]
    pub fn issued_at(&self) -> u64 {
        self.rotated_at.unwrap_or(self.created_at)
    }
}
