//! Values of inputs that are known when a model is compiled.

use crate::types::{DType, Scalar, Tensor};

/// The value of an input that a program is compiled for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownValue {
    /// A tensor of the input's type and shape.
    Tensor(Tensor),
    /// Elements in row-major order, which take the input's type and shape: `[1, 2]`.
    Elements(Vec<Scalar>),
}

impl KnownValue {
    /// Reads `5`, `-0.5`, `true` or `[1, 2]`.
    ///
    /// # Errors
    /// What is not a number, as a sentence.
    pub fn parse(text: &str) -> Result<KnownValue, String> {
        let text = text.trim();
        let list = match text.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(list)) => list.trim(),
            Some(None) => return Err(format!("\"{text}\" lacks a closing bracket")),
            None if text.contains(',') => return Err(format!("write several elements as [{text}]")),
            None => text,
        };
        if list.is_empty() && text.starts_with('[') {
            return Ok(KnownValue::Elements(Vec::new()));
        }
        // A comma may follow the last element.
        let list = list.strip_suffix(',').unwrap_or(list);
        list.split(',')
            .map(|element| parse_element(element.trim()))
            .collect::<Result<_, _>>()
            .map(KnownValue::Elements)
    }

    /// The value as a tensor of an input's element type and extents; `None` stands for an extent that is not fixed.
    /// Gives nothing if they do not fit.
    pub(crate) fn to_tensor(&self, dtype: DType, extents: Option<&[Option<usize>]>) -> Option<Tensor> {
        match self {
            KnownValue::Tensor(tensor) => {
                let shape = tensor.shape();
                let fits = |extents: &[Option<usize>]| {
                    extents.len() == shape.len()
                        && extents.iter().zip(shape).all(|(e, &n)| e.is_none_or(|e| e == n))
                };
                (tensor.dtype() == dtype && extents.is_none_or(fits)).then(|| tensor.clone())
            }
            KnownValue::Elements(elements) => {
                let exact = |&s: &Scalar| dtype.is_float() || s.cast(dtype).as_f64() == s.as_f64();
                let shape = shape_of(elements.len(), extents)?;
                let fits = elements.iter().all(exact);
                fits.then(|| Tensor::from_scalars(dtype, shape, elements.iter().copied()))
            }
        }
    }

    /// What it is, in messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            KnownValue::Tensor(tensor) => format!("of type {}", tensor.ty()),
            KnownValue::Elements(elements) => {
                let shown: Vec<String> = elements.iter().take(8).map(|s| s.as_f64().to_string()).collect();
                let more = if elements.len() > 8 { ", …" } else { "" };
                format!("[{}{more}]", shown.join(", "))
            }
        }
    }
}

/// The shape of `count` elements: at most one extent may be open.
fn shape_of(count: usize, extents: Option<&[Option<usize>]>) -> Option<Vec<usize>> {
    let Some(extents) = extents else { return Some(vec![count]) };
    let known = extents.iter().flatten().try_fold(1_usize, |product, &n| product.checked_mul(n))?;
    let open = extents.iter().filter(|e| e.is_none()).count();
    let rest = match open {
        0 => 1,
        1 => count.checked_div(known)?,
        _ => return None,
    };
    let shape: Vec<usize> = extents.iter().map(|e| e.unwrap_or(rest)).collect();
    (known.checked_mul(rest) == Some(count)).then_some(shape)
}

fn parse_element(text: &str) -> Result<Scalar, String> {
    if let Ok(value) = text.parse::<i64>() {
        return Ok(Scalar::Int(DType::I64, value));
    }
    if let Ok(value) = text.parse::<bool>() {
        return Ok(Scalar::Bool(value));
    }
    let float =
        text.parse::<f64>().map_err(|_| format!("\"{text}\" is neither a number nor true or false"))?;
    Ok(Scalar::Float(DType::F64, float))
}

impl From<Tensor> for KnownValue {
    fn from(tensor: Tensor) -> KnownValue {
        KnownValue::Tensor(tensor)
    }
}

macro_rules! elements {
    ($($rust:ty => $scalar:expr),*) => {$(
        impl From<$rust> for KnownValue {
            fn from(value: $rust) -> KnownValue {
                KnownValue::Elements(vec![$scalar(value)])
            }
        }

        impl From<&[$rust]> for KnownValue {
            fn from(values: &[$rust]) -> KnownValue {
                KnownValue::Elements(values.iter().map(|&value| $scalar(value)).collect())
            }
        }

        impl<const N: usize> From<[$rust; N]> for KnownValue {
            fn from(values: [$rust; N]) -> KnownValue {
                KnownValue::Elements(values.into_iter().map($scalar).collect())
            }
        }
    )*};
}

elements!(i64 => |v| Scalar::Int(DType::I64, v), f64 => |v| Scalar::Float(DType::F64, v), bool => Scalar::Bool);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_element_or_a_list() {
        let numbers = |text: &str| KnownValue::parse(text);
        assert_eq!(numbers("5"), Ok(KnownValue::from(5)));
        assert_eq!(numbers(" [ 1, -2, ] "), Ok(KnownValue::from([1, -2])));
        assert_eq!(numbers("[0.5]"), Ok(KnownValue::from([0.5])));
        assert_eq!(numbers("true"), Ok(KnownValue::from(true)));
        assert_eq!(numbers("[]"), Ok(KnownValue::Elements(Vec::new())));
        for bad in ["", "x", "[1", "1,2", "[1,,2]", "[,]"] {
            assert!(numbers(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn elements_take_type_and_shape_of_the_input() {
        let fit = |value: KnownValue, dtype, extents: &[Option<usize>]| {
            value.to_tensor(dtype, Some(extents)).map(|tensor| tensor.ty().to_string())
        };
        assert_eq!(fit(KnownValue::from(3), DType::I32, &[]).as_deref(), Some("i32[]"));
        assert_eq!(
            fit(KnownValue::from([1, 2, 3, 4]), DType::F32, &[Some(2), None]).as_deref(),
            Some("f32[2,2]")
        );
        assert_eq!(fit(KnownValue::from([1, 2, 3]), DType::F32, &[Some(2), None]), None);
        assert_eq!(fit(KnownValue::from([1, 2]), DType::I64, &[]), None);
        assert_eq!(fit(KnownValue::from([300]), DType::U8, &[Some(1)]), None);
        assert_eq!(fit(KnownValue::from([0.5]), DType::I64, &[Some(1)]), None);
        assert_eq!(fit(KnownValue::from([0.1]), DType::F16, &[Some(1)]).as_deref(), Some("f16[1]"));
        assert_eq!(fit(KnownValue::Elements(Vec::new()), DType::I64, &[None]).as_deref(), Some("i64[0]"));
    }
}
