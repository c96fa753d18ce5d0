//! Lists and objects of the visible serializer.

use serde::Serialize;
use serde::ser;
use serde_json::{Map, Value};

use super::visible::{Oops, in_place, tagged, visible_text};

/// A sequence, tuple, or tuple variant.
pub(super) struct List {
    pub(super) variant: Option<&'static str>,
    pub(super) items: Vec<Value>,
    pub(super) depth: usize,
}

impl List {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Oops> {
        self.items.push(in_place(value, self.depth));
        Ok(())
    }

    fn finish(self) -> Result<Value, Oops> {
        let list = Value::Array(self.items);
        Ok(match self.variant {
            None => list,
            Some(variant) => tagged(variant, list),
        })
    }
}

/// A map, struct, or struct variant.
pub(super) struct Object {
    pub(super) variant: Option<&'static str>,
    /// An exact number or raw text of `serde_json`: its only field is JSON already.
    pub(super) exact: bool,
    pub(super) map: Map<String, Value>,
    pub(super) key: Option<String>,
    pub(super) depth: usize,
}

impl Object {
    /// Keys that are no strings become one, and two that look the same are told apart: nothing vanishes.
    fn set_key<T: Serialize + ?Sized>(&mut self, key: &T) {
        let text = match in_place(key, self.depth) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut unique = text.clone();
        let mut count = 1;
        while self.map.contains_key(&unique) {
            count += 1;
            unique = format!("{text} ({count})");
        }
        self.key = Some(unique);
    }

    fn set_value<T: Serialize + ?Sized>(&mut self, value: &T) {
        let key = self.key.take().unwrap_or_default();
        self.map.insert(key, in_place(value, self.depth));
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Oops> {
        self.map.insert(visible_text(key), in_place(value, self.depth));
        Ok(())
    }

    fn finish(self) -> Result<Value, Oops> {
        if self.exact {
            return Ok(exact(self.map));
        }
        let object = Value::Object(self.map);
        Ok(match self.variant {
            None => object,
            Some(variant) => tagged(variant, object),
        })
    }
}

fn exact(map: Map<String, Value>) -> Value {
    match map.into_iter().next() {
        Some((_, Value::String(text))) => match serde_json::from_str(&text) {
            Ok(value) => in_place::<Value>(&value, 0),
            Err(_) => Value::String(text),
        },
        _ => Value::Null,
    }
}

impl ser::SerializeSeq for List {
    type Ok = Value;
    type Error = Oops;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Oops> {
        self.push(value)
    }
    fn end(self) -> Result<Value, Oops> {
        self.finish()
    }
}

impl ser::SerializeTuple for List {
    type Ok = Value;
    type Error = Oops;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Oops> {
        self.push(value)
    }
    fn end(self) -> Result<Value, Oops> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for List {
    type Ok = Value;
    type Error = Oops;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Oops> {
        self.push(value)
    }
    fn end(self) -> Result<Value, Oops> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for List {
    type Ok = Value;
    type Error = Oops;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Oops> {
        self.push(value)
    }
    fn end(self) -> Result<Value, Oops> {
        self.finish()
    }
}

impl ser::SerializeMap for Object {
    type Ok = Value;
    type Error = Oops;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Oops> {
        self.set_key(key);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Oops> {
        self.set_value(value);
        Ok(())
    }
    fn end(self) -> Result<Value, Oops> {
        self.finish()
    }
}

impl ser::SerializeStruct for Object {
    type Ok = Value;
    type Error = Oops;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Oops> {
        self.field(key, value)
    }
    fn end(self) -> Result<Value, Oops> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Object {
    type Ok = Value;
    type Error = Oops;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Oops> {
        self.field(key, value)
    }
    fn end(self) -> Result<Value, Oops> {
        self.finish()
    }
}
