//! JSON values as Python holds and writes them, with NaN, infinities and integers of any length.

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// Decimal digits, with a sign if negative.
    Int(String),
    Float(f64),
    Text(Text),
    List(Vec<Json>),
    /// In the order in which the keys first appeared.
    Object(Vec<(Text, Json)>),
}

/// A string. Rust's cannot hold a lone surrogate: each becomes U+FFFD, and that is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) lone_surrogate: bool,
}

impl Json {
    pub(crate) fn object<const N: usize>(fields: [(&str, Json); N]) -> Self {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_owned().into(), value)).collect())
    }

    /// The value of a key; `None` if this is not an object or has no such key.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(entries) => entries.iter().find(|(name, _)| name.text == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Python's `bool(value)`.
    pub(crate) fn truthy(&self) -> bool {
        match self {
            Json::Null => false,
            Json::Bool(value) => *value,
            Json::Int(digits) => digits != "0",
            Json::Float(value) => *value != 0.0,
            Json::Text(text) => !text.text.is_empty(),
            Json::List(values) => !values.is_empty(),
            Json::Object(entries) => !entries.is_empty(),
        }
    }

    pub(crate) fn as_text(&self) -> Option<&Text> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// Writes it as `json.dumps` does: in ASCII, with a space after each comma and colon, and NaN
    /// as a bare word.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Int(digits) => out.push_str(digits),
            Json::Float(value) if value.is_nan() => out.push_str("NaN"),
            Json::Float(value) if value.is_infinite() => {
                out.push_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Json::Float(value) => out.push_str(&float_repr(*value)),
            Json::Text(text) => write_text(&text.text, out),
            Json::List(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    value.write(out);
                }
                out.push(']');
            }
            Json::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    write_text(&key.text, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// As far as `serde_json` can hold it: without NaN, and with integers beyond 64 bits rounded.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        match self {
            Json::Null => serde_json::Value::Null,
            Json::Bool(value) => (*value).into(),
            Json::Int(digits) => match digits.parse::<i64>() {
                Ok(value) => value.into(),
                Err(_) => {
                    digits.parse::<u64>().map_or_else(|_| digits.parse::<f64>().unwrap_or(0.0).into(), Into::into)
                }
            },
            Json::Float(value) => (*value).into(),
            Json::Text(text) => text.text.clone().into(),
            Json::List(values) => values.iter().map(Json::to_value).collect(),
            Json::Object(entries) => entries.iter().map(|(key, value)| (key.text.clone(), value.to_value())).collect(),
        }
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Json::Null,
            serde_json::Value::Bool(value) => Json::Bool(value),
            serde_json::Value::Number(number) if number.is_f64() => Json::Float(number.as_f64().unwrap_or(0.0)),
            serde_json::Value::Number(number) => Json::Int(number.to_string()),
            serde_json::Value::String(text) => Json::from(text),
            serde_json::Value::Array(values) => Json::List(values.into_iter().map(Json::from).collect()),
            serde_json::Value::Object(entries) => {
                Json::Object(entries.into_iter().map(|(key, value)| (Text::from(key), Json::from(value))).collect())
            }
        }
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Text(text.into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text { text, lone_surrogate: false }
    }
}

/// `repr(value)`: the shortest digits, with an exponent below 1e-4 and from 1e16.
pub(crate) fn float_repr(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        let text = format!("{value}");
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c @ ' '..='~') => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
}
