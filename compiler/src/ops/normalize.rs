//! Normalisations: everything that subtracts a mean and divides by a deviation.
//!
//! Specification: <https://onnx.ai/onnx/operators/>. Those over trailing axes are row maps; batch normalisation with
//! known statistics is one multiplication and one addition per channel.

mod batch;
mod local;
mod norm;
mod rows;

#[cfg(test)]
mod tests;

pub(super) use rows::{Centre, layer_norm, normalize_groups, normalize_last, simplified_layer_norm};

use super::{NodeCx, OpDef};
use crate::diag::{Code, Diagnostic};
use crate::ir::Value;
use crate::types::{DType, Dim};

type Built = Result<Vec<Value>, Diagnostic>;

/// The operators of this room.
pub static ROOM: &[OpDef] = &[
    OpDef::onnx(
        "BatchNormalization",
        &[6, 7, 9, 14, 15],
        "Scale and shift of each channel by given statistics, or by those of the batch",
        batch::batch_normalization,
    ),
    OpDef::onnx("LayerNormalization", &[17], "Normalisation over the axes from `axis` on", rows::layer_norm),
    OpDef::onnx(
        "RMSNormalization",
        &[23],
        "Division by the root mean square over the axes from `axis` on",
        rows::rms_norm,
    ),
    OpDef::onnx(
        "InstanceNormalization",
        &[6, 22],
        "Normalisation over the pixels of each channel",
        rows::instance_norm,
    ),
    OpDef::onnx(
        "GroupNormalization",
        &[18, 21],
        "Normalisation over the pixels of each group of channels",
        rows::group_norm,
    ),
    OpDef::onnx("MeanVarianceNormalization", &[9, 13], "Normalisation over any axes", norm::mean_variance),
    OpDef::onnx("LpNormalization", &[1, 22], "Division by the 1-norm or 2-norm along an axis", norm::lp),
    OpDef::onnx("LRN", &[1, 13], "Division by the energy of neighbouring channels", local::lrn),
];

/// The type that statistics are computed in.
pub(super) fn exact(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// A value with one element per channel, as it broadcasts to data with `rank` axes of which the second is the
/// channels'.
fn per_channel(cx: &mut NodeCx<'_>, value: Value, channels: &Dim, rank: usize) -> Result<Value, Diagnostic> {
    let elements = cx.ty(value).elements();
    if elements != *channels {
        let message = format!("{} has {channels} channels and a parameter {}", cx.origin.op, cx.ty(value));
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    let mut shape = vec![elements];
    shape.extend(std::iter::repeat_n(Dim::ONE, rank.saturating_sub(2)));
    cx.reshape(value, shape)
}

/// Extents of data of which the second axis is that of the channels.
fn channels_of(cx: &NodeCx<'_>, x: Value, least_rank: usize) -> Result<(Vec<Dim>, Dim), Diagnostic> {
    let shape = cx.shape(x);
    match shape.get(1) {
        Some(channels) if shape.len() >= least_rank => Ok((shape.clone(), channels.clone())),
        _ => {
            let message = format!("{} needs at least {least_rank} axes and not {}", cx.origin.op, cx.ty(x));
            Err(Diagnostic::new(Code::BadInput, message))
        }
    }
}
