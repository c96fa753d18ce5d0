//! The grammar of the attribute's arguments: `meta`, `client`, `on_error` and `crate`, each at most once, in any order.

use proc_macro2::{Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Error, Result};

use crate::tokens::{expr_len, is_assignment, is_comma, is_punct, tokens};

/// The arguments, as the user wrote them.
#[derive(Default)]
pub(crate) struct Args {
    /// `meta = ..`
    pub(crate) meta: Option<Vec<TokenTree>>,
    /// `client = ..`
    pub(crate) client: Option<Vec<TokenTree>>,
    /// `on_error = ..`
    pub(crate) on_error: OnError,
    /// `crate = ..`
    pub(crate) path: Option<Vec<TokenTree>>,
}

/// The path of the module that holds what the expansion names. No stream: to copy one is a call to the compiler each time.
pub(crate) struct Private(Vec<TokenTree>);

impl ToTokens for Private {
    fn to_tokens(&self, out: &mut TokenStream) {
        out.extend(self.0.iter().cloned());
    }
}

/// What becomes of a call for which no session could be opened.
#[derive(Default)]
pub(crate) enum OnError {
    /// The body runs without a session.
    #[default]
    Continue,
    /// The failure is the function's own.
    Fail(Span),
    /// A path or closure makes the function's value of it.
    Handler(Vec<TokenTree>),
}

/// Each name with what to write, for the messages.
const NAMES: [(&str, &str); 4] = [
    ("meta", "meta = { \"key\": value }"),
    ("client", "client = CLIENT"),
    ("on_error", "on_error = fail"),
    ("crate", "crate = path::to::otas"),
];

impl Args {
    /// Reads what stands between the parentheses of the attribute.
    pub(crate) fn parse(input: TokenStream) -> Result<Self> {
        let input = tokens(input);
        let mut args = Self::default();
        let mut rest = &input[..];
        let mut seen: Vec<String> = Vec::new();
        while let Some(first) = rest.first() {
            let name = name(first)?;
            let text = name.to_string();
            let Some(&(known, example)) = NAMES.iter().find(|(known, _)| *known == text) else {
                return Err(unknown(&name));
            };
            let value;
            (value, rest) = split_value(&name, example, &rest[1..])?;
            if seen.contains(&text) {
                return Err(Error::new(name.span(), format!("`{text}` is given twice; keep one of them")));
            }
            seen.push(text);
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

    /// The path of the module that holds what the expansion names; `span` is where a mistake shows.
    pub(crate) fn private(&self, span: Span) -> Private {
        let mut path = self.path.clone().unwrap_or_else(|| segment("otas", span).to_vec());
        path.extend(segment("__private", span));
        Private(path)
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
        other => Err(Error::new(
            other.span(),
            format!("expected an argument such as `{}`; the arguments are {}", NAMES[0].1, list()),
        )),
    }
}

/// Takes `= value` and the comma after it.
fn split_value<'a>(name: &Ident, example: &str, rest: &'a [TokenTree]) -> Result<(&'a [TokenTree], &'a [TokenTree])> {
    let needs = |span, what: &str| Err(Error::new(span, format!("{what} `{name}`: write `{example}`")));
    match rest.first() {
        Some(equals) if is_punct(equals, '=') => {}
        Some(TokenTree::Group(group)) => return needs(group.span(), "expected `=` after"),
        Some(other) if !is_comma(other) => return needs(other.span(), "expected `=` after"),
        _ => return needs(name.span(), "a value is missing after"),
    }
    let rest = &rest[1..];
    let end = expr_len(rest);
    let value = &rest[..end];
    if value.is_empty() {
        return needs(name.span(), "a value is missing after");
    }
    missing_comma(value)?;
    Ok((value, rest.get(end + 1..).unwrap_or_default()))
}

fn named(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Ident(name) if NAMES.iter().any(|(known, _)| name == known))
}

fn missing_comma(value: &[TokenTree]) -> Result<()> {
    let joined = (1..value.len()).find(|&at| named(&value[at]) && is_assignment(&value[at + 1..]));
    match joined {
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
            "`on_error` is `continue`, `fail`, or a path or closure `FnOnce(otas::Error) -> ReturnType`, without quotes",
        )),
        _ => Ok(OnError::Handler(value.to_vec())),
    }
}

fn path(value: &[TokenTree]) -> Result<Vec<TokenTree>> {
    match value.iter().find(|token| !matches!(token, TokenTree::Ident(_)) && !is_punct(token, ':')) {
        None => Ok(value.to_vec()),
        Some(other) => Err(Error::new(
            other.span(),
            "`crate` is the path where this crate finds `otas`, without quotes: write `crate = path::to::otas`",
        )),
    }
}

fn unknown(name: &Ident) -> Error {
    let text = name.to_string();
    let near = |known: &str| text.starts_with(known) || distance(&text, known) <= 2;
    let hint = match NAMES.iter().find(|(known, _)| near(known)) {
        Some((known, _)) => format!("; did you mean `{known}`?"),
        None => String::from(";"),
    };
    Error::new(name.span(), format!("unknown argument `{text}`{hint} the arguments are {}", list()))
}

fn list() -> String {
    NAMES.map(|(name, _)| format!("`{name}`")).join(", ")
}

/// How many letters differ: the edit distance of Levenshtein.
fn distance(left: &str, right: &str) -> usize {
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
