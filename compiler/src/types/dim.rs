//! Symbolic dimensions: integer expressions over named symbols.
//!
//! A [`Dim`] is a polynomial in normal form (sorted terms, no zero coefficient), so that two dimensions that are equal
//! as polynomials are equal as values. What a polynomial cannot say (floor division, minimum, maximum) is an opaque
//! atom inside it. Most dimensions are plain numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A named unknown extent, such as `batch`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// The symbol of this name.
    pub fn new(name: &str) -> Symbol {
        Symbol(name.into())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// An inclusive range of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Smallest value.
    pub lo: i64,
    /// Largest value.
    pub hi: i64,
}

/// What is known of each symbol.
pub type Symbols = BTreeMap<Symbol, Range>;

/// A factor of a term that is not a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Atom {
    /// A symbol.
    Symbol(Symbol),
    /// Floor division.
    Div(Dim, Dim),
    /// The smaller of two.
    Min(Dim, Dim),
    /// The larger of two.
    Max(Dim, Dim),
}

/// A product of atoms, sorted.
type Monomial = Vec<Atom>;

/// An integer expression over symbols, in normal form.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dim {
    /// A number.
    Fixed(i64),
    /// A sum of at least one non-constant monomial, each with its coefficient.
    Sum(Arc<BTreeMap<Monomial, i64>>),
}

impl From<i64> for Dim {
    fn from(value: i64) -> Dim {
        Dim::Fixed(value)
    }
}

impl From<usize> for Dim {
    fn from(value: usize) -> Dim {
        Dim::Fixed(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl Dim {
    /// Zero.
    pub const ZERO: Dim = Dim::Fixed(0);
    /// One.
    pub const ONE: Dim = Dim::Fixed(1);

    /// The dimension that is just `symbol`.
    pub fn symbol(symbol: Symbol) -> Dim {
        Dim::atom(Atom::Symbol(symbol))
    }

    fn atom(atom: Atom) -> Dim {
        Dim::Sum(Arc::new(BTreeMap::from([(vec![atom], 1)])))
    }

    fn from_terms(mut terms: BTreeMap<Monomial, i64>) -> Dim {
        terms.retain(|_, c| *c != 0);
        match terms.len() {
            0 => Dim::ZERO,
            1 if terms.contains_key(&Vec::new()) => Dim::Fixed(terms[&Vec::new()]),
            _ => Dim::Sum(Arc::new(terms)),
        }
    }

    fn terms(&self) -> BTreeMap<Monomial, i64> {
        match self {
            Dim::Fixed(0) => BTreeMap::new(),
            Dim::Fixed(v) => BTreeMap::from([(Vec::new(), *v)]),
            Dim::Sum(terms) => (**terms).clone(),
        }
    }

    /// The sum as pairs of coefficient and atoms, for printing in other notations.
    pub fn sum_of_products(&self) -> Vec<(i64, Vec<Atom>)> {
        self.terms().into_iter().map(|(m, c)| (c, m)).collect()
    }

    /// The number, if this is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Dim::Fixed(v) => Some(*v),
            Dim::Sum(_) => None,
        }
    }

    /// The number, if this is one and not negative.
    pub fn as_usize(&self) -> Option<usize> {
        self.as_i64().and_then(|v| usize::try_from(v).ok())
    }

    /// Whether this is the number `value`.
    pub fn is(&self, value: i64) -> bool {
        *self == Dim::Fixed(value)
    }

    /// The product of all dimensions.
    pub fn product<'a>(dims: impl IntoIterator<Item = &'a Dim>) -> Dim {
        dims.into_iter().fold(Dim::ONE, |product, dim| &product * dim)
    }

