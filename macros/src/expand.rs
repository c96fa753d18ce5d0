//! Expands an annotated function into the one shape that is emitted.
//!
//! ```text
//! async fn name(args) -> Ret { BODY }
//! ```
//! becomes
//! ```text
//! async fn name(args) -> Ret {
//!     return ::otas::__private::in_session(
//!         if ::otas::__private::wanted() {
//!             ::otas::__private::open_fields("name\0KEYS", (VALUES))
//!         } else {
//!             ::otas::__private::unopened()
//!         },
//!         async move {
//!             if false { return <Ret as ::otas::__private::Never>::never(); }
//!             { BODY }
//!         },
//!     ).await
//! }
//! ```
//!
//! * No variable is introduced, so none can shadow, or be mistaken for, one of the user's.
//! * Borrows made by `meta` end with the first argument, so nothing borrowed is held across the
//!   await.
//! * The `if` avoids evaluating `meta` when OTAS is disabled. It is omitted if `meta` consists only
//!   of variables and literals, because those are merely borrowed.
//! * The body has a block of its own, apart from the statement that names `Ret`, so that a glob
//!   import in the body cannot change the meaning of `Ret`.
//! * `async`, `move` and the braces have the span of the user's body: lints and coverage depend on
//!   it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::Result;
use syn::ext::IdentExt;

