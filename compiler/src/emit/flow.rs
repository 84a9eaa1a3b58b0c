//! `run` as statements: calls of steps, and the control flow around them.
//!
//! Long lists of statements are cut into functions, which compile faster than one long function. A symbol that gets its
//! value while the program runs is a local; a function that was cut out returns those that are needed after it.

use super::code::{Code, ident};
use super::module::Writer;
use super::names::plain;
use super::rows::mentions;
use super::step::{Functions, StepCall};
use super::{Cx, code};
use crate::ir::Requirement;
use crate::lir::{Branch, Loop, Place, Step, StepKind};
use crate::types::{Dim, Symbol};
use proc_macro2::{Ident, Literal, TokenStream, TokenTree};
use quote::quote;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Calls in one function; more of them go to functions of their own.
const CALLS_PER_FUNCTION: usize = 32;

/// A statement of `run`.
pub(super) enum Item<'p> {
    /// Calls the function of a step.
    Call(StepCall),
    /// Gives a symbol the value of an integer.
    Bind(&'p Symbol, &'p Place, &'p Dim, String),
    /// Ends the run with an error unless a truth value is as expected.
    Check(&'p Place, bool, &'static str, String),
    /// Runs one of two blocks.
    Branch(&'p Branch, Vec<Item<'p>>, Vec<Item<'p>>),
    /// Runs a block again and again.
    Loop(&'p Loop, Vec<Item<'p>>, String),
}

/// The statements of all steps, in the order in which they run, with what the report says of each step.
pub(super) fn items<'p>(
    cx: &Cx<'p>,
    functions: &mut Functions,
) -> (Vec<Item<'p>>, Vec<(&'p Step, Option<usize>)>) {
    let mut collector = Collector { cx, functions, at: 0, computed: Vec::new() };
    let steps = cx.plan.order.iter().map(|&at| &cx.program.steps[at]);
    let items = collector.items(steps);
    (items, collector.computed)
}

struct Collector<'c, 'p> {
    cx: &'c Cx<'p>,
    functions: &'c mut Functions,
    /// How many steps of the timeline came before.
    at: usize,
    computed: Vec<(&'p Step, Option<usize>)>,
}

impl<'p> Collector<'_, 'p> {
    fn items(&mut self, steps: impl IntoIterator<Item = &'p Step>) -> Vec<Item<'p>> {
        steps.into_iter().filter_map(|step| self.item(step)).collect()
    }

    fn item(&mut self, step: &'p Step) -> Option<Item<'p>> {
        let in_place = self.cx.plan.in_place.get(self.at).copied().flatten();
        self.at += 1;
        match &step.kind {
            StepKind::Bind { symbol, place, most } => {
                Some(Item::Bind(symbol, place, most, super::step::blamed(step)))
            }
            StepKind::Check { condition, expected, what } => {
                Some(Item::Check(condition, *expected, what, super::step::blamed(step)))
            }
            StepKind::Branch(branch) => {
                self.computed.push((step, None));
                let then = self.items(&branch.then.steps);
                let otherwise = self.items(&branch.otherwise.steps);
                Some(Item::Branch(branch, then, otherwise))
            }
            StepKind::Loop(l) => {
                self.computed.push((step, None));
                Some(Item::Loop(l, self.items(&l.body.steps), super::step::blamed(step)))
            }
            StepKind::Call(_) | StepKind::Map(_) | StepKind::Copy { .. } => {
                let call = self.functions.call(self.cx, step, in_place);
                self.computed.push((step, call.as_ref().map(|call| call.function)));
                call.map(Item::Call)
            }
        }
    }
}

/// Every call in these statements.
pub(super) fn calls<'i>(items: &'i [Item<'_>], into: &mut Vec<&'i StepCall>) {
    for item in items {
        match item {
            Item::Call(call) => into.push(call),
            Item::Bind(..) | Item::Check(..) => {}
            Item::Branch(_, then, otherwise) => {
                calls(then, into);
                calls(otherwise, into);
            }
            Item::Loop(_, body, _) => calls(body, into),
        }
    }
}

/// What the report calls a step that has no function.
pub(super) fn unnamed(step: &Step) -> &'static str {
    match step.kind {
        StepKind::Branch(_) => "if",
        StepKind::Loop(_) => "loop",
        _ => "in place",
    }
}

/// A statement, and the symbols that have values after it.
struct Statement {
    tokens: TokenStream,
    binds: Vec<Symbol>,
}

/// Writes blocks, and collects the functions that long ones are cut into.
pub(super) struct Flow<'w, 'a> {
    writer: &'w Writer<'a>,
    input_type: TokenStream,
    parts: RefCell<Vec<TokenStream>>,
    names: RefCell<super::names::Names>,
}

impl<'w, 'a> Flow<'w, 'a> {
    /// No function was cut out yet.
    pub(super) fn new(writer: &'w Writer<'a>, input_type: TokenStream) -> Flow<'w, 'a> {
        let names = RefCell::new(writer.functions.names.clone());
        Flow { writer, input_type, parts: RefCell::default(), names }
    }

