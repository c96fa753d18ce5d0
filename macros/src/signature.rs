//! The header of the function below the attribute: its name, its return type, its body; everything stays tokens.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use syn::{Error, Result};

use crate::tokens::{as_group, group, is_arrow, is_ident, is_punct, tokens};

/// A function, cut where the expansion needs it.
pub(crate) struct Function {
    /// Attributes and signature, token for token.
    pub(crate) header: Vec<TokenTree>,
    /// `async` stands before `fn`.
    pub(crate) is_async: bool,
    /// The keyword `fn`.
    pub(crate) keyword: Span,
    pub(crate) name: Ident,
    /// What stands after `->`.
    pub(crate) output: Option<Vec<TokenTree>>,
    pub(crate) body: Group,
}

/// What an attribute can also stand on, with what to write instead.
const NON_FUNCTIONS: [(&str, &str); 11] = [
    ("impl", "put it on each `async fn` inside"),
    ("trait", "put it on each `async fn` of the `impl`"),
    ("mod", "put it on each `async fn` inside"),
    ("struct", "nothing calls it"),
    ("enum", "nothing calls it"),
    ("union", "nothing calls it"),
    ("type", "nothing calls it"),
    ("static", "nothing calls it"),
    ("use", "nothing calls it"),
    ("macro_rules", "put it on the `async fn` that the macro writes"),
    ("let", "nothing calls it"),
];

impl Function {
    /// Cuts the item, or says what it is instead of a function with a body.
    pub(crate) fn parse(item: TokenStream) -> Result<Self> {
        let mut header = tokens(item);
        let Some((keyword, name)) = named_fn(&header) else {
            return Err(not_a_function(&header));
        };
        if let Some(word) = header[..keyword].iter().find(|token| is_ident(token, "const")) {
            let text = "a `const fn` opens no session: it runs without awaiting; make it an `async fn`";
            return Err(Error::new(word.span(), text));
        }
        let Some(body) = header.pop().as_ref().and_then(|last| as_group(last, Delimiter::Brace)) else {
            let text =
                format!("`{name}` has no body to run in a session: put `#[otas_session]` on the method of the `impl`");
            return Err(Error::new(name.span(), text));
        };
        Ok(Self {
            is_async: header[..keyword].iter().any(|token| is_ident(token, "async")),
            keyword: header[keyword].span(),
            output: output(&header[keyword + 2..]),
            name,
            header,
            body,
        })
    }
}

/// Where `fn` stands, and the name after it: the `fn` of a type has none.
fn named_fn(item: &[TokenTree]) -> Option<(usize, Ident)> {
    item.windows(2).enumerate().find_map(|(at, pair)| match pair {
        [keyword, TokenTree::Ident(name)] if is_ident(keyword, "fn") => Some((at, name.clone())),
        _ => None,
    })
}

fn not_a_function(item: &[TokenTree]) -> Error {
    let found = item
        .iter()
        .find_map(|token| NON_FUNCTIONS.iter().find(|(word, _)| is_ident(token, word)).map(|other| (token, other)));
    match found {
        Some((token, (word, remedy))) => {
            Error::new(token.span(), format!("`#[otas_session]` goes on an `async fn`, and this is `{word}`: {remedy}"))
        }
        None => Error::new(
            item.first().map_or_else(Span::call_site, TokenTree::span),
            "`#[otas_session]` goes on an `async fn`: it opens a session for each call of it",
        ),
    }
}

