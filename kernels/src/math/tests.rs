//! The f32 functions against f64 libm: a stride over all bit patterns, all of them with `RUN_SLOW_TESTS`.

use super::*;
use crate::isa::on_every_level;
use half::{bf16, f16};
use std::vec::Vec;

/// The spacing of f32 at `x`, denormals included.
fn ulp(x: f64) -> f64 {
    let a = x.abs().max(f64::from(f32::MIN_POSITIVE));
    let exponent = (a.to_bits() >> 52) as i32 - 1023;
    f64::powi(2.0, exponent - 23)
}

fn patterns() -> impl Iterator<Item = f32> {
    let stride = if std::env::var_os("RUN_SLOW_TESTS").is_some() {
        1
    } else if cfg!(debug_assertions) {
        5003
    } else {
        1009
    };
    let specials = [
        0.0f32,
        -0.0,
        1.0,
        -1.0,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        88.722_84,
        88.722_85,
        -103.972_08,
        -87.336_55,
        0.5,
        1.5,
        2.5,
        8_388_607.5,
        8_388_609.0,
    ];
    specials.into_iter().chain((0..=u32::MAX).step_by(stride).map(f32::from_bits))
}

/// Whether `got` is `want` rounded, within `limit` ulp.
fn check(name: &str, x: f32, got: f32, want: f64, limit: f64) {
    let rounded = want as f32;
    let same = got.to_bits() == rounded.to_bits() || got.is_nan() && rounded.is_nan();
    let close = got.is_finite() && (f64::from(got) - want).abs() <= limit * ulp(want);
    // At the edge of overflow either neighbour will do.
    let edge = got.is_infinite() && want.abs() > f64::from(f32::MAX) * (1.0 - 1e-7);
    assert!(
        same || close || edge,
        "{name}({x:e}) = {got:e}, not {want:e}: {} ulp",
        (f64::from(got) - want).abs() / ulp(want)
    );
}

/// Holds a function to its limit, as one value and in loops of every level; all of them compute the same bits.
fn sweep(name: &str, limit: f64, function: impl Fn(f32) -> f32, oracle: fn(f64) -> f64) {
    let mut left = patterns();
    loop {
        let x: Vec<f32> = left.by_ref().take(1 << 16).collect();
        if x.is_empty() {
            break;
        }
        let single: Vec<f32> = x.iter().map(|&x| function(x)).collect();
        for (&x, &y) in x.iter().zip(&single) {
            check(name, x, y, oracle(f64::from(x)), limit);
        }
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        on_every_level(|| {
            let mut wide = std::vec![0.0; x.len()];
            let y = &mut wide[..];
            crate::vectorize(|| y.iter_mut().zip(&x).for_each(|(y, &x)| *y = function(x)));
            assert!(wide.iter().zip(&single).all(same), "{name} at {:?}", crate::isa::level());
        });
    }
}

#[test]
fn exponentials() {
    sweep("exp", 1.25, exp, libm::exp);
    sweep("exp2", 1.25, exp2, libm::exp2);
    sweep("expm1", 2.0, expm1, libm::expm1);
}

#[test]
fn logarithms() {
    sweep("log", 1.0, log, libm::log);
    sweep("softplus", 3.0, softplus, |x| {
        x.max(0.0) + libm::log1p(libm::exp(-x.abs())) + if x.is_nan() { x } else { 0.0 }
    });
}

#[test]
fn saturating_curves() {
    sweep("tanh", 3.0, tanh, libm::tanh);
    sweep("erf", 3.0, erf, libm::erf);
    sweep("sigmoid", 3.0, sigmoid, |x| {
        if x < 0.0 { libm::exp(x) / (1.0 + libm::exp(x)) } else { 1.0 / (1.0 + libm::exp(-x)) }
    });
}

#[test]
fn circular() {
    sweep("sin", 2.0, sin, libm::sin);
    sweep("cos", 2.0, cos, libm::cos);
}

