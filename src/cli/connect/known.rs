//! Certificates that a person has chosen to trust at first sight, by host and port.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::config::Paths;
use crate::store;
use crate::tls::Fingerprint;

pub(super) struct Known(PathBuf);

impl Known {
    pub(super) fn of(paths: &Paths) -> Self {
        Self(paths.known_gateways())
    }

    pub(super) fn file(&self) -> &Path {
        &self.0
    }

    /// # Errors
    /// A file that cannot be read: going on without it would be to trust less than was asked for, or somebody else.
    pub(super) fn find(&self, place: &str) -> anyhow::Result<Option<Fingerprint>> {
        let Some(text) = self.read()?.remove(place) else { return Ok(None) };
        let fingerprint = text.parse().with_context(|| format!("{}: {place}", self.0.display()))?;
        Ok(Some(fingerprint))
    }

    /// # Errors
    /// As [`Known::find`], or a file that cannot be written.
    pub(super) fn keep(&self, place: &str, fingerprint: Fingerprint) -> anyhow::Result<()> {
        let mut all = self.read()?;
        all.insert(place.to_owned(), fingerprint.to_string());
        let text = format!("{}\n", serde_json::to_string_pretty(&all)?);
        store::write_private_file(&self.0, text.as_bytes())
            .with_context(|| format!("{} cannot be written", self.0.display()))
    }

    fn read(&self) -> anyhow::Result<BTreeMap<String, String>> {
        match std::fs::read_to_string(&self.0) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} cannot be read", self.0.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", self.0.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_trusted_is_found_again_and_a_broken_file_is_no_absence() {
        let folder = tempfile::tempdir().unwrap();
        let known = Known(folder.path().join("state/known-gateways.json"));
        assert!(known.find("claw:443").unwrap().is_none());
        let (one, two) = (Fingerprint::of_der(b"1"), Fingerprint::of_der(b"2"));
        known.keep("claw:443", one).unwrap();
        known.keep("claw:8443", two).unwrap();
        assert_eq!(known.find("claw:443").unwrap(), Some(one));
        assert_eq!(known.find("claw:8443").unwrap(), Some(two));
        for broken in ["{", r#"{"claw:443":"ab"}"#] {
            std::fs::write(known.file(), broken).unwrap();
            assert!(known.find("claw:443").is_err(), "{broken}");
        }
    }
}
