//! The attributes that choose activations, and activations as arguments of the kernel.

use crate::diag::Diagnostic;
use crate::lir::Arg;
use crate::ops::NodeCx;
use crate::types::DType;
use ingrain_kernels::recurrent::{Activation, Direction, Kind};

/// Takes the numbers of an attribute one after another.
struct Numbers<'a>(std::slice::Iter<'a, f32>);

impl Numbers<'_> {
    fn or(&mut self, default: f32) -> f32 {
        self.0.next().copied().unwrap_or(default)
    }
}

/// The activations of all directions.
///
/// # Errors
/// If there are too few or too many, or one has no known name.
pub(super) fn of_node(
    cx: &NodeCx<'_>,
    kind: Kind,
    direction: Direction,
) -> Result<Vec<Activation>, Diagnostic> {
    let count = kind.activations();
    let mut alpha = Numbers(cx.attributes.floats("activation_alpha")?.unwrap_or_default().iter());
    let mut beta = Numbers(cx.attributes.floats("activation_beta")?.unwrap_or_default().iter());
    let default: &[&str] = match kind {
        Kind::Rnn => &["Tanh"],
        Kind::Gru { .. } | Kind::Lstm { .. } => &["Sigmoid", "Tanh", "Tanh"],
    };
    let mut names = cx.attributes.strings("activations")?.unwrap_or_default();
    if names.is_empty() {
        names = default[..count].to_vec();
    }
    // Some exporters write the activations of one direction for both.
    if names.len() == count && direction.count() == 2 {
        names.extend_from_within(..);
    }
    if names.len() != count * direction.count() {
        let expected = count * direction.count();
        return Err(cx
            .attributes
            .bad("activations", &format!("has {} elements, not {expected}", names.len())));
    }
    names
        .iter()
        .map(|name| {
            named(name, &mut alpha, &mut beta).ok_or_else(|| {
                cx.attributes.bad("activations", &format!("names \"{name}\", which is not known"))
            })
        })
        .collect()
}

/// An activation, with as many parameters as it takes.
fn named(name: &str, alpha: &mut Numbers<'_>, beta: &mut Numbers<'_>) -> Option<Activation> {
    Some(match name.to_ascii_lowercase().as_str() {
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "relu" => Activation::Relu,
        "affine" => Activation::Affine(alpha.or(1.0), beta.or(0.0)),
        "leakyrelu" => Activation::LeakyRelu(alpha.or(0.01)),
        "thresholdedrelu" => Activation::ThresholdedRelu(alpha.or(1.0)),
        "scaledtanh" => Activation::ScaledTanh(alpha.or(1.0), beta.or(1.0)),
        "hardsigmoid" => Activation::HardSigmoid(alpha.or(0.2), beta.or(0.5)),
        "elu" => Activation::Elu(alpha.or(1.0)),
        "softsign" => Activation::Softsign,
        "softplus" => Activation::Softplus,
        _ => return None,
    })
}

/// The activation as an argument.
pub(super) fn argument(activation: Activation) -> Arg {
    let numbers = |list: &[f32]| list.iter().map(|&v| Arg::Float(DType::F32, f64::from(v))).collect();
    match activation {
        Activation::Sigmoid => Arg::Path("recurrent::Activation::Sigmoid"),
        Activation::Tanh => Arg::Path("recurrent::Activation::Tanh"),
        Activation::Relu => Arg::Path("recurrent::Activation::Relu"),
        Activation::Softsign => Arg::Path("recurrent::Activation::Softsign"),
        Activation::Softplus => Arg::Path("recurrent::Activation::Softplus"),
        Activation::Affine(a, b) => Arg::Apply("recurrent::Activation::Affine", numbers(&[a, b])),
        Activation::LeakyRelu(a) => Arg::Apply("recurrent::Activation::LeakyRelu", numbers(&[a])),
        Activation::ThresholdedRelu(a) => Arg::Apply("recurrent::Activation::ThresholdedRelu", numbers(&[a])),
        Activation::ScaledTanh(a, b) => Arg::Apply("recurrent::Activation::ScaledTanh", numbers(&[a, b])),
        Activation::HardSigmoid(a, b) => Arg::Apply("recurrent::Activation::HardSigmoid", numbers(&[a, b])),
        Activation::Elu(a) => Arg::Apply("recurrent::Activation::Elu", numbers(&[a])),
    }
}
