//! Temporary.
use crate::error::*;
pub(crate) struct Meta(serde_json::Result<serde_json::Value>);
impl Meta {
    pub(crate) fn from_serialize(t: &impl serde::Serialize) -> Self {
        Self(serde_json::to_value(t))
    }
    pub(crate) fn into_object(self) -> Result<serde_json::Map<String, serde_json::Value>> {
        match self.0 {
            Ok(serde_json::Value::Object(m)) => Ok(m),
            _ => Err(Error::meta("no object")),
        }
    }
}
