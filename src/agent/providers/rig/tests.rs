//! Against a small server that behaves, fails and stalls as the real endpoints do.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::secret::Secret;

const KEY: &str = "sk-very-secret";
const SSE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
const NDJSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n";
const OPENAI_HEL: &str = concat!(
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,",
    "\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n"
);
const OPENAI_LO: &str = concat!(
    ": a comment, to stay alive\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,",
    "\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[],",
    "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\ndata: [DONE]\n\n"
);
const ANTHROPIC_HEL: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",",
    "\"role\":\"assistant\",\"content\":[],\"model\":\"claude\",\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}",
    "\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,",
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,",
    "\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n"
);
const ANTHROPIC_LO: &str = concat!(
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,",
    "\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},",
    "\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
);
const OLLAMA_HEL: &str = concat!(
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n",
    "{\"model\":\"m\",\"message\":{\"role\":\"assist"
);
const OLLAMA_LO: &str = concat!(
    "ant\",\"content\":\"lo\"},\"done\":false}\n{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},",
    "\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":7,\"eval_count\":2}\n"
);

/// What the server does after its last piece.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Closes,
    Stalls,
}

/// Serves one request, the pieces a moment apart. The handle ends with the connection and gives the request.
async fn serve<const N: usize>(pieces: [&str; N], then: Then) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let pieces = pieces.map(str::to_owned);
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let request = read_request(&mut socket).await;
        for piece in pieces {
            socket.write_all(piece.as_bytes()).await.expect("written");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if then == Then::Stalls {
            let _ = socket.read(&mut [0; 16]).await;
        }
        request
    });
    (base, serving)
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    loop {
        socket.read_buf(&mut seen).await.expect("a request");
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lengths =
            head.lines().filter_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= lengths.sum() {
            return text;
        }
    }
}

type Api = fn(String) -> ModelApi;

fn openai(base_url: String) -> ModelApi {
    ModelApi::OpenAiCompletions { base_url, api_key: Some(Secret::new(KEY.to_owned())) }
}

fn anthropic(base_url: String) -> ModelApi {
    ModelApi::Anthropic { base_url: Some(base_url), api_key: Secret::new(KEY.to_owned()) }
}

fn ollama(base_url: String) -> ModelApi {
    ModelApi::Ollama { base_url: base_url.trim_end_matches("/v1").to_owned() }
}

fn ask(api: ModelApi) -> BoxStream<'static, Result<Chunk, ModelError>> {
    let settings = ModelSettings { provider: "acme".into(), id: "m1".into(), api, ..ModelSettings::echo() };
    let limits = Limits { connect: Duration::from_millis(500), idle: Duration::from_secs(1) };
    let turn = |role, text: &str| Turn::text(role, text);
    let turns = vec![
        turn(MessageRole::Assistant, "cut off"),
        turn(MessageRole::User, "one"),
        turn(MessageRole::User, "two"),
        turn(MessageRole::Assistant, " "),
    ];
    Remote::new(&settings, &limits).expect("a model").answer(Prompt { instructions: "be kind".into(), turns })
}

async fn failure(api: ModelApi) -> String {
    let chunks: Vec<_> = ask(api).collect().await;
    let last = chunks.last().expect("at least the error");
    last.as_ref().expect_err("the last item is the error").to_string()
}

#[tokio::test]
async fn text_streams_and_usage_comes_last() {
    let apis: [(Api, _, _, _); 3] = [
        (openai, SSE, OPENAI_HEL, OPENAI_LO),
        (anthropic, SSE, ANTHROPIC_HEL, ANTHROPIC_LO),
        (ollama, NDJSON, OLLAMA_HEL, OLLAMA_LO),
    ];
    for (api, head, first, second) in apis {
        let (base, _serving) = serve([head, first, second], Then::Closes).await;
        let chunks: Result<Vec<_>, _> = ask(api(base)).try_collect().await;
        let text = |text: &str| Chunk::Text(text.to_owned());
        let usage = Chunk::Usage(Usage::of(7, 2));
        assert_eq!(chunks.expect("an answer"), [text("Hel"), text("lo"), usage]);
    }
}

