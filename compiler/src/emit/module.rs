//! The items of a generated module: what users see, where values live, and `run`.

use super::choice::Choice;
use super::code::{Binding, Code, ident};
use super::flow::{self, Flow, Item};
use super::names::{Names, plain, screaming, snake};
use super::rows::mentions;
use super::scalar::stored_type;
use super::state::StateText;
use super::step::{Functions, StepCall, statement};
use super::{Cx, Emitted};
use crate::lir::{BufferId, Class, Place, Port, Step};
use crate::plan::{LINE_BYTES, Room};
use crate::report::{self, StepReport};
use crate::types::{DType, Dim, Symbol, Tensor, TensorType};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Writes the module.
pub(super) fn emit(cx: &Cx<'_>) -> Emitted {
    let inputs = ports(cx, &cx.program.inputs[..cx.real_inputs()]);
    let outputs = ports(cx, &cx.program.outputs);
    let mut functions = Functions::new();
    let (items, computed) = flow::items(cx, &mut functions);
    let mut calls = Vec::new();
    flow::calls(&items, &mut calls);
    functions.unhide(&calls);
    let report = |(step, function): (&Step, Option<usize>)| {
        let what =
            function.map_or_else(|| flow::unnamed(step).to_owned(), |f| functions.list[f].name.to_string());
        let macs = step.macs.range(&cx.program.symbols).map_or(0, |r| u64::try_from(r.hi).unwrap_or(0));
        StepReport { what, origins: step.origins.iter().map(|o| o.to_string()).collect(), macs }
    };
    let steps = computed.into_iter().map(report).collect();
    let places = Places::new(cx);
    let (state, choice) = (StateText::new(cx), Choice::new(cx));
    let writer =
        Writer { cx, inputs: &inputs, outputs: &outputs, functions: &functions, places, state, choice };
    let run = writer.run(&items);
    let items: Vec<TokenStream> = functions.list.iter().map(|f| f.tokens(cx)).collect();
    let constants = writer.places.constants();
    let faces = writer.faces();
    let body = quote!(#run #(#items)*);
    let uses = writer.uses(&quote!(#constants #body));
    Emitted { items: quote!(#uses #faces #constants #body), doc: String::new(), steps, inputs, outputs }
}

/// The fields of `Inputs` or `Outputs`.
fn ports(cx: &Cx<'_>, ports: &[Port]) -> Vec<report::Port> {
    let mut names = Names::default();
    ports
        .iter()
        .map(|port| report::Port {
            name: port.name.clone(),
            field: names.unique(&snake(&port.name)),
            dtype: cx.program.buffer(port.buffer).dtype,
            shape: port.shape.iter().map(Dim::to_string).collect(),
            fixed: port.shape.iter().map(Dim::as_usize).collect(),
        })
        .collect()
}

/// The check that an input has the value that the program is compiled for.
fn pinned(port: &report::Port, tensor: &Tensor) -> TokenStream {
    let (name, what) = (ident(&port.field), format!("input `{}`", plain(&port.name)));
    if matches!(tensor.dtype(), DType::F16 | DType::BF16) {
        // They have no literals.
        let bits = tensor.bytes().chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        return quote!(::ingrain::check_value(#what, inputs.#name.map(|v| v.to_bits()) == [#(#bits),*])?;);
    }
    let elements = tensor.scalars().map(|s| super::scalar::constant(s, false).tokens);
    quote!(::ingrain::check_value(#what, *inputs.#name == [#(#elements),*])?;)
}

/// For each buffer the name of the first node that touches it.
fn producers<'a>(cx: &'a Cx<'_>) -> BTreeMap<BufferId, &'a str> {
    let mut names = BTreeMap::new();
    for &at in &cx.plan.order {
        let step = &cx.program.steps[at];
        let Some(origin) = step.origins.first() else { continue };
        for (buffer, _) in step.touches() {
            names.entry(buffer).or_insert(origin.name.as_str());
        }
    }
    names
}

/// The constants that say where values live.
struct Places<'a> {
    cx: &'a Cx<'a>,
    names: BTreeMap<BufferId, String>,
    used: RefCell<BTreeSet<BufferId>>,
}

impl<'a> Places<'a> {
    fn new(cx: &'a Cx<'a>) -> Places<'a> {
        let mut taken = Names::reserving(&["CONTEXT_BYTES", "LINES"]);
        let producers = producers(cx);
        let mut names = BTreeMap::new();
        for (at, buffer) in cx.program.buffers.iter().enumerate() {
            if !matches!(cx.plan.rooms[at], Room::Arena(_) | Room::Blob(_)) {
                continue;
            }
            // What has no name in the file is called after the node that makes or reads it.
            let node = producers.get(&BufferId(at as u32)).map_or("", |&name| name);
            let name = match (&buffer.class, buffer.name.as_str()) {
                (_, "") => node.to_owned(),
                (Class::Const(_), "constant") | (Class::Arena, "scratch") => {
                    format!("{node} {}", buffer.name)
                }
                (_, name) => name.to_owned(),
            };
            names.insert(BufferId(at as u32), taken.unique(&screaming(&name)));
        }
        Places { cx, names, used: RefCell::default() }
    }

    fn constant(&self, buffer: BufferId) -> Ident {
        self.used.borrow_mut().insert(buffer);
        ident(self.names.get(&buffer).map_or("UNPLACED", String::as_str))
    }

    /// A place as a slot: `NAME`, `NAME.first(len)` or `NAME.part(first, len)`.
    fn slot(&self, place: &Place) -> Code {
        let name = self.constant(place.buffer);
        let name = match self.varying_name(place.buffer) {
            Some(field) => {
                let field = ident(&field);
                quote!(inputs._set.#field)
            }
            None => quote!(#name),
        };
        let whole = &self.cx.program.buffer(place.buffer).len;
        if !place.offset.is(0) || place.len != *whole {
            let (first, len) =
                (self.cx.dims.size(&place.offset).tokens, self.cx.dims.size(&place.len).tokens);
            return Code::tight(quote!(#name.part(#first, #len)));
        }
        if place.len.as_usize().is_some() {
            return Code::tight(quote!(#name));
        }
        let len = self.cx.dims.size(&place.len).tokens;
        Code::tight(quote!(#name.first(#len)))
    }

    /// The name under which sets of weights hold the place of a constant, if it depends on the set and is read.
    fn varying_name(&self, buffer: BufferId) -> Option<String> {
        let read = self.cx.varies(buffer) && self.used.borrow().contains(&buffer);
        let name = self.names.get(&buffer).filter(|_| read)?;
        Some(snake(name))
    }

    /// The items, values first, in the order of the program.
    fn constants(&self) -> TokenStream {
        let used = self.used.borrow();
        let item = |id: &BufferId| {
            let buffer = self.cx.program.buffer(*id);
            if self.cx.varies(*id) {
                return TokenStream::new();
            }
            let (Room::Arena(bytes) | Room::Blob(bytes)) = self.cx.plan.room(*id) else {
                return TokenStream::new();
            };
            let (name, ty) = (ident(&self.names[id]), stored_type(buffer.dtype));
            let offset = Literal::u64_unsuffixed(bytes.offset);
            let elements = Literal::u64_unsuffixed(bytes.len / buffer.dtype.size() as u64);
            let kind = if matches!(buffer.class, Class::Const(_)) { "weight" } else { "value" };
            let called =
                if buffer.name.is_empty() { String::new() } else { format!(" \"{}\"", plain(&buffer.name)) };
            let doc = format!(" {kind}{called}: {}[{}]", buffer.dtype, buffer.len);
            quote! {
                #[doc = #doc]
                const #name: Slot<#ty> = Slot::new(#offset, #elements);
            }
        };
        let (weights, values): (Vec<&BufferId>, Vec<&BufferId>) =
            used.iter().partition(|id| matches!(self.cx.program.buffer(**id).class, Class::Const(_)));
        let items = values.into_iter().chain(weights).map(item);
        quote!(#(#items)*)
    }
}

/// What the text of the module is made from.
pub(super) struct Writer<'a> {
    pub cx: &'a Cx<'a>,
    inputs: &'a [report::Port],
    outputs: &'a [report::Port],
    pub functions: &'a Functions,
    places: Places<'a>,
    state: StateText<'a>,
    choice: Choice<'a>,
}

impl Writer<'_> {
    /// Imports of what the functions name.
    fn uses(&self, body: &TokenStream) -> TokenStream {
        let text = body.to_string();
        let wanted = [
            ("Slot", quote!(::ingrain::Slot)),
            ("kernels", quote!(::ingrain::kernels)),
            ("math", quote!(::ingrain::kernels::math)),
            ("rows", quote!(::ingrain::kernels::reduce::rows)),
        ];
        let named = wanted.iter().filter(|(name, _)| text.contains(&format!("{name} ::")));
        let uses = named.map(|(_, path)| quote!(use #path;));
        quote!(#(#uses)*)
    }

    /// The public items but `run`.
    fn faces(&self) -> TokenStream {
        let bytes = Literal::u64_unsuffixed(self.cx.plan.arena_bytes);
        let lines = Literal::u64_unsuffixed(self.cx.plan.arena_bytes / LINE_BYTES);
        let given = &self.cx.program.inputs[..self.cx.real_inputs()];
        let inputs = self.fields("Inputs", "What the model reads.", given, self.inputs);
        let outputs =
            self.fields("Outputs", "What the model computes.", &self.cx.program.outputs, self.outputs);
        let state = self.state.item();
        let (state_field, state_init) = match self.state.is_empty() {
            true => (TokenStream::new(), TokenStream::new()),
            false => (quote!(state: State,), quote!(, state: State::EMPTY)),
        };
        let on_heap = match self.cx.weights_in_file {
            true => quote!(::ingrain::worker_of_file!(Model, super::WEIGHTS #state_init);),
            false => quote!(::ingrain::worker_on_heap!(Model #state_init);),
        };
        let (on_heap, choice, choice_fields) = if self.choice.is_empty() {
            (on_heap, TokenStream::new(), TokenStream::new())
        } else {
            let slots = |buffer| self.places.varying_name(buffer);
            (self.choice.methods(&self.state_init()).0, self.choice.items(&slots), self.choice.model_fields())
        };
        quote! {
            /// Bytes of memory that a worker needs.
            pub const CONTEXT_BYTES: usize = #bytes;
            const LINES: usize = #lines;
            /// The memory of one worker. It may be a `static`; all zeros take no space in the program file.
            pub type Arena = ::ingrain::Arena<LINES>;
            #inputs
            #outputs
            /// One worker: the model with memory of its own. Running it allocates nothing.
            #[derive(Debug)]
            pub struct Model<'m> {
                memory: ::ingrain::Memory<'m, LINES>,
                #choice_fields
                #state_field
            }
            #choice
            #state
            #on_heap
        }
    }

    fn fields(&self, name: &str, doc: &str, ports: &[Port], fields: &[report::Port]) -> TokenStream {
        let items = ports.iter().zip(fields).map(|(port, field)| {
            let ty = TensorType::new(field.dtype, port.shape.clone());
            let doc = format!(" `{}`: `{ty}`", plain(&port.name));
            let element = match field.dtype {
                DType::Bool => quote!(bool),
                other => stored_type(other),
            };
            let name = ident(&field.field);
            let ty = match &field.fixed {
                Some(shape) => {
                    let elements = Literal::usize_unsuffixed(shape.iter().product());
                    quote!(&'a [#element; #elements])
                }
                None => {
                    let rank = Literal::usize_unsuffixed(port.shape.len());
                    quote!(::ingrain::TensorRef<'a, #element, #rank>)
                }
            };
            quote!(#[doc = #doc] pub #name: #ty,)
        });
        let doc = format!(" {doc}");
        let name = ident(name);
        let lifetime = if ports.is_empty() { TokenStream::new() } else { quote!(<'a>) };
        quote! {
            #[doc = #doc]
            #[derive(Clone, Copy, Debug)]
            pub struct #name #lifetime { #(#items)* }
        }
    }

    /// The implementation of `Model`, and the functions that a long `run` is cut into.
    fn run(&self, items: &[Item<'_>]) -> TokenStream {
        let input_type = if self.inputs.is_empty() { quote!(Inputs) } else { quote!(Inputs<'_>) };
        let output_type = if self.outputs.is_empty() { quote!(Outputs) } else { quote!(Outputs<'_>) };
        let (dims, known) = self.solve();
        let (advance, methods) = (self.state.advance(), self.state.methods());
        let zeros = self.state.zeros(&|buffer| {
            let place = Place { buffer, offset: Dim::ZERO, len: self.cx.program.buffer(buffer).len.clone() };
            self.places.slot(&place).tokens
        });
        let state_init = self.state_init();
        let run_type = if self.choice.is_empty() { input_type.clone() } else { self.choice.run_type() };
        let results = self.results();
        let flow = Flow::new(self, run_type);
        let main = flow.block(items, &self.cx.program.requirements, &known, &quote!(#advance #results));
        let parts = flow.parts();
        let body = quote!(#zeros #main #advance Ok(#results));
        let memory = if mentions(&body, "memory") {
            quote!(let memory = &mut self.memory;)
        } else {
            TokenStream::new()
        };
        let mut body = quote!(#dims #memory #body);
        if !self.choice.is_empty() && mentions(&body, "inputs") {
            let join = self.choice.join();
            body = quote!(#join #body);
        }
        let inputs = ident(if mentions(&body, "inputs") { "inputs" } else { "_inputs" });
        let failure = if self.functions.list.iter().any(|f| f.fallible) {
            quote! {
                /// Blames an index on the ONNX node that read it.
                fn outside(node: &'static str, error: kernels::select::IndexError) -> ::ingrain::Error {
                    ::ingrain::Error::Index { node, index: error.index, bound: error.bound }
                }
            }
        } else {
            TokenStream::new()
        };
        let in_arena = match self.cx.weights_in_file {
            true => quote! {
                /// A worker in the caller's arena. The weights are mapped, once for all workers, from the file beside the
                /// executable.
                ///
                /// # Errors
                /// If the file cannot be read, or does not hold the weights of this program.
                pub fn in_arena(arena: &'m mut Arena) -> Result<Self, ::ingrain::WeightsError> {
                    super::WEIGHTS.load()?;
                    Ok(Self { memory: ::ingrain::Memory::borrowed(arena), #state_init })
                }
            },
            false => quote! {
                /// A worker in the caller's arena.
                pub const fn in_arena(arena: &'m mut Arena) -> Self {
                    Self { memory: ::ingrain::Memory::borrowed(arena), #state_init }
                }
            },
        };
        let in_arena = if self.choice.is_empty() { in_arena } else { self.choice.methods(&state_init).1 };
        quote! {
            impl<'m> Model<'m> {
                #in_arena

                /// Runs the model.
                ///
                /// # Errors
                /// If a dimension of an input, or an index in it, is out of its range.
                pub fn run(
                    &mut self,
                    #inputs: #input_type,
                ) -> Result<#output_type, ::ingrain::Error> {
                    #body
                }

                #methods
            }
            #(#parts)*
            #failure
        }
    }

    /// What a worker's state begins with.
    fn state_init(&self) -> TokenStream {
        if self.state.is_empty() { TokenStream::new() } else { quote!(state: State::EMPTY,) }
    }

    /// The call of a step's function.
    pub(super) fn statement(&self, call: &StepCall) -> TokenStream {
        let function = &self.functions.list[call.function];
        statement(self.cx, function, call, &|place| self.slot(place), &|place| self.outside(place))
    }

    /// A place in the arena; `None` for places elsewhere.
    pub(super) fn slot(&self, place: &Place) -> Option<Code> {
        matches!(self.cx.plan.room(place.buffer), Room::Arena(_)).then(|| self.places.slot(place))
    }

    /// A slice that is not in the arena.
    pub(super) fn outside(&self, place: &Place) -> Code {
        let Room::Input(index) = self.cx.plan.room(place.buffer) else {
            let slot = self.places.slot(place).tokens;
            return Code::tight(quote!(super::WEIGHTS.get(#slot)));
        };
        let whole = match (self.inputs.get(index), self.choice.weight(index.wrapping_sub(self.inputs.len())))
        {
            (Some(port), _) => {
                let field = ident(&port.field);
                let whole =
                    if port.fixed.is_some() { quote!(inputs.#field) } else { quote!(inputs.#field.data) };
                if port.dtype == DType::Bool { quote!(::ingrain::from_bools(#whole)) } else { whole }
            }
            (None, Some(weight)) => weight,
            (None, None) => return Code::tight(quote!(&[])),
        };
        let all = &self.cx.program.buffer(place.buffer).len;
        if place.offset.is(0) && place.len == *all {
            return Code::tight(whole);
        }
        let (offset, len) = (self.cx.dims.size(&place.offset).tokens, self.cx.dims.size(&place.len).tokens);
        // An empty tensor has no element at the offset.
        let reaches = self.cx.dims.least(&(all - &place.offset)) >= 0;
        let tail = if reaches { quote!(#whole[#offset..]) } else { quote!(::ingrain::tail(#whole, #offset)) };
        Code { tokens: quote!(&#tail[..#len]), binding: Binding::Prefix }
    }

    /// Statements that check the inputs and give symbols their values; and these symbols.
    fn solve(&self) -> (TokenStream, BTreeSet<Symbol>) {
        let mut known: BTreeSet<Symbol> = self.state.known().cloned().collect();
        let (mut lets, mut checks) = (Vec::new(), Vec::new());
        for (port, field) in self.cx.program.inputs.iter().zip(self.inputs) {
            if field.fixed.is_some() {
                continue;
            }
            let name = ident(&field.field);
            let what = format!("input `{}`", plain(&field.name));
            for (axis, dim) in port.shape.iter().enumerate() {
                let mut symbols = self.cx.program.symbols.iter();
                let Some((symbol, range)) = symbols.find(|(s, _)| *dim == Dim::symbol((*s).clone())) else {
                    continue;
                };
                if known.insert(symbol.clone()) {
                    let (local, index) = (ident(self.cx.dims.name(symbol)), Literal::usize_unsuffixed(axis));
                    let what = format!("{what}, axis {axis} (`{}`)", plain(symbol.name()));
                    let [lo, hi] = [range.lo, range.hi]
                        .map(|v| Literal::usize_unsuffixed(usize::try_from(v).unwrap_or(0)));
                    lets.push(quote! {
                        let #local = inputs.#name.dims[#index];
                        ::ingrain::check_dim(#what, #local, #lo, #hi)?;
                    });
                }
            }
            let dims = port.shape.iter().map(|dim| self.cx.dims.size(dim).tokens);
            checks.push(quote!(inputs.#name.check(#what, [#(#dims),*])?;));
        }
        let (state, same) = (self.state.lets(), self.state.checks());
        let values = self.cx.program.pinned.iter().filter_map(|(name, tensor)| {
            let port = self.inputs.iter().find(|port| port.name == *name)?;
            Some(pinned(port, tensor))
        });
        (quote!(#state #(#lets)* #same #(#checks)* #(#values)*), known)
    }

    /// `Outputs { … }`
    fn results(&self) -> TokenStream {
        let fields = self.cx.program.outputs.iter().zip(self.outputs).map(|(port, field)| {
            let name = ident(&field.field);
            let slot = self.places.constant(port.buffer);
            let value = match (&field.fixed, field.dtype) {
                (Some(_), DType::Bool) => quote!(::ingrain::bool_array(memory.array(#slot))),
                (Some(_), _) => quote!(memory.array(#slot)),
                (None, dtype) => {
                    let dims = port.shape.iter().map(|d| self.cx.dims.size(d).tokens);
                    let tensor = quote!(memory.tensor(#slot, [#(#dims),*]));
                    if dtype == DType::Bool { quote!(::ingrain::bool_tensor(#tensor)) } else { tensor }
                }
            };
            quote!(#name: #value)
        });
        quote!(Outputs { #(#fields),* })
    }
}
