//! The attribute `#[otas_session]`: a shim over an ordinary function from tokens to tokens.
//!
//! Use it through the crate `otas`, which re-exports it: the expansion names that crate's items.

mod args;
mod tokens;
mod meta;
mod signature;
mod future_fn;
mod expand;

use proc_macro2::TokenStream;

/// Use it through the crate `otas`, whose items it names.
#[proc_macro_attribute]
pub fn otas_session(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    session(args.into(), item.into()).into()
}

/// A mistake leaves the user's function in place, so that it is the only one that the compiler reports.
fn session(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args, item.clone()).unwrap_or_else(|error| {
        let mut out = item;
        out.extend(error.into_compile_error());
        out
    })
}
