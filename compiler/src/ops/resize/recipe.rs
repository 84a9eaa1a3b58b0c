//! From the attributes and inputs of Resize and Upsample to the core operator.

use super::{Method, Resize, ResizedAxis};
use crate::diag::{Code, Diagnostic};
use crate::expr::Unary;
use crate::ir::Value;
use crate::ops::NodeCx;
use crate::ops::shape::axis;
use crate::types::{DType, Dim, Tensor};
use ingrain_kernels::resize::{Coordinates, Interpolation, Nearest};

/// What the attributes say.
struct Asked {
    /// The axes that the lists below are about.
    axes: Vec<usize>,
    method: Method,
    /// The attribute `coordinate_transformation_mode`.
    coordinates: String,
    /// Starts and ends of the region, as fractions of each axis of `axes`.
    region: Option<Vec<f64>>,
    antialias: bool,
    exclude_outside: bool,
    extrapolation: f32,
}

/// An axis of a result: its extent, and its scale where that is given.
type Target = (Dim, Option<f64>);

/// Upsample: scales are an attribute before opset 9, an input since.
pub(super) fn build_upsample(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    let scales = if cx.opset < 9 {
        let given = cx.attributes.floats("scales")?;
        cx.attributes.required("scales", given)?.iter().map(|&s| s.into()).collect()
    } else {
        floats(cx, 1, "scales")?.unwrap_or_default()
    };
    let method = match cx.attributes.string_or("mode", "nearest")? {
        "nearest" => Method::Nearest(Nearest::Floor),
        "linear" | "bilinear" => Method::Interpolated(Interpolation::Linear),
        other => return Err(unknown(cx, "mode", other, "nearest and linear")),
    };
    let asked = Asked::plain(cx.rank(x), method);
    let targets = scaled(cx, x, &asked.axes, &scales)?;
    Ok(vec![resize(cx, x, &asked, &targets)?])
}

/// Resize.
pub(super) fn build(cx: &mut NodeCx<'_>) -> Result<Vec<Value>, Diagnostic> {
    let x = cx.input(0)?;
    if cx.opset < 11 {
        return build_10(cx, x);
    }
    let asked = Asked::read(cx, x)?;
    let policy = cx.attributes.string_or("keep_aspect_ratio_policy", "stretch")?;
    let targets = match floats(cx, 2, "scales")? {
        Some(scales) => scaled(cx, x, &asked.axes, &scales)?,
        None => {
            let sizes = cx.dims_input(3, "sizes")?;
            sized(cx, x, &asked.axes, sizes, policy)?
        }
    };
    Ok(vec![resize(cx, x, &asked, &targets)?])
}

/// The first Resize, which knew scales only: positions are `j / scale`, cut off where the tensor grows and rounded up
/// where it shrinks.
fn build_10(cx: &mut NodeCx<'_>, x: Value) -> Result<Vec<Value>, Diagnostic> {
    let scales = floats(cx, 1, "scales")?.unwrap_or_default();
    let shrinks = scales.iter().any(|&s| s < 1.0);
    let method = match cx.attributes.string_or("mode", "nearest")? {
        "nearest" => Method::Nearest(if shrinks { Nearest::Ceil } else { Nearest::Floor }),
        "linear" => Method::Interpolated(Interpolation::Linear),
        other => return Err(unknown(cx, "mode", other, "nearest and linear")),
    };
    let asked = Asked::plain(cx.rank(x), method);
    let targets = scaled(cx, x, &asked.axes, &scales)?;
    Ok(vec![resize(cx, x, &asked, &targets)?])
}

impl Asked {
    fn plain(rank: usize, method: Method) -> Asked {
        Asked {
            axes: (0..rank).collect(),
            method,
            coordinates: "asymmetric".to_owned(),
            region: None,
            antialias: false,
            exclude_outside: false,
            extrapolation: 0.0,
        }
    }

