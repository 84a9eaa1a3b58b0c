//! Reductions against one-line oracles.

use super::*;
use crate::isa::on_every_level;
use std::vec::Vec;

const ALL: [Reduction; 10] = [
    Reduction::Sum,
    Reduction::Mean,
    Reduction::Max,
    Reduction::Min,
    Reduction::Prod,
    Reduction::L1,
    Reduction::L2,
    Reduction::LogSum,
    Reduction::LogSumExp,
    Reduction::SumSquare,
];

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + 13) % 1009) as f32 / 505.0 - 0.9).collect()
}

fn oracle(op: Reduction, x: &[f64]) -> f64 {
    let n = x.len() as f64;
    let sum = |f: &dyn Fn(f64) -> f64| x.iter().map(|&x| f(x)).sum::<f64>();
    match op {
        Reduction::Sum => sum(&|x| x),
        Reduction::Mean => sum(&|x| x) / n,
        Reduction::Max => x.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Reduction::Min => x.iter().copied().fold(f64::INFINITY, f64::min),
        Reduction::Prod => x.iter().product(),
        Reduction::L1 => sum(&|x| x.abs()),
        Reduction::L2 => sum(&|x| x * x).sqrt(),
        Reduction::LogSum => sum(&|x| x).ln(),
        Reduction::LogSumExp => sum(&|x| x.exp()).ln(),
        Reduction::SumSquare => sum(&|x| x * x),
    }
}

#[test]
fn agree_with_the_oracle() {
    on_every_level(|| {
        for op in ALL {
            for (outer, n, inner) in [
                (3, 5, 1),
                (2, 100, 1),
                (1, 9001, 1),
                (2, 7, 3),
                (2, 16, 130),
                (0, 4, 2),
                (2, 4, 0),
                (2, 0, 3),
            ] {
                let x = numbers(outer * n * inner);
                let mut y = std::vec![9.0; outer * inner];
                reduce_f32(op, outer, n, inner, &x, &mut y);
                let mut generic = std::vec![9.0; outer * inner];
                reduce(op, outer, n, inner, &x, &mut generic);
                let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
                let mut y64 = std::vec![9.0; outer * inner];
                reduce(op, outer, n, inner, &wide, &mut y64);
                for at in 0..outer * inner {
                    let column: Vec<f64> =
                        (0..n).map(|k| x[(at / inner * n + k) * inner + at % inner].into()).collect();
                    let want = oracle(op, &column);
                    for got in [y[at].into(), generic[at].into(), y64[at]] {
                        let size = column.iter().map(|x| x.abs()).sum::<f64>().max(want.abs());
                        let same = got == want || got.is_nan() && want.is_nan();
                        assert!(same || (got - want).abs() <= 2e-6 * size, "{op:?} {n}x{inner} {got} {want}");
                    }
                }
            }
        }
    });
}

#[test]
fn extremes() {
    on_every_level(|| {
        let inf = f32::INFINITY;
        let mut y = [0.0];
        for (x, want) in [([-inf, -inf], -inf), ([inf, 0.0], inf), ([1000.0, 1000.0], 1000.0 + 2f32.ln())] {
            reduce_f32(Reduction::LogSumExp, 1, 2, 1, &x, &mut y);
            assert_eq!(y[0], want);
        }
        reduce_f32(Reduction::Max, 1, 3, 1, &[1.0, f32::NAN, 2.0], &mut y);
        assert!(y[0].is_nan());
        let mut y = [0u8];
        reduce(Reduction::Min, 1, 0, 1, &[], &mut y);
        assert_eq!(y, [255]);
        let mut y = [0i32];
        reduce(Reduction::Mean, 1, 2, 1, &[-1, -2], &mut y);
        assert_eq!(y, [-1]);
    });
}

#[test]
fn positions() {
    on_every_level(|| {
        let x = [1.0, 3.0, 3.0, f32::NAN, 0.0, f32::NAN];
        let mut y = [0];
        arg_max(false, 1, 3, 1, &x[..3], &mut y);
        assert_eq!(y, [1]);
        arg_max(true, 1, 3, 1, &x[..3], &mut y);
        assert_eq!(y, [2]);
        arg_min(false, 1, 6, 1, &x, &mut y);
        assert_eq!(y, [3]);
        arg_max(true, 1, 6, 1, &x, &mut y);
        assert_eq!(y, [5]);
        let mut y = [0; 4];
        arg_max(false, 2, 3, 2, &[1, 9, 5, 2, 3, 9, 0, 0, 0, 0, 1, 0], &mut y);
        assert_eq!(y, [1, 0, 2, 0]);
    });
}

#[test]
fn scans() {
    on_every_level(|| {
        let x = [1, 2, 3, 4, 5, 6];
        let run = |exclusive, reverse, n, inner| {
            let mut y = [0; 6];
            cum_sum(exclusive, reverse, 6 / (n * inner), n, inner, &x, &mut y);
            y
        };
        assert_eq!(run(false, false, 6, 1), [1, 3, 6, 10, 15, 21]);
        assert_eq!(run(true, false, 3, 1), [0, 1, 3, 0, 4, 9]);
        assert_eq!(run(false, true, 3, 2), [9, 12, 8, 10, 5, 6]);
        assert_eq!(run(true, true, 3, 1), [5, 3, 0, 11, 6, 0]);
        let mut y = [0; 6];
        cum_prod(false, false, 1, 6, 1, &x, &mut y);
        assert_eq!(y, [1, 2, 6, 24, 120, 720]);
    });
}

#[test]
fn rows_of_any_length() {
    on_every_level(|| {
        for n in 0..70 {
            let x = numbers(n);
            let sum = rows::sum(n, |i| x[i]);
            assert!((f64::from(sum) - x.iter().map(|&x| f64::from(x)).sum::<f64>()).abs() < 1e-4);
            assert_eq!(rows::max(n, |i| x[i]), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            assert_eq!(rows::min(n, |i| x[i]), x.iter().copied().fold(f32::INFINITY, f32::min));
            assert!(
                (rows::prod(n, |i| 1.0 + x[i] / 100.0).ln()
                    - x.iter().map(|x| (1.0 + x / 100.0).ln()).sum::<f32>())
                .abs()
                    < 1e-4
            );
        }
    });
}
