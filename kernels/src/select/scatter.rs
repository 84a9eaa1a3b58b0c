//! ScatterElements and ScatterND, in place.

use super::{IndexError, each_element, offset, position, strides};
use crate::element::{Int, Number};

/// What happens to the element that an update meets (the attribute `reduction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scatter {
    /// It is replaced; among several updates the last wins.
    None,
    /// The update is added.
    Add,
    /// The update is multiplied in.
    Mul,
    /// The larger stays.
    Max,
    /// The smaller stays.
    Min,
}

impl Scatter {
    #[inline(always)]
    fn apply<T: Number>(self, old: T, update: T) -> T {
        match self {
            Scatter::None => update,
            Scatter::Add => old.add(update),
            Scatter::Mul => old.mul(update),
            Scatter::Max => old.max(update),
            Scatter::Min => old.min(update),
        }
    }
}

/// `y[i with i[axis] = indices[i]] ∘= updates[i]`: `y` has `dims` and holds the data already, `indices` and `updates`
/// have `index_dims`, of the same rank.
///
/// # Errors
/// An index outside the axis; negative ones count from its end. The updates before it are done.
///
/// # Panics
/// If a slice does not have its extents, or `index_dims` is larger than `dims` beside the axis.
#[allow(clippy::too_many_arguments, reason = "three tensors with their extents")]
pub fn scatter_elements<T: Number, I: Int>(
    reduction: Scatter,
    dims: &[usize],
    axis: usize,
    index_dims: &[usize],
    indices: &[I],
    updates: &[T],
    y: &mut [T],
) -> Result<(), IndexError> {
    assert!(
        y.len() == dims.iter().product()
            && indices.len() == index_dims.iter().product()
            && updates.len() == indices.len(),
        "a scatter's slices do not have its extents"
    );
    let stride = dims[axis + 1..].iter().product::<usize>();
    each_element(dims, axis, index_dims, |number, base| {
        let slot = &mut y[base + position(indices[number], dims[axis])? * stride];
        *slot = reduction.apply(*slot, updates[number]);
        Ok(())
    })
}

/// For each index tuple of length `tuple`, updates the block of `y` that it names: `y` has `dims` and holds the data
/// already, `indices` is `[count, tuple]`, `updates` is `[count, dims[tuple..]]`.
///
/// # Errors
/// An index outside its axis; negative ones count from the end. The updates before it are done.
///
/// # Panics
/// If a slice does not have its extents.
pub fn scatter_nd<T: Number, I: Int>(
    reduction: Scatter,
    dims: &[usize],
    tuple: usize,
    indices: &[I],
    updates: &[T],
    y: &mut [T],
) -> Result<(), IndexError> {
    let block = dims[tuple..].iter().product::<usize>();
    let count = indices.len().checked_div(tuple).unwrap_or(updates.len() / block.max(1));
    assert!(
        y.len() == dims.iter().product() && indices.len() == count * tuple && updates.len() == count * block,
        "a scatter's slices do not have its extents"
    );
    let strides = strides(dims);
    for number in 0..count {
        let at = offset(&indices[number * tuple..(number + 1) * tuple], &dims[..tuple], &strides)?;
        let updates = &updates[number * block..(number + 1) * block];
        for (slot, &update) in y[at..at + block].iter_mut().zip(updates) {
            *slot = reduction.apply(*slot, update);
        }
    }
    Ok(())
}