    fn read(cx: &NodeCx<'_>, x: Value) -> Result<Asked, Diagnostic> {
        let rank = cx.rank(x);
        let axes = match cx.attributes.ints("axes")? {
            Some(list) => list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).collect(),
        };
        let rounding = match cx.attributes.string_or("nearest_mode", "round_prefer_floor")? {
            "round_prefer_floor" => Nearest::RoundPreferFloor,
            "round_prefer_ceil" => Nearest::RoundPreferCeil,
            "floor" => Nearest::Floor,
            "ceil" => Nearest::Ceil,
            other => {
                let known = "round_prefer_floor, round_prefer_ceil, floor and ceil";
                return Err(unknown(cx, "nearest_mode", other, known));
            }
        };
        let cubic = cx.attributes.float_or("cubic_coeff_a", -0.75)?;
        let method = match cx.attributes.string_or("mode", "nearest")? {
            "nearest" => Method::Nearest(rounding),
            "linear" => Method::Interpolated(Interpolation::Linear),
            "cubic" => Method::Interpolated(Interpolation::Cubic(cubic.into())),
            other => return Err(unknown(cx, "mode", other, "nearest, linear and cubic")),
        };
        let coordinates = cx.attributes.string_or("coordinate_transformation_mode", "half_pixel")?;
        let region = if coordinates == "tf_crop_and_resize" { floats(cx, 1, "roi")? } else { None };
        if region.as_ref().is_some_and(|r| r.len() != 2 * axes.len()) {
            return Err(Diagnostic::new(Code::BadInput, "`roi` needs a start and an end for each axis"));
        }
        Ok(Asked {
            axes,
            method,
            coordinates: coordinates.to_owned(),
            region,
            antialias: cx.attributes.bool_or("antialias", false)? && !matches!(method, Method::Nearest(_)),
            exclude_outside: cx.attributes.bool_or("exclude_outside", false)?,
            extrapolation: cx.attributes.float_or("extrapolation_value", 0.0)?,
        })
    }

    /// How positions on axis `i` of `axes` correspond.
    fn coordinates(&self, cx: &NodeCx<'_>, i: usize) -> Result<Coordinates, Diagnostic> {
        Ok(match &*self.coordinates {
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNn,
            "tf_crop_and_resize" => match &self.region {
                Some(region) => {
                    Coordinates::TfCropAndResize { start: region[i], end: region[self.axes.len() + i] }
                }
                None => Coordinates::TfCropAndResize { start: 0.0, end: 1.0 },
            },
            other => {
                let known = "half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, \
                             tf_half_pixel_for_nn and tf_crop_and_resize";
                return Err(unknown(cx, "coordinate_transformation_mode", other, known));
            }
        })
    }
}

fn unknown(cx: &NodeCx<'_>, name: &str, value: &str, known: &str) -> Diagnostic {
    cx.attributes.bad(name, &format!("is \"{value}\"; {known} are known"))
}

/// The constant floats of input `i`; `None` if it is left out or empty, which means the same here.
fn floats(cx: &NodeCx<'_>, i: usize, what: &str) -> Result<Option<Vec<f64>>, Diagnostic> {
    if cx.optional(i).is_none_or(|v| cx.ty(v).elements().is(0)) {
        return Ok(None);
    }
    let tensor: Tensor = cx.constant_input(i, what)?;
    Ok(Some(tensor.scalars().map(|s| s.as_f64()).collect()))
}

/// The targets that scales lead to.
fn scaled(cx: &NodeCx<'_>, x: Value, axes: &[usize], scales: &[f64]) -> Result<Vec<Target>, Diagnostic> {
    if scales.len() != axes.len() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`scales` has {} elements for {} axes", scales.len(), axes.len()),
        ));
    }
    let shape = cx.shape(x);
    let target = |(&axis, &scale): (&usize, &f64)| {
        if !(scale > 0.0 && scale.is_finite()) {
            return Err(Diagnostic::new(Code::BadInput, format!("`scales` holds {scale}")));
        }
        let extent = scaled_extent(&shape[axis], scale).ok_or_else(|| {
            Diagnostic::new(
                Code::NotConstant,
                format!("the dimension {} scaled by {scale} cannot be expressed", shape[axis]),
            )
            .help("fix the symbolic dimension, or use a scale that is a simple fraction")
        })?;
        Ok((extent, Some(scale)))
    };
    axes.iter().zip(scales).map(target).collect()
}

