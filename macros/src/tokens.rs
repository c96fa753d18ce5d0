//! Inspects raw tokens without parsing expressions: fragments, punctuation, where a value ends.

use proc_macro2::{Delimiter, Group, Punct, Spacing, Span, TokenStream, TokenTree};

/// The tokens of a stream. A `macro_rules!` passes on a fragment as a group without delimiters; if
/// that is all there is, it is unwrapped.
pub(crate) fn tokens(stream: TokenStream) -> Vec<TokenTree> {
    let list: Vec<TokenTree> = stream.into_iter().collect();
    match &list[..] {
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::None => tokens(group.stream()),
        _ => list,
    }
}

/// The token as a group with this delimiter, looking through fragments of a `macro_rules!`.
pub(crate) fn as_group(token: &TokenTree, delimiter: Delimiter) -> Option<Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group.clone()),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => match &tokens(group.stream())[..] {
            [inner] => as_group(inner, delimiter),
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

pub(crate) fn is_comma(token: &TokenTree) -> bool {
    is_punct(token, ',')
}

pub(crate) fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

/// The number of tokens that the inner attributes (`#![..]`) at the start of a body take up.
pub(crate) fn inner_attributes_len(body: &[TokenTree]) -> usize {
    let is_attribute = |three: &&[TokenTree]| is_punct(&three[0], '#') && is_punct(&three[1], '!');
    3 * body.chunks_exact(3).take_while(is_attribute).count()
}

/// Whether the tokens start with a `=` that is not part of `==` or `=>`.
pub(crate) fn is_assignment(rest: &[TokenTree]) -> bool {
    matches!(rest.first(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=' && punct.spacing() == Spacing::Alone)
}

/// Whether the token at `at` is the `>` of `->` or `=>`, which closes no generic arguments.
pub(crate) fn is_arrow(tokens: &[TokenTree], at: usize) -> bool {
    at > 0
        && is_punct(&tokens[at], '>')
        && matches!(&tokens[at - 1], TokenTree::Punct(punct)
            if matches!(punct.as_char(), '-' | '=') && punct.spacing() == Spacing::Joint)
}

/// Whether the token at `at` is a `:` that is not part of `::`.
pub(crate) fn is_single_colon(rest: &[TokenTree], at: usize) -> bool {
    let is_joint = |token: &TokenTree| {
        matches!(token, TokenTree::Punct(punct)
            if punct.as_char() == ':' && punct.spacing() == Spacing::Joint)
    };
    is_punct(&rest[at], ':') && !is_joint(&rest[at]) && !(at > 0 && is_joint(&rest[at - 1]))
}

/// A reference to the value. Stable compilers cannot join spans, so `&` gets the span of the first
/// token and the parentheses that of the last: errors then underline the whole value.
pub(crate) fn borrowed(value: &[TokenTree]) -> Vec<TokenTree> {
    let first = value.first().map_or_else(Span::call_site, TokenTree::span);
    let last = value.last().map_or_else(Span::call_site, TokenTree::span);
    let value = match value {
        [only @ TokenTree::Ident(_)] => only.clone(),
        _ => group(Delimiter::Parenthesis, value.to_vec(), last),
    };
    vec![punct('&', first), value]
}

pub(crate) fn punct(char: char, span: Span) -> TokenTree {
    let mut punct = Punct::new(char, Spacing::Alone);
    punct.set_span(span);
    punct.into()
}

pub(crate) fn group(delimiter: Delimiter, inner: impl IntoIterator<Item = TokenTree>, span: Span) -> TokenTree {
    let mut group = Group::new(delimiter, inner.into_iter().collect());
    group.set_span(span);
    group.into()
}

/// The number of tokens in the expression at the start of `rest`: everything up to a comma that is
/// not between the `<` and `>` of generic arguments.
pub(crate) fn expr_len(rest: &[TokenTree]) -> usize {
    let mut depth = 0usize;
    let mut in_type = false;
    for (at, token) in rest.iter().enumerate() {
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' if depth == 0 => return at,
                '<' if depth > 0 || in_type || opens_generics(rest, at) => depth += 1,
                '>' if depth > 0 && !is_arrow(rest, at) => depth -= 1,
                // A type follows, as in `|error: otas::Error|` or `|| -> Vec<u8> { .. }`.
                ':' | '>' if depth == 0 => in_type |= is_arrow(rest, at) || is_single_colon(rest, at),
                '\'' => {}
                '&' | '*' if in_type => {}
                _ if depth == 0 => in_type = false,
                _ => {}
            },
            TokenTree::Ident(ident) if ident == "as" => in_type = true,
            _ => {}
        }
    }
    rest.len()
}

/// Whether the `<` at `at` opens generic arguments: it does after `::` and in place of an operand;
/// anywhere else it is a comparison.
fn opens_generics(rest: &[TokenTree], at: usize) -> bool {
    match at.checked_sub(1).map(|before| &rest[before]) {
        None => true,
        Some(TokenTree::Punct(punct)) => !matches!(punct.as_char(), '?' | '>' | '<'),
        Some(_) => false,
    }
}
