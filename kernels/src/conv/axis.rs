//! One spatial axis of a convolution, in a form that covers transposed convolutions too.

use super::ConvShape;

/// Output `o` meets, with its tap number `j`, input `o * step + j * hop + base`; outside of the input there are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Outputs.
    pub(crate) outputs: usize,
    /// Inputs.
    pub(crate) inputs: usize,
    /// Inputs between outputs.
    pub(crate) step: usize,
    /// Taps that count.
    pub(crate) taps: usize,
    /// Inputs between taps.
    pub(crate) hop: usize,
    /// Input of the first tap of the first output.
    pub(crate) base: isize,
    /// The first tap, in the order of the weights.
    pub(crate) tap_first: usize,
    /// From a tap to the next in the order of the weights: forwards, or backwards in transposed convolutions.
    pub(crate) tap_step: isize,
    /// The first output, among all outputs of the axis.
    pub(crate) y_first: usize,
    /// From an output to the next, among all outputs of the axis.
    pub(crate) y_step: usize,
}

impl Axis {
    /// Axis `i` of a convolution.
    pub(crate) fn forward(shape: &ConvShape, i: usize) -> Self {
        Self {
            outputs: shape.output[i],
            inputs: shape.input[i],
            step: shape.stride[i],
            taps: shape.kernel[i],
            hop: shape.dilation[i],
            base: -(shape.pad_begin[i] as isize),
            tap_first: 0,
            tap_step: 1,
            y_first: 0,
            y_step: 1,
        }
    }

    /// The outputs `phase, phase + stride, …` of axis `i` of a transposed convolution.
    ///
    /// They meet every tap `t` with `t * dilation = phase + pad_begin` modulo the stride: an arithmetic sequence, taken
    /// backwards so that the inputs ascend.
    pub(crate) fn transposed(shape: &ConvShape, i: usize, phase: usize) -> Self {
        let (stride, dilation) = (shape.stride[i], shape.dilation[i]);
        let start = phase + shape.pad_begin[i];
        let meets = |&t: &usize| t * dilation % stride == start % stride;
        let mut taps = (0..shape.kernel[i]).filter(meets);
        let (first, second) = (taps.next(), taps.next());
        let count = (0..shape.kernel[i]).filter(meets).count();
        let apart = second.map_or(0, |second| second - first.unwrap_or(0));
        let last = first.unwrap_or(0) + count.saturating_sub(1) * apart;
        Self {
            outputs: shape.output[i].saturating_sub(phase).div_ceil(stride),
            inputs: shape.input[i],
            step: 1,
            taps: count,
            hop: apart * dilation / stride,
            base: (start as isize - (last * dilation) as isize) / stride as isize,
            tap_first: last,
            tap_step: -(apart as isize),
            y_first: phase,
            y_step: stride,
        }
    }

    /// Inputs from the first that `outputs` neighbouring outputs meet to the last.
    pub(crate) fn reach(&self, outputs: usize) -> usize {
        if outputs == 0 || self.taps == 0 {
            return 0;
        }
        (outputs - 1) * self.step + (self.taps - 1) * self.hop + 1
    }

    /// Whether some output meets zeros around the input.
    pub(crate) fn padded(&self) -> bool {
        let reach = self.reach(self.outputs);
        reach > 0 && (self.base < 0 || self.base as usize + reach > self.inputs)
    }

    /// The taps of output `o` that lie inside of the input.
    #[inline]
    pub(crate) fn cut(&self, o: usize) -> Cut {
        let start = (o * self.step) as isize + self.base;
        let end = start + (self.taps.saturating_sub(1) * self.hop) as isize;
        if start >= 0 && end < self.inputs as isize {
            return Cut { first: 0, taps: self.taps, input: start as usize };
        }
        let first = (-start).max(0).unsigned_abs().div_ceil(self.hop.max(1)).min(self.taps);
        let input = start + (first * self.hop) as isize;
        let room = (self.inputs as isize - input).max(0).unsigned_abs();
        let taps = room.div_ceil(self.hop.max(1)).min(self.taps - first);
        Cut { first, taps, input: if taps == 0 { 0 } else { input as usize } }
    }

    /// The outputs whose taps all lie inside of the input.
    pub(crate) fn whole(&self) -> core::ops::Range<usize> {
        let first = (-self.base).max(0).unsigned_abs().div_ceil(self.step);
        let reach = self.reach(1).max(1) as isize;
        let last = self.inputs as isize - reach - self.base;
        let end = if last < 0 { 0 } else { last.unsigned_abs() / self.step + 1 };
        first..end.min(self.outputs)
    }

    /// The number of tap `j` among all taps.
    pub(crate) fn tap(&self, j: usize) -> usize {
        self.tap_first.wrapping_add_signed(j as isize * self.tap_step)
    }
}

/// The taps of one output that lie inside of the input: neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The first.
    pub(crate) first: usize,
    /// How many.
    pub(crate) taps: usize,
    /// The input that the first meets.
    pub(crate) input: usize,
}
