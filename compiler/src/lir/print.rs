//! The text of programs, for dumps and tests.

use super::{Access, Arg, BufferId, Class, Program, Step, StepKind};
use std::fmt;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, buffer) in self.buffers.iter().enumerate() {
            write!(f, "buffer b{i} \"{}\": {} x {} ", buffer.name, buffer.dtype, buffer.len)?;
            match &buffer.class {
                Class::Input(n) => writeln!(f, "input {n}")?,
                Class::Arena if self.is_state(BufferId(i as u32)) => writeln!(f, "state")?,
                Class::Arena => writeln!(f, "arena")?,
                Class::Const(c) => writeln!(f, "const {:?} {:?}", c.tensor, c.packing)?,
            }
        }
        self.steps.iter().try_for_each(|step| write_step(f, step, 0))
    }
}

/// A step and, indented below it, the steps of its blocks.
fn write_step(f: &mut fmt::Formatter<'_>, step: &Step, depth: usize) -> fmt::Result {
    writeln!(f, "{:indent$}{step}", "", indent = 2 * depth)?;
    for (number, block) in step.blocks().into_iter().enumerate() {
        if number > 0 {
            writeln!(f, "{:indent$}else", "", indent = 2 * depth)?;
        }
        block.steps.iter().try_for_each(|step| write_step(f, step, depth + 1))?;
    }
    Ok(())
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            StepKind::Call(call) => {
                if let Some(count) = &call.count {
                    write!(f, "{} = ", count.name())?;
                }
                write!(f, "{}(", call.kernel)?;
                for (i, arg) in call.args.iter().enumerate() {
                    write!(f, "{}{arg}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, ")")?;
            }
            StepKind::Map(map) => {
                write!(f, "{} = map {:?} row {} [{}](", map.store, map.space, map.row_axes, map.expr)?;
                for (i, load) in map.loads.iter().enumerate() {
                    write!(f, "{}{load}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, ")")?;
            }
            StepKind::Copy { space, load, store } => write!(f, "{store} = copy {space:?} {load}")?,
            StepKind::Bind { symbol, place, .. } => {
                write!(f, "{} = b{}+{}", symbol.name(), place.buffer.0, place.offset)?;
            }
            StepKind::Check { condition, expected, .. } => {
                write!(f, "check b{}+{} is {expected}", condition.buffer.0, condition.offset)?;
            }
            StepKind::Branch(branch) => {
                write!(f, "if b{}+{}", branch.condition.buffer.0, branch.condition.offset)?;
                for joined in &branch.joined {
                    let name = joined.symbol.name();
                    write!(f, ", {name} = {} or {}", joined.then, joined.otherwise)?;
                }
            }
            StepKind::Loop(l) => {
                write!(f, "loop {}", l.counter.name())?;
                if let Some(limit) = &l.limit {
                    write!(f, " to {limit}")?;
                }
                if let Some(condition) = &l.condition {
                    write!(f, " while b{}+{}", condition.buffer.0, condition.offset)?;
                }
                for growing in &l.growing {
                    let name = growing.symbol.name();
                    write!(f, ", {name} = {} then {}", growing.first, growing.next)?;
                }
            }
        }
        write!(f, "  // {}", self.summary)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}+{}{:?}", self.buffer.0, self.offset, self.strides)
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, args: &[Arg]| {
            args.iter().enumerate().try_for_each(|(i, a)| write!(f, "{}{a}", if i == 0 { "" } else { ", " }))
        };
        match self {
            Arg::Read(name, p) => write!(f, "{name}: b{}+{}", p.buffer.0, p.offset),
            Arg::Write(name, p) => write!(f, "{name}: mut b{}+{}", p.buffer.0, p.offset),
            Arg::Update(name, p) => write!(f, "{name}: update b{}+{}", p.buffer.0, p.offset),
            Arg::Size(d) | Arg::Signed(d) => write!(f, "{d}"),
            Arg::Int(v) => write!(f, "{v}"),
            Arg::Float(_, v) => write!(f, "{v:?}"),
            Arg::Bool(v) => write!(f, "{v}"),
            Arg::Path(path) => f.write_str(path),
            Arg::Struct(path, fields) => {
                write!(f, "{path} {{ ")?;
                for (name, value) in fields {
                    write!(f, "{name}: {value}, ")?;
                }
                f.write_str("}")
            }
            Arg::Array(args) => {
                f.write_str("[")?;
                list(f, args)?;
                f.write_str("]")
            }
            Arg::Tuple(args) => {
                f.write_str("(")?;
                list(f, args)?;
                f.write_str(")")
            }
            Arg::Apply(path, args) => {
                write!(f, "{path}(")?;
                list(f, args)?;
                f.write_str(")")
            }
            Arg::Ref(a) => write!(f, "&{a}"),
            Arg::Some(a) => write!(f, "Some({a})"),
            Arg::Over(_, a, _) => write!(f, "{a}"),
            Arg::None => f.write_str("None"),
            Arg::RowMap(map) => {
                write!(f, "|y| [{}](", map.expr)?;
                for load in &map.loads {
                    write!(f, "b{}+{}, ", load.place.buffer.0, load.place.offset)?;
                }
                f.write_str(")")
            }
        }
    }
}
