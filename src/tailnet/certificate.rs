//! The LocalAPI's `cert/DOMAIN?type=pair` answer: PEM blocks, the key among them.

use super::CertificatePair;
use crate::secret::Secret;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Takes the blocks apart by their labels. `None` when a key or a certificate is missing.
pub(super) fn split(pem: &str) -> Option<CertificatePair> {
    let (mut chain, mut key) = (String::new(), String::new());
    let mut block: Option<bool> = None;
    for line in pem.lines() {
        if let Some(label) = line.strip_prefix(BEGIN) {
            block = Some(label.contains("PRIVATE KEY"));
        }
        let target = match block {
            Some(true) => &mut key,
            Some(false) => &mut chain,
            None => continue,
        };
        target.push_str(line);
        target.push('\n');
        if line.starts_with(END) {
            block = None;
        }
    }
    let key = Secret::new(key);
    (!chain.is_empty() && !key.expose().is_empty()).then_some(CertificatePair { chain, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
    const LEAF: &str = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";
    const ISSUER: &str = "-----BEGIN CERTIFICATE-----\nCCCC\n-----END CERTIFICATE-----\n";

    #[test]
    fn the_key_is_kept_apart_wherever_it_stands() {
        for text in [format!("{KEY}{LEAF}{ISSUER}"), format!("{LEAF}noise\n{ISSUER}{KEY}")] {
            let pair = split(&text).unwrap();
            assert_eq!(pair.chain, format!("{LEAF}{ISSUER}"));
            assert_eq!(pair.key.expose(), KEY);
        }
    }

    #[test]
    fn half_a_pair_is_none() {
        assert!(split(KEY).is_none());
        assert!(split(LEAF).is_none());
        assert!(split("").is_none());
    }
}
