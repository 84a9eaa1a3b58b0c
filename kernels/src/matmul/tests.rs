use super::*;
use crate::isa::on_every_level;
use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

/// Small numbers with exact sums, so that any order of summation gives the same bits.
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state % 17) as f32 - 8.0
        })
        .collect()
}

fn packed(b: &[f32], k: usize, n: usize, transposed: bool) -> Vec<f32> {
    let bytes: Vec<u8> = b.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut out = vec![0; bytes.len()];
    pack::pack_panels(&bytes, 4, k, n, transposed, &mut out);
    out.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

fn transpose(b: &[f32], k: usize, n: usize) -> Vec<f32> {
    (0..k * n).map(|i| b[i % k * n + i / k]).collect()
}

/// One epilogue field at a time, then all.
const EPILOGUES: usize = 7;

fn check(m: usize, k: usize, n: usize, epilogue: usize) {
    let (lda, ldb, ldt, ldc, ldr) = (k + epilogue % 3, n + epilogue % 2, k + epilogue % 2, n + 3, n + 1);
    let a = numbers(m * lda, 1);
    let bias = numbers(n, 2);
    let residual = numbers(m * ldr, 3);
    let rows = numbers(k * ldb, 4);
    let dense: Vec<f32> = (0..k * n).map(|i| rows[i / n * ldb + i % n]).collect();
    let across = transpose(&dense, k, n);
    let columns: Vec<f32> =
        (0..n * ldt).map(|i| if i % ldt < k { across[i / ldt * k + i % ldt] } else { f32::NAN }).collect();
    let panels = packed(&dense, k, n, false);
    assert_eq!(panels, packed(&across, k, n, true));

    let seen = Mutex::new(vec![0; m * n]);
    let then = |row: usize, column: usize, values: &mut [f32]| {
        let mut seen = seen.lock().unwrap();
        for (i, value) in values.iter_mut().enumerate() {
            seen[row * n + column + i] += 1;
            *value = *value * 2.0 + row as f32;
        }
    };
    let all = epilogue == EPILOGUES - 1;
    let epilogue = Epilogue {
        bias: (epilogue == 1 || all).then_some(&bias[..]),
        residual: (epilogue == 2 || all).then_some((&residual[..], ldr)),
        residual_in_place: epilogue == 3 || all,
        clamp: (epilogue == 4 || all).then_some((-20.0, 30.0)),
        then: (epilogue == 5 || all).then_some(&then),
    };
    let before = numbers(m * ldc, 5);
    let mut expected = before.clone();
    reference::matmul(m, k, n, &a, lda, &rows, ldb, &mut expected, ldc, &epilogue);
    let mut scratch = vec![f32::NAN; columns_scratch(m, k, n)];
    for path in Path::all() {
        for form in 0..3 {
            let b = match form {
                0 => Rhs::Panels(&panels),
                1 => Rhs::Rows(&rows, ldb),
                _ => Rhs::Columns { data: &columns, ldb: ldt, scratch: &mut scratch },
            };
            let mut c = before.clone();
            seen.lock().unwrap().fill(0);
            matmul_f32_at(path, m, k, n, &a, lda, b, &mut c, ldc, &epilogue);
            assert_eq!(c, expected, "{path:?} form {form}: {m} x {k} x {n}");
            let times = usize::from(epilogue.then.is_some());
            assert!(seen.lock().unwrap().iter().all(|&s| s == times), "{path:?} {m} x {k} x {n}");
        }
    }
}

#[test]
fn ragged_extents() {
    for m in (1..=17).chain([28, 29, 31, 32, 33]) {
        for n in [1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 64, 65, 79, 81] {
            for k in [0, 1, 3, 16, 19] {
                check(m, k, n, (m + n + k) % EPILOGUES);
            }
        }
    }
}

#[test]
fn every_epilogue() {
    for epilogue in 0..EPILOGUES {
        for (m, k, n) in
            [(1, 5, 70), (3, 33, 64), (5, 400, 37), (40, 17, 131), (350, 9, 20), (0, 3, 4), (3, 4, 0)]
        {
            check(m, k, n, epilogue);
        }
    }
}

#[test]
fn blocks_of_rows_and_k() {
    for (m, k, n) in [(345, 800, 33), (673, 385, 17), (20, 1161, 300), (4, 1000, 129)] {
        check(m, k, n, EPILOGUES - 1);
    }
}

/// Against a product that shares no code with this crate, with sums that do round.
#[test]
fn agrees_with_matrixmultiply() {
    let (m, k, n) = (150, 700, 190);
    let a: Vec<f32> = numbers(m * k, 1).iter().map(|x| x / 7.0).collect();
    let b: Vec<f32> = numbers(k * n, 2).iter().map(|x| x / 7.0).collect();
    let mut expected = vec![0.0; m * n];
    // SAFETY: the strides are those of dense row-major matrices of these extents.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            k as isize,
            1,
            b.as_ptr(),
            n as isize,
            1,
            0.0,
            expected.as_mut_ptr(),
            n as isize,
            1,
        );
    }
    let panels = packed(&b, k, n, false);
    for path in Path::all() {
        let mut c = vec![0.0; m * n];
        matmul_f32_at(path, m, k, n, &a, k, Rhs::Panels(&panels), &mut c, n, &Epilogue::NONE);
        for (c, e) in c.iter().zip(&expected) {
            assert!((c - e).abs() <= 1e-4 * (1.0 + e.abs()), "{c} {e}");
        }
    }
}

