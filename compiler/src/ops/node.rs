//! What a recipe sees of the ONNX node it builds: inputs, attributes, opset, and the graph it adds core nodes to.

use super::map::Map;
use super::shape::{axis, broadcast_all};
use crate::diag::{Code, Diagnostic};
use crate::expr::{ExprBuilder, ExprId};
use crate::import::attributes::AttributeReader;
use crate::import::body::Scope;
use crate::ir::{Def, Graph, Op, Value, whole};
use crate::types::{DType, Dim, Origin, Scalar, Shape, Tensor, TensorType};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Inputs of at most this many elements may be compiled for one value.
const PINNED: i64 = 64;

/// The building of one ONNX node.
pub struct NodeCx<'a> {
    /// The graph that grows.
    pub graph: &'a mut Graph,
    /// The node's attributes. What a recipe does not read is reported as unsupported.
    pub attributes: AttributeReader<'a>,
    /// Opset version of the node's domain.
    pub opset: i64,
    /// Where the node stands in the file.
    pub origin: Origin,
    /// The node's inputs; `None` where one is left out.
    pub inputs: Vec<Option<Value>>,
    /// Which of its outputs the model uses.
    pub outputs_used: Vec<bool>,
    /// The graph that the node stands in, as the file has it.
    pub scope: Scope<'a>,
    /// The value that a recipe failed for because its elements, which are sizes, depend on data.
    pub sizes_of: Cell<Option<Value>>,
}

