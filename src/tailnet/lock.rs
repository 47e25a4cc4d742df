//! One process for a state folder. tsnet has no lock of its own, and two nodes with the same keys fight.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Error;
use crate::store;

/// Held as long as the node lives. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Makes the folder, private to its owner, and locks it. Blocks on the disk.
    pub(super) fn take(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Folder { folder: folder.to_owned(), source };
        make_private(folder).map_err(failed)?;
        match store::lock_folder(&folder.join("tailclaw.lock")) {
            Ok(file) => Ok(Self { _file: file }),
            // The text is the holder's process id.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(Error::Locked { folder: folder.to_owned(), pid: error.to_string().parse().ok() })
            }
            Err(source) => Err(failed(source)),
        }
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    store::create_private_folder(folder)?;
    // It may have been there before, with wider rights.
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/tailnet");
        let first = FolderLock::take(&path).unwrap();
        match FolderLock::take(&path) {
            Err(Error::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(first);
        FolderLock::take(&path).unwrap();
    }

    #[test]
    fn the_folder_becomes_private() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let _lock = FolderLock::take(folder.path()).unwrap();
        assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
