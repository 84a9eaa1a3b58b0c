//! NumPy's .npy files.
//!
//! Spec: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. Little-endian and C or Fortran order;
//! bfloat16 has no descriptor of its own there and is refused.

use crate::types::{DType, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";

fn descriptor(dtype: DType) -> Option<&'static str> {
    Some(match dtype {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::F16 => "<f2",
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::U8 => "|u1",
        DType::U16 => "<u2",
        DType::U32 => "<u4",
        DType::U64 => "<u8",
        DType::Bool => "|b1",
        DType::BF16 => return None,
    })
}

/// The file's tensor.
///
/// # Errors
/// Why it cannot be read.
pub fn read(bytes: &[u8]) -> Result<Tensor, String> {
    let (header, body) = split(bytes).ok_or("not an .npy file, or its header is cut off")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    let descr = field(header, "'descr'").ok_or("its header has no 'descr'")?;
    let descr =
        descr.trim_start().trim_start_matches(['\'', '"']).split(['\'', '"']).next().unwrap_or_default();
    let dtype = DType::ALL
        .into_iter()
        .find(|&d| {
            descriptor(d)
                .is_some_and(|name| name == descr || name[1..] == *descr.trim_start_matches(['=', '|', '<']))
        })
        .ok_or_else(|| {
            format!("element type {descr:?} is not supported (little-endian numbers and bool are)")
        })?;
    let fortran = field(header, "'fortran_order'").is_some_and(|v| v.trim_start().starts_with("True"));
    let shape = field(header, "'shape'").and_then(parse_shape).ok_or("its header has no valid 'shape'")?;
    let expected =
        shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d)).ok_or("its shape is too large")?;
    let data = body
        .get(..expected)
        .ok_or_else(|| format!("it has {} bytes of data instead of {expected}", body.len()))?;
    let data = if fortran { row_major(data, &shape, dtype.size()) } else { data.to_vec() };
    Tensor::new(dtype, shape, data.into()).ok_or_else(|| "its data does not fit its shape".to_owned())
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (len, rest) = match rest.first()? {
        1 => (usize::from(u16::from_le_bytes(rest.get(2..4)?.try_into().ok()?)), &rest[4..]),
        _ => (u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?) as usize, &rest[6..]),
    };
    rest.split_at_checked(len)
}

fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let after = &header[header.find(key)? + key.len()..];
    Some(&after[after.find(':')? + 1..])
}

fn parse_shape(text: &str) -> Option<Vec<usize>> {
    let inside = text.trim_start().strip_prefix('(')?;
    let inside = &inside[..inside.find(')')?];
    inside.split(',').map(str::trim).filter(|t| !t.is_empty()).map(|t| t.parse().ok()).collect()
}

/// The elements of a column-major array in row-major order.
fn row_major(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut at = vec![0_usize; shape.len()];
    for _ in 0..data.len() / size {
        let offset = at.iter().zip(shape).rev().fold(0, |o, (&i, &extent)| o * extent + i);
        out.extend_from_slice(&data[offset * size..][..size]);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    out
}

/// The bytes of an .npy file with this tensor.
///
/// # Errors
/// If the format has no name for the element type.
pub fn write(tensor: &Tensor) -> Result<Vec<u8>, String> {
    let descr = descriptor(tensor.dtype())
        .ok_or_else(|| format!(".npy files cannot hold {} (use .pb)", tensor.dtype()))?;
    let mut shape = String::new();
    for extent in tensor.shape() {
        shape += &format!("{extent}, ");
    }
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    // Data starts at a multiple of 64; the header ends with a line feed.
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let len = u16::try_from(header.len()).map_err(|_| "the shape has too many axes")?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(len.to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend_from_slice(tensor.bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_rank_survives() {
        for dtype in DType::ALL.into_iter().filter(|&d| d != DType::BF16) {
            for shape in [vec![], vec![3], vec![2, 3], vec![0, 4]] {
                let bytes = shape.iter().product::<usize>() * dtype.size();
                let data: Vec<u8> = (0..bytes).map(|i| u8::from(i % 2 == 1)).collect();
                let tensor = Tensor::new(dtype, shape, data.into()).unwrap();
                let file = write(&tensor).unwrap();
                assert_eq!((file.len() - bytes) % 64, 0);
                assert_eq!(read(&file).unwrap(), tensor);
            }
        }
        let bf16 = Tensor::new(DType::BF16, vec![1], vec![0, 0].into()).unwrap();
        assert!(write(&bf16).is_err());
    }

    #[test]
    fn column_major_arrays_are_turned() {
        let tensor = Tensor::new(DType::U8, vec![2, 3], vec![1, 4, 2, 5, 3, 6].into()).unwrap();
        let file = write(&tensor).unwrap();
        let text = String::from_utf8_lossy(&file[10..64])
            .replace("'fortran_order': False", "'fortran_order': True ");
        let mut turned = file.clone();
        turned[10..64].copy_from_slice(text.as_bytes());
        assert_eq!(read(&turned).unwrap().bytes().as_ref(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn broken_files_are_errors() {
        let good = write(&Tensor::from_f32s(vec![2, 2], &[1.0, 2.0, 3.0, 4.0])).unwrap();
        for len in 0..good.len() {
            assert!(read(&good[..len]).is_err(), "{len}");
        }
        let huge = String::from_utf8_lossy(&good).replace("(2, 2,)", "(99999999999999999999,)");
        assert!(read(huge.as_bytes()).is_err());
    }
}
