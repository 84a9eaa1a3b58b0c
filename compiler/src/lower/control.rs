//! Lowering of control flow: inner graphs become blocks whose results are written to where the outer graph wants them.
//!
//! What a block reads from outside it reads in place, with any strides. The values that a loop hands from one iteration to
//! the next live in buffers of their own; the body writes straight into them where nothing reads the old value any more.
//! A value to which each iteration joins something has room for all of it, as a state has: nothing of it moves.

use super::context::LowerCx;
use super::driver::{lower_nodes, output_view};
use super::placement;
use super::state;
use super::view::{View, dense_strides};
use crate::diag::Reported;
use crate::ir::{Graph, Value};
use crate::lir::{Block, Branch, BufferId, Class, Growing, Joined, Loop, Place, Step, StepKind, Touch};
use crate::types::{Dim, Symbol};

/// A loop to be lowered. Inputs of its body: what is carried, then what is captured. Results of its body: the condition
/// of the next iteration if there is one, what is carried, what is collected.
pub struct Repetition<'b> {
    /// The body.
    pub body: &'b Graph,
    /// The number of the iteration.
    pub counter: Symbol,
    /// Most iterations.
    pub limit: Option<Dim>,
    /// The node's input that says whether there is a first iteration, if it is asked.
    pub condition: Option<usize>,
    /// The node's first input that is carried; what is captured follows.
    pub first_carried: usize,
    /// How many values are carried.
    pub carried: usize,
    /// For each collected result: the axis of the node's output that it is collected along, and its place there.
    pub collected: Vec<(usize, Dim)>,
    /// Extents that change from one iteration to the next.
    pub growing: Vec<Growing>,
    /// The number of iterations that ran, where it is not the limit.
    pub trips: Option<Symbol>,
    /// The number of iterations that memory is planned for, if there may be more.
    pub capacity: Option<i64>,
}

/// Where a value is that iterations hand on.
struct Carried {
    /// The value at the begin of an iteration.
    view: View,
    /// Whether strides step over the room for all that is joined to it; else its elements lie side by side.
    has_room: bool,
}

impl Carried {
    /// The value when it has this shape.
    fn with_shape(&self, shape: &[Dim]) -> View {
        let View { buffer, dtype, .. } = self.view;
        if self.has_room {
            View { shape: shape.to_vec(), ..self.view.clone() }
        } else {
            View::dense(buffer, dtype, shape)
        }
    }
}