impl NodeCx<'_> {
    /// Input `i`.
    ///
    /// # Errors
    /// If it is left out.
    pub fn input(&self, i: usize) -> Result<Value, Diagnostic> {
        self.optional(i).ok_or_else(|| {
            Diagnostic::new(Code::BadModel, format!("{} needs an input at position {i}", self.origin.op))
        })
    }

    /// Input `i`, unless it is left out.
    pub fn optional(&self, i: usize) -> Option<Value> {
        self.inputs.get(i).copied().flatten()
    }

    /// All inputs.
    ///
    /// # Errors
    /// If one is left out.
    pub fn all_inputs(&self) -> Result<Vec<Value>, Diagnostic> {
        (0..self.inputs.len()).map(|i| self.input(i)).collect()
    }

    /// Whether output `i` is there and read by something.
    pub fn output_used(&self, i: usize) -> bool {
        self.outputs_used.get(i).copied().unwrap_or(false)
    }

    /// Type of a value.
    pub fn ty(&self, value: Value) -> &TensorType {
        self.graph.ty(value)
    }

    /// Shape of a value.
    pub fn shape(&self, value: Value) -> Shape {
        self.ty(value).shape.clone()
    }

    /// Number of axes of a value.
    pub fn rank(&self, value: Value) -> usize {
        self.ty(value).rank()
    }

    /// Element type of a value.
    pub fn dtype(&self, value: Value) -> DType {
        self.ty(value).dtype
    }

    /// The elements of a constant value.
    pub fn constant(&self, value: Value) -> Option<&Tensor> {
        self.graph.constant(value)
    }

    /// The elements of input `i`, called `what` in the message.
    ///
    /// # Errors
    /// If the input is left out or is computed at run time.
    pub fn constant_input(&self, i: usize, what: &str) -> Result<Tensor, Diagnostic> {
        let value = self.input(i)?;
        self.constant(value).cloned().ok_or_else(|| self.not_constant(what, value))
    }

    /// The numbers of a value that holds dimensions, as expressions of symbols.
    pub fn dims(&self, value: Value) -> Option<Vec<Dim>> {
        let content = self.graph.value(value).content.as_ref()?;
        content.iter().map(|d| whole(d, self.dtype(value))).collect()
    }

    /// The integers of input `i` as expressions of symbols; `what` names it in the message.
    ///
    /// # Errors
    /// If the input is left out or its elements depend on data.
    pub fn dims_input(&self, i: usize, what: &str) -> Result<Vec<Dim>, Diagnostic> {
        let value = self.input(i)?;
        match (self.dims(value), self.constant(value)) {
            (Some(dims), _) => Ok(dims),
            (None, Some(tensor)) => Ok(tensor.scalars().map(|s| Dim::from(s.as_i64())).collect()),
            (None, None) => {
                self.sizes_of.set(Some(value));
                Err(self.not_constant(what, value))
            }
        }
    }

    /// The integers that input `i` holds at compile time; `None` if it is left out.
    ///
    /// # Errors
    /// If they are computed at run time.
    pub fn ints_input(&self, i: usize, what: &str) -> Result<Option<Vec<i64>>, Diagnostic> {
        let Some(value) = self.optional(i) else { return Ok(None) };
        let dims = self.dims_input(i, what).inspect_err(|_| self.sizes_of.set(None))?;
        dims.iter()
            .map(Dim::as_i64)
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or_else(|| self.not_constant(what, value))
    }

    /// The error for a value that is computed at run time. It names the model's inputs that it is computed from.
    pub fn not_constant(&self, what: &str, value: Value) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(
            Code::NotConstant,
            format!("`{what}` of {} must be known at compile time", self.origin.op),
        );
        diagnostic.open = self.small_inputs(value);
        let help = "make it a constant or fix the symbolic dimensions that it is computed from";
        let help = match diagnostic.open.first() {
            Some(input) => format!("{help}; or compile for one value of \"{input}\" (option `values`)"),
            None => help.to_owned(),
        };
        diagnostic.help(help)
    }

    /// The inputs of few elements that a value is computed from.
    fn small_inputs(&self, value: Value) -> Vec<String> {
        let (mut open, mut seen, mut names) = (vec![value], BTreeSet::new(), Vec::new());
        while let Some(value) = open.pop() {
            if !seen.insert(value) {
                continue;
            }
            let data = self.graph.value(value);
            match (&data.def, &data.name) {
                (Def::Input(_), Some(name)) if data.ty.elements().as_i64().is_some_and(|n| n <= PINNED) => {
                    names.push(name.clone());
                }
                (Def::Node(id, _), _) => open.extend(self.graph.node(*id).reads()),
                _ => {}
            }
        }
        names
    }

    /// The attribute `name` as an axis of a tensor with `rank` axes.
    ///
    /// # Errors
    /// If it is of another type or out of range.
    pub fn axis_attribute(&mut self, name: &str, default: i64, rank: usize) -> Result<usize, Diagnostic> {
        let given = self.attributes.int_or(name, default)?;
        axis(given, rank)
    }

    /// A problem of this operator's form.
    pub fn unsupported(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Code::UnsupportedForm, message)
    }

    /// Adds a core node with one result.
    ///
    /// # Errors
    /// If the inputs do not fit the operator.
    pub fn add(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value, Diagnostic> {
        let results = self.add_all(op, inputs)?;
        results.first().copied().ok_or_else(|| Diagnostic::new(Code::Internal, "a node without results"))
    }

    /// Adds a core node with any number of results.
    ///
    /// # Errors
    /// If the inputs do not fit the operator.
    pub fn add_all(&mut self, op: impl Op, inputs: &[Value]) -> Result<Vec<Value>, Diagnostic> {
        self.graph.add(Rc::new(op), inputs.to_vec(), None, vec![self.origin.clone()])
    }

    /// Adds a constant.
    pub fn tensor(&mut self, tensor: Tensor) -> Value {
        self.graph.add_const(tensor)
    }

    /// Adds a constant without axes.
    pub fn scalar(&mut self, dtype: DType, value: f64) -> Value {
        self.tensor(Tensor::scalar(Scalar::from_f64(dtype, value)))
    }

    /// Adds an elementwise map of values that broadcast to one shape.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    pub fn map(
        &mut self,
        inputs: &[Value],
        body: impl FnOnce(&mut ExprBuilder, &[ExprId]) -> ExprId,
    ) -> Result<Value, Diagnostic> {
        let shapes: Vec<Shape> = inputs.iter().map(|&v| self.shape(v)).collect();
        let space = broadcast_all(shapes.iter().map(Vec::as_slice))?;
        let mut aligned = Vec::with_capacity(inputs.len());
        for (&input, mut shape) in inputs.iter().zip(shapes) {
            let missing = space.len() - shape.len();
            for (own, extent) in shape.iter_mut().zip(&space[missing..]).filter(|(own, _)| !own.is(1)) {
                *own = extent.clone();
            }
            aligned.push(self.restate(input, &shape)?);
        }
        self.map_over(space, 0, false, &aligned, body)
    }

    /// Adds a map over `space` whose last `row_axes` axes are the row of its reductions; with `reduced` the result has
    /// one element per row.
    ///
    /// # Errors
    /// If the inputs do not broadcast to the space.
    pub fn map_over(
        &mut self,
        space: Shape,
        row_axes: usize,
        reduced: bool,
        inputs: &[Value],
        body: impl FnOnce(&mut ExprBuilder, &[ExprId]) -> ExprId,
    ) -> Result<Value, Diagnostic> {
        let mut builder = ExprBuilder::new();
        // A constant of one value is part of the expression, not an input.
        let ids: Vec<ExprId> = inputs
            .iter()
            .enumerate()
            .map(|(i, &v)| match self.constant(v).and_then(Tensor::splat_value) {
                Some(value) => builder.scalar(value),
                None => builder.input(i, self.dtype(v)),
            })
            .collect();
        let output = body(&mut builder, &ids);
        let expr = builder.finish(output);
        // Inputs that the body does not read are dropped.
        let read = expr.inputs();
        let inputs: Vec<Value> = read.iter().map(|&i| inputs[i]).collect();
        let expr = expr.with_inputs(&|i| read.iter().position(|&r| r == i).unwrap_or(i));
        self.add(Map { expr, space, row_axes, reduced }, &inputs)
    }

    /// Converts a value as the operator Cast does.
    ///
    /// # Errors
    /// Never for a value of this graph.
    pub fn cast(&mut self, value: Value, dtype: DType) -> Result<Value, Diagnostic> {
        if self.dtype(value) == dtype {
            return Ok(value);
        }
        self.map(&[value], |e, x| e.cast(x[0], dtype))
    }
}
