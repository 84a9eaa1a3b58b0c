//! The text of graphs, for dumps and tests.

use super::graph::{Def, Graph};
use std::fmt;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &input in &self.inputs {
            let data = self.value(input);
            writeln!(f, "input {input} \"{}\": {}", data.name.as_deref().unwrap_or_default(), data.ty)?;
        }
        for index in 0..self.value_count() {
            let value = super::Value(index as u32);
            if let Def::Const(tensor) = &self.value(value).def {
                writeln!(f, "const {value} = {tensor:?}")?;
            }
        }
        for (_, node) in self.nodes() {
            for (i, &output) in node.outputs.iter().enumerate() {
                write!(f, "{}{output}: {}", if i == 0 { "" } else { ", " }, self.ty(output))?;
            }
            write!(f, " = {:?}(", node.op)?;
            for (i, input) in node.inputs.iter().enumerate() {
                write!(f, "{}{input}", if i == 0 { "" } else { ", " })?;
            }
            write!(f, ")")?;
            if let Some(epilogue) = &node.epilogue {
                write!(f, " then [{}](", epilogue.expr)?;
                for (i, input) in epilogue.inputs.iter().enumerate() {
                    write!(f, "{}{input}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, ")")?;
            }
            writeln!(f)?;
        }
        for requirement in &self.requirements {
            writeln!(f, "require {} == {}: {}", requirement.have, requirement.want, requirement.what)?;
        }
        for (name, value) in &self.outputs {
            writeln!(f, "output {value} \"{name}\"")?;
        }
        Ok(())
    }
}