impl LowerCx<'_> {
    /// Lowers a choice. The node's first input decides, the others are the inputs of both graphs.
    ///
    /// # Errors
    /// If a node of a branch has no lowering.
    pub fn branch(&mut self, then: &Graph, otherwise: &Graph, joined: &[Joined]) -> Result<(), Reported> {
        let condition = self.dense(0);
        let inputs: Vec<View> = (1..self.input_count()).map(|i| self.input(i)).collect();
        let mut wanted = [Vec::new(), Vec::new()];
        for i in 0..then.outputs.len() {
            let result = &self.output_type(i).shape;
            let own = [then, otherwise].map(|graph| graph.ty(graph.outputs[i].1).shape.clone());
            if own.iter().all(|shape| shape == result) {
                let view = self.output(i);
                wanted.iter_mut().for_each(|list| list.push(Some(view.clone())));
            } else {
                let dtype = self.output_type(i).dtype;
                let Place { buffer, offset, .. } = self.dense_output(i);
                for (list, shape) in wanted.iter_mut().zip(&own) {
                    let dense = View::dense(buffer, dtype, shape);
                    list.push(Some(View { offset: offset.clone(), ..dense }));
                }
            }
        }
        let (then, _) = self.block(then, inputs.clone(), &wanted[0], &[])?;
        let (otherwise, _) = self.block(otherwise, inputs, &wanted[1], &[])?;
        let branch = Branch { condition, then, otherwise, joined: joined.to_vec() };
        self.step(StepKind::Branch(branch), Dim::ZERO);
        Ok(())
    }

    /// Lowers a loop.
    ///
    /// # Errors
    /// If a node of the body has no lowering.
    pub fn repeat(&mut self, r: &Repetition<'_>) -> Result<(), Reported> {
        let condition = r.condition.map(|i| {
            let initial = self.input(i);
            self.copied(&initial, "continues")
        });
        let mut joins = Vec::new();
        let states: Vec<Carried> = (0..r.carried).map(|k| self.state(r, k, &mut joins)).collect();
        let mut inputs: Vec<View> = states.iter().map(|state| state.view.clone()).collect();
        inputs.extend((r.first_carried + r.carried..self.input_count()).map(|i| self.input(i)));
        let mut wanted: Vec<Option<View>> = Vec::new();
        wanted.extend(condition.iter().cloned().map(Some));
        wanted.extend(states.iter().map(|_| None));
        for (j, (axis, at)) in r.collected.iter().enumerate() {
            let whole = self.output(r.carried + j);
            wanted.push(Some(part(&whole, *axis, at)));
        }
        let (mut body, results) = self.block(r.body, inputs, &wanted, &joins)?;
        let first = usize::from(condition.is_some());
        let kept: Vec<BufferId> = wanted.iter().flatten().map(|view| view.buffer).collect();
        self.hand_over(&mut body, &results[first..first + r.carried], &states, &kept);
        let condition = condition.and_then(|view| view.place());
        let (counter, limit) = (r.counter.clone(), r.limit.clone());
        let (growing, trips) = (r.growing.clone(), r.trips.clone());
        let capacity = r.capacity;
        let repeat = Loop { counter, limit, condition, body, growing, trips, capacity };
        self.step(StepKind::Loop(repeat), Dim::ZERO);
        for (k, state) in states.into_iter().enumerate() {
            // Where the last extents are known, the type says them by numbers.
            let last = state.with_shape(&self.output_type(k).shape);
            self.alias(k, last);
        }
        Ok(())
    }

    /// A buffer for a carried value, with its value before the first iteration. If the body joins something to the value,
    /// the join goes to `joins` with its place in the buffer.
    fn state(&mut self, r: &Repetition<'_>, k: usize, joins: &mut Vec<(Value, View)>) -> Carried {
        let inner = r.body.inputs[k];
        let ty = r.body.ty(inner);
        let name = r.body.value(inner).name.clone().unwrap_or_default();
        let initial = self.input(r.first_carried + k);
        // Where extents grow, the next value is longer than this one.
        let most = |symbol: &Symbol| {
            let grows = r.growing.iter().any(|g| g.symbol == *symbol);
            r.body.symbols.get(symbol).filter(|_| grows).map(|range| Dim::from(range.hi))
        };
        let room: Vec<Dim> = ty.shape.iter().map(|d| d.substitute(&most)).collect();
        let buffer = self.new_buffer(ty.dtype, Dim::product(&room), &name);
        let roomy = View { strides: dense_strides(&room), ..View::dense(buffer, ty.dtype, &ty.shape) };
        let result = r.body.outputs[usize::from(r.condition.is_some()) + k].1;
        let join = state::join(r.body, (inner, &roomy), result);
        let state = match join.is_some() {
            true => Carried { view: roomy, has_room: true },
            false => Carried { view: View::dense(buffer, ty.dtype, &ty.shape), has_room: false },
        };
        joins.extend(join);
        self.copy(&initial, &state.with_shape(&initial.shape));
        state
    }

    /// Ends an iteration: the results become the states of the next. What is in the `kept` buffers is read there too.
    fn hand_over(&mut self, body: &mut Block, results: &[View], states: &[Carried], kept: &[BufferId]) {
        let outside = std::mem::replace(&mut self.program.steps, std::mem::take(&mut body.steps));
        let is_state = |view: &View| states.iter().any(|s| s.view.buffer == view.buffer);
        let nexts: Vec<View> =
            results.iter().zip(states).map(|(result, state)| state.with_shape(&result.shape)).collect();
        // A result that is another state must be saved before any state changes.
        let saved: Vec<View> = results
            .iter()
            .zip(&nexts)
            .map(|(result, next)| {
                if is_state(result) && !result.same_elements(next) {
                    self.copied(result, "carried")
                } else {
                    result.clone()
                }
            })
            .collect();
        for (result, next) in saved.iter().zip(&nexts).filter(|(result, next)| !result.same_elements(next)) {
            self.copy(result, next);
        }
        body.steps = std::mem::replace(&mut self.program.steps, outside);
        for (result, &Carried { view: ref state, has_room }) in saved.iter().zip(states) {
            let own = matches!(self.program.buffer(result.buffer).class, Class::Arena)
                && !kept.contains(&result.buffer);
            let whole = self.program.buffer(result.buffer).len == self.program.buffer(state.buffer).len;
            let once = saved.iter().filter(|other| other.buffer == result.buffer).count() == 1;
            if own && whole && once && !has_room && result.is_dense() && result.buffer != state.buffer {
                write_in_place(&mut body.steps, result.buffer, state.buffer);
            }
        }
    }

    /// Lowers an inner graph. `wanted` says where results must be, `joins` where other values should; the views of all
    /// results are given too.
    fn block(
        &mut self,
        body: &Graph,
        inputs: Vec<View>,
        wanted: &[Option<View>],
        joins: &[(Value, View)],
    ) -> Result<(Block, Vec<View>), Reported> {
        self.program.symbols.extend(body.symbols.clone());
        let mut views: Vec<Option<View>> = vec![None; body.value_count()];
        for (&value, view) in body.inputs.iter().zip(inputs) {
            views[value.0 as usize] = Some(view);
        }
        let results: Vec<(Value, View)> = body
            .outputs
            .iter()
            .zip(wanted)
            .filter_map(|((_, value), wanted)| Some((*value, wanted.clone()?)))
            .chain(joins.iter().cloned())
            .collect();
        let outside = std::mem::take(&mut self.program.steps);
        let placed = placement::place(body, self.program, &results);
        let lowered = lower_nodes(body, self.layouts, self.program, &mut views, &placed, self.diagnostics);
        let found = lowered.map(|()| {
            let at = |((_, value), wanted): (&(String, Value), &Option<View>)| {
                let view = output_view(body, self.program, &views, *value);
                if let Some(wanted) = wanted.as_ref().filter(|w| !view.same_elements(w)) {
                    self.copy(&view, wanted);
                }
                wanted.clone().unwrap_or(view)
            };
            body.outputs.iter().zip(wanted).map(at).collect()
        });
        let steps = std::mem::replace(&mut self.program.steps, outside);
        Ok((Block { requirements: body.requirements.clone(), steps }, found?))
    }
}

