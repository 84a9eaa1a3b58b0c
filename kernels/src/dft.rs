//! The discrete Fourier transform and the short-time transform, of any length.
//!
//! DFT computes in f64, so that what cancels is zero in every element type; STFT, which runs over whole recordings,
//! computes in f32.
//!
//! A mixed-radix Stockham transform: the length is split into factors of 4, 2 and odd primes, so the cost per element
//! is the sum of the factors. Twiddle factors are rounded from f64.

use core::f64::consts::TAU;
use core::ops::{Add, AddAssign, Mul, Neg, Sub};

use crate::element::Number;

#[cfg(test)]
mod tests;

/// The kind of a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dft {
    /// The transform's length: longer signals are cut, shorter ones padded with zeros.
    pub length: usize,
    /// Whether frequencies become a signal, divided by the length.
    pub inverse: bool,
    /// Whether only the first `length / 2 + 1` frequencies exist: as the result, or (inverse) as the input of a real
    /// signal.
    pub onesided: bool,
}

impl Dft {
    /// How many elements along the axis the result has.
    pub const fn output(&self) -> usize {
        if self.onesided && !self.inverse { self.length / 2 + 1 } else { self.length }
    }

    /// How many components an element of the result has: 2, or 1 for a real signal.
    pub const fn components(&self) -> usize {
        if self.onesided && self.inverse { 1 } else { 2 }
    }

    /// How many numbers of scratch a transform needs.
    pub const fn scratch(&self) -> usize {
        6 * self.length
    }
}

/// What transforms are computed in.
trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self> + AddAssign
{
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn of(value: f64) -> f32 {
        value as f32
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(value: f64) -> f64 {
        value
    }
}

/// Transforms the middle axis of `x`, `[outer, n, inner, components]` with 1 (real) or 2 components, to `y`,
/// `[outer, output, inner, 1 or 2]`.
///
/// # Panics
/// If a slice does not have its extents, or `scratch` is shorter than [`Dft::scratch`].
#[allow(clippy::too_many_arguments, reason = "two tensors with their extents and scratch")]
pub fn dft<T: Number>(
    kind: &Dft,
    outer: usize,
    n: usize,
    inner: usize,
    components: usize,
    x: &[T],
    y: &mut [T],
    scratch: &mut [f64],
) {
    assert!(
        (1..=2).contains(&components)
            && x.len() == outer * n * inner * components
            && y.len() == outer * kind.output() * inner * kind.components(),
        "a DFT's slices do not have its extents"
    );
    let mut plan = Plan::new(kind, scratch);
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| ((o * n + k) * inner + i) * components;
            let used = n.min(kind.length);
            plan.load(used, |k| {
                (x[at(k)].to_f64(), if components == 2 { x[at(k) + 1].to_f64() } else { 0.0 })
            });
            plan.run();
            for k in 0..kind.output() {
                let to = ((o * kind.output() + k) * inner + i) * kind.components();
                for (component, y) in y[to..to + kind.components()].iter_mut().enumerate() {
                    *y = T::from_f64(plan.element(k, component));
                }
            }
        }
    }
}

/// Transforms frames of `kind.length` samples that start `step` samples apart: `x` is `[batch, n, components]`, `y` is
/// `[batch, frames, output, 2]`. The samples of a frame are multiplied by `window`; a shorter window is followed by
/// zeros, an empty one stands for ones.
///
/// # Panics
/// If a slice does not have its extents, the last frame leaves the signal, the window is longer than a frame, or
/// `scratch` is shorter than [`Dft::scratch`].
#[allow(clippy::too_many_arguments, reason = "three tensors with their extents and scratch")]
pub fn stft(
    kind: &Dft,
    batch: usize,
    n: usize,
    components: usize,
    frames: usize,
    step: usize,
    x: &[f32],
    window: &[f32],
    y: &mut [f32],
    scratch: &mut [f32],
) {
    assert!(
        !kind.inverse
            && (1..=2).contains(&components)
            && x.len() == batch * n * components
            && y.len() == batch * frames * kind.output() * 2
            && window.len() <= kind.length
            && (frames == 0 || (frames - 1) * step + kind.length <= n),
        "an STFT's slices do not have its extents"
    );
    let mut plan = Plan::new(kind, scratch);
    let used = if window.is_empty() { kind.length } else { window.len() };
    for b in 0..batch {
        for frame in 0..frames {
            let x = &x[(b * n + frame * step) * components..][..kind.length * components];
            plan.load(used, |k| {
                let w = window.get(k).copied().unwrap_or(1.0);
                let imaginary = if components == 2 { x[k * 2 + 1] } else { 0.0 };
                (w * x[k * components], w * imaginary)
            });
            plan.run();
            for k in 0..kind.output() {
                let to = ((b * frames + frame) * kind.output() + k) * 2;
                y[to] = plan.element(k, 0);
                y[to + 1] = plan.element(k, 1);
            }
        }
    }
}

