//! Dimensions as Rust expressions: numbers are literals, symbols are `usize` locals.

use super::code::{Binding, Code, ident};
use super::names::{Names, snake};
use crate::types::dim::Atom;
use crate::types::{Dim, Symbol, Symbols};
use quote::quote;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Writes dimensions, and remembers which symbols were needed.
pub(super) struct Dims<'a> {
    symbols: &'a Symbols,
    names: BTreeMap<Symbol, String>,
    used: RefCell<BTreeSet<Symbol>>,
}

impl<'a> Dims<'a> {
    /// A writer that knows the program's symbols.
    pub(super) fn new(symbols: &'a Symbols) -> Dims<'a> {
        let mut names = Names::reserving(super::LOCALS);
        let names = symbols
            .keys()
            .map(|symbol| {
                let name = snake(symbol.name());
                // Short names are those of loop counters and operands.
                let name = if name.len() < 3 { format!("{name}_dim") } else { name };
                (symbol.clone(), names.unique(&name))
            })
            .collect();
        Dims { symbols, names, used: RefCell::default() }
    }

    /// The local variable of a symbol.
    pub(super) fn name(&self, symbol: &Symbol) -> &str {
        self.names.get(symbol).map_or("unknown", String::as_str)
    }

    /// Names that no other local may take.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.values().map(String::as_str)
    }

    /// The symbols needed since the last call, sorted.
    pub(super) fn take_used(&self) -> Vec<Symbol> {
        self.used.take().into_iter().collect()
    }

    /// Smallest value of a dimension, as far as it is known.
    pub(super) fn least(&self, dim: &Dim) -> i64 {
        dim.range(self.symbols).map_or(i64::MIN, |r| r.lo)
    }

    /// Whether a stride runs backwards.
    pub(super) fn is_negative(&self, dim: &Dim) -> bool {
        dim.range(self.symbols).is_some_and(|r| r.lo < 0 && r.hi <= 0)
    }

