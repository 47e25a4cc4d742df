//! `users.*`: the person behind a connection, what they prefer, and the operator roles of people.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Context, Table};
use crate::auth::{OWNER, Roster, Settings};
use crate::bus::{Bus, Closing};
use crate::clock::now_ms;
use crate::live::Live;
use crate::protocol::users::{
    ListReply, PrefsChanged, PrefsGetParams, PrefsGetReply, PrefsSetParams, PrefsSetReply, Profile, SelfProfile,
    SelfReply, SetRoleParams, UsersList, UsersPrefsGet, UsersPrefsSet, UsersSelf, UsersSetRole,
};
use crate::protocol::{ErrorCode, ErrorShape, Event, NoParams};
use crate::store::{Database, MAX_PREFERENCES, PreferenceChange, StoredPerson};

const MAX_ENTRIES: usize = 32;
const MAX_NAME_LETTERS: usize = 256;
const MAX_VALUE_BYTES: usize = 4_096;

type Service = (Database, Bus);

/// Who there is, and the rules that say which roles there are.
#[derive(Debug, Clone)]
pub(super) struct People {
    pub(super) roster: Roster,
    pub(super) rules: Arc<Live<Settings>>,
}

pub(super) fn register(table: &mut Table, people: &People, database: &Database, bus: &Bus) {
    let service = (database.clone(), bus.clone());
    table.on(UsersSelf, people, own);
    table.on(UsersList, people, list);
    table.on_closing(UsersSetRole, people, set_role);
    table.on(UsersPrefsGet, database, preferences);
    table.on(UsersPrefsSet, &service, set_preferences);
}

async fn own(people: People, context: Context, _: NoParams) -> Result<SelfReply, ErrorShape> {
    let Some(profile) = context.caller.profile() else {
        return Err(ErrorShape::new(ErrorCode::Forbidden, "users.self requires an authenticated user"));
    };
    let person = people.roster.person(&profile.id).unwrap_or_else(|| unwritten(profile));
    Ok(SelfReply { profile: shown(person) })
}

async fn list(people: People, _: Context, _: NoParams) -> Result<ListReply, ErrorShape> {
    Ok(ListReply { profiles: people.roster.people().into_iter().map(shown).collect() })
}

async fn set_role(people: People, context: Context, params: SetRoleParams) -> Result<(SelfReply, Closing), ErrorShape> {
    let SetRoleParams { profile_id, role } = params;
    if let Some(role) = &role
        && !people.rules.get().roles.as_ref().is_some_and(|roles| roles.defines(role))
    {
        let fix = "define it under gateway.roles.definitions before assigning it";
        return Err(ErrorShape::invalid(format!("unknown operator role \"{role}\"; {fix}")));
    }
    if profile_id == OWNER {
        return Err(ErrorShape::invalid("the gateway's owner has no role: the shared secret is all of it"));
    }
    let Some(person) = people.roster.assign(&profile_id, role.as_deref()).await? else {
        return Err(ErrorShape::invalid(format!("user profile not found: {profile_id}")));
    };
    tracing::warn!(
        profile = profile_id, role = role.as_deref(), by = context.caller.login(), connection = %context.connection,
        "an operator role was assigned"
    );
    Ok((SelfReply { profile: shown(person) }, Closing::OperatorRole { profile_id }))
}

/// Somebody of whom the disk could not take a note.
fn unwritten(Profile { id, display_name, emails }: Profile) -> StoredPerson {
    let now = now_ms();
    StoredPerson { id, display_name, emails, role: None, created_at: now, updated_at: now }
}

fn shown(person: StoredPerson) -> SelfProfile {
    SelfProfile {
        id: person.id,
        display_name: person.display_name,
        avatar_mime: None,
        merged_into: None,
        github_identity: None,
        has_avatar: false,
        created_at: person.created_at,
        updated_at: person.updated_at,
        emails: person.emails,
        role: person.role,
    }
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
