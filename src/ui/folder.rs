//! A page that somebody else built, served from the folder of `gateway.controlUi.root`.
//!
//! Names come from strangers: each part is checked before the file system is asked, and what the file system then says
//! the name really is (links followed) has to lie inside the folder.

use std::path::{Path, PathBuf};

use super::Asset;

/// Larger files than this are not part of a page.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// `name` is decoded, with forward slashes and none at its beginning. `None`: there is no such file.
pub(super) async fn read(root: &Path, name: &str) -> Option<Asset> {
    let path = inside(root, name)?;
    let root = tokio::fs::canonicalize(root).await.ok()?;
    let path = tokio::fs::canonicalize(path).await.ok()?;
    if !path.starts_with(&root) {
        tracing::warn!(file = name, "refused: a link leads out of gateway.controlUi.root");
        return None;
    }
    let facts = tokio::fs::metadata(&path).await.ok()?;
    // A pipe or a device would never end.
    if !facts.is_file() || facts.len() > MAX_FILE {
        return None;
    }
    let changed = facts.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    let content = tokio::fs::read(&path).await.ok()?;
    // From its size and the time of its last change.
    Some(Asset { content: content.into(), tag: format!("\"{:x}-{:x}\"", changed.as_nanos(), facts.len()) })
}

fn inside(root: &Path, name: &str) -> Option<PathBuf> {
    let mut path = root.to_owned();
    for part in name.split('/') {
        // `..`, `.` and hidden files begin with a dot; nothing of a page does.
        if part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0', ':']) {
            return None;
        }
        path.push(part);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_plain_files_inside_the_folder_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("page");
        std::fs::create_dir_all(root.join("assets")).unwrap();
        std::fs::write(root.join("assets/a.js"), "1").unwrap();
        std::fs::write(root.join(".secret"), "1").unwrap();
        std::fs::write(folder.path().join("outside"), "1").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("out.js")).unwrap();
        std::os::unix::fs::symlink("assets/a.js", root.join("within.js")).unwrap();
        std::os::unix::fs::symlink(folder.path(), root.join("up")).unwrap();
        for name in ["assets/a.js", "within.js"] {
            assert_eq!(read(&root, name).await.unwrap().content, "1", "{name}");
        }
        for name in [
            "",
            "assets",
            "assets/",
            "/assets/a.js",
            "assets//a.js",
            "../outside",
            "assets/../assets/a.js",
            ".secret",
            "out.js",
            "up/outside",
            "none.js",
            "assets/a.js\0",
            "assets\\a.js",
        ] {
            assert!(read(&root, name).await.is_none(), "{name}");
        }
    }

    #[tokio::test]
    async fn the_tag_follows_the_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        std::fs::write(&path, "1").unwrap();
        let first = read(folder.path(), "a.js").await.unwrap().tag;
        assert_eq!(read(folder.path(), "a.js").await.unwrap().tag, first);
        std::fs::write(&path, "12").unwrap();
        assert_ne!(read(folder.path(), "a.js").await.unwrap().tag, first);
    }
}
