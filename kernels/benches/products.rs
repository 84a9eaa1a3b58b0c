//! Times products and convolutions: `cargo bench -p ingrain-kernels --features std --bench products [filter]`.
//!
//! Prints the best of many runs, and floating-point operations per second.

use ingrain_kernels::conv::{
    ConvShape, conv_f32, conv_scratch, conv_transpose_f32, conv_transpose_scratch, depthwise_f32,
};
use ingrain_kernels::epilogue::Epilogue;
use ingrain_kernels::isa::{self, Level};
use ingrain_kernels::matmul::{Rhs, columns_scratch, matmul_f32, matmul_f64};
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

fn products_f64(filter: &str) {
    for (m, k, n) in [(64, 64, 64), (128, 256, 256)] {
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (a, b, mut c) = (wide(numbers(m * k)), wide(numbers(k * n)), vec![0.0; m * n]);
        time(filter, &format!("matmul f64 {m}x{k}x{n}"), 2 * m * k * n, || {
            matmul_f64(m, k, n, &a, k, &b, (n, 1), None, &mut c, n);
        });
    }
}

/// A convolution of square images: name, channels, size, filters, kernel, stride, padding, groups.
type Window = (&'static str, usize, usize, usize, usize, usize, usize, usize);

const WINDOWS: [Window; 14] = [
    ("1x1 56 64->256", 64, 56, 256, 1, 1, 0, 1),
    ("3x3 56 64->64", 64, 56, 64, 3, 1, 1, 1),
    ("3x3 14 256->256", 256, 14, 256, 3, 1, 1, 1),
    ("3x3 7 512->512", 512, 7, 512, 3, 1, 1, 1),
    ("7x7s2 224 3->64", 3, 224, 64, 7, 2, 3, 1),
    ("3x3s2 224 3->32", 3, 224, 32, 3, 2, 1, 1),
    ("1x1s2 56 256->512", 256, 56, 512, 1, 2, 0, 1),
    ("3x3 28 256->256 in 32 groups", 256, 28, 256, 3, 1, 1, 32),
    ("3x3 28 1->8", 1, 28, 8, 3, 1, 1, 1),
    ("depthwise 3x3 112 32", 32, 112, 32, 3, 1, 1, 32),
    ("depthwise 3x3s2 112 64", 64, 112, 64, 3, 2, 1, 64),
    ("depthwise 3x3 14 384", 384, 14, 384, 3, 1, 1, 384),
    ("depthwise 3x3s2 14 384", 384, 14, 384, 3, 2, 1, 384),
    ("depthwise 5x5 28 240", 240, 28, 240, 5, 1, 2, 240),
];

fn windows(filter: &str) {
    for (name, channels, size, filters, kernel, stride, pad, groups) in WINDOWS {
        let out = (size + 2 * pad - kernel) / stride + 1;
        let shape = ConvShape {
            batch: 1,
            input: [1, size, size],
            output: [1, out, out],
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            dilation: [1, 1, 1],
            pad_begin: [0, pad, pad],
            channels,
            filters,
            groups,
        };
        let (x, weights) = (numbers(size * size * channels), numbers(shape.weights()));
        let (y, scratch) = (numbers(out * out * filters), numbers(conv_scratch(&shape)));
        let bias = numbers(filters);
        let epilogue = Epilogue { bias: Some(bias), ..Epilogue::RELU };
        let operations = 2 * out * out * shape.weights();
        time(filter, &format!("conv {name}"), operations, || {
            if groups == channels && groups > 1 {
                depthwise_f32(&shape, x, channels, weights, y, filters, &epilogue);
            } else {
                conv_f32(&shape, x, channels, weights, y, filters, scratch, &epilogue);
            }
        });
    }
}

/// Transposed convolutions of square images that double the size: channels, size, filters, kernel.
fn transposed(filter: &str) {
    for (channels, size, filters, kernel) in [(64, 28, 32, 2), (64, 28, 32, 4), (256, 16, 128, 4)] {
        let shape = ConvShape {
            batch: 1,
            input: [1, size, size],
            output: [1, 2 * size, 2 * size],
            kernel: [1, kernel, kernel],
            stride: [1, 2, 2],
            dilation: [1, 1, 1],
            pad_begin: [0, (kernel - 2) / 2, (kernel - 2) / 2],
            channels,
            filters,
            groups: 1,
        };
        let (x, weights) = (numbers(size * size * channels), numbers(shape.weights()));
        let (y, scratch) = (numbers(4 * size * size * filters), numbers(conv_transpose_scratch(&shape)));
        let name = format!("conv transposed {kernel}x{kernel}s2 {size} {channels}->{filters}");
        time(filter, &name, 2 * size * size * shape.weights(), || {
            conv_transpose_f32(&shape, x, channels, weights, y, filters, scratch, &Epilogue::NONE);
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
        products_f64(&filter);
        windows(&filter);
        transposed(&filter);
    }
}
