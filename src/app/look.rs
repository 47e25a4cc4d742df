//! Whether a file is still the one that it was.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one state of a file from another. By the file that a link leads to: turning the link shows as another
/// inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    pub(super) fn at(path: &Path) -> Option<Self> {
        let facts = std::fs::metadata(path).ok()?;
        Some(Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_looks_different_after_every_kind_of_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(Look::at(&at("a")), None);
        std::fs::write(at("a"), "1").unwrap();
        std::fs::write(at("b"), "1").unwrap();
        std::os::unix::fs::symlink("a", at("link")).unwrap();
        let before = Look::at(&at("link"));
        assert_eq!(before, Look::at(&at("a")));
        // Turned to another file, as a deployment does it.
        std::os::unix::fs::symlink("b", at("next")).unwrap();
        std::fs::rename(at("next"), at("link")).unwrap();
        assert_ne!(Look::at(&at("link")), before);
        // Replaced by renaming, as an editor does it.
        let before = Look::at(&at("a"));
        std::fs::write(at("a.new"), "1").unwrap();
        std::fs::rename(at("a.new"), at("a")).unwrap();
        assert_ne!(Look::at(&at("a")), before);
    }
}
