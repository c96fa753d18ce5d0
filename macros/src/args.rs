//! Parses the attribute's arguments: each at most once, in any order.

use proc_macro2::{Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Error, Result};

use crate::tokens::{expr_len, is_assignment, is_comma, is_ident, is_punct, tokens};

#[derive(Default)]
pub(crate) struct Args {
    pub(crate) meta: Option<Vec<TokenTree>>,
    pub(crate) client: Option<Vec<TokenTree>>,
    pub(crate) on_error: OnError,
    /// The value of `crate = ..`.
    path: Option<Vec<TokenTree>>,
}

/// What a call does if its session cannot be opened.
#[derive(Default)]
pub(crate) enum OnError {
    /// Run the body without a session.
    #[default]
    Continue,
    /// Return the error; the span is that of the word `fail`.
    Fail(Span),
    /// Return whatever this path or closure makes of the error.
    Handler(Vec<TokenTree>),
}

/// The path to `otas::__private`. Kept as tokens rather than a `TokenStream`, because cloning a
/// stream is a call into the compiler.
pub(crate) struct PrivatePath(Vec<TokenTree>);

impl ToTokens for PrivatePath {
    fn to_tokens(&self, out: &mut TokenStream) {
        out.extend(self.0.iter().cloned());
    }
}

/// The name of each argument, with an example for error messages.
const NAMES: [(&str, &str); 4] = [
    ("meta", "meta = { \"key\": value }"),
    ("client", "client = CLIENT"),
    ("on_error", "on_error = fail"),
    ("crate", "crate = path::to::otas"),
];

impl Args {
    pub(crate) fn parse(input: TokenStream) -> Result<Self> {
        let input = tokens(input);
        let mut args = Self::default();
        let mut rest = &input[..];
        let mut seen = Vec::new();
        while let Some(first) = rest.first() {
            let name = name(first)?;
            let Some(&(known, example)) = NAMES.iter().find(|(known, _)| name == known) else {
                return Err(unknown(&name));
            };
            let value;
            (value, rest) = split_value(&name, example, &rest[1..])?;
            if seen.contains(&known) {
                return Err(Error::new(name.span(), format!("duplicate argument `{known}`: keep only one")));
            }
            seen.push(known);
            args.set(known, value)?;
        }
        Ok(args)
    }

    fn set(&mut self, name: &str, value: &[TokenTree]) -> Result<()> {
        match name {
            "meta" => self.meta = Some(value.to_vec()),
            "client" => self.client = Some(value.to_vec()),
            "on_error" => self.on_error = on_error(value)?,
            _ => self.path = Some(path(value)?),
        }
        Ok(())
    }

    /// Errors about the items named through this path are reported at `span`.
    pub(crate) fn private(&self, span: Span) -> PrivatePath {
        let mut path = self.path.clone().unwrap_or_else(|| segment("otas", span).to_vec());
        path.extend(segment("__private", span));
        PrivatePath(path)
    }
}

/// `::name`
fn segment(name: &str, span: Span) -> [TokenTree; 3] {
    let mut colons = [Punct::new(':', Spacing::Joint), Punct::new(':', Spacing::Alone)];
    colons.iter_mut().for_each(|colon| colon.set_span(span));
    let [first, second] = colons.map(TokenTree::Punct);
    [first, second, Ident::new(name, span).into()]
}

fn name(token: &TokenTree) -> Result<Ident> {
    match token {
        TokenTree::Ident(name) => Ok(name.clone()),
        other => Err(Error::new(other.span(), format!("{}, such as `{}`", expected(), NAMES[0].1))),
    }
}

/// Splits `= value,` off `rest`; returns the value and what follows it.
fn split_value<'a>(name: &Ident, example: &str, rest: &'a [TokenTree]) -> Result<(&'a [TokenTree], &'a [TokenTree])> {
    let no_equals = |span| Err(Error::new(span, format!("expected `=` after `{name}`: write `{example}`")));
    let no_value = || Err(Error::new(name.span(), format!("missing value for `{name}`: write `{example}`")));
    match rest.first() {
        Some(equals) if is_punct(equals, '=') => {}
        Some(other) if !is_comma(other) => return no_equals(other.span()),
        _ => return no_value(),
    }
    let rest = &rest[1..];
    let end = expr_len(rest);
    let value = &rest[..end];
    if value.is_empty() {
        return no_value();
    }
    check_comma(value)?;
    Ok((value, rest.get(end + 1..).unwrap_or_default()))
}

/// Fails if the value runs on into another argument, for lack of a comma.
fn check_comma(value: &[TokenTree]) -> Result<()> {
    let is_name = |token: &TokenTree| NAMES.iter().any(|(known, _)| is_ident(token, known));
    let next = (1..value.len()).find(|&at| is_name(&value[at]) && is_assignment(&value[at + 1..]));
    match next {
        Some(at) => Err(Error::new(value[at].span(), format!("expected `,` before `{}`", value[at]))),
        None => Ok(()),
    }
}

fn on_error(value: &[TokenTree]) -> Result<OnError> {
    match value {
        [TokenTree::Ident(word)] if word == "continue" => Ok(OnError::Continue),
        [TokenTree::Ident(word)] if word == "fail" => Ok(OnError::Fail(word.span())),
        [TokenTree::Literal(literal)] => Err(Error::new(
            literal.span(),
            "`on_error` must be `continue`, `fail`, or a function or closure \
             `FnOnce(otas::Error) -> ReturnType`, without quotes",
        )),
        _ => Ok(OnError::Handler(value.to_vec())),
    }
}

fn path(value: &[TokenTree]) -> Result<Vec<TokenTree>> {
    match value.iter().find(|token| !matches!(token, TokenTree::Ident(_)) && !is_punct(token, ':')) {
        None => Ok(value.to_vec()),
        Some(other) => Err(Error::new(
            other.span(),
            "`crate` must be the path to `otas`, without quotes: write `crate = path::to::otas`",
        )),
    }
}

fn unknown(name: &Ident) -> Error {
    let text = name.to_string();
    let is_similar = |known: &str| text.starts_with(known) || levenshtein(&text, known) <= 2;
    let hint = match NAMES.iter().find(|(known, _)| is_similar(known)) {
        Some((known, _)) => format!("; did you mean `{known}`?"),
        None => String::new(),
    };
    Error::new(name.span(), format!("unknown argument `{text}`, {}{hint}", expected()))
}

fn expected() -> String {
    format!("expected one of {}", NAMES.map(|(name, _)| format!("`{name}`")).join(", "))
}

/// The edit distance between two words.
fn levenshtein(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.chars().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(l != r)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or_default()
}
