//! The low-level program: buffers and steps.
//!
//! Closed and small on purpose. A step calls a kernel of the kernels crate, is a loop nest around a scalar expression,
//! or is control flow around blocks of steps. Nothing here knows of ONNX but the names in [`Origin`]s, which become
//! comments.

mod control;
mod print;
mod sizes;
mod state;
mod verify;
mod walk;

pub use control::{Block, Branch, Growing, Joined, Loop};
pub use state::StatePort;
pub use walk::Touch;

use crate::expr::Expr;
use crate::ir::Requirement;
use crate::types::{DType, Dim, Origin, Symbol, Symbols, Tensor};

/// A buffer of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// Where a buffer lives.
#[derive(Clone, Debug, PartialEq)]
pub enum Class {
    /// The caller's input, by position.
    Input(usize),
    /// The arena.
    Arena,
    /// The blob.
    Const(ConstData),
}

/// A constant and the layout its readers want.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstData {
    /// The elements as the model has them.
    pub tensor: Tensor,
    /// How they are stored.
    pub packing: Packing,
}

/// Layouts of constants. Each is written by the packer beside the kernel that reads it; none changes the number of
/// elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// Row-major, as the model has it.
    Plain,
    /// Panels of 16 columns of a matrix `[k, n]`, or of its transpose given as `[n, k]`; several matrices one after
    /// another.
    Panels {
        /// Number of matrices.
        batch: usize,
        /// Depth of the product.
        k: usize,
        /// Columns.
        n: usize,
        /// Whether the tensor holds `[n, k]`.
        transposed: bool,
    },
    /// Panels of 16 filters of convolution weights given as `[filters, channels / groups, kd, kh, kw]`.
    ConvPanels {
        /// Filters in all groups.
        filters: usize,
        /// Channels that one filter reads.
        group_channels: usize,
        /// Extents of the window.
        kernel: [usize; 3],
        /// Groups.
        groups: usize,
    },
    /// `[taps][channels]` of depthwise weights given as `[channels, 1, kd, kh, kw]`.
    Depthwise {
        /// Channels.
        channels: usize,
        /// Product of the window's extents.
        taps: usize,
    },
    /// Panels of transposed-convolution weights given as `[channels, filters / groups, kd, kh, kw]`.
    ConvTransposePanels {
        /// Channels in all groups.
        channels: usize,
        /// Filters of one group.
        group_filters: usize,
        /// Extents of the window.
        kernel: [usize; 3],
        /// Groups.
        groups: usize,
    },
}

impl Packing {
    /// The same layout under the name that most kernels have for it: panels of one group and one tap are those of a
    /// matrix.
    pub fn plainest(self) -> Packing {
        match self {
            Packing::ConvPanels { filters, group_channels, kernel: [1, 1, 1], groups: 1 } => {
                Packing::Panels { batch: 1, k: group_channels, n: filters, transposed: true }
            }
            other => other,
        }
    }
}

/// What is known of a buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Element type.
    pub dtype: DType,
    /// Number of elements.
    pub len: Dim,
    /// Where it lives.
    pub class: Class,
    /// Name of the ONNX value it holds, for comments and names in generated code.
    pub name: String,
}

/// Consecutive elements of a buffer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The buffer.
    pub buffer: BufferId,
    /// First element.
    pub offset: Dim,
    /// Number of elements.
    pub len: Dim,
}