    /// As `usize`. What is negative becomes zero.
    pub(super) fn size(&self, dim: &Dim) -> Code {
        if let Some(value) = dim.as_i64() {
            return Code::count(usize::try_from(value).unwrap_or(0));
        }
        if !self.fits_unsigned(dim) {
            let signed = self.signed(dim);
            let value = signed.at(Binding::Tight);
            let clipped = if self.least(dim) < 0 { quote!(#value.max(0)) } else { value };
            return Code::tight(quote!(#clipped.cast_unsigned()));
        }
        let (plus, minus) = self.parts(dim, false);
        match (sum(&plus), sum(&minus)) {
            (Some(plus), None) => plus,
            (Some(plus), Some(minus)) if self.least(dim) >= 0 => {
                Code::infix(&plus, quote!(-), &minus, Binding::Sum)
            }
            (Some(plus), Some(minus)) => {
                let (plus, minus) = (plus.receiver(), minus.tokens);
                Code::tight(quote!(#plus.saturating_sub(#minus)))
            }
            (None, _) => Code::count(0),
        }
    }

    /// As `isize`.
    pub(super) fn signed(&self, dim: &Dim) -> Code {
        if let Some(value) = dim.as_i64() {
            return Code::int(value);
        }
        let (plus, minus) = self.parts(dim, true);
        match (sum(&plus), sum(&minus)) {
            (Some(plus), Some(minus)) => Code::infix(&plus, quote!(-), &minus, Binding::Sum),
            (Some(plus), None) => plus,
            (None, Some(minus)) => Code::prefix(quote!(-), &minus),
            (None, None) => Code::int(0),
        }
    }

    /// Whether no subtraction inside can go below zero.
    fn fits_unsigned(&self, dim: &Dim) -> bool {
        dim.sum_of_products().iter().all(|(coefficient, atoms)| {
            atoms.iter().all(|atom| match atom {
                Atom::Symbol(_) => true,
                Atom::Div(a, b) if self.is_ceiling(*coefficient, atoms) => {
                    self.fits_unsigned(&-a) && self.fits_unsigned(b) && self.least(b) > 0
                }
                Atom::Div(a, b) => {
                    self.least(a) >= 0 && self.least(b) > 0 && self.fits_unsigned(a) && self.fits_unsigned(b)
                }
                Atom::Min(a, b) | Atom::Max(a, b) => {
                    self.least(a) >= 0 && self.least(b) >= 0 && self.fits_unsigned(a) && self.fits_unsigned(b)
                }
            })
        })
    }

    /// Whether a term is `-floor(-a / b)`, which is `ceil(a / b)`.
    fn is_ceiling(&self, coefficient: i64, atoms: &[Atom]) -> bool {
        match atoms {
            [Atom::Div(a, _)] => coefficient < 0 && a.range(self.symbols).is_some_and(|r| r.hi <= 0),
            _ => false,
        }
    }

    /// The terms to add and the terms to subtract; constants come last.
    fn parts(&self, dim: &Dim, signed: bool) -> (Vec<Code>, Vec<Code>) {
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        let terms = dim.sum_of_products();
        let (numbers, products): (Vec<_>, Vec<_>) =
            terms.into_iter().partition(|(_, atoms)| atoms.is_empty());
        for (coefficient, atoms) in products.into_iter().chain(numbers) {
            let magnitude = coefficient.unsigned_abs();
            let ceiling = !signed && self.is_ceiling(coefficient, &atoms);
            let mut factors: Vec<Code> = Vec::new();
            if magnitude != 1 || atoms.is_empty() {
                factors.push(Code::count(usize::try_from(magnitude).unwrap_or(usize::MAX)));
            }
            for atom in &atoms {
                factors.push(match atom {
                    Atom::Div(a, b) if ceiling => {
                        let (a, b) = (self.size(&-a), self.size(b));
                        let (a, b) = (a.at(Binding::Tight), b.tokens);
                        Code::tight(quote!(#a.div_ceil(#b)))
                    }
                    atom => self.atom(atom, signed),
                });
            }
            let product = factors
                .into_iter()
                .reduce(|a, b| Code::infix(&a, quote!(*), &b, Binding::Product))
                .unwrap_or_else(|| Code::count(1));
            if coefficient < 0 && !ceiling { &mut minus } else { &mut plus }.push(product);
        }
        (plus, minus)
    }

    fn atom(&self, atom: &Atom, signed: bool) -> Code {
        let write = |dim: &Dim| if signed { self.signed(dim) } else { self.size(dim) };
        let (number, of) = match atom {
            Atom::Symbol(symbol) => {
                self.used.borrow_mut().insert(symbol.clone());
                let name = ident(self.name(symbol));
                return Code::tight(if signed { quote!(#name.cast_signed()) } else { quote!(#name) });
            }
            Atom::Div(a, b) if signed => {
                let (a, b) = (self.signed(a), self.signed(b));
                return Code::call(quote!(isize::div_euclid), &[a, b]);
            }
            Atom::Div(a, b) => {
                return Code::infix(&self.size(a), quote!(/), &self.size(b), Binding::Product);
            }
            Atom::Min(a, b) => (quote!(min), [write(a), write(b)]),
            Atom::Max(a, b) => (quote!(max), [write(a), write(b)]),
        };
        let ty = if signed { quote!(isize) } else { quote!(usize) };
        Code::call(quote!(#ty::#number), &of)
    }
}

fn sum(terms: &[Code]) -> Option<Code> {
    let mut terms = terms.iter().cloned();
    let first = terms.next()?;
    Some(terms.fold(first, |a, b| Code::infix(&a, quote!(+), &b, Binding::Sum)))
}

#[cfg(test)]
mod tests {
    use super::Dims;
    use crate::types::{Dim, Range, Symbol, Symbols};

    #[test]
    fn dimensions_read_like_arithmetic() {
        let (seq, n) = (Symbol::new("seq"), Symbol::new("N"));
        let symbols =
            Symbols::from([(seq.clone(), Range { lo: 1, hi: 512 }), (n.clone(), Range { lo: 0, hi: 8 })]);
        let dims = Dims::new(&symbols);
        let (seq, n) = (Dim::symbol(seq), Dim::symbol(n));
        let (one, two) = (Dim::ONE, Dim::from(2_i64));
        let size = |d: &Dim| dims.size(d).tokens.to_string().replace(' ', "");
        assert_eq!(size(&(&(&seq * &n) + &two)), "n_dim*seq+2");
        assert_eq!(size(&(&seq - &one)), "seq-1");
        assert_eq!(size(&(&n - &one)), "n_dim.saturating_sub(1)");
        assert_eq!(size(&(&two - &n)), "2usize.saturating_sub(n_dim)");
        assert_eq!(size(&(&seq + &one).div_floor(&two)), "(seq+1)/2");
        assert_eq!(size(&seq.div_ceil(&two)), "seq.div_ceil(2)");
        assert_eq!(size(&(&(&n - &Dim::from(3_i64)).div_floor(&two) + &two)), "(n_dim+1)/2");
        let half = &(&seq - &n).div_floor(&two) + &Dim::from(8_i64);
        let signed = "(isize::div_euclid(seq.cast_signed()-n_dim.cast_signed(),2)+8).cast_unsigned()";
        assert_eq!(size(&half), signed);
        assert_eq!(size(&seq.minimum(&two)), "usize::min(seq,2)");
        assert_eq!(dims.signed(&-&seq).tokens.to_string(), "- seq . cast_signed ()");
        assert_eq!(dims.take_used().len(), 2);
    }
}
