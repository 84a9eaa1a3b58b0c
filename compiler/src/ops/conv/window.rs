//! Window arithmetic shared by convolutions and pooling: attributes, padding, extents, and the change of layout.

use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::lir::Arg;
use crate::ops::NodeCx;
use crate::types::Dim;

/// A window that slides over the spatial axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Extents of the window.
    pub kernel: Vec<usize>,
    /// Steps between windows.
    pub stride: Vec<usize>,
    /// Steps between taps.
    pub dilation: Vec<usize>,
    /// Padding before the first pixel of each axis.
    pub begin: Vec<Dim>,
    /// Padding after the last pixel of each axis.
    pub end: Vec<Dim>,
}

impl Window {
    /// Extent of a dilated window along `axis`.
    pub fn reach(&self, axis: usize) -> i64 {
        (self.kernel[axis] as i64 - 1).saturating_mul(self.dilation[axis] as i64).saturating_add(1)
    }

    /// Number of windows along `axis`, for an input of this extent; rounded up where `ceil` says so, but never with a
    /// window that starts in the padding at the end.
    pub fn count(&self, axis: usize, extent: &Dim, ceil: bool) -> Dim {
        let padded = &(extent + &self.begin[axis]) + &self.end[axis];
        let free = &padded - &Dim::from(self.reach(axis));
        let stride = Dim::from(self.stride[axis]);
        if !ceil {
            return &free.div_floor(&stride) + &Dim::ONE;
        }
        // A window that starts at or beyond the last pixel and its leading padding is dropped.
        let windows = &free.div_ceil(&stride) + &Dim::ONE;
        let inside = (extent + &self.begin[axis]).div_ceil(&stride);
        windows.minimum(&inside)
    }
}

/// Reads `kernel_shape`, `strides`, `dilations`, `pads` and `auto_pad`. `spatial` are the input's spatial extents,
/// `kernel` the window where a weight tensor says it.
///
/// # Errors
/// If attributes do not fit each other.
pub fn read(cx: &NodeCx<'_>, spatial: &[Dim], kernel: Option<Vec<usize>>) -> Result<Window, Diagnostic> {
    let rank = spatial.len();
    let given = positive(cx, "kernel_shape", rank)?;
    let kernel = match (kernel, given) {
        (Some(k), Some(g)) if k != g => {
            return Err(cx.attributes.bad("kernel_shape", &format!("{g:?} differs from the weights' {k:?}")));
        }
        (Some(k), _) | (None, Some(k)) => k,
        (None, None) => return Err(cx.attributes.bad("kernel_shape", "is missing")),
    };
    if kernel.len() != rank || kernel.contains(&0) {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("a window of extents {kernel:?} does not slide over {rank} spatial axes"),
        ));
    }
    let stride = positive(cx, "strides", rank)?.unwrap_or_else(|| vec![1; rank]);
    let dilation = positive(cx, "dilations", rank)?.unwrap_or_else(|| vec![1; rank]);
    let mut window =
        Window { kernel, stride, dilation, begin: vec![Dim::ZERO; rank], end: vec![Dim::ZERO; rank] };
    let pads = cx.attributes.ints("pads")?.map(<[i64]>::to_vec);
    match cx.attributes.string_or("auto_pad", "NOTSET")? {
        "NOTSET" | "" => explicit(cx, &mut window, pads)?,
        "VALID" => {}
        "SAME_UPPER" => same(&mut window, spatial, true),
        "SAME_LOWER" => same(&mut window, spatial, false),
        other => {
            let what = format!("is \"{other}\"; it can be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
            return Err(cx.attributes.bad("auto_pad", &what));
        }
    }
    Ok(window)
}

