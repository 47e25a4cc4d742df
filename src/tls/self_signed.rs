//! A certificate that vouches for itself, for a gateway that nobody has given one. Clients know it by its fingerprint.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};

use crate::secret::Secret;

/// Ten years, as OpenClaw has it: with every new certificate each client has to be given the new fingerprint.
const DAYS: u64 = 3_650;
/// Before the end of an old one.
pub(super) const RENEWED_BEFORE_DAYS: u64 = 30;
/// For clocks that are behind ours.
const ALLOWANCE: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_NAMES: usize = 64;

/// What a certificate of our own making is for.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Host names of this machine. What is no name in DNS is left out.
    pub names: Vec<String>,
    pub addresses: Vec<IpAddr>,
}

/// PEM of a new key.
pub(super) fn make_key() -> Result<Secret<String>, rcgen::Error> {
    Ok(Secret::new(KeyPair::generate()?.serialize_pem()))
}

/// PEM of a certificate for that key, from `now_ms` on.
pub(super) fn sign(key: &Secret<String>, subject: &Subject, now_ms: u64) -> Result<String, rcgen::Error> {
    let key = KeyPair::from_pem(key.expose())?;
    let mut params = CertificateParams::default();
    let now = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(now_ms);
    params.not_before = now - ALLOWANCE;
    params.not_after = now + Duration::from_secs(DAYS * 24 * 60 * 60);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "tailclaw gateway");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let names = std::iter::once("localhost").chain(subject.names.iter().map(String::as_str));
    let mut kept: Vec<SanType> = Vec::new();
    let names =
        names.filter(|name| is_host_name(name)).filter_map(|name| Some(SanType::DnsName(name.try_into().ok()?)));
    for name in names.chain(subject.addresses.iter().copied().map(SanType::IpAddress)).take(MOST_NAMES) {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    params.subject_alt_names = kept;
    Ok(params.self_signed(&key)?.pem())
}

fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        })
}

#[cfg(test)]
mod tests {
    use x509_cert::Certificate;
    use x509_cert::der::Decode;
    use x509_cert::ext::pkix::SubjectAltName;
    use x509_cert::ext::pkix::name::GeneralName;

    use super::super::Pair;
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn it_is_for_this_machine_and_for_ten_years() {
        let subject = Subject {
            names: vec!["claw".to_owned(), "no name".to_owned(), "localhost".to_owned()],
            addresses: vec!["192.0.2.7".parse().unwrap()],
        };
        let key = make_key().unwrap();
        let pem = sign(&key, &subject, NOW).unwrap();
        let pair = Pair::from_pem(pem.as_bytes(), key.expose().as_bytes(), None).unwrap();
        assert!(pair.is_self_signed);
        assert_eq!(pair.check_time(NOW), Ok(()));
        assert_eq!(pair.not_after_ms - NOW, DAYS * 24 * 60 * 60 * 1_000);
        let leaf = Certificate::from_der(&pair.key.cert[0]).unwrap();
        let (_, names) = leaf.tbs_certificate().get_extension::<SubjectAltName>().unwrap().unwrap();
        let names: Vec<String> = names
            .0
            .iter()
            .map(|name| match name {
                GeneralName::DnsName(name) => name.to_string(),
                GeneralName::IpAddress(bytes) => format!("{:?}", bytes.as_bytes()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["localhost", "claw", "[192, 0, 2, 7]"]);
        // Another certificate of the same key is told apart.
        let later = sign(&key, &subject, NOW + 1_000).unwrap();
        let later = Pair::from_pem(later.as_bytes(), key.expose().as_bytes(), None).unwrap();
        assert_ne!(later.fingerprint, pair.fingerprint);
    }
}
