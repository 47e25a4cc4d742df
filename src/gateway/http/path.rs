//! Paths of requests, decoded strictly: what is no text, or says something other than it seems, is no path.

/// Percent-decodes. `None`: an escape is broken, or the bytes make no text.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once_and_strictly() {
        assert_eq!(decode("agent%3Amain%3Ax").as_deref(), Some("agent:main:x"));
        assert_eq!(decode("%252e").as_deref(), Some("%2e"));
        assert_eq!(decode("plain").as_deref(), Some("plain"));
        for broken in ["%zz", "%", "%2", "%+1", "%ff"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn fuzz_paths() {
        crate::fuzz::fuzz_text(&["agent%3Amain%3Ax", "%252e%00", "plain", "%e2%82%ac"], |text| {
            if let Some(decoded) = decode(text) {
                assert!(decoded.len() <= text.len());
            }
        });
    }
}
