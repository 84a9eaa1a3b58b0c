//! The blob as a list of constants with their places. Its bytes exist only while they are written: constants are packed
//! piece by piece, straight from the files that hold them, so that a model needs far less memory than it has weights.

use super::LINE_BYTES;
use crate::lir::{ConstData, Packing};
use crate::mapped::release;
use crate::types::{DType, Tensor};
use ingrain_kernels::conv::ConvShape;
use ingrain_kernels::conv::pack as conv;
use ingrain_kernels::matmul::pack as matmul;
use std::io::{self, Write};
use std::sync::OnceLock;
use xxhash_rust::xxh3::Xxh3;

/// The read-only weights of a bundle, to be placed at a multiple of [`LINE_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Blob {
    stored: Vec<Stored>,
    len: u64,
    hash: OnceLock<String>,
}

/// A constant in the blob.
#[derive(Clone, Debug)]
struct Stored {
    offset: u64,
    constant: ConstData,
}

/// Bytes that are packed at once.
const PIECE_BYTES: usize = if cfg!(test) { 64 << 10 } else { 32 << 20 };

impl Blob {
    /// A blob of these bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Blob {
        let mut blob = Blob::default();
        if let Some(tensor) = Tensor::new(DType::U8, vec![bytes.len()], bytes.into()) {
            blob.push(ConstData { tensor, packing: Packing::Plain });
        }
        blob
    }

    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no weights.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a constant and gives its offset.
    pub(super) fn push(&mut self, constant: ConstData) -> u64 {
        let offset = self.len.next_multiple_of(LINE_BYTES);
        self.len = offset + constant.tensor.bytes().len() as u64;
        self.stored.push(Stored { offset, constant });
        self.hash = OnceLock::new();
        offset
    }

    /// 32 hexadecimal digits that identify the bytes.
    pub fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let mut hashed = Hashed { out: &mut io::sink(), hasher: Xxh3::new(), written: 0 };
            // A sink takes everything.
            _ = self.stream(&mut hashed);
            hashed.digest()
        })
    }

    /// Writes the bytes.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut hashed = Hashed { out, hasher: Xxh3::new(), written: 0 };
        self.stream(&mut hashed)?;
        self.hash.get_or_init(|| hashed.digest());
        Ok(())
    }

    /// All bytes in memory.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.len).unwrap_or(0));
        // A vector takes everything.
        _ = self.write(&mut bytes);
        bytes
    }

    fn stream(&self, out: &mut Hashed<'_>) -> io::Result<()> {
        for Stored { offset, constant } in &self.stored {
            let gap = usize::try_from(offset - out.written).unwrap_or(0);
            out.put(&[0; LINE_BYTES as usize][..gap])?;
            pieces(constant, &mut |piece| out.put(piece))?;
        }
        Ok(())
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Blob) -> bool {
        self.len == other.len && self.hash() == other.hash()
    }
}

/// A writer that hashes what passes.
struct Hashed<'a> {
    out: &'a mut dyn Write,
    hasher: Xxh3,
    written: u64,
}

impl Hashed<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn digest(&self) -> String {
        format!("{:032x}", self.hasher.digest128())
    }
}

/// Shows the packed bytes of a constant, in order, in pieces.
fn pieces(constant: &ConstData, show: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let source = constant.tensor.bytes();
    let elem = constant.tensor.dtype().size();
    match constant.packing {
        Packing::Plain => {
            for piece in source.chunks(PIECE_BYTES) {
                show(piece)?;
                release(piece);
            }
        }
        Packing::Panels { k, n, transposed, .. } => {
            let bytes = k * n * elem;
            let at_once = (PIECE_BYTES / (matmul::PANEL * k * elem).max(1)).max(1);
            let mut piece = vec![0; bytes.min(at_once * matmul::PANEL * k * elem)];
            for matrix in source.chunks_exact(bytes.max(1)) {
                for first in (0..matmul::panel_count(n)).step_by(at_once) {
                    let last = (first + at_once).min(matmul::panel_count(n));
                    let columns = (last * matmul::PANEL).min(n) - first * matmul::PANEL;
                    let piece = &mut piece[..columns * k * elem];
                    matmul::pack_panel_range(matrix, elem, k, n, transposed, first..last, piece);
                    show(piece)?;
                    release(matrix);
                }
            }
        }
        ref packing => {
            let mut packed = vec![0; source.len()];
            pack_whole(packing, source, elem, &mut packed);
            show(&packed)?;
            release(source);
        }
    }
    Ok(())
}

