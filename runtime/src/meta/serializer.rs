//! A total JSON serializer: whatever `serde_json` would reject or drop becomes readable text.
//!
//! This applies to NaN and infinities, integers beyond 64 bits, keys that are not strings, NULs
//! (PostgreSQL rejects them), values whose `Serialize` fails, and anything nested too deeply.
//! Everything else comes out as from `serde_json::to_value`.

use std::fmt::{self, Write};

use serde::Serialize;
use serde::ser::{self, Error as _};
use serde_json::{Map, Number, Value};

use crate::text::escape_nul;

/// How deep a value may be nested.
const MAX_DEPTH: usize = 128;

/// `serde_json` passes arbitrary-precision numbers and raw JSON through any serializer as structs
/// whose names begin like this.
const RAW_JSON_PREFIX: &str = "$serde_json::private::";

/// Converts a value. If its `Serialize` fails, the result is a string with the reason.
pub(super) fn to_value<T: Serialize + ?Sized>(value: &T, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::from("<nested too deeply>");
    }
    let result = value.serialize(LossyJson { depth });
    result.unwrap_or_else(|error| string(&format!("<cannot be serialized: {error}>")))
}

/// Why a `Serialize` failed, in its own words.
#[derive(Debug)]
pub(super) struct MetaError(String);

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MetaError {}

impl ser::Error for MetaError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let mut text = String::new();
        // `to_string` would panic if the `Display` fails.
        let _ = write!(text, "{message}");
        Self(text)
    }
}

type JsonResult = Result<Value, MetaError>;

/// Serializes a value at this depth.
pub(super) struct LossyJson {
    pub(super) depth: usize,
}

