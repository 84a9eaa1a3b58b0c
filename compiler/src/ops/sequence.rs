//! Sequences and optional values.
//!
//! They exist while a model is compiled only. A sequence of known length is a list of values; one that a loop makes longer
//! is a tensor whose first axis runs over its elements, which all have one shape then. Its place in the graph is taken by
//! a handle, an empty constant that nothing reads.

#[cfg(test)]
mod tests;

use super::map::Map;
use super::select::gather;
use super::shape::axis;
use super::{NodeCx, OpDef, generate::Dims};
use crate::diag::{Code, Diagnostic};
use crate::expr::ExprKind;
use crate::ir::{Composite, Value};
use crate::types::{Dim, Scalar, Shape, Tensor};

/// The operators of this room.
pub(super) static ROOM: &[OpDef] = &[
    OpDef::onnx("SequenceEmpty", &[11], "A sequence without elements.", empty),
    OpDef::onnx("SequenceConstruct", &[11], "The inputs as a sequence.", construct),
    OpDef::onnx("SequenceInsert", &[11], "A sequence with one more element.", insert),
    OpDef::onnx("SequenceErase", &[11], "A sequence without one of its elements.", erase),
    OpDef::onnx("SequenceAt", &[11], "An element of a sequence.", at),
    OpDef::onnx("SequenceLength", &[11], "The number of elements of a sequence.", length),
    OpDef::onnx("SplitToSequence", &[11, 24], "Parts of a tensor along an axis, as a sequence.", split),
    OpDef::onnx("ConcatFromSequence", &[11], "The elements of a sequence, joined along an axis.", concat),
    OpDef::onnx("SequenceMap", &[17], "A graph applied to each element of a sequence.", map),
    OpDef::onnx("Optional", &[15], "A value that may be missing.", optional),
    OpDef::onnx("OptionalHasElement", &[15, 18], "Whether an optional value is there.", has_element),
    OpDef::onnx("OptionalGetElement", &[15, 18], "The optional value.", get_element),
];

type Built = Result<Vec<Value>, Diagnostic>;

impl NodeCx<'_> {
    /// A handle for a sequence.
    pub fn composite(&mut self, composite: Composite) -> Value {
        self.graph.add_composite(composite)
    }

    /// The sequence that a handle stands for.
    fn sequence(&self, value: Value) -> Result<Composite, Diagnostic> {
        match self.graph.composite(value) {
            Some(sequence @ (Composite::List(_) | Composite::Stack(_))) => Ok(sequence.clone()),
            Some(Composite::Absent) => Err(Diagnostic::new(Code::BadInput, "the sequence is missing")),
            None => Err(Diagnostic::new(
                Code::BadInput,
                format!("{} needs a sequence, and not {}", self.origin.op, self.ty(value)),
            )),
        }
    }

    /// The number of elements of a sequence.
    fn count(&self, sequence: &Composite) -> Dim {
        match sequence {
            Composite::List(list) => Dim::from(list.len()),
            Composite::Stack(value) => self.shape(*value).first().cloned().unwrap_or(Dim::ZERO),
            Composite::Absent => Dim::ZERO,
        }
    }

    /// The elements of a sequence along a new first axis. Without elements there is no shape.
    ///
    /// # Errors
    /// If the elements differ in type or shape.
    pub fn stack(&mut self, sequence: &Composite) -> Result<Value, Diagnostic> {
        match sequence {
            Composite::Stack(value) => Ok(*value),
            Composite::List(list) => {
                let rows = list.iter().map(|&v| self.unsqueeze(v, 0)).collect::<Result<Vec<_>, _>>()?;
                self.concat(&rows, 0)
            }
            Composite::Absent => Err(Diagnostic::new(Code::BadInput, "the sequence is missing")),
        }
    }

    /// A value with one more axis of one element.
    fn unsqueeze(&mut self, value: Value, at: usize) -> Result<Value, Diagnostic> {
        let mut shape = self.shape(value);
        shape.insert(at, Dim::ONE);
        self.reshape(value, shape)
    }

    /// A value without an axis of one element.
    fn squeeze(&mut self, value: Value, at: usize) -> Result<Value, Diagnostic> {
        let mut shape = self.shape(value);
        shape.remove(at);
        self.reshape(value, shape)
    }

    /// Input `i` as a position among `count` elements, or `count` itself.
    fn position(&self, i: usize, count: &Dim) -> Result<Dim, Diagnostic> {
        let list = self.dims_input(i, "position")?;
        let [position] = &list[..] else {
            return Err(Diagnostic::new(Code::BadInput, format!("`position` has {} elements", list.len())));
        };
        let position = match position.as_i64() {
            Some(v) if v < 0 => count + position,
            _ => position.clone(),
        };
        let outside = |d: &Dim| d.range(&self.graph.symbols).is_some_and(|r| r.hi < 0);
        if outside(&position) || outside(&(count - &position)) {
            let message = format!("position {position} is not in a sequence of {count} elements");
            return Err(Diagnostic::new(Code::BadInput, message));
        }
        Ok(position)
    }
}

