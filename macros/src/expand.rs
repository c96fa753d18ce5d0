//! The one shape that is emitted.
//!
//! ```text
//! async fn name(args) -> Ret { BODY }
//! ```
//! becomes
//! ```text
//! async fn name(args) -> Ret {
//!     return ::otas::__private::in_session(
//!         if ::otas::__private::wanted() { ::otas::__private::open_fields("name KEYS", (VALUES)) } else { ::otas::__private::unopened() },
//!         async move {
//!             if false { return <Ret as ::otas::__private::Never>::never(); }
//!             { BODY }
//!         },
//!     ).await
//! }
//! ```
//!
//! Nothing is bound to a name, so that no variable or constant of the user's can meet it. What the meta borrows ends with the argument, so
//! that nothing of it lives across the await. The `if` keeps a meta from being evaluated in vain; one of variables and literals alone goes
//! without, as it is only borrowed. The block of the body is separate from the statement that names `Ret`, so that a glob
//! import in it cannot change what `Ret` means. `async`, `move` and the braces carry the user's span: lints and coverage depend on it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::Result;
use syn::ext::IdentExt;

use crate::args::{Args, OnError, Private};
use crate::future_fn::{self, FutureFn};
use crate::meta::{self, Meta};
use crate::signature::{self, Function};
use crate::tokens::{borrowed, group, inner_attributes, is_punct};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let args = Args::parse(args)?;
    let item = Function::parse(item)?;
    let private = args.private(Span::call_site());
    let meta = meta::parse(&private, args.meta.as_deref())?;
    let context = Context { args, private, meta, name: item.name.unraw().to_string() };
    let body = if item.is_async {
        context.wrap(&item.body, item.output.as_deref(), true)
    } else {
        let boxed = FutureFn::parse(&item)?;
        let output = item.output.as_deref().and_then(future_fn::output);
        let block = context.wrap(&boxed.block, Some(output.as_deref().unwrap_or_default()), boxed.moves());
        braces(boxed.rebuild(block), item.body.span())
    };
    let header = item.header;
    Ok(quote! { #[allow(clippy::async_yields_async)] #(#header)* #body })
}

struct Context {
    args: Args,
    private: Private,
    meta: Meta,
    name: String,
}

impl Context {
    /// The block that runs `body` in a session. `output` is its type: nothing written is `()`, an empty list is unknown. `moves` tells whether
    /// it takes what it uses, as a function does, or borrows it, as an `async` block without `move`.
    fn wrap(&self, body: &Group, output: Option<&[TokenTree]>, moves: bool) -> TokenTree {
        let Body { attributes, block, alone } = Body::of(body);
        let span = body.span();
        let private = &self.private;
        // A lint holds the braces around a lone expression for superfluous, unless they have an attribute. It costs the compiler too much to
        // be written everywhere.
        let kept = alone.then(|| quote!(#[allow(missing_docs)]));
        let block = match type_hint(output) {
            None => quote!(#kept #block),
            Some(type_) => quote!(if false { return <#(#type_)* as #private::Never>::never(); } #kept #block),
        };
        let block = braces(block, span);
        let future = Ident::new("async", span);
        let moves = moves.then(|| Ident::new("move", span));
        // A lint of clippy's wants `return`, and would point at the user's braces. Before `!` it could not be reached.
        let never = signature::is_never(output);
        let unreached = never.then(|| quote!(#[allow(clippy::implicit_return)]));
        let leave = (!never).then(|| Ident::new("return", Span::call_site()));
        let prepared = self.prepared();
        let (in_session, handler) = match self.handler(output) {
            None => ("in_session", None),
            Some(handler) => ("in_session_or", Some(quote!(#handler,))),
        };
        let in_session = Ident::new(in_session, Span::call_site());
        let body = if self.name == "main" {
            quote!(#(#attributes)* #unreached #leave #private::and_flush(#private::#in_session(#prepared, #handler #future #moves #block)).await)
        } else {
            quote!(#(#attributes)* #unreached #leave #private::#in_session(#prepared, #handler #future #moves #block).await)
        };
        braces(body, span)
    }

    /// Where the client is named, the meta is a closure: whether it is needed is known only when the client is.
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

    /// What makes the function's value of a failure.
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

/// A `return` that never runs tells the compiler this type, as the signature would.
fn type_hint(output: Option<&[TokenTree]>) -> Option<Vec<TokenTree>> {
    signature::nameable(output).filter(|type_| !type_.is_empty() && !signature::is_opaque(output))
}

/// Not by token: to list those of a stream is a call to the compiler.
fn braces(inner: TokenStream, span: Span) -> TokenTree {
    let mut braces = Group::new(Delimiter::Brace, inner);
    braces.set_span(span);
    braces.into()
}

/// A body, as it is put into the block of the future.
struct Body {
    /// `#![..]` at its start, which belongs to the function.
    attributes: Vec<TokenTree>,
    /// The rest.
    block: Group,
    /// Nothing but one expression.
    alone: bool,
}

impl Body {
    fn of(body: &Group) -> Self {
        let plain = Self { attributes: Vec::new(), block: body.clone(), alone: false };
        if source_is_plain(body) {
            return plain;
        }
        let list: Vec<TokenTree> = body.stream().into_iter().collect();
        let alone = !list.iter().any(|token| is_punct(token, ';'));
        let (attributes, rest) = list.split_at(inner_attributes(&list));
        if attributes.is_empty() {
            return Self { alone, ..plain };
        }
        let mut block = Group::new(Delimiter::Brace, rest.iter().cloned().collect());
        block.set_span(body.span());
        Self { attributes: attributes.to_vec(), block, alone }
    }
}

/// Whether the source shows that the body begins with no attribute, and has several lines, in which no lint minds braces: to ask for the
/// tokens of every body would be a quarter of what this macro takes. The text of a `macro_rules!` is not that of what it writes. Were the text
/// ever another than the tokens, no more than an attribute's place would depend on it.
fn source_is_plain(body: &Group) -> bool {
    let Some(text) = body.span().source_text() else { return false };
    let Some(inner) = text.strip_prefix('{') else { return false };
    inner.contains('\n') && !inner.contains('$') && !inner.trim_start().starts_with(['#', '/'])
}