    /// The quotient if `self` is a multiple of `divisor` whatever the symbols are.
    pub fn exact_div(&self, divisor: &Dim) -> Option<Dim> {
        if divisor.is(0) {
            return None;
        }
        if let (Dim::Fixed(a), Dim::Fixed(b)) = (self, divisor) {
            return (a.wrapping_rem(*b) == 0).then(|| Dim::Fixed(a.wrapping_div(*b)));
        }
        let divisor = divisor.terms();
        let (lead, lead_coefficient) = divisor.iter().next_back()?;
        let mut rest = self.terms();
        let mut quotient: BTreeMap<Monomial, i64> = BTreeMap::new();
        while let Some((monomial, &coefficient)) = rest.iter().next_back() {
            let factor = divide_monomial(monomial, lead)?;
            if coefficient.wrapping_rem(*lead_coefficient) != 0 || quotient.contains_key(&factor) {
                return None;
            }
            let c = coefficient.wrapping_div(*lead_coefficient);
            for (m, dc) in &divisor {
                let mut product: Monomial = m.iter().chain(&factor).cloned().collect();
                product.sort();
                let entry = rest.entry(product).or_insert(0);
                *entry = entry.checked_sub(dc.checked_mul(c)?)?;
            }
            rest.retain(|_, c| *c != 0);
            quotient.insert(factor, c);
        }
        Some(Dim::from_terms(quotient))
    }

    /// Floor division. Division by zero gives zero.
    pub fn div_floor(&self, divisor: &Dim) -> Dim {
        if let Some(exact) = self.exact_div(divisor) {
            return exact;
        }
        match (self, divisor) {
            (_, Dim::Fixed(0)) => Dim::ZERO,
            (Dim::Fixed(a), Dim::Fixed(b)) => Dim::Fixed(floor_div(*a, *b)),
            (_, Dim::Fixed(b)) if *b > 0 => self.div_floor_fixed(*b),
            _ => Dim::atom(Atom::Div(self.clone(), divisor.clone())),
        }
    }

    /// Floor division by a positive number: whole multiples of it come out of the quotient, so that
    /// `floor((h - 2) / 2) + 1` and `floor(h / 2)` are one dimension, quotients of quotients are one quotient, and
    /// fractions are in lowest terms.
    fn div_floor_fixed(&self, divisor: i64) -> Dim {
        let common = self.terms().values().fold(divisor, |common, &c| divisor_of_both(common, c));
        if common > 1 {
            let reduced = self.terms().into_iter().map(|(monomial, c)| (monomial, c / common)).collect();
            return Dim::from_terms(reduced).div_floor(&Dim::Fixed(divisor / common));
        }
        let (mut whole, mut rest) = (BTreeMap::new(), BTreeMap::new());
        for (monomial, c) in self.terms() {
            // Only the constant leaves a remainder: 3 h / 2 and the ceiling -(-h / 2) read best as they are.
            let q = if monomial.is_empty() || c % divisor == 0 { c.div_euclid(divisor) } else { 0 };
            rest.insert(monomial.clone(), c - q * divisor);
            whole.insert(monomial, q);
        }
        let (whole, rest) = (Dim::from_terms(whole), Dim::from_terms(rest));
        let quotient = match rest.as_quotient() {
            Some((a, b)) if b.checked_mul(divisor).is_some() => a.div_floor(&Dim::Fixed(b * divisor)),
            _ => match rest.as_i64() {
                Some(r) => Dim::Fixed(floor_div(r, divisor)),
                None => Dim::atom(Atom::Div(rest, Dim::Fixed(divisor))),
            },
        };
        &whole + &quotient
    }

    /// Numerator and positive divisor, if this is nothing but a quotient.
    fn as_quotient(&self) -> Option<(&Dim, i64)> {
        let Dim::Sum(terms) = self else { return None };
        let (monomial, coefficient) = terms.iter().next()?;
        match &monomial[..] {
            [Atom::Div(a, Dim::Fixed(b))] if terms.len() == 1 && *coefficient == 1 && *b > 0 => Some((a, *b)),
            _ => None,
        }
    }

    /// Ceiling division. Division by zero gives zero.
    pub fn div_ceil(&self, divisor: &Dim) -> Dim {
        -&(-self).div_floor(divisor)
    }

    /// The smaller of two.
    pub fn minimum(&self, other: &Dim) -> Dim {
        match (self - other).as_i64() {
            Some(d) if d <= 0 => self.clone(),
            Some(_) => other.clone(),
            None => Dim::atom(Atom::Min(self.clone(), other.clone())),
        }
    }

    /// The larger of two.
    pub fn maximum(&self, other: &Dim) -> Dim {
        match (self - other).as_i64() {
            Some(d) if d >= 0 => self.clone(),
            Some(_) => other.clone(),
            None => Dim::atom(Atom::Max(self.clone(), other.clone())),
        }
    }

