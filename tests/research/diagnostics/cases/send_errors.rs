//! Futures that are not `Send`.
#![allow(unused)]

use std::rc::Rc;

#[cfg_attr(otas, otas::otas_session)]
async fn held_across_an_await() {
    let rc = Rc::new(1);
    async {}.await;
    drop(rc);
}

fn send(_: impl Send) {}

fn check() {
    send(held_across_an_await());
}
