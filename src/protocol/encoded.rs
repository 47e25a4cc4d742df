//! JSON that was made once for all who ask.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A `T` as JSON: cheap to clone, and written into a reply as it is.
#[derive(Debug)]
pub struct Encoded<T> {
    json: Arc<RawValue>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize> Encoded<T> {
    /// # Errors
    /// If the value does not serialise, which is our fault.
    pub fn new(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { json: serde_json::value::to_raw_value(value)?.into(), of: PhantomData })
    }
}

impl<T> Clone for Encoded<T> {
    fn clone(&self) -> Self {
        Self { json: Arc::clone(&self.json), of: PhantomData }
    }
}

impl<T> Serialize for Encoded<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Encoded<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }
}
