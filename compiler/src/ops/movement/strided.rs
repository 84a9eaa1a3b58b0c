//! Reading constants with strides: what movement operators mean on the host.

use crate::types::{Dim, Tensor};
use ingrain_kernels::movement::{MAX_RANK, copy_strided};

/// Strides of a row-major tensor, in elements.
pub(crate) fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1) as isize;
    }
    strides
}

/// The elements `offset + Σ index[axis] * strides[axis]` of `items` for every index within `shape`; `None` if one is
/// outside or the rank is beyond what copies support.
pub(crate) fn gather<T: Clone>(
    items: &[T],
    offset: usize,
    strides: &[isize],
    shape: &[usize],
) -> Option<Vec<T>> {
    let mut result = Vec::with_capacity(shape.iter().product());
    let mut index = vec![0_usize; shape.len()];
    for _ in 0..shape.iter().product() {
        let step: isize = index.iter().zip(strides).map(|(&i, &s)| i as isize * s).sum();
        result.push(items.get(offset.checked_add_signed(step)?)?.clone());
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Some(result)
}

/// The tensor of shape `shape` whose elements are read from `x` with strides.
pub(crate) fn gather_tensor(
    x: &Tensor,
    offset: usize,
    strides: &[isize],
    shape: Vec<usize>,
) -> Option<Tensor> {
    if shape.len() > MAX_RANK {
        return None;
    }
    let bytes = match x.dtype().size() {
        1 => copied::<1>(x.bytes(), offset, strides, &shape),
        2 => copied::<2>(x.bytes(), offset, strides, &shape),
        4 => copied::<4>(x.bytes(), offset, strides, &shape),
        _ => copied::<8>(x.bytes(), offset, strides, &shape),
    };
    Tensor::new(x.dtype(), shape, bytes.into())
}

fn copied<const N: usize>(x: &[u8], offset: usize, strides: &[isize], shape: &[usize]) -> Vec<u8> {
    let mut y = vec![[0_u8; N]; shape.iter().product()];
    copy_strided(shape, x.as_chunks().0, offset, strides, &mut y, 0, &row_major(shape));
    y.into_flattened()
}

/// The extents as numbers, if none is symbolic.
pub(crate) fn numbers(dims: &[Dim]) -> Option<Vec<usize>> {
    dims.iter().map(Dim::as_usize).collect()
}

/// The largest number of elements whose values are followed symbolically.
pub(crate) const CONTENT: usize = 64;
