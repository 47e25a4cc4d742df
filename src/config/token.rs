//! The shared token of a gateway that nobody configured one for: made once, kept for the owner alone.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::secret::{Secret, random_token};
use crate::store::{create_private_file, write_private_file};

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
    // Asked first: a file that comes to be after this holds another process's token.
    let was_there = path.exists();
    if let Some(stored) = read(path)? {
        return Ok(stored);
    }
    let token = random_token();
    let text = format!("{}\n", token.expose());
    if was_there {
        // A blank file is no token.
        write_private_file(path, text.as_bytes())?;
    } else {
        create_private_file(path, text.as_bytes())?;
    }
    read(path)?.ok_or_else(|| io::Error::other("the token that was written cannot be read back"))
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
        // Many times, because the moment in which they could disagree is short.
        for _ in 0..200 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("gateway-token");
            let tokens: Vec<String> = std::thread::scope(|scope| {
                let threads: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| read_or_create(&path).unwrap().token.expose().clone())).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(tokens.iter().all(|token| *token == tokens[0]));
        }
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
