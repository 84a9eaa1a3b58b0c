//! GridSample and AffineGrid, channels-first, over one to three spatial dims.

use crate::math;

/// How GridSample interpolates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridMode {
    /// The nearest position, halves to even.
    Nearest,
    /// Between two neighbours per dim.
    Linear,
    /// Between four neighbours per dim, with the coefficient −¾.
    Cubic,
}

/// What GridSample finds outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridPadding {
    /// Zeros.
    Zeros,
    /// The nearest element.
    Border,
    /// The tensor mirrored at its border.
    Reflection,
}

/// What the coordinates of a grid count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridUnits {
    /// ±1 are the centres of the outermost elements.
    Centres,
    /// ±1 are the outer edges of the outermost elements.
    Edges,
    /// Elements: 0 is the centre of the first.
    Elements,
}

impl GridUnits {
    /// Those that the attribute `align_corners` chooses.
    pub const fn align_corners(centres: bool) -> GridUnits {
        if centres { GridUnits::Centres } else { GridUnits::Edges }
    }
}

/// The attributes and extents of a GridSample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSample {
    /// The interpolation.
    pub mode: GridMode,
    /// What lies outside.
    pub padding: GridPadding,
    /// What the coordinates count.
    pub units: GridUnits,
    /// Images.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// How many of the following dims there are; the grid's coordinates, last dim first, are as many.
    pub rank: usize,
    /// The spatial extents of `x`, in the first `rank` places.
    pub input: [usize; 3],
    /// Points per image.
    pub points: usize,
}

/// Up to four elements of a line and their weights.
#[derive(Clone, Copy, Default)]
struct Taps {
    count: usize,
    /// `None` shows a zero.
    at: [Option<usize>; 4],
    weight: [f32; 4],
}

/// Samples `x`, `[batch, channels, input]`, at the points of `grid`, `[batch, points, rank]`, to `y`,
/// `[batch, channels, points]`.
///
/// # Panics
/// If a slice does not have its extents, or the rank is not 1, 2 or 3.
pub fn grid_sample(sample: &GridSample, x: &[f32], grid: &[f32], y: &mut [f32]) {
    let GridSample { batch, channels, rank, points, .. } = *sample;
    assert!((1..=3).contains(&rank), "a grid has one to three dims");
    let extents = &sample.input[..rank];
    let plane = extents.iter().product::<usize>();
    assert!(
        x.len() == batch * channels * plane
            && grid.len() == batch * points * rank
            && y.len() == batch * channels * points,
        "a GridSample's slices do not have its extents"
    );
    if plane == 0 {
        y.fill(0.0);
        return;
    }
    for image in 0..batch {
        for point in 0..points {
            let coordinates = &grid[(image * points + point) * rank..][..rank];
            // Absent leading dims have one element.
            let mut taps = [Taps { count: 1, at: [Some(0); 4], weight: [1.0; 4] }; 3];
            let mut strides = [0; 3];
            let mut stride = 1;
            for (dim, &n) in extents.iter().enumerate().rev() {
                let place = 3 - rank + dim;
                taps[place] = sample.taps(coordinates[rank - 1 - dim], n);
                strides[place] = stride;
                stride *= n;
            }
            for channel in 0..channels {
                let x = &x[(image * channels + channel) * plane..][..plane];
                y[(image * channels + channel) * points + point] = interpolate(&taps, &strides, x);
            }
        }
    }
}

fn interpolate(taps: &[Taps; 3], strides: &[usize; 3], x: &[f32]) -> f32 {
    let line = |offset: usize, taps: &Taps, stride: usize, value: &dyn Fn(usize) -> f32| {
        let mut sum = 0.0;
        for tap in 0..taps.count {
            if let Some(at) = taps.at[tap] {
                sum += taps.weight[tap] * value(offset + at * stride);
            }
        }
        sum
    };
    line(0, &taps[0], strides[0], &|offset| {
        line(offset, &taps[1], strides[1], &|offset| line(offset, &taps[2], strides[2], &|offset| x[offset]))
    })
}

