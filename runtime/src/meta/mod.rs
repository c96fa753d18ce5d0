//! The meta of a session: any serialisable value as a JSON object, where nothing panics and nothing vanishes.

use serde::Serialize;
use serde::ser::{self, Error as _};
use serde_json::{Map, Value};

use crate::Error;

mod compound;
#[cfg(test)]
mod tests;
mod visible;

use visible::{Oops, Visible, in_place, visible_text};

/// The most that a meta may have as JSON text.
const MAX_BYTES: usize = 1 << 20;

/// What the attribute, or `Client::open`, was given, as JSON; or why it cannot be.
#[derive(Debug)]
pub struct Meta(Result<Value, Oops>);

impl Default for Meta {
    fn default() -> Self {
        Self(Ok(Value::Object(Map::new())))
    }
}

impl Meta {
    /// Any serialisable value. Whether it is an object is asked later, where the failure can be handled.
    pub(crate) fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(value.serialize(Visible { depth: 0 }))
    }

    /// The object that UASAM stores.
    ///
    /// # Errors
    ///
    /// It is no object, its `Serialize` failed, or it has more than 1 MiB.
    pub(crate) fn into_object(self) -> Result<Map<String, Value>, Error> {
        let value = self.0.map_err(|oops| Error::meta(format!("the meta cannot be serialised: {oops}")))?;
        let Value::Object(object) = value else {
            let what = kind(&value);
            return Err(Error::meta(format!(
                "the meta must be a JSON object, and is {what}; give it a key: `meta = {{ \"key\": value }}`"
            )));
        };
        let size = size(&object);
        if size > MAX_BYTES {
            return Err(Error::meta(format!(
                "the meta has {size} bytes as JSON, and may have {MAX_BYTES}; send less of it"
            )));
        }
        Ok(object)
    }

    /// What is sent in place of a meta that cannot be: a call without a session would be worse.
    pub(crate) fn replacement(error: &Error) -> Map<String, Value> {
        Map::from_iter([(String::from("otas.meta_error"), Value::String(visible_text(&error.to_string())))])
    }
}

/// A meta can be a value in another one.
impl Serialize for Meta {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(value) => value.serialize(serializer),
            Err(oops) => Err(S::Error::custom(oops)),
        }
    }
}

/// A value of the attribute's meta: anything that is `Serialize`, seen through one pointer, so that the expansion stays small.
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
        in_place(self, 1)
    }

    fn to_meta(&self) -> Meta {
        Meta::from_serialize(self)
    }
}

/// The values of an object or a list as the expansion writes them down: nothing, a reference, a value with its own key, or three of such.
/// Tuples, rather than a slice of pointers, as they cost the compiler a third; three by three, so that no list is too long for it.
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

/// What stands between two keys, and can stand in none: PostgreSQL takes no NUL.
pub(crate) const KEY_SEPARATOR: char = '\0';

/// The object that the expansion writes down: its keys in one text, as each text of its own costs the compiler. Of two equal keys the last one
/// counts, as in JSON.
pub(crate) fn object(keys: &str, values: &dyn Fields) -> Meta {
    let mut keys = keys.split(KEY_SEPARATOR);
    let mut object = Map::new();
    values.each(&mut |key, value| {
        let key = key.unwrap_or_else(|| keys.next().unwrap_or_default().to_owned());
        object.insert(visible_text(&key), value);
    });
    Meta(Ok(Value::Object(object)))
}

/// The list that the expansion writes down.
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

/// The length as JSON text, counted without making it.
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
    // A `Map<String, Value>` always serialises, and counting never fails.
    let _ = serde_json::to_writer(&mut count, object);
    count.0
}
