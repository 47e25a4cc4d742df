//! `users.self` and `users.prefs.*`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Context, Table};
use crate::bus::Bus;
use crate::clock::now_ms;
use crate::protocol::users::{
    PrefsChanged, PrefsGetParams, PrefsGetReply, PrefsSetParams, PrefsSetReply, SelfProfile, SelfReply, UsersPrefsGet,
    UsersPrefsSet, UsersSelf,
};
use crate::protocol::{ErrorCode, ErrorShape, Event, NoParams};
use crate::store::{Database, MAX_PREFERENCES, PreferenceChange};

const MAX_ENTRIES: usize = 32;
const MAX_NAME_LETTERS: usize = 256;
const MAX_VALUE_BYTES: usize = 4_096;

type Service = (Database, Bus);

pub(super) fn register(table: &mut Table, database: &Database, bus: &Bus) {
    let service = (database.clone(), bus.clone());
    table.on(UsersSelf, database, own);
    table.on(UsersPrefsGet, database, preferences);
    table.on(UsersPrefsSet, &service, set_preferences);
}

async fn own(database: Database, context: Context, _: NoParams) -> Result<SelfReply, ErrorShape> {
    let Some(profile) = context.caller.profile() else {
        return Err(ErrorShape::new(ErrorCode::Forbidden, "users.self requires an authenticated user"));
    };
    let since = database.profile_since(&profile.id, now_ms()).await?;
    let profile = SelfProfile {
        id: profile.id,
        display_name: profile.display_name,
        avatar_mime: None,
        merged_into: None,
        github_identity: None,
        has_avatar: false,
        created_at: since,
        updated_at: since,
        emails: profile.emails,
    };
    Ok(SelfReply { profile })
}

async fn preferences(
    database: Database,
    context: Context,
    params: PrefsGetParams,
) -> Result<PrefsGetReply, ErrorShape> {
    let Some(profile) = context.caller.profile() else { return Ok(PrefsGetReply::NoDurableIdentity) };
    let mut entries = database.preferences(&profile.id).await?;
    if let Some(keys) = params.keys {
        entries.retain(|name, _| keys.contains(name));
    }
    Ok(PrefsGetReply::Ok { entries })
}

async fn set_preferences(
    (database, bus): Service,
    context: Context,
    params: PrefsSetParams,
) -> Result<PrefsSetReply, ErrorShape> {
    let Some(profile) = context.caller.profile() else { return Ok(PrefsSetReply::NoDurableIdentity) };
    check(&params.entries)?;
    check(&params.expected_entries)?;
    match database.put_preferences(&profile.id, &params.entries, &params.expected_entries).await? {
        PreferenceChange::Stored => {}
        PreferenceChange::Conflict => return Ok(PrefsSetReply::Conflict),
        PreferenceChange::Full { count } => {
            let message =
                format!("users.prefs.set exceeds the {MAX_PREFERENCES}-key profile limit (current count: {count})");
            return Err(ErrorShape::invalid(message).with_details(json!({
                "code": "USER_PREFS_LIMIT_EXCEEDED",
                "limit": MAX_PREFERENCES,
                "currentCount": count,
            })));
        }
    }
    let keys = params.entries.into_keys().collect();
    bus.publish(&Event::PrefsChanged(PrefsChanged { profile_id: profile.id, keys }));
    Ok(PrefsSetReply::Ok)
}

fn check(entries: &BTreeMap<String, Value>) -> Result<(), ErrorShape> {
    if entries.len() > MAX_ENTRIES {
        return Err(ErrorShape::invalid("invalid users.prefs.set entry: invalid-entry-count"));
    }
    for (name, value) in entries {
        let fault = if name.is_empty() || name.chars().count() > MAX_NAME_LETTERS {
            "invalid-key"
        } else if value.to_string().len() > MAX_VALUE_BYTES {
            "value-too-large"
        } else {
            continue;
        };
        return Err(ErrorShape::invalid(format!("invalid users.prefs.set entry for {name}: {fault}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_named() {
        let fault = |entries: BTreeMap<String, Value>| check(&entries).unwrap_err().message;
        assert!(check(&BTreeMap::from([("a".into(), json!("b"))])).is_ok());
        let nameless = BTreeMap::from([(String::new(), json!(1))]);
        assert_eq!(fault(nameless), "invalid users.prefs.set entry for : invalid-key");
        let large = BTreeMap::from([("a".into(), json!("x".repeat(5_000)))]);
        assert_eq!(fault(large), "invalid users.prefs.set entry for a: value-too-large");
        let many = (0..33).map(|number| (number.to_string(), json!(1))).collect();
        assert_eq!(fault(many), "invalid users.prefs.set entry: invalid-entry-count");
    }
}
