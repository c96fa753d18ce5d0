//! The meta of a session: turns any `Serialize` value into a JSON object, without panics or losses.

mod serializer;

use serde::Serialize;
use serde::ser::{self, Error as _};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::text::escape_nul;
use serializer::{LossyJson, MetaError, to_value};

/// The largest meta that is sent, as JSON.
const MAX_META_BYTES: usize = 1 << 20;

/// The meta of a session as JSON, or why it cannot be serialized.
#[derive(Debug)]
pub struct Meta(Result<Value, MetaError>);

impl Default for Meta {
    fn default() -> Self {
        Self(Ok(Value::Object(Map::new())))
    }
}

impl Meta {
    /// Serializes any value. [`into_object`](Self::into_object) reports a failure, where it can be
    /// handled.
    pub(crate) fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(value.serialize(LossyJson { depth: 0 }))
    }

    /// Returns the object that UASAM stores.
    ///
    /// # Errors
    ///
    /// The value is not an object, its `Serialize` failed, or it exceeds 1 MiB.
    pub(crate) fn into_object(self) -> Result<Map<String, Value>, Error> {
        let value = self.0.map_err(|error| {
            Error::meta(format!("the meta cannot be serialized: {error}; fix its `Serialize` implementation"))
        })?;
        let Value::Object(object) = value else {
            let what = kind(&value);
            return Err(Error::meta(format!(
                "the meta must be a JSON object, not {what}; give it a key: `meta = {{ \"key\": value }}`"
            )));
        };
        let size = size(&object);
        if size > MAX_META_BYTES {
            return Err(Error::meta(format!(
                "the meta is {size} bytes of JSON, over the limit of {MAX_META_BYTES}; shorten it"
            )));
        }
        Ok(object)
    }

    /// Stands in for a meta that cannot be sent, because a call without a session would be worse.
    pub(crate) fn replacement(error: &Error) -> Map<String, Value> {
        Map::from_iter([(String::from("otas.meta_error"), Value::String(escape_nul(&error.to_string()).into_owned()))])
    }
}

/// Lets a meta be part of another.
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
    message = "`{Self}` cannot be used in `meta`: it does not implement `Serialize`",
    label = "not `serde::Serialize`",
    note = "derive `serde::Serialize`, or write something serializable, such as `value.to_string()`"
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
/// A tuple compiles in a third of the time that a slice of pointers takes. Nesting triples allows
/// any number of values.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used in `meta`: it does not implement `Serialize`",
    label = "not `serde::Serialize`",
    note = "derive `serde::Serialize`, or write something serializable, such as `value.to_string()`"
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

/// A value whose key is given as an expression.
#[derive(Debug)]
pub struct Keyed<V>(pub String, pub V);

#[diagnostic::do_not_recommend]
impl<V: Fields> Fields for Keyed<V> {
    fn each(&self, take: &mut dyn FnMut(Option<String>, Value)) {
        self.1.each(&mut |_, value| take(Some(self.0.clone()), value));
    }
}

/// Separates keys. It never occurs in one, because NULs are escaped.
pub(crate) const KEY_SEPARATOR: char = '\0';

/// Builds an object of the expansion. The keys are one string, because each literal costs compile
/// time. If a key repeats, the last value wins, as in JSON.
pub(crate) fn object(keys: &str, values: &dyn Fields) -> Meta {
    let mut keys = keys.split(KEY_SEPARATOR);
    let mut object = Map::new();
    values.each(&mut |key, value| {
        let key = key.unwrap_or_else(|| keys.next().unwrap_or_default().to_owned());
        object.insert(escape_nul(&key).into_owned(), value);
    });
    Meta(Ok(Value::Object(object)))
}

/// Builds an array of the expansion.
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

/// The length as JSON, computed without allocating the text.
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
    // Cannot fail: all keys are strings, and counting never fails.
    let _ = serde_json::to_writer(&mut count, object);
    count.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt;

    use serde::Serialize;
    use serde_json::{Value, json};

    use super::Meta;

    fn serialized<T: Serialize>(value: T) -> Value {
        Meta::from_serialize(&Wrapped { value }).into_object().unwrap().remove("value").unwrap()
    }

    #[derive(Serialize)]
    struct Wrapped<T> {
        value: T,
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Newtype(u8);

    #[derive(Serialize)]
    struct Tuple(u8, f32);

    #[derive(Serialize)]
    enum Kind {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { a: Option<u8>, b: () },
    }

    #[derive(Serialize)]
    struct Flat {
        first: char,
        #[serde(flatten)]
        rest: BTreeMap<u8, i64>,
    }

    #[test]
    fn values_that_serde_json_accepts_come_out_the_same() {
        macro_rules! same {
            ($($value:expr),* $(,)?) => { $(assert_eq!(serialized($value), serde_json::to_value($value).unwrap());)* };
        }
        same![
            true,
            -1i8,
            1u64,
            i64::MIN,
            u64::MAX,
            1u128,
            -1i128,
            0.1f32,
            1e300,
            'x',
            "text",
            Some(1),
            None::<u8>,
            (),
            Unit,
            Newtype(1),
            Tuple(1, 0.5),
            Kind::Unit,
            Kind::Newtype(1),
            Kind::Tuple(1, 2),
            Kind::Struct { a: None, b: () },
            [1, 2],
            (1, "a", [true]),
            Flat { first: 'f', rest: BTreeMap::from([(1, -1)]) },
            BTreeMap::from([(true, 1)]),
            json!({ "a": [null, { "b": 1.5 }] }),
        ];
    }

    struct BrokenDisplay;

    impl fmt::Display for BrokenDisplay {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    impl Serialize for BrokenDisplay {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    #[test]
    fn a_failing_display_becomes_text_instead_of_a_panic() {
        assert_eq!(serialized(BrokenDisplay), "<cannot be serialized: its `Display` failed>");
    }

    struct Endless;

    impl Serialize for Endless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq([Endless])
        }
    }

    #[test]
    fn endless_nesting_is_cut_off() {
        let text = serialized(Endless).to_string();

        assert!(text.contains("<nested too deeply>"), "{text}");
        assert!(text.len() < 500, "{text}");
    }

    #[test]
    fn keys_that_become_equal_are_both_kept() {
        let map = BTreeMap::from([("a\0", 1), ("a\u{2400}", 2)]);

        assert_eq!(serialized(map), json!({ "a\u{2400}": 1, "a\u{2400} (2)": 2 }));
    }

    #[test]
    fn the_error_says_what_the_meta_is_instead_of_an_object() {
        let error = |meta: Value| Meta::from_serialize(&meta).into_object().unwrap_err().to_string();

        assert!(error(json!([])).contains("a list"));
        assert!(error(json!(null)).contains("null"));
        assert!(error(json!({ "a": "x".repeat(2 << 20) })).contains("bytes"));
    }
}
