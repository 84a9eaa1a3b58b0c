//! The text of diagnostics.

use super::{Code, Diagnostics};
use std::collections::BTreeMap;
use std::fmt;

/// Writes every problem and, where several operators are unsupported, a summary of them.
pub(super) fn render(diagnostics: &Diagnostics, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, d) in diagnostics.iter().enumerate() {
        if i > 0 {
            writeln!(f)?;
        }
        writeln!(f, "error[E{:03}]: {}", d.code as u32, d.message)?;
        match &d.origin {
            Some(o) => writeln!(f, "  --> {}: node {} \"{}\" ({})", d.model, o.index, o.name, o.op)?,
            None => writeln!(f, "  --> {}", d.model)?,
        }
        for note in &d.notes {
            writeln!(f, "   = {note}")?;
        }
        if let Some(help) = &d.help {
            writeln!(f, "   = help: {help}")?;
        }
    }
    let mut unsupported: BTreeMap<&str, usize> = BTreeMap::new();
    for d in diagnostics.iter().filter(|d| d.code == Code::UnsupportedOperator) {
        if let Some(o) = &d.origin {
            *unsupported.entry(&o.op).or_default() += 1;
        }
    }
    if unsupported.values().sum::<usize>() > 1 {
        let list: Vec<String> = unsupported.iter().map(|(op, n)| format!("{op} ({n} nodes)")).collect();
        writeln!(f, "\nunsupported operators: {}", list.join(", "))?;
    }
    Ok(())
}
