//! Values, nodes and the graph.

use super::content::{self, Sizes};
use super::op::{Fact, Op};
use crate::diag::{Code, Diagnostic};
use crate::expr::Expr;
use crate::types::{DType, Dim, Origin, Range, Scalar, Standing, Symbol, Symbols, Tensor, TensorType};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

/// A value of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

/// A node of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Def {
    /// Input of the graph, by position.
    Input(usize),
    /// A constant.
    Const(Tensor),
    /// An output of a node, by position.
    Node(NodeId, usize),
}

/// What is known of a value.
#[derive(Clone, Debug)]
pub struct ValueData {
    /// Element type and shape.
    pub ty: TensorType,
    /// Name in the ONNX file, where it has one.
    pub name: Option<String>,
    /// Where it comes from.
    pub def: Def,
    /// Its elements as expressions of symbols, if it is a small tensor of integers or truth values (0 and 1) that is
    /// computed from dimensions.
    pub content: Option<Vec<Dim>>,
}

/// A map that is applied to a node's result while it is stored.
#[derive(Clone, Debug)]
pub struct Epilogue {
    /// Input 0 is the node's result, input `i + 1` is `inputs[i]`. No reductions.
    pub expr: Expr,
    /// What else it reads: tensors that broadcast to the result.
    pub inputs: Vec<Value>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct NodeData {
    /// What it computes.
    pub op: Rc<dyn Op>,
    /// Inputs of `op`.
    pub inputs: Vec<Value>,
    /// Map of the first output.
    pub epilogue: Option<Epilogue>,
    /// Results.
    pub outputs: Vec<Value>,
    /// The ONNX nodes it computes, in order.
    pub origins: Vec<Origin>,
}

impl NodeData {
    /// Everything it reads: inputs, then those of the epilogue.
    pub fn reads(&self) -> impl Iterator<Item = Value> + '_ {
        self.inputs.iter().chain(self.epilogue.iter().flat_map(|e| &e.inputs)).copied()
    }

    /// The operator as a concrete one.
    pub fn is<T: Op>(&self) -> Option<&T> {
        self.op.downcast()
    }
}

/// What is not a tensor: it exists while a model is imported only. An empty constant is the handle for it.
#[derive(Clone, Debug)]
pub enum Composite {
    /// A sequence of these values.
    List(Vec<Value>),
    /// A sequence of the slices of a value's first axis.
    Stack(Value),
    /// An optional value that is not there.
    Absent,
}

/// Two expressions that must have one value whenever the program runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// What is there.
    pub have: Dim,
    /// What it must be.
    pub want: Dim,
    /// What it is about, for the error of the run.
    pub what: String,
}

/// A typed graph in evaluation order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    values: Vec<ValueData>,
    nodes: Vec<NodeData>,
    /// Inputs of the program.
    pub inputs: Vec<Value>,
    /// Results of the program with their names.
    pub outputs: Vec<(String, Value)>,
    /// What is known of each symbol.
    pub symbols: Symbols,
    /// What the symbols must fulfil, beside their ranges.
    pub requirements: Vec<Requirement>,
    /// Constants that the caller may replace: the last inputs, and what they are unless replaced.
    pub defaults: Vec<Tensor>,
    composites: BTreeMap<Value, Composite>,
    extents: BTreeSet<Dim>,
    /// Inputs, by name, that must have this value.
    pub pinned: Vec<(String, Tensor)>,
    /// Bytes by which folding may still make the constants grow, for graphs of models.
    pub growth: Option<usize>,
}

/// Results of at most this many bytes are computed as soon as a node of constants is added.
const FOLD_BYTES: usize = 1 << 10;
/// So are larger ones, up to this many bytes, if they are not larger than what they are computed from.
const FOLD_BYTES_IF_SHRINKING: usize = 1 << 14;
/// What is neither a size nor a position is a weight if it takes more bytes than this.
const FOLD_WEIGHTS_BYTES: usize = 64;

impl Graph {
    /// An empty graph over these symbols.
    pub fn new(symbols: Symbols) -> Graph {
        Graph { symbols, ..Graph::default() }
    }

    /// The nodes in evaluation order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &NodeData)> {
        self.nodes.iter().enumerate().map(|(i, n)| (NodeId(i as u32), n))
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &NodeData {
        &self.nodes[id.0 as usize]
    }

    /// Number of values.
    pub fn value_count(&self) -> usize {
        self.values.len()
    }

    /// What is known of a value.
    pub fn value(&self, value: Value) -> &ValueData {
        &self.values[value.0 as usize]
    }

    /// Element type and shape of a value.
    pub fn ty(&self, value: Value) -> &TensorType {
        &self.value(value).ty
    }

