//! From a list of messages, as OpenAI's endpoints take it, to the one text that the agent answers.
//!
//! A session of ours keeps its own history, but such a client sends its whole conversation each time. So the earlier
//! messages are told as a report before the last one.

use std::fmt::Write;

use serde_json::Value;

/// What the caller wants answered. `None`: there is nothing to answer.
pub(super) fn of_messages(messages: &[Value], instructions: Option<&str>) -> Option<String> {
    let mut rules: Vec<String> =
        instructions.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).into_iter().collect();
    let mut entries: Vec<(&'static str, String)> = Vec::new();
    for message in messages {
        let Some(text) = message.get("content").and_then(text_of) else { continue };
        match message.get("role").and_then(Value::as_str).map(str::trim) {
            Some("system" | "developer") => rules.push(text),
            Some("user") => entries.push(("User", text)),
            Some("assistant") => entries.push(("Assistant", text)),
            Some("tool" | "function") => entries.push(("Tool", text)),
            _ => {}
        }
    }
    // An answer is given to somebody who asked: what follows the last question is not answered.
    let last = entries.iter().rposition(|(speaker, _)| *speaker != "Assistant")?;
    entries.truncate(last + 1);
    let (_, question) = entries.pop()?;
    let mut prompt = String::new();
    if !rules.is_empty() {
        let _ = write!(prompt, "[Instructions of the caller]\n{}\n\n", rules.join("\n\n"));
    }
    if !entries.is_empty() {
        prompt.push_str("[Earlier in this conversation]\n");
        for (speaker, text) in &entries {
            let _ = writeln!(prompt, "{speaker}: {text}");
        }
        prompt.push('\n');
    }
    if !prompt.is_empty() {
        prompt.push_str("[To be answered now]\n");
    }
    prompt.push_str(&question);
    Some(prompt)
}

/// Plain text, or the text parts of a list.
fn text_of(content: &Value) -> Option<String> {
    let text = match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            texts.join("\n")
        }
        _ => return None,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether any message brings what cannot be passed on: pictures, sounds and files.
pub(super) fn has_more_than_text(messages: &[Value]) -> bool {
    let kinds = |part: &Value| part.get("type").and_then(Value::as_str).is_some_and(|kind| !is_text_part(kind));
    messages
        .iter()
        .any(|message| message.get("content").and_then(Value::as_array).is_some_and(|parts| parts.iter().any(kinds)))
}

fn is_text_part(kind: &str) -> bool {
    matches!(kind, "text" | "input_text" | "output_text" | "refusal")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn prompt(messages: Value) -> Option<String> {
        of_messages(messages.as_array().unwrap(), None)
    }

    #[test]
    fn one_message_is_passed_on_as_it_is() {
        assert_eq!(prompt(json!([{"role": "user", "content": " hello "}])).as_deref(), Some("hello"));
        let parts =
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]);
        assert_eq!(prompt(parts).as_deref(), Some("a\nb"));
    }

    #[test]
    fn what_came_before_is_told_before() {
        let text = prompt(json!([
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ]))
        .unwrap();
        assert_eq!(
            text,
            "[Instructions of the caller]\nbe kind\n\n[Earlier in this conversation]\nUser: one\nAssistant: two\n\n\
             [To be answered now]\nthree"
        );
    }

    #[test]
    fn without_a_question_there_is_nothing_to_answer() {
        for nothing in [
            json!([]),
            json!([{"role": "system", "content": "x"}]),
            json!([{"role": "assistant", "content": "x"}]),
            json!([{"role": "user", "content": 5}]),
            json!(["user", null, {"content": "x"}]),
        ] {
            assert_eq!(prompt(nothing.clone()), None, "{nothing}");
        }
    }
}
