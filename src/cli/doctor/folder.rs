//! The state folder: who can read it, and what was left half written in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::check::{Check, ok, warn};
use crate::cli::doctor::check::fail;
use crate::config::Paths;

const ID: &str = "state-folder";
/// Beyond this many of a kind the rest is not named.
const NAMED: usize = 5;
/// Files with rights for others are looked for so deep, and so many of them.
const DEPTH: usize = 3;
const LOOKED_AT: usize = 2_000;

pub(super) fn checks(paths: &Paths) -> Vec<Check> {
    let folder = &paths.state_dir;
    let Ok(facts) = fs::metadata(folder) else {
        return vec![ok(ID, format!("{} does not exist yet: the first start makes it", folder.display()))];
    };
    if facts.uid() != rustix::process::geteuid().as_raw() {
        let fix = format!("run as its owner, or: sudo chown -R $USER {}", folder.display());
        return vec![fail(ID, format!("{} belongs to another user", folder.display()), fix)];
    }
    let open = open_entries(paths);
    // Nobody else gets to what is in it.
    let is_closed = facts.mode() & 0o077 == 0;
    let mut checks: Vec<Check> = open
        .iter()
        .take(NAMED)
        .map(|entry| {
            let what = format!("{} can be read or changed by other users ({:o})", entry.path.display(), entry.mode);
            let fix = format!("chmod {:o} {}", entry.wanted, entry.path.display());
            if is_closed {
                warn(ID, format!("{what}, were it not for the folder's own rights"), fix)
            } else {
                fail(ID, what, fix)
            }
        })
        .collect();
    if open.len() > NAMED {
        checks.push(warn(ID, format!("{} more entries, too", open.len() - NAMED), "tailclaw doctor --fix"));
    }
    if checks.is_empty() {
        checks.push(ok(ID, format!("{} is private", folder.display())));
    }
    let drafts = drafts(folder);
    if !drafts.is_empty() {
        let what = format!("{} files were left half written by a process that was killed", drafts.len());
        checks.push(warn("leftovers", what, "tailclaw doctor --fix"));
    }
    checks
}

/// Returns what was done.
pub(super) fn repair(paths: &Paths) -> Vec<String> {
    let mut done = Vec::new();
    for entry in open_entries(paths) {
        if fs::set_permissions(&entry.path, Permissions::from_mode(entry.wanted)).is_ok() {
            done.push(format!("{}: {:o} instead of {:o}", entry.path.display(), entry.wanted, entry.mode));
        }
    }
    for draft in drafts(&paths.state_dir) {
        if fs::remove_file(&draft).is_ok() {
            done.push(format!("{}: removed, it was left half written", draft.display()));
        }
    }
    done
}

struct Open {
    path: PathBuf,
    mode: u32,
    wanted: u32,
}

/// The folder itself, and what is secret in it. A folder that is closed protects what is below it, but may be opened.
fn open_entries(paths: &Paths) -> Vec<Open> {
    let mut found = Vec::new();
    let mut left = LOOKED_AT;
    look(&paths.state_dir, DEPTH, &mut left, &mut found);
    found
}

fn look(path: &Path, depth: usize, left: &mut usize, found: &mut Vec<Open>) {
    // A link's own rights say nothing, and what it leads to may be another's.
    let Ok(facts) = fs::symlink_metadata(path) else { return };
    if *left == 0 || facts.is_symlink() || facts.uid() != rustix::process::geteuid().as_raw() {
        return;
    }
    *left -= 1;
    let mode = facts.mode() & 0o777;
    if facts.is_dir() {
        if mode & 0o077 != 0 {
            found.push(Open { path: path.to_owned(), mode, wanted: mode & 0o700 });
        }
        if depth > 0 {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                look(&entry.path(), depth - 1, left, found);
            }
        }
    } else if facts.is_file() && mode & 0o077 != 0 && is_secret(path) {
        found.push(Open { path: path.to_owned(), mode, wanted: mode & 0o700 });
    }
}

/// What opens a door to whoever reads it. Logs and transcripts are behind the folder's own rights.
fn is_secret(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name, "gateway-token" | "tailclaw.json" | "tailscaled.state")
        || name.starts_with("tailclaw.db")
        || folder == "identity"
        || name.ends_with(".key")
        || name.ends_with("-key.pem")
}

/// Drafts of `store::files`, older than any write takes.
fn drafts(folder: &Path) -> Vec<PathBuf> {
    const OLD: std::time::Duration = std::time::Duration::from_mins(1);
    let is_old = |path: &Path| {
        let age = fs::metadata(path).and_then(|facts| facts.modified()).ok().and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age > OLD)
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_draft = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(".tailclaw-") && name.ends_with(".new") && path.is_file() && is_old(path)
    };
    entries.filter(is_draft).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::check::Verdict;

    #[test]
    fn open_secrets_are_found_and_closed() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir_all(state.join("identity")).unwrap();
        for (name, mode) in [("gateway-token", 0o644), ("identity/device.json", 0o640), ("notes.txt", 0o644)] {
            fs::write(state.join(name), "x").unwrap();
            fs::set_permissions(state.join(name), Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(state.join("identity"), Permissions::from_mode(0o700)).unwrap();
        let paths = Paths { config_file: state.join("tailclaw.json"), state_dir: state.clone() };
        let before = checks(&paths);
        assert_eq!(before.iter().filter(|check| check.status == Verdict::Fail).count(), 3, "{before:?}");
        assert!(before[0].fix.as_ref().unwrap().starts_with("chmod 700 "));
        assert_eq!(repair(&paths).len(), 3);
        assert_eq!(checks(&paths).len(), 1);
        assert_eq!(checks(&paths)[0].status, Verdict::Ok);
        let mode = |name: &str| fs::metadata(state.join(name)).unwrap().mode() & 0o777;
        assert_eq!((mode("gateway-token"), mode("notes.txt")), (0o600, 0o644));
    }

    #[test]
    fn no_folder_is_no_fault_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("none");
        let paths = Paths { config_file: state.join("tailclaw.json"), state_dir: state.clone() };
        assert_eq!(checks(&paths)[0].status, Verdict::Ok);
        assert!(repair(&paths).is_empty() && !state.exists());
    }
}
