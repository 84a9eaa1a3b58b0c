//! The panel layout: how a matrix operand is stored, whatever the target.
//!
//! A matrix `[k, n]` is a sequence of panels of 16 columns. Panel `p` holds columns `16 p ..` as rows of `w` elements,
//! `[k][w]`, where `w` is 16, or less in the last panel when 16 does not divide `n`. Nothing is padded: the packed
//! matrix has exactly `k * n` elements. 16 lanes are one AVX-512 register, two of AVX2, four of NEON.
//!
//! The packers run in build scripts, which are not optimised: they copy slices wherever the source allows it.

/// Columns of a full panel.
pub const PANEL: usize = 16;

/// How many panels a matrix of `n` columns has.
pub const fn panel_count(n: usize) -> usize {
    n.div_ceil(PANEL)
}

/// The width of one panel of a matrix of `n` columns.
pub const fn panel_width(n: usize, panel: usize) -> usize {
    let rest = n - panel * PANEL;
    if rest < PANEL { rest } else { PANEL }
}

/// Where panel `panel` of a matrix `[k, n]` begins, in elements.
pub const fn panel_offset(k: usize, n: usize, panel: usize) -> usize {
    debug_assert!(panel * PANEL <= n);
    k * panel * PANEL
}

/// Where element `(row, column)` of a matrix `[k, n]` is, in elements.
pub const fn packed_element(k: usize, n: usize, row: usize, column: usize) -> usize {
    let panel = column / PANEL;
    panel_offset(k, n, panel) + row * panel_width(n, panel) + column % PANEL
}

/// Packs a matrix `[k, n]` of elements of `elem` bytes into panels.
///
/// `src` is row-major `[k, n]`, or `[n, k]` when `transposed`; `dst` has the same length.
pub fn pack_panels(src: &[u8], elem: usize, k: usize, n: usize, transposed: bool, dst: &mut [u8]) {
    pack_panel_range(src, elem, k, n, transposed, 0..panel_count(n), dst);
}

/// The panels `panels` of what [`pack_panels`] makes of the whole matrix.
pub fn pack_panel_range(
    src: &[u8],
    elem: usize,
    k: usize,
    n: usize,
    transposed: bool,
    panels: core::ops::Range<usize>,
    dst: &mut [u8],
) {
    let columns = n.min(panels.end * PANEL) - n.min(panels.start * PANEL);
    assert_eq!(src.len(), k * n * elem, "source is not k * n elements");
    assert_eq!(dst.len(), k * columns * elem, "destination is not the panels' elements");
    let first = panels.start * PANEL * k;
    for panel in panels {
        let w = panel_width(n, panel);
        let start = (panel_offset(k, n, panel) - first) * elem;
        let out = &mut dst[start..start + k * w * elem];
        if transposed {
            let columns = &src[panel * PANEL * k * elem..];
            interleave(columns, elem, k * elem, elem, w, k, out);
        } else {
            for row in 0..k {
                let from = (row * n + panel * PANEL) * elem;
                out[row * w * elem..(row + 1) * w * elem].copy_from_slice(&src[from..from + w * elem]);
            }
        }
    }
}

/// The inverse of [`pack_panels`]: row-major `[k, n]`, or `[n, k]` when `transposed`, from panels.
pub fn unpack_panels(src: &[u8], elem: usize, k: usize, n: usize, transposed: bool, dst: &mut [u8]) {
    assert_eq!(src.len(), k * n * elem, "source is not k * n elements");
    assert_eq!(dst.len(), src.len(), "destination is not k * n elements");
    for row in 0..k {
        for panel in 0..panel_count(n) {
            let w = panel_width(n, panel);
            let from = packed_element(k, n, row, panel * PANEL) * elem;
            if transposed {
                for lane in 0..w {
                    let to = ((panel * PANEL + lane) * k + row) * elem;
                    dst[to..to + elem].copy_from_slice(&src[from + lane * elem..from + (lane + 1) * elem]);
                }
            } else {
                let to = (row * n + panel * PANEL) * elem;
                dst[to..to + w * elem].copy_from_slice(&src[from..from + w * elem]);
            }
        }
    }
}

