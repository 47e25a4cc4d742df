//! What `sessions.patch` asks for, judged before anything is read or stored.

use super::icon::is_icon;
use super::models::{ModelChoice, ModelError, Models};
use crate::protocol::sessions::{
    Change, Color, ElevatedLevel, FastMode, GroupActivation, PatchParams, ReasoningLevel, ResponseUsage, SendPolicy,
    ThinkingLevel, TraceLevel, VerboseLevel,
};
use crate::store::StoredSession;

const MAX_LABEL: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("invalid {field} (use {words})")]
    Word { field: &'static str, words: String },
    #[error("color must be one of: {0}")]
    Color(String),
    #[error(
        "icon must be a single emoji, a named icon (braces, book, monitor, bot, kanban, coins), or self-contained SVG markup/data URL up to 16 KiB"
    )]
    Icon,
    #[error("at /{0}: must have 1 to {MAX_LABEL} characters")]
    Length(&'static str),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("thinkingLevel \"{level}\" is not supported for {model} (use off)")]
    Thinking { level: String, model: String },
    #[error("{0} is not supported: sessions here have no tools that it would bind")]
    Unsupported(&'static str),
}

/// A patch whose every value is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    pub label: Change<String>,
    pub icon: Change<String>,
    pub color: Change<Color>,
    pub category: Change<String>,
    pub archived: Option<bool>,
    pub pinned: Option<bool>,
    pub unread: Option<bool>,
    pub model: Change<ModelChoice>,
    pub thinking_level: Change<ThinkingLevel>,
    pub fast_mode: Change<FastMode>,
    pub verbose_level: Change<VerboseLevel>,
    pub trace_level: Change<TraceLevel>,
    pub reasoning_level: Change<ReasoningLevel>,
    pub elevated_level: Change<ElevatedLevel>,
    pub response_usage: Change<ResponseUsage>,
    pub send_policy: Change<SendPolicy>,
    pub group_activation: Change<GroupActivation>,
}

impl Patch {
    /// # Errors
    /// The first value that is none.
    pub fn parse(params: PatchParams, models: &Models) -> Result<Self, PatchError> {
        let unsupported = [
            ("permissionMode", &params.permission_mode),
            ("toolOverrides", &params.tool_overrides),
            ("execHost", &params.exec_host),
            ("execSecurity", &params.exec_security),
            ("execAsk", &params.exec_ask),
            ("execNode", &params.exec_node),
            ("inheritedToolAllow", &params.inherited_tool_allow),
            ("inheritedToolDeny", &params.inherited_tool_deny),
        ];
        if let Some((field, _)) = unsupported.iter().find(|(_, value)| value.is_some()) {
            return Err(PatchError::Unsupported(field));
        }
        Ok(Self {
            label: params.label.try_map(|label| sized("label", label))?,
            icon: params.icon.try_map(|icon| if is_icon(&icon) { Ok(icon) } else { Err(PatchError::Icon) })?,
            color: params
                .color
                .try_map(|color| Color::parse(&color).ok_or_else(|| PatchError::Color(Color::WORDS.join(", "))))?,
            category: params.category.try_map(|category| sized("category", category))?,
            archived: params.archived,
            pinned: params.pinned,
            unread: params.unread,
            model: params.model.try_map(|model| models.choose(&model))?,
            thinking_level: params.thinking_level.try_map(|level| thinking(&level, models))?,
            fast_mode: params.fast_mode,
            verbose_level: word("verboseLevel", params.verbose_level, VerboseLevel::parse, VerboseLevel::WORDS)?,
            trace_level: word("traceLevel", params.trace_level, TraceLevel::parse, TraceLevel::WORDS)?,
            reasoning_level: word(
                "reasoningLevel",
                params.reasoning_level,
                ReasoningLevel::parse,
                ReasoningLevel::WORDS,
            )?,
            elevated_level: word("elevatedLevel", params.elevated_level, ElevatedLevel::parse, ElevatedLevel::WORDS)?,
            response_usage: word("responseUsage", params.response_usage, ResponseUsage::parse, ResponseUsage::WORDS)?,
            send_policy: word("sendPolicy", params.send_policy, SendPolicy::parse, SendPolicy::WORDS)?,
            group_activation: word(
                "groupActivation",
                params.group_activation,
                GroupActivation::parse,
                GroupActivation::WORDS,
            )?,
        })
    }

    /// Whether it goes beyond how a session looks and which model it has (protocol §4, "Scopes").
    #[must_use]
    pub fn needs_admin(&self) -> bool {
        !(self.verbose_level.is_kept()
            && self.trace_level.is_kept()
            && self.reasoning_level.is_kept()
            && self.elevated_level.is_kept()
            && self.response_usage.is_kept()
            && self.send_policy.is_kept()
            && self.group_activation.is_kept())
    }

    pub(super) fn apply(self, session: &mut StoredSession, now: u64) {
        self.label.apply(&mut session.label);
        let settings = &mut session.settings;
        self.icon.apply(&mut settings.icon);
        self.color.apply(&mut settings.color);
        self.category.apply(&mut settings.category);
        self.thinking_level.apply(&mut settings.thinking_level);
        self.fast_mode.apply(&mut settings.fast_mode);
        self.verbose_level.apply(&mut settings.verbose_level);
        self.trace_level.apply(&mut settings.trace_level);
        self.reasoning_level.apply(&mut settings.reasoning_level);
        self.elevated_level.apply(&mut settings.elevated_level);
        self.response_usage.apply(&mut settings.response_usage);
        self.send_policy.apply(&mut settings.send_policy);
        self.group_activation.apply(&mut settings.group_activation);
        match self.model {
            Change::Keep => {}
            Change::Clear => (settings.provider_override, settings.model_override) = (None, None),
            Change::Set(choice) => {
                (settings.provider_override, settings.model_override) = (Some(choice.provider), Some(choice.model));
            }
        }
        // Said again, it is not since now.
        let since = |is_on: bool, at: Option<u64>| is_on.then(|| at.unwrap_or(now));
        if let Some(pinned) = self.pinned {
            session.pinned_at = since(pinned, session.pinned_at);
        }
        if let Some(archived) = self.archived {
            session.archived_at = since(archived, session.archived_at);
        }
        match self.unread {
            None => {}
            Some(true) => session.marked_unread_at = Some(now),
            Some(false) => (session.marked_unread_at, session.last_read_at) = (None, Some(now)),
        }
    }
}

pub(super) fn thinking(level: &str, models: &Models) -> Result<ThinkingLevel, PatchError> {
    // The levels that OpenClaw has for other models.
    const KNOWN: [&str; 8] = ["minimal", "low", "medium", "high", "xhigh", "adaptive", "max", "ultra"];
    let choice = models.default_choice();
    let refused = || {
        if KNOWN.contains(&level) {
            PatchError::Thinking { level: level.to_owned(), model: format!("{}/{}", choice.provider, choice.model) }
        } else {
            PatchError::Word { field: "thinkingLevel", words: "off".to_owned() }
        }
    };
    ThinkingLevel::parse(level).ok_or_else(refused)
}

pub(super) fn sized(field: &'static str, text: String) -> Result<String, PatchError> {
    let count = text.chars().count();
    if count == 0 || count > MAX_LABEL { Err(PatchError::Length(field)) } else { Ok(text) }
}

fn word<T>(
    field: &'static str,
    change: Change<String>,
    parse: fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<Change<T>, PatchError> {
    change.try_map(|text| {
        let words = || words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join("|");
        parse(&text).ok_or_else(|| PatchError::Word { field, words: words() })
    })
}
