//! Which kernel computes a convolution, and how its weights are packed.

use super::window::{Window, three, three_fixed};
use crate::diag::Reported;
use crate::lir::{Arg, Packing, Place};
use crate::lower::{LowerCx, epilogue};
use crate::ops::map::packed_weights;
use crate::types::{DType, Dim, TensorType};
use ingrain_kernels::conv::{
    ConvShape, conv_scratch, conv_scratch_most, conv_transpose_scratch, conv_transpose_scratch_most,
};

/// Which way the window runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// A window of inputs makes an output.
    Forward,
    /// An input spreads over a window of outputs.
    Transposed,
}

/// Adds the steps of a convolution.
///
/// # Errors
/// If the element type has no convolution.
pub(super) fn lower(
    cx: &mut LowerCx<'_>,
    window: &Window,
    groups: usize,
    direction: Direction,
) -> Result<(), Reported> {
    let dtype = cx.output_type(0).dtype;
    if dtype == DType::Bool {
        return Err(cx.unsupported("a convolution of truth values"));
    }
    let (x_ty, y_ty, w_ty) = (cx.input_type(0), cx.output_type(0), cx.input_type(1));
    let rank = x_ty.rank();
    let packing = packing(&[x_ty, w_ty], window, groups, direction);
    let (x, x_stride) = pixels(cx);
    let shape = shape_argument(cx, window, groups);
    let macs = macs(cx, direction);
    let depthwise = matches!(packing, Packing::Depthwise { .. });
    let packed = packed_weights(cx, 1, packing);
    // What is packed at run time is packed in panels.
    let depthwise = depthwise && packed.is_some();
    let weights = match packed {
        Some(weights) => weights,
        None => pack_at_run_time(cx, &shape, direction),
    };
    let epilogue = (dtype == DType::F32).then(|| epilogue::argument(cx, Some("y")));
    let output = cx.output(0);
    let (y, y_stride) = match output.pixel_stride() {
        Some(stride) => (output.span(), stride),
        None => (cx.dense_output(0), y_ty.shape[rank - 1].clone()),
    };
    let mut args = vec![
        Arg::Ref(Box::new(shape)),
        Arg::Read("x", x),
        Arg::Size(x_stride),
        Arg::Read("weights", weights),
    ];
    let output = [Arg::Write("y", y), Arg::Size(y_stride)];
    let Some(epilogue) = epilogue else {
        args.push(Arg::None);
        args.extend(output);
        let kernel = match direction {
            Direction::Forward => "conv::conv_generic",
            Direction::Transposed => "conv::conv_transpose_generic",
        };
        cx.generic_call(kernel, vec![dtype], args, macs);
        return Ok(());
    };
    args.extend(output);
    if !depthwise {
        args.push(Arg::Write("scratch", scratch(cx, window, groups, direction)));
    }
    args.push(epilogue);
    let kernel = match direction {
        Direction::Forward if depthwise => "conv::depthwise_f32",
        Direction::Forward => "conv::conv_f32",
        Direction::Transposed => "conv::conv_transpose_f32",
    };
    cx.call(kernel, args, macs);
    Ok(())
}

/// The layout that constant weights should have, by the types of the input and of the weights.
pub(super) fn packing(
    inputs: &[&TensorType],
    window: &Window,
    groups: usize,
    direction: Direction,
) -> Packing {
    let (x, w) = (inputs[0], inputs[1]);
    let fixed = |d: Option<&Dim>| d.and_then(Dim::as_usize).unwrap_or(0);
    let (channels, kernel) = (fixed(x.shape.last()), three_fixed(&window.kernel, 1));
    let (first, second) = (fixed(w.shape.first()), fixed(w.shape.get(1)));
    match direction {
        Direction::Forward if x.dtype == DType::F32 && groups > 1 && [groups, first] == [channels; 2] => {
            Packing::Depthwise { channels, taps: kernel.iter().product() }
        }
        Direction::Forward => Packing::ConvPanels { filters: first, group_channels: second, kernel, groups },
        Direction::Transposed => {
            Packing::ConvTransposePanels { channels, group_filters: second, kernel, groups }
        }
    }
}

