use otas::otas_session;

use std::future::Future;
use std::pin::Pin;

type Boxed = Pin<Box<dyn Future<Output = u8> + Send>>;

trait BoxedExt: Future<Output = u8> + Send + Sized + 'static {
    fn boxed(self) -> Boxed {
        Box::pin(self)
    }
}
impl<F: Future<Output = u8> + Send + 'static> BoxedExt for F {}

#[otas_session]
fn method() -> Pin<Box<dyn Future<Output = u8> + Send>> {
    async move { 1 }.boxed()
}

#[otas_session]
fn cast() -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move { 1u8 }) as _
}

#[otas_session]
fn early(x: bool) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    if x {
        return Box::pin(async move { 1 });
    }
    Box::pin(async move { 2 })
}

#[otas_session]
fn other() -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(std::future::ready(1))
}

fn main() {}