/// `floor(extent * scale)`.
fn scaled_extent(extent: &Dim, scale: f64) -> Option<Dim> {
    if let Some(n) = extent.as_i64() {
        let product = n as f64 * scale;
        return (product < (1_i64 << 46) as f64).then(|| Dim::from(product as i64));
    }
    let divisor = (1..=64_i64).find(|&q| (scale * q as f64).fract() == 0.0)?;
    let factor = scale * divisor as f64;
    (factor < f64::from(1 << 24)).then(|| (extent * &Dim::from(factor as i64)).div_floor(&Dim::from(divisor)))
}

/// The targets that sizes lead to.
fn sized(
    cx: &NodeCx<'_>,
    x: Value,
    axes: &[usize],
    sizes: Vec<Dim>,
    policy: &str,
) -> Result<Vec<Target>, Diagnostic> {
    let shape = cx.shape(x);
    if sizes.len() != axes.len() {
        return Err(Diagnostic::new(
            Code::BadInput,
            format!("`sizes` has {} elements for {} axes", sizes.len(), axes.len()),
        ));
    }
    if policy == "stretch" {
        return Ok(sizes.into_iter().map(|size| (size, None)).collect());
    }
    let scales: Option<Vec<f64>> = axes
        .iter()
        .zip(&sizes)
        .map(|(&a, size)| Some(size.as_i64()? as f64 / shape[a].as_i64().filter(|&n| n > 0)? as f64))
        .collect();
    let Some(scales) = scales else {
        return Err(Diagnostic::new(
            Code::NotConstant,
            format!("`keep_aspect_ratio_policy` \"{policy}\" needs sizes that are known at compile time"),
        )
        .help("fix the symbolic dimensions"));
    };
    let scale = match policy {
        "not_larger" => scales.iter().copied().fold(f64::INFINITY, f64::min),
        "not_smaller" => scales.iter().copied().fold(0.0, f64::max),
        other => {
            let known = "stretch, not_larger and not_smaller";
            return Err(unknown(cx, "keep_aspect_ratio_policy", other, known));
        }
    };
    let target = |&a: &usize| {
        let n = shape[a].as_i64().unwrap_or(0);
        (Dim::from((scale * n as f64 + 0.5) as i64), Some(scale))
    };
    Ok(axes.iter().map(target).collect())
}

fn resize(cx: &mut NodeCx<'_>, x: Value, asked: &Asked, targets: &[Target]) -> Result<Value, Diagnostic> {
    let shape = cx.shape(x);
    let mut axes: Vec<Option<ResizedAxis>> = vec![None; shape.len()];
    for (i, (&a, (extent, scale))) in asked.axes.iter().zip(targets).enumerate() {
        let coordinates = asked.coordinates(cx, i)?;
        let whole = match coordinates {
            Coordinates::TfCropAndResize { start, end } => start == 0.0 && end == 1.0,
            _ => true,
        };
        let stays = *extent == shape[a] && whole && scale.is_none_or(|s| s == 1.0);
        if !stays {
            axes[a] = Some(ResizedAxis { extent: extent.clone(), scale: *scale, coordinates });
        }
    }
    if axes.iter().all(Option::is_none) {
        return Ok(x);
    }
    let op = Resize {
        axes,
        method: asked.method,
        antialias: asked.antialias,
        exclude_outside: asked.exclude_outside,
        extrapolation: asked.extrapolation,
    };
    if matches!(asked.method, Method::Nearest(_)) {
        return cx.add(op, &[x]);
    }
    // Sums are computed in f32, whatever the element type, and rounded for integers.
    let dtype = cx.dtype(x);
    let x = cx.cast(x, DType::F32)?;
    let y = cx.add(op, &[x])?;
    if dtype.is_float() {
        return cx.cast(y, dtype);
    }
    cx.map(&[y], |e, v| {
        let rounded = e.unary(Unary::Round, v[0]);
        e.cast(rounded, dtype)
    })
}
