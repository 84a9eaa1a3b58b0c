//! Pooling against a naive oracle over random shapes.

use super::*;
use crate::isa::on_every_level;
use crate::select::IndexError;
use std::{vec, vec::Vec};

/// The pixels and counted cells of one window, cell by cell.
fn window(shape: &PoolShape, image: usize, out: [usize; 3]) -> (Vec<(usize, [usize; 3])>, usize) {
    let (mut taps, mut counted) = (Vec::new(), 0);
    for kd in 0..shape.kernel[0] {
        for kh in 0..shape.kernel[1] {
            for kw in 0..shape.kernel[2] {
                let k = [kd, kh, kw];
                let at: [isize; 3] = std::array::from_fn(|i| {
                    (out[i] * shape.stride[i] + k[i] * shape.dilation[i]) as isize
                        - shape.pad_begin[i] as isize
                });
                if (0..3).all(|i| at[i] < (shape.input[i] + shape.pad_end[i]) as isize) {
                    counted += 1;
                }
                if (0..3).all(|i| at[i] >= 0 && at[i] < shape.input[i] as isize) {
                    let p = at.map(|v| v as usize);
                    let [d, h, w] = shape.input;
                    taps.push((((image * d + p[0]) * h + p[1]) * w + p[2], p));
                }
            }
        }
    }
    (taps, counted)
}

fn shapes() -> Vec<PoolShape> {
    let mut seed = 5usize;
    let mut pick = |low: usize, high: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (seed >> 33) % (high - low + 1)
    };
    (0..40)
        .map(|number| {
            let mut shape = PoolShape {
                batch: pick(1, 2),
                input: [1; 3],
                output: [1; 3],
                kernel: [1; 3],
                stride: [1; 3],
                dilation: [1; 3],
                pad_begin: [0; 3],
                pad_end: [0; 3],
                channels: [1, 3, 16, 19, 64, 85][pick(0, 5)],
            };
            for i in if number % 4 == 0 { 0 } else { 1 }..3 {
                shape.input[i] = pick(4, 7);
                shape.kernel[i] = pick(1, 3);
                shape.stride[i] = pick(1, 3);
                shape.dilation[i] = pick(1, 2);
                shape.pad_begin[i] = pick(0, shape.kernel[i] - 1);
                shape.pad_end[i] = pick(0, shape.kernel[i] - 1);
                let reach = (shape.kernel[i] - 1) * shape.dilation[i] + 1;
                let room = shape.input[i] + shape.pad_begin[i] + shape.pad_end[i];
                // As ceil_mode has it: the last window may reach beyond the padding.
                shape.output[i] = (room.max(reach) - reach).div_ceil(shape.stride[i]) + 1;
            }
            shape
        })
        .collect()
}

#[test]
fn agree_with_the_oracle() {
    on_every_level(|| {
        for shape in shapes() {
            let (xs, ys, c) = (shape.channels + 2, shape.channels + 1, shape.channels);
            let x: Vec<f32> =
                (0..shape.input_pixels() * xs).map(|i| ((i * 7919) % 997) as f32 / 500.0 - 1.0).collect();
            let whole: Vec<i32> = x.iter().map(|v| (v * 100.0) as i32).collect();
            let len = shape.output_pixels() * ys;
            let (mut max, mut mean, mut padded, mut norm) =
                (vec![5.0; len], vec![5.0; len], vec![5.0; len], vec![5.0; len]);
            let (mut max_i, mut mean_i, mut indices) = (vec![5; len], vec![5; len], vec![5; len]);
            let (mut cube, mut cube_wide) = (vec![5.0; len], vec![5.0; len]);
            max_pool_f32(&shape, &x, xs, &mut max, ys);
            average_pool_f32(&shape, false, &x, xs, &mut mean, ys);
            average_pool_f32(&shape, true, &x, xs, &mut padded, ys);
            lp_pool_f32(&shape, 2, &x, xs, &mut norm, ys);
            lp_pool_f32(&shape, 3, &x, xs, &mut cube, ys);
            lp_pool(&shape, 3, &x, xs, &mut cube_wide, ys);
            max_pool(&shape, &whole, xs, &mut max_i, ys);
            average_pool(&shape, true, &whole, xs, &mut mean_i, ys);
            let mut again = vec![5.0; len];
            max_pool_indices(&shape, false, &x, xs, &mut again, &mut indices, ys);
            let mut pixel = 0;
            for image in 0..shape.batch {
                for out in (0..shape.output.iter().product()).map(|o: usize| {
                    [
                        o / shape.output[2] / shape.output[1],
                        o / shape.output[2] % shape.output[1],
                        o % shape.output[2],
                    ]
                }) {
                    let (taps, counted) = window(&shape, image, out);
                    for channel in 0..c {
                        let at = pixel * ys + channel;
                        let values: Vec<f64> =
                            taps.iter().map(|&(p, _)| x[p * xs + channel].into()).collect();
                        let close = |got: f32, want: f64| (f64::from(got) - want).abs() < 1e-5;
                        if let Some(&(_, first)) = taps
                            .iter()
                            .rev()
                            .max_by(|a, b| x[a.0 * xs + channel].total_cmp(&x[b.0 * xs + channel]))
                        {
                            let [_, h, w] = shape.input;
                            let plane: usize = shape.input.iter().product();
                            let flat = (first[0] * h + first[1]) * w + first[2];
                            assert_eq!(indices[at] as usize, (image * c + channel) * plane + flat);
                        }
                        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        assert_eq!(f64::from(max[at]), largest);
                        assert!(again[at] == max[at]);
                        let sum: f64 = values.iter().sum();
                        assert!(close(mean[at], sum / values.len().max(1) as f64));
                        assert!(close(padded[at], sum / counted.max(1) as f64), "{shape:?}");
                        assert!(close(norm[at], values.iter().map(|v| v * v).sum::<f64>().sqrt()));
                        let third = values.iter().map(|v| v.abs().powi(3)).sum::<f64>().cbrt();
                        assert!(close(cube[at], third) && close(cube_wide[at], third));
                        let ints = || taps.iter().map(|&(p, _)| whole[p * xs + channel]);
                        assert_eq!(max_i[at], ints().max().unwrap_or(i32::MIN));
                        assert_eq!(mean_i[at], ints().sum::<i32>() / counted.max(1) as i32);
                    }
                    // What lies between pixels stays.
                    assert_eq!(max[pixel * ys + c..(pixel + 1) * ys], vec![5.0; ys - c]);
                    pixel += 1;
                }
            }
        }
    });
}

