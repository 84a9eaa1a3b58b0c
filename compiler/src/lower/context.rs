//! What an operator sees while it is lowered.

use super::Layouts;
use super::view::View;
use crate::diag::{Code, Diagnostic, Diagnostics, Reported};
use crate::ir::{Epilogue, Graph, NodeData, Value};
use crate::lir::{
    Arg, Buffer, BufferId, Call, Class, ConstData, MapStep, Packing, Place, Program, Step, StepKind,
};
use crate::types::{DType, Dim, Symbol, Tensor, TensorType};

/// The lowering of one node.
pub struct LowerCx<'a> {
    /// The graph.
    pub graph: &'a Graph,
    pub(super) layouts: &'a Layouts,
    pub(super) node: &'a NodeData,
    pub(super) program: &'a mut Program,
    pub(super) views: &'a mut Vec<Option<View>>,
    pub(super) placed: &'a [Option<View>],
    pub(super) diagnostics: &'a mut Diagnostics,
    /// Copies that follow the node: results that had to be computed apart from their place.
    pub(super) after: Vec<(View, View)>,
}

impl<'a> LowerCx<'a> {
    /// Type of input `i`.
    pub fn input_type(&self, i: usize) -> &'a TensorType {
        self.graph.ty(self.node.inputs[i])
    }

    /// Number of inputs.
    pub fn input_count(&self) -> usize {
        self.node.inputs.len()
    }

    /// Type of output `i`.
    pub fn output_type(&self, i: usize) -> &'a TensorType {
        self.graph.ty(self.node.outputs[i])
    }

    /// Input `i` as the graph's value.
    pub fn input_value(&self, i: usize) -> Value {
        self.node.inputs[i]
    }

    /// Output `i` as the graph's value.
    pub fn output_value(&self, i: usize) -> Value {
        self.node.outputs[i]
    }

    /// The elements of input `i`, if it is a constant.
    pub fn constant(&self, i: usize) -> Option<&'a Tensor> {
        self.graph.constant(self.node.inputs[i])
    }

    /// The map that must be applied to the first output.
    pub fn epilogue(&self) -> Option<&'a Epilogue> {
        self.node.epilogue.as_ref()
    }

    /// Input `i` where it is, with any strides.
    pub fn input(&mut self, i: usize) -> View {
        self.view(self.node.inputs[i])
    }

    /// Input `i` with its elements side by side; copied if they are not.
    pub fn dense(&mut self, i: usize) -> Place {
        self.dense_value(self.node.inputs[i])
    }

    /// Input `i` as a view whose elements lie side by side; copied if they do not.
    pub fn dense_input_view(&mut self, i: usize) -> View {
        self.dense_value(self.node.inputs[i]);
        self.input(i)
    }

    /// A value where it is, with any strides. Constants are stored as the model has them, or as it has their transpose.
    pub fn view(&mut self, value: Value) -> View {
        if let Some(view) = &self.views[value.0 as usize] {
            return view.clone();
        }
        let data = self.graph.value(value);
        let view = match self.graph.constant(value) {
            Some(tensor) => match self.layouts.transpose_of(tensor) {
                Some(stored) => {
                    let place = self.weight(stored, Packing::Plain, data.name.as_deref());
                    View::turned(place.buffer, tensor.dtype(), &data.ty.shape)
                }
                None => {
                    let place = self.weight(tensor, Packing::Plain, data.name.as_deref());
                    View::dense(place.buffer, data.ty.dtype, &data.ty.shape)
                }
            },
            None => {
                let buffer = self.new_buffer(
                    data.ty.dtype,
                    data.ty.elements(),
                    data.name.as_deref().unwrap_or_default(),
                );
                View::dense(buffer, data.ty.dtype, &data.ty.shape)
            }
        };
        self.views[value.0 as usize] = Some(view.clone());
        view
    }

    /// A value with its elements side by side; copied if they are not.
    pub fn dense_value(&mut self, value: Value) -> Place {
        let view = self.view(value);
        if let Some(place) = view.place() {
            return place;
        }
        let name = self.graph.value(value).name.clone().unwrap_or_default();
        let dense = self.copied(&view, &name);
        let place = Place { buffer: dense.buffer, offset: Dim::ZERO, len: dense.elements() };
        self.views[value.0 as usize] = Some(dense);
        place
    }

    /// Copies a view into a new buffer with its elements side by side.
    pub fn copied(&mut self, view: &View, name: &str) -> View {
        let buffer = self.new_buffer(view.dtype, view.elements(), name);
        let dense = View::dense(buffer, view.dtype, &view.shape);
        self.copy(view, &dense);
        dense
    }

    /// The part of a larger buffer that output `i` must be written to, if there is one.
    pub fn placed(&self, i: usize) -> Option<View> {
        self.placed[self.node.outputs[i].0 as usize].clone()
    }

    /// That part, unless the node reads the buffer: a step never reads the buffer that it writes.
    fn free_place(&self, value: Value) -> Option<View> {
        let place = self.placed[value.0 as usize].as_ref()?;
        let buffer_of = |v: Value| self.views[v.0 as usize].as_ref().map(|view| view.buffer);
        let free = !self.node.reads().any(|v| buffer_of(v) == Some(place.buffer));
        free.then(|| place.clone())
    }

    /// Where output `i` goes, with any strides. Only for operators that say `writes_strided`.
    pub fn output(&mut self, i: usize) -> View {
        let value = self.node.outputs[i];
        if let Some(view) = self.free_place(value) {
            self.views[value.0 as usize] = Some(view.clone());
            return view;
        }
        self.view(value)
    }

    /// Where output `i` goes, with its elements side by side.
    pub fn dense_output(&mut self, i: usize) -> Place {
        let value = self.node.outputs[i];
        let ty = self.graph.ty(value);
        if let Some(placed) = self.free_place(value) {
            self.views[value.0 as usize] = Some(placed.clone());
            if let Some(place) = placed.place() {
                return place;
            }
            let name = self.graph.value(value).name.clone().unwrap_or_default();
            let buffer = self.new_buffer(ty.dtype, ty.elements(), &name);
            let dense = View::dense(buffer, ty.dtype, &ty.shape);
            self.after.push((dense, placed));
            return Place { buffer, offset: Dim::ZERO, len: ty.elements() };
        }
        let view = self.view(value);
        Place { buffer: view.buffer, offset: Dim::ZERO, len: ty.elements() }
    }

    /// Says that output `i` is a view of something that is stored already. Copied where it has a place of its own.
    pub fn alias(&mut self, i: usize, view: View) {
        let value = self.node.outputs[i];
        let placed = self.placed(i).filter(|p| p.same_elements(&view) || p.buffer != view.buffer);
        if let Some(placed) = &placed
            && placed.buffer != view.buffer
        {
            self.copy(&view, placed);
        }
        self.views[value.0 as usize] = Some(placed.unwrap_or(view));
    }

    /// A constant in the blob. Equal constants in equal layouts are one.
    pub fn weight(&mut self, tensor: &Tensor, packing: Packing, name: Option<&str>) -> Place {
        let len = Dim::from(tensor.len());
        let same = |class: &Class| match class {
            Class::Const(known) => self.layouts.are_one(known, (tensor, &packing)),
            _ => false,
        };
        let known = self.program.buffers.iter().position(|b| same(&b.class));
        let class = Class::Const(ConstData { tensor: tensor.clone(), packing });
        let buffer = match known {
            Some(at) => BufferId(at as u32),
            None => self.push(Buffer {
                dtype: tensor.dtype(),
                len: len.clone(),
                class,
                name: name.unwrap_or("constant").to_owned(),
            }),
        };
        Place { buffer, offset: Dim::ZERO, len }
    }

    /// Whether a reader gets this constant in a layout of its own; otherwise it reads the model's order.
    pub fn packs(&self, tensor: &Tensor) -> bool {
        self.layouts.packs(tensor)
    }

    /// The constant that is input `i` and its layout, if it is stored in panels for another reader.
    pub fn panels_input(&mut self, i: usize) -> Option<(Place, Packing)> {
        let packing = self.layouts.panels(self.constant(i)?)?;
        Some((self.packed_input(i, packing.clone())?, packing))
    }

    /// The constant that is input `i`, in the blob in the layout that the kernel reads.
    pub fn packed_input(&mut self, i: usize, packing: Packing) -> Option<Place> {
        let tensor = self.constant(i)?;
        let name = self.graph.value(self.node.inputs[i]).name.clone();
        Some(self.weight(tensor, packing, name.as_deref()))
    }

    /// A buffer that only this node uses.
    pub fn scratch(&mut self, dtype: DType, len: Dim) -> Place {
        let buffer = self.new_buffer(dtype, len.clone(), "scratch");
        Place { buffer, offset: Dim::ZERO, len }
    }

    pub(super) fn new_buffer(&mut self, dtype: DType, len: Dim, name: &str) -> BufferId {
        self.push(Buffer { dtype, len, class: Class::Arena, name: name.to_owned() })
    }

    fn push(&mut self, buffer: Buffer) -> BufferId {
        self.program.buffers.push(buffer);
        BufferId((self.program.buffers.len() - 1) as u32)
    }

    /// Adds a kernel call.
    pub fn call(&mut self, kernel: &'static str, args: Vec<Arg>, macs: Dim) {
        self.step(
            StepKind::Call(Call { kernel, generics: Vec::new(), args, fallible: false, count: None }),
            macs,
        );
    }

    /// Adds a call of a kernel that is generic over element types.
    pub fn generic_call(&mut self, kernel: &'static str, generics: Vec<DType>, args: Vec<Arg>, macs: Dim) {
        self.step(StepKind::Call(Call { kernel, generics, args, fallible: false, count: None }), macs);
    }

    /// Adds a kernel call whose result may be an index error.
    pub fn fallible_call(&mut self, kernel: &'static str, args: Vec<Arg>) {
        self.step(
            StepKind::Call(Call { kernel, generics: Vec::new(), args, fallible: true, count: None }),
            Dim::ZERO,
        );
    }

    /// Adds a call of a kernel that returns how many elements it found.
    pub fn counting_call(&mut self, kernel: &'static str, args: Vec<Arg>, count: &Symbol) {
        let count = Some(count.clone());
        let call = Call { kernel, generics: Vec::new(), args, fallible: false, count };
        self.step(StepKind::Call(call), Dim::ZERO);
    }

    /// Gives a symbol the value of an integer, which must be at most `most`.
    pub fn bind(&mut self, symbol: Symbol, place: Place, most: Dim) {
        self.step(StepKind::Bind { symbol, place, most }, Dim::ZERO);
    }

    /// Ends the run with an error unless a truth value is as expected.
    pub fn check(&mut self, condition: Place, expected: bool, what: &'static str) {
        self.step(StepKind::Check { condition, expected, what }, Dim::ZERO);
    }

    /// Adds a loop nest.
    pub fn map(&mut self, map: MapStep) {
        self.step(StepKind::Map(map), Dim::ZERO);
    }

    /// Adds a copy between views of one shape.
    pub fn copy(&mut self, from: &View, to: &View) {
        self.step(
            StepKind::Copy { space: to.shape.clone(), load: from.access(), store: to.access() },
            Dim::ZERO,
        );
    }

    pub(super) fn step(&mut self, kind: StepKind, macs: Dim) {
        let types = |values: &[Value]| {
            values.iter().map(|&v| self.graph.ty(v).to_string()).collect::<Vec<_>>().join(", ")
        };
        let summary =
            format!("{}: {} -> {}", self.node.op.name(), types(&self.node.inputs), types(&self.node.outputs));
        self.program.steps.push(Step { kind, origins: self.node.origins.clone(), summary, macs });
    }

    /// Records that this node cannot be lowered.
    pub fn unsupported(&mut self, message: impl Into<String>) -> Reported {
        self.report(Diagnostic::new(Code::UnsupportedForm, message))
    }

    /// Records a problem of this node.
    pub fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        let diagnostic = match self.node.origins.first() {
            Some(origin) if diagnostic.origin.is_none() => diagnostic.at(origin),
            _ => diagnostic,
        };
        self.diagnostics.report(diagnostic)
    }
}
