//! OpenClaw's own Control UI, unmodified, in a real browser against our gateway.

use crate::harness::{Browser, Gateway, gateway, tools};
use serde_json::json;

const COMPOSER: &str = "textarea[aria-label='Chat composer']";
const SEND: &str = "button[aria-label='Send message']";

async fn with_openclaws_page() -> (Gateway, Browser) {
    let root = tools().openclaw_page();
    let gateway = gateway().config(json!({"gateway": {"controlUi": {"root": root}}})).start().await;
    let mut browser = Browser::here().await;
    browser.open(&format!("{}/#token={}", gateway.http(), gateway.token())).await;
    browser.text(COMPOSER).await;
    (gateway, browser)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaws_page_signs_in_chats_and_opens_its_settings() {
    let (gateway, mut browser) = with_openclaws_page().await;
    browser.fill(COMPOSER, "hello from the page").await;
    browser.click(SEND).await;
    let answer = browser.text("text=echo: hello from the page").await;
    assert!(answer.contains("echo: hello from the page"), "{answer}");
    browser.open(&format!("{}/settings/appearance", gateway.http())).await;
    browser.text("text=Synced across your devices").await;
    assert_eq!(browser.errors().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaws_page_stops_a_running_answer() {
    let (_gateway, mut browser) = with_openclaws_page().await;
    let message = (0..2_000).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    browser.fill(COMPOSER, &message).await;
    browser.click(SEND).await;
    browser.text("text=echo: w0").await;
    browser.click("button[aria-label^='Stop']").await;
    browser.text("text=Interrupted").await;
    assert_eq!(browser.errors().await, Vec::<String>::new());
}
