//! `sessions.*` on the wire: listing, finding, making, setting, beginning anew and deleting.

use crate::harness::{Gateway, RawClient, connect_params, gateway};
use serde_json::{Value, json};

async fn ask(client: &mut RawClient, method: &str, params: Value) -> Value {
    client.request(method, params.clone()).await.unwrap_or_else(|error| panic!("{method} {params}: {error}"))
}

/// The error's message.
async fn refused(client: &mut RawClient, method: &str, params: Value) -> String {
    let error = client.request(method, params.clone()).await.expect_err(&format!("{method} {params} is refused"));
    assert_eq!(error["code"], "INVALID_REQUEST", "{method} {params}: {error}");
    error["message"].as_str().unwrap_or_default().to_owned()
}

/// Says something and waits for the answer.
async fn say(client: &mut RawClient, key: &str, message: &str) {
    let run = uuid::Uuid::new_v4().to_string();
    ask(client, "chat.send", json!({"sessionKey": key, "message": message, "idempotencyKey": run})).await;
    client.event("chat", |chat| chat["runId"] == run.as_str() && chat["state"] == "final").await;
}

async fn keys(client: &mut RawClient, params: Value) -> Vec<String> {
    let list = ask(client, "sessions.list", params).await;
    let rows = list["sessions"].as_array().expect("rows");
    assert_eq!(list["count"], rows.len(), "{list}");
    rows.iter().map(|row| row["key"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn describe(client: &mut RawClient, key: &str) -> Value {
    ask(client, "sessions.describe", json!({"key": key})).await["session"].clone()
}

/// A client of the command line that asked for these scopes and no more.
async fn with_scopes(gateway: &Gateway, scopes: &[&str]) -> RawClient {
    let mut client = gateway.socket().await;
    client.challenge().await;
    let mut params = connect_params(&gateway.token());
    params["scopes"] = json!(scopes);
    client.connect(params).await.expect("the token is accepted");
    client
}

#[tokio::test]
async fn the_list_is_filtered_paged_and_ordered() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for key in ["one", "two", "three"] {
        say(&mut client, key, &format!("hello from {key}")).await;
    }
    let full = |key: &str| format!("agent:main:{key}");
    assert_eq!(keys(&mut client, json!({})).await, [full("three"), full("two"), full("one")], "newest first");

    let page = ask(&mut client, "sessions.list", json!({"limit": 2})).await;
    assert_eq!(page["totalCount"], 3, "{page}");
    assert_eq!((&page["hasMore"], &page["nextOffset"], &page["limitApplied"]), (&json!(true), &json!(2), &json!(2)));
    assert_eq!(keys(&mut client, json!({"limit": 2, "offset": 2})).await, [full("one")]);
    assert_eq!(keys(&mut client, json!({"search": "TWO"})).await, [full("two")]);
    assert_eq!(keys(&mut client, json!({"agentId": "nobody"})).await, [""; 0]);
    assert_eq!(keys(&mut client, json!({"activeMinutes": 5, "requireLastInteraction": true})).await.len(), 3);

    ask(&mut client, "sessions.patch", json!({"key": "one", "pinned": true, "label": "First"})).await;
    assert_eq!(keys(&mut client, json!({})).await[0], full("one"), "pinned ones come first");
    assert_eq!(keys(&mut client, json!({"label": "First"})).await, [full("one")]);
    assert_eq!(keys(&mut client, json!({"label": "first"})).await, [""; 0], "the whole label");

    let session_id = describe(&mut client, "two").await["sessionId"].clone();
    ask(&mut client, "sessions.patch", json!({"key": "two", "archived": true, "expectedSessionId": session_id})).await;
    assert_eq!(keys(&mut client, json!({})).await, [full("one"), full("three")]);
    assert_eq!(keys(&mut client, json!({"archived": true})).await, [full("two")]);
    assert_eq!(keys(&mut client, json!({"archived": "all"})).await.len(), 3);

    let texts = json!({"includeDerivedTitles": true, "includeLastMessage": true, "search": "three"});
    let row = ask(&mut client, "sessions.list", texts).await["sessions"][0].clone();
    assert_eq!(row["derivedTitle"], "hello from three", "{row}");
    assert_eq!(row["lastMessagePreview"], "echo: hello from three", "{row}");
    assert_eq!((&row["kind"], &row["status"], &row["archived"]), (&json!("direct"), &json!("done"), &json!(false)));
    assert_eq!(row["outputTokens"], 4, "what the last answer took: {row}");

    let message = refused(&mut client, "sessions.list", json!({"limit": 0})).await;
    assert_eq!(message, "invalid sessions.list params: at /limit: must be >= 1");
    refused(&mut client, "sessions.list", json!({"limit": "many"})).await;
    refused(&mut client, "sessions.list", json!({"archived": "some"})).await;
}

#[tokio::test]
async fn a_session_is_found_by_key_id_label_and_short_id() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let made = ask(&mut client, "sessions.create", json!({"key": "work", "label": "My work"})).await;
    let id = made["sessionId"].as_str().expect("an id").to_owned();
    let found = json!({"ok": true, "key": "agent:main:work", "agentId": "main"});
    let short: String = id.chars().filter(|sign| *sign != '-').take(10).collect();
    for by in [json!({"key": "work"}), json!({"sessionId": id}), json!({"label": "My work"}), json!({"shortId": short})]
    {
        assert_eq!(ask(&mut client, "sessions.resolve", by).await, found);
    }
    assert_eq!(refused(&mut client, "sessions.resolve", json!({"key": "x"})).await, "No session found: agent:main:x");
    let message = refused(&mut client, "sessions.resolve", json!({"label": "nix"})).await;
    assert_eq!(message, "No session found with label: nix");
    let message = refused(&mut client, "sessions.resolve", json!({"shortId": "zz"})).await;
    assert_eq!(message, "shortId must be 8-32 hexadecimal characters");
    let missing = json!({"key": "x", "allowMissing": true});
    assert_eq!(ask(&mut client, "sessions.resolve", missing).await, json!({"ok": false}));
    refused(&mut client, "sessions.resolve", json!({})).await;
    refused(&mut client, "sessions.resolve", json!({"key": "a", "label": "b"})).await;
    assert_eq!(describe(&mut client, "nowhere").await, Value::Null);
}

#[tokio::test]
async fn previews_and_get_show_what_was_said() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    say(&mut client, "main", "a rather long message to be cut").await;
    let params = json!({"keys": ["main", "agent:main:nope"], "maxChars": 20, "limit": 1});
    let previews = ask(&mut client, "sessions.preview", params).await["previews"].clone();
    assert_eq!((&previews[0]["key"], &previews[0]["status"]), (&json!("main"), &json!("ok")), "{previews}");
    assert_eq!(previews[0]["items"], json!([{"role": "assistant", "text": "echo: a rather long…"}]));
    assert_eq!((&previews[1]["status"], &previews[1]["items"]), (&json!("missing"), &json!([])), "{previews}");
    let message = refused(&mut client, "sessions.preview", json!({"keys": []})).await;
    assert_eq!(message, "invalid sessions.preview params: at /keys: must not have fewer than 1 items");
    let message = refused(&mut client, "sessions.preview", json!({"keys": ["main"], "maxChars": 5})).await;
    assert_eq!(message, "invalid sessions.preview params: at /maxChars: must be >= 20");

    let messages = ask(&mut client, "sessions.get", json!({"key": "main"})).await["messages"].clone();
    assert_eq!(messages[0]["content"], "a rather long message to be cut", "a user's message is one text");
    assert_eq!(messages[1]["content"][0]["type"], "text", "an answer has parts: {messages}");
    assert_eq!(ask(&mut client, "sessions.get", json!({"key": "nope"})).await, json!({"messages": []}));
    assert_eq!(refused(&mut client, "sessions.get", json!({})).await, "key required");
}

