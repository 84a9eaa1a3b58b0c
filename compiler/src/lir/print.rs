//! The text of programs, for dumps and tests.

use super::{Access, Arg, Class, Program, Step, StepKind};
use std::fmt;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, buffer) in self.buffers.iter().enumerate() {
            write!(f, "buffer b{i} \"{}\": {} x {} ", buffer.name, buffer.dtype, buffer.len)?;
            match &buffer.class {
                Class::Input(n) => writeln!(f, "input {n}")?,
                Class::Arena => writeln!(f, "arena")?,
                Class::Const(c) => writeln!(f, "const {:?} {:?}", c.tensor, c.packing)?,
            }
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            StepKind::Call(call) => {
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
