//! Functions that trigger lints of rustc and clippy.
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

/// Old.
#[deprecated]
pub struct Old;

/// Generic over a lifetime.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a>(pub &'a str);

/// An alias.
#[allow(type_alias_bounds)]
pub type Alias = Result<u8, String>;

/// Return types that lints have something to say about.
pub mod returned {
    use super::{Held, Old};
    use std::collections::LinkedList;
    use std::rc::Rc;

    #[cfg_attr(otas, otas::otas_session)]
    async fn old() -> Old { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn old_inside() -> Result<Vec<Old>, String> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn old_path() -> super::Old { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn parentheses() -> (u8) { async {}.await; 1 }
    #[cfg_attr(otas, otas::otas_session)]
    async fn parentheses_inside() -> Option<(u8)> { async {}.await; None }
    #[cfg_attr(otas, otas::otas_session)]
    async fn hidden(x: &str) -> Held { async {}.await; Held(x) }
    #[cfg_attr(otas, otas::otas_session)]
    async fn hidden_inside(x: &str) -> Option<Held> { async {}.await; Some(Held(x)) }
    #[cfg_attr(otas, otas::otas_session)]
    async fn named<'a>(x: &'a str) -> Held<'a> { async {}.await; Held(x) }
    #[cfg_attr(otas, otas::otas_session)]
    async fn needless_reference<'a>(x: &'a str) -> &'a str { async {}.await; x }
    #[cfg_attr(otas, otas::otas_session)]
    async fn needless_tuple<'a>(x: &'a str) -> (u8, [&'a str; 1]) { async {}.await; (1, [x]) }
    #[cfg_attr(otas, otas::otas_session)]
    async fn needless_slice<'a>(x: &'a [u8]) -> &'a [u8] {
        async {}.await;
        x
    }
    #[cfg_attr(otas, otas::otas_session)]
    async fn needless_mutable_slice<'a>(x: &'a mut [u8]) -> Vec<&'a mut (u8, u8)> {
        async {}.await;
        panic!()
    }
    #[cfg_attr(otas, otas::otas_session)]
    async fn used_once<'a>() -> &'a str { async {}.await; "" }
    #[cfg_attr(otas, otas::otas_session)]
    async fn lasting(x: &str) -> Result<&'static str, Box<dyn std::fmt::Debug + 'static>> { async {}.await; Ok("") }
    #[cfg_attr(otas, otas::otas_session)]
    async fn called<'a>(x: &'a str) -> Box<dyn Fn(&'a str) -> &'a str> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn bound<'a>(x: &'a str) -> Option<for<'b> fn(&'b str, &'a str) -> &'b str> { async {}.await; None }
    #[cfg_attr(otas, otas::otas_session)]
    async fn named_mixed<'a>(x: &'a str) -> Held { async {}.await; Held(x) }
    #[cfg_attr(otas, otas::otas_session)]
    async fn qualified() -> std::rc::Rc<std::string::String> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn qualified_needlessly() -> std::collections::LinkedList<u8> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn boxed() -> Box<Vec<u8>> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn boxes() -> Vec<Box<u8>> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn counted() -> Rc<String> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn counted_twice() -> Rc<Rc<String>> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn list() -> LinkedList<u8> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn option() -> Option<Option<u8>> { async {}.await; None }
    #[cfg_attr(otas, otas::otas_session)]
    async fn complex() -> Result<Vec<Option<(u8, Box<dyn Fn(u8) -> Option<Vec<u8>>>)>>, Box<dyn Fn(Vec<Option<u8>>) -> Vec<u8>>> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn unit() -> () { async {}.await; }
    #[cfg_attr(otas, otas::otas_session)]
    async fn unit_error() -> Result<u8, ()> { async {}.await; Ok(1) }
    #[cfg_attr(otas, otas::otas_session)]
    async fn result_unit() -> Result<(), Box<dyn std::error::Error>> { async {}.await; Ok(()) }
    #[cfg_attr(otas, otas::otas_session)]
    async fn array() -> [u8; { 1 + 1 }] { async {}.await; [1, 2] }
    #[cfg_attr(otas, otas::otas_session)]
    async fn array_of_a_literal() -> [u8; 0x0_2] { async {}.await; [1, 2] }
    #[cfg_attr(otas, otas::otas_session)]
    async fn array_of_a_long_literal() -> Option<[u8; 100000]> { async {}.await; None }
    #[cfg_attr(otas, otas::otas_session)]
    async fn pointer() -> *const u8 { async {}.await; std::ptr::null() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn function() -> fn(x: u8) -> u8 { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn unsafe_function() -> unsafe fn(u8) -> u8 { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn dynamic<'a>() -> Box<dyn Fn(&'a u8) -> (u8) + 'a> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn float() -> f32 { async {}.await; 1.0 }
    #[cfg_attr(otas, otas::otas_session)]
    async fn ästhetik() -> Äther { async {}.await; Äther }
    struct Äther;
    impl Äther {
        #[cfg_attr(otas, otas::otas_session)]
        async fn again() -> Äther { async {}.await; Äther }
        #[cfg_attr(otas, otas::otas_session)]
        async fn again_inside(&self) -> Option<Äther> { async {}.await; None }
        #[cfg_attr(otas, otas::otas_session)]
        async fn pair(&self) -> (Äther, self::Äther) { async {}.await; panic!() }
    }
    #[cfg_attr(otas, otas::otas_session)]
    async fn hasher() -> std::collections::HashMap<u8, u8> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn cell() -> std::cell::Cell<u8> { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn tuple<T: Iterator>(x: T) -> (T::Item, <T as Iterator>::Item, <T as std::iter::Iterator>::Item) { async {}.await; panic!() }
    #[cfg_attr(otas, otas::otas_session)]
    async fn keyword() -> super::r#try::Gen { async {}.await; panic!() }
}
/// A keyword.
pub mod r#try {
    /// Another.
    pub struct Gen;
}
