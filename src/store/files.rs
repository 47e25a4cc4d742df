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

/// Writes a file of mode 0600 whole or not at all, over what was there, and returns once it is on disk.
///
/// # Errors
/// As the system calls; the old file is then still there.
pub fn write_private_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    with_draft(path, contents, |draft| fs::rename(draft, path))
}

/// Writes a file of mode 0600 unless there is one: of two processes that start together both find the same one
/// afterwards, and nobody ever sees half of it. An empty file counts as none.
///
/// # Errors
/// As the system calls.
pub fn create_private_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    with_draft(path, contents, |draft| match fs::hard_link(draft, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::metadata(path)?.len() > 0 => Ok(()),
        // An empty file, or a file system without hard links.
        Err(_) => fs::rename(draft, path),
    })
}

/// Writes the contents under another name first, and has `publish` give them theirs.
fn with_draft(path: &Path, contents: &[u8], publish: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_private_folder(folder)?;
    let draft = folder.join(format!(".tailclaw-{}.new", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(contents)?;
        file.sync_all()?;
        publish(&draft)?;
        File::open(folder)?.sync_all()
    })();
    // After a rename there is nothing left to remove.
    let _ = fs::remove_file(&draft);
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
    fn a_file_is_created_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, b"").unwrap();
        create_private_file(&path, b"one").unwrap();
        create_private_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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
