//! How loops walk over operands: which slice is cut where, and what an element is called.
//!
//! The last axis of a nest is the innermost loop. An operand is cut to its part as soon as the loops around it are
//! known, to exactly the extent of the innermost loop where its elements lie side by side: then subscripts need
//! no checks, and the loop becomes vector code.

use super::code::{Binding, Code, ident};
use super::dims::Dims;
use super::nest::Nest;
use super::rows::mentions;
use super::scalar::{is_direct, loaded};
use super::step::Param;
use crate::lir::{BufferId, Place};
use crate::types::DType;
use proc_macro2::TokenStream;
use quote::quote;

/// Loop counters, outermost first.
const COUNTERS: &[&str] = &["i", "j", "k", "l", "m", "o", "p", "q", "r", "s", "u", "v", "w", "z"];

/// The counter of the loop over an axis.
pub(super) fn counter(axis: usize) -> String {
    COUNTERS.get(axis).map_or_else(|| format!("i{axis}"), |&name| name.to_owned())
}

/// An operand under its name in the loops.
pub(super) struct Local {
    /// Its name.
    pub name: String,
    /// The parameter that it is a part of.
    param: String,
    dtype: DType,
    operand: usize,
}

/// The operands of a nest.
pub(super) struct Walk<'a> {
    pub nest: Nest,
    pub dims: &'a Dims<'a>,
    /// The operands, the written one last.
    pub locals: Vec<Local>,
    /// For each load, its local.
    pub inputs: Vec<Option<usize>>,
    /// The extent of the innermost loop.
    pub n: Code,
    /// Whether the extent is taken from the slice that is written.
    pub n_from_result: bool,
}

/// A load of a map.
pub(super) struct Load {
    pub dtype: DType,
    /// Whether it reads what is about to be overwritten.
    pub in_place: bool,
    /// Whether anything reads it.
    pub used: bool,
}

/// The parameters of a function that walks over these operands, and the operands by name. `nest` has the loads first
/// and the store last.
pub(super) fn locals(
    nest: &Nest,
    loads: &[Load],
    store: (BufferId, DType),
) -> (Vec<Param>, Vec<Local>, Vec<Option<usize>>) {
    let mut places: Vec<&Place> = Vec::new();
    for (load, place) in loads.iter().zip(&nest.places) {
        if load.used && !load.in_place && !places.contains(&place) {
            places.push(place);
        }
    }
    let param_name = |at: usize| match places.len() {
        1 => "x".to_owned(),
        2..=8 => "abcdefgh"[at..=at].to_owned(),
        _ => format!("x{}", at + 1),
    };
    let mut params: Vec<Param> = Vec::new();
    let mut locals: Vec<Local> = Vec::new();
    let mut inputs = vec![None; loads.len()];
    for (at, place) in places.iter().enumerate() {
        let name = param_name(at);
        let here: Vec<usize> = (0..loads.len())
            .filter(|&l| loads[l].used && !loads[l].in_place && nest.places[l] == **place)
            .collect();
        let walk = |l: usize| (&nest.strides[l], &nest.backwards[l]);
        let mut distinct: Vec<usize> = Vec::new();
        for &load in &here {
            if !distinct.iter().any(|&d| walk(d) == walk(load)) {
                distinct.push(load);
            }
        }
        for (number, &load) in distinct.iter().enumerate() {
            let local = if distinct.len() == 1 { name.clone() } else { format!("{name}_{}", number + 1) };
            for &other in here.iter().filter(|&&other| walk(other) == walk(load)) {
                inputs[other] = Some(locals.len());
            }
            locals.push(Local { name: local, param: name.clone(), dtype: loads[load].dtype, operand: load });
        }
        let dtype = loads[here[0]].dtype;
        params.push(Param { name, place: (*place).clone(), dtype, written: false });
    }
    let written = nest.places[loads.len()].clone();
    debug_assert_eq!(written.buffer, store.0);
    for (load, input) in loads.iter().zip(&mut inputs) {
        if load.used && load.in_place {
            *input = Some(locals.len());
        }
    }
    locals.push(Local { name: "y".to_owned(), param: "y".to_owned(), dtype: store.1, operand: loads.len() });
    params.push(Param { name: "y".to_owned(), place: written, dtype: store.1, written: true });
    (params, locals, inputs)
}

