//! From the attributes of Resize to tables of positions and weights.

use super::OUTSIDE;

/// The attribute `coordinate_transformation_mode`: where output position j lies on the input axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coordinates {
    /// (j + ½) / scale − ½
    HalfPixel,
    /// As `HalfPixel`, with the centres of both axes on each other even if the output extent was rounded.
    HalfPixelSymmetric,
    /// As `HalfPixel`, but an output of one position lies at −½.
    PytorchHalfPixel,
    /// The first and last positions of both axes lie on each other.
    AlignCorners,
    /// j / scale
    Asymmetric,
    /// The first and last output positions lie at these fractions of the input axis.
    TfCropAndResize {
        /// Where the region starts.
        start: f64,
        /// Where the region ends.
        end: f64,
    },
    /// (j + ½) / scale (operator sets before 13)
    TfHalfPixelForNn,
}

/// The attribute `nearest_mode`: how a position between two others is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearest {
    /// To the nearest, halves down.
    RoundPreferFloor,
    /// To the nearest, halves up.
    RoundPreferCeil,
    /// Down.
    Floor,
    /// Up.
    Ceil,
}

/// The attribute `mode`, apart from nearest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interpolation {
    /// Between two neighbours.
    Linear,
    /// Between four neighbours, with the coefficient `cubic_coeff_a`.
    Cubic(f64),
}

/// One axis of a Resize.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResizeAxis {
    /// The input extent.
    pub input: usize,
    /// The output extent.
    pub output: usize,
    /// The scale as given, or `output / input` where sizes are given.
    pub scale: f64,
    /// How positions correspond.
    pub coordinates: Coordinates,
    /// Whether a smaller output is low-pass filtered.
    pub antialias: bool,
    /// Whether weights of positions outside the input go to the others, instead of to the edge.
    pub exclude_outside: bool,
}

impl ResizeAxis {
    /// An axis whose scale is the quotient of its extents.
    pub const fn between(
        input: usize,
        output: usize,
        coordinates: Coordinates,
        antialias: bool,
        exclude_outside: bool,
    ) -> Self {
        let scale = output as f64 / input as f64;
        ResizeAxis { input, output, scale, coordinates, antialias, exclude_outside }
    }

    /// How many input positions each output position reads.
    pub fn taps(&self, interpolation: Interpolation) -> usize {
        let support = match interpolation {
            Interpolation::Linear => 1.0,
            Interpolation::Cubic(_) => 2.0,
        };
        let start = libm::floor(-support / self.kernel_scale()) as i64 + 1;
        (2 - 2 * start) as usize
    }

    /// Writes `output * taps` positions and weights. The weights of a position sum to 1; the positions of one outside
    /// a cropped region are [`OUTSIDE`], its weights 0.
    ///
    /// # Panics
    /// If the slices do not have `output * taps` elements, or there is an output but no input.
    pub fn table(&self, interpolation: Interpolation, index: &mut [u32], weight: &mut [f32]) {
        let taps = self.taps(interpolation);
        assert!(
            index.len() == self.output * taps && weight.len() == index.len(),
            "a resize table does not have its extent"
        );
        assert!(self.input > 0 || self.output == 0, "an empty axis has nothing to resize");
        let scale = self.kernel_scale();
        let first = 1 - (taps / 2) as i64;
        for (j, (index, weight)) in
            index.chunks_exact_mut(taps).zip(weight.chunks_exact_mut(taps)).enumerate()
        {
            let Some(at) = self.position(j) else {
                index.fill(OUTSIDE);
                weight.fill(0.0);
                continue;
            };
            // The ratio is in (0, 1]: a whole position belongs to the interval on its left.
            let base = libm::ceil(at) - 1.0;
            let ratio = at - base;
            let value = |tap: usize| {
                let offset = first + tap as i64;
                let inside = (0..self.input as i64).contains(&(base as i64 + offset));
                if self.exclude_outside && !inside {
                    return 0.0;
                }
                kernel(interpolation, libm::fabs(offset as f64 - ratio) * scale)
            };
            let total = (0..taps).map(value).sum::<f64>();
            let total = if total == 0.0 { 1.0 } else { total };
            for (tap, (index, weight)) in index.iter_mut().zip(weight).enumerate() {
                let at = (base as i64).saturating_add(first + tap as i64);
                *index = at.clamp(0, self.input as i64 - 1) as u32;
                *weight = (value(tap) / total) as f32;
            }
        }
    }

    /// Writes the one input position that each output position shows, [`OUTSIDE`] beyond a cropped region.
    ///
    /// # Panics
    /// If `index` does not have `output` elements, or there is an output but no input.
    pub fn nearest_table(&self, nearest: Nearest, index: &mut [u32]) {
        assert_eq!(index.len(), self.output, "a resize table does not have its extent");
        assert!(self.input > 0 || self.output == 0, "an empty axis has nothing to resize");
        for (j, index) in index.iter_mut().enumerate() {
            *index = match self.position(j) {
                None => OUTSIDE,
                Some(at) => {
                    let near = match nearest {
                        Nearest::RoundPreferFloor => libm::ceil(at - 0.5),
                        Nearest::RoundPreferCeil => libm::floor(at + 0.5),
                        Nearest::Floor => libm::floor(at),
                        Nearest::Ceil => libm::ceil(at),
                    };
                    (near as i64).clamp(0, self.input as i64 - 1) as u32
                }
            };
        }
    }

    /// Below 1 where the filter is widened.
    fn kernel_scale(&self) -> f64 {
        // The bound keeps the table finite whatever the attribute says.
        if self.antialias { self.scale.clamp(1e-6, 1.0) } else { 1.0 }
    }

    /// Where output position `j` lies on the input axis; `None` outside a cropped region.
    fn position(&self, j: usize) -> Option<f64> {
        let (input, output, j) = (self.input as f64, self.output as f64, j as f64);
        // What the output extent would be, had it not been rounded.
        let exact = self.scale * input;
        let half_pixel = (j + 0.5) / self.scale - 0.5;
        Some(match self.coordinates {
            Coordinates::HalfPixel => half_pixel,
            Coordinates::HalfPixelSymmetric => input / 2.0 * (1.0 - output / exact) + half_pixel,
            Coordinates::PytorchHalfPixel => {
                if exact == 1.0 {
                    -0.5
                } else {
                    half_pixel
                }
            }
            Coordinates::AlignCorners => {
                if exact == 1.0 {
                    0.0
                } else {
                    j * (input - 1.0) / (exact - 1.0)
                }
            }
            Coordinates::Asymmetric => j / self.scale,
            Coordinates::TfHalfPixelForNn => (j + 0.5) / self.scale,
            Coordinates::TfCropAndResize { start, end } => {
                let reach = (end - start) * (input - 1.0);
                let at = if exact == 1.0 { reach / 2.0 } else { j * reach / (exact - 1.0) };
                let at = at + start * (input - 1.0);
                return (at >= 0.0 && at <= input - 1.0).then_some(at);
            }
        })
    }
}

/// The weight of a position at distance `d` ≥ 0.
fn kernel(interpolation: Interpolation, d: f64) -> f64 {
    match interpolation {
        Interpolation::Linear => (1.0 - d).max(0.0),
        Interpolation::Cubic(a) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        Interpolation::Cubic(a) if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        Interpolation::Cubic(_) => 0.0,
    }
}