    /// The value under an assignment of all symbols; `None` if one is missing or the arithmetic overflows.
    pub fn eval(&self, value: &dyn Fn(&Symbol) -> Option<i64>) -> Option<i64> {
        self.range_with(&|s| value(s).map(|v| Range { lo: v, hi: v })).map(|r| r.lo)
    }

    /// The smallest range known to hold every value; `None` if a symbol is unknown or the arithmetic overflows.
    pub fn range(&self, symbols: &Symbols) -> Option<Range> {
        self.range_with(&|s| symbols.get(s).copied())
    }

    fn range_with(&self, lookup: &dyn Fn(&Symbol) -> Option<Range>) -> Option<Range> {
        let terms = match self {
            Dim::Fixed(v) => return Some(Range { lo: *v, hi: *v }),
            Dim::Sum(terms) => terms,
        };
        let mut sum = Range { lo: 0, hi: 0 };
        for (monomial, &coefficient) in terms.iter() {
            let mut product = Range { lo: coefficient, hi: coefficient };
            for atom in monomial {
                product = product.mul(atom.range(lookup)?)?;
            }
            sum = Range { lo: sum.lo.checked_add(product.lo)?, hi: sum.hi.checked_add(product.hi)? };
        }
        for remainder in self.remainders().filter_map(|(rest, k, q)| {
            let rest = rest.range_with(lookup)?;
            let (a, b) = (0, k.checked_mul(q - 1)?);
            Some(Range { lo: rest.lo.checked_add(a.min(b))?, hi: rest.hi.checked_add(a.max(b))? })
        }) {
            sum = Range { lo: sum.lo.max(remainder.lo), hi: sum.hi.min(remainder.hi) };
        }
        Some(sum)
    }

    /// Each way in which this is `rest + k (a mod q)`, with `a mod q` written as `a - q floor(a / q)`: `(rest, k, q)`.
    fn remainders(&self) -> impl Iterator<Item = (Dim, i64, i64)> + '_ {
        let terms = match self {
            Dim::Fixed(_) => None,
            Dim::Sum(terms) => Some(terms.iter()),
        };
        terms.into_iter().flatten().filter_map(move |(monomial, &coefficient)| {
            let [Atom::Div(a, Dim::Fixed(q))] = &monomial[..] else { return None };
            if *q <= 1 || coefficient.wrapping_rem(*q) != 0 {
                return None;
            }
            let k = -(coefficient / q);
            let quotient = Dim::atom(monomial[0].clone());
            let remainder = &(a - &(&quotient * &Dim::Fixed(*q))) * &Dim::Fixed(k);
            let rest = self - &remainder;
            (rest.term_count() < self.term_count()).then_some((rest, k, *q))
        })
    }

    fn term_count(&self) -> usize {
        match self {
            Dim::Fixed(0) => 0,
            Dim::Fixed(_) => 1,
            Dim::Sum(terms) => terms.len(),
        }
    }

    /// Replaces symbols by dimensions.
    pub fn substitute(&self, with: &dyn Fn(&Symbol) -> Option<Dim>) -> Dim {
        let Dim::Sum(terms) = self else { return self.clone() };
        let mut sum = Dim::ZERO;
        for (monomial, &coefficient) in terms.iter() {
            let mut product = Dim::Fixed(coefficient);
            for atom in monomial {
                let factor = match atom {
                    Atom::Symbol(s) => with(s).unwrap_or_else(|| Dim::symbol(s.clone())),
                    Atom::Div(a, b) => a.substitute(with).div_floor(&b.substitute(with)),
                    Atom::Min(a, b) => a.substitute(with).minimum(&b.substitute(with)),
                    Atom::Max(a, b) => a.substitute(with).maximum(&b.substitute(with)),
                };
                product = &product * &factor;
            }
            sum = &sum + &product;
        }
        sum
    }

    /// Every symbol in this dimension.
    pub fn symbols(&self, into: &mut Vec<Symbol>) {
        if let Dim::Sum(terms) = self {
            for atom in terms.keys().flatten() {
                match atom {
                    Atom::Symbol(s) if into.contains(s) => {}
                    Atom::Symbol(s) => into.push(s.clone()),
                    Atom::Div(a, b) | Atom::Min(a, b) | Atom::Max(a, b) => {
                        a.symbols(into);
                        b.symbols(into);
                    }
                }
            }
        }
    }
}

