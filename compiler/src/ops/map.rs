//! Map: a scalar expression over an iteration space, with reductions along its trailing axes if it has any.
//!
//! Every pointwise operator, every generator (Range, EyeLike, masks) and every row kernel (Softmax, LayerNormalization)
//! is a map; fusing them is composing their expressions.

mod symbolic;

use crate::diag::{Code, Diagnostic, Reported};
use crate::expr::{Expr, ExprKind, evaluate};
use crate::ir::{Fact, Graph, NodeData, Op, Sizes, Value};
use crate::lir::{Access, MapStep, Packing, Place};
use crate::lower::LowerCx;
use crate::types::{Dim, Shape, Tensor, TensorType};

use super::shape::broadcast;

/// The core operator.
#[derive(Clone)]
pub struct Map {
    /// What is computed at each point. Input `i` is the node's input `i`, broadcast to the space.
    pub expr: Expr,
    /// Extents of the iteration space.
    pub space: Shape,
    /// How many trailing axes are the row that reductions run over.
    pub row_axes: usize,
    /// Whether the result has extent one along the row's axes.
    pub reduced: bool,
}

impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}] over {:?}", self.name(), self.expr, self.space)?;
        match (self.row_axes, self.reduced) {
            (0, _) => Ok(()),
            (axes, false) => write!(f, " rows {axes}"),
            (axes, true) => write!(f, " reduced rows {axes}"),
        }
    }
}

impl Map {
    /// An elementwise map over `space`.
    pub fn new(expr: Expr, space: Shape) -> Map {
        Map { expr, space, row_axes: 0, reduced: false }
    }

    /// Shape of the result.
    pub fn output_shape(&self) -> Shape {
        let mut shape = self.space.clone();
        if self.reduced {
            let rank = shape.len();
            shape[rank - self.row_axes..].fill(Dim::ONE);
        }
        shape
    }
}

