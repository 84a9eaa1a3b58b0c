//! Constants found again by content: whatever they are called, and whichever way round a matrix is written down.
//!
//! Two constants of the same bytes have one [`Identity`], and so have a matrix and its transpose. Candidates are found
//! by a print of few elements and compared in full, so that a large model is not read for nothing.

use super::Tensor;
use crate::mapped::release;
use bytes::Bytes;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// Which content a constant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// Number of the content.
    pub content: usize,
    /// Whether the constant is the transpose of the first one that had this content.
    pub transposed: bool,
}

/// The contents that were seen.
#[derive(Debug, Default)]
pub struct Contents {
    seen: Vec<Matrix>,
    /// What is known of bytes in memory; `seen` or `held` keep them there.
    places: HashMap<(usize, usize, usize, usize), Identity>,
    held: Vec<Bytes>,
    /// By the print of the bytes as they stand.
    plain: HashMap<u64, Vec<usize>>,
    /// By the print of the bytes of the transpose.
    turned: HashMap<u64, Vec<usize>>,
}

/// Elements as rows and columns; what is no matrix is one row.
#[derive(Clone, Debug)]
struct Matrix {
    bytes: Bytes,
    elem: usize,
    rows: usize,
    columns: usize,
}

/// How many elements a print is made of.
const SAMPLES: usize = 16;

impl Contents {
    /// The identity of a constant, a new one if it was not seen before.
    pub fn of(&mut self, tensor: &Tensor) -> Identity {
        let matrix = Matrix::new(tensor);
        let place = matrix.place();
        if let Some(&known) = self.places.get(&place) {
            return known;
        }
        let plain = matrix.print(false);
        let found = self.find(&matrix, plain);
        let identity = found.unwrap_or_else(|| {
            let content = self.seen.len();
            self.plain.entry(plain).or_default().push(content);
            if matrix.is_proper() {
                self.turned.entry(matrix.print(true)).or_default().push(content);
            }
            self.seen.push(matrix.clone());
            Identity { content, transposed: false }
        });
        release(&matrix.bytes);
        release(&self.seen[identity.content].bytes);
        self.held.push(matrix.bytes);
        self.places.insert(place, identity);
        identity
    }

    /// The identity of a constant that was seen before.
    pub fn get(&self, tensor: &Tensor) -> Option<Identity> {
        self.places.get(&Matrix::new(tensor).place()).copied()
    }

    /// Bytes of a content.
    pub fn bytes(&self, content: usize) -> usize {
        self.seen[content].bytes.len()
    }

    fn find(&self, matrix: &Matrix, print: u64) -> Option<Identity> {
        let candidates = |table: &HashMap<u64, Vec<usize>>| table.get(&print).cloned().unwrap_or_default();
        for content in candidates(&self.plain) {
            let other = &self.seen[content];
            if other.elem == matrix.elem && equal(&other.bytes, &matrix.bytes) {
                return Some(Identity { content, transposed: false });
            }
        }
        candidates(&self.turned)
            .into_iter()
            .find(|&content| matrix.is_transpose_of(&self.seen[content]))
            .map(|content| Identity { content, transposed: true })
    }
}

/// Bytes that are read of large constants before their memory is given back.
const READ: usize = 64 << 20;

/// Compares, and gives back what was read of large ones.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let same = |(a, b): (&[u8], &[u8])| {
        let same = a == b;
        release(a);
        release(b);
        same
    };
    a.len() == b.len() && (a.as_ptr() == b.as_ptr() || a.chunks(READ).zip(b.chunks(READ)).all(same))
}

impl Matrix {
    fn new(tensor: &Tensor) -> Matrix {
        let mut extents = tensor.shape().iter().copied().filter(|&n| n != 1);
        let (rows, columns) = match (extents.next(), extents.next(), extents.next()) {
            (Some(rows), Some(columns), None) => (rows, columns),
            _ => (1, tensor.len()),
        };
        Matrix { bytes: tensor.bytes().clone(), elem: tensor.dtype().size(), rows, columns }
    }

    fn place(&self) -> (usize, usize, usize, usize) {
        (self.bytes.as_ptr().addr(), self.bytes.len(), self.elem, self.rows)
    }

