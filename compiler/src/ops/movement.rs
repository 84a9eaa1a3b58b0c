//! Movement: operators that rearrange elements and never look at them.
//!
//! Reshape, Transpose, Slice and Broadcast are views where strides can say them; Concat is a placement of what it joins;
//! Pad copies. Everything else here is a composition of those.

mod blocks;
mod bounded;
pub mod bounds;
mod broadcast;
mod concat;
mod diagonals;
mod pad;
mod reshape;
mod restate;
mod slice;
pub(crate) mod strided;
#[cfg(test)]
mod tests;
mod transpose;

pub use broadcast::Broadcast;
pub use concat::Concat;
pub use diagonals::Diagonals;
pub use pad::{Pad, PadMode};
pub use reshape::Reshape;
pub use restate::Restate;
pub use slice::{Slice, SliceAxis};
pub use transpose::Transpose;

use super::{NodeCx, OpDef};
use crate::diag::Diagnostic;
use crate::ir::Value;
use crate::types::{Dim, Shape};

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef {
        name: "Reshape",
        domain: "",
        since: &[5, 13, 14, 19, 21, 23, 24, 25],
        doc: "The same elements under another shape; 0 keeps an extent, -1 takes what is left.",
        build: reshape::build,
    },
    OpDef {
        name: "Flatten",
        domain: "",
        since: &[1, 9, 11, 13, 21, 23, 24, 25],
        doc: "A matrix: the axes before `axis` are its rows, the others its columns.",
        build: reshape::build_flatten,
    },
    OpDef {
        name: "Squeeze",
        domain: "",
        since: &[1, 11, 13, 21, 23, 24, 25],
        doc: "Without the given axes of extent 1, or without all of them.",
        build: reshape::build_squeeze,
    },
    OpDef {
        name: "Unsqueeze",
        domain: "",
        since: &[1, 11, 13, 21, 23, 24, 25],
        doc: "With axes of extent 1 added.",
        build: reshape::build_unsqueeze,
    },
    OpDef {
        name: "Transpose",
        domain: "",
        since: &[1, 13, 21, 23, 24, 25],
        doc: "Axes in another order.",
        build: transpose::build,
    },
    OpDef {
        name: "Concat",
        domain: "",
        since: &[4, 11, 13],
        doc: "Tensors one after another along an axis.",
        build: concat::build,
    },
    OpDef {
        name: "Split",
        domain: "",
        since: &[2, 11, 13, 18],
        doc: "Parts of a tensor along an axis.",
        build: slice::build_split,
    },
    OpDef {
        name: "Slice",
        domain: "",
        since: &[1, 10, 11, 13],
        doc: "Every `step`-th element of a range, on each axis.",
        build: slice::build,
    },
    OpDef {
        name: "Pad",
        domain: "",
        since: &[2, 11, 13, 18, 19, 21, 23, 24, 25],
        doc: "Elements added before and after, on each axis; negative amounts crop.",
        build: pad::build,
    },
    OpDef {
        name: "CenterCropPad",
        domain: "",
        since: &[18],
        doc: "Cropped or padded with zeros around the middle.",
        build: pad::build_center,
    },
    OpDef {
        name: "Expand",
        domain: "",
        since: &[8, 13],
        doc: "Broadcast to a shape.",
        build: broadcast::build,
    },
    OpDef {
        name: "Tile",
        domain: "",
        since: &[6, 13],
        doc: "A tensor repeated along its axes.",
        build: broadcast::build_tile,
    },
    OpDef {
        name: "DepthToSpace",
        domain: "",
        since: &[1, 11, 13],
        doc: "Blocks of channels laid out as squares of pixels.",
        build: blocks::build_depth_to_space,
    },
    OpDef {
        name: "SpaceToDepth",
        domain: "",
        since: &[1, 13],
        doc: "Squares of pixels laid out as blocks of channels.",
        build: blocks::build_space_to_depth,
    },
];

