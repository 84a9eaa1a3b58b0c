//! Gather, GatherElements and GatherND, and Gather of a table in panels.

use super::{IndexError, each_element, offset, position, strides};
use crate::element::Int;
use crate::matmul::pack::{packed_column, packed_element, packed_row};

/// `y[o, k, ..] = x[o, indices[k], ..]`: `x` is `[outer, axis, inner]`, `y` is `[outer, indices, inner]`.
///
/// # Errors
/// An index outside the axis; negative ones count from its end.
///
/// # Panics
/// If a slice does not have its extents.
pub fn gather<T: Copy, I: Int>(
    outer: usize,
    axis: usize,
    inner: usize,
    x: &[T],
    indices: &[I],
    y: &mut [T],
) -> Result<(), IndexError> {
    let count = indices.len();
    assert!(
        x.len() == outer * axis * inner && y.len() == outer * count * inner,
        "a gather's slices do not have its extents"
    );
    for o in 0..outer {
        let x = &x[o * axis * inner..(o + 1) * axis * inner];
        let y = &mut y[o * count * inner..(o + 1) * count * inner];
        if inner == 1 {
            for (y, &index) in y.iter_mut().zip(indices) {
                *y = x[position(index, axis)?];
            }
            continue;
        }
        for (k, &index) in indices.iter().enumerate() {
            let at = position(index, axis)?;
            y[k * inner..(k + 1) * inner].copy_from_slice(&x[at * inner..(at + 1) * inner]);
        }
    }
    Ok(())
}

/// `y[i] = x[i with i[axis] = indices[i]]`: `x` has `dims`, `indices` and `y` have `index_dims`, of the same rank.
///
/// # Errors
/// An index outside the axis; negative ones count from its end.
///
/// # Panics
/// If a slice does not have its extents, or `index_dims` is larger than `dims` beside the axis.
pub fn gather_elements<T: Copy, I: Int>(
    dims: &[usize],
    axis: usize,
    index_dims: &[usize],
    x: &[T],
    indices: &[I],
    y: &mut [T],
) -> Result<(), IndexError> {
    assert!(
        x.len() == dims.iter().product()
            && indices.len() == index_dims.iter().product()
            && y.len() == indices.len(),
        "a gather's slices do not have its extents"
    );
    let stride = dims[axis + 1..].iter().product::<usize>();
    each_element(dims, axis, index_dims, |number, base| {
        y[number] = x[base + position(indices[number], dims[axis])? * stride];
        Ok(())
    })
}

/// For each of `batch` tensors of `dims` and each index tuple of length `tuple`, copies the block that the tuple
/// names: `indices` is `[batch, count, tuple]`, `y` is `[batch, count, dims[tuple..]]`.
///
/// # Errors
/// An index outside its axis; negative ones count from the end.
///
/// # Panics
/// If a slice does not have its extents.
#[allow(clippy::too_many_arguments, reason = "three tensors with their extents")]
pub fn gather_nd<T: Copy, I: Int>(
    batch: usize,
    dims: &[usize],
    count: usize,
    tuple: usize,
    x: &[T],
    indices: &[I],
    y: &mut [T],
) -> Result<(), IndexError> {
    let whole = dims.iter().product::<usize>();
    let block = dims[tuple..].iter().product::<usize>();
    assert!(
        x.len() == batch * whole
            && indices.len() == batch * count * tuple
            && y.len() == batch * count * block,
        "a gather's slices do not have its extents"
    );
    let strides = strides(dims);
    for number in 0..batch * count {
        let at = offset(&indices[number * tuple..(number + 1) * tuple], &dims[..tuple], &strides)?;
        let from = number / count * whole + at;
        y[number * block..(number + 1) * block].copy_from_slice(&x[from..from + block]);
    }
    Ok(())
}

/// `y[i, ..] = table[indices[i], ..]` of a matrix `[k, n]` in panels (see [`pack`](crate::matmul::pack)): the rows
/// of a table that a product reads too.
///
/// # Errors
/// An index outside the axis; negative ones count from its end.
///
/// # Panics
/// If a slice does not have its extents.
pub fn gather_packed_rows<T: Copy, I: Int>(
    k: usize,
    n: usize,
    table: &[T],
    indices: &[I],
    y: &mut [T],
) -> Result<(), IndexError> {
    assert!(y.len() == indices.len() * n, "a gather's slices do not have its extents");
    for (i, &index) in indices.iter().enumerate() {
        packed_row(table, k, n, position(index, k)?, &mut y[i * n..(i + 1) * n]);
    }
    Ok(())
}

/// `y[i, ..] = table[.., indices[i]]` of a matrix `[k, n]` in panels: the rows of a table whose transpose a product
/// reads.
///
/// # Errors
/// An index outside the axis; negative ones count from its end.
///
/// # Panics
/// If a slice does not have its extents.
pub fn gather_packed_columns<T: Copy, I: Int>(
    k: usize,
    n: usize,
    table: &[T],
    indices: &[I],
    y: &mut [T],
) -> Result<(), IndexError> {
    assert!(y.len() == indices.len() * k, "a gather's slices do not have its extents");
    for (i, &index) in indices.iter().enumerate() {
        packed_column(table, k, n, position(index, n)?, &mut y[i * k..(i + 1) * k]);
    }
    Ok(())
}

/// [`gather_elements`] of a table `x` that is stored as a matrix `[k, n]` in panels, or as its transpose if `transposed`.
///
/// # Errors
/// An index outside the axis; negative ones count from its end.
///
/// # Panics
/// If a slice does not have its extents, or `index_dims` is larger than the table beside the axis.
#[allow(clippy::too_many_arguments, reason = "three tensors with their extents")]
pub fn gather_packed_elements<T: Copy, I: Int>(
    k: usize,
    n: usize,
    transposed: bool,
    axis: usize,
    index_dims: &[usize],
    table: &[T],
    indices: &[I],
    y: &mut [T],
) -> Result<(), IndexError> {
    let dims = if transposed { [n, k] } else { [k, n] };
    let &[rows, columns] = index_dims else { panic!("a table has two axes") };
    assert!(
        table.len() >= k * n && indices.len() == rows * columns && y.len() == indices.len(),
        "a gather's slices do not have its extents"
    );
    let fits = if axis == 0 { columns <= dims[1] } else { rows <= dims[0] };
    assert!(axis < 2 && fits, "an element selection is larger than its tensor");
    for (number, (y, &index)) in y.iter_mut().zip(indices).enumerate() {
        let at = position(index, dims[axis])?;
        let (row, column) = if axis == 0 { (at, number % columns) } else { (number / columns, at) };
        let (row, column) = if transposed { (column, row) } else { (row, column) };
        *y = table[packed_element(k, n, row, column)];
    }
    Ok(())
}
