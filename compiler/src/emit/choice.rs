//! What users may choose of a model's weights: one of several sets, and constants of their own.
//!
//! A worker holds the choice. While it runs, the choice travels with the inputs (`Run`), so that steps find a weight that
//! was chosen as they find an input; models without a choice know nothing of this.

use super::Cx;
use super::code::ident;
use super::names::{Names, identifier, plain, snake, words};
use super::scalar::stored_type;
use crate::lir::{BufferId, Class, Port};
use crate::plan::{Bytes, Room};
use crate::report;
use crate::types::{DType, Dim, TensorType};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;
use std::collections::BTreeSet;

/// The choices that a program leaves.
pub(super) struct Choice<'a> {
    cx: &'a Cx<'a>,
    /// Constants that may be replaced: the last inputs.
    weights: &'a [Port],
    fields: Vec<report::Port>,
    /// Constants whose place depends on the set.
    varying: BTreeSet<BufferId>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(cx: &'a Cx<'a>) -> Choice<'a> {
        let weights = &cx.program.inputs[cx.real_inputs()..];
        let mut names = Names::default();
        let field = |port: &Port| report::Port {
            name: port.name.clone(),
            field: names.unique(&snake(&port.name)),
            dtype: cx.program.buffer(port.buffer).dtype,
            shape: port.shape.iter().map(Dim::to_string).collect(),
            fixed: port.shape.iter().map(Dim::as_usize).collect(),
        };
        let fields = weights.iter().map(field).collect();
        let varying =
            (0..cx.program.buffers.len()).map(|at| BufferId(at as u32)).filter(|&b| cx.varies(b)).collect();
        Choice { cx, weights, fields, varying }
    }

    /// Whether there is nothing to choose.
    pub(super) fn is_empty(&self) -> bool {
        self.weights.is_empty() && self.cx.variants.is_none()
    }

    /// A constant that may be replaced, by its position among them.
    pub(super) fn weight(&self, at: usize) -> Option<TokenStream> {
        let field = ident(&self.fields.get(at)?.field);
        Some(quote!(inputs._weights.#field))
    }

    /// The type under which functions see the inputs.
    pub(super) fn run_type(&self) -> TokenStream {
        quote!(Run<'_>)
    }

    /// The statement that joins choice and inputs.
    pub(super) fn join(&self) -> TokenStream {
        let weights = (!self.weights.is_empty()).then(|| quote!(_weights: self.weights,));
        let set = (!self.varying.is_empty()).then(|| quote!(_set: &SETS[self.variant as usize],));
        quote!(let inputs = Run { _inputs: inputs, #weights #set _life: ::core::marker::PhantomData };)
    }

    /// The fields of the model.
    pub(super) fn model_fields(&self) -> TokenStream {
        let weights = (!self.weights.is_empty()).then(|| quote!(weights: Weights<'m>,));
        let variant = self.cx.variants.is_some().then(|| quote!(variant: Variant,));
        quote!(#weights #variant)
    }

    /// The items beside the model. `slots` names the constants whose places depend on the set.
    pub(super) fn items(&self, slots: &dyn Fn(BufferId) -> Option<String>) -> TokenStream {
        let (variant, sets, weights) = (self.variant_item(), self.sets(slots), self.weights_item());
        let inputs = if self.cx.real_inputs() == 0 { quote!(Inputs) } else { quote!(Inputs<'a>) };
        let weight_field = (!self.weights.is_empty()).then(|| quote!(_weights: Weights<'a>,));
        let set_field = (!self.varying.is_empty()).then(|| quote!(_set: &'static Set,));
        quote! {
            #variant
            #weights
            #sets
            /// The inputs of a run and the weights that were chosen.
            struct Run<'a> {
                _inputs: #inputs,
                #weight_field
                #set_field
                _life: ::core::marker::PhantomData<&'a ()>,
            }
            impl<'a> ::core::ops::Deref for Run<'a> {
                type Target = #inputs;
                fn deref(&self) -> &#inputs {
                    &self._inputs
                }
            }
        }
    }

    fn variant_names(&self) -> Vec<Ident> {
        let mut names = Names::default();
        let variants = self.cx.variants.map(|v| &v.names[..]).unwrap_or_default();
        let name = |variant: &String| {
            let camel: String = identifier(words(variant)).split('_').map(capitalised).collect();
            Ident::new(&names.unique(&camel), Span::call_site())
        };
        variants.iter().map(name).collect()
    }

    fn variant_item(&self) -> TokenStream {
        let Some(variants) = self.cx.variants else { return TokenStream::new() };
        let names = self.variant_names();
        let docs = variants.names.iter().map(|name| format!(" `{}`", plain(name)));
        quote! {
            /// The sets of weights that a worker may use.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum Variant { #(#[doc = #docs] #names,)* }
            impl Variant {
                /// All of them.
                pub const ALL: &'static [Variant] = &[#(Variant::#names),*];
            }
        }
    }

    /// Where each set has the constants that differ.
    fn sets(&self, slots: &dyn Fn(BufferId) -> Option<String>) -> TokenStream {
        let Some(variants) = self.cx.variants.filter(|_| !self.varying.is_empty()) else {
            return TokenStream::new();
        };
        let used: Vec<(BufferId, Ident)> =
            self.varying.iter().filter_map(|&b| Some((b, ident(&slots(b)?)))).collect();
        let fields = used.iter().map(|(buffer, name)| {
            let buffer = self.cx.program.buffer(*buffer);
            let (ty, doc) = (stored_type(buffer.dtype), format!(" `{}`", plain(&buffer.name)));
            quote!(#[doc = #doc] #name: ::ingrain::Slot<#ty>,)
        });
        let sets = variants.plans.iter().map(|plan| {
            let places = used.iter().map(|(buffer, name)| {
                let dtype = self.cx.program.buffer(*buffer).dtype;
                let slot = match plan.room(*buffer) {
                    Room::Blob(place) => slot(place, dtype),
                    _ => quote!(::ingrain::Slot::new(0, 0)),
                };
                quote!(#name: #slot,)
            });
            quote!(Set { #(#places)* },)
        });
        let count = Literal::usize_unsuffixed(variants.plans.len());
        quote! {
            /// Where a variant has the weights that differ.
            struct Set { #(#fields)* }
            static SETS: [Set; #count] = [#(#sets)*];
        }
    }

    fn weights_item(&self) -> TokenStream {
        if self.weights.is_empty() {
            return TokenStream::new();
        }
        let fields = self.weights.iter().zip(&self.fields).map(|(port, field)| {
            let doc =
                format!(" `{}`: `{}`", plain(&port.name), TensorType::new(field.dtype, port.shape.clone()));
            let (name, ty, elements) = (ident(&field.field), stored_type(field.dtype), elements(field));
            quote!(#[doc = #doc] pub #name: &'a [#ty; #elements],)
        });
        let built_in = |places: &[Bytes]| {
            let values = self.fields.iter().zip(places).map(|(field, &place)| {
                let (name, slot) = (ident(&field.field), slot(place, field.dtype));
                quote!(#name: super::WEIGHTS.array(#slot),)
            });
            // What cannot be mapped is told here and not at the first weight.
            let weights = quote!(Weights { #(#values)* });
            match self.cx.weights_in_file {
                true => quote!({ super::WEIGHTS.expect(); #weights }),
                false => weights,
            }
        };
        let (doc, panics) = match self.cx.weights_in_file {
            true => (
                "Those of the model. Maps the file beside the executable unless weights are mapped already.",
                quote! {
                    ///
                    /// # Panics
                    /// If the file cannot be read, or does not hold the weights of this program: `Model::load_weights` and
                    /// the makers of workers return that as an error.
                },
            ),
            false => ("Those of the model.", TokenStream::new()),
        };
        let doc = format!(" {doc}");
        let makers = match self.cx.variants {
            Some(variants) => {
                let names = self.variant_names();
                let values = variants.plans.iter().map(|plan| built_in(&plan.defaults));
                quote! {
                    impl<'a> Weights<'a> {
                        #[doc = #doc]
                        #panics
                        pub fn of(variant: Variant) -> Self {
                            match variant { #(Variant::#names => #values,)* }
                        }
                    }
                }
            }
            None => {
                let values = built_in(&self.cx.plan.defaults);
                quote! {
                    impl<'a> Default for Weights<'a> {
                        #[doc = #doc]
                        #panics
                        fn default() -> Self {
                            #values
                        }
                    }
                }
            }
        };
        quote! {
            /// Weights that can be replaced, row-major as the model has them.
            #[derive(Clone, Copy, Debug)]
            pub struct Weights<'a> { #(#fields)* }
            #makers
        }
    }

    /// The methods that make workers and change their choice. `state` is what else a worker begins with.
    pub(super) fn methods(&self, state: &TokenStream) -> (TokenStream, TokenStream) {
        let variants = self.cx.variants.is_some();
        let param = variants.then(|| quote!(variant: Variant));
        let field = variants.then(|| quote!(variant,));
        let built_in = if variants { quote!(Weights::of(variant)) } else { quote!(Weights::default()) };
        let weights = (!self.weights.is_empty()).then(|| quote!(weights: #built_in,));
        let (result, load) = match self.cx.weights_in_file {
            true => (quote!(Result<Self, ::ingrain::WeightsError>), quote!(super::WEIGHTS.load()?;)),
            false => (quote!(Self), TokenStream::new()),
        };
        let made = |value: TokenStream| if self.cx.weights_in_file { quote!(Ok(#value)) } else { value };
        let new = made(quote!(Self { memory: ::ingrain::Memory::heap(), #weights #field #state }));
        let borrowed =
            made(quote!(Self { memory: ::ingrain::Memory::borrowed(arena), #weights #field #state }));
        let chosen =
            made(quote!(Self { memory: ::ingrain::Memory::heap(), weights: *weights, #field #state }));
        let with_weights = (!self.weights.is_empty()).then(|| {
            quote! {
                /// A worker with its memory on the heap that uses these weights.
                pub fn with_weights(weights: &Weights<'m>, #param) -> #result {
                    #load
                    #chosen
                }
            }
        });
        let set_weights = (!self.weights.is_empty()).then(|| {
            quote! {
                /// Uses these weights from the next run on.
                pub const fn set_weights(&mut self, weights: &Weights<'m>) {
                    self.weights = *weights;
                }
            }
        });
        let reset = weights.as_ref().map(|_| quote!(self.weights = Weights::of(variant);));
        let set_variant = variants.then(|| {
            quote! {
                /// Uses the weights of this variant from the next run on.
                pub fn set_variant(&mut self, variant: Variant) {
                    self.variant = variant;
                    #reset
                }

                /// The variant whose weights it uses.
                pub const fn variant(&self) -> Variant {
                    self.variant
                }
            }
        });
        let from = self.cx.weights_in_file.then(|| self.of_file(&param, &new));
        let heap = quote! {
            #from
            ::ingrain::with_alloc! {
                impl<'m> Model<'m> {
                    /// A worker with its memory on the heap.
                    pub fn new(#param) -> #result {
                        #load
                        #new
                    }

                    #with_weights
                }
            }
        };
        let methods = quote! {
            /// A worker in the caller's arena.
            pub fn in_arena(arena: &'m mut Arena, #param) -> #result {
                #load
                #borrowed
            }

            #set_weights
            #set_variant
        };
        (heap, methods)
    }
}

impl Choice<'_> {
    /// What makes workers of a file that is somewhere. `new` makes one when the file is mapped.
    fn of_file(&self, param: &Option<TokenStream>, new: &TokenStream) -> TokenStream {
        quote! {
            ::ingrain::load_weights_of_file!(Model, super::WEIGHTS);
            impl<'m> Model<'m> {
                /// A worker with its memory on the heap, and weights from this file unless they are mapped already.
                ///
                /// # Errors
                /// If the file cannot be read, or does not hold the weights of this program.
                pub fn with_weights_file(
                    path: impl AsRef<::std::path::Path>,
                    #param
                ) -> Result<Self, ::ingrain::WeightsError> {
                    super::WEIGHTS.load_from(path.as_ref())?;
                    #new
                }

                /// [`Self::with_weights_file`] that checks the length of the file but does not read it for its content, so
                /// that a worker of a large model is there at once.
                ///
                /// # Errors
                /// If the file cannot be read, or has another length.
                pub fn with_weights_file_unchecked(
                    path: impl AsRef<::std::path::Path>,
                    #param
                ) -> Result<Self, ::ingrain::WeightsError> {
                    super::WEIGHTS.load_unchecked(path.as_ref())?;
                    #new
                }
            }
        }
    }
}

impl Cx<'_> {
    /// How many of the inputs are the caller's; the others are constants that may be replaced.
    pub(super) fn real_inputs(&self) -> usize {
        self.program.inputs.len() - self.program.defaults.len()
    }

    /// Whether the place of a constant depends on the set of weights.
    pub(super) fn varies(&self, buffer: BufferId) -> bool {
        let constant = matches!(self.program.buffer(buffer).class, Class::Const(_));
        constant
            && self.variants.is_some_and(|v| v.plans.iter().any(|p| p.room(buffer) != self.plan.room(buffer)))
    }
}

fn slot(place: Bytes, dtype: DType) -> TokenStream {
    let offset = Literal::u64_unsuffixed(place.offset);
    let elements = Literal::u64_unsuffixed(place.len / dtype.size() as u64);
    quote!(::ingrain::Slot::new(#offset, #elements))
}

fn elements(field: &report::Port) -> Literal {
    Literal::usize_unsuffixed(field.fixed.iter().flatten().product())
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
