//! A folder for the life of one process, in which nobody else can put anything.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, geteuid, test_kill_process};

const PREFIX: &str = "tailclaw-";

/// Gone when dropped. What a killed process left behind is cleared away by the next one.
#[derive(Debug)]
pub(super) struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// In the user's own folder of sockets, or among the temporary files: its paths are short enough for sockets.
    pub(super) fn of_sockets() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let base = runtime.filter(|path| path.is_absolute() && path.is_dir()).unwrap_or_else(std::env::temp_dir);
        Self::within(&base)
    }

    pub(super) fn within(base: &Path) -> io::Result<Self> {
        sweep(base);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let short = unique.get(..12).unwrap_or_default();
        let path = base.join(format!("{PREFIX}{}-{short}", std::process::id()));
        // Fails where there is one already, whoever made it.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let is_ours = entry.metadata().is_ok_and(|folder| folder.is_dir() && folder.uid() == geteuid().as_raw());
        if is_ours && entry.file_name().to_str().and_then(owner).is_some_and(|owner| test_kill_process(owner).is_err())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn owner(name: &str) -> Option<Pid> {
    let (pid, unique) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let is_unique = unique.len() == 12 && unique.bytes().all(|byte| byte.is_ascii_hexdigit());
    Pid::from_raw(pid.parse().ok().filter(|_| is_unique)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_private_and_goes_with_its_owner() {
        let base = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::within(base.path()).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn what_the_dead_left_is_cleared_away_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let make = |name: String| {
            let path = base.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let left = make(format!("{PREFIX}{dead}-0123456789ab"));
        let alive = make(format!("{PREFIX}{}-0123456789ab", std::process::id()));
        let other =
            [make(format!("{PREFIX}{dead}")), make(format!("{PREFIX}{dead}-precious")), make("precious".to_owned())];
        let _folder = PrivateFolder::within(base.path()).unwrap();
        assert!(!left.exists());
        assert!(alive.exists() && other.iter().all(|path| path.exists()));
    }
}
