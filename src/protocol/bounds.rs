//! What params may hold beyond their types, in the words of the real gateway: `at /key: must not have fewer than 1
//! characters`. For `#[serde(deserialize_with = …)]`, so that the place is told, too.

use serde::de::{DeserializeOwned, Error, IntoDeserializer, value};
use serde::{Deserialize, Deserializer};

pub(super) fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Err(D::Error::custom("must not have fewer than 1 characters"));
    }
    Ok(text)
}

/// Text that may be absent, but not empty.
pub(super) fn absent_or_not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if text.is_empty() => Err(D::Error::custom("must not have fewer than 1 characters")),
        text => Ok(text),
    }
}

/// A number that may be absent, but not 0.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Option::<u64>::deserialize(deserializer)? {
        Some(0) => Err(D::Error::custom("must be >= 1")),
        number => Ok(number),
    }
}

/// One of a few words, which may be absent. The real gateway lists them as constants, and says so.
pub(super) fn constant<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let Some(word) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    match T::deserialize(IntoDeserializer::<value::Error>::into_deserializer(word)) {
        Ok(known) => Ok(Some(known)),
        Err(_) => Err(D::Error::custom("must be equal to constant")),
    }
}