#[tokio::test]
async fn a_session_is_made_with_what_it_is_to_be() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    ask(&mut client, "sessions.subscribe", json!({})).await;
    let params = json!({"label": "Trip", "message": "hi there", "thinkingLevel": "off", "fastMode": "auto"});
    let made = ask(&mut client, "sessions.create", params).await;
    let key = made["key"].as_str().expect("a key").to_owned();
    assert!(key.starts_with("agent:main:dashboard:"), "{made}");
    assert_eq!(
        (&made["ok"], &made["runStarted"], &made["entry"]["label"]),
        (&json!(true), &json!(true), &json!("Trip"))
    );
    assert_eq!(made["entry"]["parentSessionKey"], "agent:main:main", "{made}");
    assert_eq!(made["entry"]["fastMode"], "auto", "{made}");
    assert_eq!(made["resolved"], json!({"modelProvider": "tailclaw", "model": "echo"}), "{made}");
    let changed = client.event("sessions.changed", |event| event["reason"] == "create").await;
    assert_eq!((&changed["sessionKey"], &changed["label"]), (&json!(key), &json!("Trip")), "{changed}");
    let run = made["runId"].clone();
    client.event("chat", |chat| chat["runId"] == run && chat["state"] == "final").await;
    assert_eq!(keys(&mut client, json!({"spawnedBy": "agent:main:main"})).await, [key.as_str()]);

    let again = ask(&mut client, "sessions.create", json!({"key": key})).await;
    assert_eq!((&again["sessionId"], &again["runStarted"]), (&made["sessionId"], &json!(false)), "{again}");
    assert_eq!(again["entry"]["label"], "Trip", "it stays as it was: {again}");

    assert_eq!(refused(&mut client, "sessions.create", json!({"label": "Trip"})).await, "label already in use: Trip");
    let message = refused(&mut client, "sessions.create", json!({"agentId": "nope"})).await;
    assert_eq!(message, "Unknown agent id \"nope\"");
    let message = refused(&mut client, "sessions.create", json!({"model": "nobody/x"})).await;
    assert_eq!(message, "Unknown provider \"nobody\". Use /models to list providers.");
    let message = refused(&mut client, "sessions.create", json!({"thinkingLevel": "wild"})).await;
    assert_eq!(message, "invalid thinkingLevel (use off)");
    let message = refused(&mut client, "sessions.create", json!({"incognito": true})).await;
    assert!(message.starts_with("incognito is not supported"), "{message}");
    assert_eq!(keys(&mut client, json!({})).await.len(), 1, "what was refused left nothing behind");
}

