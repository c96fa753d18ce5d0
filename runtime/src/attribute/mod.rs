//! Everything that the attribute's expansion may name, and nothing else. Not public API.

mod future;

use std::fmt;
use std::future::Future;

use crate::client::Client;
use crate::context::Scope;
use crate::context::global::{self, ambient, is_off};
use crate::error::Error;
use crate::meta::{self, KEY_SEPARATOR, Meta};
use future::{BoxedStage, Stage};

pub use crate::meta::{Field, Fields, Keyed};
pub use future::{Annotated, Handler, SessionFuture, SessionFutureOr};

/// A call that has not begun: the session to open, if any.
pub struct Prepared(Option<BoxedStage>);

impl Prepared {
    fn at(stage: Stage) -> Self {
        Self(Some(Box::new(stage)))
    }

    fn request(client: Client, function: &'static str, meta: Meta) -> Self {
        Self::at(Stage::Requested { client, function, meta })
    }

    /// Opens no session. If there is an outer one, the body must not see it.
    fn masked(client: Client) -> Self {
        if Scope::is_set() { Self::at(Stage::masked(client)) } else { Self(None) }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prepared").field(&self.0.is_some()).finish()
    }
}

/// Whether `meta` has to be evaluated: not if OTAS is disabled or there is no client.
pub fn wanted() -> bool {
    !is_off() && ambient().is_ok_and(|client| !client.is_disabled())
}

/// Prepares to open a session with the ambient client, for a call of `function`.
pub fn open(function: &'static str, meta: Meta) -> Prepared {
    open_wanted(function, || meta)
}

/// [`open`] with a `meta` written field by field; its values are only borrowed.
///
/// `names` is the function's name followed by the keys.
pub fn open_fields(names: &'static str, values: impl Fields) -> Prepared {
    open_dyn_fields(names, &values)
}

/// Kept non-generic so that it is compiled once rather than per annotated function.
fn open_dyn_fields(names: &'static str, values: &dyn Fields) -> Prepared {
    let (function, keys) = names.split_once(KEY_SEPARATOR).unwrap_or((names, ""));
    open_wanted(function, || meta::object(keys, values))
}

/// [`open`] without a `meta`.
pub fn bare(function: &'static str) -> Prepared {
    open_wanted(function, Meta::default)
}

fn open_wanted(function: &'static str, meta: impl FnOnce() -> Meta) -> Prepared {
    if is_off() {
        return Prepared(None);
    }
    match ambient() {
        Ok(client) if client.is_disabled() => Prepared::masked(client),
        Ok(client) => Prepared::request(client, function, meta()),
        Err(error) => Prepared::at(Stage::Failed { error, client: None }),
    }
}

/// The counterpart of [`open`] if no meta is [`wanted`]: opens no session.
pub fn unopened() -> Prepared {
    if is_off() {
        return Prepared(None);
    }
    match ambient() {
        Ok(client) => Prepared::masked(client),
        Err(error) => Prepared::at(Stage::Failed { error, client: None }),
    }
}

/// Prepares to open a session with the given client.
///
/// `meta` is evaluated only if the client is not disabled.
pub fn open_with(client: &Client, function: &'static str, meta: impl FnOnce() -> Meta) -> Prepared {
    if client.is_disabled() {
        Prepared::at(Stage::masked(client.clone()))
    } else {
        Prepared::request(client.clone(), function, meta())
    }
}

/// `{ "key": value, .. }`
pub fn object(keys: &str, values: impl Fields) -> Meta {
    meta::object(keys, &values)
}

/// `[value, ..]`
pub fn list(items: impl Fields) -> Meta {
    meta::list(&items)
}

/// A key given as an expression.
pub fn key(key: &(impl fmt::Display + ?Sized)) -> String {
    use fmt::Write;
    let mut text = String::new();
    // Not `to_string`, which panics if the `Display` fails.
    let _ = write!(text, "{key}");
    text
}

/// A `meta` given as an expression.
pub fn value(value: &dyn Field) -> Meta {
    value.to_meta()
}

/// `on_error = continue`: a call without a session runs anyway.
pub fn in_session<B>(prepared: Prepared, body: B) -> SessionFuture<B> {
    SessionFuture::new(prepared.0, body)
}

/// `on_error = fail` or a handler, which makes the return value if there is no session.
pub fn in_session_or<B, H, R>(prepared: Prepared, handler: Handler<H, R>, body: B) -> SessionFutureOr<B, H, R>
where
    B: Future<Output = R>,
{
    SessionFuture::new(prepared.0, body).or(handler)
}

/// The user's path or closure.
///
/// Its bound is stated here and not on the future as well, so that a mistake causes one message.
pub fn handler<R, H: FnOnce(Error) -> R>(handler: H) -> Handler<H, R> {
    Handler { handler, call: |handler, error| handler(error) }
}

/// `on_error = fail`
pub fn fail<R: Fallible>() -> Handler<(), R> {
    Handler { handler: (), call: |(), error| R::failed(error) }
}

/// A return type that can hold the failure.
#[diagnostic::on_unimplemented(
    message = "`on_error = fail` needs a return type that can hold an `otas::Error`, found `{Self}`",
    label = "cannot hold an `otas::Error`",
    note = "return `Result<_, E>` with `E: From<otas::Error>`, map the error with `on_error = |error| ..`, or leave `on_error` out to run the body without a session"
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

/// Gives the compiler a value of any type for a `return` that is never reached.
///
/// A trait rather than a generic function, because the compiler words a mistake in generic
/// arguments differently from the same mistake in the signature, and would report both.
pub trait Never: Sized {
    #[doc(hidden)]
    fn never() -> Self {
        // Never reached: every expansion puts it behind `if false`.
        loop {
            std::thread::park();
        }
    }
}

impl<T> Never for T {}

/// For `main`: delivers queued events before the program ends.
pub async fn and_flush<F: Annotated>(mut run: F) -> F::Output {
    let client = run.client();
    // Boxed so that this future does not hold the run twice.
    let output = Box::pin(run).await;
    global::flush_at_exit(client).await;
    output
}
