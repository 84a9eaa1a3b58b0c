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

/// How `x` becomes `y`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Dense,
    Depthwise,
    Transposed,
}

/// One epilogue field at a time, then all.
const EPILOGUES: usize = 7;

fn packed(kind: Kind, shape: &ConvShape) -> Vec<f32> {
    let onnx = numbers(shape.weights(), 4);
    let bytes: Vec<u8> = onnx.iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut out = vec![0; bytes.len()];
    match kind {
        Kind::Dense => pack::pack_conv(&bytes, 4, shape, &mut out),
        Kind::Depthwise => pack::pack_depthwise(&bytes, 4, shape, &mut out),
        Kind::Transposed => pack::pack_conv_transpose(&bytes, 4, shape, &mut out),
    }
    out.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

/// The sums of ONNX, straight from the definition and the unpacked weights: the oracle of the oracles.
fn definition(kind: Kind, shape: &ConvShape, x: &[f32], x_pixel: usize) -> Vec<f32> {
    let weights = numbers(shape.weights(), 4);
    let (c, n, taps) = (shape.channels / shape.groups, shape.filters / shape.groups, shape.taps());
    let [kd, kh, kw] = shape.kernel;
    let mut sums = vec![0.0; shape.output_pixels() * shape.filters];
    let flat = |b: usize, p: [isize; 3], e: [usize; 3]| {
        let inside = (0..3).all(|i| p[i] >= 0 && (p[i] as usize) < e[i]);
        inside.then(|| ((b * e[0] + p[0] as usize) * e[1] + p[1] as usize) * e[2] + p[2] as usize)
    };
    let place = |i: usize, e: [usize; 3]| {
        (i / (e[0] * e[1] * e[2]), [i / (e[1] * e[2]) % e[0], i / e[2] % e[1], i % e[2]])
    };
    let (from, to) =
        if kind == Kind::Transposed { (shape.input, shape.output) } else { (shape.output, shape.input) };
    let windows = shape.batch * from.iter().product::<usize>();
    for window in 0..windows {
        let (b, p) = place(window, from);
        for tap in 0..taps {
            let t = [tap / (kh * kw), tap / kw % kh, tap % kw];
            assert!(t[0] < kd);
            let q = [0, 1, 2].map(|i| {
                (p[i] * shape.stride[i] + t[i] * shape.dilation[i]) as isize - shape.pad_begin[i] as isize
            });
            let Some(other) = flat(b, q, to) else { continue };
            let (xi, yi) = if kind == Kind::Transposed { (window, other) } else { (other, window) };
            for group in 0..shape.groups {
                for f in 0..n {
                    for i in 0..c {
                        let w = match kind {
                            Kind::Transposed => ((group * c + i) * n + f) * taps + tap,
                            _ => ((group * n + f) * c + i) * taps + tap,
                        };
                        sums[yi * shape.filters + group * n + f] +=
                            x[xi * x_pixel + group * c + i] * weights[w];
                    }
                }
            }
        }
    }
    sums
}

fn check(kind: Kind, shape: &ConvShape, number: usize) {
    let which = number % EPILOGUES;
    let x_pixel = shape.channels + number % 3;
    let y_pixel = shape.filters + number % 2 * 5;
    let r_pixel = shape.filters + number % 4;
    let (pixels, n) = (shape.output_pixels(), shape.filters);
    let x = numbers(shape.input_pixels() * x_pixel, 1);
    let bias = numbers(n, 2);
    let residual = numbers(pixels * r_pixel, 3);
    let weights = packed(kind, shape);
    let seen = Mutex::new(vec![0; pixels * n]);
    let then = |row: usize, column: usize, values: &mut [f32]| {
        let mut seen = seen.lock().unwrap();
        for (i, value) in values.iter_mut().enumerate() {
            seen[row * n + column + i] += 1;
            *value = *value * 2.0 + row as f32;
        }
    };
    let all = which == EPILOGUES - 1;
    let epilogue = Epilogue {
        bias: (which == 1 || all).then_some(&bias[..]),
        residual: (which == 2 || all).then_some((&residual[..], r_pixel)),
        residual_in_place: which == 3 || all,
        clamp: (which == 4 || all).then_some((-20.0, 30.0)),
        then: (which == 5 || all).then_some(&then),
    };
    let before = numbers(pixels * y_pixel, 5);
    let mut expected = before.clone();
    match kind {
        Kind::Dense => reference::conv(shape, &x, x_pixel, &weights, &mut expected, y_pixel, &epilogue),
        Kind::Depthwise => {
            reference::depthwise(shape, &x, x_pixel, &weights, &mut expected, y_pixel, &epilogue);
        }
        Kind::Transposed => {
            reference::conv_transpose(shape, &x, x_pixel, &weights, &mut expected, y_pixel, &epilogue);
        }
    }
    if which == 0 {
        for (i, sum) in definition(kind, shape, &x, x_pixel).iter().enumerate() {
            assert_eq!(expected[i / n * y_pixel + i % n], *sum, "{kind:?} {shape:?}");
        }
    }
    let floats = match kind {
        Kind::Dense => conv_scratch(shape),
        Kind::Depthwise => 0,
        Kind::Transposed => conv_transpose_scratch(shape),
    };
    for path in Path::all() {
        let mut y = before.clone();
        let mut scratch = vec![f32::NAN; floats];
        seen.lock().unwrap().fill(0);
        let mut operands =
            Operands { x: &x, x_pixel, weights: &weights, y: &mut y, y_pixel, scratch: &mut scratch };
        match kind {
            Kind::Dense => conv_at(path, shape, &mut operands, &epilogue),
            Kind::Depthwise => depthwise_at(path, shape, &mut operands, &epilogue),
            Kind::Transposed => conv_transpose_at(path, shape, &mut operands, &epilogue),
        }
        assert!(y == expected, "{path:?} {kind:?} {shape:?} epilogue {which}");
        let times = usize::from(epilogue.then.is_some());
        assert!(seen.lock().unwrap().iter().all(|&s| s == times), "{path:?} {kind:?} {shape:?}");
    }
}

/// A shape whose output follows from the windows, or whose input does where it is transposed.
fn shape(
    kind: Kind,
    extents: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    pads: [usize; 3],
) -> Option<ConvShape> {
    let mut other = [0; 3];
    for i in 0..3 {
        let reach = (kernel[i] - 1) * dilation[i] + 1;
        other[i] = match kind {
            Kind::Transposed => (extents[i].checked_sub(1)? * stride[i] + reach)
                .checked_sub(2 * pads[i])
                .filter(|&o| o > 0)?,
            _ => (extents[i] + 2 * pads[i]).checked_sub(reach)? / stride[i] + 1,
        };
    }
    Some(ConvShape {
        batch: 1,
        input: extents,
        output: other,
        kernel,
        stride,
        dilation,
        pad_begin: pads,
        channels: 1,
        filters: 1,
        groups: 1,
    })
}

/// Pseudo-random shapes: every kind of window with every kind of group.
fn sweep(kind: Kind, count: usize) {
    let mut state = 12345usize;
    let mut any = move |options: &[usize]| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        options[(state >> 33) % options.len()]
    };
    let mut done = 0;
    while done < count {
        let flat = any(&[0, 1, 1, 1]) == 1;
        let mut three = |options: &[usize], one: usize| {
            [if flat { one } else { any(options) }, any(options), any(options)]
        };
        let extents = three(&[1, 2, 3, 4, 5, 7, 9], 1);
        let kernel = three(&[1, 2, 3, 3, 5], 1);
        let stride = three(&[1, 1, 2, 3], 1);
        let dilation = three(&[1, 1, 2, 3], 1);
        let pads = three(&[0, 0, 1, 2], 0);
        let Some(mut shape) = shape(kind, extents, kernel, stride, dilation, pads) else { continue };
        shape.batch = any(&[1, 1, 2, 3]);
        shape.groups = any(&[1, 1, 1, 2, 3, 5, 17, 33]);
        shape.channels = shape.groups;
        shape.filters = shape.groups;
        if kind != Kind::Depthwise {
            shape.channels *= any(&[1, 2, 3, 4, 8, 17]);
            shape.filters *= any(&[1, 2, 5, 16, 17, 24, 33]);
        }
        check(kind, &shape, done);
        done += 1;
    }
}

