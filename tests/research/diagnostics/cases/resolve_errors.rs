//! Unknown names and misplaced items in bodies.
#![allow(unused)]

#[cfg_attr(otas, otas::otas_session)]
async fn unknown_name(value: u8) -> u8 {
    vlaue
}

#[cfg_attr(otas, otas::otas_session)]
async fn unknown_function() {
    no_such_function();
    no::such::path();
}

#[cfg_attr(otas, otas::otas_session)]
async fn unknown_type() {
    let x: NoSuchType = 1;
    use no_such_crate::X;
}

#[cfg_attr(otas, otas::otas_session)]
async fn unknown_macro() {
    no_such_macro!();
}

#[cfg_attr(otas, otas::otas_session)]
async fn unknown_self() {
    self.x;
}

#[cfg_attr(otas, otas::otas_session)]
async fn unknown_label() {
    loop {
        break 'no_such_label;
    }
}
