//! How much of the memory's read bandwidth products of few rows reach:
//! `cargo bench -p ingrain-kernels --features std --bench bandwidth [columns]`.
//!
//! The weights are 1024 rows by 256,000 columns, 1 GB of floats, as the output projection of a large vocabulary. What
//! the machine can read is measured in the same rounds, as plain sums of the same bytes in several numbers of streams,
//! and the best of these is the measure. Every slice of the matrix counts with its best time over all rounds, so that
//! other work on the machine does not.

use ingrain_kernels::epilogue::Epilogue;
use ingrain_kernels::isa::{self, Level};
use ingrain_kernels::matmul::{Rhs, half_weights_scratch, matmul_f32, matmul_f32_f16};
use std::hint::black_box;
use std::time::Instant;

const K: usize = 1024;
const COLUMNS: usize = 256_000;
/// Pieces of the matrix that are timed apart.
const SLICES: usize = 25;
const ROUNDS: usize = 8;
/// A cache line of floats.
const LINE: usize = 16;

/// The sum of all floats, read in `S` streams of `U` lines at once, with what is needed 16 lines later on its way.
fn sum<const S: usize, const U: usize>(data: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if isa::level() == Level::Avx512 {
        // SAFETY: the level says that the processor has AVX-512.
        return unsafe { sum_avx512::<S, U>(data) };
    }
    let step = U * LINE;
    let stream = data.len() / S / step * step;
    isa::vectorize(
        #[inline(always)]
        || {
            let mut sums = [[0.0_f32; LINE]; S];
            for at in (0..stream).step_by(step) {
                for (s, sums) in sums.iter_mut().enumerate() {
                    let from = s * stream + at;
                    for line in data[from..from + step].as_chunks::<LINE>().0 {
                        sums.iter_mut().zip(line).for_each(|(sum, x)| *sum += x);
                    }
                }
            }
            sums.iter().flatten().sum()
        },
    )
}

/// The same with one register for each stream.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sum_avx512<const S: usize, const U: usize>(data: &[f32]) -> f32 {
    use core::arch::x86_64::*;
    let step = U * LINE;
    let stream = data.len() / S / step * step;
    let mut sums = [_mm512_setzero_ps(); S];
    for at in (0..stream).step_by(step) {
        for (s, sum) in sums.iter_mut().enumerate() {
            for line in 0..U {
                let from = data.as_ptr().wrapping_add(s * stream + at + line * LINE);
                // SAFETY: the line is inside of stream `s`; a prefetch never faults.
                unsafe {
                    _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(16 * LINE).cast());
                    *sum = _mm512_add_ps(*sum, _mm512_loadu_ps(from));
                }
            }
        }
    }
    sums.iter().map(|&sum| _mm512_reduce_add_ps(sum)).sum()
}

/// A way of reading slice `i` of the matrix.
struct Reader<'a> {
    name: String,
    bytes: usize,
    /// Whether it measures the machine.
    measure: bool,
    read: Box<dyn FnMut(usize) + 'a>,
}

fn main() {
    let columns = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(COLUMNS) / (SLICES * 128);
    let (columns, n) = (columns * 128, columns * 128 * SLICES);
    let weights: Vec<f32> = (0..K * n + LINE).map(|i| (i % 1013) as f32 / 1013.0 - 0.5).collect();
    let skip = weights.as_ptr().align_offset(64);
    let weights = &weights[skip..skip + K * n];
    let halves = vec![ingrain_kernels::f16::from_f32(0.25); K * n];
    let slice = |i: usize| &weights[i * K * columns..(i + 1) * K * columns];
    let half_slice = |i: usize| &halves[i * K * columns..(i + 1) * K * columns];

    let mut readers: Vec<Reader<'_>> = Vec::new();
    let mut sums = |streams: usize, read: fn(&[f32]) -> f32| {
        let name = format!("sum of {streams} streams");
        let read = Box::new(move |i| _ = black_box(read(slice(i))));
        readers.push(Reader { name, bytes: 4, measure: true, read });
    };
    sums(1, sum::<1, 8>);
    sums(2, sum::<2, 4>);
    sums(4, sum::<4, 4>);
    sums(8, sum::<8, 4>);
    sums(8, sum::<8, 1>);
    sums(16, sum::<16, 2>);
    for level in [Level::Avx512, Level::Avx2, Level::Baseline] {
        if isa::limit(level) != level {
            continue;
        }
        for rows in [1, 2, 4, 16] {
            let a = vec![0.5_f32; rows * K];
            let mut c = vec![0.0; rows * columns];
            let name = format!("f32, {rows} rows, {level:?}");
            let read = Box::new(move |i| {
                isa::limit(level);
                let right = Rhs::Panels(slice(i));
                matmul_f32(rows, K, columns, &a, K, right, &mut c, columns, &Epilogue::NONE);
            });
            readers.push(Reader { name, bytes: 4, measure: false, read });
            for turned in [false, true].into_iter().filter(|_| rows <= 4) {
                let a = vec![0.5_f32; rows * K];
                let mut c = vec![0.0; rows * columns];
                let order = if turned { "transposed" } else { "in the model's order" };
                let name = format!("f32 {order}, {rows} rows, {level:?}");
                let read = Box::new(move |i| {
                    isa::limit(level);
                    let right = match turned {
                        false => Rhs::Rows(slice(i), columns),
                        true => Rhs::Columns { data: slice(i), ldb: K, scratch: &mut [] },
                    };
                    matmul_f32(rows, K, columns, &a, K, right, &mut c, columns, &Epilogue::NONE);
                });
                readers.push(Reader { name, bytes: 4, measure: false, read });
            }
            let a = vec![0.5_f32; rows * K];
            let mut c = vec![0.0; rows * columns];
            let mut scratch = vec![0.0; half_weights_scratch(rows, K, columns)];
            let name = format!("f16, {rows} rows, {level:?}");
            let read = Box::new(move |i| {
                isa::limit(level);
                let (right, none) = (half_slice(i), &Epilogue::NONE);
                matmul_f32_f16(rows, K, columns, &a, K, right, &mut scratch, &mut c, columns, none);
            });
            readers.push(Reader { name, bytes: 2, measure: false, read });
        }
    }
    measure(&mut readers, K * columns);
}

fn measure(readers: &mut [Reader<'_>], elements: usize) {
    let mut best = vec![[f64::MAX; SLICES]; readers.len()];
    for _ in 0..ROUNDS {
        for (reader, best) in readers.iter_mut().zip(&mut best) {
            if reader.measure {
                isa::limit(Level::Avx512);
            }
            for (i, best) in best.iter_mut().enumerate() {
                let from = Instant::now();
                (reader.read)(i);
                *best = best.min(from.elapsed().as_secs_f64());
            }
        }
    }
    let rate = |i: usize| (elements * SLICES * readers[i].bytes) as f64 / best[i].iter().sum::<f64>() / 1e9;
    let machine = (0..readers.len()).filter(|&i| readers[i].measure).map(rate).fold(0.0, f64::max);
    for (i, reader) in readers.iter().enumerate() {
        println!("{:46} {:6.2} GB/s {:6.3} of the best sum", reader.name, rate(i), rate(i) / machine);
    }
}
