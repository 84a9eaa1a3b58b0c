//! Pad in all modes; negative pads crop.

use super::MAX_RANK;

/// What stands outside the padded tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PadMode {
    /// A constant.
    Constant,
    /// The tensor mirrored at its edge elements, which are not repeated.
    Reflect,
    /// The nearest element.
    Edge,
    /// The tensor repeated.
    Wrap,
}

/// One axis: `y` position j shows `x` position `j - begin`, if that lies in `low..high`, the part left by cropping.
#[derive(Clone, Copy, Default)]
struct Axis {
    x: usize,
    y: usize,
    begin: isize,
    low: isize,
    high: isize,
}

impl Axis {
    fn new(x: usize, y: usize, begin: isize) -> Self {
        let end = y as isize - x as isize - begin;
        Axis { x, y, begin, low: (-begin).max(0), high: x as isize + end.min(0) }
    }

    /// The position in `x` that `y` position `j` shows; `None` for the constant.
    fn source(self, mode: PadMode, j: usize) -> Option<usize> {
        let n = self.high - self.low;
        let t = j as isize - self.begin - self.low;
        if (0..n).contains(&t) {
            return Some((t + self.low) as usize);
        }
        let t = match mode {
            PadMode::Constant => return None,
            PadMode::Edge => t.clamp(0, n - 1),
            PadMode::Wrap => t.rem_euclid(n),
            PadMode::Reflect if n == 1 => 0,
            PadMode::Reflect => {
                let t = t.rem_euclid(2 * (n - 1));
                t.min(2 * (n - 1) - t)
            }
        };
        Some((t + self.low) as usize)
    }
}

/// Writes to row-major `y` of extents `y_dims` the row-major `x` of extents `x_dims` with `begin[a]` positions before
/// it on axis a, and after it as many as `y_dims` leaves. Negative pads crop before the mode applies. `value` is
/// what [`PadMode::Constant`] shows.
///
/// # Panics
/// If ranks or lengths do not agree, the rank is above [`MAX_RANK`], or a mode other than constant finds nothing to
/// show on an axis.
pub fn pad<T: Copy>(
    mode: PadMode,
    x_dims: &[usize],
    begin: &[isize],
    y_dims: &[usize],
    value: T,
    x: &[T],
    y: &mut [T],
) {
    let rank = x_dims.len();
    assert!(rank <= MAX_RANK && begin.len() == rank && y_dims.len() == rank, "a pad's ranks differ");
    assert!(
        x.len() == x_dims.iter().product() && y.len() == y_dims.iter().product(),
        "a pad's slices do not have its extents"
    );
    if y.is_empty() {
        return;
    }
    let mut storage = [Axis::default(); MAX_RANK];
    for (a, axis) in storage[..rank].iter_mut().enumerate() {
        *axis = Axis::new(x_dims[a], y_dims[a], begin[a]);
        assert!(mode == PadMode::Constant || axis.low < axis.high, "an empty axis has nothing to pad with");
    }
    // Unpadded trailing axes make one block.
    let padded = storage[..rank].iter().rposition(|a| a.x != a.y || a.begin != 0).map_or(0, |a| a + 1);
    let block = storage[padded..rank].iter().map(|a| a.x).product::<usize>();
    match storage[..padded].split_last() {
        None => y.copy_from_slice(x),
        Some((&last, outer)) => {
            let mut index = [0; MAX_RANK];
            for y in y.chunks_exact_mut(last.y * block) {
                let mut row = Some(0);
                for (axis, &j) in outer.iter().zip(&index) {
                    row = row.zip(axis.source(mode, j)).map(|(row, at)| row * axis.x + at);
                }
                match row {
                    None => y.fill(value),
                    Some(row) => {
                        let x = &x[row * last.x * block..(row + 1) * last.x * block];
                        pad_row(mode, last, block, value, x, y);
                    }
                }
                for (axis, j) in outer.iter().zip(&mut index).rev() {
                    *j += 1;
                    if *j < axis.y {
                        break;
                    }
                    *j = 0;
                }
            }
        }
    }
}

/// [`pad`] in a mode that shows only elements of `x`.
///
/// # Panics
/// As [`pad`] does.
pub fn extend<T: Copy + Default>(
    mode: PadMode,
    x_dims: &[usize],
    begin: &[isize],
    y_dims: &[usize],
    x: &[T],
    y: &mut [T],
) {
    pad(mode, x_dims, begin, y_dims, T::default(), x, y);
}

fn pad_row<T: Copy>(mode: PadMode, axis: Axis, block: usize, value: T, x: &[T], y: &mut [T]) {
    let inside = |at: isize| at.clamp(0, axis.y as isize) as usize;
    let (from, to) = (inside(axis.low + axis.begin), inside(axis.high + axis.begin));
    for j in (0..from).chain(to.max(from)..axis.y) {
        let y = &mut y[j * block..(j + 1) * block];
        match axis.source(mode, j) {
            None => y.fill(value),
            Some(at) => y.copy_from_slice(&x[at * block..(at + 1) * block]),
        }
    }
    if from < to {
        let start = (from as isize - axis.begin) as usize;
        y[from * block..to * block].copy_from_slice(&x[start * block..(start + to - from) * block]);
    }
}
