//! Data movement: strided copies, transposes and padding.
//!
//! Transpose, Slice, Expand, Tile, Concat, Split, DepthToSpace and the like are all [`copy_strided`] with other
//! strides. Nothing here looks at values.

mod pad;
#[cfg(test)]
mod tests;
mod transpose;

pub use pad::{PadMode, extend, pad};

/// The largest rank of a strided copy.
pub const MAX_RANK: usize = 16;

/// One axis of a copy: its extent and the two strides in elements.
#[derive(Clone, Copy, Default)]
struct Axis {
    n: usize,
    x: isize,
    y: isize,
}

/// `y[y_offset + Σ iₐ·y_stridesₐ] = x[x_offset + Σ iₐ·x_stridesₐ]` for every subscript i within `dims`.
///
/// Strides are in elements and may be zero (broadcast of `x`) or negative (reversal). The order of the copies is
/// unspecified: two subscripts must not write to the same place. Axes that lie together in both tensors are
/// merged first, so the caller need not.
///
/// # Panics
/// If the rank is above [`MAX_RANK`], the three lists differ in length, or an element lies outside its slice.
#[allow(clippy::too_many_arguments, reason = "two tensors with offset and strides")]
pub fn copy_strided<T: Copy>(
    dims: &[usize],
    x: &[T],
    x_offset: usize,
    x_strides: &[isize],
    y: &mut [T],
    y_offset: usize,
    y_strides: &[isize],
) {
    let rank = dims.len();
    assert!(rank <= MAX_RANK && x_strides.len() == rank && y_strides.len() == rank, "a copy's ranks differ");
    if dims.contains(&0) {
        return;
    }
    let mut storage = [Axis::default(); MAX_RANK];
    let count = normalize(dims, x_strides, y_strides, &mut storage);
    let axes = &mut storage[..count];
    assert!(
        inside(x.len(), x_offset, axes.iter().map(|a| (a.n, a.x)))
            && inside(y.len(), y_offset, axes.iter().map(|a| (a.n, a.y))),
        "a copy leaves its slice"
    );
    let Some((&mut inner, outer)) = axes.split_last_mut() else {
        y[y_offset] = x[x_offset];
        return;
    };
    let (x_offset, y_offset) = (x_offset as isize, y_offset as isize);
    if inner.y == 1 && inner.x == 1 {
        each(outer, x_offset, y_offset, |x0, y0| {
            y[y0..y0 + inner.n].copy_from_slice(&x[x0..x0 + inner.n]);
        });
    } else if inner.y == 1 && inner.x == 0 {
        each(outer, x_offset, y_offset, |x0, y0| y[y0..y0 + inner.n].fill(x[x0]));
    } else if let Some(at) = outer.iter().position(|a| a.x == 1 && inner.y == 1 && a.y > 0 && inner.x > 0) {
        // A transpose of this axis and the innermost.
        let columns = outer[at];
        outer.copy_within(at + 1.., at);
        let last = outer.len() - 1;
        each(&outer[..last], x_offset, y_offset, |x0, y0| {
            let (x, y) = (&x[x0..], &mut y[y0..]);
            transpose::transpose(inner.n, columns.n, x, inner.x as usize, y, columns.y as usize);
        });
    } else {
        each(outer, x_offset, y_offset, |x0, y0| {
            let (mut from, mut to) = (x0 as isize, y0 as isize);
            for _ in 0..inner.n {
                y[to as usize] = x[from as usize];
                from += inner.x;
                to += inner.y;
            }
        });
    }
}

/// Sets every element of `y`.
pub fn fill<T: Copy>(y: &mut [T], value: T) {
    y.fill(value);
}

/// Writes sizes as tensor elements: the operators Shape and Size.
///
/// # Panics
/// If `y` does not have as many elements as `sizes`.
pub fn write_sizes(sizes: &[isize], y: &mut [i64]) {
    assert!(sizes.len() == y.len(), "as many elements as sizes");
    for (y, &size) in y.iter_mut().zip(sizes) {
        *y = size as i64;
    }
}

/// Drops axes of extent 1, puts the largest strides of `y` first and merges axes that lie together in both tensors.
fn normalize(dims: &[usize], x: &[isize], y: &[isize], axes: &mut [Axis; MAX_RANK]) -> usize {
    let mut sorted = [Axis::default(); MAX_RANK];
    let mut rank = 0;
    for ((&n, &x), &y) in dims.iter().zip(x).zip(y).filter(|((n, _), _)| **n != 1) {
        let axis = Axis { n, x, y };
        let at = sorted[..rank].iter().position(|a| a.y.abs() < y.abs()).unwrap_or(rank);
        sorted.copy_within(at..rank, at + 1);
        sorted[at] = axis;
        rank += 1;
    }
    let mut count = 0;
    for &axis in &sorted[..rank] {
        if let Some(previous) = axes[..count].last_mut() {
            let n = axis.n as isize;
            if previous.x == axis.x.wrapping_mul(n) && previous.y == axis.y.wrapping_mul(n) {
                *previous = Axis { n: previous.n * axis.n, ..axis };
                continue;
            }
        }
        axes[count] = axis;
        count += 1;
    }
    count
}

/// Whether every element of a strided view lies within `len` elements.
fn inside(len: usize, offset: usize, axes: impl Iterator<Item = (usize, isize)>) -> bool {
    let (mut low, mut high) = (offset as i128, offset as i128);
    for (n, stride) in axes {
        let reach = (n as i128 - 1) * stride as i128;
        low += reach.min(0);
        high += reach.max(0);
    }
    low >= 0 && high < len as i128
}

/// Calls `f` with the two offsets of every subscript within `axes`, the last axis fastest.
#[inline(always)]
fn each(axes: &[Axis], mut x: isize, mut y: isize, mut f: impl FnMut(usize, usize)) {
    let mut index = [0; MAX_RANK];
    loop {
        f(x as usize, y as usize);
        let mut a = axes.len();
        loop {
            let Some(next) = a.checked_sub(1) else { return };
            a = next;
            let axis = axes[a];
            index[a] += 1;
            x += axis.x;
            y += axis.y;
            if index[a] < axis.n {
                break;
            }
            x -= axis.x * axis.n as isize;
            y -= axis.y * axis.n as isize;
            index[a] = 0;
        }
    }
}
