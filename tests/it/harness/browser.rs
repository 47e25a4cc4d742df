//! Chromium on a machine of the tailnet, driven over a script of `tests/clients` that takes one JSON command a line.

use super::driver::Driver;
use super::{Authority, TailscalePeer, tools};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub struct Browser(Driver);

impl Browser {
    /// A browser whose every connection comes out of that peer.
    pub async fn on(peer: &TailscalePeer) -> Browser {
        Browser::launch(Some(peer.socks_port), None).await
    }

    /// The same, which trusts the certificates that this authority has given out, and no others of strangers.
    pub async fn trusting(peer: &TailscalePeer, authority: &Authority) -> Browser {
        Browser::launch(Some(peer.socks_port), Some(authority.pins())).await
    }

    /// A browser on the gateway's own machine.
    pub async fn here() -> Browser {
        Browser::launch(None, None).await
    }

    async fn launch(socks_port: Option<u16>, pins: Option<String>) -> Browser {
        let proxy = socks_port.map(|port| OsString::from(format!("socks5://127.0.0.1:{port}")));
        let arguments =
            std::iter::once(tools().chromium().into_os_string()).chain(proxy).chain(pins.map(OsString::from));
        Browser(Driver::start("browser.mjs", arguments).await)
    }

    pub async fn open(&mut self, url: &str) {
        self.ask(json!({"do": "open", "url": url})).await;
    }

    pub async fn reload(&mut self) {
        self.ask(json!({"do": "reload"})).await;
    }

    /// Waits until an element fits this CSS selector and is visible; gives its text.
    pub async fn text(&mut self, selector: &str) -> String {
        let text = self.ask(json!({"do": "text", "selector": selector})).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    pub async fn fill(&mut self, selector: &str, text: &str) {
        self.ask(json!({"do": "fill", "selector": selector, "text": text})).await;
    }

    pub async fn click(&mut self, selector: &str) {
        self.ask(json!({"do": "click", "selector": selector})).await;
    }

    pub async fn count(&mut self, selector: &str) -> u64 {
        self.ask(json!({"do": "count", "selector": selector})).await.as_u64().unwrap_or_default()
    }

    /// The lengths of an element's text each time it changed, from when it contains `beginning` until an element fits
    /// `until`.
    pub async fn growth(&mut self, selector: &str, beginning: &str, until: &str) -> Vec<u64> {
        let command = json!({"do": "growth", "selector": selector, "beginning": beginning, "until": until});
        let lengths = self.ask(command).await;
        lengths.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
    }

    /// Errors of the page so far: uncaught exceptions, console errors, refused loads.
    pub async fn errors(&mut self) -> Vec<String> {
        let errors = self.ask(json!({"do": "errors"})).await;
        errors.as_array().into_iter().flatten().filter_map(|error| Some(error.as_str()?.to_owned())).collect()
    }

    async fn ask(&mut self, command: Value) -> Value {
        match self.0.ask(&command).await {
            Ok(answer) => answer,
            Err(complaint) => {
                let picture = picture_path();
                let _ = self.0.ask(&json!({"do": "screenshot", "path": picture})).await;
                panic!("browser: {command}: {complaint}; picture: {}", picture.display());
            }
        }
    }
}

fn picture_path() -> PathBuf {
    let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.png"))
}
