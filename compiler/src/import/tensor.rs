//! Tensors from and to their messages, in every encoding that ONNX knows.
//!
//! Raw and external data stay where they are: the tensor shares the bytes of the file. Elements in typed fields are
//! converted once, in place, by [`settle`], so that they do not stay in memory twice.

use super::external::ExternalFiles;
use super::proto::{self, SparseTensorProto, TensorProto};
use crate::diag::{Code, Diagnostic};
use crate::options::ExternalData;
use crate::types::{DType, Tensor};
use bytes::Bytes;

/// Largest dense form of a sparse tensor, in bytes. A few bytes of indices could ask for any size.
const MAX_DENSE: usize = 1 << 31;

/// The constant that `proto` describes.
///
/// # Errors
/// [`Code::UnsupportedType`] for an element type that no [`DType`] stands for, [`Code::BadExternalData`],
/// [`Code::TooLarge`], and [`Code::BadModel`] where data and shape do not fit.
pub fn read_tensor(proto: &TensorProto, files: &ExternalFiles<'_>) -> Result<Tensor, Diagnostic> {
    let what = describe(proto.name.as_deref());
    let code = proto.data_type.unwrap_or(0);
    let Some(dtype) = DType::from_onnx(code) else {
        return Err(Diagnostic::new(
            Code::UnsupportedType,
            format!("{what} has elements of the unsupported type {}", DType::onnx_name(code)),
        ));
    };
    if proto.segment.is_some() {
        return Err(bad(format!("{what} is stored in segments")).help("store each tensor as a whole"));
    }
    let (shape, bytes) = read_shape(&what, &proto.dims, dtype)?;
    let data = match proto.data_location.unwrap_or(0) {
        0 => inline_data(&what, proto, dtype, bytes)?,
        1 => files.slice(&proto.external_data, bytes).map_err(|d| d.note(format!("it is {what}")))?,
        other => return Err(bad(format!("{what} has its data at the unknown location {other}"))),
    };
    let data = if dtype == DType::Bool { truth_values(data) } else { data };
    Tensor::new(dtype, shape, data)
        .ok_or_else(|| bad(format!("{what} has more or fewer data than its shape")))
}

/// The dense form of a sparse constant.
///
/// # Errors
/// As [`read_tensor`]; [`Code::BadModel`] for indices that are out of range or not ascending.
pub fn read_sparse(proto: &SparseTensorProto, files: &ExternalFiles<'_>) -> Result<Tensor, Diagnostic> {
    let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
        return Err(bad("a sparse tensor without values or indices".to_owned()));
    };
    let what = format!("sparse {}", describe(values.name.as_deref()));
    let (values, indices) = (read_tensor(values, files)?, read_tensor(indices, files)?);
    let (shape, bytes) = read_shape(&what, &proto.dims, values.dtype())?;
    if bytes > MAX_DENSE {
        return Err(Diagnostic::new(Code::TooLarge, format!("{what} takes {bytes} bytes in dense form")));
    }
    let (count, rank) = (values.len(), shape.len());
    let linear = indices.shape() == [count];
    if indices.dtype() != DType::I64 || !(linear || indices.shape() == [count, rank]) {
        return Err(bad(format!(
            "{what} has {count} values, its indices are {} and not i64[{count}] or i64[{count},{rank}]",
            indices.ty()
        )));
    }
    let size = values.dtype().size();
    let elements = bytes / size;
    let mut data = vec![0_u8; bytes];
    let indices = indices.to_i64s();
    let mut next = 0;
    for (i, value) in values.bytes().chunks_exact(size).enumerate() {
        let at = match linear {
            true => usize::try_from(indices[i]).ok().filter(|&at| at < elements),
            false => position(&indices[i * rank..][..rank], &shape),
        };
        let Some(at) = at.filter(|&at| at >= next) else {
            return Err(bad(format!("index {i} of {what} is out of range or not in ascending order")));
        };
        next = at + 1;
        data[at * size..][..size].copy_from_slice(value);
    }
    Tensor::new(values.dtype(), shape, data.into())
        .ok_or_else(|| bad(format!("{what} does not fit its shape")))
}

/// The name and contents of a file that holds one tensor, as in test data.
///
/// # Errors
/// As [`read_tensor`], and [`Code::BadFile`].
pub fn read_tensor_file(bytes: Bytes) -> Result<(String, Tensor), Diagnostic> {
    struct Nowhere;
    impl ExternalData for Nowhere {
        fn read(&self, location: &str) -> Result<Bytes, String> {
            Err(format!("a tensor that stands alone cannot refer to \"{location}\""))
        }
    }
    let mut proto = proto::decode_tensor(bytes)?;
    let name = proto.name.take().unwrap_or_default();
    Ok((name, read_tensor(&proto, &ExternalFiles::new(&Nowhere))?))
}

/// The message that describes `tensor`; it shares the tensor's bytes.
pub fn write_tensor(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: tensor.shape().iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX)).collect(),
        data_type: Some(onnx_code(tensor.dtype())),
        raw_data: Some(tensor.bytes().clone()),
        ..TensorProto::default()
    }
}

