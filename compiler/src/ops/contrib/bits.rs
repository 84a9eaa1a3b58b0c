//! Products with weights of a few bits: several elements share a byte, and blocks along the depth share a scale.
//!
//! The bytes are stored as the model has them; each run unpacks them.

use super::{Built, microsoft};
use crate::diag::{Code, Diagnostic};
use crate::expr::Binary;
use crate::ir::Value;
use crate::ops::elements::Elements::Floats;
use crate::ops::{NodeCx, OpDef};
use crate::types::{DType, Dim};

/// The operators of this file.
pub static ROOM: &[OpDef] = &[microsoft(
    "MatMulNBits",
    "Product with a matrix of 2, 4 or 8 bits an element, with a scale for each block of its depth",
    matmul,
)];

/// Inputs are A `[.., k]`, B `[n, blocks, bytes]`, scales `[n, blocks]`, zero points of the type of A or packed like B,
/// and a bias; zero points are half of the range where they are left out.
fn matmul(cx: &mut NodeCx<'_>) -> Built {
    let (a, b, scales) = (cx.input(0)?, cx.input(1)?, cx.input(2)?);
    let dtype = cx.one_of(a, Floats)?;
    let bits = cx.attributes.int_or("bits", 4)?;
    let _ = cx.attributes.int_or("accuracy_level", 0)?;
    if cx.attributes.bool_or("weight_prepacked", false)? {
        return Err(cx.unsupported("MatMulNBits of weights that are packed for another engine"));
    }
    if ![2, 4, 8].contains(&bits) {
        return Err(cx.attributes.bad("bits", &format!("is {bits} and not 2, 4 or 8")));
    }
    if cx.optional(4).is_some() {
        return Err(cx.unsupported("MatMulNBits with `g_idx`"));
    }
    let [k, n, block] = ["K", "N", "block_size"].map(|name| {
        let given = cx.attributes.int(name)?;
        let size = cx.attributes.required(name, given)?;
        if size > 0 { Ok(Dim::from(size)) } else { Err(cx.attributes.bad(name, "is not positive")) }
    });
    let (k, n, block) = (k?, n?, block?);
    let blocks = k.div_ceil(&block);
    let elements = unpacked(cx, b, &[n.clone(), blocks.clone(), block.clone()], bits)?;
    let along = vec![n.clone(), blocks.clone(), Dim::ONE];
    let scales = cx.reshape(scales, along.clone())?;
    let zero = match cx.optional(3) {
        Some(zero) if cx.dtype(zero).is_float() => cx.cast(zero, DType::F32)?,
        Some(zero) => {
            let zero = unpacked(cx, zero, &[n.clone(), blocks.clone()], bits)?;
            cx.cast(zero, DType::F32)?
        }
        None => cx.scalar(DType::F32, f64::from(1_u32 << (bits - 1))),
    };
    let zero = if cx.rank(zero) == 0 { zero } else { cx.reshape(zero, along)? };
    let weights = cx.map(&[elements, scales, zero], |e, v| {
        let [x, scale, zero] = [v[0], v[1], v[2]].map(|v| e.cast(v, DType::F32));
        let centred = e.sub(x, zero);
        let weight = e.mul(centred, scale);
        e.cast(weight, dtype)
    })?;
    let weights = cx.reshape(weights, vec![n, &blocks * &block])?;
    let weights = cx.slice(weights, 1, Dim::ZERO, k)?;
    let mut y = cx.product(a, weights, true)?;
    if let Some(bias) = cx.optional(5) {
        y = cx.map(&[y, bias], |e, v| e.add(v[0], v[1]))?;
    }
    Ok(vec![y])
}

/// Elements of `bits` bits as bytes of the given shape. Rows of the last axis are padded to whole bytes; the first element
/// of a byte is in its low bits.
fn unpacked(cx: &mut NodeCx<'_>, packed: Value, shape: &[Dim], bits: i64) -> Result<Value, Diagnostic> {
    let per_byte = Dim::from(8 / bits);
    let (leading, row) = shape.split_at(shape.len() - 1);
    let bytes = row[0].div_ceil(&per_byte);
    let mut space = leading.to_vec();
    space.push(bytes.clone());
    let given = cx.ty(packed);
    if given.dtype != DType::U8 || given.elements() != Dim::product(&space) {
        let message = format!("{given} does not hold elements of {bits} bits of shape {shape:?}");
        return Err(Diagnostic::new(Code::BadInput, message));
    }
    if bits == 8 {
        return cx.reshape(packed, space);
    }
    space.push(Dim::ONE);
    let packed = cx.reshape(packed, space.clone())?;
    let last = space.len() - 1;
    space[last] = per_byte.clone();
    let elements = cx.map_over(space, 0, false, &[packed], |e, v| {
        let (byte, lane) = (e.cast(v[0], DType::U8), e.index(last));
        let bits_of = e.number(lane, bits as f64);
        let shift = e.mul(lane, bits_of);
        let shift = e.cast(shift, DType::U8);
        let low = e.binary(Binary::ShiftRight, byte, shift);
        let mask = e.number(low, f64::from((1_u32 << bits) - 1));
        e.binary(Binary::And, low, mask)
    })?;
    let mut padded = leading.to_vec();
    padded.push(&bytes * &per_byte);
    let flat = cx.reshape(elements, padded)?;
    cx.slice(flat, leading.len(), Dim::ZERO, row[0].clone())
}
