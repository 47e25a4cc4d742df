//! The Control UI as it lies in the binary: assets and their headers. Its sources are in `control/`, built by
//! `build.rs`. Called by `gateway::http`.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// The built web app.
#[cfg(feature = "ui")]
#[derive(rust_embed::RustEmbed)]
#[folder = "$OUT_DIR/control-ui"]
struct Assets;

/// Nothing is loaded from anywhere else, nothing runs that is not a file of ours, nobody frames the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
const INDEX: &str = "index.html";
/// Files whose name holds a hash of their content.
const HASHED_FOLDER: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";

struct Asset {
    content: Bytes,
    /// Quoted.
    tag: String,
    kind: String,
}

/// The answer to a GET or HEAD of `path`; `known_tag` is the request's `If-None-Match`. A path without an extension
/// is the page itself, whatever its name. `None`: there is no such file.
#[must_use]
pub fn serve(path: &str, known_tag: Option<&str>) -> Option<Response<Bytes>> {
    let path = path.trim_start_matches('/');
    let has_extension = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let is_reserved = ["api/", "plugins/", "v1/"].iter().any(|prefix| path.starts_with(prefix));
    let name = if has_extension { path } else { INDEX };
    if is_reserved {
        return None;
    }
    let asset = load(name)?;
    let caching = if name.starts_with(HASHED_FOLDER) { FOR_EVER } else { ASK_EACH_TIME };
    let is_known = known_tag.is_some_and(|known| known.split(',').any(|tag| tag.trim() == asset.tag));
    let (status, body) =
        if is_known { (StatusCode::NOT_MODIFIED, Bytes::new()) } else { (StatusCode::OK, asset.content) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &asset.kind);
    set(header::CACHE_CONTROL, caching);
    set(header::ETAG, &asset.tag);
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    Some(response)
}

#[cfg(feature = "ui")]
fn load(name: &str) -> Option<Asset> {
    let file = Assets::get(name)?;
    let tag = format!("\"{}\"", crate::secret::hex(&file.metadata.sha256_hash()));
    let content = match file.data {
        std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
        std::borrow::Cow::Owned(data) => Bytes::from(data),
    };
    Some(Asset { content, tag, kind: content_type(name).to_owned() })
}

/// Without the feature the page says what is missing.
#[cfg(not(feature = "ui"))]
fn load(name: &str) -> Option<Asset> {
    const PAGE: &str = "<!doctype html><title>tailclaw</title><p>This tailclaw was built without the Control UI. \
        Build it with the feature `ui` (Node.js is needed), or use the command line.</p>";
    (name == INDEX).then(|| Asset {
        content: Bytes::from_static(PAGE.as_bytes()),
        tag: "\"none\"".to_owned(),
        kind: content_type(name).to_owned(),
    })
}

/// The kinds of file that a Vite build puts out.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_without_an_extension_is_the_page() {
        for path in ["/", "/index.html", "/chat/main"] {
            let response = serve(path, None).unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CACHE_CONTROL], ASK_EACH_TIME);
            assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY");
        }
        assert!(serve("/missing.js", None).is_none());
        assert!(serve("/api/anything", None).is_none());
        assert!(serve("/../Cargo.toml", None).is_none());
    }

    #[test]
    fn a_known_tag_is_answered_without_a_body() {
        let first = serve("/", None).unwrap();
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        let second = serve("/", Some(&tag)).unwrap();
        assert_eq!((second.status(), second.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }
}
