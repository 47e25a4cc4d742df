//! A stand-in for a hosted model that both gateways are set up with: it answers everything with one word.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;

#[derive(Debug)]
pub struct Standin {
    port: u16,
}

impl Standin {
    /// Serves as long as this program runs.
    pub async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        Ok(Self { port })
    }

    /// The part of a configuration that names it, the same for either gateway.
    pub fn config(&self) -> Value {
        json!({
            "models": { "providers": { "standin": {
                "baseUrl": format!("http://127.0.0.1:{}/v1", self.port),
                "apiKey": "stand-in",
                "api": "openai-completions",
                "models": [{ "id": "one-word", "name": "One word", "contextWindow": 32_000 }],
            }}},
            "agents": { "defaults": { "model": { "primary": "standin/one-word" } } },
        })
    }
}

/// One answer a connection, streamed as OpenAI's chat completions are.
async fn answer(mut stream: TcpStream) -> Outcome<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut piece = [0_u8; 8 * 1024];
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend(piece.iter().take(read));
    }
    let chunk = |delta: Value, reason: Value| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "one-word", "choices": choices,
        });
        format!("data: {chunk}\n\n")
    };
    let body = [
        chunk(json!({ "role": "assistant", "content": "Yes." }), Value::Null),
        chunk(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await?;
    Ok(())
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
