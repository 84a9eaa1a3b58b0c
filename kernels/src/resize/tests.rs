//! Tables against the definition, and kernels against tables read one element at a time.

use super::*;
use crate::isa::on_every_level;
use std::{vec, vec::Vec};

fn axis(input: usize, output: usize, coordinates: Coordinates) -> ResizeAxis {
    ResizeAxis {
        input,
        output,
        scale: output as f64 / input as f64,
        coordinates,
        antialias: false,
        exclude_outside: false,
    }
}

fn table(axis: &ResizeAxis, interpolation: Interpolation) -> (usize, Vec<u32>, Vec<f32>) {
    let taps = axis.taps(interpolation);
    let (mut index, mut weight) = (vec![0; axis.output * taps], vec![0.0; axis.output * taps]);
    axis.table(interpolation, &mut index, &mut weight);
    (taps, index, weight)
}

fn resize_line(axis: &ResizeAxis, interpolation: Interpolation, x: &[f32]) -> Vec<f32> {
    let (taps, index, weight) = table(axis, interpolation);
    let mut y = vec![0.0; axis.output];
    resize_axis_f32(1, axis.input, axis.output, 1, x, taps, &index, &weight, 7.0, &mut y);
    y
}

fn close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{got:?} {want:?}");
}

const ALL: [Coordinates; 7] = [
    Coordinates::HalfPixel,
    Coordinates::HalfPixelSymmetric,
    Coordinates::PytorchHalfPixel,
    Coordinates::AlignCorners,
    Coordinates::Asymmetric,
    Coordinates::TfCropAndResize { start: 0.1, end: 0.8 },
    Coordinates::TfHalfPixelForNn,
];

#[test]
fn linear_reproduces_a_ramp() {
    on_every_level(|| {
        let x: Vec<f32> = (0..6).map(|i| i as f32).collect();
        close(
            &resize_line(&axis(6, 12, Coordinates::HalfPixel), Interpolation::Linear, &x),
            &[0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.0],
        );
        close(
            &resize_line(&axis(6, 11, Coordinates::AlignCorners), Interpolation::Linear, &x),
            &[0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0],
        );
        close(
            &resize_line(&axis(6, 3, Coordinates::Asymmetric), Interpolation::Linear, &x),
            &[0.0, 2.0, 4.0],
        );
        let crop = axis(6, 4, Coordinates::TfCropAndResize { start: 0.2, end: 1.4 });
        close(&resize_line(&crop, Interpolation::Linear, &x), &[1.0, 3.0, 5.0, 7.0]);
        close(&resize_line(&axis(6, 1, Coordinates::AlignCorners), Interpolation::Linear, &x), &[0.0]);
    });
}

#[test]
fn scales_that_were_rounded() {
    on_every_level(|| {
        // 4 × 0.6 is cut to 2: the unrounded extent still decides where the corner lies.
        let mut axis = axis(4, 2, Coordinates::AlignCorners);
        axis.scale = 0.6;
        close(&resize_line(&axis, Interpolation::Linear, &[1.0, 2.0, 3.0, 4.0]), &[1.0, 1.0 + 3.0 / 1.4]);
        axis.coordinates = Coordinates::HalfPixelSymmetric;
        let at = |j: f64| 2.0 * (1.0 - 2.0 / 2.4) + (j + 0.5) / 0.6 - 0.5;
        let want = [at(0.0) as f32 + 1.0, at(1.0) as f32 + 1.0];
        close(&resize_line(&axis, Interpolation::Linear, &[1.0, 2.0, 3.0, 4.0]), &want);
    });
}

