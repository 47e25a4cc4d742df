//! The certificate in files: the person's, or those that the gateway made itself.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::self_signed::{self, RENEWED_BEFORE_DAYS, Subject};
use super::{Error, Fingerprint, Pair, pair};
use crate::clock::now_ms;
use crate::secret::Secret;
use crate::store::{create_private_file, write_private_file};

/// A certificate with its chain, or a key.
const LARGEST: u64 = 64 * 1024;
/// All authorities of a system are about 250 kB.
const LARGEST_BUNDLE: u64 = 1024 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// `gateway.tls`, where it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// `caPath`: certificates of authorities, of which those between ours and its root are sent along.
    pub bundle: Option<PathBuf>,
    /// Whether a pair is made where there is none.
    pub may_make: bool,
    /// The files are our own: no path was configured.
    pub is_own_place: bool,
}

/// Reads the pair, and makes one where that is wanted. Blocks.
#[derive(Debug, Clone)]
pub struct Files {
    settings: Settings,
    subject: Subject,
}

impl Files {
    #[must_use]
    pub fn new(settings: Settings, subject: Subject) -> Self {
        Self { settings, subject }
    }

    /// All that the pair is read from.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let Settings { certificate, key, bundle, .. } = &self.settings;
        [certificate, key].into_iter().chain(bundle).cloned().collect()
    }

    /// For the start: makes what is missing, and what is ours and at its end anew. A certificate of the person's that has
    /// expired is shown all the same, since clients that pin it go by its fingerprint; whoever reads the log is told.
    ///
    /// # Errors
    /// There is no pair, or none that can be shown.
    pub fn open(&self) -> Result<Pair, Error> {
        let Settings { certificate, key, may_make, is_own_place, .. } = &self.settings;
        match (exists(certificate)?, exists(key)?) {
            (true, true) => {}
            (false, false) if *may_make => self.make()?,
            (false, false) => return Err(Error::Missing { certificate: certificate.clone(), key: key.clone() }),
            // The key is written first: a start was cut off between the two.
            (false, true) if *may_make && *is_own_place => self.sign()?,
            (false, true) => return Err(Error::Half { present: key.clone(), missing: certificate.clone() }),
            (true, false) => return Err(Error::Half { present: certificate.clone(), missing: key.clone() }),
        }
        let pair = self.read()?;
        let pair = if self.is_due(&pair) { self.renew()? } else { pair };
        self.warn_of_readers();
        Ok(pair)
    }

    /// As it lies there now, whole and counting today. Makes nothing.
    ///
    /// # Errors
    /// The files cannot be read, do not fit together, or their time is not now.
    pub fn reopen(&self) -> Result<Pair, Error> {
        let pair = self.read()?;
        pair.check_time(now_ms()).map_err(|fault| self.unusable(fault))?;
        Ok(pair)
    }

    /// Whether it is of our own making and near its end.
    #[must_use]
    pub fn is_due(&self, pair: &Pair) -> bool {
        let Settings { may_make, is_own_place, .. } = self.settings;
        let ends_soon = now_ms() + RENEWED_BEFORE_DAYS * DAY_MS > pair.not_after_ms;
        may_make && is_own_place && pair.is_self_signed && ends_soon
    }

    /// Writes a new certificate for the same key over the old one.
    ///
    /// # Errors
    /// It could not be made or written.
    pub fn renew(&self) -> Result<Pair, Error> {
        let Settings { certificate, key, .. } = &self.settings;
        let key = Secret::new(String::from_utf8_lossy(&read(key, LARGEST)?).into_owned());
        let signed = self_signed::sign(&key, &self.subject, now_ms())?;
        write_private_file(certificate, signed.as_bytes()).map_err(|source| Error::write(certificate, source))?;
        let pair = self.read()?;
        tracing::warn!(
            tls.fingerprint = %pair.fingerprint, expires = pair.expires(),
            "the gateway's certificate was near its end and is a new one: give clients that pin it the new fingerprint"
        );
        Ok(pair)
    }

    /// The key first: it is worth nothing to anybody before there is a certificate for it.
    fn make(&self) -> Result<(), Error> {
        let key = self_signed::make_key()?;
        let path = &self.settings.key;
        create_private_file(path, key.expose().as_bytes()).map_err(|source| Error::write(path, source))?;
        self.sign()
    }

    fn sign(&self) -> Result<(), Error> {
        let Settings { certificate, key, .. } = &self.settings;
        let key = Secret::new(String::from_utf8_lossy(&read(key, LARGEST)?).into_owned());
        let signed = self_signed::sign(&key, &self.subject, now_ms())?;
        create_private_file(certificate, signed.as_bytes()).map_err(|source| Error::write(certificate, source))?;
        tracing::info!(path = %certificate.display(), "made a certificate for this gateway");
        Ok(())
    }

    fn read(&self) -> Result<Pair, Error> {
        let Settings { certificate, key, bundle, .. } = &self.settings;
        let chain = read(certificate, LARGEST)?;
        let key = Secret::new(read(key, LARGEST)?);
        let bundle = bundle.as_deref().map(|path| read(path, LARGEST_BUNDLE)).transpose()?;
        Pair::from_pem(&chain, key.expose(), bundle.as_deref()).map_err(|fault| self.unusable(fault))
    }

    fn unusable(&self, fault: pair::Fault) -> Error {
        let Settings { certificate, key, .. } = &self.settings;
        Error::Unusable { certificate: certificate.clone(), key: key.clone(), fault }
    }

    fn warn_of_readers(&self) {
        let key = &self.settings.key;
        if std::fs::metadata(key).is_ok_and(|facts| facts.permissions().mode() & 0o007 != 0) {
            tracing::warn!(path = %key.display(), "every user of this machine can read the key of the certificate: chmod 600");
        }
    }
}

