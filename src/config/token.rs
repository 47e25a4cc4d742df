//! The shared token of a gateway that nobody configured one for: made once, kept for the owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::paths::create_private_dir;
use crate::secret::{Secret, random_token};

/// A token file that exists.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) token: Secret<String>,
    /// Other users of this machine can read it.
    pub(super) is_open: bool,
}

/// The stored token; `None` when there is none yet, or the file is empty.
pub(super) fn read(path: &Path) -> io::Result<Option<Stored>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let token = text.trim();
    if token.is_empty() {
        return Ok(None);
    }
    let is_open = fs::metadata(path)?.permissions().mode() & 0o077 != 0;
    Ok(Some(Stored { token: Secret::new(token.to_owned()), is_open }))
}

/// The stored token, or a new one that is stored before it is returned. Of two processes that start together both get
/// the same.
pub(super) fn read_or_create(path: &Path) -> io::Result<Stored> {
    if let Some(stored) = read(path)? {
        return Ok(stored);
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    create_private_dir(folder)?;
    let token = random_token();
    let draft = folder.join(format!(".gateway-token-{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()));
    write_private(&draft, format!("{}\n", token.expose()).as_bytes())?;
    let outcome = publish(&draft, path);
    // The name is only a second one for the same file by now, or of no use.
    let _ = fs::remove_file(&draft);
    outcome?;
    read(path)?.ok_or_else(|| io::Error::other("the token that was written cannot be read back"))
}

/// Gives the finished file its name unless another process was faster: a half-written token is never seen.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match read(path)? {
            Some(_) => Ok(()),
            // An empty file is no token.
            None => fs::rename(draft, path),
        },
        // File systems without hard links.
        Err(_) => fs::rename(draft, path),
    }
}

/// Writes a new file of mode 0600 down to the disk.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/gateway-token");
        assert!(read(&path).unwrap().is_none());
        let first = read_or_create(&path).unwrap();
        let second = read_or_create(&path).unwrap();
        assert_eq!(first.token, second.token);
        assert!(!second.is_open);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn many_at_once_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway-token");
        let tokens: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| read_or_create(&path).unwrap().token.expose().clone())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]));
    }

    #[test]
    fn an_open_file_is_told_and_an_empty_one_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway-token");
        fs::write(&path, "secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap().unwrap().is_open);
        fs::write(&path, "\n").unwrap();
        let stored = read_or_create(&path).unwrap();
        assert_eq!(stored.token.expose().len(), 43);
        assert!(!stored.is_open);
    }
}
