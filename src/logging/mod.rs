//! Where the log goes: short lines to stderr for a person, JSON lines to `<state>/logs` for `logs.tail`.

mod line;

use std::io;
use std::path::{Path, PathBuf};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

const FILE_PREFIX: &str = "tailclaw";
const FILE_SUFFIX: &str = "log";
const DAYS_KEPT: usize = 7;
/// The model library would log whole conversations, and below `info` the libraries of the wire whole frames, with the
/// secrets that callers show.
const QUIET: &str = "rig=off,rig_core=error,rig::completions=off,rig::streaming=off,\
    tungstenite=info,tokio_tungstenite=info,hyper=info,hyper_util=info,reqwest=info,rustls=info";

#[derive(Debug, Clone)]
pub struct Settings {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter in the syntax of `tracing`.
    pub level: String,
    pub folder: PathBuf,
}

/// Keeps the file writer alive; dropping it flushes.
#[derive(Debug)]
pub struct Logging {
    level: Level,
    _writer: WorkerGuard,
}

impl Logging {
    /// The handle by which the level is changed.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level.clone()
    }
}

/// The least important lines that are written. Changed while the gateway runs.
#[derive(Debug, Clone)]
pub struct Level(reload::Handle<EnvFilter, tracing_subscriber::Registry>);

impl Level {
    /// `level` as in [`Settings`].
    ///
    /// # Errors
    /// It does not parse; the old one stays.
    pub fn set(&self, level: &str) -> io::Result<()> {
        self.0.reload(filter(level)?).map_err(io::Error::other)
    }
}

fn filter(level: &str) -> io::Result<EnvFilter> {
    EnvFilter::try_new(format!("{level},{QUIET}")).map_err(io::Error::other)
}

/// Starts logging for the process.
///
/// # Errors
/// The folder cannot be written, the filter does not parse, or logging was started before.
pub fn start(settings: &Settings) -> io::Result<Logging> {
    crate::store::create_private_folder(&settings.folder)?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(FILE_PREFIX)
        .filename_suffix(FILE_SUFFIX)
        .max_log_files(DAYS_KEPT)
        .build(&settings.folder)
        .map_err(io::Error::other)?;
    // A full disk must not stop the gateway: lines that cannot be written are dropped by the writer's own thread.
    let (writer, guard) = tracing_appender::non_blocking(files);
    // One filter for both, so that one change counts for both.
    let (filter, level) = reload::Layer::new(filter(&settings.level)?);
    let to_file = fmt::layer().event_format(line::JsonLine).with_writer(writer);
    let to_person = fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none());
    let lines = filter.and_then(to_file).and_then(to_person);
    tracing_subscriber::registry().with(lines).try_init().map_err(io::Error::other)?;
    Ok(Logging { level: Level(level), _writer: guard })
}

/// The newest log file of the folder, if there is one.
#[must_use]
pub fn newest_file(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    // The date in the name sorts as text.
    names.filter(|path| path.extension().is_some_and(|extension| extension == FILE_SUFFIX)).max()
}
