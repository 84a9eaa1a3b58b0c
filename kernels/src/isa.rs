//! Which vector units the processor has, and how plain loops are compiled for them.
//!
//! The level is detected once (feature `std`) or taken from the compile-time target features. A kernel picks its
//! instruction set per call from [`level`]; generated loops run inside [`vectorize`].

#[cfg(test)]
mod testing;

use core::sync::atomic::{AtomicU8, Ordering};

#[cfg(test)]
pub(crate) use testing::on_every_level;

/// The instruction sets that kernels distinguish, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What the target's baseline offers (SSE2, NEON on aarch64, scalar elsewhere).
    Baseline = 1,
    /// AVX2, FMA and F16C.
    Avx2 = 2,
    /// AVX-512 F, VL, BW and DQ.
    Avx512 = 3,
}

static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The best level of this processor.
#[inline]
pub fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = testing::forced() {
        return level;
    }
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Baseline,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => detect(),
    }
}

/// Uses at most `ceiling` from now on, in the whole process. Tests and benchmarks walk the levels with it.
pub fn limit(ceiling: Level) -> Level {
    let level = supported().min(ceiling);
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

#[cold]
fn detect() -> Level {
    let level = supported();
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

pub(crate) fn supported() -> Level {
    #[cfg(all(target_arch = "x86_64", any(feature = "std", test)))]
    {
        if std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512vl")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512dq")
        {
            return Level::Avx512;
        }
        if std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("f16c")
        {
            return Level::Avx2;
        }
    }
    #[cfg(all(target_arch = "x86_64", not(any(feature = "std", test))))]
    {
        if cfg!(all(
            target_feature = "avx512f",
            target_feature = "avx512vl",
            target_feature = "avx512bw",
            target_feature = "avx512dq"
        )) {
            return Level::Avx512;
        }
        if cfg!(all(target_feature = "avx2", target_feature = "fma", target_feature = "f16c")) {
            return Level::Avx2;
        }
    }
    Level::Baseline
}

/// Runs `f` compiled for the best level, so that the plain loops inside it become wide vector code.
///
/// Results do not depend on the level: nothing contracts a multiplication and an addition into one rounding.
#[inline(always)]
pub fn vectorize<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    match level() {
        // SAFETY: `level` answers `Avx512` only where the processor has the features that `avx512` enables.
        Level::Avx512 => return unsafe { avx512(f) },
        // SAFETY: `level` answers `Avx2` only where the processor has the features that `avx2` enables.
        Level::Avx2 => return unsafe { avx2(f) },
        Level::Baseline => {}
    }
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
fn avx512<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}
