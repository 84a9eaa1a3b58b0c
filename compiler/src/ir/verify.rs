//! What every graph must hold, whatever stage it is at.

use super::graph::{Def, Graph, Value};

impl Graph {
    /// Checks that nodes are in evaluation order, that values and nodes agree on who defines what, and that epilogues
    /// are maps of their node's result.
    ///
    /// # Errors
    /// What is wrong, as a sentence: a defect of the pass that made the graph.
    pub fn verify(&self) -> Result<(), String> {
        let mut defined = vec![false; self.value_count()];
        for (index, defined) in defined.iter_mut().enumerate() {
            *defined = !matches!(self.value(Value(index as u32)).def, Def::Node(..));
        }
        for (id, node) in self.nodes() {
            for read in node.reads() {
                if !defined.get(read.0 as usize).copied().unwrap_or(false) {
                    return Err(format!("{:?} reads {read} before it is computed", node.op));
                }
            }
            for (i, &output) in node.outputs.iter().enumerate() {
                if !matches!(self.value(output).def, Def::Node(n, o) if n == id && o == i) {
                    return Err(format!("{:?} does not define its result {output}", node.op));
                }
                defined[output.0 as usize] = true;
            }
            if let Some(epilogue) = &node.epilogue {
                if !node.op.accepts_epilogue() {
                    return Err(format!("{:?} has an epilogue that it cannot compute", node.op));
                }
                if epilogue.expr.has_reductions()
                    || epilogue.expr.inputs().iter().any(|&i| i > epilogue.inputs.len())
                {
                    return Err(format!("the epilogue of {:?} is not a map of its inputs", node.op));
                }
            }
        }
        match self.outputs.iter().find(|(_, v)| !defined[v.0 as usize]) {
            Some((name, _)) => Err(format!("the result \"{name}\" is never computed")),
            None => Ok(()),
        }
    }
}
