//! The people whom the gateway has seen, and the operator roles that were assigned to them.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::settings::json;
use super::{Database, Error, from_sql, to_sql};

/// Somebody whom the tailnet or a trusted proxy has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPerson {
    pub id: String,
    pub display_name: Option<String>,
    pub emails: Vec<String>,
    /// A name under `gateway.roles.definitions`, which may have gone from there.
    pub role: Option<String>,
    pub created_at: u64,
    pub updated_at: u64,
}

const COLUMNS: &str = "profile_id, display_name, emails, operator_role, created_at, updated_at";

impl Database {
    /// All, by id.
    ///
    /// # Errors
    /// The database could not be read.
    pub async fn people(&self) -> Result<Vec<StoredPerson>, Error> {
        let query = format!("SELECT {COLUMNS} FROM profiles ORDER BY profile_id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&self.readers).await?;
        rows.iter().map(person).collect()
    }

    /// Stores what somebody is called, and returns all that is known of them.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn name_person(
        &self,
        id: &str,
        display_name: Option<&str>,
        emails: &[String],
        now: u64,
    ) -> Result<StoredPerson, Error> {
        let query = format!(
            "INSERT INTO profiles (profile_id, display_name, emails, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT (profile_id) DO UPDATE SET display_name = $2, emails = $3, \
             updated_at = CASE WHEN profiles.emails = $3 AND COALESCE(profiles.display_name, '') = COALESCE($2, '') \
             THEN profiles.updated_at ELSE $4 END RETURNING {COLUMNS}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(id)
            .bind(display_name)
            .bind(serde_json::Value::from(emails).to_string())
            .bind(to_sql(now))
            .fetch_one(&self.writer)
            .await?;
        person(&row)
    }

    /// Assigns a role or, with `None`, takes the assignment back. Returns `None` for somebody who was never seen.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn assign_role(&self, id: &str, role: Option<&str>, now: u64) -> Result<Option<StoredPerson>, Error> {
        let query = format!(
            "UPDATE profiles SET operator_role = $2, updated_at = $3 WHERE profile_id = $1 RETURNING {COLUMNS}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(id)
            .bind(role)
            .bind(to_sql(now))
            .fetch_optional(&self.writer)
            .await?;
        row.as_ref().map(person).transpose()
    }
}

fn person(row: &SqliteRow) -> Result<StoredPerson, Error> {
    let emails = json(&row.try_get::<String, _>("emails")?)?;
    Ok(StoredPerson {
        id: row.try_get("profile_id")?,
        display_name: row.try_get("display_name")?,
        emails: serde_json::from_value(emails).map_err(|_| Error::Corrupt("the table of people"))?,
        role: row.try_get("operator_role")?,
        created_at: from_sql(row.try_get("created_at")?),
        updated_at: from_sql(row.try_get("updated_at")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_person_keeps_their_role_whatever_they_are_called() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        assert_eq!(database.assign_role("p", Some("guest"), 1).await.unwrap(), None, "never seen");
        let mail = ["a@b".to_owned()];
        let first = database.name_person("p", None, &mail, 2).await.unwrap();
        assert_eq!((first.created_at, first.updated_at, first.role.as_deref()), (2, 2, None));
        assert_eq!(database.name_person("p", None, &mail, 3).await.unwrap(), first, "nothing has changed");
        let assigned = database.assign_role("p", Some("guest"), 4).await.unwrap().unwrap();
        assert_eq!((assigned.role.as_deref(), assigned.updated_at), (Some("guest"), 4));
        let renamed = database.name_person("p", Some("Ada"), &mail, 5).await.unwrap();
        assert_eq!((renamed.role.as_deref(), renamed.updated_at), (Some("guest"), 5));
        assert_eq!(database.people().await.unwrap(), [renamed]);
        assert_eq!(database.assign_role("p", None, 6).await.unwrap().unwrap().role, None);
    }
}
