//! `logs.tail`: bytes `cursor..` of the newest log file, as whole lines.

use std::io::SeekFrom;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{Context, Table};
use crate::logging::newest_file;
use crate::protocol::ErrorShape;
use crate::protocol::logs::{LogsTail, TailParams, TailReply};

const DEFAULT_LINES: usize = 500;
const MAX_LINES: u32 = 5_000;
const DEFAULT_BYTES: u64 = 250_000;
const MAX_BYTES: u64 = 1_000_000;

pub(super) fn register(table: &mut Table, folder: PathBuf) {
    table.on(LogsTail, &folder, tail);
}

async fn tail(folder: PathBuf, _: Context, params: TailParams) -> Result<TailReply, ErrorShape> {
    within("limit", params.limit.map(u64::from), u64::from(MAX_LINES))?;
    within("maxBytes", params.max_bytes, MAX_BYTES)?;
    let Some(path) = newest_file(&folder) else {
        return Ok(TailReply::default());
    };
    read(&path, &params).await.map_err(|error| {
        tracing::error!(%error, "the log file could not be read");
        ErrorShape::unavailable("the gateway could not read its log file", 1_000)
    })
}

fn within(name: &str, value: Option<u64>, most: u64) -> Result<(), ErrorShape> {
    let problem = match value {
        Some(0) => "must be >= 1".to_owned(),
        Some(value) if value > most => format!("must be <= {most}"),
        _ => return Ok(()),
    };
    Err(ErrorShape::invalid(format!("invalid logs.tail params: at /{name}: {problem}")))
}

async fn read(path: &std::path::Path, params: &TailParams) -> std::io::Result<TailReply> {
    let limit = params.limit.map_or(DEFAULT_LINES, |limit| limit.clamp(1, MAX_LINES) as usize);
    let max_bytes = params.max_bytes.unwrap_or(DEFAULT_BYTES).clamp(1, MAX_BYTES);
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    let cursor = params.cursor.filter(|cursor| *cursor <= size);
    let reset = params.cursor.is_some() && cursor.is_none();
    let start = cursor.unwrap_or(0).max(size.saturating_sub(max_bytes));
    let mut truncated = start > cursor.unwrap_or(0);
    // One byte earlier tells whether the first line is whole.
    let from = start.saturating_sub(1);
    file.seek(SeekFrom::Start(from)).await?;
    let mut bytes = Vec::new();
    file.take(size - from).read_to_end(&mut bytes).await?;
    // A line that is still being written is left for the next call.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let whole = bytes.get(..end).unwrap_or_default();
    let begin = match (start, cursor) {
        (0, _) => 0,
        (_, Some(cursor)) if cursor == start => 1,
        _ => whole.iter().position(|byte| *byte == b'\n').map_or(whole.len(), |place| place + 1),
    };
    let text = String::from_utf8_lossy(whole.get(begin..).unwrap_or_default());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() > limit {
        truncated = true;
        lines.drain(..lines.len() - limit);
    }
    let next = if end == 0 { cursor.unwrap_or(start) } else { from + end as u64 };
    Ok(TailReply { file: path.display().to_string(), cursor: next, size, lines, truncated, reset })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tail_of(text: &str, cursor: Option<u64>, limit: u32) -> TailReply {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, text).unwrap();
        read(&path, &TailParams { cursor, limit: Some(limit), max_bytes: None }).await.unwrap()
    }

    #[tokio::test]
    async fn follows_without_losing_or_repeating_a_line() {
        let first = tail_of("one\ntwo\nthr", None, 10).await;
        assert_eq!((first.lines.as_slice(), first.cursor), (["one".to_owned(), "two".to_owned()].as_slice(), 8));
        let second = tail_of("one\ntwo\nthree\n", Some(first.cursor), 10).await;
        assert_eq!((second.lines, second.cursor), (vec!["three".to_owned()], 14));
        let third = tail_of("one\ntwo\nthree\n", Some(14), 10).await;
        assert_eq!((third.lines.len(), third.cursor), (0, 14));
    }

    #[tokio::test]
    async fn says_when_it_left_lines_out_or_the_file_began_anew() {
        let cut = tail_of("one\ntwo\n", None, 1).await;
        assert!(cut.truncated && cut.lines == ["two"]);
        assert!(tail_of("one\n", Some(99), 5).await.reset);
        assert_eq!(tail_of("", None, 5).await.cursor, 0);
    }
}