#[test]
fn ranges_of_rows_and_fused_levels_give_the_same_bits() {
    let (m, k, n) = (97, 900, 50);
    let a: Vec<f32> = numbers(m * k, 1).iter().map(|x| x / 7.0).collect();
    let b: Vec<f32> = numbers(k * n, 2).iter().map(|x| x / 7.0).collect();
    let panels = packed(&b, k, n, false);
    let mut fused: Option<Vec<f32>> = None;
    for path in Path::all() {
        let mut whole = vec![0.0; m * n];
        matmul_f32_at(path, m, k, n, &a, k, Rhs::Panels(&panels), &mut whole, n, &Epilogue::NONE);
        if path.level() != crate::isa::Level::Baseline {
            assert_eq!(*fused.get_or_insert_with(|| whole.clone()), whole, "{path:?}");
        }
        for rows in [1, 3, 5, 40] {
            for first in (0..m).step_by(rows) {
                let rows = rows.min(m - first);
                let mut c = vec![0.0; rows * n];
                let a = &a[first * k..];
                matmul_f32_at(path, rows, k, n, a, k, Rhs::Panels(&panels), &mut c, n, &Epilogue::NONE);
                assert_eq!(c, whole[first * n..(first + rows) * n]);
            }
        }
    }
}

#[test]
fn clamp_keeps_nan() {
    on_every_level(|| {
        let a = [f32::NAN, 1.0, f32::INFINITY, -1.0];
        let b = vec![1.0; 21];
        for path in Path::all() {
            let mut c = vec![0.0; 4 * 21];
            matmul_f32_at(path, 4, 1, 21, &a, 1, Rhs::Panels(&b), &mut c, 21, &Epilogue::RELU);
            assert!(c[..21].iter().all(|x| x.is_nan()));
            assert!(c[21..42].iter().all(|&x| x == 1.0));
            assert!(c[42..63].iter().all(|&x| x == f32::INFINITY));
            assert!(c[63..].iter().all(|&x| x == 0.0));
        }
    });
}

#[test]
fn batches() {
    on_every_level(|| {
        let (batch, m, k, n) = (3, 5, 7, 18);
        let a = numbers(batch * m * k, 1);
        let b = numbers(k * n, 2);
        let residual = numbers(batch * m * n, 3);
        let then =
            |row: usize, _: usize, values: &mut [f32]| values.iter_mut().for_each(|v| *v += row as f32);
        let epilogue = Epilogue { residual: Some((&residual, n)), then: Some(&then), ..Epilogue::NONE };
        let mut expected = vec![0.0; batch * m * n];
        reference::matmul(batch * m, k, n, &a, k, &b, n, &mut expected, n, &epilogue);
        let panels = packed(&b, k, n, false);
        let mut c = vec![0.0; batch * m * n];
        let panels = Rhs::Panels(&panels);
        batched_matmul_f32(batch, m, k, n, &a, k, m * k, panels, 0, &mut c, n, m * n, &epilogue);
        assert_eq!(c, expected);
    });
}