#[tokio::test]
async fn a_patch_sets_keeps_and_clears() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    ask(&mut client, "sessions.subscribe", json!({})).await;
    let params = json!({
        "key": "work", "label": "Work", "icon": "🦀", "color": "red", "category": "cat", "pinned": true, "unread": true,
        "model": "tailclaw/other", "verboseLevel": "full", "responseUsage": "tokens", "groupActivation": "always",
    });
    let patched = ask(&mut client, "sessions.patch", params).await;
    let entry = &patched["entry"];
    assert_eq!(
        (&patched["key"], &entry["label"], &entry["icon"]),
        (&json!("agent:main:work"), &json!("Work"), &json!("🦀"))
    );
    assert_eq!((&entry["modelOverride"], &entry["verboseLevel"]), (&json!("other"), &json!("full")), "{entry}");
    assert_eq!(patched["resolved"]["model"], "other", "{patched}");
    assert!(patched["path"].is_string(), "an admin is told where: {patched}");

    let row = describe(&mut client, "work").await;
    for (field, value) in [("label", json!("Work")), ("color", json!("red")), ("pinned", json!(true))] {
        assert_eq!(row[field], value, "{row}");
    }
    assert_eq!((&row["unread"], &row["modelOverrideSource"]), (&json!(true), &json!("user")), "{row}");

    let cleared = json!({"key": "work", "label": null, "icon": null, "model": null, "unread": false, "pinned": false});
    let entry = ask(&mut client, "sessions.patch", cleared).await["entry"].clone();
    assert_eq!(entry.get("label"), None, "{entry}");
    assert_eq!((&entry["color"], &entry["verboseLevel"]), (&json!("red"), &json!("full")), "the rest is kept: {entry}");
    let changed = |event: &Value| event["reason"] == "patch" && event["label"].is_null();
    let changed = client.event("sessions.changed", changed).await;
    assert_eq!(changed.get("icon"), Some(&Value::Null), "who merges it forgets the icon: {changed}");
    assert_eq!((&changed["unread"], &changed["pinned"]), (&json!(false), &json!(false)), "{changed}");
}