/// Weights that are computed at run time are packed at run time.
fn pack_at_run_time(cx: &mut LowerCx<'_>, shape: &Arg, direction: Direction) -> Place {
    let ty = cx.input_type(1);
    let from = cx.dense(1);
    let to = cx.scratch(ty.dtype, ty.elements());
    let kernel = match direction {
        Direction::Forward => "conv::pack::pack_conv_at_run_time",
        Direction::Transposed => "conv::pack::pack_conv_transpose_at_run_time",
    };
    let args =
        vec![Arg::Ref(Box::new(shape.clone())), Arg::Read("weights", from), Arg::Write("packed", to.clone())];
    cx.generic_call(kernel, vec![ty.dtype], args, Dim::ZERO);
    to
}

/// The input's pixels and the distance between them.
fn pixels(cx: &mut LowerCx<'_>) -> (Place, Dim) {
    let view = cx.input(0);
    match view.pixel_stride() {
        Some(stride) => (view.span(), stride),
        None => (cx.dense(0), view.shape[view.shape.len() - 1].clone()),
    }
}

fn shape_argument(cx: &LowerCx<'_>, window: &Window, groups: usize) -> Arg {
    let (x, y) = (&cx.input_type(0).shape, &cx.output_type(0).shape);
    let last = x.len() - 1;
    let fixed = |sizes: [usize; 3]| Arg::Array(sizes.into_iter().map(|s| Arg::Size(Dim::from(s))).collect());
    Arg::Struct(
        "conv::ConvShape",
        vec![
            ("batch", Arg::Size(x[0].clone())),
            ("input", three(&x[1..last], &Dim::ONE)),
            ("output", three(&y[1..last], &Dim::ONE)),
            ("kernel", fixed(three_fixed(&window.kernel, 1))),
            ("stride", fixed(three_fixed(&window.stride, 1))),
            ("dilation", fixed(three_fixed(&window.dilation, 1))),
            ("pad_begin", three(&window.begin, &Dim::ZERO)),
            ("channels", Arg::Size(x[last].clone())),
            ("filters", Arg::Size(y[last].clone())),
            ("groups", Arg::Size(Dim::from(groups))),
        ],
    )
}

/// Scratch of the kernel, enough for all extents that there may be.
fn scratch(cx: &mut LowerCx<'_>, window: &Window, groups: usize, direction: Direction) -> Place {
    let largest = |d: &Dim| d.range(&cx.graph.symbols).map_or(0, |r| usize::try_from(r.hi).unwrap_or(0));
    let (x, y) = (&cx.input_type(0).shape, &cx.output_type(0).shape);
    let last = x.len() - 1;
    let sizes =
        |dims: &[Dim], missing: usize| three_fixed(&dims.iter().map(largest).collect::<Vec<_>>(), missing);
    let shape = ConvShape {
        batch: largest(&x[0]),
        input: sizes(&x[1..last], 1),
        output: sizes(&y[1..last], 1),
        kernel: three_fixed(&window.kernel, 1),
        stride: three_fixed(&window.stride, 1),
        dilation: three_fixed(&window.dilation, 1),
        pad_begin: sizes(&window.begin, 0),
        channels: largest(&x[last]),
        filters: largest(&y[last]),
        groups,
    };
    let fixed = x.iter().chain(y).chain(&window.begin).all(|d| d.as_i64().is_some());
    let padded = window.begin.iter().chain(&window.end).any(|d| !d.is(0));
    let floats = match direction {
        Direction::Forward if fixed => conv_scratch(&shape),
        Direction::Forward => conv_scratch_most(&shape, padded),
        Direction::Transposed if fixed => conv_transpose_scratch(&shape),
        Direction::Transposed => conv_transpose_scratch_most(&shape),
    };
    cx.scratch(DType::F32, Dim::from(floats))
}

fn macs(cx: &LowerCx<'_>, direction: Direction) -> Dim {
    let w = cx.input_type(1).elements();
    let (x, y) = (&cx.input_type(0).shape, &cx.output_type(0).shape);
    let last = x.len() - 1;
    // Every weight meets every pixel of the side that the window is anchored to.
    let anchors = match direction {
        Direction::Forward => Dim::product(&y[..last]),
        Direction::Transposed => Dim::product(&x[..last]),
    };
    &anchors * &w
}
