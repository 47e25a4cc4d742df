//! A certificate with its chain and its key: one value, known to fit together.

use std::sync::Arc;

use chrono::DateTime;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::{Fingerprint, provider};

/// Certificates that a server sends along, at most: more than any authority has between its root and a server.
const LONGEST_CHAIN: usize = 8;

/// A certificate that can be shown, and what a person wants to know of it.
#[derive(Debug)]
pub struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub fingerprint: Fingerprint,
    /// Milliseconds since 1970.
    pub not_before_ms: u64,
    /// Milliseconds since 1970.
    pub not_after_ms: u64,
    /// It vouches for itself: clients know it by its fingerprint alone.
    pub is_self_signed: bool,
}

/// Why two texts are no pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("there is no certificate in PEM, or it is cut short")]
    NoCertificate,
    #[error("there is no private key in PEM, or it is cut short or locked by a passphrase")]
    NoKey,
    #[error("the key is not that of the certificate")]
    Mismatch,
    #[error("the certificate cannot be read")]
    BadCertificate,
    #[error("the key cannot be used: {0}")]
    BadKey(String),
    #[error("the certificate expired on {0}")]
    Expired(String),
    #[error("the certificate counts from {0} only")]
    NotYet(String),
}

impl Pair {
    /// From PEM texts: the leaf certificate first, then its chain; the key; and a bundle of certificates of which those
    /// that lead on from the chain are sent along.
    ///
    /// # Errors
    /// One of the texts is not what it should be, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8], bundle: Option<&[u8]>) -> Result<Self, Fault> {
        let mut chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Fault::NoKey)?;
        let leaf = parse(chain.first().ok_or(Fault::NoCertificate)?)?;
        let facts = leaf.tbs_certificate();
        let validity = facts.validity();
        let is_self_signed = facts.issuer() == facts.subject();
        complete(&mut chain, bundle.map(certificates).transpose()?.unwrap_or_default());
        let fingerprint = Fingerprint::of_der(chain.first().ok_or(Fault::NoCertificate)?);
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Fault::Mismatch,
            rustls::Error::InvalidCertificate(_) => Fault::BadCertificate,
            other => Fault::BadKey(other.to_string()),
        })?;
        let milliseconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs().saturating_mul(1_000);
        Ok(Self {
            key: Arc::new(key),
            fingerprint,
            not_before_ms: milliseconds(validity.not_before),
            not_after_ms: milliseconds(validity.not_after),
            is_self_signed,
        })
    }

    /// Whether it counts at that time.
    ///
    /// # Errors
    /// It has expired, or its time has not come.
    pub fn check_time(&self, now_ms: u64) -> Result<(), Fault> {
        if now_ms > self.not_after_ms {
            return Err(Fault::Expired(day(self.not_after_ms)));
        }
        if now_ms < self.not_before_ms {
            return Err(Fault::NotYet(day(self.not_before_ms)));
        }
        Ok(())
    }

    /// The day on which it ends: `2026-11-21`.
    #[must_use]
    pub fn expires(&self) -> String {
        day(self.not_after_ms)
    }
}

/// The fingerprint of the first certificate in a PEM text.
pub(super) fn fingerprint(chain: &[u8]) -> Result<Fingerprint, Fault> {
    certificates(chain)?.first().map(|leaf| Fingerprint::of_der(leaf)).ok_or(Fault::NoCertificate)
}

fn day(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| "a day beyond all calendars".to_owned(), |time| time.format("%Y-%m-%d").to_string())
}

/// Every certificate of a text. A block that breaks off makes the whole unusable: a file may be read while it is written.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| Fault::NoCertificate)?;
    if found.is_empty() { Err(Fault::NoCertificate) } else { Ok(found) }
}

fn parse(certificate: &CertificateDer<'_>) -> Result<Certificate, Fault> {
    Certificate::from_der(certificate).map_err(|_| Fault::BadCertificate)
}

