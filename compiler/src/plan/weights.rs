//! Where each constant stands in the blob: each once over all programs, in the layout that its kernel reads.
//!
//! Constants are found again by content, whatever the name, the program or the way they were packed: a matrix and the
//! transpose of its transpose are stored once.

use super::blob::{Blob, check};
use super::{Bytes, Plan, Room};
use crate::diag::{Code, Diagnostic};
use crate::lir::{Class, ConstData, Packing, Program};
use crate::types::Contents;
use std::collections::BTreeMap;

/// Collects the constants of programs.
pub(super) struct Writer {
    blob: Blob,
    contents: Contents,
    /// What is stored already: content and layout, as seen by the first constant that has the content.
    stored: BTreeMap<(usize, bool, String), Bytes>,
}

impl Writer {
    /// A writer of an empty blob that finds constants by these contents.
    pub(super) fn new(contents: Contents) -> Writer {
        Writer { blob: Blob::default(), contents, stored: BTreeMap::new() }
    }

    /// Gives every constant that the program touches a place, in the order in which its steps need them.
    pub(super) fn place(&mut self, program: &Program, plan: &mut Plan) -> Result<(), Diagnostic> {
        for step in plan.order.clone() {
            for (buffer, _) in program.steps[step].touches() {
                let at = buffer.0 as usize;
                let data = &program.buffers[at];
                if let (Class::Const(constant), Room::Unused) = (&data.class, plan.rooms[at]) {
                    let place = self.store(constant).map_err(|why| {
                        let what = format!("constant \"{}\" cannot be packed: {why}", data.name);
                        Diagnostic::new(Code::Internal, what)
                    })?;
                    plan.rooms[at] = Room::Blob(place);
                }
            }
        }
        for tensor in &program.defaults {
            let constant = ConstData { tensor: tensor.clone(), packing: Packing::Plain };
            let place = self.store(&constant).map_err(|why| Diagnostic::new(Code::Internal, why))?;
            plan.defaults.push(place);
        }
        let mut places: Vec<(u64, u64)> = plan
            .rooms
            .iter()
            .filter_map(|room| match room {
                Room::Blob(b) => Some((b.offset, b.len)),
                _ => None,
            })
            .chain(plan.defaults.iter().map(|b| (b.offset, b.len)))
            .collect();
        places.sort_unstable();
        places.dedup();
        plan.weight_bytes = places.iter().map(|(_, len)| len).sum();
        Ok(())
    }

    fn store(&mut self, constant: &ConstData) -> Result<Bytes, String> {
        check(constant)?;
        let key = self.key(constant);
        if let Some(&place) = self.stored.get(&key) {
            return Ok(place);
        }
        let len = constant.tensor.bytes().len() as u64;
        let place = Bytes { offset: self.blob.push(constant.clone()), len };
        self.stored.insert(key, place);
        Ok(place)
    }

    /// What equal bytes in the blob have in common.
    fn key(&mut self, constant: &ConstData) -> (usize, bool, String) {
        let identity = self.contents.of(&constant.tensor);
        match constant.packing.clone().plainest() {
            // Rows that one panel holds stay where they are.
            Packing::Panels { batch: 1, k, n, transposed: false } if k == 1 || n <= 16 => {
                (identity.content, identity.transposed, format!("{:?}", Packing::Plain))
            }
            Packing::Panels { batch: 1, k, n, transposed } => {
                let transposed = transposed ^ identity.transposed;
                (identity.content, false, format!("{:?}", Packing::Panels { batch: 1, k, n, transposed }))
            }
            other => (identity.content, identity.transposed, format!("{other:?}")),
        }
    }

    /// The blob, and the contents of all constants.
    pub(super) fn finish(self) -> (Blob, Contents) {
        (self.blob, self.contents)
    }
}