/// Movement of values; forms that move nothing add no node.
impl NodeCx<'_> {
    /// A value under another shape.
    ///
    /// # Errors
    /// If the numbers of elements differ or cannot be shown to be equal.
    pub fn reshape(&mut self, value: Value, shape: Shape) -> Result<Value, Diagnostic> {
        if self.ty(value).shape == shape {
            return Ok(value);
        }
        self.add(Reshape { shape }, &[value])
    }

    /// A value with axes in another order: axis `i` of the result is axis `perm[i]`.
    ///
    /// # Errors
    /// If `perm` is not an order of the value's axes.
    pub fn transpose(&mut self, value: Value, perm: &[usize]) -> Result<Value, Diagnostic> {
        let shape = self.shape(value);
        let mut sorted = perm.to_vec();
        sorted.sort_unstable();
        if sorted.into_iter().eq(0..shape.len()) {
            let moved: Vec<usize> = perm.iter().copied().filter(|&a| !shape[a].is(1)).collect();
            if moved.is_sorted() {
                return self.reshape(value, perm.iter().map(|&a| shape[a].clone()).collect());
            }
        }
        self.add(Transpose { perm: perm.to_vec() }, &[value])
    }

    /// `len` elements of an axis from `start` on.
    ///
    /// # Errors
    /// If they are not all there.
    pub fn slice(
        &mut self,
        value: Value,
        axis: usize,
        start: impl Into<Dim>,
        len: impl Into<Dim>,
    ) -> Result<Value, Diagnostic> {
        let mut axes: Vec<SliceAxis> = self.ty(value).shape.iter().map(SliceAxis::whole).collect();
        if let Some(slice) = axes.get_mut(axis) {
            *slice = SliceAxis { start: start.into(), step: 1, extent: len.into() };
        }
        self.slice_axes(value, axes)
    }

    /// A part of every axis.
    ///
    /// # Errors
    /// If the parts do not fit the value.
    pub fn slice_axes(&mut self, value: Value, axes: Vec<SliceAxis>) -> Result<Value, Diagnostic> {
        let shape = &self.ty(value).shape;
        if axes.len() == shape.len() && axes.iter().zip(shape).all(|(a, n)| a.is_whole(n)) {
            return Ok(value);
        }
        self.add(Slice { axes }, &[value])
    }

    /// A value broadcast to a shape. Where nothing shows that an extent is that of the shape, the program checks it.
    ///
    /// # Errors
    /// If it does not broadcast to it.
    pub fn expand(&mut self, value: Value, shape: Shape) -> Result<Value, Diagnostic> {
        let mut own = self.shape(value);
        for (own, extent) in own.iter_mut().rev().zip(shape.iter().rev()) {
            if own.as_i64().is_none() {
                *own = extent.clone();
            }
        }
        let value = self.restate(value, &own)?;
        let ty = self.ty(value);
        if ty.shape == shape {
            return Ok(value);
        }
        if ty.elements().is(1) && Dim::product(&shape).is(1) && ty.rank() <= shape.len() {
            return self.reshape(value, shape);
        }
        self.add(Broadcast { shape }, &[value])
    }

    /// Values one after another along an axis.
    ///
    /// # Errors
    /// If there is none, or element types or other extents differ.
    pub fn concat(&mut self, values: &[Value], axis: usize) -> Result<Value, Diagnostic> {
        match values {
            [one] if axis < self.rank(*one) => Ok(*one),
            _ => self.add(Concat { axis }, values),
        }
    }

    /// A value with elements added before and after on each axis. `fill` holds the one element that they are, for
    /// [`PadMode::Constant`]; left out, it is zero.
    ///
    /// # Errors
    /// If the amounts do not fit the value.
    pub fn pad(
        &mut self,
        value: Value,
        before: Shape,
        after: Shape,
        mode: PadMode,
        fill: Option<Value>,
    ) -> Result<Value, Diagnostic> {
        if before.iter().chain(&after).all(|d| d.is(0)) {
            return Ok(value);
        }
        if mode != PadMode::Constant {
            return self.add(Pad { mode, before, after }, &[value]);
        }
        let fill = match fill {
            Some(fill) => fill,
            None => {
                let dtype = self.dtype(value);
                self.scalar(dtype, 0.0)
            }
        };
        let fill = self.reshape(fill, vec![Dim::ONE; self.rank(value)])?;
        self.add(Pad { mode, before, after }, &[value, fill])
    }
}
