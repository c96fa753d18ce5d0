//! The grammar of `meta`: that of `serde_json::json!`, and a bare identifier as in struct shorthand. Values stay tokens.

use proc_macro2::{Delimiter, Literal, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::{Error, Lit, Result};

use crate::args::Private;
use crate::tokens::{
    as_group, borrowed, expr_len, group, is_assignment, is_comma, is_ident, is_punct, is_single_colon, punct, tokens,
};

/// What `meta` says, as tokens of the expansion.
pub(crate) enum Meta {
    /// Nothing.
    Absent,
    /// `{ .. }`
    Object(Object),
    /// Any expression that serialises to an object, borrowed.
    Value(Vec<TokenTree>),
}

/// `{ .. }` as the runtime takes it.
pub(crate) struct Object {
    keys: Vec<String>,
    /// A tuple.
    values: Vec<TokenTree>,
    evaluates: bool,
}

impl Meta {
    /// More has to be done than to borrow variables and literals.
    pub(crate) fn evaluates(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Object(object) => object.evaluates,
            Self::Value(_) => true,
        }
    }

    /// The expression that makes a `Meta` of it.
    pub(crate) fn build(&self, private: &Private) -> TokenStream {
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
    /// `"keys", values`. What stands before the keys is in one text with them, as each text of its own costs the compiler.
    pub(crate) fn fields(&self, before: Option<&str>) -> impl Iterator<Item = TokenTree> {
        let mut keys = String::new();
        for (at, key) in before.into_iter().chain(self.keys.iter().map(String::as_str)).enumerate() {
            keys.extend((at > 0).then_some('\0'));
            keys.push_str(key);
        }
        [Literal::string(&keys).into(), punct(',', Span::call_site())].into_iter().chain(self.values.iter().cloned())
    }
}

/// Reads what stands behind `meta =`.
pub(crate) fn parse(private: &Private, value: Option<&[TokenTree]>) -> Result<Meta> {
    match value {
        None => Ok(Meta::Absent),
        Some([only]) if as_group(only, Delimiter::Brace).is_some() => Ok(Meta::Object(object(private, only)?)),
        Some([TokenTree::Literal(literal)]) => {
            Err(Error::new(literal.span(), "`meta` is an object: write `meta = { \"key\": value }`"))
        }
        Some([only]) if as_group(only, Delimiter::Bracket).is_some() => {
            Err(Error::new(only.span(), "`meta` is an object, not a list: write `meta = { \"key\": [..] }`"))
        }
        Some([only]) if as_group(only, Delimiter::Parenthesis).is_some_and(|group| starts_entry(group.stream())) => {
            Err(Error::new(
                only.span(),
                "`meta` is an object in braces, not parentheses: write `meta = { \"key\": value }`",
            ))
        }
        Some(expression) => Ok(Meta::Value(borrowed(expression))),
    }
}

fn starts_entry(stream: TokenStream) -> bool {
    matches!(&tokens(stream)[..], [TokenTree::Literal(_) | TokenTree::Ident(_), colon, ..] if is_punct(colon, ':'))
}

/// A value that stands after a key or in a list, as a reference to something that can be serialised.
fn value(private: &Private, value: &[TokenTree]) -> Result<Vec<TokenTree>> {
    match value {
        [only] if is_ident(only, "null") => {
            Ok(vec![punct('&', only.span()), group(Delimiter::Parenthesis, [], only.span())])
        }
        [only] if as_group(only, Delimiter::Brace).is_some() => {
            let object = object(private, only)?;
            let fields = object.fields(None);
            Ok(tokens(quote_spanned!(Span::call_site()=> &#private::object(#(#fields)*))))
        }
        [only] => match as_group(only, Delimiter::Bracket).map(|group| tokens(group.stream())) {
            Some(items) if !items.iter().any(|token| is_punct(token, ';')) => list(private, &items, only.span()),
            _ => Ok(borrowed(value)),
        },
        _ => Ok(borrowed(value)),
    }
}

fn list(private: &Private, mut rest: &[TokenTree], span: Span) -> Result<Vec<TokenTree>> {
    let mut items = Vec::new();
    while let Some(first) = rest.first() {
        let end = expr_len(rest);
        if end == 0 {
            return Err(Error::new(first.span(), "expected a value before this `,`"));
        }
        items.push(value(private, &rest[..end])?);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let items = balanced_tuple(items, span);
    Ok(tokens(quote_spanned!(Span::call_site()=> &#private::list(#(#items)*))))
}

fn object(private: &Private, braces: &TokenTree) -> Result<Object> {
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

/// `((a, b, c), (d, e, ()), ())`: as few levels as can be. All of it stands where the values stand: else the compiler would not find the one at
/// fault.
fn balanced_tuple(mut values: Vec<Vec<TokenTree>>, span: Span) -> Vec<TokenTree> {
    let nothing = || group(Delimiter::Parenthesis, [], span);
    if values.len() < 2 {
        return values.pop().unwrap_or_else(|| vec![nothing()]);
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
    /// None where it is an expression, which goes along with the value.
    key: Option<String>,
    value: Vec<TokenTree>,
    evaluates: bool,
}

/// `key: value` or `name`, and the comma after it.
fn entry<'a>(private: &Private, rest: &'a [TokenTree]) -> Result<(Entry, &'a [TokenTree])> {
    let end = expr_len(rest);
    let colon = (0..end).find(|&at| is_single_colon(rest, at));
    let Some(colon) = colon else {
        return Ok((shorthand(rest, end)?, rest.get(end + 1..).unwrap_or_default()));
    };
    let (name, colon) = (&rest[..colon], &rest[colon]);
    let after = &rest[name.len() + 1..];
    if name.is_empty() {
        return Err(Error::new(colon.span(), "a key is missing before this `:`: write `\"key\": value`"));
    }
    let end = expr_len(after);
    if end == 0 {
        return Err(Error::new(colon.span(), "a value is missing after this `:`; `null` is one"));
    }
    if let Some(at) = (1..end).find(|&at| is_single_colon(after, at)) {
        let before = &after[at - 1];
        return Err(Error::new(before.span(), format!("expected `,` before `{before}`")));
    }
    let mut value = self::value(private, &after[..end])?;
    let key = text_of(name);
    if key.is_none() {
        let key = borrowed(name);
        value = tokens(quote_spanned!(Span::call_site()=> #private::Keyed(#private::key(#(#key)*), #(#value)*)));
    }
    let evaluates = key.is_none() || !matches!(after[..end], [TokenTree::Literal(_) | TokenTree::Ident(_)]);
    Ok((Entry { key, value, evaluates }, after.get(end + 1..).unwrap_or_default()))
}

/// The text of a key that is a literal one; all others are expressions that can be displayed.
fn text_of(key: &[TokenTree]) -> Option<String> {
    let [TokenTree::Literal(literal)] = key else { return None };
    let written = literal.to_string();
    // The usual key, for which no parser is needed.
    let plain = written.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    if let Some(plain) = plain.filter(|text| !text.contains(['\\', '\r', '\0'])) {
        return Some(plain.to_owned());
    }
    match Lit::new(literal.clone()) {
        // As the runtime would make it: what stands between the keys must not stand in one.
        Lit::Str(text) if text.suffix().is_empty() => Some(text.value().replace('\0', "\u{2400}")),
        _ => None,
    }
}

/// A lone identifier is key and value at once.
fn shorthand(rest: &[TokenTree], end: usize) -> Result<Entry> {
    match &rest[..end] {
        [TokenTree::Ident(name)] => {
            let key = name.unraw().to_string();
            Ok(Entry { key: Some(key), value: borrowed(&rest[..end]), evaluates: false })
        }
        [] => Err(Error::new(rest[0].span(), "expected `\"key\": value` before this `,`")),
        [first, equals, ..] if is_assignment(&rest[1..]) => Err(Error::new(
            equals.span(),
            format!("expected `:`, as in JSON: write `\"{}\": value`", ident_or_key(first)),
        )),
        [TokenTree::Literal(literal)] => {
            Err(Error::new(literal.span(), format!("a value is missing after this key: write `{literal}: value`")))
        }
        [.., last] => Err(Error::new_spanned(
            rest[..end].iter().cloned().collect::<TokenStream>(),
            format!(
                "only a lone variable can go without a key: write `\"{}\": {}`",
                ident_or_key(last),
                text(&rest[..end])
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

/// The expression as it was written, where it is short.
fn text(expression: &[TokenTree]) -> String {
    let text: String = expression.iter().map(ToString::to_string).collect();
    if text.len() <= 40 && !expression.iter().any(is_comma) { text } else { String::from("..") }
}
