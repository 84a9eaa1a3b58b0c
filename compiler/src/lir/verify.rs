//! Checks of programs: what the planner and the emitter rely on.
//!
//! A problem found here is a defect of lowering, never of a model.

use super::{Access, BufferId, Class, MapStep, Place, Program, Step, StepKind, Touch};
use crate::expr::ExprKind;
use crate::types::{DType, Dim};
use std::collections::BTreeSet;

/// Slices of the arena that one step can have of a kind: read, or written.
const MOST_SLICES: usize = 16;

impl Program {
    /// Everything that is wrong with this program.
    pub fn verify(&self) -> Vec<String> {
        let mut verifier = Verifier { program: self, written: written_before(self), problems: Vec::new() };
        verifier.steps(&self.steps);
        verifier.ports();
        verifier.problems
    }
}

/// For each buffer, whether it has content before the first step.
fn written_before(program: &Program) -> Vec<bool> {
    let mut written = vec![false; program.buffers.len()];
    program.states.iter().for_each(|state| written[state.buffer.0 as usize] = true);
    written
}

struct Verifier<'a> {
    program: &'a Program,
    /// Buffers that an earlier step has written.
    written: Vec<bool>,
    problems: Vec<String>,
}

/// A slice that a step uses.
struct Slice {
    place: Place,
    touch: Touch,
}