#[test]
fn dense_windows() {
    sweep(Kind::Dense, 120);
}

#[test]
fn depthwise_windows() {
    sweep(Kind::Depthwise, 120);
}

#[test]
fn transposed_windows() {
    sweep(Kind::Transposed, 120);
}

#[test]
fn several_bands() {
    for (number, extents, channels, groups) in
        [(6, [1, 40, 30], 64, 1), (0, [1, 70, 10], 120, 2), (5, [2, 7, 7], 700, 1), (1, [1, 3, 200], 40, 1)]
    {
        let mut shape = shape(Kind::Dense, extents, [1, 3, 3], [1, 1, 1], [1, 1, 1], [0, 1, 1]).unwrap();
        (shape.channels, shape.filters, shape.groups) = (channels, groups * 3, groups);
        shape.batch = 2;
        check(Kind::Dense, &shape, number);
    }
}

#[test]
fn lines_of_every_length() {
    for kind in [Kind::Dense, Kind::Depthwise, Kind::Transposed] {
        for (number, width) in (1..=40).enumerate() {
            for (stride, channels) in [(1, 3), (2, 32), (1, 49)] {
                let shape = shape(kind, [1, 3, width], [1, 3, 3], [1, stride, stride], [1, 1, 1], [0, 1, 1]);
                let Some(mut shape) = shape else { continue };
                (shape.channels, shape.filters) = (channels, if kind == Kind::Dense { 18 } else { channels });
                shape.groups = if kind == Kind::Dense { 1 } else { channels };
                check(kind, &shape, number);
            }
        }
    }
}

