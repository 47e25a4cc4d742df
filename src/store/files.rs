//! Small files and folders that only the owner may read.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::Error;

/// Creates a folder (and its parents) with mode 0700. An existing one is left as it is.
///
/// # Errors
/// As `mkdir(2)`.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file of mode 0600 whole or not at all, and returns once it is on disk.
///
/// # Errors
/// As the system calls; the old file is then still there.
pub fn write_private_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file needs a folder"))?;
    create_private_folder(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = folder.join(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // Best effort: the error that matters is the one above.
        let _ = fs::remove_file(&temporary);
    }
    written
}

pub(super) fn make_private(path: &Path) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|source| Error::File { what: format!("cannot restrict {}", path.display()), source })
}

/// Takes the lock file for this process and writes the process id into it. The lock lasts as long as the `File`, and
/// ends with the process however it ends.
///
/// # Errors
/// `WouldBlock` when another process holds it; its text is that process's id.
pub fn lock_folder(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder)?;
        return Err(io::Error::new(io::ErrorKind::WouldBlock, holder.trim().to_owned()));
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    file.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_0600_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/secret");
        write_private_file(&path, b"one").unwrap();
        write_private_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_second_lock_names_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock_folder(&path).unwrap();
        let refused = lock_folder(&path).unwrap_err();
        assert_eq!(refused.to_string(), std::process::id().to_string());
        drop(held);
        lock_folder(&path).unwrap();
    }
}