#[test]
fn cubic_weights() {
    on_every_level(|| {
        // Halfway between two positions Keys' weights are (a, 4 − a, 4 − a, a) / 8.
        let (taps, index, weight) =
            table(&axis(4, 4, Coordinates::TfHalfPixelForNn), Interpolation::Cubic(-0.5));
        assert_eq!(taps, 4);
        close(&weight[..4], &[-0.0625, 0.5625, 0.5625, -0.0625]);
        assert_eq!(index[..8], [0, 0, 1, 2, 0, 1, 2, 3]);
        let mut excluding = axis(4, 4, Coordinates::TfHalfPixelForNn);
        excluding.exclude_outside = true;
        let (_, _, weight) = table(&excluding, Interpolation::Cubic(-0.5));
        let sum = 0.5625 * 2.0 - 0.0625;
        close(&weight[..4], &[0.0, 0.5625 / sum, 0.5625 / sum, -0.0625 / sum]);
    });
}

#[test]
fn tables_are_sane() {
    for coordinates in ALL {
        for interpolation in [Interpolation::Linear, Interpolation::Cubic(-0.75)] {
            for (input, output) in [(1, 1), (1, 5), (5, 1), (4, 9), (9, 4), (20, 3), (7, 7)] {
                for (antialias, exclude_outside) in
                    [(false, false), (true, false), (true, true), (false, true)]
                {
                    let axis = ResizeAxis { antialias, exclude_outside, ..axis(input, output, coordinates) };
                    let (taps, index, weight) = table(&axis, interpolation);
                    for (index, weight) in index.chunks(taps).zip(weight.chunks(taps)) {
                        if index[0] == OUTSIDE {
                            assert!(matches!(coordinates, Coordinates::TfCropAndResize { .. }));
                            continue;
                        }
                        assert!(index.iter().all(|&i| (i as usize) < input));
                        let sum: f32 = weight.iter().sum();
                        assert!((sum - 1.0).abs() < 1e-5 || exclude_outside && sum == 0.0, "{axis:?} {sum}");
                    }
                }
            }
        }
    }
}