/// One slice of a view along an axis, without that axis.
fn part(whole: &View, axis: usize, at: &Dim) -> View {
    let mut part = whole.clone();
    part.offset = &part.offset + &(at * &part.strides[axis]);
    part.shape.remove(axis);
    part.strides.remove(axis);
    part
}

/// Lets the body of a loop compute the next `state` where the state is, instead of in `result`, if every step reads the
/// state before, or element by element while, the result is written. The last copy is not needed then.
fn write_in_place(steps: &mut Vec<Step>, result: BufferId, state: BufferId) {
    let touching = |buffer: BufferId, write: bool| {
        let touch = move |step: &Step| {
            step.touches().iter().any(|&(b, touch)| b == buffer && (touch != Touch::Read) == write)
        };
        steps.iter().enumerate().filter(move |(_, step)| touch(step)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let &[copy] = &touching(state, true)[..] else { return };
    let writes = touching(result, true);
    let (Some(&first), Some(&last)) = (writes.first(), touching(state, false).iter().max().or(Some(&0)))
    else {
        return;
    };
    let reads_state = !touching(state, false).is_empty();
    let in_time = !reads_state || last < first || last == first && elementwise(&steps[first], result, state);
    let is_copy = matches!(&steps[copy].kind, StepKind::Copy { load, .. } if load.buffer == result);
    if in_time && is_copy {
        steps.remove(copy);
        steps.iter_mut().for_each(|step| step.rename(result, state));
    }
}

/// Whether a step reads `state` only at the element of `result` that it writes.
fn elementwise(step: &Step, result: BufferId, state: BufferId) -> bool {
    let StepKind::Map(map) = &step.kind else { return false };
    let same = map
        .loads
        .iter()
        .filter(|load| load.buffer == state)
        .all(|load| load.offset == map.store.offset && load.strides == map.store.strides);
    map.store.buffer == result && same && map.row_axes == 0
}