/// `out[step][lane] = src[lane * lane_stride + step * step_stride]`, strides in bytes.
pub(crate) fn interleave(
    src: &[u8],
    elem: usize,
    lane_stride: usize,
    step_stride: usize,
    lanes: usize,
    steps: usize,
    out: &mut [u8],
) {
    let mut to = 0;
    let mut step = 0;
    while step < steps {
        let mut from = step * step_stride;
        let mut lane = 0;
        while lane < lanes {
            out[to..to + elem].copy_from_slice(&src[from..from + elem]);
            to += elem;
            from += lane_stride;
            lane += 1;
        }
        step += 1;
    }
}

/// Copies row `row` of a packed matrix `[k, n]` to `out`: what `Gather` along the first axis reads.
#[inline]
pub fn packed_row<T: Copy>(panels: &[T], k: usize, n: usize, row: usize, out: &mut [T]) {
    assert!(panels.len() >= k * n && row < k && out.len() == n, "row outside of the packed matrix");
    for (panel, out) in out.chunks_mut(PANEL).enumerate() {
        let from = packed_element(k, n, row, panel * PANEL);
        out.copy_from_slice(&panels[from..from + out.len()]);
    }
}

/// Copies column `column` of a packed matrix `[k, n]` to `out`: what `Gather` reads from a table that is stored as
/// the right operand of a product with its transpose.
#[inline]
pub fn packed_column<T: Copy>(panels: &[T], k: usize, n: usize, column: usize, out: &mut [T]) {
    assert!(panels.len() >= k * n && column < n && out.len() == k, "column outside of the packed matrix");
    let panel = column / PANEL;
    let w = panel_width(n, panel);
    let start = panel_offset(k, n, panel);
    let lane = column % PANEL;
    for (out, row) in out.iter_mut().zip(panels[start..start + k * w].chunks_exact(w)) {
        *out = row[lane];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn packing_is_a_permutation_that_unpacks() {
        for elem in [1, 2, 4, 8] {
            for (k, n) in [(1, 1), (3, 16), (5, 17), (7, 33), (0, 5), (4, 0), (2, 48)] {
                let src: Vec<u8> = (0..k * n * elem).map(|i| (i * 7 + i / 256) as u8).collect();
                for transposed in [false, true] {
                    let mut packed = vec![0; src.len()];
                    pack_panels(&src, elem, k, n, transposed, &mut packed);
                    let mut back = vec![0; src.len()];
                    unpack_panels(&packed, elem, k, n, transposed, &mut back);
                    assert_eq!(back, src, "elem {elem} k {k} n {n} transposed {transposed}");
                }
            }
        }
    }

    #[test]
    fn rows_and_columns_are_found() {
        let (k, n) = (5, 37);
        let matrix: Vec<u16> = (0..(k * n) as u16).collect();
        let bytes: Vec<u8> = matrix.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut packed = vec![0; bytes.len()];
        pack_panels(&bytes, 2, k, n, false, &mut packed);
        let packed: Vec<u16> = packed.chunks(2).map(|x| u16::from_le_bytes([x[0], x[1]])).collect();
        for row in 0..k {
            let mut out = vec![0; n];
            packed_row(&packed, k, n, row, &mut out);
            assert_eq!(out, matrix[row * n..(row + 1) * n]);
        }
        for column in 0..n {
            let mut out = vec![0; k];
            packed_column(&packed, k, n, column, &mut out);
            for row in 0..k {
                assert_eq!(out[row], matrix[row * n + column]);
                assert_eq!(packed[packed_element(k, n, row, column)], matrix[row * n + column]);
            }
        }
    }
}
