use super::*;
use crate::isa::Level;
use crate::matmul::{pack, reference};
use std::vec;
use std::vec::Vec;

/// Numbers between -2 and 2; with `exact`, so few bits that any order of summation gives the same sum.
fn numbers(len: usize, seed: u32, exact: bool) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if exact { (state % 17) as f32 / 4.0 - 2.0 } else { state as f32 / (1 << 30) as f32 - 2.0 }
    };
    (0..len).map(next).collect()
}

fn narrow<B: Copy>(x: &[f32]) -> Vec<B>
where
    f32: Cast<B>,
{
    x.iter().map(|&x| cast(x)).collect()
}

fn wide<B: Copy + Cast<f32>>(x: &[B]) -> Vec<f32> {
    x.iter().map(|&x| cast(x)).collect()
}

/// A matrix `[k, n]` in panels.
fn packed<B: Copy + Default>(b: &[B], k: usize, n: usize) -> Vec<B> {
    let mut panels = vec![B::default(); b.len()];
    for (i, &x) in b.iter().enumerate() {
        panels[pack::packed_element(k, n, i / n, i % n)] = x;
    }
    panels
}

fn check<B: Right + Cast<f32> + Default + PartialEq + core::fmt::Debug>(m: usize, k: usize, n: usize)
where
    f32: Cast<B>,
{
    let (lda, ldc) = (k + 1, n + 2);
    let a: Vec<f32> = numbers(m * lda, 1, true);
    let b: Vec<B> = narrow(&numbers(k * n, 2, true));
    let bias = numbers(n, 3, true);
    let panels = packed(&b, k, n);
    let before = numbers(m * ldc, 4, true);
    let epilogue = Epilogue {
        bias: Some(&bias),
        residual: Some((&before, ldc)),
        clamp: Some((-9.0, 8.5)),
        ..Epilogue::NONE
    };
    let (mut expected, mut plain) = (before.clone(), before.clone());
    reference::matmul(m, k, n, &a, lda, &wide(&b), n, &mut expected, ldc, &epilogue);
    reference::matmul(m, k, n, &a, lda, &wide(&b), n, &mut plain, ldc, &Epilogue::NONE);
    for path in Path::all() {
        let mut c = before.clone();
        let mut scratch = vec![f32::NAN; half_weights_scratch(m, k, n)];
        half_weights_at(path, m, k, n, &a, lda, &panels, &mut scratch, &mut c, ldc, &epilogue);
        assert_eq!(c, expected, "{path:?} {m} x {k} x {n}");
        let mut c: Vec<B> = narrow(&before);
        let mut scratch = vec![f32::NAN; half_scratch(m, k, n)];
        halves_at(path, m, k, n, &narrow::<B>(&a), lda, &panels, &mut scratch, &mut c, ldc);
        assert_eq!(c, narrow::<B>(&plain), "{path:?} {m} x {k} x {n}");
    }
}

#[test]
fn ragged_extents() {
    for m in [0, 1, 2, 3, 4, 5, 7, 17, 28, 29, 57] {
        for n in [0, 1, 15, 16, 17, 40, 64, 65, 130, 300] {
            for k in [0, 1, 16, 37] {
                check::<f16>(m, k, n);
                check::<bf16>(m, k, n);
            }
        }
    }
    check::<f16>(9, 900, 70);
    check::<bf16>(1, 2000, 150);
}

/// Sums that do round: the fused levels agree, and where both operands are halves all levels do.
#[test]
fn levels_agree() {
    fn of<B: Right + Cast<f32> + Default + PartialEq + core::fmt::Debug>()
    where
        f32: Cast<B>,
    {
        let (k, n) = (700, 150);
        for m in [1, 2, 4, 31] {
            let a = numbers(m * k, 1, false);
            let panels: Vec<B> = narrow(&numbers(k * n, 2, false));
            let (mut fused, mut halves) = (None, None);
            for path in Path::all() {
                let mut c = vec![0.0; m * n];
                let mut scratch = vec![0.0; half_weights_scratch(m, k, n)];
                let none = &Epilogue::NONE;
                half_weights_at(path, m, k, n, &a, k, &panels, &mut scratch, &mut c, n, none);
                if path.level() != Level::Baseline {
                    assert_eq!(*fused.get_or_insert_with(|| c.clone()), c, "{path:?}");
                }
                let mut c: Vec<B> = vec![B::default(); m * n];
                let mut scratch = vec![0.0; half_scratch(m, k, n)];
                halves_at(path, m, k, n, &narrow::<B>(&a), k, &panels, &mut scratch, &mut c, n);
                assert_eq!(*halves.get_or_insert_with(|| c.clone()), c, "{path:?}");
            }
        }
    }
    of::<f16>();
    of::<bf16>();
}

#[test]
fn every_half_expands() {
    fn of<B: Right + Cast<f32>>(all: &[B]) {
        for path in Path::all() {
            let mut floats = vec![0.0; all.len()];
            expand(path, all, &mut floats);
            for (&half, float) in all.iter().zip(floats) {
                let expected: f32 = cast(half);
                let same = expected.to_bits() == float.to_bits() || expected.is_nan() && float.is_nan();
                assert!(same, "{path:?} {expected} {float}");
            }
        }
    }
    // Odd, so that the last ones are fewer than 16.
    of(&(0..u16::MAX).map(f16::from_bits).collect::<Vec<_>>());
    of(&(0..u16::MAX).map(bf16::from_bits).collect::<Vec<_>>());
}