/// The scratch of one transform: the roots of unity and two signals, each as a real and an imaginary half.
struct Plan<'a, R> {
    kind: Dft,
    roots: &'a [R],
    signal: &'a mut [R],
    other: &'a mut [R],
}

impl<'a, R: Real> Plan<'a, R> {
    fn new(kind: &Dft, scratch: &'a mut [R]) -> Self {
        let n = kind.length;
        let (roots, rest) = scratch[..kind.scratch()].split_at_mut(2 * n);
        let (cosines, sines) = roots.split_at_mut(n);
        let turn = if kind.inverse { TAU } else { -TAU };
        for (k, (cosine, sine)) in cosines.iter_mut().zip(sines).enumerate() {
            let angle = turn * k as f64 / n as f64;
            *cosine = R::of(libm::cos(angle));
            *sine = R::of(libm::sin(angle));
        }
        let (signal, other) = rest.split_at_mut(2 * n);
        Plan { kind: *kind, roots, signal, other }
    }

    /// Takes the first `count` elements; the rest is zero, or what makes an inverse one-sided signal real.
    fn load(&mut self, count: usize, element: impl Fn(usize) -> (R, R)) {
        let n = self.kind.length;
        let (re, im) = self.signal.split_at_mut(n);
        re.fill(R::of(0.0));
        im.fill(R::of(0.0));
        let half = n / 2 + 1;
        let mirrored = self.kind.inverse && self.kind.onesided;
        for k in 0..if mirrored { count.min(half) } else { count } {
            (re[k], im[k]) = element(k);
            if mirrored && (k == 0 || 2 * k == n) {
                im[k] = R::of(0.0);
            } else if mirrored {
                (re[n - k], im[n - k]) = (re[k], -im[k]);
            }
        }
    }

    /// The real part of element `k` of the result, or (component 1) the imaginary one.
    #[inline(always)]
    fn element(&self, k: usize, component: usize) -> R {
        let n = self.kind.length;
        let scale = if self.kind.inverse { 1.0 / n as f64 } else { 1.0 };
        self.signal[component * n + k] * R::of(scale)
    }

    fn run(&mut self) {
        let n = self.kind.length;
        crate::vectorize(
            #[inline(always)]
            || {
                let (mut left, mut stride) = (n, 1);
                while left > 1 {
                    let radix = factor(left);
                    match radix {
                        2 => self.stage_2(left, stride),
                        4 => self.stage_4(left, stride),
                        _ => self.stage(radix, left, stride),
                    }
                    core::mem::swap(&mut self.signal, &mut self.other);
                    left /= radix;
                    stride *= radix;
                }
            },
        );
    }

    /// The root `numerator / n` of a turn.
    #[inline(always)]
    fn root(&self, numerator: usize) -> (R, R) {
        let n = self.kind.length;
        (self.roots[numerator % n], self.roots[n + numerator % n])
    }

