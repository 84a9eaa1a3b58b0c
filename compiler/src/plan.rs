//! The memory plan: where every value and every weight lives, decided before anything runs.
//!
//! Values live in one arena, each at a fixed byte range while some step needs it; weights live in one blob that all
//! programs of a bundle share. Invariant, checked by [`verify`]: two values that are needed at the same time never
//! overlap, unless a step computes one from the other in place.
//!
//! The plan knows buffers and steps. It does not know what steps compute, nor how they are written.

mod arena;
mod blob;
mod in_place;
mod liveness;
mod order;
mod print;
mod weights;

#[cfg(test)]
mod tests;
pub mod verify;

pub use blob::Blob;

use crate::diag::{Code, Diagnostic};
use crate::lir::{BufferId, Class, Program};
use crate::types::{Contents, DType};

/// Alignment of every place in the arena and in the blob.
pub const LINE_BYTES: u64 = 64;

/// A range of bytes of the arena or of the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// First byte, a multiple of [`LINE_BYTES`].
    pub offset: u64,
    /// Number of bytes.
    pub len: u64,
}

/// Where a buffer lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// No step touches it.
    Unused,
    /// The caller's input, by position.
    Input(usize),
    /// In the arena.
    Arena(Bytes),
    /// In the blob.
    Blob(Bytes),
}

/// Where everything of one program lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For each buffer, its place.
    pub rooms: Vec<Room>,
    /// The outermost steps, by their position in the program, in the order in which they run.
    pub order: Vec<usize>,
    /// For each step in the order in which they run, those of a block after the step that owns it: the load whose
    /// buffer it overwrites, `loads[i]` of a map, 0 for a copy and for what a call may overwrite.
    pub in_place: Vec<Option<usize>>,
    /// Bytes of the arena.
    pub arena_bytes: u64,
    /// Bytes of the largest set of values that are needed at once: no plan of these steps can be smaller.
    pub lower_bound_bytes: u64,
    /// Bytes of the blob that this program reads.
    pub weight_bytes: u64,
    /// Where the constants are that the caller may replace.
    pub defaults: Vec<Bytes>,
}

impl Plan {
    /// Where a buffer lives.
    pub fn room(&self, buffer: BufferId) -> Room {
        self.rooms[buffer.0 as usize]
    }
}

/// The sets of weights of a program that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variants {
    /// Their names.
    pub names: Vec<String>,
    /// The plan of each. They differ in places in the blob only.
    pub plans: Vec<Plan>,
}

/// Plans programs that ship together: one plan for each, one blob for all.
///
/// # Errors
/// If a buffer has no bound or is too large for the address space, or if a program is defective.
pub fn plan(programs: &[&Program]) -> Result<(Vec<Plan>, Blob), Diagnostic> {
    plan_with(programs, Contents::default()).map(|(plans, blob, _)| (plans, blob))
}

/// [`plan`] with what is known of the contents of constants. Gives it back with what was learnt.
///
/// # Errors
/// As [`plan`].
pub fn plan_with(
    programs: &[&Program],
    contents: Contents,
) -> Result<(Vec<Plan>, Blob, Contents), Diagnostic> {
    let mut blob = weights::Writer::new(contents);
    let mut plans = Vec::with_capacity(programs.len());
    for program in programs {
        let mut plan = plan_arena(program)?;
        blob.place(program, &mut plan)?;
        debug_assert_eq!(verify::verify(program, &plan), Vec::<String>::new(), "the plan holds");
        plans.push(plan);
    }
    let (blob, contents) = blob.finish();
    Ok((plans, blob, contents))
}

/// The plan without weights.
fn plan_arena(program: &Program) -> Result<Plan, Diagnostic> {
    let sizes = (0..program.buffers.len())
        .map(|at| buffer_bytes(program, BufferId(at as u32)))
        .collect::<Result<Vec<u64>, Diagnostic>>()?;
    if let Some(problem) = program.verify().into_iter().next() {
        return Err(Diagnostic::new(Code::Internal, format!("the program is defective: {problem}")));
    }
    let order = order::order(program, &sizes);
    let timeline = liveness::Timeline::new(program, &order);
    let lives = liveness::lives(program, &timeline);
    let classes = in_place::classes(program, &timeline, &lives);
    let blocks = in_place::blocks(program, &classes, &lives, &sizes);
    let placed = arena::place(&blocks);
    let mut rooms = vec![Room::Unused; program.buffers.len()];
    for (at, buffer) in program.buffers.iter().enumerate() {
        match (&buffer.class, classes.block[at]) {
            (Class::Input(i), _) => rooms[at] = Room::Input(*i),
            (Class::Arena, Some(block)) => {
                let offset = placed.offsets[block];
                rooms[at] = Room::Arena(Bytes { offset, len: sizes[at] });
            }
            (Class::Arena | Class::Const(_), _) => {}
        }
    }
    Ok(Plan {
        rooms,
        order,
        in_place: classes.in_place,
        arena_bytes: placed.bytes,
        lower_bound_bytes: arena::lower_bound(&blocks),
        weight_bytes: 0,
        defaults: Vec::new(),
    })
}

/// The values in the arena: the buffer, its place, and the first and the last step that need it.
pub fn lives(program: &Program, plan: &Plan) -> Vec<(BufferId, Bytes, usize, usize)> {
    let lives = liveness::lives(program, &liveness::Timeline::new(program, &plan.order));
    let place = |at: usize| match plan.rooms[at] {
        Room::Arena(bytes) => Some(bytes),
        _ => None,
    };
    let value = |(at, life): (usize, &Option<liveness::Life>)| {
        life.as_ref().zip(place(at)).map(|(l, bytes)| (BufferId(at as u32), bytes, l.first, l.last))
    };
    lives.iter().enumerate().filter_map(value).collect()
}

/// Bytes of a buffer at the largest extents.
fn buffer_bytes(program: &Program, id: BufferId) -> Result<u64, Diagnostic> {
    let buffer = program.buffer(id);
    let range = buffer.len.range(&program.symbols);
    range
        .and_then(|r| u64::try_from(r.hi.max(0)).ok())
        .and_then(|elements| elements.checked_mul(buffer.dtype.size() as u64))
        // Half the address space of 64 bits: sums of a few such sizes do not overflow either.
        .filter(|bytes| *bytes < 1 << 56)
        .ok_or_else(|| {
            let what = format!("value \"{}\" of {} elements is too large", buffer.name, buffer.len);
            Diagnostic::new(Code::TooLarge, what).help("bound its dimensions with the option `dims`")
        })
}

/// Whether two element types are stored as the same Rust type: truth values are bytes.
pub(crate) fn same_storage(a: DType, b: DType) -> bool {
    let stored = |d| if d == DType::Bool { DType::U8 } else { d };
    stored(a) == stored(b)
}
