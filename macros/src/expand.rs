//! The one shape that is emitted.
//!
//! ```text
//! async fn name(args) -> Ret { BODY }
//! ```
//! becomes
//! ```text
//! async fn name(args) -> Ret {
//!     return ::otas::__private::in_session(
//!         if ::otas::__private::wanted() { ::otas::__private::open_fields("name", KEYS, (VALUES)) } else { ::otas::__private::unopened() },
//!         async move {
//!             if false { return ::otas::__private::never::<Ret>(); }
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

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Result;
use syn::ext::IdentExt;

use crate::args::{Args, OnError, Private};
use crate::boxed::{self, Boxed};
use crate::item::{self, Item};
use crate::meta::{self, Meta, Object};
use crate::value::{borrowed, is_punct};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let args = Args::parse(args)?;
    let item = Item::parse(item)?;
    let private = args.private(Span::call_site());
    let meta = meta::parse(&private, args.meta.as_deref())?;
    let context = Context { args, private, meta, name: item.name.unraw().to_string() };
    let body = if item.is_async {
        context.wrap(&item.body, item.output.as_deref(), true)
    } else {
        let boxed = Boxed::parse(&item)?;
        let output = item.output.as_deref().and_then(boxed::output);
        let block = context.wrap(&boxed.block, Some(output.as_deref().unwrap_or_default()), boxed.moves());
        braces(item.body.span(), boxed.rebuild(block))
    };
    let header = item.header.into_iter().collect::<TokenStream>();
    Ok(quote! { #[allow(clippy::async_yields_async)] #header #body })
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
        let prepared = self.prepared();
        let hint = self.hint(output);
        // A lint holds the braces around a lone expression for superfluous, unless they have an attribute. It costs the compiler too much to
        // be written everywhere.
        let kept = alone.then(|| quote!(#[allow(missing_docs)]));
        let block = braces(span, quote!(#hint #kept #block));
        let future = Ident::new("async", span);
        let moves = moves.then(|| Ident::new("move", span));
        let future = quote!(#future #moves #block);
        let mut run = match self.handler(output) {
            None => quote!(#private::in_session(#prepared, #future)),
            Some(handler) => quote!(#private::in_session_or(#prepared, #handler, #future)),
        };
        if self.name == "main" {
            run = quote!(#private::and_flush(#run));
        }
        // A lint of clippy's wants `return`, and would point at the user's braces. Before `!` it could not be reached.
        let leave = if item::is_never(output) { quote!(#[allow(clippy::implicit_return)]) } else { quote!(return) };
        braces(span, quote!(#attributes #leave #run.await))
    }

    /// Where the client is named, the meta is a closure: whether it is needed is known only when the client is.
    fn prepared(&self) -> TokenStream {
        let Self { private, meta, name, .. } = self;
        let name = Literal::string(name);
        if let Some(client) = &self.args.client {
            let client = borrowed(client);
            let meta = meta.build(private);
            return quote!(match () { () => #private::open_with(#client, #name, || #meta) });
        }
        let open = match meta {
            Meta::Absent => return quote!(#private::bare(#name)),
            Meta::Object(Object { fields, evaluates: false }) => return quote!(#private::open_fields(#name, #fields)),
            Meta::Object(Object { fields, .. }) => quote!(#private::open_fields(#name, #fields)),
            Meta::Value(_) => {
                let meta = meta.build(private);
                quote!(#private::open(#name, #meta))
            }
        };
        quote!(if #private::wanted() { #open } else { #private::unopened() })
    }

    /// What makes the function's value of a failure.
    fn handler(&self, output: Option<&[TokenTree]>) -> Option<TokenStream> {
        let type_ = item::nameable(output).filter(|type_| !type_.is_empty()).unwrap_or_else(|| quote!(_));
        match &self.args.on_error {
            OnError::Continue => None,
            OnError::Fail(word) => {
                let span = output.and_then(|output| output.first()).map_or(*word, TokenTree::span);
                let private = self.args.private(span);
                let type_ = if output.is_none() { quote_spanned!(span=> ()) } else { type_ };
                Some(quote_spanned!(span=> #private::fail::<#type_>()))
            }
            OnError::Handler(handler) => {
                let span = handler.first().map_or_else(Span::call_site, TokenTree::span);
                let private = self.args.private(span);
                let handler = handler.iter().cloned().collect::<TokenStream>();
                Some(quote_spanned!(span=> #private::handler::<#type_, _>(#handler)))
            }
        }
    }

    /// A `return` that never runs tells the compiler the type, as the signature would.
    fn hint(&self, output: Option<&[TokenTree]>) -> Option<TokenStream> {
        let private = &self.private;
        let type_ = item::nameable(output).filter(|type_| !type_.is_empty() && !item::is_opaque(output))?;
        let type_ = ours(type_);
        Some(quote! {
            if false { return #private::never::<#type_>(); }
        })
    }
}

/// The same tokens at the same places, but as part of the expansion: what a lint says of the signature it does not say twice.
fn ours(tokens: TokenStream) -> TokenStream {
    let ours = |span: Span| span.resolved_at(Span::call_site());
    tokens
        .into_iter()
        .map(|mut token| {
            match &mut token {
                TokenTree::Group(group) => {
                    let span = ours(group.span());
                    *group = Group::new(group.delimiter(), self::ours(group.stream()));
                    group.set_span(span);
                }
                // It means what it means where it was written.
                TokenTree::Ident(name) if name == "$crate" => {}
                other => other.set_span(ours(other.span())),
            }
            token
        })
        .collect()
}

fn braces(span: Span, inner: TokenStream) -> TokenTree {
    let mut group = Group::new(Delimiter::Brace, inner);
    group.set_span(span);
    TokenTree::Group(group)
}

/// A body, as it is put into the block of the future.
struct Body {
    /// `#![..]` at its start, which belongs to the function.
    attributes: TokenStream,
    /// The rest.
    block: Group,
    /// Nothing but one expression.
    alone: bool,
}

impl Body {
    fn of(body: &Group) -> Self {
        let mut rest = body.stream().into_iter().peekable();
        if !rest.peek().is_some_and(|first| is_punct(first, '#')) {
            let alone = !rest.any(|token| is_punct(&token, ';'));
            return Self { attributes: TokenStream::new(), block: body.clone(), alone };
        }
        let list: Vec<TokenTree> = rest.collect();
        let mut at = 0;
        while at + 2 < list.len() && is_punct(&list[at], '#') && is_punct(&list[at + 1], '!') {
            at += 3;
        }
        let alone = !list.iter().any(|token| is_punct(token, ';'));
        let mut block = Group::new(Delimiter::Brace, list[at..].iter().cloned().collect());
        block.set_span(body.span());
        Self { attributes: list[..at].iter().map(ToTokens::to_token_stream).collect(), block, alone }
    }
}
