//! Iteration spaces made as small as they can be said: no axes of one element, neighbours merged.

use super::dims::Dims;
use crate::lir::{Access, Place};
use crate::types::Dim;

/// A loop nest over operands.
#[derive(Clone, Debug)]
pub(super) struct Nest {
    /// Extents, outermost first.
    pub extents: Vec<Dim>,
    /// How many trailing axes are the row.
    pub row_axes: usize,
    /// For each operand, the elements between neighbours along each axis. All are positive: see `backwards`.
    pub strides: Vec<Vec<Dim>>,
    /// For each operand and axis, whether the operand is walked from its end.
    pub backwards: Vec<Vec<bool>>,
    /// For each operand, the elements that it covers.
    pub places: Vec<Place>,
    /// For each axis of the original space, the axis that it is now; `None` if its index is always zero.
    pub axis: Vec<Option<usize>>,
}

/// What a nest is made of.
pub(super) struct Space<'a> {
    /// Extents.
    pub extents: &'a [Dim],
    /// How many trailing axes are the row.
    pub row_axes: usize,
    /// Whether the order of the axes outside of the row is free.
    pub reorder: bool,
    /// Axes of which the index is a value.
    pub indexed: &'a [usize],
    /// The operands; the last one is written.
    pub accesses: &'a [&'a Access],
}

impl Nest {
    /// The smallest nest over these operands.
    pub(super) fn new(space: &Space<'_>, dims: &Dims<'_>) -> Nest {
        let rank = space.extents.len();
        let first_row = rank - space.row_axes;
        let mut axes: Vec<Axis> = (0..rank)
            .filter(|&a| !space.extents[a].is(1))
            .map(|a| Axis {
                extent: space.extents[a].clone(),
                strides: space.accesses.iter().map(|x| x.strides[a].clone()).collect(),
                origin: a,
                row: a >= first_row,
            })
            .collect();
        if space.reorder {
            by_written_stride(&mut axes, dims);
        }
        let mut merged: Vec<Axis> = Vec::new();
        for axis in axes {
            match merged.last_mut() {
                Some(outer) if outer.merges(&axis, space.indexed) => {
                    outer.extent = &outer.extent * &axis.extent;
                    outer.strides = axis.strides;
                }
                _ => merged.push(axis),
            }
        }
        let row_axes = merged.iter().filter(|a| a.row).count();
        let position = |origin: usize| merged.iter().position(|a| a.origin == origin);
        let places = space.accesses.iter().map(|x| span(x, space.extents, dims)).collect();
        let per_operand = |f: &dyn Fn(&Dim) -> Dim| {
            (0..space.accesses.len()).map(|o| merged.iter().map(|a| f(&a.strides[o])).collect()).collect()
        };
        let backwards = (0..space.accesses.len())
            .map(|o| merged.iter().map(|a| dims.is_negative(&a.strides[o])).collect())
            .collect();
        Nest {
            row_axes,
            strides: per_operand(&|s| if dims.is_negative(s) { -s } else { s.clone() }),
            backwards,
            places,
            axis: (0..rank).map(position).collect(),
            extents: merged.into_iter().map(|a| a.extent).collect(),
        }
    }

    /// Adds a row of one element.
    pub(super) fn add_row(&mut self) {
        self.extents.push(Dim::ONE);
        self.strides.iter_mut().for_each(|s| s.push(Dim::ZERO));
        self.backwards.iter_mut().for_each(|b| b.push(false));
        self.row_axes = 1;
    }

    /// Number of axes outside of the row.
    pub(super) fn outer_axes(&self) -> usize {
        self.extents.len() - self.row_axes
    }

    /// Whether an operand has one element per row.
    pub(super) fn is_row_constant(&self, operand: usize) -> bool {
        self.strides[operand][self.outer_axes()..].iter().all(|s| s.is(0))
    }
}

struct Axis {
    extent: Dim,
    strides: Vec<Dim>,
    origin: usize,
    row: bool,
}

impl Axis {
    /// Whether this axis and the next inner one are one axis for all operands.
    fn merges(&self, inner: &Axis, indexed: &[usize]) -> bool {
        self.row == inner.row
            && !indexed.contains(&self.origin)
            && !indexed.contains(&inner.origin)
            && self.strides.iter().zip(&inner.strides).all(|(outer, s)| *outer == s * &inner.extent)
    }
}

/// Sorts the axes outside of the row so that the result is written from its beginning to its end.
fn by_written_stride(axes: &mut [Axis], dims: &Dims<'_>) {
    let outer = axes.iter().filter(|a| !a.row).count();
    let magnitude = |axis: &Axis| {
        let stride = axis.strides.last().cloned().unwrap_or(Dim::ZERO);
        dims.least(&if dims.is_negative(&stride) { -stride } else { stride })
    };
    axes[..outer].sort_by_key(|axis| std::cmp::Reverse(magnitude(axis)));
}

/// Everything from the first to the last element that an operand touches.
fn span(access: &Access, extents: &[Dim], dims: &Dims<'_>) -> Place {
    let (mut first, mut reach) = (access.offset.clone(), Dim::ZERO);
    for (extent, stride) in extents.iter().zip(&access.strides) {
        let far = &(extent - &Dim::ONE) * stride;
        if dims.is_negative(stride) {
            // An axis that turns out to be empty has no last element to begin at.
            let some = if dims.least(extent) > 0 { extent.clone() } else { extent.maximum(&Dim::ONE) };
            first = &first + &(&(&some - &Dim::ONE) * stride);
            reach = &reach - &far;
        } else {
            reach = &reach + &far;
        }
    }
    let empty = extents.iter().zip(&access.strides).any(|(e, s)| e.is(0) && !s.is(0));
    let len = if empty { Dim::ZERO } else { &reach + &Dim::ONE };
    Place { buffer: access.buffer, offset: if empty { Dim::ZERO } else { first }, len }
}