impl Verifier<'_> {
    fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    fn name(&self, buffer: BufferId) -> String {
        format!("b{} \"{}\"", buffer.0, self.program.buffer(buffer).name)
    }

    fn dtype(&self, buffer: BufferId) -> DType {
        self.program.buffer(buffer).dtype
    }

    fn steps(&mut self, steps: &[Step]) {
        for (at, step) in steps.iter().enumerate() {
            let before = self.problems.len();
            self.step(&step.kind);
            for problem in &mut self.problems[before..] {
                *problem = format!("step {at} ({}): {problem}", step.summary);
            }
            for block in step.blocks() {
                self.steps(&block.steps);
            }
        }
    }

    fn step(&mut self, kind: &StepKind) {
        let mut slices = Vec::new();
        let read = |place: &Place| Slice { place: place.clone(), touch: Touch::Read };
        match kind {
            StepKind::Call(call) => {
                let mut push = |place: &Place, touch| slices.push(Slice { place: place.clone(), touch });
                call.args.iter().for_each(|arg| arg.each_place(&mut push));
            }
            StepKind::Map(map) => {
                self.map(map);
                let ranks = map.loads.iter().chain([&map.store]).all(|a| a.strides.len() == map.space.len());
                if !ranks {
                    self.problem("an access has another rank than the loops");
                    return;
                }
                self.nest(&map.space, &map.loads.iter().collect::<Vec<_>>(), &map.store, &mut slices);
            }
            StepKind::Copy { space, load, store } => {
                if load.strides.len() != space.len() || store.strides.len() != space.len() {
                    self.problem("an access has another rank than the loops");
                    return;
                }
                if self.dtype(load.buffer) != self.dtype(store.buffer) {
                    self.problem("a copy changes the element type");
                }
                self.nest(space, &[load], store, &mut slices);
            }
            StepKind::Bind { place, .. } | StepKind::Check { condition: place, .. } => {
                slices.push(read(place));
            }
            StepKind::Branch(branch) => slices.push(read(&branch.condition)),
            StepKind::Loop(l) => slices.extend(l.condition.iter().map(read)),
        }
        self.slices(&slices, matches!(kind, StepKind::Call(_)));
    }

    /// The slices of a loop nest, with the load that is overwritten in place taken for a part of the store.
    fn nest(&mut self, space: &[Dim], loads: &[&Access], store: &Access, slices: &mut Vec<Slice>) {
        if space.iter().any(|e| e.is(0)) {
            self.written[store.buffer.0 as usize] = true;
            return;
        }
        for load in loads {
            if **load == *store {
                self.readable(load.buffer);
            } else {
                slices.push(Slice { place: self.span(space, load), touch: Touch::Read });
            }
        }
        slices.push(Slice { place: self.span(space, store), touch: Touch::Write });
    }

    fn map(&mut self, map: &MapStep) {
        if map.row_axes > map.space.len() {
            self.problem("the row has more axes than the loops");
            return;
        }
        for (_, node) in map.expr.nodes() {
            match node.kind {
                ExprKind::Input(i) => match map.loads.get(i) {
                    Some(load) if self.dtype(load.buffer) == node.dtype => {}
                    Some(load) => {
                        let what = self.name(load.buffer);
                        self.problem(format!("{what} is read as {}", node.dtype));
                    }
                    None => self.problem(format!("input {i} has no load")),
                },
                ExprKind::Index(axis) if axis >= map.space.len() => {
                    self.problem(format!("there is no axis {axis}"));
                }
                ExprKind::Reduce(..) if map.row_axes == 0 => self.problem("a reduction has no row"),
                _ => {}
            }
        }
        if map.expr.dtype() != self.dtype(map.store.buffer) {
            let what = self.name(map.store.buffer);
            self.problem(format!("{what} is written as {}", map.expr.dtype()));
        }
        let first_row = map.space.len() - map.row_axes;
        let row = map.store.strides.get(first_row..).unwrap_or_default();
        if map.reduced && row.iter().any(|s| !s.is(0)) {
            self.problem("one result per row is written along the row");
        }
        if map.space.iter().any(|e| e.is(0)) {
            return;
        }
        // An extent of one may have any stride.
        let spread = map.space.iter().zip(&map.store.strides).enumerate();
        for (axis, (extent, stride)) in spread {
            let one_result = map.reduced && axis >= first_row;
            if stride.is(0) && !extent.is(1) && !one_result {
                self.problem(format!("all elements along axis {axis} go to one place"));
            }
        }
    }

    /// Everything from the first to the last element of an access. Symbolic strides count as positive.
    fn span(&self, space: &[Dim], access: &Access) -> Place {
        let (mut first, mut last) = (access.offset.clone(), access.offset.clone());
        for (extent, stride) in space.iter().zip(&access.strides) {
            let reach = &(extent - &Dim::ONE) * stride;
            if stride.range(&self.program.symbols).is_some_and(|r| r.hi < 0) {
                first = &first + &reach;
            } else {
                last = &last + &reach;
            }
        }
        Place { buffer: access.buffer, len: &(&last - &first) + &Dim::ONE, offset: first }
    }

    fn slices(&mut self, slices: &[Slice], exclusive: bool) {
        for slice in slices {
            self.inside(&slice.place);
            let buffer = slice.place.buffer;
            let class = &self.program.buffer(buffer).class;
            if slice.touch != Touch::Write && !slice.place.len.is(0) {
                self.readable(buffer);
            }
            if slice.touch != Touch::Read && !matches!(class, Class::Arena) {
                let what = self.name(buffer);
                self.problem(format!("{what} is written, though it is not in the arena"));
            }
        }
        for (i, a) in slices.iter().enumerate() {
            for b in &slices[i + 1..] {
                let writes = a.touch != Touch::Read || b.touch != Touch::Read;
                if writes && a.place.buffer == b.place.buffer && self.overlap(&a.place, &b.place) {
                    let what = self.name(a.place.buffer);
                    let how = if exclusive { "twice" } else { "with different strides" };
                    self.problem(format!("{what} is used {how}, once to write"));
                }
            }
        }
        for writes in [false, true] {
            let kind: BTreeSet<String> = slices
                .iter()
                .filter(|s| (s.touch != Touch::Read) == writes)
                .filter(|s| matches!(self.program.buffer(s.place.buffer).class, Class::Arena))
                .map(|s| format!("{:?}", s.place))
                .collect();
            if kind.len() > MOST_SLICES {
                self.problem(format!("{} slices of the arena are more than {MOST_SLICES}", kind.len()));
            }
        }
        for slice in slices.iter().filter(|s| s.touch != Touch::Read) {
            self.written[slice.place.buffer.0 as usize] = true;
        }
    }

    fn readable(&mut self, buffer: BufferId) {
        if matches!(self.program.buffer(buffer).class, Class::Arena) && !self.written[buffer.0 as usize] {
            let what = self.name(buffer);
            self.problem(format!("{what} is read before it is written"));
        }
    }

    /// Reports places that are certainly outside; with symbols not all can be known.
    fn inside(&mut self, place: &Place) {
        let whole = &self.program.buffer(place.buffer).len;
        let rest = &(whole - &place.offset) - &place.len;
        let below = |d: &Dim| d.range(&self.program.symbols).is_some_and(|r| r.hi < 0);
        if below(&rest) || below(&place.offset) || below(&place.len) {
            let what = self.name(place.buffer);
            self.problem(format!("{what} has {whole} elements, not {} at {}", place.len, place.offset));
        }
        let mut symbols = Vec::new();
        for dim in [whole, &place.offset, &place.len] {
            dim.symbols(&mut symbols);
        }
        if let Some(unknown) = symbols.iter().find(|s| !self.program.symbols.contains_key(*s)) {
            self.problem(format!("the symbol \"{}\" has no range", unknown.name()));
        }
    }

    /// Whether two places of one buffer certainly overlap.
    fn overlap(&self, a: &Place, b: &Place) -> bool {
        let ends_after = |a: &Place, b: &Place| {
            let beyond = &(&a.offset + &a.len) - &b.offset;
            beyond.range(&self.program.symbols).is_some_and(|r| r.lo > 0)
        };
        ends_after(a, b) && ends_after(b, a) && !a.len.is(0) && !b.len.is(0)
    }

    fn ports(&mut self) {
        for (position, port) in self.program.inputs.iter().enumerate() {
            if !matches!(self.program.buffer(port.buffer).class, Class::Input(i) if i == position) {
                self.problem(format!("input \"{}\" has no buffer of its own", port.name));
            }
        }
        for port in &self.program.outputs {
            let buffer = self.program.buffer(port.buffer);
            if !matches!(buffer.class, Class::Arena) {
                self.problem(format!("output \"{}\" is not in the arena", port.name));
            } else if buffer.len != Dim::product(&port.shape) {
                self.problem(format!("output \"{}\" has {} elements", port.name, buffer.len));
            } else if !self.written[port.buffer.0 as usize] && !buffer.len.is(0) {
                self.problem(format!("output \"{}\" is never written", port.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;
    use crate::lir::{Arg, Buffer};

    fn program(steps: Vec<StepKind>) -> Program {
        let buffer = |class, name: &str| Buffer {
            dtype: DType::F32,
            len: Dim::from(8_i64),
            class,
            name: name.to_owned(),
        };
        Program {
            buffers: vec![buffer(Class::Input(0), "x"), buffer(Class::Arena, "y"), buffer(Class::Arena, "z")],
            steps: steps
                .into_iter()
                .map(|kind| Step { kind, origins: Vec::new(), summary: "test".to_owned(), macs: Dim::ZERO })
                .collect(),
            ..Program::default()
        }
    }

    fn access(buffer: u32, offset: i64, stride: i64) -> Access {
        Access { buffer: BufferId(buffer), offset: Dim::from(offset), strides: vec![Dim::from(stride)] }
    }

    fn copy(load: Access, store: Access) -> StepKind {
        StepKind::Copy { space: vec![Dim::from(4_i64)], load, store }
    }

    #[track_caller]
    fn check(kind: StepKind, expected: &str) {
        let problems = program(vec![kind]).verify();
        assert!(problems.iter().any(|p| p.contains(expected)), "{problems:?}");
    }

    #[test]
    fn sound_programs_pass() {
        let steps = vec![
            copy(access(0, 0, 2), access(1, 0, 1)),
            copy(access(1, 0, 1), access(1, 4, 1)),
            copy(access(1, 7, -1), access(2, 0, 2)),
        ];
        assert_eq!(program(steps).verify(), Vec::<String>::new());
    }

    #[test]
    fn defects_are_named() {
        check(copy(access(0, 0, 1), access(0, 4, 1)), "not in the arena");
        check(copy(access(1, 0, 1), access(2, 0, 1)), "before it is written");
        check(copy(access(0, 5, 1), access(2, 0, 1)), "has 8 elements, not 4 at 5");
        check(copy(access(0, 2, -1), access(2, 0, 1)), "has 8 elements, not 4 at -1");
        let mut step = map(DType::F32);
        step.space.push(Dim::ONE);
        check(StepKind::Map(step), "another rank");
        check(StepKind::Map(map(DType::I64)), "is read as i64");
        let mut step = map(DType::F32);
        step.store.strides = vec![Dim::ZERO];
        check(StepKind::Map(step), "go to one place");
        let whole = Place { buffer: BufferId(1), offset: Dim::ZERO, len: Dim::from(8_i64) };
        let args = vec![Arg::Write("y", whole.clone()), Arg::Read("x", whole)];
        let call =
            super::super::Call { kernel: "test", generics: Vec::new(), args, fallible: false, count: None };
        check(StepKind::Call(call), "is used twice, once to write");
    }

    fn map(dtype: DType) -> MapStep {
        MapStep {
            space: vec![Dim::from(4_i64)],
            row_axes: 0,
            reduced: false,
            expr: Expr::identity(dtype),
            loads: vec![access(0, 0, 1)],
            store: access(1, 0, 1),
        }
    }
}
