//! Control flow: steps that own blocks of steps, and symbols that get their values while the program runs.

use super::{Place, Step, StepKind};
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
}