fn divide_monomial(monomial: &[Atom], by: &[Atom]) -> Option<Monomial> {
    let mut rest = monomial.to_vec();
    for atom in by {
        let at = rest.iter().position(|a| a == atom)?;
        rest.remove(at);
    }
    Some(rest)
}

/// The greatest common divisor of a positive number and another one.
fn divisor_of_both(mut a: i64, b: i64) -> i64 {
    let mut b = b.unsigned_abs().try_into().unwrap_or(1);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn floor_div(a: i64, b: i64) -> i64 {
    let q = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q }
}

impl Range {
    fn mul(self, other: Range) -> Option<Range> {
        let products = [
            self.lo.checked_mul(other.lo)?,
            self.lo.checked_mul(other.hi)?,
            self.hi.checked_mul(other.lo)?,
            self.hi.checked_mul(other.hi)?,
        ];
        Some(Range { lo: *products.iter().min()?, hi: *products.iter().max()? })
    }
}

impl Atom {
    fn range(&self, lookup: &dyn Fn(&Symbol) -> Option<Range>) -> Option<Range> {
        Some(match self {
            Atom::Symbol(s) => lookup(s)?,
            Atom::Min(a, b) => {
                let (a, b) = (a.range_with(lookup)?, b.range_with(lookup)?);
                Range { lo: a.lo.min(b.lo), hi: a.hi.min(b.hi) }
            }
            Atom::Max(a, b) => {
                let (a, b) = (a.range_with(lookup)?, b.range_with(lookup)?);
                Range { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) }
            }
            Atom::Div(a, b) => {
                let (a, b) = (a.range_with(lookup)?, b.range_with(lookup)?);
                if b.lo <= 0 && b.hi >= 0 {
                    return None;
                }
                let quotients = [
                    floor_div(a.lo, b.lo),
                    floor_div(a.lo, b.hi),
                    floor_div(a.hi, b.lo),
                    floor_div(a.hi, b.hi),
                ];
                Range { lo: *quotients.iter().min()?, hi: *quotients.iter().max()? }
            }
        })
    }
}

impl std::ops::Add for &Dim {
    type Output = Dim;
    /// The sum; beyond 64 bits it saturates, which the size checks at import refuse.
    fn add(self, other: &Dim) -> Dim {
        if let (Dim::Fixed(a), Dim::Fixed(b)) = (self, other) {
            return Dim::Fixed(a.saturating_add(*b));
        }
        let mut terms = self.terms();
        for (monomial, c) in other.terms() {
            let entry = terms.entry(monomial).or_insert(0);
            *entry = entry.saturating_add(c);
        }
        Dim::from_terms(terms)
    }
}

impl std::ops::Mul for &Dim {
    type Output = Dim;
    /// The product; beyond 64 bits it saturates, which the size checks at import refuse.
    fn mul(self, other: &Dim) -> Dim {
        if let (Dim::Fixed(a), Dim::Fixed(b)) = (self, other) {
            return Dim::Fixed(a.saturating_mul(*b));
        }
        let mut terms: BTreeMap<Monomial, i64> = BTreeMap::new();
        for (ma, ca) in self.terms() {
            for (mb, cb) in other.terms() {
                let mut monomial: Monomial = ma.iter().chain(&mb).cloned().collect();
                monomial.sort();
                let entry = terms.entry(monomial).or_insert(0);
                *entry = entry.saturating_add(ca.saturating_mul(cb));
            }
        }
        Dim::from_terms(terms)
    }
}

impl std::ops::Neg for &Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        self * &Dim::Fixed(-1)
    }
}

impl std::ops::Sub for &Dim {
    type Output = Dim;
    fn sub(self, other: &Dim) -> Dim {
        self + &-other
    }
}