    /// The functions that were cut out.
    pub(super) fn parts(self) -> Vec<TokenStream> {
        self.parts.into_inner()
    }

    /// A block: its statements, with checks of the requirements as soon as all their symbols have values. `known` have
    /// values before it; `tail` is what follows it and may need values of its symbols.
    pub(super) fn block(
        &self,
        items: &[Item<'_>],
        requirements: &[Requirement],
        known: &BTreeSet<Symbol>,
        tail: &TokenStream,
    ) -> TokenStream {
        let mut known = known.clone();
        let mut open: Vec<&Requirement> = requirements.iter().collect();
        let first = self.checks(&mut open, &known);
        let mut statements = Vec::with_capacity(items.len());
        for item in items {
            let Statement { tokens, binds } = self.statement(item, &known);
            known.extend(binds.iter().cloned());
            let checks = if binds.is_empty() { TokenStream::new() } else { self.checks(&mut open, &known) };
            statements.push(Statement { tokens: quote!(#tokens #checks), binds });
        }
        for at in 0..statements.len() {
            // A value that nothing asks for would be a warning.
            let needed = |name: &str| {
                mentions(tail, name) || statements[at + 1..].iter().any(|s| mentions(&s.tokens, name))
            };
            let idle: Vec<Ident> = statements[at]
                .binds
                .iter()
                .map(|symbol| self.writer.cx.dims.name(symbol))
                .filter(|name| !needed(name))
                .map(ident)
                .collect();
            statements[at].tokens.extend(quote!(#(let _ = #idle;)*));
        }
        let statements = self.cut(statements, &known, tail);
        quote!(#first #(#statements)*)
    }

    fn checks(&self, open: &mut Vec<&Requirement>, known: &BTreeSet<Symbol>) -> TokenStream {
        let dims = self.writer.cx.dims;
        let ready = |r: &Requirement| {
            let mut symbols = Vec::new();
            r.have.symbols(&mut symbols);
            r.want.symbols(&mut symbols);
            symbols.iter().all(|s| known.contains(s))
        };
        let now: Vec<&Requirement> = open.extract_if(.., |r| ready(r)).collect();
        let checks = now.into_iter().map(|r| {
            let (have, want) = (dims.size(&r.have).tokens, dims.size(&r.want).tokens);
            let what = plain(&r.what);
            quote!(::ingrain::check_dim(#what, #have, #want, #want)?;)
        });
        quote!(#(#checks)*)
    }

    fn statement(&self, item: &Item<'_>, known: &BTreeSet<Symbol>) -> Statement {
        let dims = self.writer.cx.dims;
        match item {
            Item::Call(call) => {
                let tokens = self.writer.statement(call);
                Statement { tokens, binds: call.count.iter().cloned().collect() }
            }
            Item::Bind(symbol, place, most, node) => {
                let name = ident(dims.name(symbol));
                let value = self.scalar(place);
                let most = dims.size(most).tokens;
                let node = plain(node);
                let tokens = quote!(let #name = ::ingrain::check_size(#node, #value, 0, #most)?;);
                Statement { tokens, binds: vec![(*symbol).clone()] }
            }
            Item::Check(condition, expected, what, node) => {
                let value = self.scalar(condition);
                let wrong = if *expected { quote!(#value == 0) } else { quote!(#value != 0) };
                let node = plain(node);
                let error = quote!(::ingrain::Error::Undefined { node: #node, what: #what });
                Statement { tokens: quote!(if #wrong { return Err(#error); }), binds: Vec::new() }
            }
            Item::Branch(branch, then, otherwise) => self.branch(branch, then, otherwise, known),
            Item::Loop(l, body, node) => self.repeat(l, body, &plain(node), known),
        }
    }

    /// `let n = if condition { …; 1 } else { …; n };`
    fn branch(
        &self,
        branch: &Branch,
        then: &[Item<'_>],
        otherwise: &[Item<'_>],
        known: &BTreeSet<Symbol>,
    ) -> Statement {
        let dims = self.writer.cx.dims;
        let condition = self.scalar(&branch.condition);
        let names: Vec<Ident> = branch.joined.iter().map(|j| ident(dims.name(&j.symbol))).collect();
        let values = |pick: &dyn Fn(&crate::lir::Joined) -> Dim| {
            let values: Vec<TokenStream> = branch.joined.iter().map(|j| dims.size(&pick(j)).tokens).collect();
            one_or_tuple(&values)
        };
        let (first, second) = (values(&|j| j.then.clone()), values(&|j| j.otherwise.clone()));
        let then = self.block(then, &branch.then.requirements, known, &first);
        let otherwise = self.block(otherwise, &branch.otherwise.requirements, known, &second);
        let binds = branch.joined.iter().map(|j| j.symbol.clone()).collect();
        let tokens = if names.is_empty() {
            match (then.is_empty(), otherwise.is_empty()) {
                (true, true) => TokenStream::new(),
                (false, true) => quote!(if #condition != 0 { #then }),
                (true, false) => quote!(if #condition == 0 { #otherwise }),
                (false, false) => quote!(if #condition != 0 { #then } else { #otherwise }),
            }
        } else {
            let names = one_or_tuple(&names);
            quote!(let #names = if #condition != 0 { #then #first } else { #otherwise #second };)
        };
        Statement { tokens, binds }
    }

    /// `for i in 0..limit { … }`, or a `while` where the number of iterations depends on what they compute.
    fn repeat(&self, l: &Loop, body: &[Item<'_>], node: &str, known: &BTreeSet<Symbol>) -> Statement {
        let dims = self.writer.cx.dims;
        let counter = ident(dims.name(&l.counter));
        let names: Vec<Ident> = l.growing.iter().map(|g| ident(dims.name(&g.symbol))).collect();
        let firsts = l.growing.iter().zip(&names).map(|(g, name)| {
            let first = dims.size(&g.first).tokens;
            quote!(let mut #name = #first;)
        });
        let next: Vec<TokenStream> = l.growing.iter().map(|g| dims.size(&g.next).tokens).collect();
        let advance = match &next[..] {
            [] => TokenStream::new(),
            [one] => quote!(#(#names)* = #one;),
            _ => quote!((#(#names),*) = (#(#next),*);),
        };
        let mut inside = known.clone();
        inside.insert(l.counter.clone());
        inside.extend(l.growing.iter().map(|g| g.symbol.clone()));
        // Before the body writes more than there is room for.
        let (mut first, mut last) = (TokenStream::new(), TokenStream::new());
        for (growing, next) in l.growing.iter().zip(&next).filter(|(g, _)| g.checked) {
            let most = self.writer.cx.program.symbols[&growing.symbol].hi;
            let most = Literal::usize_unsuffixed(usize::try_from(most).unwrap_or(0));
            let mut symbols = Vec::new();
            growing.next.symbols(&mut symbols);
            let place = if symbols.iter().all(|s| inside.contains(s)) { &mut first } else { &mut last };
            place.extend(quote!(::ingrain::check_capacity(#node, #next, #most)?;));
        }
        let advance = quote!(#last #advance);
        let room = l.capacity.map(|most| {
            let most = Literal::usize_unsuffixed(usize::try_from(most).unwrap_or(0));
            quote!(::ingrain::check_capacity(#node, #counter + 1, #most)?;)
        });
        let body = self.block(body, &l.body.requirements, &inside, &advance);
        let body = quote!(#room #first #body);
        let limit = l.limit.as_ref().map(|limit| dims.size(limit));
        let binds = l.growing.iter().map(|g| &g.symbol).chain(&l.trips).cloned().collect();
        let head = quote!(#(#firsts)*);
        let tokens = match (&l.condition, limit) {
            (None, Some(limit)) => {
                let limit = limit.at(code::Binding::Sum);
                let used = mentions(&body, &counter.to_string()) || mentions(&advance, &counter.to_string());
                let counter = if used { quote!(#counter) } else { quote!(_) };
                quote!(#head for #counter in 0..#limit { #body #advance })
            }
            (condition, limit) => {
                let below = limit.map(|limit| {
                    let limit = limit.at(code::Binding::Sum);
                    quote!(#counter < #limit)
                });
                let holds = condition.as_ref().map(|place| {
                    let value = self.scalar(place);
                    quote!(#value != 0)
                });
                let test = match (below, holds) {
                    (Some(below), Some(holds)) => quote!(#below && #holds),
                    (Some(test), None) | (None, Some(test)) => test,
                    (None, None) => quote!(true),
                };
                let counted = mentions(&quote!(#test #body #advance), &counter.to_string());
                let trips = l.trips.as_ref().map(|trips| {
                    let name = ident(dims.name(trips));
                    quote!(let #name = #counter;)
                });
                if counted || trips.is_some() {
                    quote! {
                        #head
                        let mut #counter = 0;
                        while #test { #body #advance #counter += 1; }
                        #trips
                    }
                } else {
                    quote!(#head while #test { #body #advance })
                }
            }
        };
        Statement { tokens, binds }
    }

    /// The one element of a place.
    fn scalar(&self, place: &Place) -> TokenStream {
        match self.writer.slot(place) {
            Some(slot) => {
                let slot = slot.tokens;
                quote!(memory.first(#slot))
            }
            None => {
                let slice = self.writer.outside(place).at(code::Binding::Tight);
                Code::tight(quote!(#slice[0])).tokens
            }
        }
    }

    /// Cuts a long list of statements into functions, and these again, until what is left is short.
    fn cut(
        &self,
        mut statements: Vec<Statement>,
        known: &BTreeSet<Symbol>,
        tail: &TokenStream,
    ) -> Vec<TokenStream> {
        while statements.len() > CALLS_PER_FUNCTION + CALLS_PER_FUNCTION / 2 {
            statements = self.cut_once(&statements, known, tail);
        }
        statements.into_iter().map(|s| s.tokens).collect()
    }

    /// Functions of so many statements each, and the calls of these. What they need and give is told by the names that
    /// they mention.
    fn cut_once(
        &self,
        statements: &[Statement],
        known: &BTreeSet<Symbol>,
        tail: &TokenStream,
    ) -> Vec<Statement> {
        let dims = self.writer.cx.dims;
        let bodies: Vec<TokenStream> = statements
            .chunks(CALLS_PER_FUNCTION)
            .map(|chunk| {
                let tokens = chunk.iter().map(|s| &s.tokens);
                quote!(#(#tokens)*)
            })
            .collect();
        let mut calls = Vec::with_capacity(bodies.len());
        for (number, chunk) in statements.chunks(CALLS_PER_FUNCTION).enumerate() {
            let body = &bodies[number];
            let later = &bodies[number + 1..];
            let bound: BTreeSet<&Symbol> = chunk.iter().flat_map(|s| &s.binds).collect();
            let needed = |s: &&Symbol| {
                let name = dims.name(s);
                mentions(tail, name) || later.iter().any(|body| mentions(body, name))
            };
            let binds: Vec<Symbol> = bound.iter().copied().filter(needed).cloned().collect();
            let given: Vec<Ident> = binds.iter().map(|s| ident(dims.name(s))).collect();
            let symbols: Vec<Ident> = known
                .iter()
                .filter(|s| !bound.contains(s))
                .map(|s| dims.name(s))
                .filter(|name| mentions(body, name))
                .map(ident)
                .collect();
            let doc = format!(
                " Statements {} to {} of {}.",
                number * CALLS_PER_FUNCTION + 1,
                number * CALLS_PER_FUNCTION + chunk.len(),
                statements.len(),
            );
            calls.push(Statement { tokens: self.part(&doc, body, &symbols, &given), binds });
        }
        calls
    }

    /// Makes a function of statements, and gives the call of it.
    fn part(&self, doc: &str, body: &TokenStream, symbols: &[Ident], given: &[Ident]) -> TokenStream {
        let number = self.parts.borrow().len() + 1;
        let name = ident(&self.names.borrow_mut().unique(&format!("part_{number}")));
        let inputs = mentions(body, "inputs");
        let input_type = &self.input_type;
        let input_param = inputs.then(|| quote!(inputs: &#input_type,));
        // Inside of another part `inputs` is a reference already; borrowing it once more does no harm.
        let input_arg = inputs.then(|| quote!(&inputs,));
        let types: Vec<TokenStream> = given.iter().map(|_| quote!(usize)).collect();
        let (value, value_type) = (one_or_tuple(given), one_or_tuple(&types));
        let (result, end, question) = match (fails(body), given.is_empty()) {
            (true, _) => (quote!(-> Result<#value_type, ::ingrain::Error>), quote!(Ok(#value)), quote!(?)),
            (false, false) => (quote!(-> #value_type), quote!(#value), TokenStream::new()),
            (false, true) => (TokenStream::new(), TokenStream::new(), TokenStream::new()),
        };
        self.parts.borrow_mut().push(quote! {
            #[doc = #doc]
            #[inline(never)]
            fn #name(
                memory: &mut ::ingrain::Memory<'_, LINES>, #input_param #(#symbols: usize),*
            ) #result {
                #body
                #end
            }
        });
        let call = quote!(#name(memory, #input_arg #(#symbols),*)#question;);
        if given.is_empty() { call } else { quote!(let #value = #call) }
    }
}

/// `()`, `a`, `(a, b)`.
fn one_or_tuple(list: &[impl quote::ToTokens]) -> TokenStream {
    match list {
        [one] => quote!(#one),
        _ => quote!((#(#list),*)),
    }
}

/// Whether statements return early.
fn fails(tokens: &TokenStream) -> bool {
    mentions(tokens, "return") || asks(tokens)
}

/// Whether there is a question mark.
fn asks(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => asks(&group.stream()),
        TokenTree::Punct(punct) => punct.as_char() == '?',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    })
}