#[test]
fn nothing_to_do() {
    for kind in [Kind::Dense, Kind::Depthwise, Kind::Transposed] {
        let whole = shape(kind, [1, 4, 4], [1, 3, 3], [1, 1, 1], [1, 1, 1], [0, 1, 1]).unwrap();
        check(kind, &ConvShape { batch: 0, ..whole }, 6);
        check(kind, &ConvShape { output: [1, 0, 4], ..whole }, 6);
        check(kind, &ConvShape { input: [1, 0, 4], ..whole }, 6);
        check(kind, &ConvShape { kernel: [1, 0, 3], ..whole }, 6);
        if kind != Kind::Depthwise {
            check(kind, &ConvShape { channels: 0, ..whole }, 6);
            check(kind, &ConvShape { filters: 0, ..whole }, 6);
        }
    }
}

#[test]
fn other_types() {
    on_every_level(|| {
        let mut shape = shape(Kind::Dense, [1, 5, 6], [1, 3, 2], [1, 2, 1], [1, 1, 2], [0, 1, 1]).unwrap();
        (shape.channels, shape.filters, shape.groups) = (4, 34, 2);
        let x = numbers(shape.input_pixels() * 4, 1);
        let bias = numbers(34, 2);
        let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::NONE };
        let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let weights = packed(Kind::Dense, &shape);
        let mut expected = vec![0.0; shape.output_pixels() * 34];
        reference::conv(&shape, &x, 4, &weights, &mut expected, 34, &epilogue);
        let mut y = vec![0.0; expected.len()];
        conv_generic(&shape, &wide(&x), 4, &wide(&weights), Some(&wide(&bias)), &mut y, 34);
        assert_eq!(y, wide(&expected));
        let whole = |x: &[f32]| x.iter().map(|&x| x as i32).collect::<Vec<_>>();
        let mut y = vec![0; expected.len()];
        conv_generic(&shape, &whole(&x), 4, &whole(&weights), Some(&whole(&bias)), &mut y, 34);
        assert_eq!(y, whole(&expected));
    });
}

/// A smaller tensor may need a larger band than the largest.
#[test]
fn scratch_for_the_largest_extents_is_enough_for_all() {
    let windows = [
        ([1, 3, 3], [1, 1, 1], [0, 1, 1]),
        ([1, 3, 3], [1, 2, 2], [0, 0, 0]),
        ([3, 1, 5], [2, 1, 1], [1, 0, 2]),
    ];
    let mut grew = false;
    for (kernel, stride, pads) in windows {
        for channels in [8, 96] {
            let of = |kind, batch, extents| {
                let shape = shape(kind, extents, kernel, stride, [1, 1, 1], pads)?;
                Some(ConvShape { batch, channels, filters: channels, ..shape })
            };
            let (batch, extents) = (3, [5, 96, 128]);
            let dense = of(Kind::Dense, batch, extents).unwrap();
            let transposed = of(Kind::Transposed, batch, extents).unwrap();
            let (most, most_transposed) =
                (conv_scratch_most(&dense, pads != [0; 3]), conv_transpose_scratch_most(&transposed));
            for (n, depth) in [(1, 1), (1, 5), (3, 1), (2, 4)] {
                for height in [1, 2, 7, 24, 48, 72, 96] {
                    for width in [1, 3, 16, 64, 100, 128] {
                        if let Some(smaller) = of(Kind::Dense, n, [depth, height, width]) {
                            assert!(conv_scratch(&smaller) <= most, "{smaller:?}");
                            grew |= conv_scratch(&smaller) > conv_scratch(&dense);
                        }
                        if let Some(smaller) = of(Kind::Transposed, n, [depth, height, width]) {
                            assert!(conv_transpose_scratch(&smaller) <= most_transposed, "{smaller:?}");
                        }
                    }
                }
            }
        }
    }
    assert!(grew, "the largest extents need the most, so that this shows nothing");
}
