use std::io;
use std::path::{Path, PathBuf};

use super::pair::Fault;

/// Why there is no certificate to show. For the person who runs the gateway: the texts name their files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {limit} bytes: it is no PEM file of certificates or of a key", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    /// Never repaired: either file may be somebody's only copy.
    #[error(
        "there is {} but no {}: put the missing half there, or take the other away to have both made", 
        present.display(), missing.display()
    )]
    Half { present: PathBuf, missing: PathBuf },
    #[error(
        "neither {} nor {} exists: put a certificate and its key there, or set gateway.tls.autoGenerate to true",
        certificate.display(), key.display()
    )]
    Missing { certificate: PathBuf, key: PathBuf },
    #[error("{} and {}: {fault}", certificate.display(), key.display())]
    Unusable { certificate: PathBuf, key: PathBuf, fault: Fault },
    #[error("{}: {fault}", path.display())]
    UnusableFile { path: PathBuf, fault: Fault },
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Error {
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }
}
