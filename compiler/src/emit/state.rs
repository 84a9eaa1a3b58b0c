//! What a model remembers from one run to the next: the sizes of its state, and the methods that tell and reset it.
//!
//! The contents stay in the arena. Beside it the worker keeps, for each dimension along which state grows, how far it is
//! filled; and for the other dimensions of state the sizes with which it began, which may not change before a reset.

use super::Cx;
use super::code::ident;
use super::names::plain;
use super::scalar::stored_type;
use crate::lir::{BufferId, StatePort};
use crate::types::{Dim, Symbol};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

/// The state of a program, as far as generated code has to say it.
pub(super) struct StateText<'a> {
    cx: &'a Cx<'a>,
    /// Symbols along which state grows, with their values after a run.
    growing: Vec<(Symbol, Dim)>,
    /// Other symbols in the shapes of state.
    kept: Vec<Symbol>,
    /// Values that begin as zeros.
    zeroed: Vec<&'a StatePort>,
}

impl<'a> StateText<'a> {
    pub(super) fn new(cx: &'a Cx<'a>) -> StateText<'a> {
        let states = &cx.program.states;
        let mut growing: Vec<(Symbol, Dim)> = states.iter().filter_map(|s| s.growth.clone()).collect();
        growing.sort();
        growing.dedup();
        let mut kept = Vec::new();
        states.iter().flat_map(|s| &s.shape).for_each(|extent| extent.symbols(&mut kept));
        kept.sort();
        kept.dedup();
        kept.retain(|symbol| growing.iter().all(|(grows, _)| grows != symbol));
        let zeroed = states.iter().filter(|s| s.growth.is_none()).collect();
        StateText { cx, growing, kept, zeroed }
    }

    /// Whether the program has none.
    pub(super) fn is_empty(&self) -> bool {
        self.cx.program.states.is_empty()
    }

    fn field(&self, symbol: &Symbol) -> Ident {
        ident(self.cx.dims.name(symbol))
    }

    /// Whether the first run differs from those that follow.
    fn begins(&self) -> bool {
        !self.kept.is_empty() || !self.zeroed.is_empty()
    }

    /// The symbols whose values the state tells.
    pub(super) fn known(&self) -> impl Iterator<Item = &Symbol> {
        self.growing.iter().map(|(symbol, _)| symbol)
    }

    /// The type of what is remembered beside the arena.
    pub(super) fn item(&self) -> TokenStream {
        if self.is_empty() {
            return TokenStream::new();
        }
        let sizes = self.known().chain(&self.kept);
        let (fields, values): (Vec<_>, Vec<_>) = sizes
            .map(|symbol| {
                let (field, doc) = (self.field(symbol), format!(" `{}`", plain(symbol.name())));
                (quote!(#[doc = #doc] #field: usize,), quote!(#field: 0,))
            })
            .unzip();
        let begun = self.begins().then(|| {
            let field = quote! {
                /// Whether a run has begun it.
                begun: bool,
            };
            (field, quote!(begun: false,))
        });
        let (begun_field, begun_value) = begun.unzip();
        quote! {
            /// Sizes of what stays in the arena from one run to the next.
            #[derive(Clone, Copy, Debug)]
            struct State { #begun_field #(#fields)* }
            impl State {
                const EMPTY: Self = Self { #begun_value #(#values)* };
            }
        }
    }

    /// Statements that give the growing symbols their values, before those of the inputs.
    pub(super) fn lets(&self) -> TokenStream {
        let lets = self.known().map(|symbol| {
            let field = self.field(symbol);
            let range = self.cx.program.symbols[symbol];
            let [lo, hi] =
                [range.lo, range.hi].map(|v| Literal::usize_unsuffixed(usize::try_from(v).unwrap_or(0)));
            let what = format!("the length of the state (`{}`)", plain(symbol.name()));
            quote! {
                let #field = self.state.#field;
                ::ingrain::check_dim(#what, #field, #lo, #hi)?;
            }
        });
        quote!(#(#lets)*)
    }

    /// Checks that sizes are those with which the state began, once all are known.
    pub(super) fn checks(&self) -> TokenStream {
        if self.kept.is_empty() {
            return TokenStream::new();
        }
        let checks = self.kept.iter().map(|symbol| {
            let field = self.field(symbol);
            let what = format!("`{}`, which the state keeps until it is reset,", plain(symbol.name()));
            quote!(::ingrain::check_dim(#what, #field, self.state.#field, self.state.#field)?;)
        });
        quote!(if self.state.begun { #(#checks)* })
    }

    /// Statements that prepare the first run.
    pub(super) fn zeros(&self, slot: &dyn Fn(BufferId) -> TokenStream) -> TokenStream {
        if self.zeroed.is_empty() {
            return TokenStream::new();
        }
        let fills = self.zeroed.iter().map(|state| {
            let ty = stored_type(self.cx.program.buffer(state.buffer).dtype);
            let slot = slot(state.buffer);
            quote!(memory.step((), #slot).1.fill(<#ty as ::core::default::Default>::default());)
        });
        quote!(if !self.state.begun { #(#fills)* })
    }

    /// The statement that ends a run.
    pub(super) fn advance(&self) -> TokenStream {
        if self.is_empty() {
            return TokenStream::new();
        }
        let grown = self.growing.iter().map(|(symbol, next)| {
            let (field, next) = (self.field(symbol), self.cx.dims.size(next).tokens);
            quote!(#field: #next,)
        });
        let kept = self.kept.iter().map(|symbol| {
            let field = self.field(symbol);
            quote!(#field,)
        });
        let begun = self.begins().then(|| quote!(begun: true,));
        quote!(self.state = State { #begun #(#grown)* #(#kept)* };)
    }

    /// The methods of the model that concern the state, and constants.
    pub(super) fn methods(&self) -> TokenStream {
        if self.is_empty() {
            return TokenStream::new();
        }
        let lens = self.growing.iter().map(|(symbol, _)| {
            let (field, name) = (self.field(symbol), plain(symbol.name()));
            let suffix = if self.growing.len() == 1 { String::new() } else { format!("_{field}") };
            let len = format_ident!("state_len{}", suffix);
            let capacity = format_ident!("STATE_CAPACITY{}", suffix.to_uppercase());
            let hi = usize::try_from(self.cx.program.symbols[symbol].hi).unwrap_or(0);
            let most = Literal::usize_unsuffixed(hi);
            let len_doc = format!(" How much the state holds: the extent of `{name}` in the next run.");
            let capacity_doc =
                format!(" The most that the state may hold before a run: the bound of `{name}`.");
            quote! {
                #[doc = #capacity_doc]
                pub const #capacity: usize = #most;

                #[doc = #len_doc]
                pub const fn #len(&self) -> usize {
                    self.state.#field
                }
            }
        });
        let truncate = match &self.growing[..] {
            // Where all state grows along one dimension, its first part is the state of an earlier moment.
            [(symbol, _)] if self.zeroed.is_empty() => {
                let field = self.field(symbol);
                let doc = format!(
                    " Forgets what was added beyond the first `len` of `{}`; nothing if there is no more.",
                    plain(symbol.name())
                );
                quote! {
                    #[doc = #doc]
                    pub const fn truncate_state(&mut self, len: usize) {
                        if len < self.state.#field {
                            self.state.#field = len;
                        }
                    }
                }
            }
            _ => TokenStream::new(),
        };
        let partly = if self.zeroed.is_empty() {
            ""
        } else {
            " Do so after a run that failed half-way, on an index out of range."
        };
        let reset_doc = format!(" Forgets the state: the next run begins anew.{partly}");
        quote! {
            #(#lens)*
            #[doc = #reset_doc]
            pub const fn reset_state(&mut self) {
                self.state = State::EMPTY;
            }
            #truncate
        }
    }
}
