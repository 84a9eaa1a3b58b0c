//! NonMaxSuppression.

use core::cmp::Ordering;

/// How many boxes there are, and how they are given.
#[derive(Clone, Copy, Debug)]
pub struct Boxes {
    /// Images.
    pub batch: usize,
    /// Classes, each with a score for every box.
    pub classes: usize,
    /// Boxes of one image.
    pub count: usize,
    /// Whether a box is `[x_center, y_center, width, height]`, and not two corners `[y1, x1, y2, x2]` in any order.
    pub center: bool,
}

/// Chooses boxes of high score that do not overlap, for each image and class, best first: `y` then starts with a dense
/// `[selected, 3]` of image, class and box; the number is returned.
///
/// A box is left out if its score is not above `least_score` or if a better one that was chosen covers it by more than
/// `most_overlap` (intersection over union). Of equal scores the first box is better. `most` is the largest number for
/// each image and class; none are chosen if it is not positive. `boxes` is `[batch, count, 4]`, `scores` is
/// `[batch, classes, count]`.
///
/// # Panics
/// If `boxes` or `scores` does not have its extents, or `scratch` or `y` is too short.
#[allow(clippy::too_many_arguments, reason = "the five inputs of the operator, its output, and room to sort")]
pub fn non_max_suppression(
    shape: &Boxes,
    boxes: &[f32],
    scores: &[f32],
    most: i64,
    most_overlap: f32,
    least_score: Option<f32>,
    y: &mut [i64],
    scratch: &mut [u32],
) -> usize {
    let n = shape.count;
    assert!(
        boxes.len() == shape.batch * n * 4 && scores.len() == shape.batch * shape.classes * n,
        "the slices of a suppression do not have their extents"
    );
    let most = usize::try_from(most).unwrap_or(if most < 0 { 0 } else { usize::MAX });
    let mut selected = 0;
    for image in 0..shape.batch {
        let boxes = &boxes[image * n * 4..][..n * 4];
        for class in 0..shape.classes {
            let scores = &scores[(image * shape.classes + class) * n..][..n];
            let mut candidates = 0;
            for (k, &score) in scores.iter().enumerate() {
                if least_score.is_none_or(|least| score > least) {
                    scratch[candidates] = k as u32;
                    candidates += 1;
                }
            }
            let by_score = |a: &u32, b: &u32| {
                let (x, y) = (scores[*a as usize], scores[*b as usize]);
                y.partial_cmp(&x).unwrap_or(Ordering::Equal).then(a.cmp(b))
            };
            scratch[..candidates].sort_unstable_by(by_score);
            let first = selected;
            for &candidate in &scratch[..candidates] {
                if selected - first == most {
                    break;
                }
                let area = corners(boxes, candidate as usize, shape.center);
                let hidden = y[first * 3..selected * 3].chunks_exact(3).any(|chosen| {
                    overlap(area, corners(boxes, chosen[2] as usize, shape.center)) > most_overlap
                });
                if !hidden {
                    y[selected * 3..][..3].copy_from_slice(&[image as i64, class as i64, candidate.into()]);
                    selected += 1;
                }
            }
        }
    }
    selected
}

/// The lower and upper corner of a box.
#[inline(always)]
fn corners(boxes: &[f32], at: usize, center: bool) -> [f32; 4] {
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| boxes[at * 4 + i]);
    if center {
        [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0]
    } else {
        [a.min(c), b.min(d), a.max(c), b.max(d)]
    }
}

/// Intersection over union; 0 where one of the boxes is empty.
#[inline(always)]
fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let (width, height) = (a[2].min(b[2]) - a[0].max(b[0]), a[3].min(b[3]) - a[1].max(b[1]));
    let intersection = if width > 0.0 && height > 0.0 { width * height } else { 0.0 };
    let area = |r: [f32; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    let (first, second) = (area(a), area(b));
    let union = first + second - intersection;
    if first > 0.0 && second > 0.0 && union > 0.0 { intersection / union } else { 0.0 }
}
