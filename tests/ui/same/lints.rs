//! Functions that rustc or clippy has something to say about.
#![allow(dead_code, internal_features, clippy::missing_docs_in_private_items)]
#![warn(
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction,
    clippy::cargo,
    future_incompatible,
    let_underscore,
    nonstandard_style,
    rust_2018_compatibility,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unused,
    keyword_idents,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unreachable_pub,
    unsafe_code,
    unused_crate_dependencies,
    unused_extern_crates,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]

use otas as _;
use std::sync::Mutex;

#[cfg_attr(otas, otas::otas_session)]
pub async fn undocumented(unused: u8, mut never_mutated: u8) -> u8 {
    println!("printed");
    eprintln!("printed");
    async {}.await;
    never_mutated
}

/// Unreachable.
#[cfg_attr(otas, otas::otas_session)]
async fn unreachable() -> u8 {
    async {}.await;
    return 1;
    let x = 2;
    3
}

/// Unwritten.
#[cfg_attr(otas, otas::otas_session)]
async fn unwritten(x: u8) -> Result<u8, String> {
    async {}.await;
    todo!()
}

/// Endless.
#[cfg_attr(otas, otas::otas_session)]
async fn endless() {
    async {}.await;
    loop {
        println!("again");
    }
}

/// Endless by its type.
#[cfg_attr(otas, otas::otas_session)]
async fn never() -> ! {
    async {}.await;
    loop {
        std::thread::park();
    }
}

/// Braces and parentheses.
#[cfg_attr(otas, otas::otas_session)]
async fn braces(x: u8) -> u8 {
    async {}.await;
    let y = { x };
    let z = (y);
    if (z > 1) { return (z); }
    { z }
}

/// One expression in braces.
#[cfg_attr(otas, otas::otas_session)]
async fn one_expression() -> u8 { { 5 } }

/// One expression.
#[cfg_attr(otas, otas::otas_session)]
async fn one() -> u8 { async { 5 }.await }

/// Returns a future.
#[cfg_attr(otas, otas::otas_session)]
async fn future() -> std::future::Ready<u8> {
    async {}.await;
    std::future::ready(1)
}

/// Returns an async block.
#[cfg_attr(otas, otas::otas_session)]
async fn block() -> impl std::future::Future<Output = u8> {
    async {}.await;
    async { 1 }
}

/// A lock across an await.
#[cfg_attr(otas, otas::otas_session)]
async fn lock(mutex: &Mutex<u8>) -> u8 {
    let guard = mutex.lock().unwrap();
    async {}.await;
    *guard
}

/// Needless.
#[cfg_attr(otas, otas::otas_session)]
async fn needless(text: String, v: Vec<u8>) -> Option<usize> {
    async {}.await;
    let n = text.len() as u8 as usize;
    let m = v.iter().map(|x| x.clone()).collect::<Vec<u8>>().len();
    if n > 1 { return None; } else { return Some(m); }
}

/// Statements.
#[cfg_attr(otas, otas::otas_session)]
async fn statements(x: u8) {
    async {}.await;
    ;
    match x { 1 => (), _ => {} }
    let _ = Mutex::new(1).lock();
    std::fs::remove_file("x");
    if x == 0 {} else {};
    let unit = ();
    return;
}

/// An import in the body.
#[cfg_attr(otas, otas::otas_session)]
async fn items() -> usize {
    async {}.await;
    use std::collections::HashMap;
    const X: usize = 1;
    struct Unused;
    fn unused() {}
    X
}

/// Attributes within.
#[cfg_attr(otas, otas::otas_session)]
async fn attributes() -> usize {
    #![allow(unused_variables)]
    async {}.await;
    let unused = 1;
    #[expect(unused_mut)]
    let mut x = 1;
    #[allow(clippy::needless_return)]
    return x;
}

/// Methods.
pub struct S(u8);

impl S {
    #[cfg_attr(otas, otas::otas_session)]
    pub async fn undocumented(&mut self) -> &u8 {
        async {}.await;
        &self.0
    }

    /// Wrong name.
    #[cfg_attr(otas, otas::otas_session)]
    pub async fn into_x(&self) -> u8 {
        async {}.await;
        self.0 as u8
    }

    /// Must be used.
    #[must_use]
    #[cfg_attr(otas, otas::otas_session)]
    pub async fn must_use(self, x: bool, y: bool, z: bool, w: bool, a: u8, b: u8, c: u8, d: u8) -> u8 {
        async {}.await;
        unsafe { std::hint::unreachable_unchecked() }
    }
}

/// Calls.
#[cfg_attr(otas, otas::otas_session)]
async fn calls(s: S) {
    one();
    one().await;
    let f = s.must_use(true, true, true, true, 1, 2, 3, 4);
    f.await;
}

/// Camel case, and a lifetime of no use.
#[cfg_attr(otas, otas::otas_session)]
async fn BadName<'a>(BadArg: &'a str) -> String {
    async {}.await;
    return format!("{}", BadArg);
}

/// Early.
#[cfg_attr(otas, otas::otas_session)]
async fn early(x: Option<u8>) -> Option<u8> {
    async {}.await;
    let x = match x { Some(x) => x, None => return None };
    x.checked_add(1)
}