#[tokio::test]
async fn an_answer_in_a_session_that_was_created_is_unread_until_it_is_read() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for key in ["agent:main:dashboard:new", "agent:main:mine"] {
        let created = ask(&mut client, "sessions.create", json!({"key": key})).await;
        assert_eq!(created["ok"], true, "{created}");
    }
    let empty = describe(&mut client, "agent:main:dashboard:new").await;
    assert_eq!((&empty["unread"], &empty["classification"]), (&json!(false), &json!("dashboard")), "{empty}");
    let empty = describe(&mut client, "agent:main:mine").await;
    assert_eq!(empty["classification"], "custom", "{empty}");
    for key in ["agent:main:dashboard:new", "agent:main:mine", "agent:main:by-its-message"] {
        say(&mut client, key, "hello").await;
        let row = describe(&mut client, key).await;
        assert_eq!(row["classification"], "direct", "{row}");
        assert_eq!(row["unread"], key != "agent:main:by-its-message", "{row}");
    }
    ask(&mut client, "sessions.patch", json!({"key": "agent:main:mine", "unread": false})).await;
    assert_eq!(describe(&mut client, "agent:main:mine").await["unread"], false);
}

#[tokio::test]
async fn a_patch_that_is_none_is_refused_in_the_real_ones_words() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    ask(&mut client, "sessions.create", json!({"key": "work", "label": "Taken"})).await;
    let cases = [
        (json!({"icon": "star"}), "icon must be a single emoji"),
        (json!({"color": "beige"}), "color must be one of: red, blue, green, yellow, purple, orange, pink, cyan"),
        (json!({"verboseLevel": "loud"}), r#"invalid verboseLevel (use "on"|"off"|"full")"#),
        (json!({"reasoningLevel": "x"}), r#"invalid reasoningLevel (use "on"|"off"|"stream")"#),
        (json!({"elevatedLevel": "x"}), r#"invalid elevatedLevel (use "on"|"off"|"ask"|"full")"#),
        (json!({"thinkingLevel": "wild"}), "invalid thinkingLevel (use off)"),
        (json!({"thinkingLevel": "high"}), r#"thinkingLevel "high" is not supported for tailclaw/echo (use off)"#),
        (json!({"model": "nothing/x"}), r#"Unknown provider "nothing". Use /models to list providers."#),
        (json!({"label": "Taken"}), "label already in use: Taken"),
        (json!({"label": ""}), "invalid sessions.patch params: at /label"),
        (json!({"label": 7}), "invalid sessions.patch params: at /label"),
        (json!({"archived": true}), "expectedSessionId required for session lifecycle patch: agent:main:other"),
        (json!({"permissionMode": "read-only"}), "permissionMode is not supported"),
        (json!({"expectedSessionId": "zz"}), "Session agent:main:other changed before patch. Retry."),
    ];
    for (mut params, expected) in cases {
        params["key"] = json!("other");
        let message = refused(&mut client, "sessions.patch", params).await;
        assert!(message.starts_with(expected), "{message:?} is not {expected:?}");
    }
    let message = refused(&mut client, "sessions.patch", json!({"key": "main", "archived": true})).await;
    assert_eq!(message, "Cannot archive an agent's main session.");
    let message = refused(&mut client, "sessions.patch", json!({"label": "x"})).await;
    assert_eq!(message, "invalid sessions.patch params: must have required property 'key'");
    assert_eq!(keys(&mut client, json!({})).await, ["agent:main:work"], "what was refused left nothing behind");
}

#[tokio::test]
async fn a_conversation_has_one_branch_once_something_was_said() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let none = json!({"branches": []});
    assert_eq!(ask(&mut client, "sessions.branches.list", json!({"sessionKey": "work"})).await, none);
    ask(&mut client, "sessions.create", json!({"key": "work", "label": "Work"})).await;
    assert_eq!(ask(&mut client, "sessions.branches.list", json!({"sessionKey": "work"})).await, none);
    say(&mut client, "work", &format!("two\nlines {}", "x".repeat(200))).await;
    let listed = ask(&mut client, "sessions.branches.list", json!({"sessionKey": "work", "agentId": "main"})).await;
    let branch = &listed["branches"][0];
    assert_eq!((&branch["messageCount"], &branch["active"]), (&json!(2), &json!(true)), "{listed}");
    let headline = branch["headline"].as_str().unwrap();
    assert!(headline.starts_with("echo: two lines xxx") && headline.chars().count() == 120, "{headline}");
    let history = ask(&mut client, "chat.history", json!({"sessionKey": "work"})).await;
    assert_eq!(branch["leafEntryId"], history["messages"][1]["__openclaw"]["id"], "{history}");
    assert!(branch["updatedAt"].as_str().unwrap().ends_with('Z'), "{branch}");
    ask(&mut client, "sessions.reset", json!({"key": "work"})).await;
    assert_eq!(ask(&mut client, "sessions.branches.list", json!({"sessionKey": "work"})).await, none);
    say(&mut client, "work", "again").await;
    let listed = ask(&mut client, "sessions.branches.list", json!({"sessionKey": "work"})).await;
    assert_eq!(listed["branches"][0]["messageCount"], 2, "what the reset put away is no part of it: {listed}");
    let message = refused(&mut client, "sessions.branches.list", json!({"sessionKey": "work", "agentId": "x"})).await;
    assert_eq!(message, "Unknown agent id \"x\"");
    let message = refused(&mut client, "sessions.branches.list", json!({"sessionKey": ""})).await;
    assert_eq!(message, "invalid sessions.branches.list params: at /sessionKey: must not have fewer than 1 characters");
}

#[tokio::test]
async fn what_no_session_has_is_not_found_by_it() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    ask(&mut client, "sessions.create", json!({"key": "work", "label": "Work"})).await;
    for none in [
        json!({"ownerId": "somebody"}),
        json!({"creatorId": "somebody"}),
        json!({"involvingProfileId": "somebody"}),
        json!({"boardFace": "dashboard"}),
    ] {
        assert_eq!(keys(&mut client, none.clone()).await, [""; 0], "{none}");
    }
    for all in [
        json!({"ownerFirst": true, "involvingMe": true}),
        json!({"includeGlobal": true, "includeUnknown": true, "configuredAgentsOnly": true}),
    ] {
        assert_eq!(keys(&mut client, all.clone()).await, ["agent:main:work"], "{all}");
    }
    let list = ask(&mut client, "sessions.list", json!({"includePeople": true})).await;
    assert_eq!(
        (&list["people"], &list["peopleIncomplete"], &list["peopleSessionCount"]),
        (&json!([]), &json!(false), &json!(1))
    );
    assert!(ask(&mut client, "sessions.list", json!({})).await.get("people").is_none());
    let message = refused(&mut client, "sessions.list", json!({"boardFace": "x"})).await;
    assert!(message.starts_with("invalid sessions.list params: at /boardFace: must be equal to constant"), "{message}");
    let message = refused(&mut client, "sessions.list", json!({"ownerId": ""})).await;
    assert_eq!(message, "invalid sessions.list params: at /ownerId: must not have fewer than 1 characters");
}

#[tokio::test]
async fn the_command_line_asks_for_what_the_params_need() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let call = async |method: &str, params: Value| {
        gateway.cli(&["gateway", "call", method, "--params", &params.to_string()]).await
    };
    for key in ["one", "two"] {
        ask(&mut client, "sessions.create", json!({"key": key, "label": key})).await;
    }
    // With the least first: what needs no more is not done as an admin.
    let patched = call("sessions.patch", json!({"key": "one", "pinned": true})).await.success().json();
    assert_eq!((&patched["ok"], patched.get("path")), (&json!(true), None), "{patched}");
    call("sessions.patch", json!({"key": "one", "sendPolicy": "deny"})).await.success();
    let deleted = call("sessions.delete", json!({"key": "one"})).await.success().json();
    assert_eq!(deleted["deleted"], true, "{deleted}");
    call("agent", json!({"message": "/reset", "sessionKey": "two", "idempotencyKey": "r"})).await.success();
    gateway.cli(&["agent", "--session-key", "two", "--message", "/new"]).await.success();
    let refused = call("sessions.delete", json!({"key": "two", "archivedOnly": true})).await;
    assert_eq!(refused.code, Some(1), "what is refused for another reason stays so: {refused:?}");
}

#[tokio::test]
async fn what_an_edit_asks_for_decides_its_scope() {
    let gateway = gateway().start().await;
    let mut client = with_scopes(&gateway, &["operator.read", "operator.write"]).await;
    let patched = ask(&mut client, "sessions.patch", json!({"key": "work", "label": "Work", "pinned": true})).await;
    assert_eq!(patched.get("path"), None, "only an admin is told where: {patched}");
    assert_eq!(ask(&mut client, "sessions.list", json!({})).await["path"], "");
    for (method, params) in [
        ("sessions.patch", json!({"key": "work", "sendPolicy": "deny"})),
        ("sessions.reset", json!({"key": "work"})),
        ("sessions.delete", json!({"key": "work"})),
        ("chat.inject", json!({"sessionKey": "work", "message": "x"})),
        ("chat.send", json!({"sessionKey": "work", "message": "/new", "idempotencyKey": "n"})),
        ("agent", json!({"sessionKey": "work", "message": "/reset", "idempotencyKey": "r"})),
        ("sessions.create", json!({"key": "work", "message": "/new"})),
    ] {
        let error = client.request(method, params.clone()).await.expect_err("admin is asked for");
        assert_eq!(error["code"], "FORBIDDEN", "{method} {params}: {error}");
        assert_eq!(error["details"]["missingScope"], "operator.admin", "{method} {params}: {error}");
    }
    let message = refused(&mut client, "sessions.delete", json!({"key": "work", "archivedOnly": true})).await;
    assert_eq!(message, "Session agent:main:work is not archived. Archive it first, then delete it.");
    let id = describe(&mut client, "work").await["sessionId"].clone();
    ask(&mut client, "sessions.patch", json!({"key": "work", "archived": true, "expectedSessionId": id})).await;
    let deleted = ask(&mut client, "sessions.delete", json!({"key": "work", "archivedOnly": true})).await;
    assert_eq!(deleted, json!({"ok": true, "key": "agent:main:work", "deleted": true, "archived": []}));

    let mut reader = with_scopes(&gateway, &["operator.read"]).await;
    let error = reader.request("sessions.patch", json!({"key": "work", "label": "x"})).await.expect_err("a reader");
    assert_eq!(error["details"]["missingScope"], "operator.write", "{error}");
}

#[tokio::test]
async fn a_reset_keeps_the_session_and_puts_its_messages_away() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    ask(&mut client, "sessions.subscribe", json!({})).await;
    say(&mut client, "main", "remember this").await;
    ask(&mut client, "sessions.patch", json!({"key": "main", "label": "Kept"})).await;
    let before = ask(&mut client, "chat.history", json!({"sessionKey": "main"})).await;

    let first = ask(&mut client, "sessions.reset", json!({"key": "main"})).await;
    assert_eq!((&first["key"], &first["entry"]["sessionId"]), (&json!("agent:main:main"), &before["sessionId"]));
    assert_eq!((&first["entry"]["label"], &first["entry"]["totalTokens"]), (&json!("Kept"), &json!(0)), "{first}");
    client.event("sessions.changed", |event| event["reason"] == "reset").await;
    let second = ask(&mut client, "sessions.reset", json!({"key": "main", "reason": "new"})).await;
    assert_eq!(first["entry"]["sessionId"], second["entry"]["sessionId"]);
    assert_ne!(first["entry"]["lifecycleRevision"], second["entry"]["lifecycleRevision"]);
    client.event("sessions.changed", |event| event["reason"] == "new").await;

    let history = ask(&mut client, "chat.history", json!({"sessionKey": "main"})).await;
    assert_eq!(history["totalMessages"], 1, "{history}");
    assert_eq!(
        (&history["messages"][0]["role"], &history["messages"][0]["__openclaw"]["kind"]),
        (&json!("system"), &json!("reset"))
    );
    assert_eq!(history["messages"][0]["__openclaw"]["seq"], 1, "{history}");
    assert_eq!(history["sessionInfo"]["activeLeafEntryId"], Value::Null, "{history}");
    let stale = json!({"sessionKey": "main", "cursor": before["deltaCursor"]});
    assert_eq!(ask(&mut client, "chat.history", stale).await, json!({"kind": "reset"}));
    refused(&mut client, "sessions.reset", json!({"key": "main", "reason": "zap"})).await;
}