/// Adds what leads on from the end of the chain, as far as the bundle goes. A root is left out: who trusts it has it.
fn complete(chain: &mut Vec<CertificateDer<'static>>, mut bundle: Vec<CertificateDer<'static>>) {
    while chain.len() < LONGEST_CHAIN {
        let Some(Ok(last)) = chain.last().map(|last| parse(last)) else { return };
        let issuer = last.tbs_certificate().issuer().to_der();
        let next = bundle.iter().position(|candidate| {
            parse(candidate).is_ok_and(|candidate| {
                let facts = candidate.tbs_certificate();
                facts.subject() != facts.issuer() && facts.subject().to_der() == issuer
            })
        });
        let Some(next) = next else { return };
        chain.push(bundle.swap_remove(next));
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    fn issuer(name: &str, above: Option<&CertifiedIssuer<'static, KeyPair>>) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        match above {
            None => CertifiedIssuer::self_signed(params, key).unwrap(),
            Some(above) => CertifiedIssuer::signed_by(params, key, above).unwrap(),
        }
    }

    /// PEM of a leaf for `claw.example` and of its key.
    fn leaf(above: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["claw.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        params.distinguished_name.push(DnType::CommonName, "claw");
        (params.signed_by(&key, above).unwrap().pem(), key.serialize_pem())
    }

    fn fault(chain: &str, key: &str) -> Fault {
        Pair::from_pem(chain.as_bytes(), key.as_bytes(), None).unwrap_err()
    }

    #[test]
    fn a_pair_knows_its_fingerprint_and_its_time() {
        let (chain, key) = leaf(&issuer("root", None));
        let pair = Pair::from_pem(chain.as_bytes(), key.as_bytes(), None).unwrap();
        assert_eq!(fingerprint(chain.as_bytes()), Ok(pair.fingerprint));
        assert_eq!(pair.expires(), "2021-01-01");
        assert!(!pair.is_self_signed);
        assert_eq!(pair.check_time(pair.not_after_ms), Ok(()));
        assert_eq!(pair.check_time(pair.not_after_ms + 1), Err(Fault::Expired("2021-01-01".into())));
        assert_eq!(pair.check_time(pair.not_before_ms - 1), Err(Fault::NotYet("2020-01-01".into())));
    }

    #[test]
    fn what_is_no_pair_is_told_apart() {
        let root = issuer("root", None);
        let ((chain, key), (_, other)) = (leaf(&root), leaf(&root));
        assert_eq!(fault(&chain, &other), Fault::Mismatch);
        assert_eq!(fault("", &key), Fault::NoCertificate);
        assert_eq!(fault(&key, &key), Fault::NoCertificate);
        assert_eq!(fault(&chain, &chain), Fault::NoKey);
        assert_eq!(fault(&chain, &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")), Fault::NoKey);
        for end in [chain.len() / 2, chain.len() - 10] {
            assert_eq!(fault(&chain[..end], &key), Fault::NoCertificate, "{end}");
        }
        assert_eq!(fault(&chain, &key[..key.len() / 2]), Fault::NoKey);
        // A whole leaf, and half of its issuer.
        let half = format!("{chain}{}", &root.pem()[..100]);
        assert_eq!(fault(&half, &key), Fault::NoCertificate);
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(fault(nonsense, &key), Fault::BadCertificate);
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(fault(&chain, no_key), Fault::BadKey(_)));
    }

    #[test]
    fn the_bundle_completes_the_chain_without_its_root() {
        let root = issuer("root", None);
        let (middle, stranger) = (issuer("middle", Some(&root)), issuer("stranger", Some(&root)));
        let (chain, key) = leaf(&middle);
        let bundle = format!("{}{}{}", root.pem(), stranger.pem(), middle.pem());
        let pair = Pair::from_pem(chain.as_bytes(), key.as_bytes(), Some(bundle.as_bytes())).unwrap();
        let sent: Vec<_> = pair.key.cert.iter().map(|der| Fingerprint::of_der(der)).collect();
        assert_eq!(sent, [pair.fingerprint, Fingerprint::of_der(middle.der())]);
        let broken = Pair::from_pem(chain.as_bytes(), key.as_bytes(), Some(b"nothing"));
        assert_eq!(broken.unwrap_err(), Fault::NoCertificate);
    }

    /// Files are the person's own, but half-written ones come along.
    #[test]
    fn fuzz_pem() {
        let (chain, key) = leaf(&issuer("root", None));
        crate::fuzz::fuzz_text(&[&chain, &key, "-----BEGIN CERTIFICATE-----\n"], |text| {
            let _ = Pair::from_pem(text.as_bytes(), key.as_bytes(), Some(text.as_bytes()));
            let _ = Pair::from_pem(chain.as_bytes(), text.as_bytes(), None);
        });
    }
}
