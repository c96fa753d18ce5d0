//! Code whose meaning depends on the edition.
#![deny(warnings)]
#![allow(dead_code)]

use std::cell::Cell;
use std::future::Future;
use std::sync::Mutex;

#[otas::otas_session(meta = { "text": format_args!("{:?}", x).to_string(), "cell": cell.get(), "list": [x, 1] })]
async fn plain(x: u8, cell: Cell<u8>) -> Result<u8, std::num::ParseIntError> {
    if x > 1 {
        return Ok(1);
    }
    let y: u8 = "1".parse()?;
    async {}.await;
    Ok(x + y)
}

#[otas::otas_session(client = Mutex::new(client).lock().unwrap(), meta = { "a": client.is_disabled() })]
async fn with_a_temporary_lock(client: &otas::Client) {
    async {}.await;
}

#[otas::otas_session]
async fn never() -> ! {
    loop {
        async {}.await;
    }
}

#[otas::otas_session(on_error = fail)]
async fn failing(m: &Mutex<String>) -> Result<usize, otas::Error> {
    async {}.await;
    Ok(m.lock().unwrap().len())
}

#[otas::otas_session]
async fn temporary_at_the_end(m: &Mutex<String>) -> usize {
    m.lock().unwrap().len()
}

#[otas::otas_session]
fn boxed(x: u8) -> std::pin::Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move { x })
}

/// # Safety
///
/// `p` points to a value.
#[otas::otas_session]
pub async unsafe fn of_a_pointer(p: *const u8) -> u8 {
    unsafe { *p }
}

#[otas::otas_session]
#[allow(improper_ctypes_definitions)]
pub async unsafe extern "C" fn nothing() {}

fn send(_: impl Send) {}

fn check(client: &'static otas::Client) {
    send(plain(1, Cell::new(1)));
    send(with_a_temporary_lock(client));
    send(never());
}