#[tokio::test]
async fn a_deleted_session_is_gone_and_its_transcript_is_kept() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    ask(&mut client, "sessions.subscribe", json!({})).await;
    say(&mut client, "work", "do not lose this").await;
    let message = refused(&mut client, "sessions.delete", json!({"key": "main"})).await;
    assert_eq!(message, "Cannot delete the main session (agent:main:main).");
    let message = refused(&mut client, "sessions.delete", json!({"key": "work", "expectedSessionId": "zz"})).await;
    assert_eq!(message, "Session agent:main:work changed before deletion. Retry.");
    let unknown = ask(&mut client, "sessions.delete", json!({"key": "never"})).await;
    assert_eq!(unknown, json!({"ok": true, "key": "agent:main:never", "deleted": false, "archived": []}));

    let deleted = ask(&mut client, "sessions.delete", json!({"key": "work"})).await;
    assert_eq!((&deleted["deleted"], &deleted["key"]), (&json!(true), &json!("agent:main:work")), "{deleted}");
    let file = std::fs::read_to_string(deleted["archived"][0].as_str().expect("a path")).expect("the archive");
    assert!(file.contains("do not lose this") && file.contains("echo: do not lose this"), "{file}");
    let event = client.event("sessions.changed", |event| event["reason"] == "delete").await;
    assert_eq!(event.get("session"), None, "{event}");
    assert_eq!(describe(&mut client, "work").await, Value::Null);
    let history = ask(&mut client, "chat.history", json!({"sessionKey": "work"})).await;
    assert_eq!((&history["messages"], &history["totalMessages"]), (&json!([]), &json!(0)), "{history}");
}

