//! A line of the log file: one JSON object in the keys that `openclaw logs` and OpenClaw's Control UI read (protocol
//! §6, `logs.tail`), with every field beside them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as Clock};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let subsystem = subsystem(metadata.target());
        let level = metadata.level().as_str();
        let mut line = json!({
            "time": now(),
            "ts": SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            "level": level.to_lowercase(),
            "subsystem": subsystem,
            "message": fields.sentence(),
            "_meta": { "logLevelName": level, "name": json!({ "subsystem": subsystem }).to_string() },
        });
        if let Some(line) = line.as_object_mut() {
            for (name, value) in fields.values {
                line.entry(name).or_insert(value);
            }
        }
        writeln!(writer, "{line}")
    }
}

fn now() -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = Clock.format_time(&mut Writer::new(&mut text));
    text
}

/// `tailclaw::gateway::connection` is the gateway's.
fn subsystem(target: &str) -> &str {
    let path = target.strip_prefix("tailclaw::").unwrap_or(target);
    path.split("::").next().unwrap_or(path)
}

#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    /// The message with its fields, for readers that show nothing else.
    fn sentence(&self) -> String {
        self.values.iter().fold(self.message.clone(), |text, (name, value)| match value {
            Value::String(value) if !value.contains(' ') => format!("{text} {name}={value}"),
            value => format!("{text} {name}={value}"),
        })
    }

    fn set(&mut self, field: &Field, value: Value) {
        self.values.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.set(field, json!(value));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_fields_and_a_sentence() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLine).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(conn.id = "c1", requests = 3_u64, "line\nbreak");
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "line\nbreak conn.id=c1 requests=3");
        assert_eq!(
            (&line["level"], &line["requests"], &line["subsystem"]),
            (&json!("warn"), &json!(3), &json!("logging"))
        );
    }
}
