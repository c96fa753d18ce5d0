//! The attribute macro `#[otas_session]`.
//!
//! Use it through the crate `otas`, which re-exports and documents it: the macro expands to paths
//! inside that crate.

mod tokens;
mod args;
mod meta;
mod signature;
mod future_fn;
mod expand;

use proc_macro2::TokenStream;

#[expect(missing_docs, reason = "`otas` documents its re-export; rustdoc would append docs written here")]
#[proc_macro_attribute]
pub fn otas_session(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    session(args.into(), item.into()).into()
}

/// On error the function is kept as written, so that the compiler reports nothing but that error.
fn session(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args, item.clone()).unwrap_or_else(|error| {
        let mut out = item;
        out.extend(error.into_compile_error());
        out
    })
}