fn empty(cx: &mut NodeCx<'_>) -> Built {
    cx.attributes.int("dtype")?;
    Ok(vec![cx.composite(Composite::List(Vec::new()))])
}

fn construct(cx: &mut NodeCx<'_>) -> Built {
    let list = cx.all_inputs()?;
    Ok(vec![cx.composite(Composite::List(list))])
}

fn insert(cx: &mut NodeCx<'_>) -> Built {
    let (handle, element) = (cx.input(0)?, cx.input(1)?);
    let sequence = cx.sequence(handle)?;
    let count = cx.count(&sequence);
    let at = if cx.optional(2).is_some() { cx.position(2, &count)? } else { count.clone() };
    let longer = match (sequence, at.as_usize()) {
        (Composite::List(mut list), Some(at)) => {
            list.insert(at.min(list.len()), element);
            Composite::List(list)
        }
        (sequence, _) => {
            let whole = cx.stack(&sequence)?;
            let row = cx.unsqueeze(element, 0)?;
            if at == count {
                Composite::Stack(cx.concat(&[whole, row], 0)?)
            } else {
                let before = cx.slice(whole, 0, Dim::ZERO, at.clone())?;
                let after = cx.slice(whole, 0, at.clone(), &count - &at)?;
                Composite::Stack(cx.concat(&[before, row, after], 0)?)
            }
        }
    };
    Ok(vec![cx.composite(longer)])
}

fn erase(cx: &mut NodeCx<'_>) -> Built {
    let handle = cx.input(0)?;
    let sequence = cx.sequence(handle)?;
    let count = cx.count(&sequence);
    let at = if cx.optional(1).is_some() { cx.position(1, &count)? } else { &count - &Dim::ONE };
    let shorter = match (sequence, at.as_usize()) {
        (Composite::List(mut list), Some(at)) if at < list.len() => {
            list.remove(at);
            Composite::List(list)
        }
        (Composite::List(_), _) => {
            return Err(Diagnostic::new(Code::BadInput, format!("there is no element {at} to erase")));
        }
        (sequence, _) => {
            let whole = cx.stack(&sequence)?;
            let before = cx.slice(whole, 0, Dim::ZERO, at.clone())?;
            let next = &at + &Dim::ONE;
            let after = cx.slice(whole, 0, next.clone(), &count - &next)?;
            Composite::Stack(cx.concat(&[before, after], 0)?)
        }
    };
    Ok(vec![cx.composite(shorter)])
}

fn at(cx: &mut NodeCx<'_>) -> Built {
    let (handle, index) = (cx.input(0)?, cx.input(1)?);
    let sequence = cx.sequence(handle)?;
    if let (Composite::List(list), true) = (&sequence, cx.constant(index).is_some()) {
        let at = cx.position(1, &Dim::from(list.len()))?.as_usize();
        return match at.and_then(|at| list.get(at)) {
            Some(&element) => Ok(vec![element]),
            None => Err(Diagnostic::new(Code::BadInput, "there is no such element in the sequence")),
        };
    }
    let whole = cx.stack(&sequence)?;
    let index = cx.reshape(index, Vec::new())?;
    Ok(vec![gather(cx, whole, 0, index)?])
}

