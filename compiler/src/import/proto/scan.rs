//! A look at the wire format before decoding: is it complete, and is it of sane proportions?
//!
//! An empty message takes two bytes in the file and a hundred times as many in memory, so a small file could ask for
//! more memory than there is. The scan walks the fields that become messages or strings, counts them, and skips
//! everything else in one step; it costs nothing for weights.
//!
//! It also finds the tensors whose elements stand packed in `float_data` or `double_data`. Those bytes are the same as
//! in `raw_data`, so such a field is decoded as `raw_data` and shares the file instead of being copied element by
//! element: [`Renamed`] shows the file to the decoder with another key at these places.

use bytes::{Buf, Bytes};

/// What a length-delimited field of a message holds.
#[derive(Clone, Copy)]
enum Field {
    /// Another message.
    Message(&'static Kind),
    /// A string or a byte string that becomes an object of its own.
    Text,
}

/// The fields of a message that matter to the scan, by tag.
pub struct Kind(&'static [(u64, Field)]);

use Field::{Message, Text};

/// `ModelProto`.
pub static MODEL: Kind = Kind(&[
    (2, Text),
    (3, Text),
    (4, Text),
    (7, Message(&GRAPH)),
    (8, Message(&ENTRY)),
    (14, Message(&ENTRY)),
    (25, Message(&FUNCTION)),
]);
/// `TensorProto`.
pub static TENSOR: Kind = Kind(&[(6, Text), (8, Text), (13, Message(&ENTRY))]);
static ENTRY: Kind = Kind(&[(1, Text), (2, Text)]);
static GRAPH: Kind = Kind(&[
    (1, Message(&NODE)),
    (5, Message(&TENSOR)),
    (11, Message(&VALUE)),
    (12, Message(&VALUE)),
    (13, Message(&VALUE)),
    (14, Message(&ANNOTATION)),
    (15, Message(&SPARSE)),
]);
static ANNOTATION: Kind = Kind(&[(1, Text), (2, Message(&ENTRY))]);
static NODE: Kind = Kind(&[(1, Text), (2, Text), (3, Text), (4, Text), (5, Message(&ATTRIBUTE))]);
static ATTRIBUTE: Kind = Kind(&[
    (1, Text),
    (4, Text),
    (5, Message(&TENSOR)),
    (6, Message(&GRAPH)),
    (9, Text),
    (10, Message(&TENSOR)),
    (11, Message(&GRAPH)),
    (14, Message(&TYPE)),
    (15, Message(&TYPE)),
    (22, Message(&SPARSE)),
    (23, Message(&SPARSE)),
]);
static SPARSE: Kind = Kind(&[(1, Message(&TENSOR)), (2, Message(&TENSOR))]);
static VALUE: Kind = Kind(&[(1, Text), (2, Message(&TYPE))]);
static TYPE: Kind = Kind(&[
    (1, Message(&TENSOR_TYPE)),
    (4, Message(&ELEMENT_TYPE)),
    (5, Message(&MAP_TYPE)),
    (8, Message(&TENSOR_TYPE)),
    (9, Message(&ELEMENT_TYPE)),
]);
static TENSOR_TYPE: Kind = Kind(&[(2, Message(&SHAPE))]);
static ELEMENT_TYPE: Kind = Kind(&[(1, Message(&TYPE))]);
static MAP_TYPE: Kind = Kind(&[(2, Message(&TYPE))]);
static SHAPE: Kind = Kind(&[(1, Message(&ENTRY))]);
static FUNCTION: Kind = Kind(&[
    (4, Text),
    (5, Text),
    (6, Text),
    (7, Message(&NODE)),
    (9, Message(&ENTRY)),
    (11, Message(&ATTRIBUTE)),
    (12, Message(&VALUE)),
]);

/// Messages and strings that a file may hold. A graph of a hundred thousand nodes needs about one million.
const MAX_OBJECTS: usize = 8 << 20;
/// Depth of messages in messages; prost itself stops at the same depth.
const MAX_DEPTH: usize = 100;

/// Checks that `bytes` are the complete encoding of a message of this kind, of sane proportions. Gives the places of
/// the keys that may be read as `RAW_DATA`, ascending.
///
/// # Errors
/// What is wrong, as a clause.
pub fn check(bytes: &[u8], kind: &'static Kind) -> Result<Vec<usize>, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut scan = Scan { bytes, objects: 0, raw: Vec::new() };
    scan.message(0, bytes.len(), kind, 0)?;
    Ok(scan.raw)
}

/// The key of `TensorProto.raw_data`.
const RAW_DATA: u8 = 9 << 3 | 2;
/// The key of packed `TensorProto.float_data`, and the number of the element type that goes with it.
const FLOAT_DATA: (u8, u64) = (4 << 3 | 2, 1);
/// The same of `TensorProto.double_data`.
const DOUBLE_DATA: (u8, u64) = (10 << 3 | 2, 11);

/// The bytes of a file, but with `RAW_DATA` in some places.
pub struct Renamed {
    bytes: Bytes,
    /// How many bytes were read.
    at: usize,
    /// The places that are still ahead, the next one last.
    places: Vec<usize>,
}

impl Renamed {
    /// Reads `bytes` with `places`, ascending, renamed.
    pub fn new(bytes: Bytes, mut places: Vec<usize>) -> Renamed {
        places.reverse();
        Renamed { bytes, at: 0, places }
    }
}

impl Buf for Renamed {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.places.last() {
            Some(&place) if place == self.at => &[RAW_DATA],
            Some(&place) => &self.bytes[..place - self.at],
            None => &self.bytes,
        }
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.at += count;
        while self.places.last().is_some_and(|&place| place < self.at) {
            self.places.pop();
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        // Keys are never part of a payload.
        let bytes = self.bytes.slice(..len);
        self.advance(len);
        bytes
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    objects: usize,
    raw: Vec<usize>,
}

/// What the scan learns of a tensor's elements.
#[derive(Default)]
struct Elements {
    data_type: u64,
    /// The fields that hold packed elements or raw data: their keys and places.
    fields: Vec<(u8, usize)>,
}

impl Elements {
    /// The place of the only field with elements, if its bytes are as raw data are.
    fn raw_place(&self) -> Option<usize> {
        match self.fields[..] {
            [(key, place)] => [FLOAT_DATA, DOUBLE_DATA].contains(&(key, self.data_type)).then_some(place),
            _ => None,
        }
    }
}

impl Scan<'_> {
    fn message(
        &mut self,
        mut at: usize,
        end: usize,
        kind: &'static Kind,
        depth: usize,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("messages are nested more than {MAX_DEPTH} deep at byte {at}"));
        }
        let is_tensor = std::ptr::eq(kind, &TENSOR);
        let mut elements = Elements::default();
        while at < end {
            let start = at;
            let key = self.varint(&mut at, end)?;
            let key_len = at - start;
            let skip = match key & 7 {
                0 => {
                    let value = self.varint(&mut at, end)?;
                    if key >> 3 == 2 {
                        elements.data_type = value;
                    }
                    0
                }
                1 => 8,
                2 => self.varint(&mut at, end)?,
                5 => 4,
                // Groups (3, 4) have never been part of ONNX.
                wire => return Err(format!("byte {start} starts a field of the unknown wire type {wire}")),
            };
            let next = usize::try_from(skip).ok().and_then(|n| at.checked_add(n)).filter(|&n| n <= end);
            let Some(next) = next else {
                return Err(match end == self.bytes.len() {
                    true => format!("it ends inside the field that starts at byte {start}"),
                    false => format!("the field that starts at byte {start} is longer than its message"),
                });
            };
            if key & 7 == 2
                && let Some((_, field)) = kind.0.iter().find(|(tag, _)| *tag == key >> 3)
            {
                self.objects += 1;
                if self.objects > MAX_OBJECTS {
                    return Err(format!("it holds more than {MAX_OBJECTS} messages and strings"));
                }
                if let Message(inner) = field {
                    self.message(at, next, inner, depth + 1)?;
                }
            }
            // Two of these fields, as of elements that stand one by one, are as good as more.
            if is_tensor && matches!(key >> 3, 4 | 9 | 10) && elements.fields.len() < 2 {
                let packed = key_len == 1 && key & 7 == 2;
                elements.fields.push((if packed { self.bytes[start] } else { 0 }, start));
            }
            at = next;
        }
        if is_tensor {
            self.raw.extend(elements.raw_place());
        }
        Ok(())
    }

    fn varint(&self, at: &mut usize, end: usize) -> Result<u64, String> {
        let start = *at;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes[..end].get(*at) else {
                return Err(format!("it ends inside the number that starts at byte {start}"));
            };
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(format!("the number that starts at byte {start} has more than 64 bits"))
    }
}