#[tokio::test]
async fn a_run_ends_before_its_session_is_reset_or_deleted() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let long = vec!["word"; 2000].join(" ");
    for (method, key) in [("sessions.reset", "one"), ("sessions.delete", "two")] {
        let params = json!({"sessionKey": key, "message": long, "idempotencyKey": key});
        ask(&mut client, "chat.send", params).await;
        client.event("chat", |chat| chat["runId"] == key && chat["state"] == "delta").await;
        ask(&mut client, method, json!({"key": key})).await;
        client.event("chat", |chat| chat["runId"] == key && chat["state"] == "aborted").await;
        let history = ask(&mut client, "chat.history", json!({"sessionKey": key})).await;
        assert!(!history.to_string().contains("echo:"), "nothing of the run is left over: {history}");
    }
}

#[tokio::test]
async fn messages_are_sent_steered_and_stopped_by_the_sessions_key() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let message = refused(&mut client, "sessions.send", json!({"key": "nope", "message": "x"})).await;
    assert_eq!(message, "session not found: nope");
    ask(&mut client, "sessions.create", json!({"key": "work"})).await;
    let sent = ask(&mut client, "sessions.send", json!({"key": "work", "message": "hi"})).await;
    assert_eq!(sent["status"], "started", "{sent}");
    let run = sent["runId"].clone();
    client.event("chat", |chat| chat["runId"] == run && chat["state"] == "final").await;

    let long = vec!["word"; 2000].join(" ");
    let params = json!({"key": "work", "message": long, "idempotencyKey": "long"});
    ask(&mut client, "sessions.send", params.clone()).await;
    assert_eq!(ask(&mut client, "sessions.send", params).await["status"], "in_flight");
    client.event("chat", |chat| chat["runId"] == "long" && chat["state"] == "delta").await;
    let steer = json!({"key": "work", "message": "rather this", "idempotencyKey": "short"});
    ask(&mut client, "sessions.steer", steer).await;
    client.event("chat", |chat| chat["runId"] == "long" && chat["state"] == "aborted").await;
    client.event("chat", |chat| chat["runId"] == "short" && chat["state"] == "final").await;

    ask(&mut client, "sessions.send", json!({"key": "work", "message": long, "idempotencyKey": "more"})).await;
    let stopped = ask(&mut client, "sessions.abort", json!({"runId": "more"})).await;
    assert_eq!(stopped, json!({"ok": true, "abortedRunId": "more", "status": "aborted"}));
    client.event("chat", |chat| chat["runId"] == "more" && chat["state"] == "aborted").await;
    let nothing = ask(&mut client, "sessions.abort", json!({"runId": "zz"})).await;
    assert_eq!(nothing, json!({"ok": true, "abortedRunId": null, "status": "no-active-run"}));
    assert_eq!(refused(&mut client, "sessions.abort", json!({})).await, "key required");
}