fn length(cx: &mut NodeCx<'_>) -> Built {
    let sequence = cx.sequence(cx.input(0)?)?;
    let dims = vec![cx.count(&sequence)];
    Ok(vec![cx.add(Dims { dims, list: false }, &[])?])
}

fn split(cx: &mut NodeCx<'_>) -> Built {
    let x = cx.input(0)?;
    let rank = cx.rank(x);
    let axis = cx.axis_attribute("axis", 0, rank)?;
    let keep = cx.attributes.bool_or("keepdims", true)?;
    let Some(extent) = cx.shape(x)[axis].as_i64() else {
        return slices(cx, x, axis, keep);
    };
    // Every part is a value of its own.
    let most_parts = 1 << 16;
    let too_many = |n: i64| cx.unsupported(format!("a sequence of {n} parts is longer than {most_parts}"));
    let lengths: Vec<i64> = match (cx.ints_input(1, "split")?, cx.optional(1)) {
        (Some(lengths), Some(value)) if cx.rank(value) == 1 => lengths,
        (Some(size), Some(_)) => {
            let size = size.first().copied().unwrap_or(0);
            if size <= 0 {
                return Err(Diagnostic::new(Code::BadInput, format!("`split` is {size}, not positive")));
            }
            if extent / size > most_parts {
                return Err(too_many(extent / size));
            }
            (0..extent).step_by(size as usize).map(|start| size.min(extent - start)).collect()
        }
        _ if extent > most_parts => return Err(too_many(extent)),
        _ => vec![1; usize::try_from(extent).unwrap_or(0)],
    };
    if lengths.iter().any(|&n| n < 0) || lengths.iter().fold(0_i64, |sum, n| sum.saturating_add(*n)) != extent
    {
        let message = format!("parts of {lengths:?} elements do not make up {extent}");
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    let (mut start, mut list) = (0, Vec::with_capacity(lengths.len()));
    for n in lengths {
        let part = cx.slice(x, axis, start, n)?;
        let squeezed = !keep && cx.optional(1).is_none();
        list.push(if squeezed { cx.squeeze(part, axis)? } else { part });
        start += n;
    }
    Ok(vec![cx.composite(Composite::List(list))])
}

/// The sequence of the slices of an axis, however many there are.
fn slices(cx: &mut NodeCx<'_>, x: Value, axis: usize, keep: bool) -> Built {
    let given = cx.optional(1);
    if given.is_some_and(|lengths| !all_ones(cx, lengths, &cx.shape(x)[axis])) {
        return Err(cx
            .unsupported(
                "SplitToSequence into parts of several elements, along an axis whose extent is not fixed",
            )
            .help("fix the extent of the axis, or split it into parts of one element"));
    }
    let rank = cx.rank(x);
    let mut perm: Vec<usize> = (0..rank).filter(|&a| a != axis).collect();
    perm.insert(0, axis);
    let stacked = cx.transpose(x, &perm)?;
    let stacked = if keep || given.is_some() { cx.unsqueeze(stacked, axis + 1)? } else { stacked };
    Ok(vec![cx.composite(Composite::Stack(stacked))])
}

/// Whether lengths are the number 1, or `count` times 1.
fn all_ones(cx: &NodeCx<'_>, lengths: Value, count: &Dim) -> bool {
    if let Some(known) = cx.dims(lengths) {
        return cx.rank(lengths) == 0 && known.iter().all(|n| n.is(1));
    }
    let made = cx.graph.producer(lengths).and_then(|node| node.is::<Map>());
    let one = made.is_some_and(|map| match map.expr.node(map.expr.output()).kind {
        ExprKind::Const(number) => number.as_i64() == 1,
        _ => false,
    });
    one && cx.shape(lengths) == [count.clone()]
}

fn concat(cx: &mut NodeCx<'_>) -> Built {
    let sequence = cx.sequence(cx.input(0)?)?;
    let new_axis = cx.attributes.bool_or("new_axis", false)?;
    let given = cx.attributes.int("axis")?;
    let given = cx.attributes.required("axis", given)?;
    match sequence {
        Composite::List(list) if list.is_empty() => {
            Err(cx.unsupported("a sequence without elements has no shape to join"))
        }
        Composite::List(mut list) => {
            let rank = cx.rank(list[0]) + usize::from(new_axis);
            let along = axis(given, rank)?;
            if new_axis {
                list = list.into_iter().map(|v| cx.unsqueeze(v, along)).collect::<Result<_, _>>()?;
            }
            Ok(vec![cx.concat(&list, along)?])
        }
        sequence => {
            let whole = cx.stack(&sequence)?;
            let rank = cx.rank(whole);
            let along = axis(given, if new_axis { rank } else { rank - 1 })?;
            // The axis of the elements moves to its place; joined to the axis after it if that is not a new one.
            let mut perm: Vec<usize> = (1..rank).collect();
            perm.insert(along, 0);
            let moved = cx.transpose(whole, &perm)?;
            if new_axis {
                return Ok(vec![moved]);
            }
            let mut shape: Shape = cx.shape(moved);
            let count = shape.remove(along);
            shape[along] = &shape[along] * &count;
            Ok(vec![cx.reshape(moved, shape)?])
        }
    }
}

fn map(cx: &mut NodeCx<'_>) -> Built {
    let Some(body) = cx.attributes.graph("body")? else {
        return Err(Diagnostic::new(Code::BadAttribute, "SequenceMap needs the attribute `body`"));
    };
    let inputs = cx.all_inputs()?;
    let Some(Composite::List(first)) = inputs.first().and_then(|&v| cx.graph.composite(v)).cloned() else {
        return Err(cx.unsupported("SequenceMap over a sequence whose length depends on data"));
    };
    let mut results: Vec<Vec<Value>> = vec![Vec::with_capacity(first.len()); body.outputs.len()];
    for i in 0..first.len() {
        let mut given = Vec::with_capacity(inputs.len());
        for &input in &inputs {
            given.push(match cx.graph.composite(input) {
                Some(Composite::List(list)) => *list.get(i).ok_or_else(|| {
                    Diagnostic::new(Code::BadInput, "the sequences have different numbers of elements")
                })?,
                Some(_) => return Err(cx.unsupported("SequenceMap over sequences of unlike kinds")),
                None => input,
            });
        }
        let Some(values) = cx.inline_body(body, &given) else { return Ok(Vec::new()) };
        results.iter_mut().zip(values).for_each(|(list, value)| list.push(value));
    }
    Ok(results.into_iter().map(|list| cx.composite(Composite::List(list))).collect())
}

fn optional(cx: &mut NodeCx<'_>) -> Built {
    cx.attributes.raw("type");
    match cx.optional(0) {
        Some(value) => Ok(vec![value]),
        None => Ok(vec![cx.composite(Composite::Absent)]),
    }
}

fn has_element(cx: &mut NodeCx<'_>) -> Built {
    let there = cx.optional(0).is_some_and(|v| !matches!(cx.graph.composite(v), Some(Composite::Absent)));
    Ok(vec![cx.tensor(Tensor::scalar(Scalar::Bool(there)))])
}

fn get_element(cx: &mut NodeCx<'_>) -> Built {
    match cx.optional(0) {
        Some(value) if !matches!(cx.graph.composite(value), Some(Composite::Absent)) => Ok(vec![value]),
        _ => Err(Diagnostic::new(Code::BadInput, "the optional value is not there")),
    }
}

/// Whether an operator takes handles.
pub fn takes_composites(op: &str) -> bool {
    ROOM.iter().any(|def| def.name == op) || ["Identity", "Loop", "If"].contains(&op)
}
