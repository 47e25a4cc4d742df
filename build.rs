//! What the crate is made of beside Rust: the version's commit, the Go archive of the tailnet node, the web app.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const TAILNET: &str = "src/tailnet/libtailscale";
const WEB_APP: &str = "src/ui/control";
/// What the web app is made of; everything else beside it is made here.
const WEB_APP_PARTS: [&str; 6] =
    ["index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    stamp_commit();
    if env::var_os("CARGO_FEATURE_TAILNET").is_some() {
        link_tailnet();
    }
    if env::var_os("CARGO_FEATURE_UI").is_some() {
        build_web_app();
    }
}

/// The commit for `--version`; empty where the sources are no checkout.
fn stamp_commit() {
    for file in ["HEAD", "logs/HEAD"] {
        // To cargo, a file that is not there has always changed.
        if let Some(path) = git(&["rev-parse", "--git-path", file])
            && manifest_dir().join(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=9", "HEAD"]).unwrap_or_default();
    println!("cargo:rustc-env=TAILCLAW_COMMIT={commit}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(manifest_dir()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Leaves the built app in `OUT_DIR/control-ui`. The sources stay clean: npm works on a copy.
fn build_web_app() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let built = out.join("control-ui");
    println!("cargo:rerun-if-env-changed=TAILCLAW_UI_DIST");
    if let Some(prebuilt) = env::var_os("TAILCLAW_UI_DIST") {
        println!("cargo:rerun-if-changed={}", PathBuf::from(&prebuilt).display());
        copy(Path::new(&prebuilt), &built);
        return;
    }
    require_node();
    let (source, work) = (manifest_dir().join(WEB_APP), out.join("control-src"));
    for part in WEB_APP_PARTS {
        println!("cargo:rerun-if-changed={}", source.join(part).display());
    }
    let lock = std::fs::read(source.join("package-lock.json")).expect("the web app is part of the source");
    let is_installed = std::fs::read(work.join("installed")).is_ok_and(|stamp| stamp == lock);
    let _ = std::fs::remove_dir_all(work.join("src"));
    WEB_APP_PARTS.iter().for_each(|part| copy(&source.join(part), &work.join(part)));
    if !is_installed {
        npm(&work, &["ci", "--no-audit", "--no-fund"]);
        std::fs::write(work.join("installed"), lock).expect("OUT_DIR can be written");
    }
    npm(&work, &["run", "build", "--", "--outDir", &built.display().to_string(), "--emptyOutDir"]);
}

fn npm(folder: &Path, arguments: &[&str]) {
    let done = Command::new("npm").args(arguments).current_dir(folder).status();
    if !done.is_ok_and(|status| status.success()) {
        fail(&format!("building the Control UI failed at `npm {}`; its messages are above", arguments.join(" ")));
    }
}

fn require_node() {
    let missing = "the Control UI needs Node.js 20 or later with npm (https://nodejs.org), or build with \
                   --no-default-features --features tailnet";
    let Ok(output) = Command::new("node").arg("--version").output() else { fail(missing) };
    let found = String::from_utf8_lossy(&output.stdout);
    if numbers(found.trim().trim_start_matches('v')).first().is_none_or(|major| *major < 20) {
        fail(&format!("{missing}; this is Node.js {}", found.trim()));
    }
}

/// Copies a file or a folder.
fn copy(from: &Path, to: &Path) {
    let failed = |error: std::io::Error| -> ! { fail(&format!("{} cannot be copied: {error}", from.display())) };
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap_or_else(|error| failed(error));
        for entry in std::fs::read_dir(from).unwrap_or_else(|error| failed(error)).flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::create_dir_all(to.parent().expect("a file has a folder")).unwrap_or_else(|error| failed(error));
        std::fs::copy(from, to).map(drop).unwrap_or_else(|error| failed(error));
    }
}

fn link_tailnet() {
    let module = manifest_dir().join(TAILNET);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("libtailclaw_tailnet.a");
    println!("cargo:rerun-if-env-changed=TAILCLAW_TAILNET_ARCHIVE");
    if let Some(prebuilt) = env::var_os("TAILCLAW_TAILNET_ARCHIVE") {
        println!("cargo:rerun-if-changed={}", PathBuf::from(&prebuilt).display());
        if let Err(error) = std::fs::copy(&prebuilt, &out) {
            fail(&format!("TAILCLAW_TAILNET_ARCHIVE names {}, which cannot be read: {error}", prebuilt.display()));
        }
    } else {
        build_tailnet(&module, &out);
    }
    println!("cargo:rustc-link-search=native={}", out.parent().expect("a file in OUT_DIR").display());
    println!("cargo:rustc-link-lib=static=tailclaw_tailnet");
}

fn build_tailnet(module: &Path, out: &Path) {
    // The folder's own time changes when a file comes or goes.
    println!("cargo:rerun-if-changed={}", module.display());
    for entry in std::fs::read_dir(module).expect("the Go module is part of the source").flatten() {
        println!("cargo:rerun-if-changed={}", entry.path().display());
    }
    let read = |name: &str| std::fs::read_to_string(module.join(name)).expect("part of the Go module");
    let go_mod = read("go.mod");
    require_go(field(&go_mod, "go "));
    let version = field(&go_mod, "tailscale.com v");
    // Without these the node calls itself 1.x.y-ERR-BuildInfo.
    let flags = format!(
        "-ldflags=-s -w -X tailscale.com/version.shortStamp={version} -X tailscale.com/version.longStamp={version}"
    );
    let built = go(module)
        .args([
            "build",
            "-buildmode=c-archive",
            "-trimpath",
            "-buildvcs=false",
            &flags,
            "-tags",
            read("tags.txt").trim(),
        ])
        .arg("-o")
        .arg(out)
        .arg(".")
        .status();
    if !built.is_ok_and(|status| status.success()) {
        fail("building the tailnet node with Go failed; its messages are above");
    }
}

/// The rest of the first line of go.mod that has `key`.
fn field<'a>(go_mod: &'a str, key: &str) -> &'a str {
    go_mod
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next())
        .expect("go.mod names it")
}

fn require_go(wanted: &str) {
    let Ok(output) = go(&manifest_dir()).args(["env", "GOVERSION"]).output() else {
        fail(&format!(
            "the tailnet node needs Go {wanted} or later (https://go.dev/dl/), or build with --no-default-features"
        ));
    };
    let found = String::from_utf8_lossy(&output.stdout);
    let found = found.trim().trim_start_matches("go");
    if numbers(found) < numbers(wanted) {
        fail(&format!(
            "the tailnet node needs Go {wanted} or later, and this is {found} (https://go.dev/dl/), or build with --no-default-features"
        ));
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '-', ' ']).map_while(|part| part.parse().ok()).collect()
}

/// GOCACHE stays the user's own: in OUT_DIR it would be cold after every `cargo clean`.
fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).env("CGO_ENABLED", "1").env("GOFLAGS", "-mod=readonly").env("GOTOOLCHAIN", "local");
    command
}

fn manifest_dir() -> PathBuf {
    PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
}

fn fail(sentence: &str) -> ! {
    println!("cargo:warning={sentence}");
    eprintln!("{sentence}");
    std::process::exit(1);
}