#[tokio::test]
async fn a_session_that_takes_no_messages_refuses_them() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    ask(&mut client, "sessions.patch", json!({"key": "work", "sendPolicy": "deny"})).await;
    let params = json!({"sessionKey": "work", "message": "x", "idempotencyKey": "k"});
    assert_eq!(refused(&mut client, "chat.send", params.clone()).await, "send blocked by session policy");
    ask(&mut client, "sessions.patch", json!({"key": "work", "sendPolicy": null})).await;
    ask(&mut client, "chat.send", params).await;
}

#[tokio::test]
async fn the_command_line_lists_archives_and_deletes() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for key in ["main", "one", "two"] {
        ask(&mut client, "sessions.create", json!({"key": key})).await;
    }
    let list = gateway.cli(&["sessions", "--json"]).await.success().json();
    assert_eq!((&list["count"], &list["hasMore"]), (&json!(3), &json!(false)), "{list}");
    assert!(list["sessions"][0]["ageMs"].is_u64() && list["sessions"][0]["key"].is_string(), "{list}");
    let text = gateway.cli(&["sessions", "list", "--limit", "1"]).await.success().all();
    assert!(text.contains("agent:main:two") && text.contains("1 of 3"), "{text}");

    let dry = gateway.cli(&["sessions", "delete", "one", "--dry-run", "--json"]).await.success().json();
    assert_eq!((&dry["ok"], &dry["dryRun"]), (&json!(true), &json!(true)), "{dry}");
    let archived = gateway.cli(&["sessions", "archive", "agent:main:one", "--json"]).await.success().json();
    assert_eq!(archived["results"], json!([{"key": "agent:main:one", "ok": true, "status": "archived"}]));
    assert_eq!(describe(&mut client, "one").await["archived"], true);

    let unasked = gateway.cli(&["sessions", "delete", "agent:main:two"]).await;
    assert!(unasked.all().contains("pass --yes"), "nobody is there to answer: {}", unasked.all());
    let mixed =
        gateway.cli(&["sessions", "delete", "agent:main:two", "agent:main:nope", "main", "--yes", "--json"]).await;
    let document = mixed.json();
    assert_eq!((&document["ok"], &document["operation"]), (&json!(false), &json!("delete")), "{document}");
    let status: Vec<&str> =
        document["results"].as_array().unwrap().iter().flat_map(|row| row["status"].as_str()).collect();
    assert_eq!(status, ["deleted", "not_found", "failed"], "{document}");
    assert_eq!(document["results"][2]["error"], "Cannot delete the main session (agent:main:main).", "{document}");
    assert_eq!(describe(&mut client, "two").await, Value::Null);
}

