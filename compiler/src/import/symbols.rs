//! Symbolic dimensions: what a file calls them, and whether the options give each of them a size.

use super::raw::{RawDim, RawGraph, RawType};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::options::Options;
use std::collections::{BTreeMap, BTreeSet};

/// The symbolic dimensions of inputs by name, each with the inputs and axes that it is at.
pub(super) fn of_inputs(raw: &RawGraph) -> BTreeMap<String, Vec<(&str, usize)>> {
    let mut places = BTreeMap::<_, Vec<_>>::new();
    for input in &raw.inputs {
        let Some(RawType::Tensor { dims: Some(dims), .. }) = &input.ty else { continue };
        for (axis, dim) in dims.iter().enumerate() {
            if let Some(name) = name(dim, &input.name, axis) {
                places.entry(name).or_default().push((input.name.as_str(), axis));
            }
        }
    }
    places
}

/// The names of dimensions that the file gives to values that are not inputs.
pub(super) fn declared(raw: &RawGraph) -> BTreeSet<&str> {
    let types = raw.value_info.values().chain(raw.outputs.iter().filter_map(|o| o.ty.as_ref()));
    let mut names: BTreeSet<&str> = types.flat_map(RawType::params).collect();
    for inner in raw.nodes.iter().flat_map(|n| n.attributes.values()).flat_map(|a| a.graphs()) {
        names.extend(declared(inner));
    }
    names
}

/// The symbol that an extent is, unless it is a number.
pub(super) fn name(dim: &RawDim, input: &str, axis: usize) -> Option<String> {
    match dim {
        RawDim::Param(name) => Some(name.clone()),
        RawDim::Unknown | RawDim::Known(-1) => Some(format!("{input}_{axis}")),
        RawDim::Known(_) => None,
    }
}

/// Reports each dimension of an input that has no size. An input that is compiled for one value needs none.
pub(super) fn require_sizes(raw: &RawGraph, options: &Options, diagnostics: &mut Diagnostics) {
    for (name, mut places) in of_inputs(raw) {
        places.retain(|(input, _)| !options.values.contains_key(*input));
        let Some((input, axis)) = places.first().filter(|_| !options.dims.contains_key(&name)) else {
            continue;
        };
        let others = match places.len() - 1 {
            0 => String::new(),
            n => format!(", and {n} more"),
        };
        let key = option_key(&name);
        let message = format!("dimension \"{name}\" (input \"{input}\", axis {axis}{others}) has no size");
        diagnostics.report(Diagnostic::new(Code::UnboundDim, message).help(format!(
            "give it one, `dims: {{ {key}: 1 }}`, or bounds, `dims: {{ {key}: 1..=512 }}` (--dim {name}=1)"
        )));
    }
}

/// A name as options are written in source: in quotes unless it is an identifier.
pub(crate) fn option_key(name: &str) -> String {
    match syn::parse_str::<syn::Ident>(name) {
        Ok(_) => name.to_owned(),
        Err(_) => format!("{name:?}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::errors_of;
    use expect_test::expect;

    #[test]
    fn every_dimension_is_asked_for_once() {
        let model =
            "g (float[batch,3] x, float[batch,length] y, int64[batch] z) => (float[] s) { s = Add(x, y) }";
        expect![[r#"
            error[E009]: dimension "batch" (input "x", axis 0, and 2 more) has no size
              --> test
               = help: give it one, `dims: { batch: 1 }`, or bounds, `dims: { batch: 1..=512 }` (--dim batch=1)

            error[E009]: dimension "length" (input "y", axis 1) has no size
              --> test
               = help: give it one, `dims: { length: 1 }`, or bounds, `dims: { length: 1..=512 }` (--dim length=1)
        "#]].assert_eq(&errors_of(model));
    }
}
