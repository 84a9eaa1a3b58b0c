//! The parts of a step, compiled for each instruction set.

use super::cell::{self, Gates, Lanes16};
use super::tile::{self, Sums, Tile};
use crate::matmul::lanes::Lanes;

/// The extents of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One row by [`Compiled::panels`] panels.
    Wide,
    /// One row by one panel.
    One,
    /// One row by a panel of less than 16 elements.
    OnePart,
    /// [`Compiled::TALL`] rows by one panel.
    Tall,
    /// [`Compiled::TALL`] rows by a panel of less than 16 elements.
    TallPart,
}

/// An instruction set that computes steps.
///
/// Every method requires that the processor has the instructions of the implementing type.
pub(super) trait Compiled: Lanes {
    /// Rows of a tall tile.
    const TALL: usize;

    /// Panels of a wide tile of some gates: as many as hide the latency of the additions and stay in registers.
    fn panels(gates: usize) -> usize;
    /// [`tile::tile`] of the form and number of gates.
    unsafe fn sums(form: Form, gates: usize, tile: &Tile, out: &mut Sums);
    /// [`cell::lstm`].
    unsafe fn lstm(
        g: &Gates<'_>,
        s: &[Lanes16; 4],
        p: Option<&[Lanes16; 3]>,
        c: &mut Lanes16,
        h: &mut Lanes16,
    );
    /// [`cell::gru_after`].
    unsafe fn gru_after(g: &Gates<'_>, s: &[Lanes16; 3], x: &Lanes16, before: &Lanes16, h: &mut Lanes16);
    /// [`cell::gru_reset`].
    unsafe fn gru_reset(g: &Gates<'_>, s: &[Lanes16; 2], before: &Lanes16, u: &mut Lanes16, r: &mut Lanes16);
    /// [`cell::gru_before`].
    unsafe fn gru_before(g: &Gates<'_>, s: &[Lanes16; 1], u: &Lanes16, before: &Lanes16, h: &mut Lanes16);
    /// [`cell::rnn`].
    unsafe fn rnn(g: &Gates<'_>, s: &[Lanes16; 1], h: &mut Lanes16);
}

/// Implements [`Compiled`]: rows of a tall tile, panels of a wide one for 1, 2, 3 and 4 gates, target features.
macro_rules! compiled {
    ($lanes:ty, $tall:literal, $one:literal $two:literal $three:literal $four:literal $(, $features:tt)?) => {
        impl Compiled for $lanes {
            const TALL: usize = $tall;

            fn panels(gates: usize) -> usize {
                match gates {
                    1 => $one,
                    2 => $two,
                    3 => $three,
                    _ => $four,
                }
            }

            unsafe fn sums(form: Form, gates: usize, job: &Tile, out: &mut Sums) {
                $(#[target_feature(enable = $features)])?
                unsafe fn run<const MR: usize, const NB: usize, const G: usize, const PART: bool>(
                    job: &Tile,
                    out: &mut Sums,
                ) {
                    // SAFETY: passed on to the caller.
                    unsafe { tile::tile::<$lanes, MR, NB, G, PART>(job, out) }
                }
                compiled!(@forms form, gates, job, out, $tall; 1 $one, 2 $two, 3 $three, 4 $four)
            }

            compiled!(@cell $($features)?; lstm(
                g: &Gates<'_>, s: &[Lanes16; 4], p: Option<&[Lanes16; 3]>, c: &mut Lanes16, h: &mut Lanes16
            ));
            compiled!(@cell $($features)?; gru_after(
                g: &Gates<'_>, s: &[Lanes16; 3], x: &Lanes16, before: &Lanes16, h: &mut Lanes16
            ));
            compiled!(@cell $($features)?; gru_reset(
                g: &Gates<'_>, s: &[Lanes16; 2], before: &Lanes16, u: &mut Lanes16, r: &mut Lanes16
            ));
            compiled!(@cell $($features)?; gru_before(
                g: &Gates<'_>, s: &[Lanes16; 1], u: &Lanes16, before: &Lanes16, h: &mut Lanes16
            ));
            compiled!(@cell $($features)?; rnn(g: &Gates<'_>, s: &[Lanes16; 1], h: &mut Lanes16));
        }
    };
    (@forms $form:ident, $gates:ident, $job:ident, $out:ident, $tall:literal; $($g:literal $wide:literal),*) => {
        // SAFETY: passed on to the caller.
        unsafe {
            match ($gates, $form) {
                $(
                    ($g, Form::Wide) => run::<1, $wide, $g, false>($job, $out),
                    ($g, Form::One) => run::<1, 1, $g, false>($job, $out),
                    ($g, Form::OnePart) => run::<1, 1, $g, true>($job, $out),
                    ($g, Form::Tall) => run::<$tall, 1, $g, false>($job, $out),
                    ($g, Form::TallPart) => run::<$tall, 1, $g, true>($job, $out),
                )*
                (gates, _) => unreachable!("no tile of {gates} gates"),
            }
        }
    };
    (@cell $($features:literal)?; $name:ident($($arg:ident: $ty:ty),*)) => {
        unsafe fn $name($($arg: $ty),*) {
            $(#[target_feature(enable = $features)])?
            unsafe fn run($($arg: $ty),*) {
                cell::$name($($arg),*)
            }
            // SAFETY: passed on to the caller, who has the instructions.
            unsafe { run($($arg),*) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(crate::matmul::avx512::Avx512, 4, 4 4 2 2, "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(crate::matmul::avx2::Avx2, 1, 4 2 1 1, "avx2,fma");
#[cfg(target_arch = "aarch64")]
compiled!(crate::matmul::neon::Neon, 1, 4 2 1 1);
#[cfg(not(target_arch = "aarch64"))]
compiled!(crate::matmul::portable::Portable, 1, 1 1 1 1);
