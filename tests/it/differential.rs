//! The same script of calls to OpenClaw's own gateway and to ours: whatever differs in keys, types, vocabulary, error
//! codes, the order of events or close codes is either listed with its reason or a failure.

use crate::harness::{Gateway, OpenClawGateway, Output, StandinModel, gateway, guarded, seconds, tools};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const TOKEN: &str = "a-token-for-both-of-the-gateways";
const HOOKS_TOKEN: &str = "a-hooks-token-for-both-gateways";

/// What is asked of both, beside the model.
fn config() -> Value {
    json!({
        "gateway": {
            "mode": "local",
            "auth": {"mode": "token", "token": TOKEN},
            "http": {"endpoints": {"chatCompletions": {"enabled": true}, "responses": {"enabled": true}}},
        },
        "hooks": {"enabled": true, "token": HOOKS_TOKEN},
    })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/protocol").join(name)
}

async fn node(arguments: &[&Path]) -> Output {
    let mut command = guarded(tools().node());
    command.args(arguments);
    Output::of(command, seconds(540)).await
}

/// Makes all calls; gives back the files with the outcome and with the frames as they came.
async fn examine(port: u16, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (outcome, frames) = (folder.join(format!("{name}.json")), folder.join(format!("{name}.frames")));
    let port = PathBuf::from(port.to_string());
    let run = script("differential/run.mjs");
    node(&[&run, &port, Path::new(TOKEN), Path::new(HOOKS_TOKEN), &outcome, &frames]).await.success();
    (outcome, frames)
}

/// Runs OpenClaw's command line against a gateway; gives back the file with the outcome.
async fn command_line(port: u16, folder: &Path, name: &str) -> PathBuf {
    let (outcome, home) = (folder.join(format!("{name}.cli.json")), folder.join(format!("{name}.home")));
    let port = PathBuf::from(port.to_string());
    let run = script("differential/cli.mjs");
    node(&[&run, &tools().openclaw(), &port, Path::new(TOKEN), &home, &outcome]).await.success();
    outcome
}

async fn theirs(model: &StandinModel) -> OpenClawGateway {
    let mut config = config();
    for (key, value) in model.config().as_object().expect("a table") {
        config[key] = value.clone();
    }
    config["agents"]["defaults"]["skipBootstrap"] = true.into();
    OpenClawGateway::start(config).await
}

async fn ours(model: &StandinModel) -> Gateway {
    gateway().config(config()).config(model.config()).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_gateways_answer_alike() {
    let folder = tempfile::tempdir().unwrap();
    let model = StandinModel::start().await;
    let (theirs, ours) = tokio::join!(theirs(&model), ours(&model));
    let ((theirs, _), (ours, frames)) =
        tokio::join!(examine(theirs.port, folder.path(), "theirs"), examine(ours.port, folder.path(), "ours"));

    let compared = node(&[&script("differential/compare.mjs"), &theirs, &ours, &fixture("differences.json")]).await;
    print!("{}", compared.stdout);
    let packages = tools().openclaw();
    let packages = packages.ancestors().nth(3).expect("the packages lie in a folder");
    let newer = fixture("newer_than_the_schema.json");
    let validated = node(&[&script("validate.mjs"), packages, &newer, &frames]).await;
    print!("{}", validated.stdout);
    compared.success();
    validated.success();
}

/// Every command of OpenClaw's command line that talks to a gateway: exit codes, and the shape of what `--json` prints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openclaw_commands_end_alike_on_both_gateways() {
    let folder = tempfile::tempdir().unwrap();
    let model = StandinModel::start().await;
    let (theirs, ours) = tokio::join!(theirs(&model), ours(&model));
    // One after the other: each command is a program that keeps a processor busy.
    let theirs = command_line(theirs.port, folder.path(), "theirs").await;
    let ours = command_line(ours.port, folder.path(), "ours").await;
    let compared = node(&[&script("differential/compare.mjs"), &theirs, &ours, &fixture("cli_differences.json")]).await;
    print!("{}", compared.stdout);
    compared.success();
}
