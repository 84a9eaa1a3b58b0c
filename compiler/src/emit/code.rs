//! Expressions of generated code that know how tightly they bind, so that parentheses stand only where they must.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote};

/// How tightly the outermost operator of an expression binds, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binding {
    /// `if`, closures, and casts, which do not stand well beside `<`.
    Loose,
    /// `==`, `<`, …
    Compare,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `&`
    And,
    /// `+`, `-`
    Sum,
    /// `*`, `/`
    Product,
    /// `-x`, `!x`
    Prefix,
    /// Names, literals, calls, subscripts.
    Tight,
}

/// An expression.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// Its text.
    pub tokens: TokenStream,
    /// How tightly it binds.
    pub binding: Binding,
}

impl Code {
    /// A name, literal, call or subscript.
    pub(super) fn tight(tokens: TokenStream) -> Code {
        Code { tokens, binding: Binding::Tight }
    }

    /// An expression that needs parentheses beside any operator.
    pub(super) fn loose(tokens: TokenStream) -> Code {
        Code { tokens, binding: Binding::Loose }
    }

    /// A local variable.
    pub(super) fn name(name: &str) -> Code {
        let name = ident(name);
        Code::tight(quote!(#name))
    }

    /// A `usize` without suffix.
    pub(super) fn count(value: usize) -> Code {
        let literal = Literal::usize_unsuffixed(value);
        Code::tight(quote!(#literal))
    }

    /// A `usize` that a method is called on: a literal must say its type.
    pub(super) fn receiver(&self) -> TokenStream {
        match self.tokens.to_string().parse() {
            Ok(value) => Literal::usize_suffixed(value).into_token_stream(),
            Err(_) => self.at(Binding::Tight),
        }
    }

    /// An integer without suffix.
    pub(super) fn int(value: i64) -> Code {
        let literal = Literal::u64_unsuffixed(value.unsigned_abs());
        if value < 0 {
            Code::prefix(quote!(-), &Code::tight(quote!(#literal)))
        } else {
            Code::tight(quote!(#literal))
        }
    }

    /// An operator before its operand.
    pub(super) fn prefix(op: TokenStream, of: &Code) -> Code {
        let operand = of.at(Binding::Prefix);
        Code { tokens: quote!(#op #operand), binding: Binding::Prefix }
    }

    /// An operator between its operands, associative to the left.
    pub(super) fn infix(a: &Code, op: TokenStream, b: &Code, binding: Binding) -> Code {
        let tighter = match binding {
            Binding::Sum => Binding::Product,
            Binding::Product => Binding::Prefix,
            // These do not chain, or read better with parentheses.
            _ => Binding::Prefix,
        };
        let (a, b) = (a.at(if binding == Binding::Compare { Binding::Sum } else { binding }), b.at(tighter));
        Code { tokens: quote!(#a #op #b), binding }
    }

    /// A call.
    pub(super) fn call(function: TokenStream, args: &[Code]) -> Code {
        let args = args.iter().map(|a| &a.tokens);
        Code::tight(quote!(#function(#(#args),*)))
    }

    /// `self as T`.
    pub(super) fn cast(&self, to: TokenStream) -> Code {
        let value = self.at(Binding::Prefix);
        Code::loose(quote!(#value as #to))
    }

    /// The text, in parentheses if it binds less tightly than `least`.
    pub(super) fn at(&self, least: Binding) -> TokenStream {
        let tokens = &self.tokens;
        if self.binding < least { quote!((#tokens)) } else { quote!(#tokens) }
    }
}

/// An identifier of generated code.
pub(super) fn ident(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}
