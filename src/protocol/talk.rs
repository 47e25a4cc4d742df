//! `talk.catalog`.

use serde::Serialize;

use super::{Access, NoParams, Scope, method, methods};

/// How the agent can be spoken with: not at all yet. No provider of speech is built in, so that no mode and no way to
/// carry sound is offered either.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct CatalogReply {
    /// Empty, as the next two.
    pub modes: [(); 0],
    pub transports: [(); 0],
    pub brains: [(); 0],
    pub speech: Voices,
    pub transcription: Voices,
    pub realtime: Voices,
}

#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Voices {
    /// Always false.
    pub ready: bool,
    /// Empty.
    pub providers: [(); 0],
}

method!(TalkCatalog = "talk.catalog", Access::Operator(Scope::Read), NoParams => CatalogReply);

methods![TalkCatalog];
