//! Functions of generated code, one for each distinct body.
//!
//! Steps whose functions differ in nothing but the name share one. What differs between them is in the arguments:
//! the places of values and weights.

use super::Cx;
use super::code::{Code, ident};
use super::names::{Names, identifier, plain, words};
use super::rows::mentions;
use super::scalar::stored_type;
use super::{call, copy, map};
use crate::lir::{Place, Step, StepKind};
use crate::types::{DType, Origin, Symbol};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::collections::{BTreeMap, BTreeSet};

/// How many origins a comment names before it only counts them.
const NAMED_ORIGINS: usize = 4;

/// A slice that a function takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Param {
    /// Its name.
    pub name: String,
    /// What the step passes for it.
    pub place: Place,
    /// Element type.
    pub dtype: DType,
    /// Whether it is written.
    pub written: bool,
}

/// What a step's function does.
pub(super) struct StepBody {
    /// The slices it takes.
    pub params: Vec<Param>,
    /// Its statements.
    pub body: TokenStream,
    /// Whether it returns an index error.
    pub fallible: bool,
    /// Whether it returns how many elements it found.
    pub counts: bool,
}

impl StepBody {
    /// A body that cannot fail.
    pub(super) fn new(params: Vec<Param>, body: TokenStream) -> StepBody {
        StepBody { params, body, fallible: false, counts: false }
    }
}

/// A call of a step's function.
pub(super) struct StepCall {
    /// The function, by position.
    pub function: usize,
    /// The slices passed, by parameter.
    pub params: Vec<Param>,
    /// The node that an index error is blamed on.
    pub node: String,
    /// The symbol that the function returns.
    pub count: Option<Symbol>,
}

/// A function of the generated module.
pub(super) struct Function {
    /// Its name.
    pub name: Ident,
    /// Symbols that it takes as `usize`.
    pub symbols: Vec<Symbol>,
    /// Whether it returns an index error.
    pub fallible: bool,
    /// Whether it returns how many elements it found.
    counts: bool,
    body: TokenStream,
    params: Vec<Param>,
    origins: Vec<String>,
    summary: String,
    calls: usize,
}

/// All functions of a module.
pub(super) struct Functions {
    pub list: Vec<Function>,
    /// The names that are taken.
    pub names: Names,
    by_text: BTreeMap<String, usize>,
}

impl Functions {
    /// None yet.
    pub(super) fn new() -> Functions {
        Functions { list: Vec::new(), names: Names::reserving(&["outside"]), by_text: BTreeMap::new() }
    }

    /// Renames functions that are called where a slice of the same name would hide them.
    pub(super) fn unhide(&mut self, calls: &[&StepCall]) {
        let slices: BTreeSet<&str> =
            calls.iter().flat_map(|call| &call.params).map(|param| param.name.as_str()).collect();
        for function in &mut self.list {
            let name = function.name.to_string();
            if slices.contains(name.as_str()) {
                let mut wanted = format!("compute_{name}");
                while slices.contains(wanted.as_str()) {
                    wanted.push('_');
                }
                function.name = ident(&self.names.unique(&wanted));
            }
        }
    }

    /// The call that computes a step; `None` if there is nothing to do.
    pub(super) fn call(&mut self, cx: &Cx<'_>, step: &Step, in_place: Option<usize>) -> Option<StepCall> {
        cx.dims.take_used();
        let body = match &step.kind {
            StepKind::Call(call) => call::body(cx, call, in_place.is_some()),
            StepKind::Map(map) => map::body(cx, map, in_place),
            // What is copied to where it is already needs no copy.
            StepKind::Copy { .. } if in_place.is_some() => return None,
            StepKind::Copy { space, load, store } => copy::body(cx, space, load, store),
            StepKind::Bind { .. } | StepKind::Check { .. } | StepKind::Branch(_) | StepKind::Loop(_) => {
                return None;
            }
        };
        if body.body.is_empty() {
            return None;
        }
        // A loop over whole slices asks for extents that it need not name.
        let mut symbols = cx.dims.take_used();
        symbols.retain(|symbol| mentions(&body.body, cx.dims.name(symbol)));
        let signature: Vec<String> =
            body.params.iter().map(|p| format!("{}:{}{}", p.name, p.written, stored_type(p.dtype))).collect();
        let text =
            format!("{} {symbols:?} {}{} {}", signature.join(","), body.fallible, body.counts, body.body);
        let function = *self.by_text.entry(text).or_insert_with(|| {
            let name = ident(&self.names.unique(&function_name(step)));
            self.list.push(Function {
                name,
                symbols,
                fallible: body.fallible,
                counts: body.counts,
                body: body.body,
                params: body.params.clone(),
                origins: Vec::new(),
                summary: step.summary.clone(),
                calls: 0,
            });
            self.list.len() - 1
        });
        let entry = &mut self.list[function];
        entry.calls += 1;
        let origins = origins_text(&step.origins);
        let copy = matches!(step.kind, StepKind::Copy { .. });
        entry.origins.push(if copy { format!("Copy for {origins}") } else { origins });
        let count = match &step.kind {
            StepKind::Call(call) => call.count.clone(),
            _ => None,
        };
        Some(StepCall { function, params: body.params, node: blamed(step), count })
    }
}

