//! Times products and convolutions: `cargo bench -p ingrain-kernels --features std --bench products [filter]`.
//!
//! Prints the best of many runs, and floating-point operations per second.

use ingrain_kernels::epilogue::Epilogue;
use ingrain_kernels::isa::{self, Level};
use ingrain_kernels::matmul::{Rhs, columns_scratch, matmul_f32};
use std::time::{Duration, Instant};

/// Some numbers, aligned as the blob and the arena are.
fn numbers(len: usize) -> &'static mut [f32] {
    let all: Vec<f32> = (0..len + 15).map(|i| (i * 7919 % 1013) as f32 / 1013.0 - 0.5).collect();
    let all = all.leak();
    let skip = all.as_ptr().align_offset(64);
    &mut all[skip..skip + len]
}

/// Runs `f` for about a quarter of a second and prints its best time.
fn time(filter: &str, name: &str, operations: usize, mut f: impl FnMut()) {
    if !name.contains(filter) {
        return;
    }
    f();
    let start = Instant::now();
    let mut best = Duration::MAX;
    let mut runs = 0;
    while runs < 5 || start.elapsed() < Duration::from_millis(250) {
        // Short runs are timed by the dozen, so that the clock does not count.
        let inner = if best < Duration::from_micros(20) { 64 } else { 1 };
        let from = Instant::now();
        for _ in 0..inner {
            f();
        }
        best = best.min(from.elapsed() / inner);
        runs += 1;
    }
    let rate = operations as f64 / best.as_secs_f64() / 1e9;
    println!("{name:44} {:10.2} us {rate:8.1} GF/s", best.as_secs_f64() * 1e6);
}

fn products(filter: &str) {
    let extents = [
        (128, 768, 768),
        (784, 128, 1152),
        (49, 512, 4608),
        (1024, 1024, 1024),
        (197, 768, 3072),
        (64, 64, 64),
        (1, 64, 10),
        (8, 32, 32),
        (1, 1024, 4096),
        (4, 1024, 4096),
        (1, 4096, 4096),
    ];
    for (m, k, n) in extents {
        let (a, b) = (numbers(m * k), numbers(k * n));
        let c = numbers(m * n);
        time(filter, &format!("matmul panels {m}x{k}x{n}"), 2 * m * k * n, || {
            matmul_f32(m, k, n, a, k, Rhs::Panels(b), c, n, &Epilogue::NONE);
        });
    }
    for (m, k, n) in [(128, 128, 64), (128, 768, 768), (1, 128, 64), (512, 512, 64)] {
        let (a, b) = (numbers(m * k), numbers(k * n));
        let c = numbers(m * n);
        time(filter, &format!("matmul rows {m}x{k}x{n}"), 2 * m * k * n, || {
            matmul_f32(m, k, n, a, k, Rhs::Rows(b, n), c, n, &Epilogue::NONE);
        });
    }
    for (m, k, n) in [(128, 64, 128), (512, 64, 512), (1, 64, 512), (128, 768, 768)] {
        let (a, b) = (numbers(m * k), numbers(k * n));
        let c = numbers(m * n);
        let scratch = numbers(columns_scratch(m, k, n));
        time(filter, &format!("matmul columns {m}x{k}x{n}"), 2 * m * k * n, || {
            let b = Rhs::Columns { data: b, ldb: k, scratch };
            matmul_f32(m, k, n, a, k, b, c, n, &Epilogue::NONE);
        });
    }
}

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--")).unwrap_or_default();
    for level in [Level::Avx512, Level::Avx2, Level::Baseline] {
        if isa::limit(level) != level {
            continue;
        }
        println!("{level:?}");
        products(&filter);
    }
}
