//! Files that come with a message, as the wire has them.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::protocol::ErrorShape;
use crate::protocol::chat::{AttachmentParams, MEDIA_PREFIX, Media, MediaKind};
use crate::protocol::{MAX_ATTACHMENT, MAX_IMAGE};
use crate::store::NewAttachment;

const MAX_ATTACHMENTS: usize = 20;
const MAX_NAME: usize = 200;
const UNKNOWN_TYPE: &str = "application/octet-stream";
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn read(params: &[AttachmentParams]) -> Result<Vec<NewAttachment>, ErrorShape> {
    if params.len() > MAX_ATTACHMENTS {
        return Err(ErrorShape::invalid(format!("Error: at most {MAX_ATTACHMENTS} attachments")));
    }
    let mut all = Vec::new();
    for (index, attachment) in params.iter().enumerate() {
        // As the real gateway has it: what has no content is no attachment.
        if let Some(content) = attachment.content.as_deref().filter(|content| !content.is_empty()) {
            all.push(read_one(index, attachment, content)?);
        }
    }
    Ok(all)
}

fn read_one(index: usize, params: &AttachmentParams, content: &str) -> Result<NewAttachment, ErrorShape> {
    let unnamed = format!("attachment-{}", index + 1);
    let name = params.file_name.as_deref().map(safe_name).filter(|name| !name.is_empty());
    let shown = name.clone().or_else(|| params.kind.clone()).unwrap_or_else(|| unnamed.clone());
    let refused = |why: String| ErrorShape::invalid(format!("Error: attachment {shown}: {why}"));
    let (told_type, text) = without_data_url(content);
    let types = [params.mime_type.as_deref(), told_type];
    let content_type = types.into_iter().flatten().map(str::trim).find(|kind| is_type(kind));
    let content_type = content_type.unwrap_or(UNKNOWN_TYPE).to_ascii_lowercase();
    let kind = MediaKind::of(&content_type);
    let limit = if kind == MediaKind::Image { MAX_IMAGE } else { MAX_ATTACHMENT };
    let content = BASE64.decode(text.trim()).map_err(|_| refused("invalid base64 content".to_owned()))?;
    if content.len() > limit {
        let what = if kind == MediaKind::Image { "image exceeds" } else { "exceeds" };
        return Err(refused(format!("{what} size limit ({} > {limit} bytes)", content.len())));
    }
    let media = Media {
        url: format!("{MEDIA_PREFIX}{}", uuid::Uuid::new_v4()),
        content_type,
        kind,
        file_name: name.unwrap_or(unnamed),
        size_bytes: content.len() as u64,
    };
    Ok(NewAttachment { media, content })
}

/// `data:image/png;base64,…` says its own type.
fn without_data_url(content: &str) -> (Option<&str>, &str) {
    let parts = content.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    parts.map_or((None, content), |(kind, text)| (Some(kind), text))
}

fn is_type(kind: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "/+-._;= ".contains(sign);
    kind.len() <= 127 && kind.split('/').count() == 2 && kind.chars().all(is_sign)
}

/// The last part of a path, on one line.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|sign| !sign.is_control()).take(MAX_NAME).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(kind: &str, mime: &str, name: Option<&str>, content: &str) -> Result<NewAttachment, String> {
        let params = AttachmentParams {
            kind: Some(kind.into()),
            mime_type: Some(mime.into()),
            file_name: name.map(str::to_owned),
            content: Some(content.into()),
        };
        read(&[params]).map(|all| all[0].clone()).map_err(|error| error.message)
    }

    #[test]
    fn a_file_is_read_with_its_type_and_a_safe_name() {
        let file = one("file", "text/plain", Some("../../etc/p\u{0}.txt"), "aGVsbG8").unwrap();
        assert_eq!((file.content.as_slice(), file.media.file_name.as_str()), (&b"hello"[..], "p.txt"));
        assert_eq!((file.media.kind, file.media.size_bytes), (MediaKind::Document, 5));
        let image = one("image", "", None, "data:image/png;base64,aGVsbG8=").unwrap();
        assert_eq!((image.media.kind, image.media.file_name.as_str()), (MediaKind::Image, "attachment-1"));
    }

    #[test]
    fn what_is_no_file_is_refused_in_the_real_ones_words() {
        assert_eq!(
            one("image", "image/png", None, "@@@").unwrap_err(),
            "Error: attachment image: invalid base64 content"
        );
        let large = BASE64.encode(vec![0; MAX_IMAGE + 1]);
        assert_eq!(
            one("image", "image/png", Some("b.png"), &large).unwrap_err(),
            "Error: attachment b.png: image exceeds size limit (6291457 > 6291456 bytes)"
        );
        assert!(one("file", "text/plain", Some("b"), &large).is_ok());
    }

    #[test]
    fn fuzz_attachments() {
        let seeds = ["aGVsbG8=", "data:image/png;base64,iVBORw0KGgo=", "aGVsbG8", " a b ", "data:text/plain;base64,"];
        crate::fuzz::fuzz_text(&seeds, |text| {
            // No content is no attachment.
            if text.is_empty() {
                return;
            }
            if let Ok(read) = one(text, text, Some(text), text) {
                assert!(!read.media.file_name.contains(['/', '\\', '\0']), "{:?}", read.media);
                assert!(read.media.file_name.len() <= 4 * MAX_NAME && is_type(&read.media.content_type));
                assert_eq!(read.media.size_bytes, read.content.len() as u64);
            }
        });
    }
}
