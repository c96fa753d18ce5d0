//! Everything that the expansion of the attribute may name, and nothing else. No part of the public interface.

use std::future::Future;

use crate::client::Client;
use crate::default::{ambient, is_off};
use crate::error::Error;
use crate::meta::{self, Meta};
use crate::run::{self, Stage};

pub use crate::meta::Field;
pub use crate::run::{Continue, Handler, InSession};

/// A call that has not begun: what to open, or that nothing is to be opened.
#[derive(Debug)]
pub struct Prepared(Option<Box<Stage>>);

/// Whether a meta is needed at all: not where OTAS is switched off or no client can be had.
#[inline]
pub fn wanted() -> bool {
    !is_off() && ambient_opens()
}

fn ambient_opens() -> bool {
    ambient().is_ok_and(|client| !client.is_disabled())
}

/// A session of the surrounding client's, for a call of `function`.
pub fn open(function: &'static str, meta: Meta) -> Prepared {
    Prepared(Some(Box::new(match ambient() {
        Ok(client) => Stage::asked(client, function, meta),
        Err(error) => Stage::Failed { error, client: None },
    })))
}

/// As [`open`], for a meta that is written down field by field: one call less for the compiler to look at.
pub fn open_fields(function: &'static str, fields: &[(&str, &dyn Field)]) -> Prepared {
    open(function, meta::object(fields))
}

/// As [`open`], without a meta.
#[inline]
pub fn bare(function: &'static str) -> Prepared {
    if is_off() { Prepared(None) } else { bare_unless_disabled(function) }
}

fn bare_unless_disabled(function: &'static str) -> Prepared {
    if ambient_opens() { open(function, Meta::default()) } else { masked() }
}

/// The other side of [`wanted`]: nothing to do, where no outer session has to be hidden either.
#[inline]
pub fn unopened() -> Prepared {
    if is_off() { Prepared(None) } else { masked() }
}

fn masked() -> Prepared {
    Prepared(match ambient() {
        Ok(client) => run::without_session(client).map(Box::new),
        Err(error) => Some(Box::new(Stage::Failed { error, client: None })),
    })
}

/// A session of this client's. Only a client that opens needs the meta.
pub fn open_with(client: &Client, function: &'static str, meta: impl FnOnce() -> Meta) -> Prepared {
    let stage = if client.is_disabled() {
        Stage::masked(client.clone())
    } else {
        Stage::asked(client.clone(), function, meta())
    };
    Prepared(Some(Box::new(stage)))
}

/// `{ "key": value, .. }`
pub fn object(fields: &[(&str, &dyn Field)]) -> Meta {
    meta::object(fields)
}

/// `[value, ..]`
pub fn list(items: &[&dyn Field]) -> Meta {
    meta::list(items)
}

/// A key that is an expression.
pub fn key(key: &(impl std::fmt::Display + ?Sized)) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    // Not `to_string`, which panics where a `Display` fails.
    let _ = write!(text, "{key}");
    text
}

/// A meta that is an expression.
pub fn value(value: &dyn Field) -> Meta {
    value.to_meta()
}

/// `on_error = continue`: a call without a session runs all the same.
pub fn in_session<B>(prepared: Prepared, body: B) -> InSession<B, Continue> {
    InSession::new(prepared.0, None, body)
}

/// `on_error = fail`, or a handler of the user's: a call without a session has the value that the handler makes of the failure.
pub fn in_session_or<B, H, R>(prepared: Prepared, handler: Handler<H, R>, body: B) -> InSession<B, Handler<H, R>>
where
    B: Future<Output = R>,
{
    InSession::new(prepared.0, Some(handler), body)
}

/// A path or closure of the user's. Its bound stands here alone, and not again on the future: one mistake, one message.
pub fn handler<R, H: FnOnce(Error) -> R>(handler: H) -> Handler<H, R> {
    Handler { handler, call: |handler, error| handler(error) }
}

/// `on_error = fail`
pub fn fail<R: Fallible>() -> Handler<(), R> {
    Handler { handler: (), call: |(), error| R::failed(error) }
}

/// A return type that can carry the failure.
#[diagnostic::on_unimplemented(
    message = "`on_error = fail` makes the failure the function's own, and `{Self}` cannot carry it",
    label = "cannot hold an `otas::Error`",
    note = "write a return type `Result<_, E>` with `E: From<otas::Error>`, or map the failure yourself: `on_error = |error| ..`, or leave `on_error` out: then the body runs without a session"
)]
pub trait Fallible {
    #[doc(hidden)]
    fn failed(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Error>> Fallible for Result<T, E> {
    fn failed(error: Error) -> Self {
        Err(error.into())
    }
}

/// Has any type, for a `return` that never runs.
pub fn never<T>() -> T {
    // Reached by no expansion: each stands behind `if false`.
    loop {
        std::thread::park();
    }
}

/// `main`: what is not delivered yet goes out before the program ends. In a box, so that the run is not stored twice.
pub async fn and_flush<B, F, R>(run: InSession<B, F>) -> R
where
    InSession<B, F>: Future<Output = R>,
{
    let client = run.client();
    let output = Box::pin(run).await;
    crate::default::flush_at_exit(client).await;
    output
}
