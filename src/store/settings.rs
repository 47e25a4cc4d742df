//! Small things kept by name, and what people prefer.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::Row;

use super::{Database, Error, to_sql};

/// Keys that one profile may have.
pub const MAX_PREFERENCES: usize = 128;

/// What a change of preferences came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreferenceChange {
    Stored,
    /// Something expected stands otherwise: nothing was stored.
    Conflict,
    /// There would be more than [`MAX_PREFERENCES`]: nothing was stored.
    Full {
        count: usize,
    },
}

impl Database {
    /// # Errors
    /// The database could not be read, or holds what is no JSON.
    pub async fn setting(&self, name: &str) -> Result<Option<Value>, Error> {
        let row =
            sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(&self.readers).await?;
        row.map(|row| json(&row.try_get::<String, _>("value")?)).transpose()
    }

    /// # Errors
    /// Nothing was stored.
    pub async fn put_setting(&self, name: &str, value: &Value, now: u64) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET value = $2, updated_at = $3",
        )
        .bind(name)
        .bind(value.to_string())
        .bind(to_sql(now))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Stores a setting if the one before is still `expected`. Returns whether it was.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn replace_setting(
        &self,
        name: &str,
        expected: Option<&Value>,
        value: &Value,
        now: u64,
    ) -> Result<bool, Error> {
        let mut transaction = self.writer.begin().await?;
        let row =
            sqlx::query("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(&mut *transaction);
        let stored = row.await?.map(|row| json(&row.try_get::<String, _>("value")?)).transpose()?;
        if stored.as_ref() != expected {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET value = $2, updated_at = $3",
        )
        .bind(name)
        .bind(value.to_string())
        .bind(to_sql(now))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// # Errors
    /// The database could not be read, or holds what is no JSON.
    pub async fn preferences(&self, profile_id: &str) -> Result<BTreeMap<String, Value>, Error> {
        let rows = sqlx::query("SELECT name, value FROM preferences WHERE profile_id = $1")
            .bind(profile_id)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, json(&row.try_get::<String, _>("value")?)?))).collect()
    }

    /// Stores preferences, all or none; `null` removes one. `expected` says how some have to stand for that.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn put_preferences(
        &self,
        profile_id: &str,
        entries: &BTreeMap<String, Value>,
        expected: &BTreeMap<String, Value>,
    ) -> Result<PreferenceChange, Error> {
        let mut transaction = self.writer.begin().await?;
        let rows = sqlx::query("SELECT name, value FROM preferences WHERE profile_id = $1")
            .bind(profile_id)
            .fetch_all(&mut *transaction)
            .await?;
        let mut stored: BTreeMap<String, Value> = BTreeMap::new();
        for row in &rows {
            stored.insert(row.try_get("name")?, json(&row.try_get::<String, _>("value")?)?);
        }
        if expected.iter().any(|(name, value)| stored.get(name).unwrap_or(&Value::Null) != value) {
            return Ok(PreferenceChange::Conflict);
        }
        let kept = stored.keys().filter(|name| !entries.contains_key(*name)).count();
        let added = entries.values().filter(|value| !value.is_null()).count();
        if added > 0 && kept + added > MAX_PREFERENCES {
            return Ok(PreferenceChange::Full { count: stored.len() });
        }
        for (name, value) in entries {
            let query = if value.is_null() {
                sqlx::query("DELETE FROM preferences WHERE profile_id = $1 AND name = $2").bind(profile_id).bind(name)
            } else {
                sqlx::query(
                    "INSERT INTO preferences (profile_id, name, value) VALUES ($1, $2, $3) \
                     ON CONFLICT (profile_id, name) DO UPDATE SET value = $3",
                )
                .bind(profile_id)
                .bind(name)
                .bind(value.to_string())
            };
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(PreferenceChange::Stored)
    }
}

pub(super) fn json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|_| Error::Corrupt("the database"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn preferences_are_bounded_and_compared_before_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let one = BTreeMap::from([("a".to_owned(), json!({ "x": 1 }))]);
        let nothing = BTreeMap::new();
        assert_eq!(database.put_preferences("p", &one, &nothing).await.unwrap(), PreferenceChange::Stored);
        let wrong = BTreeMap::from([("a".to_owned(), Value::Null)]);
        assert_eq!(database.put_preferences("p", &one, &wrong).await.unwrap(), PreferenceChange::Conflict);
        let many = (0..MAX_PREFERENCES).map(|number| (format!("k{number}"), json!(number))).collect();
        let full = database.put_preferences("p", &many, &nothing).await.unwrap();
        assert_eq!(full, PreferenceChange::Full { count: 1 });
        assert_eq!(database.preferences("p").await.unwrap(), one);
        assert!(database.preferences("q").await.unwrap().is_empty());
        database.put_preferences("p", &wrong, &one).await.unwrap();
        assert!(database.preferences("p").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_setting_is_replaced_only_as_expected() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        assert!(database.replace_setting("s", None, &json!(1), 1).await.unwrap());
        assert!(!database.replace_setting("s", None, &json!(2), 2).await.unwrap());
        assert!(database.replace_setting("s", Some(&json!(1)), &json!(2), 3).await.unwrap());
        assert_eq!(database.setting("s").await.unwrap(), Some(json!(2)));
    }
}