/// Moves the elements of a tensor from the typed fields into `raw_data` if that is possible.
pub fn settle(proto: &mut TensorProto) {
    if proto.raw_data.is_some() || proto.data_location.unwrap_or(0) != 0 {
        return;
    }
    let Some(dtype) = DType::from_onnx(proto.data_type.unwrap_or(0)) else { return };
    let Ok((_, bytes)) = read_shape("", &proto.dims, dtype) else { return };
    if let Ok(data) = inline_data("", proto, dtype, bytes) {
        proto.float_data = Vec::new();
        proto.double_data = Vec::new();
        proto.int32_data = Vec::new();
        proto.int64_data = Vec::new();
        proto.uint64_data = Vec::new();
        proto.raw_data = Some(data);
    }
}

/// The `TensorProto.DataType` number of `dtype`.
fn onnx_code(dtype: DType) -> i32 {
    (1..32).find(|&code| DType::from_onnx(code) == Some(dtype)).unwrap_or(0)
}

fn bad(message: String) -> Diagnostic {
    Diagnostic::new(Code::BadModel, message)
}

fn describe(name: Option<&str>) -> String {
    match name {
        None | Some("") => "an unnamed tensor".to_owned(),
        Some(name) => format!("tensor \"{name}\""),
    }
}

/// The extents and the number of bytes of all elements.
fn read_shape(what: &str, dims: &[i64], dtype: DType) -> Result<(Vec<usize>, usize), Diagnostic> {
    let mut shape = Vec::with_capacity(dims.len());
    for &dim in dims {
        shape.push(usize::try_from(dim).map_err(|_| bad(format!("{what} has the extent {dim}")))?);
    }
    // Extents of zero count as one here, so that strides are within bounds too.
    let bound = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d.max(1)));
    match bound.filter(|&n| isize::try_from(n).is_ok()) {
        Some(_) => {
            let bytes = shape.iter().product::<usize>() * dtype.size();
            Ok((shape, bytes))
        }
        None => Err(Diagnostic::new(Code::TooLarge, format!("{what} of shape {dims:?} exceeds the memory"))),
    }
}

/// Where the element with these coordinates stands in row-major order.
fn position(coordinates: &[i64], shape: &[usize]) -> Option<usize> {
    coordinates.iter().zip(shape).try_fold(0, |at: usize, (&c, &extent)| {
        let c = usize::try_from(c).ok().filter(|&c| c < extent)?;
        at.checked_mul(extent)?.checked_add(c)
    })
}

/// The elements as bytes, from whichever field holds them.
fn inline_data(what: &str, proto: &TensorProto, dtype: DType, bytes: usize) -> Result<Bytes, Diagnostic> {
    if let Some(raw) = &proto.raw_data {
        return match raw.len() == bytes {
            true => Ok(raw.clone()),
            false => Err(bad(format!("{what} has {} bytes of raw data instead of {bytes}", raw.len()))),
        };
    }
    let (field, found, data) = match dtype {
        DType::F32 => ("float_data", proto.float_data.len(), flat(&proto.float_data, |v| v.to_le_bytes())),
        DType::F64 => ("double_data", proto.double_data.len(), flat(&proto.double_data, |v| v.to_le_bytes())),
        DType::I64 => ("int64_data", proto.int64_data.len(), flat(&proto.int64_data, |v| v.to_le_bytes())),
        DType::U64 => ("uint64_data", proto.uint64_data.len(), flat(&proto.uint64_data, |v| v.to_le_bytes())),
        DType::U32 => {
            ("uint64_data", proto.uint64_data.len(), flat(&proto.uint64_data, |v| (v as u32).to_le_bytes()))
        }
        DType::I32 => ("int32_data", proto.int32_data.len(), flat(&proto.int32_data, |v| v.to_le_bytes())),
        DType::F16 | DType::BF16 | DType::I16 | DType::U16 => {
            ("int32_data", proto.int32_data.len(), flat(&proto.int32_data, |v| (v as u16).to_le_bytes()))
        }
        DType::I8 | DType::U8 => {
            ("int32_data", proto.int32_data.len(), flat(&proto.int32_data, |v| [v as u8]))
        }
        DType::Bool => {
            ("int32_data", proto.int32_data.len(), flat(&proto.int32_data, |v| [u8::from(v != 0)]))
        }
    };
    if data.len() != bytes {
        let expected = bytes / dtype.size();
        return Err(bad(format!("{what} has {found} elements in {field} instead of {expected}")));
    }
    Ok(data)
}

fn flat<T: Copy, const N: usize>(elements: &[T], bytes: impl Fn(T) -> [u8; N]) -> Bytes {
    let mut data = Vec::with_capacity(elements.len() * N);
    for &element in elements {
        data.extend_from_slice(&bytes(element));
    }
    data.into()
}

/// Truth values as 0 and 1, which is what generated code relies on.
fn truth_values(data: Bytes) -> Bytes {
    if data.iter().all(|&b| b <= 1) {
        return data;
    }
    data.iter().map(|&b| u8::from(b != 0)).collect()
}

#[cfg(test)]
mod tests;
