//! Splits the annotated function into signature and body, without parsing either.
//!
//! It also derives from the return type what the body may name.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use syn::{Error, Result};

use crate::tokens::{as_group, group, is_arrow, is_ident, is_punct, tokens};

pub(crate) struct Function {
    /// Attributes and signature: everything before the body.
    pub(crate) header: Vec<TokenTree>,
    pub(crate) is_async: bool,
    /// The span of `fn`.
    pub(crate) keyword: Span,
    pub(crate) name: Ident,
    /// The tokens after `->`.
    pub(crate) output: Option<Vec<TokenTree>>,
    pub(crate) body: Group,
}

/// Keywords of other items that take attributes, with what to do instead.
const NON_FUNCTIONS: [(&str, &str); 11] = [
    ("impl", ": annotate each `async fn` inside it"),
    ("trait", ": annotate each `async fn` in its `impl` blocks"),
    ("mod", ": annotate each `async fn` inside it"),
    ("struct", ""),
    ("enum", ""),
    ("union", ""),
    ("type", ""),
    ("static", ""),
    ("use", ""),
    ("macro_rules", ": annotate the `async fn` it expands to"),
    ("let", ""),
];

impl Function {
    pub(crate) fn parse(item: TokenStream) -> Result<Self> {
        let mut header = tokens(item);
        let Some((keyword, name)) = find_fn(&header) else {
            return Err(not_a_function(&header));
        };
        if let Some(word) = header[..keyword].iter().find(|token| is_ident(token, "const")) {
            let text = "`#[otas_session]` cannot be applied to a `const fn`: make it an `async fn`";
            return Err(Error::new(word.span(), text));
        }
        let Some(body) = header.pop().as_ref().and_then(|last| as_group(last, Delimiter::Brace)) else {
            let text = format!("`{name}` has no body to run in a session: annotate the method in the `impl` instead");
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

/// The index of `fn`, and the name after it. The `fn` of a function pointer type has no name.
fn find_fn(item: &[TokenTree]) -> Option<(usize, Ident)> {
    item.windows(2).enumerate().find_map(|(at, pair)| match pair {
        [keyword, TokenTree::Ident(name)] if is_ident(keyword, "fn") => Some((at, name.clone())),
        _ => None,
    })
}

fn not_a_function(item: &[TokenTree]) -> Error {
    let text = "`#[otas_session]` can only be applied to an `async fn`";
    let found = item.iter().find_map(|token| {
        let (word, remedy) = NON_FUNCTIONS.iter().find(|(word, _)| is_ident(token, word))?;
        Some(Error::new(token.span(), format!("{text}, found `{word}`{remedy}")))
    });
    found.unwrap_or_else(|| Error::new(item.first().map_or_else(Span::call_site, TokenTree::span), text))
}

/// The tokens between `->` and the body or `where`. `rest` starts after the function's name.
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

/// The return type in a form that the body can name: `_` for each `impl ..`, and `'_` for each
/// lifetime, since lints count the uses of a lifetime. `None` for `!` and for types that contain a
/// macro.
pub(crate) fn nameable(output: Option<&[TokenTree]>) -> Option<Vec<TokenTree>> {
    match output {
        None => Some(vec![group(Delimiter::Parenthesis, [], Span::call_site())]),
        Some(_) if is_never(output) => None,
        Some(output) => inferred(output, !has_own_lifetimes(output)),
    }
}

pub(crate) fn is_never(output: Option<&[TokenTree]>) -> bool {
    matches!(output, Some([never]) if is_punct(never, '!'))
}

/// Whether the type starts with `impl`, so that naming it says nothing about it.
pub(crate) fn is_opaque(output: Option<&[TokenTree]>) -> bool {
    matches!(output, Some([first, ..]) if is_ident(first, "impl"))
}

/// Whether the type may declare lifetimes of its own: `fn(&'a u8)`, `dyn Fn(&'a u8)`, `for<'a> ..`.
fn has_own_lifetimes(type_: &[TokenTree]) -> bool {
    type_.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(word) => word == "for",
        TokenTree::Group(group) => {
            let is_callee = |before: &TokenTree| match before {
                TokenTree::Ident(word) => word != "mut" && word != "const" && !is_lifetime(type_, at - 1),
                _ => false,
            };
            let is_call = group.delimiter() == Delimiter::Parenthesis && at > 0 && is_callee(&type_[at - 1]);
            is_call || has_own_lifetimes(&group.stream().into_iter().collect::<Vec<_>>())
        }
        _ => false,
    })
}

/// Whether the token at `at` is the name of a lifetime rather than of a label.
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
                at += opaque_len(&output[at..]);
                continue;
            }
            TokenTree::Ident(name) if elides && is_lifetime(output, at) && name != "static" => {
                out.push(Ident::new("_", name.span()).into());
            }
            bang if is_punct(bang, '!') && at > 0 && matches!(output[at - 1], TokenTree::Ident(_)) => return None,
            TokenTree::Group(inner) => {
                let list: Vec<TokenTree> = inner.stream().into_iter().collect();
                // Braces hold expressions, in which a name after `'` is a label.
                let list = inferred(&list, elides && inner.delimiter() != Delimiter::Brace)?;
                out.push(group(inner.delimiter(), list, inner.span()));
            }
            other => out.push(other.clone()),
        }
        at += 1;
    }
    Some(out)
}

/// The number of tokens in the `impl Bound<..> + Bound` at the start of `rest`.
fn opaque_len(rest: &[TokenTree]) -> usize {
    let mut depth = 0usize;
    for (at, token) in rest.iter().enumerate() {
        let TokenTree::Punct(punct) = token else { continue };
        match punct.as_char() {
            '<' => depth += 1,
            '>' if is_arrow(rest, at) => {}
            '>' | ',' | ';' if depth == 0 => return at,
            '>' => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}