impl Walk<'_> {
    /// Decides how the extent of the innermost loop is written. If `from_result`, a single loop takes it from the
    /// slice that it writes, so that one function serves all lengths.
    pub(super) fn define_n(&mut self, from_result: bool) -> TokenStream {
        let Some(last) = self.last() else { return TokenStream::new() };
        let extent = self.dims.size(&self.nest.extents[last]);
        let simple = extent.tokens.clone().into_iter().count() == 1;
        let whole = from_result && last == 0 && self.is_slice(self.written());
        if simple && !whole {
            self.n = extent;
            return TokenStream::new();
        }
        self.n = Code::name("n");
        self.n_from_result = whole;
        let n = if whole { quote!(y.len()) } else { extent.tokens };
        quote!(let n = #n;)
    }

    /// The local that is written.
    pub(super) fn written(&self) -> usize {
        self.locals.len() - 1
    }

    /// The innermost axis; `None` for a single point.
    fn last(&self) -> Option<usize> {
        self.nest.extents.len().checked_sub(1)
    }

    fn inner_is(&self, local: usize, stride: i64) -> bool {
        let strides = &self.nest.strides[self.locals[local].operand];
        strides.last().map_or(stride == 0, |s| s.is(stride))
    }

    /// Whether the elements of a local along the innermost axis are one slice.
    pub(super) fn is_slice(&self, local: usize) -> bool {
        self.inner_is(local, 1)
    }

    /// Whether a local is one element along the innermost axis.
    pub(super) fn is_scalar(&self, local: usize) -> bool {
        self.inner_is(local, 0)
    }

    /// The number of outer loops that must be entered before a local can be cut.
    fn level(&self, local: usize) -> usize {
        let strides = &self.nest.strides[self.locals[local].operand];
        let outer = &strides[..self.last().unwrap_or(0)];
        outer.iter().rposition(|s| !s.is(0)).map_or(0, |axis| axis + 1)
    }

    /// First element of a local's part, given the outer counters.
    fn offset(&self, local: usize) -> Option<Code> {
        let operand = self.locals[local].operand;
        let outer = 0..self.last().unwrap_or(0);
        outer
            .filter(|&axis| !self.nest.strides[operand][axis].is(0))
            .map(|axis| self.step(operand, axis, &Code::name(&counter(axis))))
            .reduce(|a, b| Code::infix(&a, quote!(+), &b, Binding::Sum))
    }

    /// `counter * stride`, from the end for operands that are walked backwards.
    fn step(&self, operand: usize, axis: usize, counter: &Code) -> Code {
        let stride = &self.nest.strides[operand][axis];
        let counter = if self.nest.backwards[operand][axis] {
            let extent = self.dims.size(&self.nest.extents[axis]);
            let last = match self.nest.extents[axis].as_usize() {
                Some(n) => Code::count(n.saturating_sub(1)),
                None => Code::infix(&extent, quote!(-), &Code::count(1), Binding::Sum),
            };
            Code::infix(&last, quote!(-), counter, Binding::Sum)
        } else {
            counter.clone()
        };
        if stride.is(1) {
            counter
        } else {
            Code::infix(&counter, quote!(*), &self.dims.size(stride), Binding::Product)
        }
    }

    /// The statements that cut the given locals, at one level.
    pub(super) fn cuts(&self, level: usize, wanted: &[usize]) -> TokenStream {
        let cuts = wanted.iter().filter(|&&l| self.level(l) == level).map(|&l| self.cut(l));
        quote!(#(#cuts)*)
    }

    fn cut(&self, local: usize) -> TokenStream {
        let Local { name, param, dtype, .. } = &self.locals[local];
        let (name, param) = (ident(name), ident(param));
        let written = local == self.written();
        let offset = self.offset(local);
        if self.is_scalar(local) {
            if written {
                return TokenStream::new();
            }
            let at = offset.unwrap_or_else(|| Code::count(0)).tokens;
            let value = loaded(*dtype, &Code::tight(quote!(#param[#at]))).tokens;
            return quote!(let #name = #value;);
        }
        let n = &self.n.tokens;
        let borrow = if written { quote!(&mut) } else { quote!(&) };
        match offset {
            None if written && self.n_from_result => TokenStream::new(),
            None if self.is_slice(local) => quote!(let #name = #borrow #param[..#n];),
            None if name == param => TokenStream::new(),
            None => quote!(let #name = #borrow #param[..];),
            Some(offset) => {
                // A range binds looser than any operator.
                let (mut offset, mut before) = (offset.tokens, TokenStream::new());
                let inner = self.last().map(|last| &self.nest.extents[last]);
                if inner.is_some_and(|inner| self.dims.least(inner) <= 0) {
                    // Where the innermost axis turns out to be empty, there may be nothing to begin in.
                    before = quote!(let start = usize::min(#offset, #param.len()););
                    offset = quote!(start);
                }
                if self.is_slice(local) {
                    quote!(#before let #name = #borrow #param[#offset..][..#n];)
                } else {
                    quote!(#before let #name = #borrow #param[#offset..];)
                }
            }
        }
    }

    /// Element of a local as it is in memory, inside the innermost loop.
    pub(super) fn element(&self, local: usize) -> Code {
        let Local { name, operand, .. } = &self.locals[local];
        let name = ident(name);
        if self.is_scalar(local) {
            let at = self.offset(local).unwrap_or_else(|| Code::count(0)).tokens;
            return Code::tight(quote!(#name[#at]));
        }
        let last = self.last().unwrap_or(0);
        let at = self.step(*operand, last, &Code::name(&counter(last))).tokens;
        Code::tight(quote!(#name[#at]))
    }

    /// Element of a load as expressions compute with it.
    pub(super) fn value(&self, load: usize, dtype: DType) -> Code {
        let Some(local) = self.inputs.get(load).copied().flatten() else { return Code::count(0) };
        if self.is_scalar(local) && local != self.written() {
            return Code::name(&self.locals[local].name);
        }
        loaded(dtype, &self.element(local))
    }

    /// The index along an axis of the original space, as `i64`.
    pub(super) fn index(&self, axis: usize) -> Code {
        match self.nest.axis.get(axis).copied().flatten() {
            Some(axis) => Code::name(&counter(axis)).cast(quote!(i64)),
            None => Code::count(0),
        }
    }

    /// Loops over the axes `from..to` around `inner`, cutting the given locals on the way.
    pub(super) fn loops(&self, from: usize, to: usize, wanted: &[usize], inner: TokenStream) -> TokenStream {
        let mut body = inner;
        for axis in (from..to).rev() {
            let cuts = self.cuts(axis + 1, wanted);
            let extent = self.dims.size(&self.nest.extents[axis]);
            body = counted(axis, &extent, quote!(#cuts #body));
        }
        body
    }

    /// The innermost loop around statements; the statements alone if there is but one point.
    pub(super) fn innermost(&self, inner: TokenStream) -> TokenStream {
        match self.last() {
            Some(last) if !self.nest.extents[last].is(1) => counted(last, &self.n, inner),
            _ => inner,
        }
    }

    /// Whether an element of a local is stored as it is computed with.
    pub(super) fn is_direct(&self, local: usize) -> bool {
        is_direct(self.locals[local].dtype)
    }
}

/// The loop over an axis.
fn counted(axis: usize, extent: &Code, body: TokenStream) -> TokenStream {
    let (counter, extent) = (counter(axis), &extent.tokens);
    if mentions(&body, &counter) {
        let counter = ident(&counter);
        quote!(for #counter in 0..#extent { #body })
    } else {
        quote!(for _ in 0..#extent { #body })
    }
}
