//! Walking over what steps are made of. One place knows how arguments nest.

use super::{Access, Arg, BufferId, Call, Place, RowMap, Step, StepKind};
use crate::types::{Dim, Symbol};

/// How a step touches a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// Reads.
    Read,
    /// Writes without reading.
    Write,
    /// Reads and writes.
    Update,
}

impl Step {
    /// Every buffer this step touches, in argument order; for control flow those of its blocks too.
    pub fn touches(&self) -> Vec<(BufferId, Touch)> {
        let mut list = self.own_touches();
        for step in self.blocks().into_iter().flat_map(|block| &block.steps) {
            list.extend(step.touches());
        }
        list
    }

    /// The buffers that it touches itself, not in a block.
    pub fn own_touches(&self) -> Vec<(BufferId, Touch)> {
        let mut list = Vec::new();
        match &self.kind {
            StepKind::Map(map) => {
                list.extend(map.loads.iter().map(|l| (l.buffer, Touch::Read)));
                list.push((map.store.buffer, Touch::Write));
            }
            StepKind::Copy { load, store, .. } => {
                list.push((load.buffer, Touch::Read));
                list.push((store.buffer, Touch::Write));
            }
            StepKind::Call(call) => {
                for arg in &call.args {
                    arg.each_place(&mut |place, touch| list.push((place.buffer, touch)));
                }
            }
            StepKind::Bind { place, .. } | StepKind::Check { condition: place, .. } => {
                list.push((place.buffer, Touch::Read));
            }
            StepKind::Branch(branch) => list.push((branch.condition.buffer, Touch::Read)),
            StepKind::Loop(l) => list.extend(l.condition.iter().map(|c| (c.buffer, Touch::Read))),
        }
        list
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

impl Call {
    /// The slice that the call reads and the one that it writes, where the second may be put over the first.
    pub fn overwritable(&self) -> Option<(&Place, &Place)> {
        let (name, over) = self.args.iter().find_map(Arg::over)?;
        let (mut old, mut new) = (None, None);
        over.each_place(&mut |place, _| old = Some(place));
        for arg in &self.args {
            arg.each_leaf(&mut |leaf| {
                if let Arg::Write(written, place) = leaf
                    && *written == name
                {
                    new = Some(place);
                }
            });
        }
        Some((old?, new?))
    }
}

impl Arg {
    /// The first [`Arg::Over`] in this one: the name of what is written, and the argument that reads.
    fn over(&self) -> Option<(&'static str, &Arg)> {
        match self {
            Arg::Over(name, arg, _) => Some((name, arg)),
            Arg::Struct(_, fields) => fields.iter().find_map(|(_, arg)| arg.over()),
            Arg::Array(args) | Arg::Tuple(args) | Arg::Apply(_, args) => args.iter().find_map(Arg::over),
            Arg::Ref(arg) | Arg::Some(arg) => arg.over(),
            _ => None,
        }
    }

    /// Visits every argument in this one that holds no others; itself if it holds none.
    fn each_leaf<'a>(&'a self, visit: &mut dyn FnMut(&'a Arg)) {
        match self {
            Arg::Struct(_, fields) => fields.iter().for_each(|(_, arg)| arg.each_leaf(visit)),
            Arg::Array(args) | Arg::Tuple(args) | Arg::Apply(_, args) => {
                args.iter().for_each(|arg| arg.each_leaf(visit));
            }
            Arg::Ref(arg) | Arg::Some(arg) | Arg::Over(_, arg, _) => arg.each_leaf(visit),
            _ => visit(self),
        }
    }

    /// [`Arg::each_leaf`] for changing them.
    fn each_leaf_mut(&mut self, visit: &mut dyn FnMut(&mut Arg)) {
        match self {
            Arg::Struct(_, fields) => fields.iter_mut().for_each(|(_, arg)| arg.each_leaf_mut(visit)),
            Arg::Array(args) | Arg::Tuple(args) | Arg::Apply(_, args) => {
                args.iter_mut().for_each(|arg| arg.each_leaf_mut(visit));
            }
            Arg::Ref(arg) | Arg::Some(arg) | Arg::Over(_, arg, _) => arg.each_leaf_mut(visit),
            leaf => visit(leaf),
        }
    }

    /// Visits every slice of a buffer, with what is done to it.
    pub(super) fn each_place<'a>(&'a self, visit: &mut dyn FnMut(&'a Place, Touch)) {
        self.each_leaf(&mut |leaf| match leaf {
            Arg::Read(_, place) => visit(place, Touch::Read),
            Arg::Write(_, place) => visit(place, Touch::Write),
            Arg::Update(_, place) => visit(place, Touch::Update),
            Arg::RowMap(map) => map.loads.iter().for_each(|load| visit(&load.place, Touch::Read)),
            _ => {}
        });
    }

    fn each_buffer(&mut self, visit: &dyn Fn(&mut BufferId)) {
        self.each_leaf_mut(&mut |leaf| match leaf {
            Arg::Read(_, place) | Arg::Write(_, place) | Arg::Update(_, place) => visit(&mut place.buffer),
            Arg::RowMap(map) => map.loads.iter_mut().for_each(|load| visit(&mut load.place.buffer)),
            _ => {}
        });
    }

    fn each_dim(&self, visit: &mut dyn FnMut(&Dim)) {
        self.each_leaf(&mut |leaf| match leaf {
            Arg::Read(_, place) | Arg::Write(_, place) | Arg::Update(_, place) => place.each_dim(visit),
            Arg::Size(dim) | Arg::Signed(dim) => visit(dim),
            Arg::RowMap(map) => map.each_dim(visit),
            _ => {}
        });
    }
}
