//! LRN: local response normalisation across channels, over channels-last pixels.

use crate::{math, vectorize};

/// The attributes of an LRN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lrn {
    /// How many channels are summed.
    pub size: usize,
    /// The factor of the mean square.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// What is added to the mean square.
    pub bias: f32,
}

/// `y = x / (bias + alpha / size · Σ x²)^beta`, the sum over `size` channels around each.
///
/// # Panics
/// If a slice is too short for `pixels` of `channels` with these distances between them.
pub fn lrn(
    lrn: &Lrn,
    pixels: usize,
    channels: usize,
    x: &[f32],
    x_pixel_stride: usize,
    y: &mut [f32],
    y_pixel_stride: usize,
) {
    // The window reaches this far to either side; an even one further up.
    let (below, above) = (lrn.size.saturating_sub(1) / 2, lrn.size / 2);
    let scale = lrn.alpha / lrn.size as f32;
    vectorize(
        #[inline(always)]
        || {
            for pixel in 0..pixels {
                let x = &x[pixel * x_pixel_stride..][..channels];
                let y = &mut y[pixel * y_pixel_stride..][..channels];
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x * x;
                }
                for distance in 1..=above.min(channels.saturating_sub(1)) {
                    for (y, &x) in y.iter_mut().zip(&x[distance..]) {
                        *y += x * x;
                    }
                }
                for distance in 1..=below.min(channels.saturating_sub(1)) {
                    for (y, &x) in y[distance..].iter_mut().zip(x) {
                        *y += x * x;
                    }
                }
                for (y, &x) in y.iter_mut().zip(x) {
                    let mean = lrn.bias + scale * *y;
                    *y = x / if lrn.beta == 0.75 {
                        let root = math::sqrt(mean);
                        root * math::sqrt(root)
                    } else {
                        math::pow(mean, lrn.beta)
                    };
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::on_every_level;
    use std::{vec, vec::Vec};

    #[test]
    fn against_the_definition() {
        on_every_level(|| {
            for (size, beta) in [(1, 0.75), (3, 0.75), (5, 0.5), (4, 0.75), (9, 1.3)] {
                for channels in [1, 3, 7, 40] {
                    let kind = Lrn { size, alpha: 0.3, beta, bias: 1.5 };
                    let x: Vec<f32> =
                        (0..2 * (channels + 1)).map(|i| ((i * 37) % 19) as f32 / 4.0 - 2.0).collect();
                    let mut y = vec![0.0; 2 * channels];
                    lrn(&kind, 2, channels, &x, channels + 1, &mut y, channels);
                    for (number, got) in y.iter().enumerate() {
                        let (pixel, c) = (number / channels, number % channels);
                        let at = |c: usize| f64::from(x[pixel * (channels + 1) + c]);
                        let low = c.saturating_sub((size - 1) / 2);
                        let high = (c + size / 2).min(channels - 1);
                        let sum: f64 = (low..=high).map(|c| at(c) * at(c)).sum();
                        let want = at(c) / (1.5 + 0.3 / size as f64 * sum).powf(beta.into());
                        assert!((f64::from(*got) - want).abs() < 1e-5);
                    }
                }
            }
        });
    }
}
