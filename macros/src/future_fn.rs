//! Functions that return a future instead of being `async`: what `#[async_trait]` and its like leave behind.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Error, Result};

use crate::signature::Function;
use crate::tokens::{as_group, inner_attributes, is_arrow, is_comma, is_ident, is_punct, tokens};

/// A body that ends in `Box::pin(async move { .. })`, or in `async move { .. }` alone.
pub(crate) struct FutureFn {
    /// Everything before the inner block: statements, `async`, `move`.
    before: Vec<TokenTree>,
    /// The block that is the future.
    pub(crate) block: Group,
    /// `Box::pin` and its parentheses, where they stand.
    pin: Option<(Vec<TokenTree>, Group)>,
}

impl FutureFn {
    /// Finds the block. A function that could return another future as well is refused: that one would run without a session.
    pub(crate) fn parse(item: &Function) -> Result<Self> {
        let body = tokens(item.body.stream());
        let (statements, found) = split(&body).ok_or_else(|| refusal(item, &body))?;
        if let Some(token) = find(statements, &|token| is_ident(token, "return")) {
            let text = "this `return` would leave without a session: put `#[otas_session]` on an `async fn`, or return only at the end";
            return Err(Error::new(token.span(), text));
        }
        Ok(Self { before: [statements, &found.before].concat(), ..found })
    }

    /// The block is `async move`.
    pub(crate) fn moves(&self) -> bool {
        self.before.last().is_some_and(|last| is_ident(last, "move"))
    }

    /// The body again, with other tokens as its block.
    pub(crate) fn rebuild(self, block: TokenTree) -> TokenStream {
        let Some((path, parentheses)) = self.pin else {
            return self.before.into_iter().chain([block]).collect();
        };
        let at = self.before.len() - kept(&self.before);
        let (statements, future) = self.before.split_at(at);
        let mut group = Group::new(Delimiter::Parenthesis, future.iter().cloned().chain([block]).collect());
        group.set_span(parentheses.span());
        statements.iter().cloned().chain(path).chain([TokenTree::Group(group)]).collect()
    }
}

/// How many of the last tokens are `async` and `move`.
fn kept(before: &[TokenTree]) -> usize {
    before.iter().rev().take_while(|token| is_ident(token, "async") || is_ident(token, "move")).count()
}

/// The leading statements, and the future at the end.
fn split(body: &[TokenTree]) -> Option<(&[TokenTree], FutureFn)> {
    let (last, rest) = body.split_last()?;
    let (statements, found) = match as_group(last, Delimiter::Parenthesis) {
        None => {
            let block = as_group(last, Delimiter::Brace)?;
            let (statements, future) = rest.split_at(rest.len() - kept(rest));
            (statements, FutureFn { before: future.to_vec(), block, pin: None })
        }
        Some(parentheses) => {
            let (statements, path) = rest.split_at(path_start(rest)?);
            let mut inner = tokens(parentheses.stream());
            if inner.last().is_some_and(is_comma) {
                inner.pop();
            }
            let block = as_group(&inner.pop()?, Delimiter::Brace)?;
            (statements, FutureFn { before: inner, block, pin: Some((path.to_vec(), parentheses)) })
        }
    };
    let future = &found.before;
    let whole = future.first().is_some_and(|first| is_ident(first, "async")) && kept(future) == future.len();
    (whole && ends_statement(statements)).then_some((statements, found))
}

/// Where the path that ends in `Box::pin` starts.
fn path_start(rest: &[TokenTree]) -> Option<usize> {
    let at = rest.len().checked_sub(4)?;
    let is_pin = is_ident(&rest[at], "Box") && is_punct(&rest[at + 1], ':') && is_ident(&rest[at + 3], "pin");
    let path = |token: &&TokenTree| {
        is_punct(token, ':') || is_ident(token, "std") || is_ident(token, "alloc") || is_ident(token, "boxed")
    };
    is_pin.then(|| at - rest[..at].iter().rev().take_while(path).count())
}

/// Nothing stands before the tail that would make it a part of a larger expression.
fn ends_statement(statements: &[TokenTree]) -> bool {
    match statements[inner_attributes(statements)..].last() {
        None => true,
        Some(last) => is_punct(last, ';') || as_group(last, Delimiter::Brace).is_some(),
    }
}

/// The first token, at any depth, that answers the question.
fn find(list: &[TokenTree], wanted: &dyn Fn(&TokenTree) -> bool) -> Option<TokenTree> {
    list.iter().find_map(|token| match token {
        TokenTree::Group(group) => find(&group.stream().into_iter().collect::<Vec<_>>(), wanted),
        token if wanted(token) => Some(token.clone()),
        _ => None,
    })
}

/// Why this function cannot be wrapped, and what to write.
fn refusal(item: &Function, body: &[TokenTree]) -> Error {
    let name = &item.name;
    if find(body, &|token| is_ident(token, "block_on")).is_some() {
        let text = "put `#[otas_session]` above `#[tokio::main]`, `#[tokio::test]`, `#[actix_web::main]` and their like: below them the function is no longer async";
        return Error::new(item.keyword, text);
    }
    let output = item.output.as_deref().unwrap_or_default();
    let returns_future = find(output, &|token| is_ident(token, "Future") || is_ident(token, "BoxFuture")).is_some();
    if returns_future {
        let text = format!(
            "the future that `{name}` returns cannot be put in a session: end the body in `Box::pin(async move {{ .. }})`, or write an `async fn`"
        );
        return Error::new(item.name.span(), text);
    }
    Error::new(item.keyword, format!("the `async` keyword is missing: write `async fn {name}`"))
}

/// `X` of `Future<Output = X>` in the return type.
pub(crate) fn output(list: &[TokenTree]) -> Option<Vec<TokenTree>> {
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
