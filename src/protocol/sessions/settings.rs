//! What people set for one session. Stored as it is here, one JSON object: what is added later must be optional.

use serde::{Deserialize, Serialize};

/// `model`, `thinkingLevel` and `sendPolicy` change what the gateway does; the others are kept for the clients that
/// show by them, and for the tools that will ask for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_level: Option<ThinkingLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast_mode: Option<FastMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbose_level: Option<VerboseLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_level: Option<TraceLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_level: Option<ReasoningLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elevated_level: Option<ElevatedLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_usage: Option<ResponseUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_policy: Option<SendPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_activation: Option<GroupActivation>,
    /// The two halves of `provider/model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_override: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_override: Option<String>,
}

/// Declares a closed set of words, with `parse` and the list for the words of a refusal.
macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $type {
            $(#[serde(rename = $word)] $variant),*
        }

        impl $type {
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words!(
    /// The models here reason or do not; there is nothing to choose.
    ThinkingLevel { Off = "off" }
);
words!(Color {
    Red = "red",
    Blue = "blue",
    Green = "green",
    Yellow = "yellow",
    Purple = "purple",
    Orange = "orange",
    Pink = "pink",
    Cyan = "cyan",
});
words!(VerboseLevel { On = "on", Off = "off", Full = "full" });
words!(TraceLevel { On = "on", Off = "off", Raw = "raw" });
words!(ReasoningLevel { On = "on", Off = "off", Stream = "stream" });
words!(ElevatedLevel { On = "on", Off = "off", Ask = "ask", Full = "full" });
words!(ResponseUsage { Off = "off", Tokens = "tokens", Full = "full", On = "on" });
words!(
    /// `deny` refuses messages to the session.
    SendPolicy { Allow = "allow", Deny = "deny" }
);
words!(GroupActivation { Mention = "mention", Always = "always" });

/// On, off, or left to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum FastMode {
    Fixed(bool),
    Auto(Auto),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Auto {
    #[serde(rename = "auto")]
    Auto,
}
