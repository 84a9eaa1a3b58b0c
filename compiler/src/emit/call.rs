//! Calls of kernels: arguments as Rust expressions.

use super::Cx;
use super::code::{Binding, Code, ident};
use super::names::Names;
use super::rows::mentions;
use super::scalar::{self, Leaves, stored_type};
use super::step::{Param, StepBody};
use crate::lir::{Arg, Call, Place, RowLoad, RowMap};
use crate::types::{DType, Dim, Scalar};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::BTreeMap;

/// The function of a kernel call. `in_place` says that its result is where what [`Arg::Over`] reads is.
pub(super) fn body(cx: &Cx<'_>, call: &Call, in_place: bool) -> StepBody {
    let names = Names::reserving(&cx.dims.names().collect::<Vec<_>>());
    let mut writer = Writer { cx, in_place, names, params: Vec::new() };
    let args: Vec<Code> = call.args.iter().map(|arg| writer.arg(arg)).collect();
    let kernel = path(call.kernel);
    let generics = call.generics.iter().map(|&dtype| stored_type(dtype));
    let generics = if call.generics.is_empty() { TokenStream::new() } else { quote!(::<#(#generics),*>) };
    let code = Code::call(quote!(kernels::#kernel #generics), &args).tokens;
    let counts = call.count.is_some();
    let body = if call.fallible || counts { code } else { quote!(#code;) };
    StepBody { params: writer.params, body, fallible: call.fallible, counts }
}

/// A path below the kernels crate.
fn path(text: &str) -> TokenStream {
    let parts = text.split("::").map(ident);
    quote!(#(#parts)::*)
}

struct Writer<'a> {
    cx: &'a Cx<'a>,
    in_place: bool,
    names: Names,
    params: Vec<Param>,
}

impl Writer<'_> {
    fn param(&mut self, wanted: &str, place: &Place, written: bool) -> Code {
        let known =
            self.params.iter().find(|p| !written && !p.written && p.place == *place && p.name == wanted);
        if let Some(param) = known {
            return Code::name(&param.name);
        }
        let name = self.names.unique(wanted);
        let code = Code::name(&name);
        let dtype = self.cx.program.buffer(place.buffer).dtype;
        self.params.push(Param { name, place: place.clone(), dtype, written });
        code
    }

    fn list(&mut self, args: &[Arg]) -> Vec<TokenStream> {
        args.iter().map(|a| self.arg(a).tokens).collect()
    }

    fn arg(&mut self, arg: &Arg) -> Code {
        match arg {
            Arg::Read(name, place) => self.param(name, place, false),
            Arg::Write(name, place) | Arg::Update(name, place) => self.param(name, place, true),
            Arg::Size(dim) => self.cx.dims.size(dim),
            Arg::Signed(dim) => self.cx.dims.signed(dim),
            Arg::Int(value) => Code::int(*value),
            Arg::Float(dtype, value) => float(*dtype, *value),
            Arg::Bool(value) => Code::tight(quote!(#value)),
            Arg::Path(name) => {
                let path = path(name);
                Code::tight(quote!(kernels::#path))
            }
            Arg::Struct(name, fields) => {
                let path = path(name);
                let fields = fields.iter().map(|(name, value)| {
                    let (field, value) = (ident(name), self.arg(value).tokens);
                    // A field that is given a variable of its own name is just named.
                    if value.to_string() == *name { quote!(#field) } else { quote!(#field: #value) }
                });
                let fields: Vec<TokenStream> = fields.collect();
                Code::tight(quote!(kernels::#path { #(#fields),* }))
            }
            Arg::Array(args) => {
                let list = self.list(args);
                Code::tight(quote!([#(#list),*]))
            }
            Arg::Tuple(args) => match &self.list(args)[..] {
                [one] => Code::tight(quote!((#one,))),
                list => Code::tight(quote!((#(#list),*))),
            },
            Arg::Apply(function, args) => {
                let (path, list) = (path(function), self.list(args));
                Code::tight(quote!(kernels::#path(#(#list),*)))
            }
            Arg::Ref(arg) => {
                let value = self.arg(arg);
                Code::prefix(quote!(&), &value)
            }
            Arg::Some(arg) => {
                let value = self.arg(arg).tokens;
                Code::tight(quote!(Some(#value)))
            }
            Arg::None => Code::tight(quote!(None)),
            Arg::Over(_, apart, over) => self.arg(if self.in_place { over } else { apart }),
            Arg::RowMap(map) => self.row_map(map),
        }
    }

    /// `&|row, column, y: &mut [f32]| …`
    fn row_map(&mut self, map: &RowMap) -> Code {
        let used = |i: usize| map.expr.input_dtype(i + 1).is_some();
        let rows = row_names(map.row_axes);
        let mut names: Vec<Option<Code>> = Vec::new();
        for (i, load) in map.loads.iter().enumerate() {
            let wanted =
                if map.loads.len() == 1 { "operand".to_owned() } else { format!("operand_{}", i + 1) };
            names.push(used(i).then(|| self.param(&wanted, &load.place, false)));
        }
        let cuts: Vec<TokenStream> = map
            .loads
            .iter()
            .zip(&names)
            .filter_map(|(load, name)| Some(self.row_cut(load, &rows, name.as_ref()?)))
            .collect();
        let known = BTreeMap::new();
        let input = |i: usize, dtype| {
            let (load, name) = match i.checked_sub(1) {
                None => (None, Some(Code::name("y"))),
                Some(at) => (map.loads.get(at), names.get(at).cloned().flatten()),
            };
            let name = name.unwrap_or_else(|| Code::name("y"));
            match load {
                Some(load) if load.column_stride == 0 => name,
                _ => {
                    let name = name.tokens;
                    scalar::loaded(dtype, &Code::tight(quote!(#name[i])))
                }
            }
        };
        let index = |axis: usize| match rows.get(axis) {
            Some(name) => Code::name(name).cast(quote!(i64)),
            None => Code::infix(&Code::name("column"), quote!(+), &Code::name("i"), Binding::Sum)
                .cast(quote!(i64)),
        };
        let leaves = Leaves {
            input: &input,
            index: &index,
            row_length: &Code::count(1),
            size: &|dim| self.cx.dims.signed(dim),
            known: &known,
        };
        let block = scalar::block(&map.expr, map.expr.output(), &leaves);
        let value = scalar::stored(map.expr.dtype(), &block.value).tokens;
        let ty = stored_type(map.expr.dtype());
        let lets = &block.lets;
        let body = quote! {
            #(#cuts)*
            for i in 0..n { #(#lets)* y[i] = #value; }
        };
        let name = |name: &str| {
            let shown = if mentions(&body, name) { name.to_owned() } else { format!("_{name}") };
            ident(&shown)
        };
        let column = name("column");
        let row = match &rows[..] {
            [row] => {
                let row = name(row);
                quote!(#row: usize)
            }
            many => {
                let (list, axes) = (many.iter().map(|r| name(r)), Code::count(many.len()).tokens);
                quote!([#(#list),*]: [usize; #axes])
            }
        };
        Code::loose(quote! {
            &|#row, #column: usize, y: &mut [#ty]| {
                kernels::vectorize(#[inline(always)] || { let n = y.len(); #body })
            }
        })
    }

    /// The statement that takes the part of an operand that belongs to a segment of a row.
    fn row_cut(&self, load: &RowLoad, rows: &[String], name: &Code) -> TokenStream {
        let name = &name.tokens;
        let mut at: Option<Code> = None;
        let term = |stride: &Dim, row: &String| {
            let row = Code::name(row);
            if stride.is(1) {
                row
            } else {
                Code::infix(&row, quote!(*), &self.cx.dims.size(stride), Binding::Product)
            }
        };
        let rows = || load.row_strides.iter().zip(rows).filter(|(stride, _)| !stride.is(0));
        let backwards = |stride: &Dim| stride.as_i64().is_some_and(|s| s < 0);
        let first = (!load.first.is(0)).then(|| self.cx.dims.size(&load.first));
        let forward = rows().filter(|(stride, _)| !backwards(stride)).map(|(stride, row)| term(stride, row));
        let column = (load.column_stride > 0).then(|| Code::name("column"));
        for term in first.into_iter().chain(forward).chain(column) {
            at = Some(match at {
                Some(sum) => Code::infix(&sum, quote!(+), &term, Binding::Sum),
                None => term,
            });
        }
        for (stride, row) in rows().filter(|(stride, _)| backwards(stride)) {
            let sum = at.unwrap_or_else(|| Code::count(0));
            at = Some(Code::infix(&sum, quote!(-), &term(&-stride, row), Binding::Sum));
        }
        let at = at.unwrap_or_else(|| Code::count(0)).tokens;
        if load.column_stride == 0 {
            let dtype = self.cx.program.buffer(load.place.buffer).dtype;
            let value = scalar::loaded(dtype, &Code::tight(quote!(#name[#at]))).tokens;
            return quote!(let #name = #value;);
        }
        quote!(let #name = &#name[#at..][..n];)
    }
}

/// What the indices of a row along its axes are called.
fn row_names(axes: usize) -> Vec<String> {
    let leading = (1..axes).map(|axis| format!("batch_{axis}"));
    leading.chain(["row".to_owned()]).collect()
}

/// A floating-point argument.
fn float(dtype: DType, value: f64) -> Code {
    let number = scalar::constant(Scalar::Float(scalar::computed(dtype), value), false);
    match dtype {
        DType::F16 | DType::BF16 => {
            let ty = stored_type(dtype);
            Code::call(quote!(#ty::from_f32), &[number])
        }
        _ => number,
    }
}
