//! The meta of a session: any serialisable value becomes a JSON object, without a panic or a loss.

mod serializer;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::ser::{self, Error as _};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::text::escape_nul;
use serializer::{LossyJson, MetaError, to_value};

/// The limit of a meta, as JSON.
const MAX_META_BYTES: usize = 1 << 20;

/// The value given to the attribute or to `Client::open`, as JSON, or why it cannot be serialised.
#[derive(Debug)]
pub struct Meta(Result<Value, MetaError>);

impl Default for Meta {
    fn default() -> Self {
        Self(Ok(Value::Object(Map::new())))
    }
}

impl Meta {
    /// Serialises any value. [`into_object`](Self::into_object) reports failures, where they can be
    /// handled.
    pub(crate) fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(value.serialize(LossyJson { depth: 0 }))
    }

    /// The object that UASAM stores.
    ///
    /// # Errors
    ///
    /// The value is not an object, its `Serialize` failed, or it exceeds 1 MiB.
    pub(crate) fn into_object(self) -> Result<Map<String, Value>, Error> {
        let value = self.0.map_err(|error| Error::meta(format!("the meta cannot be serialised: {error}")))?;
        let Value::Object(object) = value else {
            let what = kind(&value);
            return Err(Error::meta(format!(
                "the meta must be a JSON object, not {what}; give it a key: `meta = {{ \"key\": value }}`"
            )));
        };
        let size = size(&object);
        if size > MAX_META_BYTES {
            return Err(Error::meta(format!(
                "the meta is {size} bytes of JSON, and the limit is {MAX_META_BYTES}; send less"
            )));
        }
        Ok(object)
    }

    /// Stands in for a meta that cannot be sent, because a call without a session would be worse.
    pub(crate) fn replacement(error: &Error) -> Map<String, Value> {
        Map::from_iter([(String::from("otas.meta_error"), Value::String(escape_nul(&error.to_string()).into_owned()))])
    }
}

/// A meta may be part of another.
impl Serialize for Meta {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(value) => value.serialize(serializer),
            Err(error) => Err(S::Error::custom(error)),
        }
    }
}

/// A value in the attribute's meta: anything that is `Serialize`, behind one pointer, so that the
/// expansion stays small.
#[diagnostic::on_unimplemented(
    message = "this value cannot be part of `meta`: `{Self}` is not `Serialize`",
    label = "not `serde::Serialize`",
    note = "derive it with `#[derive(serde::Serialize)]`, or write something that can be serialised, such as `value.to_string()`"
)]
pub trait Field {
    #[doc(hidden)]
    fn to_json(&self) -> Value;
    #[doc(hidden)]
    fn to_meta(&self) -> Meta;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Field for T {
    fn to_json(&self) -> Value {
        to_value(self, 1)
    }

    fn to_meta(&self) -> Meta {
        Meta::from_serialize(self)
    }
}

/// The values of an object or array in the expansion: none, a reference, a value with its own key,
/// or three of these.
///
/// A tuple takes the compiler a third of the time of a slice of pointers. Nesting triples allows
/// any number of values.
#[diagnostic::on_unimplemented(
    message = "this value cannot be part of `meta`: `{Self}` is not `Serialize`",
    label = "not `serde::Serialize`",
    note = "derive it with `#[derive(serde::Serialize)]`, or write something that can be serialised, such as `value.to_string()`"
)]
pub trait Fields {
    #[doc(hidden)]
    fn each(&self, take: &mut dyn FnMut(Option<String>, Value));
}

#[diagnostic::do_not_recommend]
impl Fields for () {
    fn each(&self, _: &mut dyn FnMut(Option<String>, Value)) {}
}

#[diagnostic::do_not_recommend]
impl<T: Field + ?Sized> Fields for &T {
    fn each(&self, take: &mut dyn FnMut(Option<String>, Value)) {
        take(None, (**self).to_json());
    }
}

impl<A: Fields, B: Fields, C: Fields> Fields for (A, B, C) {
    fn each(&self, take: &mut dyn FnMut(Option<String>, Value)) {
        self.0.each(take);
        self.1.each(take);
        self.2.each(take);
    }
}

/// A value whose key is an expression.
#[derive(Debug)]
pub struct Keyed<V>(pub String, pub V);

#[diagnostic::do_not_recommend]
impl<V: Fields> Fields for Keyed<V> {
    fn each(&self, take: &mut dyn FnMut(Option<String>, Value)) {
        self.1.each(&mut |_, value| take(Some(self.0.clone()), value));
    }
}

/// Separates keys. It never occurs in one, as NULs are escaped.
pub(crate) const KEY_SEPARATOR: char = '\0';

/// Builds the object of an expansion. The keys are one string, because each literal takes the
/// compiler time. If keys repeat, the last one wins, as in JSON.
pub(crate) fn object(keys: &str, values: &dyn Fields) -> Meta {
    let mut keys = keys.split(KEY_SEPARATOR);
    let mut object = Map::new();
    values.each(&mut |key, value| {
        let key = key.unwrap_or_else(|| keys.next().unwrap_or_default().to_owned());
        object.insert(escape_nul(&key).into_owned(), value);
    });
    Meta(Ok(Value::Object(object)))
}

/// Builds the array of an expansion.
pub(crate) fn list(items: &dyn Fields) -> Meta {
    let mut list = Vec::new();
    items.each(&mut |_, item| list.push(item));
    Meta(Ok(Value::Array(list)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The length as JSON, without allocating it.
fn size(object: &Map<String, Value>) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Cannot fail: neither the map, whose keys are strings, nor the counting.
    let _ = serde_json::to_writer(&mut count, object);
    count.0
}
