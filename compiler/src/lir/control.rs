//! Control flow: steps that own blocks of steps, and symbols that get their values while the program runs.

use super::{Access, Arg, BufferId, Place, RowMap, Step, StepKind};
use crate::ir::Requirement;
use crate::types::{Dim, Symbol};

/// Steps that run one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// What must hold before or while they run.
    pub requirements: Vec<Requirement>,
    /// The steps in order.
    pub steps: Vec<Step>,
}

/// A choice between two blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The truth value that decides: one element.
    pub condition: Place,
    /// Runs if it is true.
    pub then: Block,
    /// Runs if it is not.
    pub otherwise: Block,
    /// Extents that the blocks give different values.
    pub joined: Vec<Joined>,
}

/// A symbol that each block of a branch gives a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The symbol; known after the branch.
    pub symbol: Symbol,
    /// Its value if the first block ran.
    pub then: Dim,
    /// Its value if the second block ran.
    pub otherwise: Dim,
}

/// A loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// The number of the iteration, from zero; known in the body.
    pub counter: Symbol,
    /// Most iterations.
    pub limit: Option<Dim>,
    /// The truth value that is asked before each iteration: one element.
    pub condition: Option<Place>,
    /// What is run.
    pub body: Block,
    /// Extents that change from one iteration to the next.
    pub growing: Vec<Growing>,
    /// The number of iterations that ran; known after the loop.
    pub trips: Option<Symbol>,
    /// The number of iterations that memory is planned for, if there may be more.
    pub capacity: Option<i64>,
}

/// A symbol that changes from one iteration to the next; known in the body and after the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growing {
    /// The symbol.
    pub symbol: Symbol,
    /// Its value in the first iteration.
    pub first: Dim,
    /// Its value in the next iteration.
    pub next: Dim,
    /// Whether its value may go beyond its range.
    pub checked: bool,
}

impl Step {
    /// The blocks that this step owns.
    pub fn blocks(&self) -> Vec<&Block> {
        match &self.kind {
            StepKind::Branch(branch) => vec![&branch.then, &branch.otherwise],
            StepKind::Loop(l) => vec![&l.body],
            _ => Vec::new(),
        }
    }

    /// The blocks that this step owns.
    pub fn blocks_mut(&mut self) -> Vec<&mut Block> {
        match &mut self.kind {
            StepKind::Branch(branch) => vec![&mut branch.then, &mut branch.otherwise],
            StepKind::Loop(l) => vec![&mut l.body],
            _ => Vec::new(),
        }
    }

    /// Whether this step does more than write to buffers.
    pub fn has_effect(&self) -> bool {
        matches!(self.kind, StepKind::Check { .. })
            || !self.binds().is_empty()
            || self.blocks().into_iter().flat_map(|b| &b.steps).any(Step::has_effect)
    }

    /// The symbols that have a value once this step ran.
    pub fn binds(&self) -> Vec<&Symbol> {
        match &self.kind {
            StepKind::Call(call) => call.count.iter().collect(),
            StepKind::Bind { symbol, .. } => vec![symbol],
            StepKind::Branch(branch) => branch.joined.iter().map(|j| &j.symbol).collect(),
            StepKind::Loop(l) => l.growing.iter().map(|g| &g.symbol).chain(&l.trips).collect(),
            StepKind::Map(_) | StepKind::Copy { .. } | StepKind::Check { .. } => Vec::new(),
        }
    }

