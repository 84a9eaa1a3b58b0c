//! The blob: each constant once over all programs, in the layout that its kernel reads.
//!
//! Constants are found again by content. Equal bytes after packing are one place, whatever the name, the program, the
//! element type or the way they were packed: a matrix and the transpose of its transpose are stored once.

use super::{Bytes, LINE_BYTES, Plan, Room};
use crate::diag::{Code, Diagnostic};
use crate::lir::{Class, ConstData, Packing, Program};
use ingrain_kernels::conv::ConvShape;
use ingrain_kernels::conv::pack as conv;
use ingrain_kernels::matmul::pack as matmul;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// The read-only weights of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob {
    /// The bytes, to be placed at a multiple of [`LINE_BYTES`].
    pub bytes: Vec<u8>,
    /// 32 hexadecimal digits that identify the bytes.
    pub hash: String,
}

/// Collects the constants of programs.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// What was packed already: content before packing, and how it was packed.
    packed: BTreeMap<(u128, u64, usize, String), Bytes>,
    /// What is stored already, by content.
    stored: BTreeMap<(u128, u64), Bytes>,
}

impl Writer {
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
        let mut places: Vec<(u64, u64)> = plan
            .rooms
            .iter()
            .filter_map(|room| match room {
                Room::Blob(b) => Some((b.offset, b.len)),
                _ => None,
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        plan.weight_bytes = places.iter().map(|(_, len)| len).sum();
        Ok(())
    }

    fn store(&mut self, constant: &ConstData) -> Result<Bytes, String> {
        let source = constant.tensor.bytes();
        let elem = constant.tensor.dtype().size();
        let packing = format!("{:?}", constant.packing);
        let key = (xxh3_128(source), source.len() as u64, elem, packing);
        if let Some(&place) = self.packed.get(&key) {
            return Ok(place);
        }
        let start = self.bytes.len().next_multiple_of(LINE_BYTES as usize);
        let before = self.bytes.len();
        self.bytes.resize(start, 0);
        match &constant.packing {
            Packing::Plain => self.bytes.extend_from_slice(source),
            packing => {
                self.bytes.resize(start + source.len(), 0);
                if let Err(why) = pack(packing, source, elem, &mut self.bytes[start..]) {
                    self.bytes.truncate(before);
                    return Err(why);
                }
            }
        }
        let written = &self.bytes[start..];
        let content = (xxh3_128(written), written.len() as u64);
        let place = match self.stored.get(&content) {
            Some(&place) if self.bytes[range(place)] == *written => {
                self.bytes.truncate(before);
                place
            }
            _ => {
                let place = Bytes { offset: start as u64, len: source.len() as u64 };
                self.stored.insert(content, place);
                place
            }
        };
        self.packed.insert(key, place);
        Ok(place)
    }

    /// The blob.
    pub(super) fn finish(self) -> Blob {
        let hash = format!("{:032x}", xxh3_128(&self.bytes));
        Blob { bytes: self.bytes, hash }
    }
}

fn range(place: Bytes) -> std::ops::Range<usize> {
    place.offset as usize..(place.offset + place.len) as usize
}

/// Writes a constant in the layout that its kernel reads. Packing never changes the number of bytes.
fn pack(packing: &Packing, source: &[u8], elem: usize, into: &mut [u8]) -> Result<(), String> {
    let fits = |elements: Option<usize>| {
        let right = elements.and_then(|n| n.checked_mul(elem)) == Some(source.len());
        if right { Ok(()) } else { Err(format!("{} bytes do not fit {packing:?}", source.len())) }
    };
    match *packing {
        Packing::Plain => into.copy_from_slice(source),
        Packing::Panels { batch, k, n, transposed } => {
            let matrix = k.checked_mul(n);
            fits(matrix.and_then(|m| m.checked_mul(batch)))?;
            let bytes = matrix.unwrap_or(0) * elem;
            if bytes > 0 {
                for (from, to) in source.chunks_exact(bytes).zip(into.chunks_exact_mut(bytes)) {
                    matmul::pack_panels(from, elem, k, n, transposed, to);
                }
            }
        }
        Packing::ConvPanels { filters, group_channels, kernel, groups } => {
            let shape = weights_shape(group_channels.saturating_mul(groups), filters, kernel, groups);
            fits(product(&[filters, group_channels, kernel[0], kernel[1], kernel[2]]))?;
            if shape.groups == 0 || filters % shape.groups != 0 {
                return Err(format!("{groups} groups do not divide {filters} filters"));
            }
            conv::pack_conv(source, elem, &shape, into);
        }
        Packing::Depthwise { channels, taps } => {
            fits(channels.checked_mul(taps))?;
            let shape = weights_shape(channels, channels, [1, 1, taps], channels.max(1));
            conv::pack_depthwise(source, elem, &shape, into);
        }
        Packing::ConvTransposePanels { channels, group_filters, kernel, groups } => {
            fits(product(&[channels, group_filters, kernel[0], kernel[1], kernel[2]]))?;
            if groups == 0 || channels % groups != 0 {
                return Err(format!("{groups} groups do not divide {channels} channels"));
            }
            let filters = group_filters.saturating_mul(groups);
            conv::pack_conv_transpose(source, elem, &weights_shape(channels, filters, kernel, groups), into);
        }
    }
    Ok(())
}

fn product(factors: &[usize]) -> Option<usize> {
    factors.iter().try_fold(1_usize, |n, &f| n.checked_mul(f))
}

/// The extents that matter to the packers of weights.
fn weights_shape(channels: usize, filters: usize, kernel: [usize; 3], groups: usize) -> ConvShape {
    ConvShape {
        batch: 0,
        input: [0; 3],
        output: [0; 3],
        kernel,
        stride: [1; 3],
        dilation: [1; 3],
        pad_begin: [0; 3],
        channels,
        filters,
        groups,
    }
}
