//! Where a thing comes from in the ONNX file.

use std::fmt;

/// The ONNX node that a piece of the program computes, kept through every rewrite.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Position in its graph's node list.
    pub index: usize,
    /// The node's name; the name of its first output if it has none.
    pub name: String,
    /// The operator, in ONNX spelling.
    pub op: String,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.op, self.name)
    }
}