use crate::args::{Args, OnError, PrivatePath};
use crate::future_fn::{self, FutureFn};
use crate::meta::{self, Meta};
use crate::signature::{self, Function};
use crate::tokens::{borrowed, group, inner_attributes_len, is_punct};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let args = Args::parse(args)?;
    let function = Function::parse(item)?;
    let private = args.private(Span::call_site());
    let meta = meta::parse(&private, args.meta.as_deref())?;
    let context = Context { args, private, meta, name: function.name.unraw().to_string() };
    let body = if function.is_async {
        context.wrap(&function.body, function.output.as_deref(), true)
    } else {
        let future = FutureFn::parse(&function)?;
        let output = function.output.as_deref().and_then(future_fn::future_output);
        let block = context.wrap(&future.block, Some(output.as_deref().unwrap_or_default()), future.is_move());
        braces(future.rebuild(block), function.body.span())
    };
    let header = function.header;
    Ok(quote! { #[allow(clippy::async_yields_async)] #(#header)* #body })
}

struct Context {
    args: Args,
    private: PrivatePath,
    meta: Meta,
    name: String,
}

impl Context {
    /// The block that runs `body` in a session. `output` is the type of the body: `None` is `()`,
    /// an empty slice is unknown. `is_move` is false only for an `async` block without `move`.
    fn wrap(&self, body: &Group, output: Option<&[TokenTree]>, is_move: bool) -> TokenTree {
        let span = body.span();
        let body = Body::new(body);
        let (private, attributes) = (&self.private, &body.attributes);
        let block = self.future_block(&body, output, span);
        let async_ = Ident::new("async", span);
        let move_ = is_move.then(|| Ident::new("move", span));
        // `clippy::implicit_return` asks for a `return`, and would point at the user's braces. In a
        // function that returns `!`, it would be unreachable.
        let is_never = signature::is_never(output);
        let allow_implicit = is_never.then(|| quote!(#[allow(clippy::implicit_return)]));
        let return_ = (!is_never).then(|| Ident::new("return", Span::call_site()));
        let prepared = self.prepared();
        let (in_session, handler) = match self.handler(output) {
            None => ("in_session", None),
            Some(handler) => ("in_session_or", Some(quote!(#handler,))),
        };
        let in_session = Ident::new(in_session, Span::call_site());
        let call = if self.name == "main" {
            quote! {
                #(#attributes)* #allow_implicit #return_
                #private::and_flush(#private::#in_session(#prepared, #handler #async_ #move_ #block)).await
            }
        } else {
            quote! {
                #(#attributes)* #allow_implicit #return_
                #private::#in_session(#prepared, #handler #async_ #move_ #block).await
            }
        };
        braces(call, span)
    }

    /// The block of the future: the hint about its type, and the user's body.
    fn future_block(&self, body: &Body, output: Option<&[TokenTree]>, span: Span) -> TokenTree {
        let (private, block) = (&self.private, &body.block);
        // Without an attribute, `unused_braces` fires on a block that is a lone expression. Added
        // only there: on every block it would cost too much compile time.
        let keep_braces = body.is_lone_expr.then(|| quote!(#[allow(missing_docs)]));
        let block = match type_hint(output) {
            None => quote!(#keep_braces #block),
            Some(type_) => {
                quote!(if false { return <#(#type_)* as #private::Never>::never(); } #keep_braces #block)
            }
        };
        braces(block, span)
    }

    /// The first argument: the session to open. With a `client`, `meta` is a closure, because only
    /// that client knows whether it is needed. The arm of the `match` drops the temporaries, as the
    /// branches of the `if` do.
    fn prepared(&self) -> TokenStream {
        let Self { private, meta, name, .. } = self;
        if let Some(client) = &self.args.client {
            let client = borrowed(client);
            let meta = meta.build(private);
            return quote!(match () { () => #private::open_with(#(#client)*, #name, || #meta) });
        }
        let open = match meta {
            Meta::Absent => quote!(#private::bare(#name)),
            Meta::Object(object) => {
                let fields = object.fields(Some(name));
                quote!(#private::open_fields(#(#fields)*))
            }
            Meta::Value(_) => {
                let meta = meta.build(private);
                quote!(#private::open(#name, #meta))
            }
        };
        if !meta.evaluates() {
            return open;
        }
        quote!(if #private::wanted() { #open } else { #private::unopened() })
    }

    /// The argument that turns a failure into the function's return value.
    fn handler(&self, output: Option<&[TokenTree]>) -> Option<TokenStream> {
        let type_ = || {
            let type_ = signature::nameable(output).filter(|type_| !type_.is_empty());
            type_.unwrap_or_else(|| vec![Ident::new("_", Span::call_site()).into()])
        };
        match &self.args.on_error {
            OnError::Continue => None,
            OnError::Fail(word) => {
                let span = output.and_then(|output| output.first()).map_or(*word, TokenTree::span);
                let private = self.args.private(span);
                let type_ = if output.is_none() { vec![group(Delimiter::Parenthesis, [], span)] } else { type_() };
                Some(quote_spanned!(span=> #private::fail::<#(#type_)*>()))
            }
            OnError::Handler(handler) => {
                let span = handler.first().map_or_else(Span::call_site, TokenTree::span);
                let (private, type_) = (self.args.private(span), type_());
                Some(quote_spanned!(span=> #private::handler::<#(#type_)*, _>(#(#handler)*)))
            }
        }
    }
}

/// The type for a `return` that never runs: from it the compiler infers the type of the future, as
/// it would from the signature.
fn type_hint(output: Option<&[TokenTree]>) -> Option<Vec<TokenTree>> {
    signature::nameable(output).filter(|type_| !type_.is_empty() && !signature::is_opaque(output))
}

/// Unlike [`group`], keeps `inner` a stream: listing its tokens is a call into the compiler.
fn braces(inner: TokenStream, span: Span) -> TokenTree {
    let mut braces = Group::new(Delimiter::Brace, inner);
    braces.set_span(span);
    braces.into()
}

/// The user's body, in the parts the expansion needs.
struct Body {
    /// The inner attributes (`#![..]`), which stay with the function.
    attributes: Vec<TokenTree>,
    /// Everything else.
    block: Group,
    is_lone_expr: bool,
}

impl Body {
    fn new(body: &Group) -> Self {
        let plain = Self { attributes: Vec::new(), block: body.clone(), is_lone_expr: false };
        if source_is_plain(body) {
            return plain;
        }
        let list: Vec<TokenTree> = body.stream().into_iter().collect();
        let is_lone_expr = !list.iter().any(|token| is_punct(token, ';'));
        let (attributes, rest) = list.split_at(inner_attributes_len(&list));
        if attributes.is_empty() {
            return Self { is_lone_expr, ..plain };
        }
        let mut block = Group::new(Delimiter::Brace, rest.iter().cloned().collect());
        block.set_span(body.span());
        Self { attributes: attributes.to_vec(), block, is_lone_expr }
    }
}

/// Whether the source text shows that the body has no inner attributes, and that it spans several
/// lines, so that no lint objects to its braces. Listing the tokens of every body instead would
/// take a quarter of the macro's run time. Within a `macro_rules!`, the text is not that of the
/// tokens; if they ever differed elsewhere, only the place of an attribute would be wrong.
fn source_is_plain(body: &Group) -> bool {
    let Some(text) = body.span().source_text() else { return false };
    let Some(inner) = text.strip_prefix('{') else { return false };
    inner.contains('\n') && !inner.contains('$') && !inner.trim_start().starts_with(['#', '/'])
}