#[tokio::test]
async fn requests_are_as_each_provider_wants_them() {
    let keyless: Api = |base_url| ModelApi::OpenAiCompletions { base_url, api_key: None };
    let system = r#"[{"role":"system","content":"be kind"},{"role":"user","content":"one\n\ntwo"}]"#;
    for (api, path, key, part) in [
        (openai as Api, "/v1/chat/completions", "authorization: Bearer sk-very-secret\r\n", system),
        (keyless, "/v1/chat/completions", "authorization: Bearer none\r\n", r#""include_usage":true"#),
        (anthropic, "/v1/messages", "x-api-key: sk-very-secret\r\n", r#""text":"be kind"}]"#),
        (anthropic, "/v1/messages", "anthropic-version: ", r#""max_tokens":8192"#),
        (ollama, "/api/chat", "", system),
    ] {
        let (base, serving) = serve([SSE], Then::Closes).await;
        let _: Vec<_> = ask(api(base)).collect().await;
        let request = serving.await.expect("a request");
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains(key) && request.contains(part) && !request.contains("cut off"), "{request}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (status, sent, told) in [
        ("401", "{}", "acme refused the key"),
        ("403", "{}", "acme refused the key"),
        ("404", "{}", "acme does not know the model m1"),
        ("400", "{\"error\":\"model 'm1' not found\"}", "acme does not know the model m1"),
        ("400", "{\"error\":{\"code\":\"model_not_found\"}}", "acme does not know the model m1"),
        ("429", "slow down", "acme is busy"),
        ("529", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}", "acme is busy"),
        ("500", "<h1>oh\nno</h1>", "acme failed: HTTP 500: <h1>oh no</h1>"),
        ("302", "moved", "acme failed: HTTP 302: moved"),
    ] {
        for api in [openai, anthropic, ollama] {
            let head = format!("HTTP/1.1 {status} X\r\nLocation: /\r\nConnection: close\r\n\r\n");
            let (base, _serving) = serve([&head, sent], Then::Closes).await;
            let error = failure(api(base)).await;
            assert!(error.starts_with(told), "{status}: {error}");
        }
    }
}

#[tokio::test]
async fn a_cause_is_short_and_without_the_key() {
    let long = format!("{{\"error\":{{\"message\":\"{KEY}\\n broke {KEY}{}\"}}}}", "x".repeat(900));
    for api in [openai, anthropic] {
        let (base, _serving) = serve(["HTTP/1.1 500 X\r\nConnection: close\r\n\r\n", &long], Then::Closes).await;
        let error = failure(api(base)).await;
        let cause = error.strip_prefix("acme failed: ").expect("a cause");
        assert!(cause.starts_with("HTTP 500: … broke …xxx") && cause.chars().count() == 300, "{cause}");
        assert!(!cause.contains(KEY), "{cause}");
    }
}

#[tokio::test]
async fn errors_inside_a_stream_are_errors() {
    let overloaded = concat!(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",",
        "\"message\":\"Overloaded\"}}\n\n"
    );
    let (base, _serving) = serve([SSE, ANTHROPIC_HEL, overloaded], Then::Closes).await;
    assert!(failure(anthropic(base)).await.starts_with("acme is busy"));
    let upstream = "data: {\"error\":{\"code\":502,\"message\":\"upstream is down\"}}\n\n";
    let (base, _serving) = serve([SSE, OPENAI_HEL, upstream], Then::Closes).await;
    assert_eq!(failure(openai(base)).await, "acme failed: HTTP 502: upstream is down");
    let (base, _serving) = serve([NDJSON, "{\"error\":\"out of memory\"}\n"], Then::Closes).await;
    assert_eq!(failure(ollama(base)).await, "acme failed: out of memory");
    let filtered = OPENAI_LO.replace("\"stop\"", "\"content_filter\"");
    let (base, _serving) = serve([SSE, OPENAI_HEL, &filtered], Then::Closes).await;
    assert_eq!(failure(openai(base)).await, "acme failed: Provider finish_reason: content_filter");
}

#[tokio::test]
async fn a_cut_stream_is_an_error() {
    let apis: [(Api, _, _); 3] =
        [(openai, SSE, OPENAI_HEL), (anthropic, SSE, ANTHROPIC_HEL), (ollama, NDJSON, "{\"message\":{}}\n")];
    for (api, head, first) in apis {
        let (base, _serving) = serve([head, first], Then::Closes).await;
        assert_eq!(failure(api(base)).await, "acme failed: its answer broke off before the end");
        let chunked = head.replace("Connection: close", "Transfer-Encoding: chunked");
        let chunk = format!("{:x}\r\n{first}\r\n", first.len());
        let (base, _serving) = serve([&chunked, &chunk], Then::Closes).await;
        let error = failure(api(base)).await;
        assert!(error.starts_with("acme failed: the connection broke: "), "{error}");
    }
}

#[tokio::test]
async fn garbage_is_an_error() {
    let (base, _serving) = serve([SSE, "data: {\"choices\":[{\n\n"], Then::Closes).await;
    let error = failure(openai(base)).await;
    assert!(error.starts_with("acme failed: its answer cannot be read: "), "{error}");
    let (base, _serving) = serve([NDJSON, "\u{1}\u{2}\u{3}\n"], Then::Closes).await;
    let error = failure(ollama(base)).await;
    assert!(error.starts_with("acme failed: its answer cannot be read: "), "{error}");
    let (base, _serving) = serve([&SSE.replace("event-stream", "html"), "<html>"], Then::Closes).await;
    let error = failure(anthropic(base)).await;
    assert!(error.starts_with("acme failed: it sent text/html where"), "{error}");
    let (base, _serving) = serve(["SSH-2.0-OpenSSH_9.9\r\n"], Then::Closes).await;
    let error = failure(openai(base)).await;
    assert!(error.starts_with("acme cannot be reached at http://127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn silence_ends_the_request() {
    for pieces in [["", ""], [SSE, ""], [SSE, OPENAI_HEL]] {
        let (base, serving) = serve(pieces, Then::Stalls).await;
        assert_eq!(failure(openai(base)).await, "acme failed: it fell silent in the middle of the request");
        serving.await.expect("the connection is gone");
    }
}

#[tokio::test]
async fn an_unreachable_provider_is_named_without_secrets() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let error = failure(openai(format!("http://me:{KEY}@{free}/v1?key={KEY}#x"))).await;
    assert_eq!(error, format!("acme cannot be reached at http://{free}/v1: Connection refused (os error 111)"));
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = mute.local_addr().expect("an address");
    let error = failure(anthropic(format!("https://{address}"))).await;
    assert_eq!(error, format!("acme cannot be reached at https://{address}: it does not answer"));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let (base, serving) = serve([SSE, OPENAI_HEL], Then::Stalls).await;
    let mut answer = ask(openai(base));
    assert_eq!(answer.next().await.expect("a chunk").expect("text"), Chunk::Text("Hel".into()));
    assert!(!serving.is_finished());
    drop(answer);
    tokio::time::timeout(Duration::from_millis(500), serving).await.expect("closed").expect("served");
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_once() {
    for base_url in ["", "localhost:11434", "ftp://localhost"] {
        let api = ModelApi::Ollama { base_url: base_url.into() };
        let settings = ModelSettings { provider: "acme".into(), api, ..ModelSettings::echo() };
        let error = open(&settings).err().expect("refused").to_string();
        assert_eq!(error, "acme failed: its base URL is not an http:// or https:// address");
    }
}
