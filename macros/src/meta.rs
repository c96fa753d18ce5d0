//! Parses the value of `meta`, and leaves the values in it as tokens.
//!
//! The syntax is that of `serde_json::json!`, plus lone variables as in struct shorthand.

use proc_macro2::{Delimiter, Literal, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::{Error, Lit, Result};

use crate::args::PrivatePath;
use crate::tokens::{
    as_group, borrowed, expr_len, group, is_assignment, is_comma, is_ident, is_punct, is_single_colon, punct, tokens,
};

pub(crate) enum Meta {
    Absent,
    /// `{ .. }`
    Object(Object),
    /// A reference to any expression that serializes to an object.
    Value(Vec<TokenTree>),
}

pub(crate) struct Object {
    /// Literal keys and the names of variables; computed keys are part of `values`.
    keys: Vec<String>,
    /// A tuple, nested so that its size has no limit.
    values: Vec<TokenTree>,
    evaluates: bool,
}

impl Meta {
    /// Whether building it takes more than borrowing variables and literals.
    pub(crate) fn evaluates(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Object(object) => object.evaluates,
            Self::Value(_) => true,
        }
    }

    /// The expression that builds the runtime's `Meta`.
    pub(crate) fn build(&self, private: &PrivatePath) -> TokenStream {
        match self {
            Self::Absent => quote_spanned!(Span::call_site()=> #private::object("", ())),
            Self::Object(object) => {
                let fields = object.fields(None);
                quote_spanned!(Span::call_site()=> #private::object(#(#fields)*))
            }
            Self::Value(value) => quote_spanned!(Span::call_site()=> #private::value(#(#value)*)),
        }
    }
}

impl Object {
    /// `"keys", values`. All keys share one NUL-separated literal, together with `function` if
    /// given, because every further literal costs compile time.
    pub(crate) fn fields(&self, function: Option<&str>) -> impl Iterator<Item = TokenTree> {
        let names: Vec<&str> = function.into_iter().chain(self.keys.iter().map(String::as_str)).collect();
        let names = Literal::string(&names.join("\0"));
        [names.into(), punct(',', Span::call_site())].into_iter().chain(self.values.iter().cloned())
    }
}

/// Parses the tokens after `meta =`.
pub(crate) fn parse(private: &PrivatePath, value: Option<&[TokenTree]>) -> Result<Meta> {
    let error = |token: &TokenTree, text: &str| Err(Error::new(token.span(), text));
    match value {
        None => Ok(Meta::Absent),
        Some([only]) if as_group(only, Delimiter::Brace).is_some() => Ok(Meta::Object(object(private, only)?)),
        Some([only @ TokenTree::Literal(_)]) => {
            error(only, "`meta` must be an object: write `meta = { \"key\": value }`")
        }
        Some([only]) if as_group(only, Delimiter::Bracket).is_some() => {
            error(only, "`meta` must be an object, not a list: write `meta = { \"key\": [..] }`")
        }
        Some([only]) if as_group(only, Delimiter::Parenthesis).is_some_and(|group| starts_entry(group.stream())) => {
            error(only, "`meta` takes braces, not parentheses: write `meta = { \"key\": value }`")
        }
        Some(expression) => Ok(Meta::Value(borrowed(expression))),
    }
}

fn starts_entry(stream: TokenStream) -> bool {
    matches!(&tokens(stream)[..], [TokenTree::Literal(_) | TokenTree::Ident(_), colon, ..] if is_punct(colon, ':'))
}

/// A value after a key or in a list, as a reference to something serializable.
fn value(private: &PrivatePath, value: &[TokenTree]) -> Result<Vec<TokenTree>> {
    let [only] = value else { return Ok(borrowed(value)) };
    if is_ident(only, "null") {
        return Ok(vec![punct('&', only.span()), group(Delimiter::Parenthesis, [], only.span())]);
    }
    if as_group(only, Delimiter::Brace).is_some() {
        let object = object(private, only)?;
        let fields = object.fields(None);
        return Ok(tokens(quote_spanned!(Span::call_site()=> &#private::object(#(#fields)*))));
    }
    match as_group(only, Delimiter::Bracket).map(|group| tokens(group.stream())) {
        // Not `[value; length]`, which is an ordinary expression.
        Some(items) if !items.iter().any(|token| is_punct(token, ';')) => list(private, &items, only.span()),
        _ => Ok(borrowed(value)),
    }
}

fn list(private: &PrivatePath, mut rest: &[TokenTree], span: Span) -> Result<Vec<TokenTree>> {
    let mut items = Vec::new();
    while let Some(first) = rest.first() {
        let end = expr_len(rest);
        if end == 0 {
            return Err(Error::new(first.span(), "expected a value before `,`"));
        }
        items.push(value(private, &rest[..end])?);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let items = balanced_tuple(items, span);
    Ok(tokens(quote_spanned!(Span::call_site()=> &#private::list(#(#items)*))))
}

fn object(private: &PrivatePath, braces: &TokenTree) -> Result<Object> {
    let inner = as_group(braces, Delimiter::Brace).map(|group| tokens(group.stream())).unwrap_or_default();
    let mut rest = &inner[..];
    let (mut keys, mut values, mut evaluates) = (Vec::new(), Vec::new(), false);
    while !rest.is_empty() {
        let entry;
        (entry, rest) = self::entry(private, rest)?;
        keys.extend(entry.key);
        values.push(entry.value);
        evaluates |= entry.evaluates;
    }
    Ok(Object { keys, values: balanced_tuple(values, braces.span()), evaluates })
}

/// `((a, b, c), (d, e, ()), ())`: nested three by three, as shallow as possible. Everything has the
/// span of the surrounding braces; otherwise errors would not point at the value at fault.
fn balanced_tuple(mut values: Vec<Vec<TokenTree>>, span: Span) -> Vec<TokenTree> {
    if values.len() < 2 {
        return values.pop().unwrap_or_else(|| vec![group(Delimiter::Parenthesis, [], span)]);
    }
    let third = values.len().div_ceil(3);
    let mut inner = Vec::new();
    for part in 0..3 {
        inner.extend((part > 0).then(|| punct(',', span)));
        let rest = values.split_off(third.min(values.len()));
        inner.extend(balanced_tuple(std::mem::replace(&mut values, rest), span));
    }
    vec![group(Delimiter::Parenthesis, inner, span)]
}

struct Entry {
    /// `None` if the key is computed: it is then part of the value.
    key: Option<String>,
    value: Vec<TokenTree>,
    evaluates: bool,
}

/// Splits `key: value,` or `name,` off `rest`; returns the entry and what follows it.
fn entry<'a>(private: &PrivatePath, rest: &'a [TokenTree]) -> Result<(Entry, &'a [TokenTree])> {
    let end = expr_len(rest);
    let Some(colon) = (0..end).find(|&at| is_single_colon(rest, at)) else {
        return Ok((shorthand(rest, end)?, rest.get(end + 1..).unwrap_or_default()));
    };
    let (name, colon, after) = (&rest[..colon], &rest[colon], &rest[colon + 1..]);
    if name.is_empty() {
        return Err(Error::new(colon.span(), "missing key before `:`: write `\"key\": value`"));
    }
    let end = expr_len(after);
    if end == 0 {
        return Err(Error::new(colon.span(), "missing value after `:`: write `null` if there is none"));
    }
    if let Some(at) = (1..end).find(|&at| is_single_colon(after, at)) {
        let before = &after[at - 1];
        return Err(Error::new(before.span(), format!("expected `,` before `{before}`")));
    }
    let mut value = self::value(private, &after[..end])?;
    let key = literal_key(name);
    if key.is_none() {
        let key = borrowed(name);
        value = tokens(quote_spanned!(Span::call_site()=> #private::Keyed(#private::key(#(#key)*), #(#value)*)));
    }
    let evaluates = key.is_none() || !matches!(after[..end], [TokenTree::Literal(_) | TokenTree::Ident(_)]);
    Ok((Entry { key, value, evaluates }, after.get(end + 1..).unwrap_or_default()))
}

/// The text of a key that is a string literal; any other key is an expression.
fn literal_key(key: &[TokenTree]) -> Option<String> {
    let [TokenTree::Literal(literal)] = key else { return None };
    let source = literal.to_string();
    // Nearly every key is a plain literal, which needs no parser.
    let plain = source.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    if let Some(plain) = plain.filter(|text| !text.contains(['\\', '\r', '\0'])) {
        return Some(plain.to_owned());
    }
    match Lit::new(literal.clone()) {
        // NUL separates the keys; the runtime replaces it the same way in computed keys.
        Lit::Str(text) if text.suffix().is_empty() => Some(text.value().replace('\0', "\u{2400}")),
        _ => None,
    }
}

/// Parses an entry without a colon, which must be a lone variable.
fn shorthand(rest: &[TokenTree], end: usize) -> Result<Entry> {
    match &rest[..end] {
        [TokenTree::Ident(name)] => {
            let key = name.unraw().to_string();
            Ok(Entry { key: Some(key), value: borrowed(&rest[..end]), evaluates: false })
        }
        [] => Err(Error::new(rest[0].span(), "expected `\"key\": value` before `,`")),
        [first, equals, ..] if is_assignment(&rest[1..]) => Err(Error::new(
            equals.span(),
            format!("expected `:`, found `=`: write `\"{}\": value`", ident_or_key(first)),
        )),
        [TokenTree::Literal(literal)] => {
            Err(Error::new(literal.span(), format!("missing value for this key: write `{literal}: value`")))
        }
        expression @ [.., last] => Err(Error::new_spanned(
            expression.iter().cloned().collect::<TokenStream>(),
            format!(
                "only a variable can go without a key: write `\"{}\": {}`",
                ident_or_key(last),
                short_source(expression)
            ),
        )),
    }
}

fn ident_or_key(token: &TokenTree) -> String {
    match token {
        TokenTree::Ident(name) => name.unraw().to_string(),
        _ => String::from("key"),
    }
}

/// The expression as written, or `..` if it is long.
fn short_source(expression: &[TokenTree]) -> String {
    let text: String = expression.iter().map(ToString::to_string).collect();
    if text.len() <= 40 && !expression.iter().any(is_comma) { text } else { String::from("..") }
}