impl GridSample {
    fn taps(&self, coordinate: f32, n: usize) -> Taps {
        let extent = n as f32;
        let centres = self.units == GridUnits::Centres;
        let (low, high) = if centres { (0.0, extent - 1.0) } else { (-0.5, extent - 0.5) };
        let mut at = match self.units {
            GridUnits::Centres => (coordinate + 1.0) / 2.0 * (extent - 1.0),
            GridUnits::Edges => ((coordinate + 1.0) * extent - 1.0) / 2.0,
            GridUnits::Elements => coordinate,
        };
        if self.mode == GridMode::Nearest {
            at = math::round_ties_even(at);
        }
        if at < low || at > high {
            at = match self.padding {
                GridPadding::Zeros => at,
                GridPadding::Border => at.clamp(0.0, extent - 1.0),
                GridPadding::Reflection => reflect(at, low, high),
            };
        }
        let floor = math::floor(at);
        let t = at - floor;
        let mut taps = Taps::default();
        let first = match self.mode {
            GridMode::Nearest => {
                taps.count = 1;
                taps.weight[0] = 1.0;
                math::trunc(at)
            }
            GridMode::Linear => {
                taps.count = 2;
                taps.weight = [1.0 - t, t, 0.0, 0.0];
                floor
            }
            GridMode::Cubic => {
                taps.count = 4;
                taps.weight = cubic(t);
                floor - 1.0
            }
        };
        for (tap, place) in taps.at[..taps.count].iter_mut().enumerate() {
            *place = self.element(first + tap as f32, n, low, high);
        }
        taps
    }

    /// The element that a whole position shows.
    fn element(&self, at: f32, n: usize, low: f32, high: f32) -> Option<usize> {
        let last = n as f32 - 1.0;
        match self.padding {
            GridPadding::Zeros => (at >= 0.0 && at <= last).then_some(at as usize),
            GridPadding::Border => Some((at as usize).min(n - 1)),
            GridPadding::Reflection => Some((reflect(at, low, high) as usize).min(n - 1)),
        }
    }
}

/// Mirrors `at` at the borders until it lies between them.
fn reflect(at: f32, low: f32, high: f32) -> f32 {
    let range = high - low;
    let (over, from_low) = if at < low {
        (low - at, true)
    } else if at > high {
        (at - high, false)
    } else {
        return at;
    };
    let turns = math::floor(over / range);
    let rest = over - turns * range;
    let even = math::rem(turns, 2.0) == 0.0;
    if even == from_low { low + rest } else { high - rest }
}

/// Keys' cubic convolution at distance `t` behind the second of four elements.
fn cubic(t: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let far = |d: f32| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let near = |d: f32| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// The points at which an affine map of the output grid reads: `theta` is `[batch, rank, rank + 1]`, `grid` is
/// `[batch, dims, rank]` with the last dim's coordinate first.
///
/// # Panics
/// If a slice does not have its extents, or there are not two or three dims.
pub fn affine_grid(align_corners: bool, batch: usize, dims: &[usize], theta: &[f32], grid: &mut [f32]) {
    let rank = dims.len();
    let points = dims.iter().product::<usize>();
    assert!(
        (2..=3).contains(&rank)
            && theta.len() == batch * rank * (rank + 1)
            && grid.len() == batch * points * rank,
        "an affine grid's slices do not have its extents"
    );
    for (number, target) in grid.chunks_exact_mut(rank).enumerate() {
        let theta = &theta[number / points * rank * (rank + 1)..][..rank * (rank + 1)];
        // Homogeneous coordinates, last dim first.
        let mut place = [0.0, 0.0, 0.0, 1.0];
        let mut rest = number % points;
        for (value, &n) in place.iter_mut().zip(dims.iter().rev()) {
            let (i, n, at) = (rest % n, n as f32, rest / n);
            *value = if !align_corners {
                (2 * i + 1) as f32 / n - 1.0
            } else if n > 1.0 {
                2.0 * i as f32 / (n - 1.0) - 1.0
            } else {
                -1.0
            };
            rest = at;
        }
        place[rank] = 1.0;
        for (value, row) in target.iter_mut().zip(theta.chunks_exact(rank + 1)) {
            *value = row.iter().zip(&place).map(|(a, b)| a * b).sum();
        }
    }
}