/// An argument of a kernel call, and at the same time the text of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// `&[T]`, under the given parameter name.
    Read(&'static str, Place),
    /// `&mut [T]`; what it held before is not read.
    Write(&'static str, Place),
    /// `&mut [T]`; what it held before is read.
    Update(&'static str, Place),
    /// A `usize`.
    Size(Dim),
    /// An `isize`.
    Signed(Dim),
    /// An `i64`.
    Int(i64),
    /// A floating-point literal of this type.
    Float(DType, f64),
    /// `true` or `false`.
    Bool(bool),
    /// A path in the kernels crate, such as `pool::Pad::Edge`.
    Path(&'static str),
    /// A struct literal of the kernels crate; passed by value.
    Struct(&'static str, Vec<(&'static str, Arg)>),
    /// `[a, b, …]`.
    Array(Vec<Arg>),
    /// `(a, b, …)`.
    Tuple(Vec<Arg>),
    /// `path(a, b, …)`: a function or tuple variant of the kernels crate, such as `matmul::Rhs::Panels(w)`.
    Apply(&'static str, Vec<Arg>),
    /// `&` of the argument.
    Ref(Box<Arg>),
    /// `Some(argument)`.
    Some(Box<Arg>),
    /// `None`.
    None,
    /// One argument, or another where the plan puts the slice that is written under this name over the one that the first
    /// argument reads. Both slices have the same elements at the same places.
    Over(&'static str, Box<Arg>, Box<Arg>),
    /// `&|row, column, y: &mut [f32]| …`: a map over a segment of a row.
    RowMap(RowMap),
}

/// A map of rows, evaluated inside a kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct RowMap {
    /// Input 0 is the element itself, input `i + 1` is read from `loads[i]`. Positions are those of the row along its
    /// axes, then of the column.
    pub expr: Expr,
    /// How many axes rows are numbered along. The closure takes the number of the row if it is one, else an array.
    pub row_axes: usize,
    /// Where the other inputs are.
    pub loads: Vec<RowLoad>,
}

/// An input of a row map: element `first + Σ row[axis] * row_strides[axis] + column * column_stride`.
#[derive(Clone, Debug, PartialEq)]
pub struct RowLoad {
    /// The elements.
    pub place: Place,
    /// The element of the first row and column.
    pub first: Dim,
    /// Elements between rows, for each axis of rows; negative numbers go backwards.
    pub row_strides: Vec<Dim>,
    /// Elements between columns, 0 or 1.
    pub column_stride: usize,
}

/// A call of a function of the kernels crate.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Path below the kernels crate: `conv::conv_f32`.
    pub kernel: &'static str,
    /// Explicit generic arguments.
    pub generics: Vec<DType>,
    /// Arguments.
    pub args: Vec<Arg>,
    /// Whether the function returns `Result<_, kernels::select::IndexError>`, which becomes an error that names the node.
    pub fallible: bool,
    /// The symbol whose value the function returns, as `usize`: how many elements it found.
    pub count: Option<Symbol>,
}

/// How a loop nest reads or writes a buffer: element `offset + Σ index[axis] * strides[axis]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// The buffer.
    pub buffer: BufferId,
    /// Element at index zero.
    pub offset: Dim,
    /// Elements between neighbours along each axis; 0 where broadcast, negative where reversed.
    pub strides: Vec<Dim>,
}

/// A loop nest around a scalar expression.
#[derive(Clone, Debug, PartialEq)]
pub struct MapStep {
    /// Extents of the iteration space.
    pub space: Vec<Dim>,
    /// How many trailing axes are the row that reductions run over.
    pub row_axes: usize,
    /// Whether there is one result per row; the store's strides are zero along the row then.
    pub reduced: bool,
    /// What is computed at each point.
    pub expr: Expr,
    /// Where input `i` of the expression is.
    pub loads: Vec<Access>,
    /// Where the result goes.
    pub store: Access,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// Calls a kernel.
    Call(Call),
    /// Runs a loop nest.
    Map(MapStep),
    /// Copies elements; both accesses run over `space`.
    Copy {
        /// Extents.
        space: Vec<Dim>,
        /// Where elements come from.
        load: Access,
        /// Where they go.
        store: Access,
    },
    /// Gives a symbol the value of a 64-bit integer that was computed.
    Bind {
        /// The symbol.
        symbol: Symbol,
        /// The integer: one element.
        place: Place,
        /// The largest value it may have; the least is zero.
        most: Dim,
    },
    /// Ends the run with an error unless a truth value is as expected.
    Check {
        /// The truth value: one element.
        condition: Place,
        /// What it must be.
        expected: bool,
        /// What is wrong if it is not, as a clause.
        what: &'static str,
    },
    /// Runs one of two blocks.
    Branch(Branch),
    /// Runs a block again and again.
    Loop(Loop),
}

/// A step of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// The ONNX nodes it computes.
    pub origins: Vec<Origin>,
    /// One line for the generated function's comment: operator and types.
    pub summary: String,
    /// Multiplications with accumulation.
    pub macs: Dim,
}

/// An input or output of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Name in the ONNX file.
    pub name: String,
    /// Extents.
    pub shape: Vec<Dim>,
    /// The buffer: of class `Input` for inputs, `Arena` for outputs, row-major from its first element.
    pub buffer: BufferId,
}

/// A program: what the planner places and the emitter writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Symbols that are not fixed, with their bounds.
    pub symbols: Symbols,
    /// What the symbols must fulfil, beside their ranges.
    pub requirements: Vec<Requirement>,
    /// Inputs, by name, that must have this value.
    pub pinned: Vec<(String, Tensor)>,
    /// Buffers.
    pub buffers: Vec<Buffer>,
    /// Inputs in order.
    pub inputs: Vec<Port>,
    /// Constants that the caller may replace: the last inputs, and what they are unless replaced.
    pub defaults: Vec<Tensor>,
    /// Outputs in order.
    pub outputs: Vec<Port>,
    /// What stays from one run to the next; neither input nor output.
    pub states: Vec<StatePort>,
    /// Steps in order.
    pub steps: Vec<Step>,
}

impl Program {
    /// What is known of a buffer.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        &self.buffers[id.0 as usize]
    }
}
