//! Conversions between element types (ONNX Cast): floats truncate towards zero and saturate, NaN becomes 0, integers
//! keep their low bits.

use half::{bf16, f16};

/// A conversion from one element type to another.
pub trait Cast<U> {
    /// `self` as a `U`.
    fn cast(self) -> U;
}

/// `x` as a `U`, by the rules of this module.
#[inline(always)]
pub fn cast<T: Cast<U>, U>(x: T) -> U {
    x.cast()
}

/// The stored boolean of a condition.
#[inline(always)]
pub fn from_bool(x: bool) -> u8 {
    x as u8
}

/// Whether `x` counts as true: anything but zero, NaN included.
#[inline(always)]
pub fn to_bool<T: PartialEq + Default>(x: T) -> bool {
    x != T::default()
}

macro_rules! natives {
    ($($from:ident => $($to:ident)*;)*) => { $( $(
        impl Cast<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to {
                self as $to
            }
        }
    )* )* };
}

natives! {
    f32 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    f64 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    i8 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    i16 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    i32 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    i64 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    u8 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    u16 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    u32 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
    u64 => f32 f64 i8 i16 i32 i64 u8 u16 u32 u64;
}

macro_rules! halves {
    ($half:ident: $($native:ident)*) => {
        $(
            impl Cast<$native> for $half {
                #[inline(always)]
                fn cast(self) -> $native {
                    cast::<$half, f32>(self) as $native
                }
            }

            impl Cast<$half> for $native {
                #[inline(always)]
                fn cast(self) -> $half {
                    // One rounding from f32 and narrow integers; wide integers round to f64 first.
                    $half::from_f64(self as f64)
                }
            }
        )*

        impl Cast<$half> for $half {
            #[inline(always)]
            fn cast(self) -> $half {
                self
            }
        }
    };
}

halves! { f16: f64 i8 i16 i32 i64 u8 u16 u32 u64 }
halves! { bf16: f64 i8 i16 i32 i64 u8 u16 u32 u64 }

// Between f32 and the half precisions without branches, so that loops vectorise.

impl Cast<f32> for f16 {
    #[inline(always)]
    fn cast(self) -> f32 {
        let bits = u32::from(self.to_bits());
        let magnitude = (bits & 0x7fff) << 13;
        // The product with 2^112 moves the exponent bias and makes denormals normal.
        let finite = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
        let rest = if magnitude >= 0x7c00 << 13 { 0x7f80_0000 } else { 0 };
        f32::from_bits(finite | rest | (bits & 0x8000) << 16)
    }
}

impl Cast<f16> for f32 {
    #[inline(always)]
    fn cast(self) -> f16 {
        let bits = self.to_bits() & 0x7fff_ffff;
        let normal = bits.wrapping_add(0x0fff + ((bits >> 13) & 1)).wrapping_sub(112 << 23) >> 13;
        // The last bit of a half-precision denormal is worth what the last bit of 0.5 is.
        let denormal = (f32::from_bits(bits) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
        let value = if bits < 113 << 23 { denormal } else { normal };
        let value = if bits >= 0x477f_f000 { 0x7c00 } else { value };
        let value = if bits > 0x7f80_0000 { 0x7e00 } else { value };
        f16::from_bits((value | (self.to_bits() >> 16) & 0x8000) as u16)
    }
}

impl Cast<f32> for bf16 {
    #[inline(always)]
    fn cast(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

impl Cast<bf16> for f32 {
    #[inline(always)]
    fn cast(self) -> bf16 {
        let bits = self.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        let quiet = bits >> 16 | 0x40;
        let nan = bits & 0x7fff_ffff > 0x7f80_0000;
        bf16::from_bits(if nan { quiet } else { rounded } as u16)
    }
}

impl Cast<bf16> for f16 {
    #[inline(always)]
    fn cast(self) -> bf16 {
        cast(cast::<f16, f32>(self))
    }
}

impl Cast<f16> for bf16 {
    #[inline(always)]
    fn cast(self) -> f16 {
        cast(cast::<bf16, f32>(self))
    }
}
