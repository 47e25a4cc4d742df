//! `/v1/…`, `/tools/invoke` and `/sessions/…`: the routes of programs that know the shared secret.

use super::{BEARER, assert_error, open_gateway, post};
use crate::harness::{eventually, gateway, seconds, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROUTES: [(&str, &str); 8] = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/openclaw"),
    ("POST", "/tools/invoke"),
    ("GET", "/sessions/main/history"),
    ("POST", "/sessions/main/kill"),
];

fn hello(more: Value) -> String {
    let mut body = json!({"model": "openclaw", "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn nothing_is_answered_without_the_secret() {
    let gateway = open_gateway().await;
    for (method, path) in ROUTES {
        let none = gateway.send(method, path, &[], "{}").await;
        assert_error(&none, 401, "unauthorized", "Unauthorized");
        for other in ["PUT", "DELETE", if method == "GET" { "POST" } else { "GET" }] {
            let refused = gateway.send(other, path, &[BEARER], "").await;
            assert_eq!((refused.status, refused.header("allow")), (405, method), "{other} {path}");
        }
        assert_eq!(gateway.send("HEAD", path, &[BEARER], "").await.status, 405, "{path}");
    }
    for wrong in ["Bearer other", "Basic the-gateway-token", "the-gateway-token"] {
        let refused = gateway.get_with("/v1/models", &[("authorization", wrong)]).await;
        assert_error(&refused, 401, "unauthorized", "Unauthorized");
    }
    let in_the_query = gateway.get("/v1/models?token=the-gateway-token").await;
    assert_eq!(in_the_query.status, 401, "a secret in a path ends up in logs");
}

#[tokio::test]
async fn the_openai_endpoints_are_off_unless_switched_on() {
    let gateway = gateway().config(json!({"gateway": {"auth": {"token": "the-gateway-token"}}})).start().await;
    for path in ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"] {
        assert_eq!(post(&gateway, path, &hello(json!({}))).await.status, 404, "{path}");
    }
    assert_eq!(gateway.get_with("/v1/models", &[BEARER]).await.status, 404);
    assert_eq!(post(&gateway, "/tools/invoke", "{}").await.status, 400, "always on");
}

#[tokio::test]
async fn without_a_secret_only_programs_of_this_machine_are_served() {
    let gateway = gateway()
        .config(json!({"gateway": {
            "auth": {"mode": "none"}, "http": {"endpoints": {"chatCompletions": {"enabled": true}}},
        }}))
        .start()
        .await;
    assert_eq!(gateway.get("/v1/models").await.status, 200);
    let foreign_page = [("origin", "https://evil.example"), ("content-type", "text/plain")];
    assert_eq!(gateway.send("POST", "/v1/chat/completions", &foreign_page, &hello(json!({}))).await.status, 401);
}

#[tokio::test]
async fn a_whole_completion() {
    let gateway = open_gateway().await;
    let answer = post(&gateway, "/v1/chat/completions", &hello(json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl_"), "{body}");
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("openclaw")));
    let choice = &body["choices"][0];
    assert_eq!(choice["message"], json!({"role": "assistant", "content": "echo: hello"}));
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")));
    assert!(body["usage"]["total_tokens"].is_u64(), "{body}");
}

#[tokio::test]
async fn a_streamed_completion_ends_with_done() {
    let gateway = open_gateway().await;
    let words = vec!["word"; 200].join(" ");
    let wish = json!({
        "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": words}],
    });
    let answer = post(&gateway, "/v1/chat/completions", &hello(wish)).await;
    assert!(answer.header("content-type").starts_with("text/event-stream"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let mut chunks: Vec<&str> = answer.body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(chunks.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({"role": "assistant"}));
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, format!("echo: {words}"));
    assert_eq!(chunks[chunks.len() - 2]["choices"][0]["finish_reason"], "stop");
    let last = &chunks[chunks.len() - 1];
    assert_eq!((&last["choices"], last["usage"]["prompt_tokens"].is_u64()), (&json!([]), true));
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"]));
}

