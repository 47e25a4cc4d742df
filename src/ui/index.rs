//! The page itself, as it has to be served under a path of its own and at any depth.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// Names relative to the page become absolute, so that `/chat/main` finds its assets too, and the page is told under
/// which path it lives. Otherwise the text stays as it is.
pub(super) fn stamped(html: &str, base_path: &str) -> String {
    let absolute = html.replace("=\"./", &format!("=\"{base_path}/"));
    absolute.replacen("<html", &format!("<html data-openclaw-control-ui-base-path=\"{base_path}\""), 1)
}

/// The `Content-Security-Policy` sources for the scripts that stand in the page's own text.
pub(super) fn script_sources(html: &str) -> Vec<String> {
    let mut sources = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once("<script") {
        let Some((attributes, body)) = after.split_once('>') else { break };
        let Some((script, after)) = body.split_once("</script>") else { break };
        if !attributes.contains(" src=") {
            sources.push(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script))));
        }
        rest = after;
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_named_from_the_root() {
        let html = "<html lang=\"en\"><script src=\"./a.js\"></script><a href=\"https://x/./y\">";
        assert_eq!(
            stamped(html, "/ui"),
            "<html data-openclaw-control-ui-base-path=\"/ui\" lang=\"en\"><script src=\"/ui/a.js\"></script>\
             <a href=\"https://x/./y\">"
        );
    }

    #[test]
    fn inline_scripts_are_known_by_their_hash() {
        let html = "<script type=\"module\" src=\"/a.js\"></script><script data-x>alert(1)</script><script>";
        assert_eq!(script_sources(html), ["'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"]);
    }
}
