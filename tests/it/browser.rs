//! The page, in a real browser on another machine of the tailnet; and the headers it is served with.

use crate::harness::{Browser, OnTailnet, gateway, tailnet};
use serde_json::json;

const WHOAMI: &str = "[data-testid=whoami]";
const CONNECTED: &str = "[data-testid=connection][data-state=connected]";
const COMPOSER: &str = "[data-testid=composer]";
const SEND: &str = "[data-testid=send]";
const STOP: &str = "[data-testid=stop]";
const SESSION: &str = "[data-testid=session]";
const USER: &str = "[data-testid=message][data-role=user]";
const ANSWER: &str = "[data-testid=message][data-role=assistant]";
const ANSWER_DONE: &str = "[data-testid=message][data-role=assistant][data-state=final]";
const ANSWER_STOPPED: &str = "[data-testid=message][data-role=assistant][data-state=aborted]";

async fn page_on_alices_laptop() -> (OnTailnet, Browser) {
    let tailnet = tailnet().await;
    let here = tailnet.start_gateway(tailnet.gateway().await).await;
    let mut browser = Browser::on(&tailnet.alice).await;
    browser.open(&format!("http://{}:{}/", here.host, here.gateway.port)).await;
    (here, browser)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_on_the_tailnet_is_recognised_and_chats() {
    let (_here, mut browser) = page_on_alices_laptop().await;
    browser.text(CONNECTED).await;
    let whoami = browser.text(WHOAMI).await;
    assert!(whoami.contains("alice"), "the page names its reader: {whoami}");
    assert_eq!(browser.count("[data-testid=signin]").await, 0, "nobody known is asked to sign in");

    let message = (1..=60).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    browser.fill(COMPOSER, &message).await;
    browser.click(SEND).await;
    let lengths = browser.growth(ANSWER, "echo:", ANSWER_DONE).await;
    assert!(lengths.len() >= 3, "the answer is to grow before one's eyes; its lengths: {lengths:?}");
    assert!(lengths.is_sorted(), "an answer only grows: {lengths:?}");
    let answer = browser.text(ANSWER_DONE).await;
    assert!(answer.contains("echo:") && answer.contains("word60"), "{answer}");
    assert!(browser.text(USER).await.contains("word60"));
    assert!(browser.count(SESSION).await >= 1, "the sessions are listed");
    assert_eq!(browser.errors().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_answer_can_be_stopped_and_is_there_after_a_reload() {
    let (here, mut browser) = page_on_alices_laptop().await;
    // By name this time, as people do.
    browser.open(&format!("http://{}:{}/", here.full_name, here.gateway.port)).await;
    browser.text(CONNECTED).await;
    let message = (1..=2000).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    browser.fill(COMPOSER, &message).await;
    browser.click(SEND).await;
    browser.text(ANSWER).await;
    browser.click(STOP).await;
    let stopped = browser.text(ANSWER_STOPPED).await;
    assert!(!stopped.contains("w2000"), "the answer was to stop early");
    browser.reload().await;
    browser.text(CONNECTED).await;
    assert!(browser.text(USER).await.contains("w2000"), "what was said is there after a reload");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_link_signs_in_on_the_same_machine() {
    let gateway = gateway().start().await;
    let mut browser = Browser::here().await;
    browser.open(&format!("{}/#token={}", gateway.http(), gateway.token())).await;
    browser.text(CONNECTED).await;
    browser.fill(COMPOSER, "hello").await;
    browser.click(SEND).await;
    assert!(browser.text(ANSWER_DONE).await.contains("echo: hello"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_base_path_the_page_signs_in_chats_and_comes_back() {
    let gateway = gateway().config(json!({"gateway": {"controlUi": {"basePath": "/desk/one"}}})).start().await;
    let mut browser = Browser::here().await;
    // Without the slash, as people type it.
    browser.open(&format!("{}/desk/one#token={}", gateway.http(), gateway.token())).await;
    browser.text(CONNECTED).await;
    browser.fill(COMPOSER, "hello").await;
    browser.click(SEND).await;
    assert!(browser.text(ANSWER_DONE).await.contains("echo: hello"));
    browser.reload().await;
    browser.text(CONNECTED).await;
    assert!(browser.text(ANSWER_DONE).await.contains("echo: hello"), "what was said is there after a reload");
    assert_eq!(browser.errors().await, Vec::<String>::new());
    assert_eq!(gateway.get("/").await.status, 404, "the page is nowhere else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_the_page_asks_for_one() {
    let gateway = gateway().start().await;
    let mut browser = Browser::here().await;
    browser.open(&gateway.http()).await;
    browser.text("[data-testid=signin]").await;
    browser.fill("[data-testid=signin-token]", &gateway.token()).await;
    browser.click("[data-testid=signin-submit]").await;
    browser.text(CONNECTED).await;
}

#[tokio::test]
async fn the_page_is_served_with_strict_headers_and_lasting_assets() {
    let gateway = gateway().start().await;
    let page = gateway.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src") && policy.contains("frame-ancestors 'none'"), "{policy}");
    for loose in ["unsafe-inline", "unsafe-eval", "*", "http:"] {
        assert!(!policy.split([' ', ';']).any(|part| part.trim_matches('\'') == loose), "{loose} in {policy}");
    }
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.header("cache-control").contains("no-cache") || page.header("cache-control").contains("no-store"));
    assert!(!page.body.contains("<script>") && !page.body.contains("style="), "nothing inline: {}", page.body);

    let asset = page
        .body
        .split('"')
        .find(|part| part.contains("assets/") && part.ends_with(".js"))
        .unwrap_or_else(|| panic!("the page loads a script: {}", page.body));
    let asset = gateway.get(&format!("/{}", asset.trim_start_matches("./").trim_start_matches('/'))).await;
    assert_eq!(asset.status, 200);
    assert!(asset.header("content-type").contains("javascript"), "{:?}", asset.headers);
    assert!(asset.header("cache-control").contains("immutable"), "{:?}", asset.headers);
    assert_eq!(asset.header("x-content-type-options"), "nosniff");

    // Paths of the page's own making lead to it; files and services that do not exist do not.
    assert_eq!(gateway.get("/chat/main").await.status, 200);
    for missing in ["/no-such-file.js", "/assets/nothing.css", "/api/nothing", "/../Cargo.toml"] {
        assert_eq!(gateway.get(missing).await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn probes_answer_without_authentication() {
    let gateway = gateway().start().await;
    for path in ["/healthz", "/health"] {
        let answer = gateway.get(path).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"ok": true, "status": "live"})), "{path}");
    }
    assert_eq!(gateway.get("/readyz").await.json()["ready"], true);
    assert_eq!(gateway.get("/startupz").await.json()["status"], "started");
}
