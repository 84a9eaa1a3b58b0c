//! A value where it is stored.

use crate::lir::{Access, BufferId, Place};
use crate::types::{DType, Dim};

/// Elements of a buffer under a shape: index `i` is element `offset + Σ i[axis] * strides[axis]`.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The buffer.
    pub buffer: BufferId,
    /// Element type.
    pub dtype: DType,
    /// Element at index zero.
    pub offset: Dim,
    /// Extents.
    pub shape: Vec<Dim>,
    /// Elements between neighbours along each axis.
    pub strides: Vec<Dim>,
}

impl View {
    /// A whole buffer in row-major order.
    pub fn dense(buffer: BufferId, dtype: DType, shape: &[Dim]) -> View {
        View { buffer, dtype, offset: Dim::ZERO, shape: shape.to_vec(), strides: dense_strides(shape) }
    }

    /// A matrix whose transpose a buffer holds. It may have axes of one element beside its two.
    pub fn turned(buffer: BufferId, dtype: DType, shape: &[Dim]) -> View {
        let mut view = View::dense(buffer, dtype, shape);
        let mut stride = Dim::ONE;
        for axis in (0..shape.len()).filter(|&axis| !shape[axis].is(1)) {
            view.strides[axis] = stride.clone();
            stride = &stride * &shape[axis];
        }
        view
    }

    /// Number of elements.
    pub fn elements(&self) -> Dim {
        Dim::product(&self.shape)
    }

    /// Whether the elements lie side by side in row-major order.
    pub fn is_dense(&self) -> bool {
        let dense = dense_strides(&self.shape);
        self.shape.iter().zip(&self.strides).zip(&dense).all(|((extent, s), d)| extent.is(1) || s == d)
    }

    /// Whether both are the same elements under the same shape.
    pub fn same_elements(&self, other: &View) -> bool {
        let strides = || self.shape.iter().zip(&self.strides).zip(&other.strides);
        self.buffer == other.buffer
            && self.offset == other.offset
            && self.shape == other.shape
            && strides().all(|((extent, a), b)| extent.is(1) || a == b)
    }

    /// The elements as one slice, if they lie side by side.
    pub fn place(&self) -> Option<Place> {
        self.is_dense().then(|| Place {
            buffer: self.buffer,
            offset: self.offset.clone(),
            len: self.elements(),
        })
    }

    /// Everything from the first to the last element as one slice, for kernels that take strides.
    /// Strides must not be negative.
    pub fn span(&self) -> Place {
        let mut last = Dim::ZERO;
        for (extent, stride) in self.shape.iter().zip(&self.strides) {
            last = &last + &(&(extent - &Dim::ONE) * stride);
        }
        Place { buffer: self.buffer, offset: self.offset.clone(), len: &last + &Dim::ONE }
    }

    /// Everything from the first to the last element as one slice, and where index zero is in it. Strides that are negative
    /// numbers go backwards.
    pub fn reach(&self) -> (Place, Dim) {
        let backwards = |stride: &Dim| stride.as_i64().is_some_and(|s| s < 0);
        let mut first = Dim::ZERO;
        let mut forward = self.clone();
        for (extent, stride) in self.shape.iter().zip(&mut forward.strides) {
            if backwards(stride) {
                *stride = -&*stride;
                first = &first + &(&(extent - &Dim::ONE) * stride);
            }
        }
        let span = forward.span();
        (Place { offset: &span.offset - &first, ..span }, first)
    }

