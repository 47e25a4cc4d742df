//! The page in the binary.

use bytes::Bytes;

use super::Asset;

/// The built web app.
#[cfg(feature = "ui")]
#[derive(rust_embed::RustEmbed)]
#[folder = "$OUT_DIR/control-ui"]
struct Assets;

#[cfg(feature = "ui")]
pub(super) fn load(name: &str) -> Option<Asset> {
    let file = Assets::get(name)?;
    let tag = format!("\"{}\"", crate::secret::hex(&file.metadata.sha256_hash()));
    let content = match file.data {
        std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
        std::borrow::Cow::Owned(data) => Bytes::from(data),
    };
    Some(Asset { content, tag })
}

/// Without the feature the page says what is missing.
#[cfg(not(feature = "ui"))]
pub(super) fn load(name: &str) -> Option<Asset> {
    const PAGE: &str = "<!doctype html><title>tailclaw</title><p>This tailclaw was built without the Control UI. \
        Build it with the feature `ui` (Node.js is needed), or use the command line.</p>";
    (name == super::INDEX).then(|| Asset { content: Bytes::from_static(PAGE.as_bytes()), tag: "\"none\"".to_owned() })
}
