//! The types that tensors in an arena or blob consist of.

use crate::{bf16, f16};

/// A tensor element: a plain number for which every bit pattern is a value. Truth values are stored as `u8` 0 and 1.
///
/// Sealed: the arena hands out slices of these types over arbitrary bytes.
pub trait Element: Copy + Send + Sync + private::Plain + 'static {}

mod private {
    /// # Safety
    /// Every bit pattern must be valid, and an alignment of at most 64 must suffice.
    pub unsafe trait Plain {}
}

macro_rules! elements {
    ($($t:ty),*) => {$(
        // SAFETY: numbers have no invalid bit patterns; `f16` and `bf16` are transparent `u16`s.
        unsafe impl private::Plain for $t {}
        impl Element for $t {}
    )*};
}

elements!(f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64);
