//! A session's history as it grows: `GET /sessions/<key>/history` for readers of events.

use super::{BEARER, open_gateway, post};
use crate::harness::{Gateway, seconds, within};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

const HISTORY: &str = "/sessions/openai-user:ann/history";

struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    async fn open(gateway: &Gateway, path: &str) -> Events {
        let stream = TokioIo::new(gateway.dial().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::get(path)
            .header("host", "127.0.0.1")
            .header("accept", "text/event-stream")
            .header(BEARER.0, BEARER.1)
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let answer = within("the answer", seconds(10), sender.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        Events { body: answer.into_body(), text: String::new() }
    }

    /// The next block, without the empty line behind it; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        within("the next event", seconds(20), async {
            loop {
                if let Some((block, rest)) = self.text.split_once("\n\n") {
                    let (block, rest) = (block.to_owned(), rest.to_owned());
                    self.text = rest;
                    return Some(block);
                }
                let frame = self.body.frame().await?.expect("the stream goes on or ends well");
                self.text.push_str(std::str::from_utf8(frame.data_ref().expect("no trailers")).unwrap());
            }
        })
        .await
    }

    async fn event(&mut self, name: &str) -> Value {
        let block = self.block().await.unwrap_or_else(|| panic!("{name}: the stream ended"));
        let data = block.strip_prefix(&format!("event: {name}\ndata: ")).unwrap_or_else(|| panic!("{name}: {block}"));
        serde_json::from_str(data).unwrap()
    }
}

async fn say(gateway: &Gateway, text: &str) {
    let wish = json!({"model": "openclaw", "user": "ann", "messages": [{"role": "user", "content": text}]});
    assert_eq!(post(gateway, "/v1/chat/completions", &wish.to_string()).await.status, 200);
}

#[tokio::test]
async fn a_history_is_followed_until_it_begins_anew() {
    let gateway = open_gateway().await;
    say(&gateway, "one").await;
    let mut all = Events::open(&gateway, HISTORY).await;
    let mut newest = Events::open(&gateway, &format!("{HISTORY}?limit=1")).await;
    for events in [&mut all, &mut newest] {
        assert_eq!(events.block().await.as_deref(), Some("retry: 1000"));
    }
    let whole = gateway.get_with(HISTORY, &[BEARER]).await.json();
    assert_eq!(all.event("history").await, whole);
    assert_eq!(newest.event("history").await["items"].as_array().unwrap().len(), 1);

    say(&gateway, "two").await;
    for (seq, role) in [(3, "user"), (4, "assistant")] {
        let told = all.event("message").await;
        let message = &told["message"];
        assert_eq!((&told["messageSeq"], &message["role"]), (&json!(seq), &json!(role)), "{told}");
        assert_eq!((&told["messageId"], &told["sessionKey"]), (&message["__openclaw"]["id"], &whole["sessionKey"]));
        assert_eq!(told.as_object().unwrap().len(), 4, "{told}");
    }
    let whole = gateway.get_with(HISTORY, &[BEARER]).await.json();
    assert_eq!(whole["items"].as_array().unwrap().len(), 4);
    // A page is told as a whole, once or more on the way to what is newest.
    let newest_id = &whole["items"][3]["__openclaw"]["id"];
    let page = async {
        loop {
            let page = newest.event("history").await;
            if page["items"][0]["__openclaw"]["id"] == *newest_id {
                return page;
            }
        }
    };
    let page = within("the newest message", seconds(10), page).await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["hasMore"]), (1, &json!(true)), "{page}");

    let reset = json!({"key": "openai-user:ann"});
    gateway.operator().await.request("sessions.reset", reset).await.expect("the session begins anew");
    for events in [&mut all, &mut newest] {
        while let Some(block) = events.block().await {
            assert!(block.starts_with("event: history\n"), "{block}");
        }
    }
}

#[tokio::test]
async fn a_gateway_that_stops_ends_those_who_follow() {
    let mut gateway = open_gateway().await;
    say(&gateway, "one").await;
    let mut events = Events::open(&gateway, HISTORY).await;
    events.block().await;
    events.event("history").await;
    let (_, end) = tokio::join!(gateway.stop(), events.block());
    assert_eq!(end, None);
}

#[tokio::test]
async fn who_follows_has_to_be_let_in_and_to_ask_for_events_by_name() {
    let gateway = open_gateway().await;
    say(&gateway, "one").await;
    for accept in ["*/*", "text/*", "text/event-stream;q=0"] {
        let answer = gateway.get_with(HISTORY, &[BEARER, ("accept", accept)]).await;
        assert!(answer.header("content-type").starts_with("application/json"), "{accept}: {answer:?}");
    }
    let events = ("accept", "text/event-stream");
    assert_eq!(gateway.get_with(HISTORY, &[events]).await.status, 401);
    assert_eq!(gateway.get_with("/sessions/nobody/history", &[BEARER, events]).await.status, 404);
    assert_eq!(gateway.get_with(&format!("{HISTORY}?limit=x"), &[BEARER, events]).await.status, 400);
}