#[test]
fn other_types() {
    on_every_level(|| {
        for (m, k, n) in [(3, 5, 21), (9, 4, 32), (4, 0, 5), (8, 3, 1)] {
            other_types_of(m, k, n);
        }
    });
}

fn other_types_of(m: usize, k: usize, n: usize) {
    let a: Vec<i32> = (0..m * k).map(|i| (i as i32).wrapping_mul(0x3456_7891)).collect();
    let b: Vec<i32> = (0..k * n).map(|i| (i as i32).wrapping_mul(0x1234_5677)).collect();
    let bias: Vec<i32> = (0..n as i32).collect();
    let across: Vec<i32> = (0..k * n).map(|i| b[i % k * n + i / k]).collect();
    let mut expected = vec![0i32; m * n];
    for (i, e) in expected.iter_mut().enumerate() {
        *e = bias[i % n];
        for j in 0..k {
            *e = e.wrapping_add(a[i / n * k + j].wrapping_mul(b[j * n + i % n]));
        }
    }
    for (b, strides) in [(&b, (n, 1)), (&across, (1, k))] {
        let mut c = vec![0; m * n];
        matmul_generic(m, k, n, &a, k, b, strides, Some(&bias), &mut c, n);
        assert_eq!(c, expected);
    }
    let wide = |x: &[i32]| x.iter().map(|&x| f64::from(x % 8)).collect::<Vec<_>>();
    let mut c = vec![0.0; m * n];
    matmul_f64(m, k, n, &wide(&a), k, &wide(&b), (n, 1), None, &mut c, n);
    for (i, c) in c.iter().enumerate() {
        let sum: i32 = (0..k).map(|j| (a[i / n * k + j] % 8) * (b[j * n + i % n] % 8)).sum();
        assert_eq!(*c, f64::from(sum));
    }
    let h = |x: &[i32]| x.iter().map(|&x| crate::f16::from_f32((x % 8) as f32)).collect::<Vec<_>>();
    let mut c = vec![crate::f16::ZERO; m * n];
    matmul_generic(m, k, n, &h(&a), k, &h(&b), (n, 1), None, &mut c, n);
    for (i, c) in c.iter().enumerate() {
        let sum: i32 = (0..k).map(|j| (a[i / n * k + j] % 8) * (b[j * n + i % n] % 8)).sum();
        assert_eq!(c.to_f32(), sum as f32);
    }
}

#[test]
fn parts_stand_side_by_side() {
    let (m, k, widths) = (5, 19, [17, 32, 3]);
    let n: usize = widths.iter().sum();
    let (a, bias) = (numbers(m * k, 1), numbers(n, 2));
    let (mut expected, mut panels, mut column) = (vec![0.0; m * n], Vec::new(), 0);
    for width in widths {
        let b = numbers(k * width, width as u32);
        let epilogue = Epilogue { bias: Some(&bias[column..]), ..Epilogue::NONE };
        reference::matmul(m, k, width, &a, k, &b, width, &mut expected[column..], n, &epilogue);
        panels.push(packed(&b, k, width, false));
        column += width;
    }
    let mut parts = Vec::new();
    let mut column = 0;
    for (panels, n) in panels.iter().zip(widths) {
        parts.push(Part { n, panels, bias: Some(&bias[column..column + n]) });
        column += n;
    }
    let mut c = vec![f32::NAN; m * n];
    joined_matmul_f32(m, k, &a, k, &parts, &mut c, n);
    assert_eq!(c, expected);
    joined_matmul_f32(0, k, &[], k, &parts, &mut [], n);
}
