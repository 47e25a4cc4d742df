//! The model of a gateway with no model: it says what it was told, and that it is no model.
//!
//! Word by word with a short pause, so that streaming and stopping are really there to be seen.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::{Chunk, Model, ModelError, Prompt};
use crate::protocol::chat::Usage;

const PAUSE: Duration = Duration::from_millis(12);

#[derive(Debug, Clone, Copy)]
pub(super) struct Echo;

impl Model for Echo {
    fn answer(&self, prompt: Prompt) -> BoxStream<'static, Result<Chunk, ModelError>> {
        let heard = prompt.turns.last().map(|turn| turn.text.clone()).unwrap_or_default();
        let answer = format!("echo: {heard}");
        let words: Vec<String> = answer.split_inclusive(char::is_whitespace).map(str::to_owned).collect();
        let usage = Usage::of(count_words(&heard), count_words(&answer));
        stream::iter(words)
            .then(|word| async move {
                tokio::time::sleep(PAUSE).await;
                Ok(Chunk::Text(word))
            })
            .chain(stream::iter([Ok(Chunk::Usage(usage))]))
            .boxed()
    }
}

fn count_words(text: &str) -> u64 {
    u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Turn;
    use super::*;
    use crate::protocol::chat::MessageRole;

    #[tokio::test]
    async fn repeats_the_last_turn() {
        let turns = vec![Turn::text(MessageRole::User, "hello there\nfriend")];
        let chunks: Vec<_> = Echo.answer(Prompt { instructions: String::new(), turns }).collect().await;
        let text: String = chunks
            .iter()
            .filter_map(|chunk| match chunk {
                Ok(Chunk::Text(text)) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(text, "echo: hello there\nfriend");
        assert_eq!(chunks.len(), 5);
    }
}