impl std::ops::Neg for Dim {
    type Output = Dim;
    fn neg(self) -> Dim {
        -&self
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = match self {
            Dim::Fixed(v) => return write!(f, "{v}"),
            Dim::Sum(terms) => terms,
        };
        // The constant term reads best last: `seq+1`.
        let constant_last =
            terms.iter().filter(|(m, _)| !m.is_empty()).chain(terms.get_key_value(&Vec::new()));
        for (i, (monomial, &coefficient)) in constant_last.enumerate() {
            if coefficient < 0 {
                f.write_str("-")?;
            } else if i > 0 {
                f.write_str("+")?;
            }
            let magnitude = coefficient.unsigned_abs();
            if magnitude != 1 || monomial.is_empty() {
                write!(f, "{magnitude}{}", if monomial.is_empty() { "" } else { "*" })?;
            }
            for (j, atom) in monomial.iter().enumerate() {
                write!(f, "{}{atom}", if j == 0 { "" } else { "*" })?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Symbol(s) => f.write_str(s.name()),
            Atom::Div(a, b) => write!(f, "floor(({a})/({b}))"),
            Atom::Min(a, b) => write!(f, "min({a},{b})"),
            Atom::Max(a, b) => write!(f, "max({a},{b})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sym(name: &str) -> Dim {
        Dim::symbol(Symbol::new(name))
    }

    #[test]
    fn normal_form_makes_equal_polynomials_equal() {
        let (a, b) = (sym("a"), sym("b"));
        let left = &(&a + &b) * &(&a - &b);
        let right = &(&a * &a) - &(&b * &b);
        assert_eq!(left, right);
        assert_eq!(&left - &right, Dim::ZERO);
        assert_eq!((&(&a * &Dim::from(3_i64)) + &Dim::ONE).to_string(), "3*a+1");
    }

    #[test]
    fn exact_division_divides_polynomials() {
        let (a, b) = (sym("a"), sym("b"));
        let product = &(&a * &b) * &Dim::from(6_i64);
        assert_eq!(product.exact_div(&(&a * &Dim::from(2_i64))), Some(&b * &Dim::from(3_i64)));
        assert_eq!((&a + &Dim::ONE).exact_div(&a), None);
        let sum = &(&a * &b) + &a;
        assert_eq!(sum.exact_div(&(&b + &Dim::ONE)), Some(a));
    }

    #[test]
    fn remainders_are_within_the_divisor() {
        let symbols = Symbols::from([(Symbol::new("a"), Range { lo: 1, hi: 900 })]);
        let (a, four) = (sym("a"), Dim::from(4_i64));
        let modulo = |d: &Dim| d - &(&four * &d.div_floor(&four));
        assert_eq!(modulo(&a).range(&symbols), Some(Range { lo: 0, hi: 3 }));
        assert_eq!((-&modulo(&-&a)).range(&symbols), Some(Range { lo: -3, hi: 0 }));
        let filled = &a + &modulo(&-&a);
        assert_eq!(filled.range(&symbols), Some(Range { lo: 4, hi: 900 }));
    }

    #[test]
    fn ranges_and_rounding() {
        let symbols = Symbols::from([(Symbol::new("a"), Range { lo: 1, hi: 9 })]);
        let half_up = (&sym("a") + &Dim::ONE).div_floor(&Dim::from(2_i64));
        assert_eq!(half_up.range(&symbols), Some(Range { lo: 1, hi: 5 }));
        assert_eq!(half_up.eval(&|_| Some(4)), Some(2));
        let h = sym("h");
        let (two, three) = (Dim::from(2_i64), Dim::from(3_i64));
        let halved = &(&h - &two).div_floor(&two) + &Dim::ONE;
        assert_eq!(halved, h.div_floor(&two));
        assert_eq!(halved.div_floor(&three), h.div_floor(&Dim::from(6_i64)));
        assert_eq!((&h * &Dim::from(6_i64)).div_floor(&Dim::from(9_i64)).to_string(), "floor((2*h)/(3))");
        for value in -9..9 {
            for k in [-5, -1, 3, 7] {
                let d = (&(&h * &Dim::from(k)) + &three).div_floor(&two).div_floor(&two);
                assert_eq!(d.eval(&|_| Some(value)), Some((value * k + 3).div_euclid(4)), "{d} at {value}");
            }
        }
        assert_eq!(Dim::from(-7_i64).div_floor(&Dim::from(2_i64)), Dim::from(-4_i64));
        assert_eq!(Dim::from(7_i64).div_ceil(&Dim::from(2_i64)), Dim::from(4_i64));
    }
}
