//! The Control UI: the page in the binary, or one from a folder, and the headers that it is served with. The sources
//! of our own are in `control/`, built by `build.rs`. Called by `gateway::http`.

mod embedded;
mod folder;
mod index;

use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// For our own page: nothing is loaded from anywhere else, nothing runs that is not a file of ours, nobody frames it.
const OWN_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
/// For a page from a folder, what OpenClaw's needs: inline styles, pictures and frames from elsewhere. Scripts are the
/// page's own files and the inline ones that the page was built with. Unlike OpenClaw we name no foreign hosts to
/// connect to.
const FOLDER_POLICY: &str = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; \
    frame-src 'self' http: https:; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; \
    media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self'; connect-src 'self' ws: wss: data:; \
    script-src 'self' 'wasm-unsafe-eval'";
const INDEX: &str = "index.html";
/// Files whose name holds a hash of their content.
const HASHED_FOLDER: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";
/// Services that a page never stands for.
const RESERVED: [&str; 3] = ["api/", "plugins/", "v1/"];

/// The page that a gateway serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Instead of the page in the binary.
    root: Option<PathBuf>,
    base_path: String,
}

struct Asset {
    content: Bytes,
    /// Quoted.
    tag: String,
}

impl Site {
    /// `base_path` is empty, or begins with a slash and ends without one.
    #[must_use]
    pub const fn new(root: Option<PathBuf>, base_path: String) -> Self {
        Self { root, base_path }
    }

    /// The answer to a GET or HEAD of `path`, which is decoded; `known_tag` is the request's `If-None-Match`. A path
    /// without an extension is the page itself, whatever its name. `None`: there is no such file.
    pub async fn serve(&self, path: &str, known_tag: Option<&str>) -> Option<Response<Bytes>> {
        let path = path.strip_prefix(self.base_path.as_str())?;
        if path.is_empty() && !self.base_path.is_empty() {
            return Some(redirect(&format!("{}/", self.base_path)));
        }
        let path = path.strip_prefix('/')?;
        if RESERVED.iter().any(|prefix| path.starts_with(prefix)) {
            return None;
        }
        let has_extension = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
        let name = if has_extension { path } else { INDEX };
        let asset = match &self.root {
            Some(root) => folder::read(root, name).await?,
            None => embedded::load(name)?,
        };
        Some(if name == INDEX { self.page(&asset, known_tag) } else { answer(name, asset, self.policy(), known_tag) })
    }

    fn page(&self, asset: &Asset, known_tag: Option<&str>) -> Response<Bytes> {
        let html = index::stamped(&String::from_utf8_lossy(&asset.content), &self.base_path);
        let mut policy = self.policy().to_owned();
        if self.root.is_some() {
            // The list of script sources is the policy's last.
            for source in index::script_sources(&html) {
                policy.push(' ');
                policy.push_str(&source);
            }
        }
        answer(INDEX, Asset { content: html.into(), tag: asset.tag.clone() }, &policy, known_tag)
    }

    const fn policy(&self) -> &'static str {
        if self.root.is_some() { FOLDER_POLICY } else { OWN_POLICY }
    }
}

fn answer(name: &str, asset: Asset, policy: &str, known_tag: Option<&str>) -> Response<Bytes> {
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
    set(header::CONTENT_TYPE, content_type(name));
    set(header::CACHE_CONTROL, caching);
    set(header::ETAG, &asset.tag);
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    response
}

fn redirect(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// The kinds of file that a built page is made of.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        Some("woff") => "font/woff",
        Some("ttf") => "font/ttf",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn serve(path: &str, known_tag: Option<&str>) -> Option<Response<Bytes>> {
        Site::new(None, String::new()).serve(path, known_tag).await
    }

    #[tokio::test]
    async fn any_name_without_an_extension_is_the_page() {
        for path in ["/", "/index.html", "/chat/main"] {
            let response = serve(path, None).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CACHE_CONTROL], ASK_EACH_TIME);
            assert_eq!(response.headers()[header::X_FRAME_OPTIONS], "DENY");
        }
        assert!(serve("/missing.js", None).await.is_none());
        assert!(serve("/api/anything", None).await.is_none());
        assert!(serve("/../Cargo.toml", None).await.is_none());
    }

    #[tokio::test]
    async fn a_known_tag_is_answered_without_a_body() {
        let first = serve("/", None).await.unwrap();
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        let second = serve("/", Some(&tag)).await.unwrap();
        assert_eq!((second.status(), second.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }

    #[tokio::test]
    async fn under_a_base_path_nothing_is_served_elsewhere() {
        let site = Site::new(None, "/ui".to_owned());
        let root = site.serve("/ui", None).await.unwrap();
        assert_eq!((root.status(), &root.headers()[header::LOCATION]), (StatusCode::FOUND, &"/ui/".parse().unwrap()));
        assert_eq!(site.serve("/ui/chat/main", None).await.unwrap().status(), StatusCode::OK);
        for elsewhere in ["/", "/index.html", "/uix", "/uix/"] {
            assert!(site.serve(elsewhere, None).await.is_none(), "{elsewhere}");
        }
    }
}