#[test]
fn rounding() {
    sweep("round", 0.0, round_ties_even, libm::rint);
    sweep("floor", 0.0, floor, libm::floor);
    sweep("ceil", 0.0, ceil, libm::ceil);
    sweep("trunc", 0.0, trunc, libm::trunc);
    sweep("sqrt", 0.5, sqrt, libm::sqrt);
    for x in [-2.5f64, -0.5, 0.5, 1.5, 2.5, 1e300, -0.0] {
        assert_eq!(round_ties_even(x).to_bits(), libm::rint(x).to_bits());
        assert_eq!(floor(x).to_bits(), libm::floor(x).to_bits());
        assert_eq!(ceil(x).to_bits(), libm::ceil(x).to_bits());
    }
}

#[test]
fn powers() {
    let mut values: Vec<f32> = std::vec![
        0.0,
        1.0,
        2.0,
        3.0,
        0.5,
        1.5,
        16_777_216.0,
        16_777_215.0,
        1e-40,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::INFINITY,
        f32::NAN,
        1.000_000_1,
        0.999_999_94,
        127.0,
        0.1,
        1e-3,
        33.0,
    ];
    let mut seed = 1u32;
    for _ in 0..200 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        values.push((seed >> 8) as f32 / 1e6);
        values.push(f32::from_bits(seed >> 1));
    }
    let all: Vec<f32> = values.iter().flat_map(|&v| [v, -v]).collect();
    for &y in &all {
        let want: Vec<f64> = all.iter().map(|&x| libm::pow(x.into(), y.into())).collect();
        on_every_level(|| {
            let mut got = want.iter().map(|_| 0.0).collect::<Vec<f32>>();
            crate::vectorize(|| got.iter_mut().zip(&all).for_each(|(z, &x)| *z = pow(x, y)));
            for ((&x, &z), &want) in all.iter().zip(&got).zip(&want) {
                check("pow", x, z, want, 1.0);
            }
        });
    }
}

#[test]
fn half_precisions() {
    for bits in 0..=u16::MAX {
        let (h, b) = (f16::from_bits(bits), bf16::from_bits(bits));
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(same(cast(h), h.to_f32()) && same(cast(b), b.to_f32()), "{bits:x}");
    }
    for x in patterns() {
        let (h, b): (f16, bf16) = (cast(x), cast(x));
        let (hx, bx) = (f16::from_f32(x), bf16::from_f32(x));
        assert!(h.to_bits() == hx.to_bits() || h.is_nan() && hx.is_nan(), "{x:e}");
        assert!(b.to_bits() == bx.to_bits() || b.is_nan() && bx.is_nan(), "{x:e}");
    }
}

#[test]
fn casts() {
    assert_eq!(cast::<f32, i8>(-1e9), -128);
    assert_eq!(cast::<f64, u8>(3.99), 3);
    assert_eq!(cast::<f32, i64>(f32::NAN), 0);
    assert_eq!(cast::<i64, i8>(257), 1);
    assert_eq!(cast::<i32, f16>(70_000), f16::INFINITY);
    assert_eq!(cast::<u8, f32>(from_bool(to_bool(f32::NAN))), 1.0);
    assert!(!to_bool(-0.0f32));
}

#[test]
fn quantising() {
    for x in (-3000..3000).map(|i| i as f32 / 8.0) {
        assert_eq!(round_clamped(x, -128.0, 127.0), libm::rint(x.clamp(-128.0, 127.0).into()) as i32);
    }
    assert_eq!(round_clamped(f32::NAN, -3.0, 9.0), -3);
    assert_eq!(round_clamped(f32::INFINITY, -3.0, 4_194_304.0), 4_194_304);
    assert_eq!(round_clamped(-1e30, -4_194_304.0, 9.0), -4_194_304);
}

#[test]
fn clips() {
    assert_eq!(clip(5i32, 7, 3), 3);
    assert!(clip(f32::NAN, 0.0, 1.0).is_nan() && relu(f32::NAN).is_nan());
    assert_eq!(relu(-3i8), 0);
}
