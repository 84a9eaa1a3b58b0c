//! What was compiled and what it costs, for people and for tools.

use crate::types::DType;

/// Facts about one compiled model.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The model's file name.
    pub file: String,
    /// Opset of the default domain.
    pub opset: i64,
    /// Inputs in order.
    pub inputs: Vec<Port>,
    /// Outputs in order.
    pub outputs: Vec<Port>,
    /// What stays from one run to the next.
    pub states: Vec<State>,
    /// Symbolic dimensions that are not fixed, with their bounds.
    pub dims: Vec<(String, i64, i64)>,
    /// How often each ONNX operator occurs, most frequent first.
    pub operators: Vec<(String, usize)>,
    /// Steps of the program, in order.
    pub steps: Vec<StepReport>,
    /// How many steps compute integers from nothing but sizes: what is left of shape computations.
    pub size_steps: usize,
    /// Bytes of the arena.
    pub context_bytes: u64,
    /// Bytes of the largest set of values that are live at once: no plan can be smaller.
    pub context_lower_bound_bytes: u64,
    /// Bytes of the model's initializers.
    pub initializer_bytes: u64,
    /// Bytes of the model's initializers, each content counted once; a matrix and its transpose are one content.
    pub unique_initializer_bytes: u64,
    /// Bytes of the weights stored for this model.
    pub stored_weight_bytes: u64,
    /// Bytes of them that hold what is stored in another layout too.
    pub second_form_bytes: u64,
    /// The sets of weights, if there are several.
    pub variants: Vec<VariantReport>,
    /// The constants in the blob that the model reads, by their offset.
    pub weights: Vec<WeightReport>,
    /// The values in the arena, in the order in which they are first needed.
    pub values: Vec<ValueReport>,
    /// Multiplications with accumulation of one run at the largest sizes.
    pub macs: u64,
    /// Text dumps that were asked for: stage and text.
    pub dumps: Vec<(String, String)>,
}

/// An input or output.
#[derive(Clone, Debug)]
pub struct Port {
    /// Name in the ONNX file.
    pub name: String,
    /// Field of `Inputs` or `Outputs`.
    pub field: String,
    /// Element type.
    pub dtype: DType,
    /// Extents as text; a symbolic one by its expression.
    pub shape: Vec<String>,
    /// Extents in numbers, if none is symbolic. Then the field is `&[T; N]`, otherwise `TensorRef<T, RANK>`.
    pub fixed: Option<Vec<usize>>,
}

/// A constant in the blob.
#[derive(Clone, Debug)]
pub struct WeightReport {
    /// Names of all initializers that have this content.
    pub names: Vec<String>,
    /// Element type.
    pub dtype: DType,
    /// Extents, as the model has them.
    pub shape: Vec<usize>,
    /// First byte in the blob.
    pub offset: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// Order of the elements.
    pub layout: String,
    /// The ONNX nodes that read it.
    pub readers: Vec<String>,
    /// Whether the blob holds the same content in another layout before it.
    pub second_form: bool,
}

/// A set of weights of a program that has several.
#[derive(Clone, Debug)]
pub struct VariantReport {
    /// Its name.
    pub name: String,
    /// Bytes of the blob that it reads and no set before it does.
    pub added_bytes: u64,
}

/// A value in the arena.
#[derive(Clone, Debug)]
pub struct ValueReport {
    /// Name in the ONNX file, where it has one.
    pub name: String,
    /// First byte in the arena.
    pub offset: u64,
    /// Number of bytes at the largest sizes.
    pub bytes: u64,
    /// The first step that needs it.
    pub first: usize,
    /// The last step that needs it; one past the last step for results.
    pub last: usize,
}

/// An output that is an input of the next run.
#[derive(Clone, Debug)]
pub struct State {
    /// Name of the output in the ONNX file.
    pub output: String,
    /// Name of the input.
    pub input: String,
    /// Element type.
    pub dtype: DType,
    /// Extents before a run as text.
    pub shape: Vec<String>,
    /// Bytes of the arena that it has for itself.
    pub bytes: u64,
}

/// One step of the program.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The generated function or kernel that computes it.
    pub what: String,
    /// The ONNX nodes it computes.
    pub origins: Vec<String>,
    /// Multiplications with accumulation.
    pub macs: u64,
}