    /// The elements of a constant.
    pub fn constant(&self, value: Value) -> Option<&Tensor> {
        match &self.value(value).def {
            Def::Const(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Bytes of all constants.
    pub fn constant_bytes(&self) -> usize {
        self.values
            .iter()
            .map(|v| match &v.def {
                Def::Const(tensor) => tensor.bytes().len(),
                Def::Input(_) | Def::Node(..) => 0,
            })
            .sum()
    }

    /// The node that computes a value.
    pub fn producer(&self, value: Value) -> Option<&NodeData> {
        match self.value(value).def {
            Def::Node(id, _) => Some(self.node(id)),
            _ => None,
        }
    }

    /// Names a value after a value of the ONNX file, unless it has a name.
    pub fn set_name(&mut self, value: Value, name: &str) {
        let slot = &mut self.values[value.0 as usize].name;
        if slot.is_none() && !name.is_empty() {
            *slot = Some(name.to_owned());
        }
    }

    /// Adds an input of the program.
    pub fn add_input(&mut self, name: &str, ty: TensorType) -> Value {
        let value = self.push(ty, Def::Input(self.inputs.len()), None);
        self.set_name(value, name);
        self.inputs.push(value);
        value
    }

    /// Adds a constant.
    pub fn add_const(&mut self, tensor: Tensor) -> Value {
        // What differs between variants is no number that anything depends on, unless it can be a size.
        let counts = matches!(tensor.dtype(), DType::I64 | DType::I32 | DType::Bool);
        let told = tensor.len() <= 64 && (counts || tensor.role().is_none());
        let content = if told { tensor.scalars().map(content::parts_of).collect() } else { None };
        self.push(tensor.ty(), Def::Const(tensor), content)
    }

    /// Says what is known of the elements of an input.
    pub fn set_content(&mut self, input: Value, content: Option<Vec<Dim>>) {
        self.values[input.0 as usize].content = content;
    }

    /// A new symbol, called `wanted` or like it.
    pub fn new_symbol(&mut self, wanted: &str, range: Range) -> Symbol {
        let mut symbol = Symbol::new(wanted);
        let mut number = 2;
        while self.symbols.contains_key(&symbol) {
            symbol = Symbol::new(&format!("{wanted}_{number}"));
            number += 1;
        }
        self.symbols.insert(symbol.clone(), range);
        symbol
    }

    /// A handle for a sequence or a missing value.
    pub fn add_composite(&mut self, composite: Composite) -> Value {
        let handle = self.add_const(Tensor::from_i64s(&[]));
        self.composites.insert(handle, composite);
        handle
    }

    /// What a handle stands for; `None` for tensors.
    pub fn composite(&self, value: Value) -> Option<&Composite> {
        self.composites.get(&value)
    }

    fn push(&mut self, ty: TensorType, def: Def, content: Option<Vec<Dim>>) -> Value {
        self.extents.extend(ty.shape.iter().filter(|d| content::is_telling(d)).cloned());
        self.values.push(ValueData { ty, name: None, def, content });
        Value(u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX))
    }

    fn fact(&self, value: Value) -> Fact<'_> {
        let data = self.value(value);
        let sizes = Sizes { symbols: &self.symbols, extents: &self.extents };
        Fact { ty: &data.ty, constant: self.constant(value), content: data.content.as_deref(), sizes }
    }

    /// Adds a node and gives its results. Small constant results are computed at once.
    ///
    /// # Errors
    /// If the inputs do not fit the operator.
    pub fn add(
        &mut self,
        op: Rc<dyn Op>,
        inputs: Vec<Value>,
        epilogue: Option<Epilogue>,
        origins: Vec<Origin>,
    ) -> Result<Vec<Value>, Diagnostic> {
        let facts: Vec<Fact<'_>> = inputs.iter().map(|&v| self.fact(v)).collect();
        let mut types = op.infer(&facts)?;
        for ty in &types {
            check_size(ty, &self.symbols)?;
        }
        let content = if epilogue.is_none() && types.len() == 1 { op.content(&facts) } else { None };
        let content = content.filter(|c| content::is_exact(c, types[0].dtype, &self.symbols));
        if let Some(folded) = content.as_ref().and_then(|c| fixed_content(c, &types[0])) {
            return Ok(vec![self.add_const(folded)]);
        }
        let small = epilogue.is_none() && fold_pays(&types, &facts);
        if small {
            let constants: Option<Vec<Tensor>> = facts.iter().map(|f| f.constant.cloned()).collect();
            if let Some(results) = constants.and_then(|c| op.eval(&c)) {
                let roles: Vec<Option<u64>> =
                    inputs.iter().map(|&v| self.constant(v).and_then(Tensor::role)).collect();
                let derived = |t: Tensor, at: usize| {
                    // What only has another shape stays what it is.
                    let own = t.is_kept() || t.role().is_some();
                    if own { t } else { t.standing(Standing::derived(roles.iter().copied(), at)) }
                };
                let first = self.values.len();
                let results = results.into_iter().enumerate().map(|(i, t)| derived(t, first + i));
                let results: Vec<Tensor> = results.collect();
                return Ok(results.into_iter().map(|t| self.add_const(t)).collect());
            }
        }
        if let Some(epilogue) = &epilogue {
            types[0].dtype = epilogue.expr.dtype();
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let outputs: Vec<Value> = types
            .into_iter()
            .enumerate()
            .map(|(i, ty)| self.push(ty, Def::Node(id, i), if i == 0 { content.clone() } else { None }))
            .collect();
        self.nodes.push(NodeData { op, inputs, epilogue, outputs: outputs.clone(), origins });
        Ok(outputs)
    }

    /// Whether a node's result is made of expressions where its inputs are, all of them integers or truth values.
    pub fn passes_content(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let countable = |v: &Value| self.ty(*v).dtype.is_int() || self.ty(*v).dtype == DType::Bool;
        if node.epilogue.is_some() || node.outputs.len() != 1 || !node.inputs.iter().all(countable) {
            return false;
        }
        let elements = |v: &Value| self.ty(*v).elements().as_usize().filter(|&n| n <= 64);
        let Some(lengths) = node.inputs.iter().map(elements).collect::<Option<Vec<usize>>>() else {
            return false;
        };
        let unknown = Dim::symbol(Symbol::new("?"));
        let unknowns: Vec<Vec<Dim>> = lengths.into_iter().map(|n| vec![unknown.clone(); n]).collect();
        let known = |(&v, unknown)| {
            let fact = self.fact(v);
            Fact { content: fact.content.or(Some(unknown)), ..fact }
        };
        let facts: Vec<Fact<'_>> =
            node.inputs.iter().zip(unknowns.iter().map(Vec::as_slice)).map(known).collect();
        !facts.is_empty() && node.op.content(&facts).is_some()
    }

    /// How often each value is read, results of the program included.
    pub fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        for node in &self.nodes {
            for value in node.reads() {
                counts[value.0 as usize] += 1;
            }
        }
        for (_, value) in &self.outputs {
            counts[value.0 as usize] += 1;
        }
        counts
    }
}

/// Whether a node of these inputs is folded at once: all of them are constants, and the result is small. What is made of
/// weights waits for the pass that knows who else reads them.
fn fold_pays(types: &[TensorType], facts: &[Fact<'_>]) -> bool {
    let bytes = |t: &TensorType| t.elements().as_usize().and_then(|n| n.checked_mul(t.dtype.size()));
    let Some(result) = types.iter().map(bytes).sum::<Option<usize>>() else { return false };
    let Some(given) = facts.iter().map(|f| f.constant.map(|t| t.bytes().len())).sum::<Option<usize>>() else {
        return false;
    };
    let counts = types.iter().all(|t| matches!(t.dtype, DType::I64 | DType::I32 | DType::Bool));
    let weights = !counts && result > FOLD_WEIGHTS_BYTES;
    !weights
        && given <= 16 * FOLD_BYTES_IF_SHRINKING
        && (result <= FOLD_BYTES || result <= given && result <= FOLD_BYTES_IF_SHRINKING)
}

/// The constant that `content` is, if none of it is symbolic. Floating-point constants are computed as the model says,
/// to the sign of zero.
fn fixed_content(content: &[Dim], ty: &TensorType) -> Option<Tensor> {
    let values: Option<Vec<i64>> = content.iter().map(Dim::as_i64).collect();
    let shape = ty.fixed_shape().filter(|_| !ty.dtype.is_float())?;
    let values = values.filter(|v| v.len() == shape.iter().product::<usize>())?;
    Some(Tensor::from_scalars(ty.dtype, shape, values.into_iter().map(|v| Scalar::Int(DType::I64, v))))
}

/// Refuses negative extents and sizes beyond what any target can address. Extents of zero count as one, so that
/// strides are within bounds too.
pub(crate) fn check_size(ty: &TensorType, symbols: &Symbols) -> Result<(), Diagnostic> {
    const LIMIT: i64 = 1 << 46;
    let mut bytes = Some(ty.dtype.size() as i64);
    for dim in &ty.shape {
        let range = dim.range(symbols);
        if let Some(range) = range.filter(|r| r.hi < 0) {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("a dimension of {ty} is negative ({})", range.hi),
            ));
        }
        bytes = bytes.and_then(|b| b.checked_mul(range.map_or(1, |r| r.hi.max(1))));
    }
    match bytes {
        Some(bytes) if bytes < LIMIT => Ok(()),
        _ => Err(Diagnostic::new(Code::TooLarge, format!("a value of type {ty} does not fit any memory"))
            .help("check the dimensions; bound symbolic ones more tightly")),
    }
}
