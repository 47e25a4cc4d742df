//! What the agent does unasked: events that wake it, heartbeats, cron jobs.

use crate::harness::{OpenClaw, RawClient, gateway};
use serde_json::{Value, json};

async fn queued(client: &mut RawClient) -> Value {
    client.request("status", json!({})).await.expect("a status")["queuedSystemEvents"].clone()
}

#[tokio::test]
async fn an_event_waits_over_a_kill_until_the_agent_is_woken() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let wake = async |client: &mut RawClient, params: Value| client.request("wake", params).await;
    let later = json!({"mode": "next-heartbeat", "text": "the parcel came"});
    assert_eq!(wake(&mut client, later).await.expect("queued"), json!({"ok": true}));
    assert_eq!(wake(&mut client, json!({"mode": "now", "text": "  "})).await.expect("an answer"), json!({"ok": false}));
    gateway.kill9().await;
    gateway.restart().await;

    let mut client = gateway.operator().await;
    assert_eq!(queued(&mut client).await, json!(["the parcel came"]));
    assert_eq!(client.request("last-heartbeat", json!({})).await.expect("none yet"), Value::Null);
    wake(&mut client, json!({"mode": "now", "text": "the bell rang"})).await.expect("woken");
    let beat = client.event("heartbeat", |_| true).await;
    assert_eq!((&beat["status"], &beat["reason"]), (&json!("skipped"), &json!("no-route")), "{beat}");
    assert!(beat["preview"].as_str().is_some_and(|text| text.contains("the parcel came")), "{beat}");
    assert_eq!(client.request("last-heartbeat", json!({})).await.expect("it is kept"), beat);
    assert_eq!(queued(&mut client).await, json!([]), "what was told waits no longer");
    let history =
        client.request("chat.history", json!({"sessionKey": "main"})).await.expect("the turn is in the session");
    let text = history["messages"].to_string();
    assert!(text.contains("the parcel came") && text.contains("the bell rang"), "{text}");
}

#[tokio::test]
async fn heartbeats_that_are_off_leave_events_in_the_queue() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let off = client.request("set-heartbeats", json!({"enabled": false})).await.expect("off");
    assert_eq!(off, json!({"ok": true, "enabled": false}));
    gateway.kill9().await;
    gateway.restart().await;
    let mut client = gateway.operator().await;
    client.request("wake", json!({"mode": "now", "text": "hello"})).await.expect("queued");
    let beat = client.event("heartbeat", |_| true).await;
    assert_eq!((&beat["status"], &beat["reason"]), (&json!("skipped"), &json!("disabled")), "{beat}");
    assert_eq!(queued(&mut client).await, json!(["hello"]));
    let error = client.request("set-heartbeats", json!({})).await.expect_err("nothing was said");
    assert_eq!(error["message"], "invalid set-heartbeats params: enabled (boolean) required");
}

#[tokio::test]
async fn what_cannot_wake_anybody_is_refused_and_the_queue_is_bounded() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    for params in [json!({}), json!({"mode": "soon", "text": "x"}), json!({"mode": "now"})] {
        let error = client.request("wake", params).await.expect_err("bad params");
        assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
    }
    let nobody = json!({"mode": "next-heartbeat", "text": "x", "agentId": "nobody"});
    let error = client.request("wake", nobody).await.expect_err("no such agent");
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
    for number in 0..25 {
        let text = format!("event {number}");
        client.request("wake", json!({"mode": "next-heartbeat", "text": text})).await.expect("queued");
    }
    let waiting = queued(&mut client).await;
    let waiting = waiting.as_array().expect("a list");
    assert_eq!((waiting.len(), &waiting[0]), (20, &json!("event 5")));
}

fn hourly() -> Value {
    json!({
        "name": "hourly", "schedule": {"kind": "every", "everyMs": 3_600_000}, "sessionTarget": "main",
        "wakeMode": "next-heartbeat", "payload": {"kind": "systemEvent", "text": "an hour has passed"},
    })
}

fn question() -> Value {
    json!({
        "name": "question", "schedule": {"kind": "cron", "expr": "0 9 * * 1-5", "tz": "Europe/Berlin"},
        "sessionTarget": "isolated", "payload": {"kind": "agentTurn", "message": "how are you"},
        "delivery": {"mode": "none"},
    })
}

