//! The contract file against the running gateway.

use crate::harness::{connect_params, gateway};
use serde_json::Value;

#[tokio::test]
async fn the_gateway_serves_the_methods_of_the_contract_and_no_others() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/protocol/methods.json");
    let contract: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let promised: Vec<&str> =
        contract["methods"].as_array().unwrap().iter().map(|method| method["name"].as_str().unwrap()).collect();

    let gateway = gateway().start().await;
    let mut client = gateway.socket().await;
    client.challenge().await;
    let hello = client.connect(connect_params(&gateway.token())).await.unwrap();
    let mut served: Vec<&str> =
        hello["features"]["methods"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    served.sort_unstable();
    assert_eq!(served, promised);
}