impl Op for Map {
    fn name(&self) -> &'static str {
        if self.expr.has_reductions() { "Rows" } else { "Map" }
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        for (i, input) in inputs.iter().enumerate() {
            if broadcast(&input.ty.shape, &self.space)? != self.space {
                return Err(Diagnostic::new(
                    Code::BadInput,
                    format!("input {i} of type {} does not broadcast to {:?}", input.ty, self.space),
                ));
            }
            if let Some(dtype) = self.expr.input_dtype(i).filter(|d| *d != input.ty.dtype) {
                return Err(Diagnostic::new(
                    Code::BadInput,
                    format!("input {i} has element type {} where {dtype} is needed", input.ty.dtype),
                )
                .help("all inputs of an arithmetic operator must have one element type; insert a Cast"));
            }
        }
        // Constants in the expression have no input whose type could be wrong.
        if let Some((a, b)) = self.expr.mixed_types() {
            return Err(Diagnostic::new(Code::BadInput, format!("elements of types {a} and {b} meet"))
                .help("all inputs of an arithmetic operator must have one element type; insert a Cast"));
        }
        Ok(vec![TensorType::new(self.expr.dtype(), self.output_shape())])
    }

    fn content(&self, inputs: &[Fact<'_>]) -> Option<Vec<Dim>> {
        let elements = Dim::product(&self.space).as_usize().filter(|&n| n <= 64)?;
        // Of more axes, elements are counted through, so each input must be counted like the result.
        let alike = |f: &Fact<'_>| f.ty.elements().is(1) || f.ty.shape == self.space;
        let flat = self.space.len() <= 1 || inputs.iter().all(alike) && !self.expr.has_indices();
        if self.expr.has_reductions() || !flat {
            return None;
        }
        let per_input: Option<Vec<&[Dim]>> = inputs.iter().map(|f| f.content).collect();
        let per_input = per_input?;
        let sizes = inputs.first().map_or(Sizes::NOTHING, |f| f.sizes);
        (0..elements).map(|e| symbolic::element(&self.expr, &per_input, sizes, e)).collect()
    }

    fn eval(&self, inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        let space: Vec<usize> = self.space.iter().map(Dim::as_usize).collect::<Option<_>>()?;
        let known = self.expr.sizes().next().is_none();
        known.then(|| vec![evaluate(&self.expr, inputs, &space, self.row_axes, self.reduced)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        if let Some(i) = self.expr.as_identity() {
            let view = cx.input(i);
            if view.shape == self.space {
                cx.alias(0, view);
                return Ok(());
            }
        }
        let loads: Vec<Access> =
            (0..cx.input_count()).map(|i| cx.input(i).broadcast(&self.space).access()).collect();
        let output = cx.output(0);
        let mut store = output.access();
        if self.reduced {
            let rank = self.space.len();
            store.strides[rank - self.row_axes..].fill(Dim::ZERO);
        }
        cx.map(MapStep {
            space: self.space.clone(),
            row_axes: self.row_axes,
            reduced: self.reduced,
            expr: self.expr.clone(),
            loads,
            store,
        });
        Ok(())
    }

    fn permuted(&self, perm: &[usize]) -> Option<Box<dyn Op>> {
        let axis_of = |old: usize| perm.iter().position(|&p| p == old).unwrap_or(old);
        let row_stays = (perm.len() - self.row_axes..perm.len()).all(|a| perm[a] == a);
        (perm.len() == self.space.len() && row_stays).then(|| {
            Box::new(Map {
                expr: self.expr.with_axes(&axis_of),
                space: perm.iter().map(|&a| self.space[a].clone()).collect(),
                ..self.clone()
            }) as Box<dyn Op>
        })
    }

    fn writes_strided(&self) -> bool {
        true
    }
}

/// Weights that are input `i` of a node, in the layout that its kernel reads; `None` if they are computed at run time,
/// or stored in the model's order because others read them too.
///
/// Weights may be a map of a constant and scalars, such as a dequantisation. Packing only moves elements, so the
/// constant is packed as it is and the map runs over the packed elements: the blob does not grow.
pub fn packed_weights(cx: &mut LowerCx<'_>, i: usize, packing: Packing) -> Option<Place> {
    if let Some(tensor) = cx.constant(i) {
        return if cx.packs(tensor) { cx.packed_input(i, packing) } else { None };
    }
    let (weights, producer) = unpacked_weights(cx.graph, cx.input_value(i))?;
    let (map, tensor) = (producer.is::<Map>()?, cx.graph.constant(weights)?);
    if !cx.packs(tensor) {
        return None;
    }
    let name = cx.graph.value(weights).name.as_deref();
    let stored = cx.weight(tensor, packing, name);
    let unpacked = cx.scratch(map.expr.dtype(), stored.len.clone());
    let along = |place: &Place, stride: Dim| Access {
        buffer: place.buffer,
        offset: place.offset.clone(),
        strides: vec![stride],
    };
    let mut loads = Vec::with_capacity(producer.inputs.len());
    for &input in &producer.inputs {
        loads.push(if input == weights {
            along(&stored, Dim::ONE)
        } else {
            let scalar = cx.dense_value(input);
            along(&scalar, Dim::ZERO)
        });
    }
    cx.map(MapStep {
        space: vec![stored.len.clone()],
        row_axes: 0,
        reduced: false,
        expr: map.expr.clone(),
        loads,
        store: along(&unpacked, Dim::ONE),
    });
    Some(unpacked)
}

/// The constant that `value` is an elementwise map of, with scalars, and the node that maps it.
pub fn unpacked_weights(graph: &Graph, value: Value) -> Option<(Value, &NodeData)> {
    let producer = graph.producer(value)?;
    let map = producer.is::<Map>().filter(|m| !m.expr.has_reductions() && producer.epilogue.is_none())?;
    if map.expr.nodes().any(|(_, n)| matches!(n.kind, ExprKind::Index(_))) {
        return None;
    }
    let is_scalar = |value: &Value| graph.ty(*value).elements().is(1);
    let mut full = producer.inputs.iter().filter(|v| !is_scalar(v));
    let (&weights, None) = (full.next()?, full.next()) else { return None };
    graph.constant(weights)?;
    (graph.ty(weights).shape == map.space).then_some((weights, producer))
}