/// The tokens between `->` and `where` or the body. `rest` begins after the function's name.
fn output(rest: &[TokenTree]) -> Option<Vec<TokenTree>> {
    let mut depth = 0usize;
    let mut start = None;
    let mut end = rest.len();
    for (at, token) in rest.iter().enumerate() {
        if is_punct(token, '<') {
            depth += 1;
        } else if is_punct(token, '>') && !is_arrow(rest, at) {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && start.is_none() && is_arrow(rest, at) {
            start = Some(at + 1);
        } else if depth == 0 && is_ident(token, "where") {
            end = at;
            break;
        }
    }
    start.filter(|&start| start < end).map(|start| match &rest[start..end] {
        [TokenTree::Group(fragment)] if fragment.delimiter() == Delimiter::None => tokens(fragment.stream()),
        output => output.to_vec(),
    })
}

/// The return type as it can be named in the body: each `impl ..` becomes `_`, and each lifetime `'_`, as lints count where one is used.
/// Nothing where it cannot be named: `!`, and a macro in it.
pub(crate) fn nameable(output: Option<&[TokenTree]>) -> Option<Vec<TokenTree>> {
    let Some(output) = output else {
        return Some(vec![group(Delimiter::Parenthesis, [], Span::call_site())]);
    };
    if is_never(Some(output)) { None } else { inferred(output, !has_own_lifetimes(output)) }
}

/// The type is `!`.
pub(crate) fn is_never(output: Option<&[TokenTree]>) -> bool {
    matches!(output, Some([never]) if is_punct(never, '!'))
}

/// The type begins with `impl`, so that its name says nothing.
pub(crate) fn is_opaque(output: Option<&[TokenTree]>) -> bool {
    matches!(output, Some([first, ..]) if is_ident(first, "impl"))
}

/// Whether a lifetime in this type may be bound in it: `fn(&'a u8)`, `dyn Fn(&'a u8)`, `for<'a> ..`.
fn has_own_lifetimes(type_: &[TokenTree]) -> bool {
    type_.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(word) => word == "for",
        TokenTree::Group(group) => {
            let called = |before: &TokenTree| match before {
                TokenTree::Ident(word) => word != "mut" && word != "const" && !is_lifetime(type_, at - 1),
                _ => false,
            };
            let is_call = group.delimiter() == Delimiter::Parenthesis && at > 0 && called(&type_[at - 1]);
            is_call || has_own_lifetimes(&group.stream().into_iter().collect::<Vec<_>>())
        }
        _ => false,
    })
}

/// The name of a lifetime stands here, and not that of a label.
fn is_lifetime(list: &[TokenTree], at: usize) -> bool {
    at > 0 && is_punct(&list[at - 1], '\'') && !list.get(at + 1).is_some_and(|next| is_punct(next, ':'))
}

fn inferred(output: &[TokenTree], elides: bool) -> Option<Vec<TokenTree>> {
    let mut out = Vec::with_capacity(output.len());
    let mut at = 0;
    while at < output.len() {
        match &output[at] {
            TokenTree::Ident(word) if word == "impl" => {
                out.push(Ident::new("_", word.span()).into());
                at += opaque(&output[at..]);
                continue;
            }
            TokenTree::Ident(name) if elides && is_lifetime(output, at) && name != "static" => {
                out.push(Ident::new("_", name.span()).into());
            }
            TokenTree::Punct(bang)
                if bang.as_char() == '!' && at > 0 && matches!(output[at - 1], TokenTree::Ident(_)) =>
            {
                return None;
            }
            TokenTree::Group(inner) => {
                let list: Vec<TokenTree> = inner.stream().into_iter().collect();
                // Between braces stand expressions, with labels.
                let list = inferred(&list, elides && inner.delimiter() != Delimiter::Brace)?;
                out.push(group(inner.delimiter(), list, inner.span()));
            }
            other => out.push(other.clone()),
        }
        at += 1;
    }
    Some(out)
}

/// How many tokens `impl Bound<..> + Bound` has: up to what closes or separates it.
fn opaque(rest: &[TokenTree]) -> usize {
    let mut depth = 0usize;
    for (at, token) in rest.iter().enumerate() {
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                '<' => depth += 1,
                '>' if is_arrow(rest, at) => {}
                '>' | ',' | ';' if depth == 0 => return at,
                '>' => depth -= 1,
                _ => {}
            },
            _ => continue,
        }
    }
    rest.len()
}