    /// Whether a transpose would be another order of the elements.
    fn is_proper(&self) -> bool {
        self.rows > 1 && self.columns > 1
    }

    /// A number that equal contents share; with `turned`, that of the transpose.
    fn print(&self, turned: bool) -> u64 {
        let elements = self.rows * self.columns;
        let mut sample = Vec::with_capacity((SAMPLES + 2) * 8);
        sample.extend_from_slice(&(elements as u64).to_le_bytes());
        sample.extend_from_slice(&(self.elem as u64).to_le_bytes());
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..SAMPLES.min(elements) {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let at = ((state >> 20) % elements as u64) as usize;
            let at = if turned { at % self.rows * self.columns + at / self.rows } else { at };
            sample.extend_from_slice(&self.bytes[at * self.elem..(at + 1) * self.elem]);
        }
        xxh3_64(&sample)
    }

    fn is_transpose_of(&self, other: &Matrix) -> bool {
        let fits = self.elem == other.elem
            && self.bytes.len() == other.bytes.len()
            && self.rows == other.columns
            && self.columns == other.rows;
        fits && match self.elem {
            1 => self.mirrors::<1>(other),
            2 => self.mirrors::<2>(other),
            4 => self.mirrors::<4>(other),
            _ => self.mirrors::<8>(other),
        }
    }

    /// Compares in square blocks, so that both are read along their rows, and gives back what was read of large ones.
    fn mirrors<const N: usize>(&self, other: &Matrix) -> bool {
        const BLOCK: usize = 32;
        // A strip of the one with more rows is a narrow part of each row of the other.
        let (tall, wide) = if self.rows >= self.columns { (self, other) } else { (other, self) };
        let (a, b) = (tall.bytes.as_chunks::<N>().0, wide.bytes.as_chunks::<N>().0);
        let mut read = 0;
        for top in (0..tall.rows).step_by(BLOCK) {
            for left in (0..tall.columns).step_by(BLOCK) {
                for row in top..tall.rows.min(top + BLOCK) {
                    for column in left..tall.columns.min(left + BLOCK) {
                        if a[row * tall.columns + column] != b[column * wide.columns + row] {
                            return false;
                        }
                    }
                }
            }
            read += BLOCK * tall.columns * N;
            if read >= READ {
                release(&tall.bytes);
                release(&wide.bytes);
                read = 0;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Tensor {
        let values: Vec<f32> = (0..rows * columns).map(|i| value(i / columns, i % columns)).collect();
        Tensor::from_f32s(vec![rows, columns], &values)
    }

    #[test]
    fn transposes_and_copies_are_one_content() {
        let mut contents = Contents::default();
        let number = |r: usize, c: usize| (r * 100 + c) as f32;
        let a = matrix(37, 70, number);
        let first = contents.of(&a);
        assert_eq!(contents.of(&a), first);
        assert_eq!(contents.of(&matrix(37, 70, number)), first);
        let flat = matrix(37, 70, number).reshaped(vec![1, 37, 70, 1]).unwrap();
        assert_eq!(contents.of(&flat), first);
        let turned = contents.of(&matrix(70, 37, |r, c| number(c, r)));
        assert_eq!(turned, Identity { content: first.content, transposed: true });
        let other =
            contents.of(&matrix(70, 37, |r, c| number(c, r) + if r == 69 && c == 36 { 1.0 } else { 0.0 }));
        assert_ne!(other.content, first.content);
        assert_eq!(contents.get(&a), Some(first));
        assert_eq!(contents.get(&matrix(2, 2, number)), None);
    }

    #[test]
    fn squares_are_told_from_their_transposes() {
        let mut contents = Contents::default();
        let a = contents.of(&matrix(20, 20, |r, c| (r * 20 + c) as f32));
        let b = contents.of(&matrix(20, 20, |r, c| (c * 20 + r) as f32));
        assert_eq!((a.content, b.content), (b.content, a.content));
        assert!(!a.transposed && b.transposed);
        let symmetric = contents.of(&matrix(20, 20, |r, c| (r + c) as f32));
        assert!(!symmetric.transposed);
        assert_eq!(
            contents.of(&Tensor::from_f32s(vec![0, 4], &[])),
            contents.of(&Tensor::from_f32s(vec![0], &[]))
        );
    }
}
