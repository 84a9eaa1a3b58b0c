//! Selection by index: gathers, scatters, one-hot, compress and their kin.
//!
//! Indices are data: one outside its axis is an [`IndexError`], never a panic. Negative indices count from the end
//! where ONNX says so.

mod compact;
mod gather;
mod scatter;
mod suppress;
#[cfg(test)]
mod tests;
mod unique;

use crate::element::Int;

pub use compact::{compress, nonzero, one_hot, reverse_sequence};
pub use gather::{
    gather, gather_elements, gather_nd, gather_packed_columns, gather_packed_elements, gather_packed_rows,
};
pub use scatter::{Scatter, scatter_elements, scatter_nd};
pub use suppress::{Boxes, non_max_suppression};
pub(crate) use unique::order;
pub use unique::unique;

/// The largest rank that these kernels take.
pub const MAX_RANK: usize = 16;

/// The first element of a slice: a tensor without axes as a number.
///
/// # Panics
/// If there is none.
#[inline(always)]
pub fn scalar<T: Copy>(x: &[T]) -> T {
    x[0]
}

/// An index outside its axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexError {
    /// The offending index.
    pub index: i64,
    /// The extent of the axis.
    pub bound: usize,
}

impl core::fmt::Display for IndexError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "index {} is outside an axis of {} elements", self.index, self.bound)
    }
}

impl core::error::Error for IndexError {}

/// The position that `index` names on an axis; negative ones count from the end.
#[inline(always)]
fn position<I: Int>(index: I, bound: usize) -> Result<usize, IndexError> {
    let index = index.to_i64();
    let wrapped = if index < 0 { index.wrapping_add(bound as i64) } else { index };
    if (wrapped as u64) < bound as u64 { Ok(wrapped as usize) } else { Err(IndexError { index, bound }) }
}

/// The row-major strides of `dims`.
fn strides(dims: &[usize]) -> [usize; MAX_RANK] {
    assert!(dims.len() <= MAX_RANK, "a rank is too large");
    let mut strides = [0; MAX_RANK];
    let mut stride = 1;
    for (s, &n) in strides.iter_mut().zip(dims).rev() {
        *s = stride;
        stride *= n;
    }
    strides
}

/// The offset of the element or block that an index tuple names.
fn offset<I: Int>(tuple: &[I], dims: &[usize], strides: &[usize; MAX_RANK]) -> Result<usize, IndexError> {
    let mut offset = 0;
    for ((&index, &bound), &stride) in tuple.iter().zip(dims).zip(strides) {
        offset += position(index, bound)? * stride;
    }
    Ok(offset)
}

/// Calls `f` with the number of every element of `index_dims` and its offset in `dims` without `axis`' share.
fn each_element<E>(
    dims: &[usize],
    axis: usize,
    index_dims: &[usize],
    mut f: impl FnMut(usize, usize) -> Result<(), E>,
) -> Result<(), E> {
    let rank = dims.len();
    assert!(
        rank <= MAX_RANK && index_dims.len() == rank && axis < rank,
        "the ranks of an element selection differ"
    );
    for a in 0..rank {
        assert!(a == axis || index_dims[a] <= dims[a], "an element selection is larger than its tensor");
    }
    if index_dims.contains(&0) {
        return Ok(());
    }
    let mut strides = strides(dims);
    strides[axis] = 0;
    let mut index = [0; MAX_RANK];
    let (mut number, mut base) = (0, 0);
    let last = rank - 1;
    loop {
        for i in 0..index_dims[last] {
            f(number, base + i * strides[last])?;
            number += 1;
        }
        let mut a = last;
        loop {
            let Some(next) = a.checked_sub(1) else { return Ok(()) };
            a = next;
            index[a] += 1;
            base += strides[a];
            if index[a] < index_dims[a] {
                break;
            }
            base -= strides[a] * index_dims[a];
            index[a] = 0;
        }
    }
}
