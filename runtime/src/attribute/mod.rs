//! Everything that the expansion of the attribute may name, and nothing else. No part of the public interface.

mod future;

use std::fmt;
use std::future::Future;

use crate::client::Client;
use crate::context::global::{ambient, is_off};
use crate::error::Error;
use crate::meta::{self, BETWEEN_KEYS, Meta};
use future::{Boxed, Stage};

pub use crate::meta::{Field, Fields, Keyed};
pub use future::{Annotated, Handler, SessionFuture, SessionFutureOr};

/// A call that has not begun: what to open, or that nothing is to be opened.
pub struct Prepared(Option<Boxed>);

impl Prepared {
    fn at(stage: Stage) -> Self {
        Self(Some(Box::new(stage)))
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prepared").field(&self.0.is_some()).finish()
    }
}

/// Whether a meta is needed at all: not where OTAS is switched off or no client can be had.
pub fn wanted() -> bool {
    !is_off() && ambient().is_ok_and(|client| !client.is_disabled())
}

/// A session of the surrounding client's, for a call of `function`.
pub fn open(function: &'static str, meta: Meta) -> Prepared {
    open_wanted(function, || meta)
}

/// As [`open`], for a meta that is written down field by field, where it is wanted: its values are only borrowed by then. The function's name
/// stands before the keys.
pub fn open_fields(names: &'static str, values: impl Fields) -> Prepared {
    open_dyn_fields(names, &values)
}

fn open_dyn_fields(names: &'static str, values: &dyn Fields) -> Prepared {
    let (function, keys) = names.split_once(BETWEEN_KEYS).unwrap_or((names, ""));
    open_wanted(function, || meta::object(keys, values))
}

/// As [`open`], without a meta.
pub fn bare(function: &'static str) -> Prepared {
    open_wanted(function, Meta::default)
}

fn open_wanted(function: &'static str, meta: impl FnOnce() -> Meta) -> Prepared {
    if is_off() {
        return Prepared(None);
    }
    match ambient() {
        Ok(client) if client.is_disabled() => masked(client),
        Ok(client) => Prepared::at(Stage::asked(client, function, meta())),
        Err(error) => Prepared::at(Stage::Failed { error, client: None }),
    }
}

/// The other side of [`wanted`]: nothing to do, where no outer session has to be hidden either.
pub fn unopened() -> Prepared {
    if is_off() {
        return Prepared(None);
    }
    match ambient() {
        Ok(client) => masked(client),
        Err(error) => Prepared::at(Stage::Failed { error, client: None }),
    }
}

fn masked(client: Client) -> Prepared {
    future::without_session(client).map_or(Prepared(None), Prepared::at)
}

/// A session of this client's. Only a client that opens needs the meta.
pub fn open_with(client: &Client, function: &'static str, meta: impl FnOnce() -> Meta) -> Prepared {
    Prepared::at(if client.is_disabled() {
        Stage::masked(client.clone())
    } else {
        Stage::asked(client.clone(), function, meta())
    })
}

/// `{ "key": value, .. }`
pub fn object(keys: &str, values: impl Fields) -> Meta {
    meta::object(keys, &values)
}

/// `[value, ..]`
pub fn list(items: impl Fields) -> Meta {
    meta::list(&items)
}

/// A key that is an expression.
pub fn key(key: &(impl fmt::Display + ?Sized)) -> String {
    use fmt::Write;
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
pub fn in_session<B>(prepared: Prepared, body: B) -> SessionFuture<B> {
    SessionFuture::new(prepared.0, body)
}

/// `on_error = fail`, or a handler of the user's: a call without a session has the value that the handler makes of the failure.
pub fn in_session_or<B, H, R>(prepared: Prepared, handler: Handler<H, R>, body: B) -> SessionFutureOr<B, H, R>
where
    B: Future<Output = R>,
{
    SessionFuture::new(prepared.0, body).or(handler)
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

/// Every type, for a `return` that never runs. Not a generic function: the compiler finds other words for a mistake in generic arguments than for
/// the same one in the signature, and would say both.
pub trait Never: Sized {
    #[doc(hidden)]
    fn never() -> Self {
        // Reached by no expansion: each stands behind `if false`.
        loop {
            std::thread::park();
        }
    }
}

impl<T> Never for T {}

/// `main`: what is not delivered yet goes out before the program ends. In a box, so that the run is not stored twice.
pub async fn and_flush<F: Annotated>(mut run: F) -> F::Output {
    let client = run.client();
    let output = Box::pin(run).await;
    crate::context::global::flush_at_exit(client).await;
    output
}