#[test]
fn antialias_is_a_mean_of_what_it_drops() {
    on_every_level(|| {
        let mut axis = axis(8, 4, Coordinates::HalfPixel);
        axis.antialias = true;
        assert_eq!(axis.taps(Interpolation::Linear), 4);
        // A triangle of width 4 around each centre.
        let y = resize_line(&axis, Interpolation::Linear, &[0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
        close(&y, &[0.0, 3.0, 1.0, 0.0]);
    });
}

#[test]
fn roundings() {
    on_every_level(|| {
        let axis = axis(3, 6, Coordinates::Asymmetric);
        let run = |nearest| {
            let mut index = [0; 6];
            axis.nearest_table(nearest, &mut index);
            index
        };
        assert_eq!(run(Nearest::Floor), [0, 0, 1, 1, 2, 2]);
        assert_eq!(run(Nearest::Ceil), [0, 1, 1, 2, 2, 2]);
        assert_eq!(run(Nearest::RoundPreferFloor), [0, 0, 1, 1, 2, 2]);
        assert_eq!(run(Nearest::RoundPreferCeil), [0, 1, 1, 2, 2, 2]);
    });
}

#[test]
fn channels_last_equals_line_by_line() {
    on_every_level(|| {
        let (outer, input, inner) = (2, 5, 19);
        let x: Vec<f32> = (0..outer * input * inner).map(|i| ((i * 31) % 23) as f32).collect();
        for (interpolation, output, antialias) in [
            (Interpolation::Linear, 9, false),
            (Interpolation::Cubic(-0.75), 9, false),
            (Interpolation::Linear, 2, true),
        ] {
            let axis = ResizeAxis { antialias, ..axis(input, output, Coordinates::HalfPixel) };
            let (taps, index, weight) = table(&axis, interpolation);
            let mut y = vec![0.0; outer * output * inner];
            resize_axis_f32(outer, input, output, inner, &x, taps, &index, &weight, 0.0, &mut y);
            for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                let line: Vec<f32> = (0..input).map(|k| x[(o * input + k) * inner + i]).collect();
                let got: Vec<f32> = (0..output).map(|k| y[(o * output + k) * inner + i]).collect();
                close(&got, &resize_line(&axis, interpolation, &line));
            }
        }
    });
}

#[test]
fn nearest_planes() {
    on_every_level(|| {
        let x: Vec<u8> = (0..24).collect();
        let (rows, columns) = ([0, 0, 1, OUTSIDE], [2, 0, OUTSIDE]);
        for inner in [1, 2] {
            let (outer, h, w) = (2, 2, if inner == 1 { 6 } else { 3 });
            let mut y = vec![0; outer * 4 * 3 * inner];
            resize_nearest(outer, [h, w], inner, &x, &rows, &columns, 99, &mut y);
            for (number, &got) in y.iter().enumerate() {
                let (i, c) = (number % inner, columns[number / inner % 3]);
                let (r, o) = (rows[number / inner / 3 % 4], number / inner / 12);
                let outside = c == OUTSIDE || r == OUTSIDE;
                let want = if outside { 99 } else { x[((o * h + r as usize) * w + c as usize) * inner + i] };
                assert_eq!(got, want);
            }
        }
    });
}

fn sample(mode: GridMode, padding: GridPadding, align_corners: bool, x: &[f32], points: &[f32]) -> Vec<f32> {
    let sample = GridSample {
        mode,
        padding,
        units: GridUnits::align_corners(align_corners),
        batch: 1,
        channels: 1,
        rank: 1,
        input: [x.len(), 0, 0],
        points: points.len(),
    };
    let mut y = vec![0.0; points.len()];
    grid_sample(&sample, x, points, &mut y);
    y
}

#[test]
fn grids() {
    on_every_level(|| {
        let x = [1.0, 2.0, 4.0, 8.0];
        use {GridMode::*, GridPadding::*};
        // ±1 are the outer edges: −1 is half a step outside.
        close(&sample(Linear, Zeros, false, &x, &[-1.0, -0.75, 0.0, 1.0, 3.0]), &[0.5, 1.0, 3.0, 4.0, 0.0]);
        close(&sample(Linear, Border, false, &x, &[-1.0, 1.0, 3.0]), &[1.0, 8.0, 8.0]);
        close(&sample(Linear, Zeros, true, &x, &[-1.0, 1.0, 0.0]), &[1.0, 8.0, 3.0]);
        // Mirrored about the outermost centres: one step outside is the second element.
        close(&sample(Linear, Reflection, true, &x, &[-1.0 - 2.0 / 3.0, 1.0 + 4.0 / 3.0]), &[2.0, 2.0]);
        close(&sample(Nearest, Reflection, false, &x, &[-1.25, 1.25, 1.75]), &[1.0, 8.0, 4.0]);
        close(&sample(Nearest, Zeros, false, &x, &[-1.3, 0.2]), &[0.0, 4.0]);
        close(&sample(Cubic, Border, true, &x, &[-1.0, -1.0 / 3.0]), &[1.0, 2.0]);
        for padding in [Zeros, Border, Reflection] {
            for mode in [Nearest, Linear, Cubic] {
                for x in [&x[..], &x[..1]] {
                    for align_corners in [false, true] {
                        sample(mode, padding, align_corners, x, &[f32::NAN, f32::INFINITY, -1e30, 1e10]);
                    }
                }
            }
        }
    });
}

#[test]
fn an_identity_grid_reproduces_the_image() {
    on_every_level(|| {
        let x: Vec<f32> = (0..24).map(|i| ((i * 5) % 17) as f32).collect();
        for align_corners in [false, true] {
            let mut grid = vec![0.0; 24 * 3];
            let theta = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
            affine_grid(align_corners, 1, &[2, 3, 4], &theta, &mut grid);
            let sample = GridSample {
                mode: GridMode::Linear,
                padding: GridPadding::Border,
                units: GridUnits::align_corners(align_corners),
                batch: 1,
                channels: 1,
                rank: 3,
                input: [2, 3, 4],
                points: 24,
            };
            let mut y = vec![0.0; 24];
            grid_sample(&sample, &x, &grid, &mut y);
            close(&y, &x);
        }
    });
}
