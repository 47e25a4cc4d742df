//! Against a gateway of a few lines, frame by frame.

use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::*;
use crate::client::{Credentials, GatewayUrl, Route};
use crate::protocol::Scope;

type Server = WebSocketStream<TcpStream>;

/// A target, and the server's side once the challenge went out and `connect` came in.
async fn listen() -> (Target, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        route: Route::direct(GatewayUrl::local(listener.local_addr().unwrap().port())),
        credentials: Credentials::default(),
        device: None,
        scopes: vec![Scope::Read],
        timeout: Duration::from_secs(5),
    };
    (target, listener)
}

async fn say(server: &mut Server, frame: Value) {
    server.send(Message::text(frame.to_string())).await.unwrap();
}

async fn hear(server: &mut Server) -> Value {
    serde_json::from_str(server.next().await.unwrap().unwrap().to_text().unwrap()).unwrap()
}

async fn greet(listener: &TcpListener) -> Server {
    let mut server = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    say(&mut server, json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1 } }))
        .await;
    assert_eq!(hear(&mut server).await["method"], "connect");
    server
}

async fn admit_client(listener: &TcpListener) -> Server {
    let mut server = greet(listener).await;
    let hello = json!({ "type": "hello-ok", "server": { "version": "1", "connId": "c" },
                        "auth": { "role": "operator", "scopes": ["operator.read"] } });
    say(&mut server, json!({ "type": "res", "id": "connect", "ok": true, "payload": hello })).await;
    server
}

#[tokio::test]
async fn a_run_answers_twice_and_its_events_are_seen() {
    let (target, listener) = listen().await;
    let server = async {
        let mut server = admit_client(&listener).await;
        let request = hear(&mut server).await;
        let id = &request["id"];
        say(&mut server, json!({ "type": "res", "id": id, "ok": true, "payload": { "status": "accepted" } })).await;
        say(&mut server, json!({ "type": "event", "event": "chat", "payload": { "state": "delta" }, "seq": 1 })).await;
        say(&mut server, json!({ "type": "res", "id": id, "ok": true, "payload": { "status": "ok" } })).await;
    };
    let client = async {
        let mut client = Client::connect(&target).await.unwrap();
        assert_eq!(client.hello().auth.scopes, ["operator.read"]);
        let mut seen = 0;
        let reply = client.call_final("agent", json!({}), CALL_TIMEOUT, |_| seen += 1).await.unwrap();
        assert_eq!((reply["status"].as_str(), seen), (Some("ok"), 1));
        assert_eq!(client.next_event().await.unwrap().name, "chat");
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_refusal_keeps_its_details() {
    let (target, listener) = listen().await;
    let server = async {
        let mut server = greet(&listener).await;
        let error = json!({ "code": "NOT_PAIRED", "message": "device identity required",
                            "details": { "code": "DEVICE_IDENTITY_REQUIRED" } });
        say(&mut server, json!({ "type": "res", "id": "connect", "ok": false, "error": error })).await;
    };
    let (_, outcome) = tokio::join!(server, Client::connect(&target));
    let Err(ClientError::Refused(refusal)) = outcome else { panic!("refused") };
    assert_eq!(refusal.detail_code(), Some("DEVICE_IDENTITY_REQUIRED"));
}

#[tokio::test]
async fn a_close_in_the_middle_of_a_call_is_told_with_its_code() {
    let (target, listener) = listen().await;
    let server = async {
        let mut server = admit_client(&listener).await;
        hear(&mut server).await;
        let frame = CloseFrame { code: 1012.into(), reason: "service restart".into() };
        server.close(Some(frame)).await.unwrap();
    };
    let client = async {
        let mut client = Client::connect(&target).await.unwrap();
        client.call_raw("health", json!({}), CALL_TIMEOUT).await.unwrap_err()
    };
    let (_, error) = tokio::join!(server, client);
    assert!(matches!(error, ClientError::Closed { code: Some(1012), .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_there_and_somebody_mute_are_told_apart() {
    let (mut target, listener) = listen().await;
    target.timeout = Duration::from_millis(200);
    assert!(matches!(Client::connect(&target).await, Err(ClientError::Silent { .. })));
    drop(listener);
    assert!(matches!(Client::connect(&target).await, Err(ClientError::Unreachable { .. })));
}

#[tokio::test]
async fn a_page_that_is_no_gateway_is_told_as_such() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (target, listener) = listen().await;
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await.unwrap();
        stream
            .write_all(
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 33\r\n\r\nToo many unauthenticated sockets\n",
            )
            .await
            .unwrap();
    };
    let (_, outcome) = tokio::join!(server, Client::connect(&target));
    let error = outcome.unwrap_err();
    assert!(error.to_string().contains("HTTP 503: Too many unauthenticated sockets"), "{error}");
}
