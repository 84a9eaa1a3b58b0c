//! RoiAlign and MaxRoiPool, channels-first: `x` is `[batch, channels, height, width]`.

use crate::math;
use crate::select::IndexError;

/// What RoiAlign does with the samples of a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoiMode {
    /// Their mean.
    Average,
    /// The largest of their weighted neighbours.
    Max,
}

/// The attributes and extents of a RoiAlign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlign {
    /// Average or maximum.
    pub mode: RoiMode,
    /// Whether pixel centres are at half-integers (`half_pixel`); else `output_half_pixel`.
    pub half_pixel: bool,
    /// Samples per bin and direction; 0 chooses by the region's size.
    pub sampling_ratio: usize,
    /// From the regions' coordinates to those of `x`.
    pub spatial_scale: f32,
    /// Images.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Rows and columns of `x`.
    pub input: [usize; 2],
    /// Rows and columns of bins.
    pub output: [usize; 2],
}

/// Pools each region `rois[r] = [x1, y1, x2, y2]` of image `batch_indices[r]` to `y[r]`, `[channels, output]`.
///
/// # Errors
/// A batch index outside the batch.
///
/// # Panics
/// If a slice does not have its extents.
pub fn roi_align(
    roi: &RoiAlign,
    x: &[f32],
    rois: &[f32],
    batch_indices: &[i64],
    y: &mut [f32],
) -> Result<(), IndexError> {
    let (plane, bins) = (roi.input[0] * roi.input[1], roi.output[0] * roi.output[1]);
    assert!(
        x.len() == roi.batch * roi.channels * plane
            && rois.len() == batch_indices.len() * 4
            && y.len() == batch_indices.len() * roi.channels * bins,
        "a RoiAlign's slices do not have its extents"
    );
    if roi.channels * bins == 0 {
        return Ok(());
    }
    let (regions, _) = rois.as_chunks::<4>();
    for ((region, &index), y) in
        regions.iter().zip(batch_indices).zip(y.chunks_exact_mut(roi.channels * bins))
    {
        let image = usize::try_from(index).ok().filter(|&i| i < roi.batch);
        let image = image.ok_or(IndexError { index, bound: roi.batch })?;
        let offset = if roi.half_pixel { 0.5 } else { 0.0 };
        let [left, top, right, bottom] = region.map(|v| v * roi.spatial_scale - offset);
        let size = |length: f32| if roi.half_pixel { length } else { length.max(1.0) };
        let height = Side::new(top, size(bottom - top), roi.output[0], roi.sampling_ratio, roi.input[0]);
        let width = Side::new(left, size(right - left), roi.output[1], roi.sampling_ratio, roi.input[1]);
        for (c, y) in y.chunks_exact_mut(bins).enumerate() {
            let x = &x[(image * roi.channels + c) * plane..][..plane];
            for (bin, y) in y.iter_mut().enumerate() {
                *y = pool_bin(roi.mode, &height, &width, [bin / roi.output[1], bin % roi.output[1]], x);
            }
        }
    }
    Ok(())
}

/// The most samples that a region of absurd size gets per bin and direction.
const SAMPLES: usize = 1024;

/// One direction of a region.
struct Side {
    start: f32,
    bin: f32,
    samples: usize,
    extent: usize,
}

impl Side {
    fn new(start: f32, size: f32, bins: usize, sampling_ratio: usize, extent: usize) -> Self {
        let bin = size / bins as f32;
        let samples =
            if sampling_ratio > 0 { sampling_ratio } else { (math::ceil(bin) as usize).min(SAMPLES) };
        Side { start, bin, samples, extent }
    }

    /// The two neighbours of a sample and the weight of the second; `None` outside.
    fn neighbours(&self, bin: usize, sample: usize) -> Option<(usize, usize, f32)> {
        let step = (sample as f32 + 0.5) * self.bin / self.samples as f32;
        let at = self.start + bin as f32 * self.bin + step;
        if !(at >= -1.0 && at <= self.extent as f32) || self.extent == 0 {
            return None;
        }
        let at = at.max(0.0);
        let low = at as usize;
        let last = self.extent - 1;
        Some(if low >= last { (last, last, 0.0) } else { (low, low + 1, at - low as f32) })
    }
}

