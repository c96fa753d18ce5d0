//! Looking at tokens without parsing expressions: groups without delimiters, commas, where a value ends.

use proc_macro2::{Delimiter, Group, Punct, Spacing, Span, TokenStream, TokenTree};

/// The tokens of a stream. What a `macro_rules!` passed on as one fragment comes in a group without delimiters: a lone one is opened.
pub(crate) fn tokens(stream: TokenStream) -> Vec<TokenTree> {
    let list: Vec<TokenTree> = stream.into_iter().collect();
    match &list[..] {
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::None => tokens(group.stream()),
        _ => list,
    }
}

/// The group that a token is, where a fragment of a `macro_rules!` may stand around it.
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

/// How many tokens the `#![..]` at the start of a body are.
pub(crate) fn inner_attributes(body: &[TokenTree]) -> usize {
    let starts = |three: &&[TokenTree]| is_punct(&three[0], '#') && is_punct(&three[1], '!');
    3 * body.chunks_exact(3).take_while(starts).count()
}

pub(crate) fn is_comma(token: &TokenTree) -> bool {
    is_punct(token, ',')
}

pub(crate) fn is_ident(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// A `=` that is not the start of `==` or `=>`.
pub(crate) fn is_assignment(rest: &[TokenTree]) -> bool {
    matches!(rest.first(), Some(TokenTree::Punct(punct)) if punct.as_char() == '=' && punct.spacing() == Spacing::Alone)
}

/// The `>` of `->` or `=>` closes no list of generic arguments.
pub(crate) fn is_arrow(tokens: &[TokenTree], at: usize) -> bool {
    at > 0
        && is_punct(&tokens[at], '>')
        && matches!(&tokens[at - 1], TokenTree::Punct(punct)
            if matches!(punct.as_char(), '-' | '=') && punct.spacing() == Spacing::Joint)
}

/// A reference to the value. It spans from the first to the last token, as far as a stable compiler can say it: the `&` has the first
/// one's span, the parentheses have the last one's.
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
    TokenTree::Punct(punct)
}

pub(crate) fn group(delimiter: Delimiter, inner: impl IntoIterator<Item = TokenTree>, span: Span) -> TokenTree {
    let mut group = Group::new(delimiter, inner.into_iter().collect());
    group.set_span(span);
    TokenTree::Group(group)
}

/// The expr_len of the value that begins here: up to a comma that is not between the `<` and `>` of generic arguments.
pub(crate) fn expr_len(rest: &[TokenTree]) -> usize {
    let mut depth = 0usize;
    let mut in_type = false;
    for (at, token) in rest.iter().enumerate() {
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' if depth == 0 => return at,
                '<' if depth > 0 || in_type || opens_generics(rest, at) => depth += 1,
                '>' if depth > 0 && !is_arrow(rest, at) => depth -= 1,
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

/// A `:` that is no part of `::`: a type follows, as in `|error: otas::Error|`.
pub(crate) fn is_single_colon(rest: &[TokenTree], at: usize) -> bool {
    let joint = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint);
    is_punct(&rest[at], ':') && !joint(&rest[at]) && !(at > 0 && joint(&rest[at - 1]))
}

/// After `::` and where an operand is expected, `<` opens generic arguments; elsewhere it compares.
fn opens_generics(rest: &[TokenTree], at: usize) -> bool {
    match at.checked_sub(1).map(|before| &rest[before]) {
        None => true,
        Some(TokenTree::Punct(punct)) => !matches!(punct.as_char(), '?' | '>' | '<'),
        Some(_) => false,
    }
}
