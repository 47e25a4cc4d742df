//! Secrets from a program: it is given `{"protocolVersion":1,"provider","ids"}` on stdin and prints
//! `{"protocolVersion":1,"values":{id: secret}}`, as OpenClaw's does.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Found, Provider};
use crate::config::Environment;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_MAX_OUTPUT: u64 = 1024 * 1024;
/// How often a program that has closed its output is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

pub(super) fn look_up(
    name: &str,
    provider: &Provider,
    ids: &[&str],
    environment: &Environment,
) -> Result<Found, String> {
    let Some(command) = provider.command.as_deref() else {
        return Err(format!("secrets.providers.{name}.command is needed: write the program's absolute path"));
    };
    check(command, provider.trusted_dirs.as_deref())
        .map_err(|problem| format!("the program of secrets.providers.{name} {problem}"))?;
    let request = json!({ "protocolVersion": 1, "provider": name, "ids": ids }).to_string();
    let output = run(command, provider, request, environment)
        .map_err(|problem| format!("the program of secrets.providers.{name} {problem}"))?;
    parse(&output, ids, provider.json_only.unwrap_or(true))
        .map_err(|problem| format!("the program of secrets.providers.{name} {problem}"))
}

/// A program that others could swap would be given to by us whatever it asks for.
fn check(command: &Path, trusted: Option<&[std::path::PathBuf]>) -> Result<(), String> {
    if !command.is_absolute() {
        return Err("must be named by its absolute path".to_owned());
    }
    let facts = fs::symlink_metadata(command).map_err(|error| format!("cannot be used: {error}"))?;
    if facts.is_symlink() {
        return Err("is a link: name what it leads to".to_owned());
    }
    if !facts.is_file() {
        return Err("is no regular file".to_owned());
    }
    if facts.mode() & 0o022 != 0 {
        return Err(format!("can be changed by other users: run chmod go-w {}", command.display()));
    }
    if facts.uid() != 0 && facts.uid() != rustix::process::geteuid().as_raw() {
        return Err("belongs to another user: make it yours".to_owned());
    }
    if let Some(trusted) = trusted {
        let real = fs::canonicalize(command).map_err(|error| format!("cannot be used: {error}"))?;
        let is_inside =
            |folder: &std::path::PathBuf| fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
        if !trusted.iter().any(is_inside) {
            return Err("lies in none of its trustedDirs".to_owned());
        }
    }
    Ok(())
}

fn run(
    command: &Path,
    provider: &Provider,
    request: String,
    environment: &Environment,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let passed = provider.pass_env.iter().filter_map(|key| Some((key.as_str(), environment.variable(key)?)));
    let own = provider.env.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut child = Command::new(command)
        .args(&provider.args)
        .env_clear()
        .envs(passed.chain(own))
        .current_dir(command.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What it says on stderr may hold secrets, and would go into our log.
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let limit = provider.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis);
    let most = provider.max_output_bytes.unwrap_or(DEFAULT_MAX_OUTPUT);
    let outcome = converse(&mut child, request, limit, most);
    if outcome.is_err() {
        end(&mut child);
    }
    outcome
}

/// Writes the request, reads the answer and waits for the end, all within the limit.
fn converse(child: &mut Child, request: String, limit: Duration, most: u64) -> Result<Zeroizing<Vec<u8>>, String> {
    let late = || format!("took longer than {} ms", limit.as_millis());
    let deadline = Instant::now() + limit;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("has no input or output".to_owned());
    };
    // Both may wait for the program, so both have a thread; they end with its pipes.
    std::thread::spawn(move || {
        // A program that does not read its request fails by what it prints.
        let _ = input.write_all(request.as_bytes());
    });
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = output.take(most + 1).read_to_end(&mut bytes);
        let _ = sender.send(read.map(|_| bytes));
    });
    let bytes = match receiver.recv_timeout(limit) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(format!("cannot be read: {error}")),
        Err(_) => return Err(late()),
    };
    if bytes.len() as u64 > most {
        return Err(format!("printed more than {most} bytes"));
    }
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(bytes),
            Ok(Some(status)) => return Err(format!("failed: {status}")),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(POLL),
            Ok(None) => return Err(late()),
            Err(error) => return Err(format!("cannot be waited for: {error}")),
        }
    }
}

