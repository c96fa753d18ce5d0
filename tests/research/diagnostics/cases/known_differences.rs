//! The errors that are reported differently inside an async block.
#![allow(unused)]

#[cfg_attr(otas, otas::otas_session)]
async fn assigned(x: u8) {
    x = 3;
}

#[cfg_attr(otas, otas::otas_session)]
async fn never() -> ! {
    1
}

#[cfg_attr(otas, otas::otas_session)]
async fn unknown_return_type() -> NoSuchType {
    1
}