impl Settings {
    /// What the gateway on this machine shows, as far as its file tells: it reads the public certificate only.
    ///
    /// # Errors
    /// There is none to be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, Error> {
        let path = &self.certificate;
        pair::fingerprint(&read(path, LARGEST)?).map_err(|fault| Error::UnusableFile { path: path.clone(), fault })
    }
}

fn exists(path: &Path) -> Result<bool, Error> {
    match path.try_exists() {
        Ok(exists) => Ok(exists),
        // A folder on the way is a file.
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn files(folder: &Path, may_make: bool, is_own_place: bool) -> Files {
        let (certificate, key) = (folder.join("tls/cert.pem"), folder.join("tls/key.pem"));
        let settings = Settings { certificate, key, bundle: None, may_make, is_own_place };
        Files::new(settings, Subject::default())
    }

    #[test]
    fn a_pair_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), true, true);
        let made = files.open().unwrap();
        assert_eq!(files.open().unwrap().fingerprint, made.fingerprint);
        assert_eq!(files.reopen().unwrap().fingerprint, made.fingerprint);
        assert_eq!(files.settings.fingerprint().unwrap(), made.fingerprint);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files.settings.key), mode(&files.settings.certificate)), (0o600, 0o600));
        assert_eq!(mode(&folder.path().join("tls")), 0o700);
        assert!(!files.is_due(&made));
    }

    #[test]
    fn half_a_pair_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = files(folder.path(), true, false);
        theirs.open().unwrap();
        fs::remove_file(&theirs.settings.certificate).unwrap();
        assert!(matches!(theirs.open(), Err(Error::Half { .. })));
        assert!(!theirs.settings.certificate.exists());
        assert!(matches!(theirs.reopen(), Err(Error::Read { .. })));
        // In our own place it is a start that was cut off.
        let ours = files(folder.path(), true, true);
        ours.open().unwrap();
        fs::remove_file(&ours.settings.key).unwrap();
        assert!(matches!(ours.open(), Err(Error::Half { .. })));
    }

    #[test]
    fn nothing_is_made_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), false, true);
        assert!(matches!(files.open(), Err(Error::Missing { .. })));
        assert!(!folder.path().join("tls").exists());
    }

    #[test]
    fn what_ends_soon_is_made_anew_for_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), true, true);
        let first = files.open().unwrap();
        let key = fs::read_to_string(&files.settings.key).unwrap();
        let ten_years = (3_650 - RENEWED_BEFORE_DAYS) * DAY_MS;
        let old =
            self_signed::sign(&Secret::new(key.clone()), &Subject::default(), now_ms() - ten_years - 1_000).unwrap();
        fs::write(&files.settings.certificate, old).unwrap();
        let renewed = files.open().unwrap();
        assert!(renewed.not_after_ms >= first.not_after_ms, "{}", renewed.expires());
        assert_eq!(fs::read_to_string(&files.settings.key).unwrap(), key);
        assert_eq!(files.open().unwrap().fingerprint, renewed.fingerprint);
    }

    #[test]
    fn an_expired_certificate_is_shown_at_the_start_but_does_not_replace_one() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), true, false);
        files.open().unwrap();
        let key = Secret::new(fs::read_to_string(&files.settings.key).unwrap());
        let old = self_signed::sign(&key, &Subject::default(), 1_000_000_000_000).unwrap();
        fs::write(&files.settings.certificate, old).unwrap();
        files.open().unwrap();
        let error = files.reopen().unwrap_err();
        assert!(matches!(&error, Error::Unusable { fault: pair::Fault::Expired(_), .. }), "{error}");
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), true, false);
        files.open().unwrap();
        fs::write(&files.settings.certificate, vec![b'x'; 70_000]).unwrap();
        assert!(matches!(files.reopen(), Err(Error::TooLarge { .. })));
    }
}
