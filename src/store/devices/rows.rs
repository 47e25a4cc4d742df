//! Rows of the device tables, and how lists lie in a column.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::super::{Error, from_sql};
use super::{Device, DeviceRole, Waiting};
use crate::protocol::devices::{ApprovedVia, DeviceFacts, SeenBy};
use crate::protocol::{Role, Scope};

pub(super) fn facts_row(row: &SqliteRow) -> Result<DeviceFacts, Error> {
    Ok(DeviceFacts {
        device_id: row.try_get("device_id")?,
        public_key: row.try_get("public_key")?,
        display_name: row.try_get("display_name")?,
        platform: row.try_get("platform")?,
        device_family: Some(row.try_get::<String, _>("device_family")?).filter(|family| !family.is_empty()),
        client_id: row.try_get("client_id")?,
        client_mode: row.try_get("client_mode")?,
        browser_origin: row.try_get("browser_origin")?,
        remote_ip: row.try_get("remote_ip")?,
    })
}

/// Without its roles, which lie in a table of their own.
pub(super) fn device_row(row: &SqliteRow) -> Result<Device, Error> {
    let via: String = row.try_get("approved_via")?;
    let by: String = row.try_get("last_seen_reason")?;
    Ok(Device {
        facts: facts_row(row)?,
        label: row.try_get("label")?,
        role: role_of(row.try_get("role")?)?,
        approved_via: ApprovedVia::ALL
            .into_iter()
            .find(|known| known.as_str() == via)
            .ok_or(Error::Corrupt("a device's record"))?,
        tailnet_node: row.try_get("tailnet_node")?,
        created_at: from_sql(row.try_get("created_at")?),
        approved_at: from_sql(row.try_get("approved_at")?),
        last_seen_at: from_sql(row.try_get("last_seen_at")?),
        last_seen_by: if by == SeenBy::DeviceTokenAuth.as_str() { SeenBy::DeviceTokenAuth } else { SeenBy::Connect },
        roles: Vec::new(),
    })
}

pub(super) fn role_row(row: &SqliteRow) -> Result<DeviceRole, Error> {
    let time = |column: &str| Ok::<_, Error>(row.try_get::<Option<i64>, _>(column)?.map(from_sql));
    Ok(DeviceRole {
        role: role_of(row.try_get("role")?)?,
        approved: split_scopes(row.try_get("approved_scopes")?),
        scopes: split_scopes(row.try_get("scopes")?),
        token_hash: row.try_get("token_hash")?,
        generation: from_sql(row.try_get("generation")?),
        issuer: row.try_get("issuer")?,
        tailnet_node: row.try_get("tailnet_node")?,
        created_at: from_sql(row.try_get("created_at")?),
        rotated_at: time("rotated_at")?,
        revoked_at: time("revoked_at")?,
        last_used_at: time("last_used_at")?,
    })
}

pub(super) fn waiting_row(row: &SqliteRow) -> Result<Waiting, Error> {
    let roles: String = row.try_get("roles")?;
    Ok(Waiting {
        request_id: row.try_get("request_id")?,
        facts: facts_row(row)?,
        role: role_of(row.try_get("role")?)?,
        roles: roles.split(',').map(role_of).collect::<Result<_, Error>>()?,
        scopes: split_scopes(row.try_get("scopes")?),
        is_repair: row.try_get::<i64, _>("is_repair")? != 0,
        created_at: from_sql(row.try_get("created_at")?),
        refreshed_at: from_sql(row.try_get("refreshed_at")?),
    })
}

fn role_of(name: &str) -> Result<Role, Error> {
    Role::parse(name).ok_or(Error::Corrupt("a device's role"))
}

fn split_scopes(text: &str) -> Vec<Scope> {
    text.split(',').filter_map(Scope::parse).collect()
}

pub(super) fn join_scopes(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(",")
}

pub(super) fn join_roles(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}
