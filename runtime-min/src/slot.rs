//! Typed places. Invariant of [`Slot`]: the offset is a multiple of the element's alignment, the end does not
//! overflow, and the length is at most the capacity.

use crate::{Element, defect};
use core::marker::PhantomData;

/// A place for up to `capacity` elements at a fixed byte offset of an arena or blob.
///
/// The memory planner reserves the capacity; overlap and bounds are judged by it, so that these checks see only
/// constants. The length may be shorter, see [`Slot::first`].
#[derive(Debug)]
pub struct Slot<T> {
    offset: usize,
    capacity: usize,
    len: usize,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slot<T> {}

impl<T: Element> Slot<T> {
    /// The place of `len` elements that begins `offset` bytes after the start.
    ///
    /// # Panics
    /// If `offset` is misaligned for `T` or the end overflows `usize`. In a `const`, that is a compile error.
    #[inline(always)]
    pub const fn new(offset: usize, len: usize) -> Self {
        assert!(offset.is_multiple_of(align_of::<T>()), "slot is misaligned");
        assert!(len <= (isize::MAX as usize - offset) / size_of::<T>(), "slot is too long");
        Self { offset, capacity: len, len, element: PhantomData }
    }

    /// The first `len` elements of this place, for values whose size is known at run time only.
    ///
    /// The model checks every dimension when it is called, so `len` fits; if it does not, that is a defect of the
    /// compiler and panics.
    #[inline(always)]
    #[must_use]
    pub fn first(self, len: usize) -> Self {
        if len > self.capacity {
            defect("a value outgrows its place");
        }
        Self { offset: self.offset, capacity: self.capacity, len, element: PhantomData }
    }

    /// `len` elements of this place from `first` on. Only these count where overlap is judged.
    ///
    /// # Panics
    /// If they are not all inside; that is a defect of the compiler.
    #[inline(always)]
    #[must_use]
    #[track_caller]
    pub fn part(self, first: usize, len: usize) -> Self {
        if first > self.capacity || len > self.capacity - first {
            defect("a part of a value lies outside of its place");
        }
        let offset = self.offset + first * size_of::<T>();
        Self { offset, capacity: len, len, element: PhantomData }
    }

    /// Number of elements.
    #[inline(always)]
    #[expect(clippy::len_without_is_empty, reason = "a slot is a place, not a container")]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Offset of the first element in bytes.
    #[inline(always)]
    pub const fn offset(self) -> usize {
        self.offset
    }

    /// The reserved bytes.
    #[inline(always)]
    pub(crate) const fn room(self) -> Room {
        Room { start: self.offset, end: self.offset + self.capacity * size_of::<T>() }
    }
}

/// A range of bytes.
#[derive(Clone, Copy)]
pub struct Room {
    start: usize,
    end: usize,
}

impl Room {
    /// Whether it ends within the first `bytes` bytes.
    #[inline(always)]
    pub(crate) const fn fits(self, bytes: usize) -> bool {
        self.end <= bytes
    }

    /// Whether no byte is in both.
    #[inline(always)]
    pub(crate) const fn clear_of(self, other: Room) -> bool {
        self.end <= other.start
            || other.end <= self.start
            || self.start == self.end
            || other.start == other.end
    }
}