fn explicit(cx: &NodeCx<'_>, window: &mut Window, pads: Option<Vec<i64>>) -> Result<(), Diagnostic> {
    let rank = window.kernel.len();
    let pads = pads.unwrap_or_else(|| vec![0; 2 * rank]);
    if pads.len() != 2 * rank {
        return Err(cx.attributes.bad("pads", &format!("needs {} numbers, it has {}", 2 * rank, pads.len())));
    }
    if pads.iter().any(|p| *p < 0 || *p > i64::from(i32::MAX)) {
        return Err(cx.attributes.bad("pads", "may not be negative"));
    }
    window.begin = pads[..rank].iter().map(|&p| Dim::from(p)).collect();
    window.end = pads[rank..].iter().map(|&p| Dim::from(p)).collect();
    Ok(())
}

/// Padding under which the number of windows is the extent divided by the stride, rounded up.
fn same(window: &mut Window, spatial: &[Dim], odd_at_end: bool) {
    for (axis, extent) in spatial.iter().enumerate() {
        let stride = Dim::from(window.stride[axis]);
        let last = &(&extent.div_ceil(&stride) - &Dim::ONE) * &stride;
        let total = (&(&last + &Dim::from(window.reach(axis))) - extent).maximum(&Dim::ZERO);
        let half = total.div_floor(&Dim::from(2_i64));
        let rest = &total - &half;
        (window.begin[axis], window.end[axis]) = if odd_at_end { (half, rest) } else { (rest, half) };
    }
}

/// An attribute of one positive number per spatial axis.
fn positive(cx: &NodeCx<'_>, name: &str, rank: usize) -> Result<Option<Vec<usize>>, Diagnostic> {
    let Some(values) = cx.attributes.ints(name)? else { return Ok(None) };
    if values.len() != rank {
        return Err(cx.attributes.bad(name, &format!("needs {rank} numbers, it has {}", values.len())));
    }
    let positive: Option<Vec<usize>> = values
        .iter()
        .map(|&v| usize::try_from(v).ok().filter(|v| (1..=i32::MAX as usize).contains(v)))
        .collect();
    positive.map(Some).ok_or_else(|| cx.attributes.bad(name, "must be positive"))
}

/// `[N, C, spatial…]` as `[N, spatial…, C]`.
///
/// # Errors
/// Never for a value of this graph.
pub fn to_channels_last(cx: &mut NodeCx<'_>, x: Value) -> Result<Value, Diagnostic> {
    let rank = cx.rank(x);
    let mut perm: Vec<usize> = vec![0];
    perm.extend(2..rank);
    perm.push(1);
    cx.transpose(x, &perm)
}

/// `[N, spatial…, C]` as `[N, C, spatial…]`.
///
/// # Errors
/// Never for a value of this graph.
pub fn to_channels_first(cx: &mut NodeCx<'_>, x: Value) -> Result<Value, Diagnostic> {
    let rank = cx.rank(x);
    let mut perm = vec![0, rank - 1];
    perm.extend(1..rank - 1);
    cx.transpose(x, &perm)
}

/// Three sizes for a kernel that has three spatial axes; missing ones are put in front.
pub fn three(sizes: &[Dim], missing: &Dim) -> Arg {
    let mut all = vec![missing.clone(); 3 - sizes.len()];
    all.extend_from_slice(sizes);
    Arg::Array(all.into_iter().map(Arg::Size).collect())
}

/// The same for fixed sizes.
pub fn three_fixed(sizes: &[usize], missing: usize) -> [usize; 3] {
    let mut all = [missing; 3];
    all[3 - sizes.len()..].copy_from_slice(sizes);
    all
}

/// Checks that a tensor has a batch axis, a channel axis and one to three spatial axes.
///
/// # Errors
/// If it has not.
pub fn check_rank(cx: &NodeCx<'_>, x: Value) -> Result<(), Diagnostic> {
    match cx.rank(x) {
        3..=5 => Ok(()),
        rank => Err(Diagnostic::new(
            Code::UnsupportedForm,
            format!(
                "{} over {} spatial axes; one to three are supported",
                cx.origin.op,
                rank.saturating_sub(2)
            ),
        )),
    }
}