/// Whether a constant has the extents that its layout says. Packing never changes the number of bytes.
pub(super) fn check(constant: &ConstData) -> Result<(), String> {
    let packing = &constant.packing;
    let groups_divide = |n: usize, groups: usize, what: &str| match groups {
        0 => Err(format!("no groups of {n} {what}")),
        _ if !n.is_multiple_of(groups) => Err(format!("{groups} groups do not divide {n} {what}")),
        _ => Ok(()),
    };
    let factors = match *packing {
        Packing::Plain => return Ok(()),
        Packing::Panels { batch, k, n, .. } => vec![batch, k, n],
        Packing::ConvPanels { filters, group_channels, kernel, groups } => {
            groups_divide(filters, groups, "filters")?;
            vec![filters, group_channels, kernel[0], kernel[1], kernel[2]]
        }
        Packing::Depthwise { channels, taps } => vec![channels, taps],
        Packing::ConvTransposePanels { channels, group_filters, kernel, groups } => {
            groups_divide(channels, groups, "channels")?;
            vec![channels, group_filters, kernel[0], kernel[1], kernel[2]]
        }
    };
    let elements = factors.iter().try_fold(1_usize, |n, &f| n.checked_mul(f));
    if elements == Some(constant.tensor.len()) {
        Ok(())
    } else {
        Err(format!("{} elements do not fit {packing:?}", constant.tensor.len()))
    }
}

/// Packs constants whose layout is not cut into pieces. They were checked.
fn pack_whole(packing: &Packing, source: &[u8], elem: usize, into: &mut [u8]) {
    match *packing {
        Packing::Plain | Packing::Panels { .. } => {}
        Packing::ConvPanels { filters, group_channels, kernel, groups } => {
            let shape = weights_shape(group_channels.saturating_mul(groups), filters, kernel, groups);
            conv::pack_conv(source, elem, &shape, into);
        }
        Packing::Depthwise { channels, taps } => {
            let shape = weights_shape(channels, channels, [1, 1, taps], channels.max(1));
            conv::pack_depthwise(source, elem, &shape, into);
        }
        Packing::ConvTransposePanels { channels, group_filters, kernel, groups } => {
            let filters = group_filters.saturating_mul(groups);
            conv::pack_conv_transpose(source, elem, &weights_shape(channels, filters, kernel, groups), into);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole() {
        let (k, n) = (300, 503);
        let elements: Vec<u8> = (0..k * n).map(|i| (i * 7 + i / 251) as u8).collect();
        for transposed in [false, true] {
            let mut whole = vec![0; k * n * 4];
            let wide: Vec<u8> = elements.iter().flat_map(|&b| [b, b ^ 1, b ^ 2, b ^ 3]).collect();
            matmul::pack_panels(&wide, 4, k, n, transposed, &mut whole);
            let shape = if transposed { vec![n, k] } else { vec![k, n] };
            let tensor = Tensor::new(DType::F32, shape, wide.into()).expect("the extents fit");
            let mut blob = Blob::from_bytes(vec![1, 2, 3]);
            let packing = Packing::Panels { batch: 1, k, n, transposed };
            assert_eq!(blob.push(ConstData { tensor, packing }), LINE_BYTES);
            let bytes = blob.to_bytes();
            assert_eq!(bytes.len() as u64, blob.len());
            assert_eq!(bytes[..4], [1, 2, 3, 0]);
            assert!(bytes[LINE_BYTES as usize..] == whole[..]);
            let hash = blob.hash().to_owned();
            assert_eq!(Blob::from_bytes(bytes).hash(), hash);
        }
    }
}