#[test]
fn column_major_indices() {
    let shape = PoolShape {
        batch: 1,
        input: [1, 2, 3],
        output: [1, 1, 1],
        kernel: [1, 2, 3],
        stride: [1; 3],
        dilation: [1; 3],
        pad_begin: [0; 3],
        pad_end: [0; 3],
        channels: 1,
    };
    let (mut y, mut indices) = ([0], [0]);
    max_pool_indices(&shape, true, &[1, 2, 9, 4, 9, 6], 1, &mut y, &mut indices, 1);
    assert_eq!((y, indices), ([9], [4]));
}

#[test]
fn unpool() {
    let mut y = [7; 6];
    max_unpool(&[1, 2], &[4, 0], &mut y).unwrap();
    assert_eq!(y, [2, 0, 0, 0, 1, 0]);
    assert_eq!(max_unpool(&[1], &[6], &mut y), Err(IndexError { index: 6, bound: 6 }));
}

#[test]
fn regions() {
    on_every_level(|| {
        // A ramp is reproduced by bilinear samples: the mean of a bin is the ramp at its centre.
        let x: Vec<f32> = (0..100).map(|i| (i % 10) as f32 + 10.0 * (i / 10) as f32).collect();
        let mut roi = RoiAlign {
            mode: RoiMode::Average,
            half_pixel: true,
            sampling_ratio: 2,
            spatial_scale: 1.0,
            batch: 1,
            channels: 1,
            input: [10, 10],
            output: [2, 2],
        };
        let mut y = [0.0; 4];
        roi_align(&roi, &x, &[2.0, 2.0, 6.0, 6.0], &[0], &mut y).unwrap();
        assert_eq!(y, [27.5, 29.5, 47.5, 49.5]);
        roi.half_pixel = false;
        roi_align(&roi, &x, &[2.0, 2.0, 6.0, 6.0], &[0], &mut y).unwrap();
        assert_eq!(y, [33.0, 35.0, 53.0, 55.0]);
        roi.mode = RoiMode::Max;
        roi_align(&roi, &x, &[2.0, 2.0, 6.0, 6.0], &[0], &mut y).unwrap();
        // All samples of the last bin are at quarter points: the largest term is 44 or a neighbour, weighted.
        assert!(y[3] > y[0] && y[3] < 66.0);
        assert!(roi_align(&roi, &x, &[0.0; 4], &[1], &mut y).is_err());
        roi_align(&roi, &x, &[f32::NAN, 0.0, f32::INFINITY, 3.0], &[0], &mut y).unwrap();

        max_roi_pool(1, 1, [10, 10], [2, 2], 0.5, &x, &[0.0, 4.0, 4.0, 10.0, 10.0], &mut y).unwrap();
        assert_eq!(y, [33.0, 35.0, 53.0, 55.0]);
        assert!(
            max_roi_pool(1, 1, [10, 10], [2, 2], 0.5, &x, &[-1.0, 4.0, 4.0, 10.0, 10.0], &mut y).is_err()
        );
    });
}