async fn call(client: &mut RawClient, method: &str, params: Value) -> Value {
    client.request(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
}

async fn refusal(client: &mut RawClient, method: &str, params: Value) -> Value {
    client.request(method, params.clone()).await.expect_err(&format!("{method} {params} is refused"))
}

#[tokio::test]
async fn a_job_is_kept_over_a_kill_changed_listed_and_removed() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let added = call(&mut client, "cron.add", hourly()).await;
    let id = added["id"].as_str().expect("an id").to_owned();
    let due = added["createdAtMs"].as_u64().expect("a time") + 3_600_000;
    assert_eq!((&added["nextRunAtMs"], &added["state"]["nextRunAtMs"]), (&json!(due), &json!(due)), "{added}");
    assert_eq!(added["deliveryPreview"]["label"], "not requested", "{added}");
    let told = client.event("cron", |event| event["action"] == "added").await;
    assert_eq!((&told["jobId"], &told["job"]["name"]), (&json!(id), &json!("hourly")), "{told}");
    gateway.kill9().await;
    gateway.restart().await;

    let mut client = gateway.operator().await;
    let kept = call(&mut client, "cron.get", json!({"jobId": id})).await;
    assert_eq!((&kept["payload"], &kept["configRevision"]), (&added["payload"], &added["configRevision"]), "{kept}");
    let patch = json!({"id": id, "patch": {"enabled": false, "description": "quiet"}});
    let off = call(&mut client, "cron.update", patch).await;
    assert!(off.get("nextRunAtMs").is_none() && off["configRevision"] != kept["configRevision"], "{off}");
    call(&mut client, "cron.add", question()).await;
    let names = async |client: &mut RawClient, params: Value| -> Vec<String> {
        let list = call(client, "cron.list", params).await;
        let jobs = list["jobs"].as_array().expect("jobs").clone();
        jobs.iter().map(|job| job["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&mut client, json!({})).await, ["question"]);
    assert_eq!(names(&mut client, json!({"enabled": "disabled"})).await, ["hourly"]);
    assert_eq!(names(&mut client, json!({"query": "QUIET", "includeDisabled": true})).await, ["hourly"]);
    assert_eq!(names(&mut client, json!({"scheduleKind": "at"})).await, [""; 0]);
    let by_name = json!({"includeDisabled": true, "sortBy": "name", "sortDir": "desc", "limit": 1});
    let page = call(&mut client, "cron.list", by_name).await;
    assert_eq!((&page["total"], &page["nextOffset"], &page["hasMore"]), (&json!(2), &json!(1), &json!(true)), "{page}");
    assert_eq!(page["jobs"][0]["effectiveAgentId"], "main", "{page}");

    let status = call(&mut client, "cron.status", json!({})).await;
    assert_eq!(
        (&status["enabled"], &status["jobs"], &status["nextWakeAtMs"]),
        (&json!(false), &json!(2), &Value::Null)
    );
    assert!(status["reason"].as_str().is_some_and(|reason| reason.contains("no scheduler")), "{status}");
    assert_eq!(call(&mut client, "cron.remove", json!({"id": id})).await, json!({"ok": true, "removed": true}));
    client.event("cron", |event| event["action"] == "removed" && event["jobId"] == id).await;
    let error = refusal(&mut client, "cron.get", json!({"id": id})).await;
    assert_eq!(error["details"], json!({"code": "CRON_JOB_NOT_FOUND", "jobId": id}), "{error}");
}

#[tokio::test]
async fn a_job_runs_when_asked_and_its_run_is_recorded() {
    let mut gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let id = call(&mut client, "cron.add", question()).await["id"].as_str().expect("an id").to_owned();
    let early = call(&mut client, "cron.run", json!({"id": id, "mode": "due"})).await;
    assert_eq!(early, json!({"ok": true, "ran": false, "reason": "not-due"}));
    let run = call(&mut client, "cron.run", json!({"id": id})).await;
    assert_eq!((&run["ok"], &run["enqueued"]), (&json!(true), &json!(true)), "{run}");
    let started = client.event("cron", |event| event["action"] == "started").await;
    assert!(started["job"]["state"]["runningAtMs"].is_u64() && started["runAtMs"].is_u64(), "{started}");
    let finished = client.event("cron", |event| event["action"] == "finished").await;
    assert_eq!((&finished["runId"], &finished["status"]), (&run["runId"], &json!("ok")), "{finished}");
    assert_eq!((&finished["summary"], &finished["jobId"]), (&json!("echo: how are you"), &json!(id)), "{finished}");
    let session = finished["sessionKey"].as_str().expect("its own session").to_owned();
    assert!(session.starts_with(&format!("agent:main:cron:{id}:run:")), "{session}");
    let history = call(&mut client, "chat.history", json!({"sessionKey": session})).await;
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(2), "{history}");

    // A second run, whose answer is wanted where there is nothing to deliver it.
    let announce = json!({"id": id, "patch": {"delivery": {"mode": "announce"}}});
    call(&mut client, "cron.update", announce).await;
    call(&mut client, "cron.run", json!({"id": id})).await;
    let finished = client.event("cron", |event| event["action"] == "finished").await;
    assert_eq!((&finished["status"], &finished["deliveryStatus"]), (&json!("error"), &json!("not-delivered")));
    assert_eq!(finished["job"]["state"]["consecutiveErrors"], 1, "{finished}");
    gateway.kill9().await;
    gateway.restart().await;
    let mut client = gateway.operator().await;
    let runs = call(&mut client, "cron.runs", json!({"id": id})).await;
    assert_eq!((&runs["total"], &runs["entries"][0]["status"]), (&json!(2), &json!("error")), "newest first: {runs}");
    let well = call(&mut client, "cron.runs", json!({"status": "ok"})).await;
    assert_eq!((&well["total"], &well["entries"][0]["jobName"]), (&json!(1), &json!("question")), "{well}");
    // Clients show the same runs as tasks.
    let tasks = call(&mut client, "tasks.list", json!({"limit": 1})).await;
    assert_eq!((&tasks["tasks"][0]["status"], &tasks["nextCursor"]), (&json!("failed"), &json!("1")), "{tasks}");
    let tasks = call(&mut client, "tasks.list", json!({"status": ["completed"]})).await;
    let expected = json!([well["entries"][0]["runId"], id, "automation_run", session]);
    let task = &tasks["tasks"][0];
    assert_eq!(json!([task["runId"], task["sourceId"], task["kind"], task["sessionKey"]]), expected, "{tasks}");
    let none = call(&mut client, "tasks.list", json!({"sessionKey": "agent:main:main"})).await;
    assert_eq!(none, json!({"tasks": []}));
    assert_eq!(refusal(&mut client, "cron.runs", json!({"id": "x"})).await["details"]["code"], "CRON_JOB_NOT_FOUND");
}

#[tokio::test]
async fn a_job_that_tells_the_agent_something_fills_the_queue_and_one_shots_go() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let mut once = hourly();
    once["schedule"] = json!({"kind": "at", "at": "2030-01-01"});
    let added = call(&mut client, "cron.add", once).await;
    assert_eq!(
        (&added["schedule"]["at"], &added["deleteAfterRun"]),
        (&json!("2030-01-01T00:00:00.000Z"), &json!(true))
    );
    call(&mut client, "cron.run", json!({"id": added["id"]})).await;
    client.event("cron", |event| event["action"] == "removed").await;
    assert_eq!(queued(&mut client).await, json!(["an hour has passed"]));
    assert_eq!(call(&mut client, "cron.list", json!({"includeDisabled": true})).await["total"], 0);
}

#[tokio::test]
async fn what_a_job_cannot_be_is_refused() {
    let gateway = gateway().start().await;
    let mut client = gateway.operator().await;
    let with = |key: &str, value: Value| {
        let mut job = hourly();
        job[key] = value;
        job
    };
    for (job, part) in [
        (json!({}), "invalid cron.add params"),
        (with("schedule", json!({"kind": "every", "everyMs": 0})), "invalid cron.add params"),
        (with("schedule", json!({"kind": "cron", "expr": "bogus"})), "CronPattern"),
        (with("schedule", json!({"kind": "cron", "expr": "* * * * *", "tz": "No/Where"})), "No/Where"),
        (with("schedule", json!({"kind": "at", "at": "2020-01-01T00:00:00Z"})), "schedule.at is in the past"),
        (with("schedule", json!({"kind": "at", "at": "tomorrow"})), "Invalid schedule.at"),
        (with("schedule", json!({"kind": "on-exit", "command": "true"})), "invalid cron.add params"),
        (with("payload", json!({"kind": "command", "argv": ["true"]})), "invalid cron.add params"),
        (with("payload", json!({"kind": "agentTurn", "message": "x"})), "main cron jobs require"),
        (with("trigger", json!({"script": "x"})), "/trigger"),
    ] {
        let error = refusal(&mut client, "cron.add", job.clone()).await;
        assert_eq!(error["code"], "INVALID_REQUEST", "{job}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(part)), "{job}: {error}");
    }
    assert_eq!(refusal(&mut client, "cron.add", with("agentId", json!("nobody"))).await["code"], "UNAVAILABLE");
    for (method, params) in [
        ("cron.get", json!({})),
        ("cron.update", json!({"id": "x"})),
        ("cron.run", json!({"id": "x", "mode": "soon"})),
        ("cron.list", json!({"limit": 201})),
        ("cron.list", json!({"sortBy": "colour"})),
        ("cron.runs", json!({"limit": 0})),
    ] {
        let message = refusal(&mut client, method, params).await["message"].to_string();
        assert!(message.contains(&format!("invalid {method} params")), "{message}");
    }
    for (method, params) in [
        ("cron.update", json!({"id": "x", "patch": {}})),
        ("cron.remove", json!({"id": "x"})),
        ("cron.run", json!({"id": "x"})),
    ] {
        assert_eq!(refusal(&mut client, method, params).await["details"]["code"], "CRON_JOB_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_command_line_keeps_runs_and_removes_jobs() {
    let gateway = gateway().start().await;
    let every = ["cron", "add", "--name", "tea", "--every", "10m", "--system-event", "tea time"];
    let added = gateway.cli(&every).await.success().json();
    let id = added["id"].as_str().expect("an id").to_owned();
    assert_eq!((&added["schedule"]["everyMs"], &added["sessionTarget"]), (&json!(600_000), &json!("main")), "{added}");
    let list = gateway.cli(&["cron", "list"]).await.success();
    assert!(list.stdout.contains("tea") && list.stdout.contains("not scheduled: "), "{}", list.stdout);
    let edited = gateway.cli(&["cron", "edit", &id, "--description", "d", "--disable"]).await.success().json();
    assert_eq!((&edited["enabled"], &edited["description"]), (&json!(false), &json!("d")), "{edited}");
    assert_eq!(gateway.cli(&["cron", "list", "--json"]).await.success().json()["total"], 0);
    assert_eq!(gateway.cli(&["cron", "list", "--all", "--json"]).await.success().json()["total"], 1);
    assert_eq!(gateway.cli(&["cron", "run", &id]).await.success().json()["enqueued"], true);
    assert_ne!(gateway.cli(&["cron", "run", &id, "--due"]).await.code, Some(0), "it is off, and so never due");
    assert_eq!(gateway.cli(&["cron", "rm", &id]).await.success().json(), json!({"ok": true, "removed": true}));
    assert_ne!(gateway.cli(&["cron", "get", &id]).await.code, Some(0), "it is gone");
    assert_eq!(gateway.cli(&["cron", "status"]).await.success().json()["enabled"], false);

    let told = gateway.cli(&["system", "event", "--text", "hello", "--mode", "now"]).await.success();
    assert_eq!(told.stdout, "ok\n");
    let presence = gateway.cli(&["system", "presence", "--json"]).await.success().json();
    assert_eq!(presence[0]["mode"], "gateway", "{presence}");
    let off = gateway.cli(&["system", "heartbeat", "disable"]).await.success().json();
    assert_eq!(off, json!({"ok": true, "enabled": false}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaws_own_command_line_does_so_too() {
    let gateway = gateway().start().await;
    let openclaw = OpenClaw::local(gateway.port, &gateway.token());
    let every = ["cron", "add", "--name", "tea", "--every", "10m", "--system-event", "tea time", "--json"];
    let added = openclaw.run(&every).await.success().json();
    let id = added["id"].as_str().expect("an id").to_owned();
    let list = openclaw.run(&["cron", "list", "--json"]).await.success().json();
    assert_eq!(list["jobs"][0]["id"], json!(id), "{list}");
    assert!(openclaw.run(&["cron", "list"]).await.success().stdout.contains("tea"));
    assert_eq!(openclaw.run(&["cron", "run", &id]).await.success().json()["enqueued"], true);
    assert_eq!(openclaw.run(&["cron", "rm", &id]).await.success().json()["removed"], true);
    assert_ne!(openclaw.run(&["cron", "rm", &id]).await.code, Some(0), "it is gone");
    let told = openclaw.run(&["system", "event", "--text", "x", "--mode", "now", "--json"]).await.success();
    assert_eq!(told.json()["ok"], true, "{}", told.stdout);
    let presence = openclaw.run(&["system", "presence", "--json"]).await.success();
    assert!(presence.stdout.contains("gateway"), "{}", presence.stdout);
    openclaw.run(&["logs", "--limit", "5", "--json"]).await.success();
}
