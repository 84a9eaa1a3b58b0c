//! The memory a model runs in: bytes at 64-byte alignment, viewed through slots.

use crate::{Element, Slot, Slots, TensorRef, defect};

/// Bytes of a line, the unit of an arena's size and its alignment.
pub const LINE_BYTES: usize = 64;

/// Storage for one worker of a model: `LINES` lines of 64 bytes.
///
/// [`Arena::new`] is `const` and all zeros, so a `static` arena takes no space in the program file.
#[repr(C, align(64))]
pub struct Arena<const LINES: usize>([[u8; LINE_BYTES]; LINES]);

impl<const LINES: usize> Arena<LINES> {
    /// An arena of zeros.
    #[inline(always)]
    pub const fn new() -> Self {
        Arena([[0; LINE_BYTES]; LINES])
    }
}

impl<const LINES: usize> Default for Arena<LINES> {
    fn default() -> Self {
        Self::new()
    }
}

/// An arena that a model owns (on the heap) or borrows.
pub struct Memory<'m, const LINES: usize>(Storage<'m, LINES>);

enum Storage<'m, const LINES: usize> {
    Borrowed(&'m mut Arena<LINES>),
    #[cfg(feature = "alloc")]
    Heap(alloc::boxed::Box<Arena<LINES>>),
}

#[cfg(feature = "alloc")]
impl<const LINES: usize> Memory<'static, LINES> {
    /// A fresh arena on the heap. The system zeroes its pages when they are first touched; it never passes over the
    /// stack.
    pub fn heap() -> Self {
        let arena = alloc::boxed::Box::<Arena<LINES>>::new_zeroed();
        // SAFETY: an arena is bytes, and zero is a byte.
        Memory(Storage::Heap(unsafe { arena.assume_init() }))
    }
}

impl<'m, const LINES: usize> Memory<'m, LINES> {
    /// The caller's arena.
    #[inline(always)]
    pub const fn borrowed(arena: &'m mut Arena<LINES>) -> Self {
        Memory(Storage::Borrowed(arena))
    }

    #[inline(always)]
    fn base(&self) -> *const u8 {
        match &self.0 {
            Storage::Borrowed(arena) => (&raw const **arena).cast(),
            #[cfg(feature = "alloc")]
            Storage::Heap(arena) => (&raw const **arena).cast(),
        }
    }

    #[inline(always)]
    fn base_mut(&mut self) -> *mut u8 {
        match &mut self.0 {
            Storage::Borrowed(arena) => (&raw mut **arena).cast(),
            #[cfg(feature = "alloc")]
            Storage::Heap(arena) => (&raw mut **arena).cast(),
        }
    }

    /// Shared slices for what a step reads, exclusive ones for what it writes. An operation in place only writes.
    ///
    /// # Panics
    /// If a slot is out of bounds, or a written one overlaps another; with constant slots this is decided at
    /// compile time.
    #[inline(always)]
    #[track_caller]
    pub fn step<R: Slots, W: Slots>(&mut self, reads: R, writes: W) -> (R::Refs<'_>, W::Muts<'_>) {
        if !(reads.fit(LINES * LINE_BYTES) && writes.fit(LINES * LINE_BYTES)) {
            defect("a value lies outside of the arena");
        }
        if !(writes.disjoint() && reads.clear_of_all(writes)) {
            defect("a step writes to what it uses elsewhere");
        }
        let base = self.base_mut();
        // SAFETY: `base` is the start of an arena, aligned to 64, that is borrowed exclusively for the lifetime of the
        // result. All rooms are inside it; written ones overlap nothing; read ones are not written.
        unsafe { (reads.refs(base), writes.muts(base)) }
    }

    /// Shared slices, once a model has run.
    ///
    /// # Panics
    /// If a slot is out of bounds; with constant slots this is decided at compile time.
    #[inline(always)]
    #[track_caller]
    pub fn read<R: Slots>(&self, reads: R) -> R::Refs<'_> {
        if !reads.fit(LINES * LINE_BYTES) {
            defect("a value lies outside of the arena");
        }
        // SAFETY: `base` is the start of an arena, aligned to 64, that is borrowed for the lifetime of the result, and
        // the rooms are inside it.
        unsafe { reads.refs(self.base()) }
    }

    /// The first element of a value.
    ///
    /// # Panics
    /// If the slot is empty or out of bounds; with a constant slot this is decided at compile time.
    #[inline(always)]
    #[track_caller]
    pub fn first<T: Element>(&self, slot: Slot<T>) -> T {
        match self.read(slot).first() {
            Some(&value) => value,
            None => defect("a value has no elements"),
        }
    }

    /// A value of fixed size.
    ///
    /// # Panics
    /// If the slot does not have `N` elements or is out of bounds; with a constant slot this is decided at compile time.
    #[inline(always)]
    #[track_caller]
    pub fn array<T: Element, const N: usize>(&self, slot: Slot<T>) -> &[T; N] {
        match self.read(slot).as_array() {
            Some(array) => array,
            None => defect("a value has another size"),
        }
    }

    /// A value with run-time dimensions, of as many elements as they say.
    ///
    /// # Panics
    /// If the value outgrows the slot or the slot is out of bounds.
    #[inline(always)]
    #[track_caller]
    pub fn tensor<T: Element, const RANK: usize>(
        &self,
        slot: Slot<T>,
        dims: [usize; RANK],
    ) -> TensorRef<'_, T, RANK> {
        let len = dims.iter().product();
        TensorRef { data: self.read(slot.first(len)), dims }
    }
}

impl<const LINES: usize> core::fmt::Debug for Memory<'_, LINES> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Memory({} bytes)", LINES * LINE_BYTES)
    }
}