    #[inline(always)]
    fn stage_2(&mut self, left: usize, stride: usize) {
        let n = self.kind.length;
        let half = left / 2;
        for p in 0..half {
            let (c, s) = self.root(p * stride);
            let (re, im) = self.signal.split_at(n);
            let (out_re, out_im) = self.other.split_at_mut(n);
            let at = |k: usize| (p + half * k) * stride..(p + half * k + 1) * stride;
            let (a_re, a_im, b_re, b_im) = (&re[at(0)], &im[at(0)], &re[at(1)], &im[at(1)]);
            let to = 2 * p * stride..2 * (p + 1) * stride;
            let (y0_re, y1_re) = out_re[to.clone()].split_at_mut(stride);
            let (y0_im, y1_im) = out_im[to].split_at_mut(stride);
            for q in 0..stride {
                let (d_re, d_im) = (a_re[q] - b_re[q], a_im[q] - b_im[q]);
                y0_re[q] = a_re[q] + b_re[q];
                y0_im[q] = a_im[q] + b_im[q];
                y1_re[q] = d_re * c - d_im * s;
                y1_im[q] = d_re * s + d_im * c;
            }
        }
    }

    #[inline(always)]
    fn stage_4(&mut self, left: usize, stride: usize) {
        let n = self.kind.length;
        let quarter = left / 4;
        let turn = R::of(if self.kind.inverse { -1.0 } else { 1.0 });
        for p in 0..quarter {
            let roots = [self.root(p * stride), self.root(2 * p * stride), self.root(3 * p * stride)];
            let (re, im) = self.signal.split_at(n);
            let (out_re, out_im) = self.other.split_at_mut(n);
            for q in 0..stride {
                let x = |k: usize| {
                    let at = q + stride * (p + quarter * k);
                    (re[at], im[at])
                };
                let (a, b, c, d) = (x(0), x(1), x(2), x(3));
                let (even, odd) = ((a.0 + c.0, a.1 + c.1), (b.0 + d.0, b.1 + d.1));
                let (even_less, odd_less) = ((a.0 - c.0, a.1 - c.1), (b.0 - d.0, b.1 - d.1));
                // A quarter turn: −i forwards, i backwards.
                let turned = (odd_less.1 * turn, -odd_less.0 * turn);
                let sums = [
                    (even_less.0 + turned.0, even_less.1 + turned.1),
                    (even.0 - odd.0, even.1 - odd.1),
                    (even_less.0 - turned.0, even_less.1 - turned.1),
                ];
                let to = q + stride * 4 * p;
                (out_re[to], out_im[to]) = (even.0 + odd.0, even.1 + odd.1);
                for (k, ((re, im), (c, s))) in sums.into_iter().zip(roots).enumerate() {
                    let to = to + stride * (k + 1);
                    out_re[to] = re * c - im * s;
                    out_im[to] = re * s + im * c;
                }
            }
        }
    }

    #[inline(always)]
    fn stage(&mut self, radix: usize, left: usize, stride: usize) {
        let n = self.kind.length;
        let part = left / radix;
        for p in 0..part {
            for k in 0..radix {
                let to = stride * (radix * p + k);
                self.other[to..to + stride].fill(R::of(0.0));
                self.other[n + to..n + to + stride].fill(R::of(0.0));
                for j in 0..radix {
                    let (c, s) = self.root(p * k * stride + (j * k % radix) * (n / radix));
                    let from = stride * (p + part * j);
                    let (re, im) =
                        (&self.signal[from..from + stride], &self.signal[n + from..n + from + stride]);
                    let (out_re, out_im) = self.other.split_at_mut(n);
                    let (out_re, out_im) = (&mut out_re[to..to + stride], &mut out_im[to..to + stride]);
                    for q in 0..stride {
                        out_re[q] += re[q] * c - im[q] * s;
                        out_im[q] += re[q] * s + im[q] * c;
                    }
                }
            }
        }
    }
}

/// The next factor of `n` to split off.
fn factor(n: usize) -> usize {
    if n.is_multiple_of(4) {
        return 4;
    }
    let mut candidate = 2;
    while candidate * candidate <= n {
        if n.is_multiple_of(candidate) {
            return candidate;
        }
        candidate += 1;
    }
    n
}
