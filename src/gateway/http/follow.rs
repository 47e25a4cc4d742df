//! `GET /sessions/<key>/history` as server-sent events: the history as it is, then each new message.
//!
//! ```text
//! retry: 1000
//! event: history    {sessionKey, items[], messages[], hasMore, nextCursor?}
//! event: message    {sessionKey, message, messageId, messageSeq}
//! : keepalive       every 15 s
//! ```
//!
//! A page that was asked for by `limit` or `cursor` is sent again as a whole instead. The stream ends where the session
//! begins anew or goes, where the gateway's door changes, and with the gateway; the reader then comes back by itself.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::sessions::{Wanted, shown};
use super::text;
use crate::auth::Settings;
use crate::gateway::Gateway;
use crate::gateway::fanout::Signal;
use crate::protocol::chat::{HistoryReply, Transcript, TranscriptPage};
use crate::protocol::sessions::Message;
use crate::sessions::SessionKey;

const KEEPALIVE: Duration = Duration::from_secs(15);
const RETRY: &str = "retry: 1000\n\n";

/// Whether the caller names the type itself: a wildcard does not ask for an answer without an end.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    text(headers, header::ACCEPT).is_some_and(|accept| accept.split(',').any(is_event_stream))
}

fn is_event_stream(range: &str) -> bool {
    let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
    let is_acceptable = parameters.split(';').filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("q") || value.trim().parse::<f32>().is_ok_and(|quality| quality > 0.0)
    });
    is_acceptable && name.trim().eq_ignore_ascii_case("text/event-stream")
}

/// One reader of one session.
pub(super) struct Reader {
    pub gateway: Arc<Gateway>,
    pub key: SessionKey,
    pub wanted: Wanted,
    /// Taken before the history was read, so that nothing falls between.
    pub signal: Signal,
    /// By which the caller was let in.
    pub door: Arc<Settings>,
}

struct Following {
    reader: Reader,
    /// Where the reader has come to.
    cursor: Option<String>,
    ready: VecDeque<String>,
}

/// Reads no faster than its reader: what is not taken yet stays in the database.
pub(super) fn events(
    reader: Reader,
    transcript: &Transcript,
) -> impl Stream<Item = Result<String, Infallible>> + Send + use<> {
    let first = format!("{RETRY}{}", event("history", &shown(&reader.key, transcript)));
    let following = Following { cursor: transcript.delta_cursor.clone(), ready: VecDeque::from([first]), reader };
    stream::unfold(following, |mut following| async move {
        let next = following.next().await?;
        Some((Ok(next), following))
    })
}

impl Following {
    /// `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            tokio::select! {
                biased;
                () = self.reader.gateway.shutdown.draining() => return None,
                () = self.reader.signal.changed() => {}
                () = tokio::time::sleep(KEEPALIVE) => {
                    return self.is_still_let_in().then(|| ": keepalive\n\n".to_owned());
                }
            }
            if !self.is_still_let_in() {
                return None;
            }
            self.read().await?;
        }
    }

    /// What let the caller in is asked again with each event, as the shared secret or the proxies may have changed.
    fn is_still_let_in(&self) -> bool {
        let (before, now) = (&self.reader.door, self.reader.gateway.gatekeeper.settings());
        before.mode == now.mode && before.proxies == now.proxies
    }

    /// Fetches what is new; `None` where the session is another one by now.
    async fn read(&mut self) -> Option<()> {
        let Reader { gateway, key, wanted, .. } = &self.reader;
        let page = TranscriptPage { cursor: self.cursor.clone(), limit: None, offset: None, max_chars: None };
        let delta = match logged(gateway.http.sessions.history(key, key.to_string(), &page).await)? {
            HistoryReply::Delta(delta) => delta,
            HistoryReply::Whole(_) | HistoryReply::Reset { .. } => return None,
        };
        if delta.messages.is_empty() {
            return Some(());
        }
        if wanted.is_page() {
            let transcript = logged(wanted.read(gateway, key).await)??;
            self.ready.push_back(event("history", &shown(key, &transcript)));
        } else {
            self.ready.extend(delta.messages.iter().map(|message| event("message", &told(message))));
        }
        self.cursor = Some(delta.delta_cursor);
        // There may be more than one answer holds; it is fetched when these are taken.
        self.reader.signal.again();
        Some(())
    }
}

fn told(message: &Message) -> Value {
    json!({
        "sessionKey": message.session_key, "message": message.message, "messageId": message.message_id,
        "messageSeq": message.message_seq,
    })
}

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn logged<T>(read: Result<T, crate::store::Error>) -> Option<T> {
    read.inspect_err(|error| tracing::error!(%error, "a followed history could not be read")).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_its_own_name_asks_for_events() {
        let is_wanted = |accept: &'static str| {
            is_wanted(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]))
        };
        for wanted in [
            "text/event-stream",
            "TEXT/Event-Stream",
            "application/json, text/event-stream",
            "text/event-stream; charset=utf-8",
            "text/event-stream;q=0.1",
        ] {
            assert!(is_wanted(wanted), "{wanted}");
        }
        for other in ["", "*/*", "text/*", "application/json", "text/event-stream;q=0", "text/event-stream;q=x"] {
            assert!(!is_wanted(other), "{other}");
        }
        assert!(!super::is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn fuzz_accept() {
        crate::fuzz::fuzz(&[b"text/event-stream;q=0.5, */*", b"text/html,text/event-stream"], |bytes| {
            let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
            let asks = bytes.to_ascii_lowercase().windows(17).any(|window| window == b"text/event-stream");
            assert!(asks || !super::is_wanted(&HeaderMap::from_iter([(header::ACCEPT, value)])));
        });
    }
}