    /// The distance between neighbouring pixels of a channels-last value `[batch, spatial…, channels]`, if all its axes
    /// but the last merge into one, forwards, and channels lie side by side.
    pub fn pixel_stride(&self) -> Option<Dim> {
        let rank = self.shape.len();
        if rank == 0 || !(self.strides[rank - 1].is(1) || self.shape[rank - 1].is(1)) {
            return None;
        }
        let mut stride: Option<Dim> = None;
        let mut expected: Option<Dim> = None;
        for axis in (0..rank - 1).rev().filter(|&a| !self.shape[a].is(1)) {
            if expected.as_ref().is_some_and(|e| *e != self.strides[axis]) {
                return None;
            }
            stride.get_or_insert_with(|| self.strides[axis].clone());
            expected = Some(&self.strides[axis] * &self.shape[axis]);
        }
        // A sum without a negative term: strides are products of extents and steps.
        let forward = |s: &Dim| !s.is(0) && s.sum_of_products().iter().all(|(c, _)| *c > 0);
        stride.map_or_else(|| Some(self.shape[rank - 1].clone()), |s| forward(&s).then_some(s))
    }

    /// With axes permuted: `new[i] = old[perm[i]]`.
    pub fn permuted(&self, perm: &[usize]) -> View {
        View {
            shape: perm.iter().map(|&a| self.shape[a].clone()).collect(),
            strides: perm.iter().map(|&a| self.strides[a].clone()).collect(),
            ..self.clone()
        }
    }

    /// Broadcast to `shape` by the rules of numpy.
    pub fn broadcast(&self, shape: &[Dim]) -> View {
        let missing = shape.len().saturating_sub(self.shape.len());
        let strides = (0..shape.len())
            .map(|axis| match axis.checked_sub(missing) {
                Some(own) if self.shape[own] == shape[axis] => self.strides[own].clone(),
                _ => Dim::ZERO,
            })
            .collect();
        View { shape: shape.to_vec(), strides, ..self.clone() }
    }

    /// Under another shape with the same elements in the same order, if strides can say it.
    pub fn reshaped(&self, shape: &[Dim]) -> Option<View> {
        if self.is_dense() {
            return Some(View { shape: shape.to_vec(), strides: dense_strides(shape), ..self.clone() });
        }
        reshape_strides(&self.shape, &self.strides, shape).map(|strides| View {
            shape: shape.to_vec(),
            strides,
            ..self.clone()
        })
    }

    /// The access of a loop nest over this view's shape.
    pub fn access(&self) -> Access {
        Access { buffer: self.buffer, offset: self.offset.clone(), strides: self.strides.clone() }
    }
}

/// Strides of a row-major tensor.
pub(crate) fn dense_strides(shape: &[Dim]) -> Vec<Dim> {
    let mut strides = vec![Dim::ONE; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = &strides[axis] * &shape[axis];
    }
    strides
}

/// Strides of `new` over elements laid out as `old` with `strides`: axes are matched in groups of equal element counts,
/// and within a group the old axes must merge.
fn reshape_strides(old: &[Dim], strides: &[Dim], new: &[Dim]) -> Option<Vec<Dim>> {
    let axes: Vec<usize> = (0..old.len()).filter(|&a| !old[a].is(1)).collect();
    let mut result = vec![Dim::ZERO; new.len()];
    let (mut at_old, mut at_new) = (0, 0);
    while at_old < axes.len() {
        let (first_old, first_new) = (at_old, at_new);
        let mut old_count = old[axes[at_old]].clone();
        at_old += 1;
        let mut new_count = Dim::ONE;
        loop {
            if new_count == old_count {
                break;
            }
            if at_new < new.len() && old_count.exact_div(&(&new_count * &new[at_new])).is_some() {
                new_count = &new_count * &new[at_new];
                at_new += 1;
            } else if at_old < axes.len() {
                old_count = &old_count * &old[axes[at_old]];
                at_old += 1;
            } else {
                return None;
            }
        }
        for pair in axes[first_old..at_old].windows(2) {
            if strides[pair[0]] != &strides[pair[1]] * &old[pair[1]] {
                return None;
            }
        }
        let mut stride = strides[axes[at_old - 1]].clone();
        for axis in (first_new..at_new).rev() {
            result[axis] = stride.clone();
            stride = &stride * &new[axis];
        }
    }
    new[at_new..].iter().all(|d| d.is(1)).then_some(result)
}
