//! What a step reads or writes: nothing, one slot, or a tuple of slots.

use crate::slot::Room;
use crate::{Element, Slot};

/// `()`, a [`Slot`], or a tuple of up to 16 slots. Sealed.
pub trait Slots: private::Rooms {
    /// Shared slices, one for each slot.
    type Refs<'a>;
    /// Exclusive slices, one for each slot.
    type Muts<'a>;

    /// # Safety
    /// `base` is 64-byte aligned; the rooms lie inside one initialised allocation that starts at `base`; nobody
    /// writes to them during `'a`.
    #[doc(hidden)]
    unsafe fn refs<'a>(self, base: *const u8) -> Self::Refs<'a>;

    /// # Safety
    /// As for `refs`, and nobody else reads or writes the rooms during `'a`, and they do not overlap.
    #[doc(hidden)]
    unsafe fn muts<'a>(self, base: *mut u8) -> Self::Muts<'a>;
}

mod private {
    use crate::slot::Room;

    /// Facts about the bytes that slots reserve. All of it folds to a constant when the slots are constants.
    pub trait Rooms: Copy {
        /// Whether all rooms end within `bytes` bytes.
        fn fit(self, bytes: usize) -> bool;
        /// Whether no room overlaps `room`.
        fn clear_of(self, room: Room) -> bool;
        /// Whether no room overlaps one of `others`.
        fn clear_of_all(self, others: impl Rooms) -> bool;
        /// Whether no two rooms overlap.
        fn disjoint(self) -> bool;
    }
}
use private::Rooms;

impl<T: Element> Rooms for Slot<T> {
    #[inline(always)]
    fn fit(self, bytes: usize) -> bool {
        self.room().fits(bytes)
    }
    #[inline(always)]
    fn clear_of(self, room: Room) -> bool {
        self.room().clear_of(room)
    }
    #[inline(always)]
    fn clear_of_all(self, others: impl Rooms) -> bool {
        others.clear_of(self.room())
    }
    #[inline(always)]
    fn disjoint(self) -> bool {
        true
    }
}

impl<T: Element> Slots for Slot<T> {
    type Refs<'a> = &'a [T];
    type Muts<'a> = &'a mut [T];

    #[inline(always)]
    unsafe fn refs<'a>(self, base: *const u8) -> &'a [T] {
        // SAFETY: the slot's offset is a multiple of T's alignment and its length within its room, by its invariant;
        // the caller vouches for the room. Every bit pattern is a T.
        unsafe { core::slice::from_raw_parts(base.add(self.offset()).cast::<T>(), self.len()) }
    }
    #[inline(always)]
    unsafe fn muts<'a>(self, base: *mut u8) -> &'a mut [T] {
        // SAFETY: as in `refs`.
        unsafe { core::slice::from_raw_parts_mut(base.add(self.offset()).cast::<T>(), self.len()) }
    }
}

/// Whether no two of the listed fields overlap.
macro_rules! disjoint {
    ($self:ident,) => { true };
    ($self:ident, $first:tt $($rest:tt)*) => {
        true $(&& $self.$rest.clear_of($self.$first.room()))* && disjoint!($self, $($rest)*)
    };
}

/// Implements the traits for a tuple of slots, and for all shorter ones.
macro_rules! tuples {
    (done:) => {};
    (done: $($done:ident $d:tt)* ; ) => { tuple!($($done $d)*); };
    (done: $($done:ident $d:tt)* ; $next:ident $n:tt $($rest:tt)*) => {
        tuple!($($done $d)*);
        tuples!(done: $($done $d)* $next $n ; $($rest)*);
    };
}

macro_rules! tuple {
    ($($t:ident $i:tt)*) => {
        #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple reads nothing")]
        impl<$($t: Element),*> Rooms for ($(Slot<$t>,)*) {
            #[inline(always)]
            fn fit(self, bytes: usize) -> bool {
                true $(&& self.$i.fit(bytes))*
            }
            #[inline(always)]
            fn clear_of(self, room: Room) -> bool {
                true $(&& self.$i.clear_of(room))*
            }
            #[inline(always)]
            fn clear_of_all(self, others: impl Rooms) -> bool {
                true $(&& others.clear_of(self.$i.room()))*
            }
            #[inline(always)]
            fn disjoint(self) -> bool {
                disjoint!(self, $($i)*)
            }
        }

        #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple reads nothing")]
        impl<$($t: Element),*> Slots for ($(Slot<$t>,)*) {
            type Refs<'a> = ($(&'a [$t],)*);
            type Muts<'a> = ($(&'a mut [$t],)*);

            #[inline(always)]
            unsafe fn refs<'a>(self, base: *const u8) -> Self::Refs<'a> {
                // SAFETY: passed on to the caller.
                ($(unsafe { self.$i.refs(base) },)*)
            }
            #[inline(always)]
            unsafe fn muts<'a>(self, base: *mut u8) -> Self::Muts<'a> {
                // SAFETY: passed on to the caller.
                ($(unsafe { self.$i.muts(base) },)*)
            }
        }
    };
}

tuples!(done: ; A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15);