#[tokio::test]
async fn requests_share_a_session_by_user_or_by_key() {
    let gateway = open_gateway().await;
    post(&gateway, "/v1/chat/completions", &hello(json!({"user": "bob"}))).await;
    let headers = [BEARER, ("x-openclaw-session-key", "shared")];
    gateway.send("POST", "/v1/chat/completions", &headers, &hello(json!({}))).await;
    for key in ["openai-user:bob", "shared", "agent%3Amain%3Ashared"] {
        let history = gateway.get_with(&format!("/sessions/{key}/history"), &[BEARER]).await;
        assert_eq!(history.status, 200, "{key}: {history:?}");
        let history = history.json();
        assert_eq!(history["items"], history["messages"]);
        assert_eq!(history["items"].as_array().unwrap().len(), 2, "{history}");
        assert_eq!(history["hasMore"], false);
    }
    let reserved = [BEARER, ("x-openclaw-session-key", "cron:nightly")];
    let refused = gateway.send("POST", "/v1/chat/completions", &reserved, &hello(json!({}))).await;
    let message = "`x-openclaw-session-key` cannot use reserved internal session namespaces.";
    assert_error(&refused, 400, "invalid_request_error", message);
}

#[tokio::test]
async fn a_wrong_completion_request_is_told_what_is_wrong() {
    let gateway = open_gateway().await;
    for (body, message) in [
        ("[]".to_owned(), ": Invalid input: expected object, received array"),
        (hello(json!({"messages": "x"})), "messages: Invalid input: expected array, received string"),
        (hello(json!({"messages": []})), "Missing user message in `messages`."),
        (hello(json!({"messages": [{"role": "system", "content": "x"}]})), "Missing user message in `messages`."),
        (hello(json!({"model": "gpt-4"})), "Invalid `model`. Use `openclaw` or `openclaw/<agentId>`."),
        (hello(json!({"model": "openclaw/nobody"})), "Unknown agent 'nobody'."),
        (hello(json!({"stream": "yes"})), "stream: Invalid input: expected boolean, received string"),
        (hello(json!({"temperature": 9})), "`temperature` must be between 0 and 2."),
        (hello(json!({"max_tokens": 0})), "max_tokens: Too small: expected number to be >0"),
        (
            hello(json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]})),
            "Invalid image_url content in `messages`.",
        ),
    ] {
        let refused = post(&gateway, "/v1/chat/completions", &body).await;
        assert_error(&refused, 400, "invalid_request_error", message);
    }
    for broken in ["{", "{\"a\":", &"[".repeat(50_000)] {
        let refused = post(&gateway, "/v1/chat/completions", broken).await;
        assert_eq!((refused.status, &refused.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    }
}

#[tokio::test]
async fn a_body_has_its_bound() {
    let gateway = open_gateway().await;
    for (path, most) in [("/tools/invoke", 2 << 20), ("/v1/embeddings", 5 << 20)] {
        let refused = post(&gateway, path, &" ".repeat(most + 1)).await;
        assert_error(&refused, 413, "invalid_request_error", "Payload too large");
        assert_eq!(post(&gateway, path, &" ".repeat(most)).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_run() {
    let gateway = open_gateway().await;
    let words = (0..4_000).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    for streams in [true, false] {
        let user = format!("leaver-{streams}");
        let wish = json!({"stream": streams, "user": user, "messages": [{"role": "user", "content": words}]});
        let body = hello(wish);
        let mut stream = gateway.dial().await;
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer the-gateway-token\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        if streams {
            let mut first = [0; 256];
            assert!(stream.read(&mut first).await.unwrap() > 0);
        }
        let history = format!("/sessions/openai-user:{user}/history");
        eventually("the message is stored", seconds(10), || async {
            match gateway.get_with(&history, &[BEARER]).await.status {
                200 => Ok(()),
                status => Err(status),
            }
        })
        .await;
        drop(stream);
        let mut client = gateway.operator().await;
        let params = json!({"key": format!("openai-user:{user}")});
        let mut is_over = async || {
            let row = client.request("sessions.describe", params.clone()).await.expect("an answer");
            row["session"]["hasActiveRun"] == false
        };
        within("the run ends", seconds(10), async { while !is_over().await {} }).await;
        let said = gateway.get_with(&history, &[BEARER]).await.json();
        let of_the_agent = |message: &&Value| message["role"] == "assistant";
        for answer in said["items"].as_array().unwrap().iter().filter(of_the_agent) {
            assert!(!answer.to_string().contains("w3999"), "the run was to stop early");
        }
    }
}

#[tokio::test]
async fn models_are_the_agents() {
    let gateway = open_gateway().await;
    let list = gateway.get_with("/v1/models", &[BEARER]).await.json();
    let ids: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|row| row["id"].as_str()).collect();
    assert_eq!((&list["object"], ids), (&json!("list"), vec!["openclaw", "openclaw/default", "openclaw/main"]));
    for path in ["/v1/models/openclaw/main", "/v1/models/openclaw%2Fmain"] {
        let row = gateway.get_with(path, &[BEARER]).await.json();
        let expected = json!({
            "id": "openclaw/main", "object": "model", "created": 0, "owned_by": "openclaw", "permission": [],
        });
        assert_eq!(row, expected, "{path}");
    }
    let invalid = gateway.get_with("/v1/models/gpt-4", &[BEARER]).await;
    assert_error(&invalid, 400, "invalid_request_error", "Invalid model id.");
    let unknown = gateway.get_with("/v1/models/openclaw/nobody", &[BEARER]).await;
    assert_error(&unknown, 404, "invalid_request_error", "Model 'openclaw/nobody' not found.");
}

#[tokio::test]
async fn embeddings_say_that_there_is_no_model_for_them() {
    let gateway = open_gateway().await;
    for (body, message) in [
        ("{}", "Missing `model`."),
        (r#"{"model": "openclaw"}"#, "`input` must be a string or an array of strings."),
        (r#"{"model": "openclaw", "input": []}"#, "`input` must contain at least one non-empty string."),
        (r#"{"model": "openclaw", "input": [1]}"#, "input: Invalid input"),
        (r#"{"model": "x", "input": "x"}"#, "Invalid `model`. Use `openclaw` or `openclaw/<agentId>`."),
    ] {
        assert_error(&post(&gateway, "/v1/embeddings", body).await, 400, "invalid_request_error", message);
    }
    let right = post(&gateway, "/v1/embeddings", r#"{"model": "openclaw", "input": "x"}"#).await;
    assert_error(&right, 500, "api_error", "internal error");
}

#[tokio::test]
async fn a_response_whole_and_streamed() {
    let gateway = open_gateway().await;
    let whole = post(&gateway, "/v1/responses", r#"{"model": "openclaw", "input": "hello"}"#).await;
    assert_eq!(whole.status, 200, "{whole:?}");
    let whole = whole.json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(whole["output"][0]["content"], json!([{"type": "output_text", "text": "echo: hello"}]));
    assert!(whole["usage"]["output_tokens_details"]["reasoning_tokens"].is_u64());

    let message = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]});
    let wish = json!({"model": "openclaw", "input": [message], "instructions": "be kind", "stream": true});
    let answer = post(&gateway, "/v1/responses", &wish.to_string()).await;
    let names: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let beginning = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
    ];
    let end =
        ["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"];
    assert_eq!(names[..5], beginning);
    assert_eq!(names[names.len() - 4..], end);
    assert!(answer.body.ends_with("data: [DONE]\n\n"));
    let deltas: String = answer
        .body
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|event| Some(event["delta"].as_str()?.to_owned()))
        .collect();
    assert!(deltas.starts_with("echo: ") && deltas.ends_with("hello"), "{deltas}");
}

#[tokio::test]
async fn a_wrong_response_request_is_told_what_is_wrong() {
    let gateway = open_gateway().await;
    for (body, message) in [
        ("{}", "model: Invalid input: expected string, received undefined"),
        (r#"{"model": "openclaw"}"#, "input: Invalid input"),
        (r#"{"model": "openclaw", "input": 5}"#, "input: Invalid input"),
        (r#"{"model": "openclaw", "input": [{"role": "user", "content": "x"}]}"#, "input: Invalid input"),
        (r#"{"model": "openclaw", "input": []}"#, "Missing user message in `input`."),
        (r#"{"model": "gpt", "input": "x"}"#, "Invalid `model`. Use `openclaw` or `openclaw/<agentId>`."),
        (
            r#"{"model": "openclaw", "input": "x", "instructions": 5}"#,
            "instructions: Invalid input: expected string, received number",
        ),
    ] {
        assert_error(&post(&gateway, "/v1/responses", body).await, 400, "invalid_request_error", message);
    }
}

#[tokio::test]
async fn tools_that_do_not_exist_are_not_available() {
    let gateway = open_gateway().await;
    for (body, status, kind, message) in [
        ("{}", 400, "invalid_request", "tools.invoke requires name"),
        ("[]", 400, "invalid_request", "tools.invoke requires name"),
        (r#"{"tool": 5}"#, 400, "invalid_request", "tools.invoke requires name"),
        (r#"{"tool": "exec", "args": {}}"#, 404, "not_found", "Tool not available: exec"),
        (r#"{"name": "no_such_tool", "dryRun": true}"#, 404, "not_found", "Tool not available: no_such_tool"),
    ] {
        let answer = post(&gateway, "/tools/invoke", body).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.json(), json!({"ok": false, "error": {"type": kind, "message": message}}), "{body}");
    }
}

#[tokio::test]
async fn a_history_is_read_page_by_page() {
    let gateway = open_gateway().await;
    for _ in 0..3 {
        post(&gateway, "/v1/chat/completions", &hello(json!({"user": "ada"}))).await;
    }
    let path = "/sessions/openai-user:ada/history";
    let page = gateway.get_with(&format!("{path}?limit=4"), &[BEARER]).await.json();
    assert_eq!((page["items"].as_array().unwrap().len(), &page["hasMore"]), (4, &json!(true)), "{page}");
    let cursor = page["nextCursor"].as_str().unwrap();
    let older = gateway.get_with(&format!("{path}?limit=4&cursor={cursor}"), &[BEARER]).await.json();
    assert_eq!((older["items"].as_array().unwrap().len(), &older["hasMore"]), (2, &json!(false)), "{older}");
    assert!(older.get("nextCursor").is_none(), "{older}");
    for (query, message) in [
        ("limit=0", "limit must be a positive integer"),
        ("limit=x", "limit must be a positive integer"),
        ("cursor=-1", "cursor must be a positive integer"),
    ] {
        let refused = gateway.get_with(&format!("{path}?{query}"), &[BEARER]).await;
        assert_error(&refused, 400, "invalid_request_error", message);
    }
    let unknown = gateway.get_with("/sessions/agent%3Amain%3Anone/history", &[BEARER]).await;
    let error = json!({"type": "not_found", "message": "Session not found: agent:main:none"});
    assert_eq!((unknown.status, unknown.json()["error"].clone()), (404, error));
    for broken in ["/sessions/%zz/history", "/sessions/%20/history", "/sessions/%00/history"] {
        let refused = gateway.get_with(broken, &[BEARER]).await;
        assert_error(&refused, 400, "invalid_request_error", "invalid session key");
    }
}

#[tokio::test]
async fn the_secret_alone_kills_nothing() {
    let gateway = open_gateway().await;
    let refused = post(&gateway, "/sessions/main/kill", "").await;
    assert_eq!((refused.status, &refused.json()["error"]["details"]["code"]), (403, &json!("MISSING_SCOPE")));
    let broken = post(&gateway, "/sessions/%zz/kill", "").await;
    assert_error(&broken, 400, "invalid_request_error", "invalid session key");
}