/// The program and whatever it started.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn parse(output: &[u8], ids: &[&str], json_only: bool) -> Result<Found, String> {
    let text = std::str::from_utf8(output).map_err(|_| "printed something that is no text".to_owned())?.trim();
    if text.is_empty() {
        return Err("printed nothing".to_owned());
    }
    let answer = match (serde_json::from_str::<Value>(text), ids) {
        (Ok(Value::String(secret)), [id]) if !json_only => return Ok(Found::from([((*id).to_owned(), Ok(secret))])),
        (Ok(answer), _) => answer,
        (Err(_), [id]) if !json_only => return Ok(Found::from([((*id).to_owned(), Ok(text.to_owned()))])),
        (Err(_), _) => return Err("printed no JSON".to_owned()),
    };
    if answer.get("protocolVersion") != Some(&json!(1)) {
        return Err("must answer with protocolVersion 1".to_owned());
    }
    let Some(Value::Object(values)) = answer.get("values") else {
        return Err("answered without values".to_owned());
    };
    let of = |id: &str| match values.get(id) {
        Some(Value::String(secret)) => Ok(secret.clone()),
        Some(_) => Err("the program answered with something else than text".to_owned()),
        None => Err("the program did not answer for this id: check it".to_owned()),
    };
    Ok(ids.iter().map(|id| ((*id).to_owned(), of(id))).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &tempfile::TempDir, script: &str) -> std::path::PathBuf {
        let path = folder.path().join(format!("program-{}", uuid::Uuid::new_v4().simple()));
        // Written by another process: a file that this one had open for writing cannot be run while a test beside
        // it forks.
        let mut shell = Command::new("sh");
        shell.args(["-c", "printf '%s' \"$1\" > \"$0\" && chmod 700 \"$0\""]);
        assert!(shell.arg(&path).arg(format!("#!/bin/sh\n{script}\n")).status().unwrap().success());
        path
    }

    fn ask(command: &Path, more: Value) -> Result<Found, String> {
        let mut provider = json!({ "source": "exec", "command": command, "timeoutMs": 10_000 });
        provider.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        let environment = Environment::from([("VAULT_TOKEN", "vt"), ("OTHER", "no")]);
        look_up("e", &serde_json::from_value(provider).unwrap(), &["a/b"], &environment)
    }

    #[test]
    fn a_program_answers_for_its_ids_and_sees_only_what_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"read request; case "$request" in *'"ids":["a/b"]'*) ;; *) exit 9;; esac
            printf '{"protocolVersion":1,"values":{"a/b":"%s-%s-%s-%s"}}' "$VAULT_TOKEN" "$MINE" "$OTHER" "$1""#;
        let path = program(&folder, script);
        let found =
            ask(&path, json!({ "passEnv": ["VAULT_TOKEN"], "env": { "MINE": "m" }, "args": ["$(id); x"] })).unwrap();
        assert_eq!(found["a/b"].as_deref(), Ok("vt-m--$(id); x"));
        let plain = program(&folder, "echo plain");
        assert_eq!(ask(&plain, json!({ "jsonOnly": false })).unwrap()["a/b"].as_deref(), Ok("plain"));
        assert!(ask(&plain, json!({})).unwrap_err().contains("printed no JSON"));
    }

    #[test]
    fn a_program_is_bounded_in_time_and_output_and_must_be_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let slow = program(&folder, "sleep 600");
        assert!(ask(&slow, json!({ "timeoutMs": 50 })).unwrap_err().contains("longer than 50 ms"));
        let loud = program(&folder, "head -c 5000 /dev/zero");
        assert!(ask(&loud, json!({ "maxOutputBytes": 100 })).unwrap_err().contains("more than 100 bytes"));
        let failing = program(&folder, "echo hunter2; exit 3");
        let error = ask(&failing, json!({})).unwrap_err();
        assert!(error.contains("failed") && !error.contains("hunter2"), "{error}");
        assert!(ask(&slow, json!({ "trustedDirs": ["/usr/bin"] })).unwrap_err().contains("trustedDirs"));
        fs::set_permissions(&slow, fs::Permissions::from_mode(0o722)).unwrap();
        assert!(ask(&slow, json!({})).unwrap_err().contains("chmod go-w"));
        assert!(ask(Path::new("sleep"), json!({})).unwrap_err().contains("absolute path"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&loud, &link).unwrap();
        assert!(ask(&link, json!({})).unwrap_err().contains("is a link"));
    }
}
