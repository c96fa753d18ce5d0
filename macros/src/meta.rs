//! The grammar of `meta`: that of `serde_json::json!`, and a bare identifier as in struct shorthand. Values stay tokens.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::{Error, Lit, Result};

use crate::args::Private;
use crate::value::{as_group, borrowed, is_alone, is_assignment, is_comma, is_punct, is_word, length, tokens};

/// What `meta` says, as tokens of the expansion.
pub(crate) enum Meta {
    /// Nothing.
    Absent,
    /// `{ .. }`
    Object(Object),
    /// Any expression that serialises to an object.
    Value(TokenStream),
}

/// `{ .. }` as the runtime takes it.
pub(crate) struct Object {
    /// `"keys", values`
    pub(crate) fields: TokenStream,
    /// More has to be done than to borrow variables and literals.
    pub(crate) evaluates: bool,
}

impl Meta {
    /// The expression that makes a `Meta` of it.
    pub(crate) fn build(&self, private: &Private) -> TokenStream {
        match self {
            Self::Absent => quote_spanned!(Span::call_site()=> #private::object("", ())),
            Self::Object(Object { fields, .. }) => quote_spanned!(Span::call_site()=> #private::object(#fields)),
            Self::Value(value) => quote_spanned!(Span::call_site()=> #private::value(#value)),
        }
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
fn value(private: &Private, value: &[TokenTree]) -> Result<TokenStream> {
    match value {
        [only] if is_word(only, "null") => Ok(quote_spanned!(only.span()=> &())),
        [only] if as_group(only, Delimiter::Brace).is_some() => {
            let Object { fields, .. } = object(private, only)?;
            Ok(quote_spanned!(Span::call_site()=> &#private::object(#fields)))
        }
        [only] => match as_group(only, Delimiter::Bracket).map(|group| tokens(group.stream())) {
            Some(items) if !items.iter().any(|token| is_punct(token, ';')) => list(private, &items, only.span()),
            _ => Ok(borrowed(value)),
        },
        _ => Ok(borrowed(value)),
    }
}

fn list(private: &Private, mut rest: &[TokenTree], span: Span) -> Result<TokenStream> {
    let mut items = Vec::new();
    while let Some(first) = rest.first() {
        let end = length(rest);
        if end == 0 {
            return Err(Error::new(first.span(), "expected a value before this `,`"));
        }
        items.push(value(private, &rest[..end])?);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let items = pairs(&items, span);
    Ok(quote_spanned!(Span::call_site()=> &#private::list(#items)))
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
    let (keys, values) = (keys.join("\0"), pairs(&values, braces.span()));
    Ok(Object { fields: quote_spanned!(Span::call_site()=> #keys, #values), evaluates })
}

/// `((a, b), (c, d))`: as few levels as can be. All of it stands where the values stand: else the compiler would not find the one at fault.
fn pairs(values: &[TokenStream], span: Span) -> TokenStream {
    match values {
        [] => quote_spanned!(span=> ()),
        [only] => only.clone(),
        _ => {
            let (left, right) = values.split_at(values.len().div_ceil(2));
            let (left, right) = (pairs(left, span), pairs(right, span));
            quote_spanned!(span=> (#left, #right))
        }
    }
}

struct Entry {
    /// None where it is an expression, which goes along with the value.
    key: Option<String>,
    value: TokenStream,
    evaluates: bool,
}

/// `key: value` or `name`, and the comma after it.
fn entry<'a>(private: &Private, rest: &'a [TokenTree]) -> Result<(Entry, &'a [TokenTree])> {
    let end = length(rest);
    let colon = (0..end).find(|&at| is_alone(rest, at));
    let Some(colon) = colon else {
        return Ok((shorthand(rest, end)?, rest.get(end + 1..).unwrap_or_default()));
    };
    let (name, colon) = (&rest[..colon], &rest[colon]);
    let after = &rest[name.len() + 1..];
    if name.is_empty() {
        return Err(Error::new(colon.span(), "a key is missing before this `:`: write `\"key\": value`"));
    }
    let end = length(after);
    if end == 0 {
        return Err(Error::new(colon.span(), "a value is missing after this `:`; `null` is one"));
    }
    if let Some(at) = (1..end).find(|&at| is_alone(after, at)) {
        let before = &after[at - 1];
        return Err(Error::new(before.span(), format!("expected `,` before `{before}`")));
    }
    let mut value = self::value(private, &after[..end])?;
    let key = text_of(name);
    if key.is_none() {
        let key = borrowed(name);
        value = quote_spanned!(Span::call_site()=> #private::Keyed(#private::key(#key), #value));
    }
    let evaluates = key.is_none() || !matches!(after[..end], [TokenTree::Literal(_) | TokenTree::Ident(_)]);
    Ok((Entry { key, value, evaluates }, after.get(end + 1..).unwrap_or_default()))
}

/// The text of a key that is a literal one; all others are expressions that can be displayed.
fn text_of(key: &[TokenTree]) -> Option<String> {
    let [TokenTree::Literal(literal)] = key else { return None };
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
        [first, equals, ..] if is_assignment(&rest[1..]) => {
            Err(Error::new(equals.span(), format!("expected `:`, as in JSON: write `\"{}\": value`", bare(first))))
        }
        [TokenTree::Literal(literal)] => {
            Err(Error::new(literal.span(), format!("a value is missing after this key: write `{literal}: value`")))
        }
        [.., last] => Err(Error::new_spanned(
            rest[..end].iter().cloned().collect::<TokenStream>(),
            format!("only a lone variable can go without a key: write `\"{}\": {}`", bare(last), text(&rest[..end])),
        )),
    }
}

fn bare(token: &TokenTree) -> String {
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
