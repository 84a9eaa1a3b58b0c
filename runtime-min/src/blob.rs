//! Read-only weights: bytes at 64-byte alignment inside the program, viewed through slots.

use crate::{Element, Slot, Slots, defect};

/// Places its content at an address that is a multiple of 64.
#[repr(C, align(64))]
pub struct Aligned<B: ?Sized>(
    /// The content.
    pub B,
);

/// The weights of models that were compiled together. Made by [`include_blob!`](crate::include_blob).
#[derive(Clone, Copy)]
pub struct Blob(&'static Aligned<[u8]>);

impl Blob {
    /// No weights.
    pub const EMPTY: Blob = Blob(&Aligned([]));

    /// The weights in these bytes.
    #[inline(always)]
    pub const fn new(bytes: &'static Aligned<[u8]>) -> Self {
        Blob(bytes)
    }

    /// Number of bytes.
    #[inline(always)]
    pub const fn bytes(&self) -> usize {
        self.0.0.len()
    }

    /// A weight tensor, or several.
    ///
    /// # Panics
    /// If a slot is out of bounds; with constant slots this is decided at compile time.
    #[inline(always)]
    #[track_caller]
    pub fn get<R: Slots>(&self, slots: R) -> R::Refs<'static> {
        if !slots.fit(self.bytes()) {
            defect("a weight lies outside of the blob");
        }
        // SAFETY: the bytes are aligned to 64, never written, and the rooms are inside them.
        unsafe { slots.refs((&raw const self.0.0).cast()) }
    }

    /// A weight tensor of known length.
    ///
    /// # Panics
    /// If the slot does not have `N` elements or is out of bounds; with a constant slot this is decided at compile time.
    #[inline(always)]
    #[track_caller]
    pub fn array<T: Element, const N: usize>(&self, slot: Slot<T>) -> &'static [T; N] {
        match self.get(slot).as_array() {
            Some(array) => array,
            None => defect("a weight has another size"),
        }
    }
}

impl core::fmt::Debug for Blob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Blob({} bytes)", self.bytes())
    }
}
