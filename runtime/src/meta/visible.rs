//! A serializer to JSON values that keeps what `serde_json` refuses or drops, as visible text.
//!
//! Infinite and undefined numbers, integers beyond 64 bits, keys that are no strings, NULs (PostgreSQL's JSON has none), a value whose
//! `Serialize` fails, and whatever is nested too deep. For everything else the result is that of `serde_json::to_value`.

use std::fmt::{self, Write};

use serde::Serialize;
use serde::ser;
use serde_json::{Map, Number, Value};

use super::compound::{List, Object};

/// How deep a value may be nested.
const MAX_DEPTH: usize = 128;

/// Under this prefix `serde_json` hands its own exact numbers and raw texts through any serializer.
const EXACT: &str = "$serde_json::private::";

/// The serializer, and how deep it is.
pub(super) struct Visible {
    pub(super) depth: usize,
}

/// Why a `Serialize` failed: its own words.
#[derive(Debug)]
pub(super) struct Oops(String);

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Oops {}

impl ser::Error for Oops {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let mut text = String::new();
        // Not `to_string`, which panics where a `Display` fails.
        let _ = write!(text, "{message}");
        Self(text)
    }
}

/// The value as JSON; where its `Serialize` fails, the reason in its place.
pub(super) fn in_place<T: Serialize + ?Sized>(value: &T, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::from("<nested too deep>");
    }
    value.serialize(Visible { depth }).unwrap_or_else(|oops| visible(&format!("<cannot be serialised: {oops}>")))
}

/// A NUL's picture stands for it.
pub(super) fn visible_text(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

fn visible(text: &str) -> Value {
    Value::String(visible_text(text))
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

pub(super) fn tagged(variant: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(visible_text(variant), value)]))
}

type Seen = Result<Value, Oops>;

impl ser::Serializer for Visible {
    type Ok = Value;
    type Error = Oops;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Object;
    type SerializeStruct = Object;
    type SerializeStructVariant = Object;

    fn serialize_bool(self, v: bool) -> Seen {
        Ok(Value::Bool(v))
    }
    fn serialize_i8(self, v: i8) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_i16(self, v: i16) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_i32(self, v: i32) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_i64(self, v: i64) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_i128(self, v: i128) -> Seen {
        match (u64::try_from(v), i64::try_from(v)) {
            (Ok(small), _) => Ok(Value::from(small)),
            (_, Ok(small)) => Ok(Value::from(small)),
            _ => Ok(Value::String(v.to_string())),
        }
    }
    fn serialize_u8(self, v: u8) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_u16(self, v: u16) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_u32(self, v: u32) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_u64(self, v: u64) -> Seen {
        Ok(Value::from(v))
    }
    fn serialize_u128(self, v: u128) -> Seen {
        Ok(u64::try_from(v).map_or_else(|_| Value::String(v.to_string()), Value::from))
    }
    fn serialize_f32(self, v: f32) -> Seen {
        Ok(float(v.into()))
    }
    fn serialize_f64(self, v: f64) -> Seen {
        Ok(float(v))
    }
    fn serialize_char(self, v: char) -> Seen {
        Ok(visible(v.encode_utf8(&mut [0; 4])))
    }
    fn serialize_str(self, v: &str) -> Seen {
        Ok(visible(v))
    }
    fn serialize_bytes(self, v: &[u8]) -> Seen {
        Ok(Value::Array(v.iter().copied().map(Value::from).collect()))
    }
    fn serialize_none(self) -> Seen {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Seen {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Seen {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Seen {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Seen {
        Ok(visible(variant))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Seen {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Seen {
        Ok(tagged(variant, in_place(value, self.depth + 1)))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List, Oops> {
        Ok(List { variant: None, items: Vec::new(), depth: self.depth + 1 })
    }
    fn serialize_tuple(self, _: usize) -> Result<List, Oops> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, Oops> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<List, Oops> {
        Ok(List { variant: Some(variant), ..self.serialize_seq(None)? })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Object, Oops> {
        Ok(Object { variant: None, exact: false, map: Map::new(), key: None, depth: self.depth + 1 })
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Object, Oops> {
        Ok(Object { exact: name.starts_with(EXACT), ..self.serialize_map(None)? })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object, Oops> {
        Ok(Object { variant: Some(variant), ..self.serialize_map(None)? })
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Seen {
        let mut text = String::new();
        match write!(text, "{value}") {
            Ok(()) => Ok(visible(&text)),
            Err(_) => Err(ser::Error::custom("its `Display` failed")),
        }
    }
}
