//! Supports functions that return a future instead of being `async`.
//!
//! `#[async_trait]` generates such functions.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Error, Result};

use crate::signature::Function;
use crate::tokens::{as_group, inner_attributes_len, is_arrow, is_comma, is_ident, is_punct, tokens};

/// A body that ends in `Box::pin(async move { .. })`, or just in `async move { .. }`.
pub(crate) struct FutureFn {
    /// Everything before the block of the future: statements, `async`, `move`.
    before: Vec<TokenTree>,
    /// The block of the future.
    pub(crate) block: Group,
    /// `Box::pin` and its parentheses.
    pin: Option<(Vec<TokenTree>, Group)>,
}

impl FutureFn {
    /// Finds the future at the end of the body. Fails if the function may return a different one,
    /// as that would run without a session.
    pub(crate) fn parse(function: &Function) -> Result<Self> {
        let body = tokens(function.body.stream());
        let (statements, found) = split(&body).ok_or_else(|| unsupported(function, &body))?;
        if let Some(token) = find(statements, &|token| is_ident(token, "return")) {
            return Err(Error::new(
                token.span(),
                "this `return` would bypass the session: return the future only at the end of the body, \
                 or write an `async fn`",
            ));
        }
        Ok(Self { before: [statements, &found.before].concat(), ..found })
    }

    /// Whether the block is `async move`.
    pub(crate) fn is_move(&self) -> bool {
        self.before.last().is_some_and(|last| is_ident(last, "move"))
    }

    /// The body, with the block of the future replaced.
    pub(crate) fn rebuild(self, block: TokenTree) -> TokenStream {
        let Some((path, parentheses)) = self.pin else {
            return self.before.into_iter().chain([block]).collect();
        };
        let at = self.before.len() - async_move_len(&self.before);
        let (statements, future) = self.before.split_at(at);
        let mut group = Group::new(Delimiter::Parenthesis, future.iter().cloned().chain([block]).collect());
        group.set_span(parentheses.span());
        statements.iter().cloned().chain(path).chain([TokenTree::Group(group)]).collect()
    }
}

/// How many of the last tokens are `async` or `move`.
fn async_move_len(before: &[TokenTree]) -> usize {
    before.iter().rev().take_while(|token| is_ident(token, "async") || is_ident(token, "move")).count()
}

/// Splits the body into its leading statements and the future at its end.
fn split(body: &[TokenTree]) -> Option<(&[TokenTree], FutureFn)> {
    let (last, rest) = body.split_last()?;
    let (statements, found) = match as_group(last, Delimiter::Parenthesis) {
        None => {
            let block = as_group(last, Delimiter::Brace)?;
            let (statements, future) = rest.split_at(rest.len() - async_move_len(rest));
            (statements, FutureFn { before: future.to_vec(), block, pin: None })
        }
        Some(parentheses) => {
            let (statements, path) = rest.split_at(box_pin_start(rest)?);
            let mut inner = tokens(parentheses.stream());
            if inner.last().is_some_and(is_comma) {
                inner.pop();
            }
            let block = as_group(&inner.pop()?, Delimiter::Brace)?;
            (statements, FutureFn { before: inner, block, pin: Some((path.to_vec(), parentheses)) })
        }
    };
    let future = &found.before;
    let is_async =
        future.first().is_some_and(|first| is_ident(first, "async")) && async_move_len(future) == future.len();
    (is_async && ends_statement(statements)).then_some((statements, found))
}

/// The index at which the path at the end of `rest` starts, if it is `Box::pin`.
fn box_pin_start(rest: &[TokenTree]) -> Option<usize> {
    let at = rest.len().checked_sub(4)?;
    let is_pin = is_ident(&rest[at], "Box") && is_punct(&rest[at + 1], ':') && is_ident(&rest[at + 3], "pin");
    let is_prefix = |token: &&TokenTree| {
        is_punct(token, ':') || is_ident(token, "std") || is_ident(token, "alloc") || is_ident(token, "boxed")
    };
    is_pin.then(|| at - rest[..at].iter().rev().take_while(is_prefix).count())
}

/// Whether what follows the statements is an expression of its own, not part of a larger one.
fn ends_statement(statements: &[TokenTree]) -> bool {
    match statements[inner_attributes_len(statements)..].last() {
        None => true,
        Some(last) => is_punct(last, ';') || as_group(last, Delimiter::Brace).is_some(),
    }
}

/// The first matching token, at any depth.
fn find(list: &[TokenTree], matches: &dyn Fn(&TokenTree) -> bool) -> Option<TokenTree> {
    list.iter().find_map(|token| match token {
        TokenTree::Group(group) => find(&group.stream().into_iter().collect::<Vec<_>>(), matches),
        token => matches(token).then(|| token.clone()),
    })
}

/// Explains why the function cannot be annotated.
fn unsupported(function: &Function, body: &[TokenTree]) -> Error {
    let name = &function.name;
    if find(body, &|token| is_ident(token, "block_on")).is_some() {
        return Error::new(
            function.keyword,
            "`#[otas_session]` must go above `#[tokio::main]`, `#[tokio::test]`, `#[actix_web::main]` \
             and the like: below them, the function is no longer async",
        );
    }
    let output = function.output.as_deref().unwrap_or_default();
    if find(output, &|token| is_ident(token, "Future") || is_ident(token, "BoxFuture")).is_some() {
        let text = format!(
            "cannot run the future returned by `{name}` in a session: end the body with \
             `Box::pin(async move {{ .. }})`, or write an `async fn`"
        );
        return Error::new(name.span(), text);
    }
    Error::new(function.keyword, format!("missing `async`: write `async fn {name}`"))
}

/// `X` in the `Future<Output = X>` of the return type.
pub(crate) fn future_output(list: &[TokenTree]) -> Option<Vec<TokenTree>> {
    let at = (1..list.len()).find(|&at| is_ident(&list[at - 1], "Output") && is_punct(&list[at], '='))?;
    let rest = &list[at + 1..];
    let mut depth = 0usize;
    let end = (0..rest.len()).find(|&at| {
        let closes = is_punct(&rest[at], '>') && !is_arrow(rest, at);
        let end = depth == 0 && (closes || is_comma(&rest[at]));
        depth = (depth + usize::from(is_punct(&rest[at], '<'))).saturating_sub(usize::from(closes));
        end
    })?;
    Some(rest[..end].to_vec())
}