#[tokio::test]
async fn what_answers_took_is_summed_by_session_and_model() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    say(&mut client, "one", "a b c").await;
    say(&mut client, "two", "d").await;
    ask(&mut client, "sessions.reset", json!({"key": "one"})).await;
    let usage = ask(&mut client, "sessions.usage", json!({})).await;
    assert_eq!((&usage["totals"]["input"], &usage["totals"]["output"]), (&json!(4), &json!(6)), "{usage}");
    assert_eq!(usage["totals"]["missingCostEntries"], 2, "no price is known: {usage}");
    assert_eq!(usage["aggregates"]["byModel"][0]["count"], 2, "{usage}");
    assert_eq!(
        (&usage["aggregates"]["messages"]["user"], &usage["aggregates"]["sessionCount"]),
        (&json!(2), &json!(2))
    );
    let of_one = ask(&mut client, "sessions.usage", json!({"key": "one"})).await;
    assert_eq!(of_one["sessions"][0]["usage"]["totalTokens"], 7, "what a reset put away was paid for: {of_one}");
    assert_eq!(of_one["totals"]["totalTokens"], 7, "{of_one}");
    let old = ask(&mut client, "sessions.usage", json!({"startDate": "2001-01-01", "endDate": "2001-01-02"})).await;
    assert_eq!((&old["totals"]["totalTokens"], &old["startDate"]), (&json!(0), &json!("2001-01-01")), "{old}");
    let points = ask(&mut client, "sessions.usage.timeseries", json!({"key": "one"})).await["points"].clone();
    assert_eq!((&points[0]["totalTokens"], &points[0]["cumulativeTokens"]), (&json!(7), &json!(7)), "{points}");
    let logs = ask(&mut client, "sessions.usage.logs", json!({"key": "one"})).await["logs"].clone();
    assert_eq!((&logs[0]["content"], &logs[1]["tokens"]), (&json!("a b c"), &json!(7)), "{logs}");
    refused(&mut client, "sessions.usage", json!({"startDate": "yesterday"})).await;
    assert_eq!(
        refused(&mut client, "sessions.usage.logs", json!({"key": "x"})).await,
        "No session found: agent:main:x"
    );
    refused(&mut client, "sessions.usage.timeseries", json!({})).await;
}