fn string(text: &str) -> Value {
    Value::String(escape_nul(text).into_owned())
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

/// A value, wrapped in the name of its enum variant if it has one.
fn tagged(variant: Option<&str>, value: Value) -> Value {
    match variant {
        None => value,
        Some(variant) => Value::Object(Map::from_iter([(escape_nul(variant).into_owned(), value)])),
    }
}

macro_rules! serialize_from {
    ($($method:ident: $number:ty),*) => {
        $(fn $method(self, v: $number) -> JsonResult {
            Ok(Value::from(v))
        })*
    };
}

impl ser::Serializer for LossyJson {
    type Ok = Value;
    type Error = MetaError;
    type SerializeSeq = Array;
    type SerializeTuple = Array;
    type SerializeTupleStruct = Array;
    type SerializeTupleVariant = Array;
    type SerializeMap = Object;
    type SerializeStruct = Object;
    type SerializeStructVariant = Object;

    serialize_from! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    }

    fn serialize_i128(self, v: i128) -> JsonResult {
        let signed = || i64::try_from(v).map_or_else(|_| Value::String(v.to_string()), Value::from);
        Ok(u64::try_from(v).map_or_else(|_| signed(), Value::from))
    }

    fn serialize_u128(self, v: u128) -> JsonResult {
        Ok(u64::try_from(v).map_or_else(|_| Value::String(v.to_string()), Value::from))
    }

    fn serialize_f32(self, v: f32) -> JsonResult {
        Ok(float(v.into()))
    }

    fn serialize_f64(self, v: f64) -> JsonResult {
        Ok(float(v))
    }

    fn serialize_char(self, v: char) -> JsonResult {
        Ok(string(v.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, v: &str) -> JsonResult {
        Ok(string(v))
    }

    fn serialize_bytes(self, v: &[u8]) -> JsonResult {
        Ok(Value::from(v))
    }

    fn serialize_none(self) -> JsonResult {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> JsonResult {
        value.serialize(self)
    }

    fn serialize_unit(self) -> JsonResult {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> JsonResult {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> JsonResult {
        Ok(string(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> JsonResult {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> JsonResult {
        Ok(tagged(Some(variant), to_value(value, self.depth + 1)))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Array, MetaError> {
        Ok(Array { variant: None, items: Vec::new(), depth: self.depth + 1 })
    }

    fn serialize_tuple(self, _: usize) -> Result<Array, MetaError> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array, MetaError> {
        self.serialize_seq(None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array, MetaError> {
        Ok(Array { variant: Some(variant), ..self.serialize_seq(None)? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object, MetaError> {
        Ok(Object { variant: None, is_raw_json: false, map: Map::new(), key: None, depth: self.depth + 1 })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Object, MetaError> {
        Ok(Object { is_raw_json: name.starts_with(RAW_JSON_PREFIX), ..self.serialize_map(None)? })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object, MetaError> {
        Ok(Object { variant: Some(variant), ..self.serialize_map(None)? })
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> JsonResult {
        let mut text = String::new();
        match write!(text, "{value}") {
            Ok(()) => Ok(string(&text)),
            Err(_) => Err(MetaError::custom("its `Display` failed")),
        }
    }
}

/// A sequence, tuple, or tuple variant being built.
pub(super) struct Array {
    variant: Option<&'static str>,
    items: Vec<Value>,
    depth: usize,
}

impl Array {
    fn finish(self) -> Value {
        tagged(self.variant, Value::Array(self.items))
    }
}

macro_rules! serialize_array {
    ($($compound:ident: $method:ident),*) => {
        $(impl ser::$compound for Array {
            type Ok = Value;
            type Error = MetaError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), MetaError> {
                self.items.push(to_value(value, self.depth));
                Ok(())
            }

            fn end(self) -> JsonResult {
                Ok(self.finish())
            }
        })*
    };
}

serialize_array! {
    SerializeSeq: serialize_element, SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field, SerializeTupleVariant: serialize_field
}

/// A map, struct, or struct variant being built.
pub(super) struct Object {
    variant: Option<&'static str>,
    /// Whether its only field is JSON text: see [`RAW_JSON_PREFIX`].
    is_raw_json: bool,
    map: Map<String, Value>,
    key: Option<String>,
    depth: usize,
}

impl Object {
    fn finish(self) -> Value {
        if self.is_raw_json {
            return raw_json(self.map);
        }
        tagged(self.variant, Value::Object(self.map))
    }

    /// Numbers a key whose text equals that of an earlier one, so that no value is lost.
    fn unique(&self, key: String) -> String {
        let mut unique = key.clone();
        let mut count = 1;
        while self.map.contains_key(&unique) {
            count += 1;
            unique = format!("{key} ({count})");
        }
        unique
    }
}

fn raw_json(map: Map<String, Value>) -> Value {
    match map.into_iter().next() {
        Some((_, Value::String(text))) => match serde_json::from_str::<Value>(&text) {
            Ok(value) => to_value(&value, 0),
            Err(_) => Value::String(text),
        },
        _ => Value::Null,
    }
}

impl ser::SerializeMap for Object {
    type Ok = Value;
    type Error = MetaError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), MetaError> {
        let key = match to_value(key, self.depth) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.key = Some(self.unique(key));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), MetaError> {
        let key = self.key.take().unwrap_or_default();
        self.map.insert(key, to_value(value, self.depth));
        Ok(())
    }

    fn end(self) -> JsonResult {
        Ok(self.finish())
    }
}

macro_rules! serialize_object {
    ($($compound:ident),*) => {
        $(impl ser::$compound for Object {
            type Ok = Value;
            type Error = MetaError;

            fn serialize_field<T>(&mut self, key: &'static str, value: &T) -> Result<(), MetaError>
            where
                T: Serialize + ?Sized,
            {
                self.map.insert(escape_nul(key).into_owned(), to_value(value, self.depth));
                Ok(())
            }

            fn end(self) -> JsonResult {
                Ok(self.finish())
            }
        })*
    };
}

serialize_object!(SerializeStruct, SerializeStructVariant);