/// The node that errors of a step are blamed on.
pub(super) fn blamed(step: &Step) -> String {
    step.origins.first().map_or_else(|| step.summary.clone(), Origin::to_string)
}

impl Function {
    /// The item.
    pub(super) fn tokens(&self, cx: &Cx<'_>) -> TokenStream {
        let doc = self.doc();
        let (name, body) = (&self.name, &self.body);
        let params = self.params.iter().map(|p| {
            let (name, ty) = (ident(&p.name), stored_type(p.dtype));
            if p.written { quote!(#name: &mut [#ty]) } else { quote!(#name: &[#ty]) }
        });
        let symbols = self.symbols.iter().map(|s| {
            let name = ident(cx.dims.name(s));
            quote!(#name: usize)
        });
        let result = match (self.fallible, self.counts) {
            (true, false) => quote!(-> Result<(), kernels::select::IndexError>),
            (true, true) => quote!(-> Result<usize, kernels::select::IndexError>),
            (false, true) => quote!(-> usize),
            (false, false) => TokenStream::new(),
        };
        quote! {
            #(#[doc = #doc])*
            #[inline(never)]
            fn #name(#(#params,)* #(#symbols),*) #result { #body }
        }
    }

    fn doc(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.origins.iter().take(NAMED_ORIGINS).map(|o| format!(" {o}")).collect();
        if lines.len() > 1 {
            for line in &mut lines {
                line.insert_str(0, " -");
            }
        }
        if self.origins.len() > NAMED_ORIGINS {
            lines.push(format!(" - and {} more", self.origins.len() - NAMED_ORIGINS));
        }
        lines.push(String::new());
        lines.push(format!(" `{}`", plain(&self.summary)));
        lines
    }
}

/// `Conv "conv1" + Relu "relu1"`
fn origins_text(origins: &[Origin]) -> String {
    let mut text: Vec<String> = origins.iter().take(NAMED_ORIGINS).map(|o| plain(&o.to_string())).collect();
    if origins.len() > NAMED_ORIGINS {
        text.push(format!("{} more", origins.len() - NAMED_ORIGINS));
    }
    if text.is_empty() {
        return "Result".to_owned();
    }
    text.join(" + ")
}

/// The name of the first node with the operators of what was fused into it: `conv1_relu`.
fn function_name(step: &Step) -> String {
    let Some(first) = step.origins.first() else { return "result".to_owned() };
    let mut name = words(&first.name);
    if matches!(step.kind, StepKind::Copy { .. }) {
        return identifier(format!("{name}_copy"));
    }
    for origin in step.origins[1..].iter().take(2) {
        let op = words(&origin.op);
        if !name.ends_with(&op) {
            name = format!("{name}_{op}");
        }
    }
    identifier(name)
}

/// The statement that passes a step its slices. `slot` writes a place of the arena, `outside` a slice of an input or
/// weight; either is `None` for places of the other kind.
pub(super) fn statement(
    cx: &Cx<'_>,
    function: &Function,
    call: &StepCall,
    slot: &dyn Fn(&Place) -> Option<Code>,
    outside: &dyn Fn(&Place) -> Code,
) -> TokenStream {
    let (mut reads, mut writes, mut args) = (Vec::new(), Vec::new(), Vec::new());
    for param in &call.params {
        let name = ident(&param.name);
        match slot(&param.place) {
            Some(slot) => {
                if param.written { &mut writes } else { &mut reads }.push((name.clone(), slot.tokens));
                args.push(quote!(#name));
            }
            None => args.push(outside(&param.place).tokens),
        }
    }
    for symbol in &function.symbols {
        let name = ident(cx.dims.name(symbol));
        args.push(quote!(#name));
    }
    let (read_names, read_slots) = tuples(&reads);
    let (write_names, write_slots) = tuples(&writes);
    let name = &function.name;
    let failure = if function.fallible {
        let node = &call.node;
        quote!(.map_err(|error| outside(#node, error))?)
    } else {
        TokenStream::new()
    };
    let result = call.count.as_ref().map(|symbol| {
        let name = ident(cx.dims.name(symbol));
        quote!(let #name =)
    });
    quote! {
        let (#read_names, #write_names) = memory.step(#read_slots, #write_slots);
        #result #name(#(#args),*)#failure;
    }
}

/// Names and slots as one pattern and one expression: `()`, `x`, `(a, b)`.
fn tuples(list: &[(Ident, TokenStream)]) -> (TokenStream, TokenStream) {
    let (names, slots): (Vec<_>, Vec<_>) = list.iter().map(|(n, s)| (n, s)).unzip();
    match list {
        [_] => (quote!(#(#names)*), quote!(#(#slots)*)),
        _ => (quote!((#(#names),*)), quote!((#(#slots),*))),
    }
}