fn pool_bin(mode: RoiMode, height: &Side, width: &Side, [row, column]: [usize; 2], x: &[f32]) -> f32 {
    let mut sum = 0.0;
    let mut largest: Option<f32> = None;
    for i in 0..height.samples {
        for j in 0..width.samples {
            let mut terms = [0.0; 4];
            if let (Some((top, bottom, v)), Some((left, right, h))) =
                (height.neighbours(row, i), width.neighbours(column, j))
            {
                let at = |row: usize, column: usize| x[row * width.extent + column];
                terms = [
                    (1.0 - v) * (1.0 - h) * at(top, left),
                    (1.0 - v) * h * at(top, right),
                    v * (1.0 - h) * at(bottom, left),
                    v * h * at(bottom, right),
                ];
            }
            sum += terms[0] + terms[1] + terms[2] + terms[3];
            for term in terms {
                largest = Some(largest.map_or(term, |l| math::max(l, term)));
            }
        }
    }
    match mode {
        RoiMode::Average => sum / (height.samples * width.samples).max(1) as f32,
        RoiMode::Max => largest.unwrap_or(0.0),
    }
}

/// MaxRoiPool: the maximum of each bin of the regions `rois[r] = [image, x1, y1, x2, y2]`, in rounded coordinates;
/// 0 for an empty bin. `y` is `[regions, channels, output]`.
///
/// # Errors
/// An image number outside the batch.
///
/// # Panics
/// If a slice does not have its extents.
#[allow(clippy::too_many_arguments, reason = "two tensors with their extents")]
pub fn max_roi_pool(
    batch: usize,
    channels: usize,
    input: [usize; 2],
    output: [usize; 2],
    spatial_scale: f32,
    x: &[f32],
    rois: &[f32],
    y: &mut [f32],
) -> Result<(), IndexError> {
    let (plane, bins) = (input[0] * input[1], output[0] * output[1]);
    let (regions, rest) = rois.as_chunks::<5>();
    assert!(
        rest.is_empty() && x.len() == batch * channels * plane && y.len() == regions.len() * channels * bins,
        "a MaxRoiPool's slices do not have its extents"
    );
    if channels * bins == 0 {
        return Ok(());
    }
    for (region, y) in regions.iter().zip(y.chunks_exact_mut(channels * bins)) {
        let index = region[0] as i64;
        let image = usize::try_from(index).ok().filter(|&i| i < batch);
        let image = image.ok_or(IndexError { index, bound: batch })?;
        let corner = |v: f32| round_half_away(v * spatial_scale);
        let (top, bottom) = (corner(region[2]), corner(region[4]));
        let (left, right) = (corner(region[1]), corner(region[3]));
        let span = |start: isize, end: isize, bins: usize, bin: usize, extent: usize| {
            let size = (end - start + 1).max(1) as f32 / bins as f32;
            let limit = |v: f32| ((v as isize) + start).clamp(0, extent as isize) as usize;
            limit(math::floor(bin as f32 * size))..limit(math::ceil((bin + 1) as f32 * size))
        };
        for (c, y) in y.chunks_exact_mut(bins).enumerate() {
            let x = &x[(image * channels + c) * plane..][..plane];
            for (bin, y) in y.iter_mut().enumerate() {
                let rows = span(top, bottom, output[0], bin / output[1], input[0]);
                let columns = span(left, right, output[1], bin % output[1], input[1]);
                let cells = rows.flat_map(|r| columns.clone().map(move |c| x[r * input[1] + c]));
                *y = cells.reduce(math::max).unwrap_or(0.0);
            }
        }
    }
    Ok(())
}

fn round_half_away(v: f32) -> isize {
    math::trunc(v + 0.5f32.copysign(v)) as isize
}