    /// Every symbol that this step mentions, also in its blocks.
    pub fn symbols(&self) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        self.each_dim(&mut |dim| dim.symbols(&mut symbols));
        symbols
    }

    /// Puts one buffer in the place of another.
    pub fn rename(&mut self, from: BufferId, to: BufferId) {
        let swap = |buffer: &mut BufferId| {
            if *buffer == from {
                *buffer = to;
            }
        };
        match &mut self.kind {
            StepKind::Call(call) => call.args.iter_mut().for_each(|arg| arg.each_buffer(&swap)),
            StepKind::Map(map) => {
                map.loads.iter_mut().chain([&mut map.store]).for_each(|access| swap(&mut access.buffer));
            }
            StepKind::Copy { load, store, .. } => {
                swap(&mut load.buffer);
                swap(&mut store.buffer);
            }
            StepKind::Bind { place, .. } | StepKind::Check { condition: place, .. } => {
                swap(&mut place.buffer);
            }
            StepKind::Branch(branch) => swap(&mut branch.condition.buffer),
            StepKind::Loop(l) => l.condition.iter_mut().for_each(|place| swap(&mut place.buffer)),
        }
        for block in self.blocks_mut() {
            block.steps.iter_mut().for_each(|step| step.rename(from, to));
        }
    }

    fn each_dim(&self, visit: &mut dyn FnMut(&Dim)) {
        match &self.kind {
            StepKind::Call(call) => call.args.iter().for_each(|arg| arg.each_dim(visit)),
            StepKind::Map(map) => {
                map.space.iter().chain(map.expr.sizes()).for_each(&mut *visit);
                map.loads.iter().chain([&map.store]).for_each(|access| access.each_dim(visit));
            }
            StepKind::Copy { space, load, store } => {
                space.iter().for_each(&mut *visit);
                load.each_dim(visit);
                store.each_dim(visit);
            }
            StepKind::Bind { place, most, .. } => {
                place.each_dim(visit);
                visit(most);
            }
            StepKind::Check { condition, .. } => condition.each_dim(visit),
            StepKind::Branch(branch) => {
                branch.condition.each_dim(visit);
                for joined in &branch.joined {
                    visit(&joined.then);
                    visit(&joined.otherwise);
                }
            }
            StepKind::Loop(l) => {
                l.limit.iter().for_each(&mut *visit);
                l.condition.iter().for_each(|place| place.each_dim(visit));
                for growing in &l.growing {
                    visit(&growing.first);
                    visit(&growing.next);
                }
            }
        }
        for block in self.blocks() {
            for requirement in &block.requirements {
                visit(&requirement.have);
                visit(&requirement.want);
            }
            block.steps.iter().for_each(|step| step.each_dim(visit));
        }
    }
}

impl Place {
    fn each_dim(&self, visit: &mut dyn FnMut(&Dim)) {
        visit(&self.offset);
        visit(&self.len);
    }
}

impl Access {
    fn each_dim(&self, visit: &mut dyn FnMut(&Dim)) {
        visit(&self.offset);
        self.strides.iter().for_each(visit);
    }
}

impl RowMap {
    fn each_dim(&self, visit: &mut dyn FnMut(&Dim)) {
        self.expr.sizes().for_each(&mut *visit);
        for load in &self.loads {
            load.place.each_dim(visit);
            visit(&load.first);
            load.row_strides.iter().for_each(&mut *visit);
        }
    }
}

impl Arg {
    fn each_buffer(&mut self, visit: &dyn Fn(&mut BufferId)) {
        match self {
            Arg::Read(_, place) | Arg::Write(_, place) | Arg::Update(_, place) => visit(&mut place.buffer),
            Arg::Struct(_, fields) => fields.iter_mut().for_each(|(_, arg)| arg.each_buffer(visit)),
            Arg::Array(args) | Arg::Tuple(args) | Arg::Apply(_, args) => {
                args.iter_mut().for_each(|arg| arg.each_buffer(visit));
            }
            Arg::Ref(arg) | Arg::Some(arg) => arg.each_buffer(visit),
            Arg::RowMap(map) => map.loads.iter_mut().for_each(|load| visit(&mut load.place.buffer)),
            Arg::Size(_)
            | Arg::Signed(_)
            | Arg::Int(_)
            | Arg::Float(..)
            | Arg::Bool(_)
            | Arg::Path(_)
            | Arg::None => {}
        }
    }

    fn each_dim(&self, visit: &mut dyn FnMut(&Dim)) {
        match self {
            Arg::Read(_, place) | Arg::Write(_, place) | Arg::Update(_, place) => place.each_dim(visit),
            Arg::Size(dim) | Arg::Signed(dim) => visit(dim),
            Arg::Struct(_, fields) => fields.iter().for_each(|(_, arg)| arg.each_dim(visit)),
            Arg::Array(args) | Arg::Tuple(args) | Arg::Apply(_, args) => {
                args.iter().for_each(|arg| arg.each_dim(visit));
            }
            Arg::Ref(arg) | Arg::Some(arg) => arg.each_dim(visit),
            Arg::RowMap(map) => map.each_dim(visit),
            Arg::Int(_) | Arg::Float(..) | Arg::Bool(_) | Arg::Path(_) | Arg::None => {}
        }
    }
}
