//! Values and bounds for the symbolic dimensions that no option binds, taken from test data.

use super::dataset::{self, DataSet, Parts};
use super::interface::{Extent, Interface, Kind};
use crate::options::DimBinding;
use crate::types::Tensor;
use std::collections::BTreeMap;
use std::path::Path;

/// Bindings by symbol, as in [`crate::Options::dims`].
pub type Dims = BTreeMap<String, DimBinding>;

/// How to compile a model so that it can run all data sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bindings {
    /// Bindings that serve all data sets at once: a value where they agree, a range up to the largest where not.
    pub together: Dims,
    /// Bindings to fixed values, each with the data sets that it serves, for when ranges are refused. Empty if
    /// `together` has no range.
    pub apart: Vec<(Dims, Vec<usize>)>,
}

/// The values that the shapes of a data set's inputs give to the model's symbols.
///
/// # Errors
/// Where shapes contradict the model or each other.
pub fn symbol_values(interface: &Interface, set: &DataSet) -> Result<BTreeMap<String, i64>, String> {
    let mut values: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for input in interface.required() {
        let Some(tensor) = set.inputs.get(&input.name) else {
            return Err(format!("{} has no value for the input \"{}\"", set.name, input.name));
        };
        let Kind::Tensor(_, Some(extents)) = &input.kind else { continue };
        if extents.len() != tensor.shape().len() {
            let (is, should) = (tensor.shape(), input.shape_text().join(","));
            return Err(format!(
                "{}: the shape of \"{}\" is {is:?}, the model declares [{should}]",
                set.name, input.name
            ));
        }
        for (axis, (extent, &value)) in extents.iter().zip(tensor.shape()).enumerate() {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            let place = format!("axis {axis} of \"{}\"", input.name);
            match extent {
                Extent::Fixed(fixed) if *fixed != value => {
                    return Err(format!("{}: {place} is {value}, the model declares {fixed}", set.name));
                }
                Extent::Fixed(_) => {}
                Extent::Symbol(symbol) => match values.get(symbol) {
                    Some((other, at)) if *other != value => {
                        let name = &set.name;
                        return Err(format!("{name}: {symbol} is {other} by {at} and {value} by {place}"));
                    }
                    Some(_) => {}
                    None => {
                        values.insert(symbol.clone(), (value, place));
                    }
                },
            }
        }
    }
    Ok(values.into_iter().map(|(symbol, (value, _))| (symbol, value)).collect())
}

/// Bindings for all symbols that occur in `sets` (the symbols' values in each data set); `given` ones stay.
pub fn bindings(sets: &[BTreeMap<String, i64>], given: &Dims) -> Bindings {
    let mut together = given.clone();
    let mut differs = false;
    for symbol in sets.iter().flat_map(BTreeMap::keys).filter(|s| !given.contains_key(*s)) {
        let values = || sets.iter().filter_map(|set| set.get(symbol)).copied();
        let (Some(lo), Some(hi)) = (values().min(), values().max()) else { continue };
        let binding = if lo == hi { DimBinding::Fixed(lo) } else { DimBinding::Range(lo.min(1), hi) };
        differs |= lo != hi;
        together.insert(symbol.clone(), binding);
    }
    let mut apart: Vec<(Dims, Vec<usize>)> = Vec::new();
    if differs {
        for (index, set) in sets.iter().enumerate() {
            let mut dims = given.clone();
            for (symbol, &value) in set {
                dims.entry(symbol.clone()).or_insert(DimBinding::Fixed(value));
            }
            match apart.iter_mut().find(|(other, _)| *other == dims) {
                Some((_, indices)) => indices.push(index),
                None => apart.push((dims, vec![index])),
            }
        }
    }
    Bindings { together, apart }
}

/// The largest sizes in test data: bounds for sizes that depend on data.
#[derive(Clone, Debug, Default)]
pub struct Largest {
    /// By the names that outputs give to their dimensions.
    named: BTreeMap<String, i64>,
    /// Of all extents, and all elements of short lists of integers.
    any: i64,
}

impl Largest {
    /// Takes in a data set: its inputs as they were read, and the shapes of its outputs in `folder`.
    pub fn add(&mut self, folder: &Path, interface: &Interface, set: DataSet) {
        for tensor in set.inputs.values() {
            self.extents(tensor);
            if tensor.dtype().is_int() && tensor.len() <= 8 {
                let most = tensor.scalars().map(|s| s.as_i64()).filter(|v| *v <= LARGEST_COUNT).max();
                self.any = self.any.max(most.unwrap_or(0));
            }
        }
        // Outputs of other kinds than tensors bound nothing.
        let Ok(outputs) = dataset::load(folder, interface, Parts::All) else { return };
        for (name, tensor) in &outputs.outputs {
            self.extents(tensor);
            let declared = interface.outputs.iter().find(|o| o.name == *name).map(|o| &o.kind);
            let Some(Kind::Tensor(_, Some(extents))) = declared else { continue };
            for (extent, &value) in extents.iter().zip(tensor.shape()) {
                if let Extent::Symbol(symbol) = extent {
                    let most = self.named.entry(symbol.clone()).or_default();
                    *most = (*most).max(i64::try_from(value).unwrap_or(i64::MAX));
                }
            }
        }
    }

    fn extents(&mut self, tensor: &Tensor) {
        let most = tensor.shape().iter().max().map_or(0, |&n| i64::try_from(n).unwrap_or(i64::MAX));
        self.any = self.any.max(most);
    }

    /// A bound for the size `name`.
    pub fn of(&self, name: &str) -> i64 {
        self.named.get(name).copied().unwrap_or(self.any).max(1)
    }
}

/// Integers beyond this are no counts.
const LARGEST_COUNT: i64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::interface::Declared;
    use super::*;
    use DimBinding::{Fixed, Range};

    fn model(extents: &[(&str, Vec<Extent>)]) -> Interface {
        let inputs = extents.iter().map(|(name, extents)| Declared {
            name: (*name).to_owned(),
            kind: Kind::Tensor(1, Some(extents.clone())),
            initialized: false,
        });
        Interface { inputs: inputs.collect(), ..Interface::default() }
    }

    fn set(inputs: &[(&str, &[usize])]) -> DataSet {
        let tensor = |shape: &[usize]| Tensor::from_f32s(shape.to_vec(), &vec![0.0; shape.iter().product()]);
        let inputs = inputs.iter().map(|(name, shape)| ((*name).to_owned(), tensor(shape))).collect();
        DataSet { name: "set".to_owned(), inputs, outputs: Vec::new() }
    }

    fn symbol(name: &str) -> Extent {
        Extent::Symbol(name.to_owned())
    }

    #[test]
    fn shapes_give_values_and_contradictions_are_told() {
        let model = model(&[("x", vec![symbol("n"), Extent::Fixed(3)]), ("y", vec![symbol("n")])]);
        let values = symbol_values(&model, &set(&[("x", &[2, 3]), ("y", &[2])])).unwrap();
        assert_eq!(values, BTreeMap::from([("n".to_owned(), 2)]));
        for (bad, why) in [
            (set(&[("x", &[2, 3])]), "no value for the input \"y\""),
            (set(&[("x", &[2, 4]), ("y", &[2])]), "the model declares 3"),
            (set(&[("x", &[2, 3]), ("y", &[5])]), "n is 2 by axis 0 of \"x\" and 5 by"),
            (set(&[("x", &[2]), ("y", &[5])]), "the model declares [n,3]"),
        ] {
            let told = symbol_values(&model, &bad).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn sets_that_differ_give_a_range_or_one_compilation_each() {
        let values = |n, m| BTreeMap::from([("n".to_owned(), n), ("m".to_owned(), m)]);
        let same = bindings(&[values(2, 7), values(2, 7)], &Dims::new());
        assert_eq!(same.together, Dims::from([("n".to_owned(), Fixed(2)), ("m".to_owned(), Fixed(7))]));
        assert!(same.apart.is_empty());
        let differ = bindings(&[values(2, 0), values(2, 9), values(2, 0)], &Dims::new());
        assert_eq!(differ.together, Dims::from([("n".to_owned(), Fixed(2)), ("m".to_owned(), Range(0, 9))]));
        let fixed = |m| Dims::from([("n".to_owned(), Fixed(2)), ("m".to_owned(), Fixed(m))]);
        assert_eq!(differ.apart, [(fixed(0), vec![0, 2]), (fixed(9), vec![1])]);
        let given = Dims::from([("m".to_owned(), Range(0, 64))]);
        let kept = bindings(&[values(2, 0), values(2, 9)], &given);
        assert_eq!((kept.together["m"], kept.apart.len()), (Range(0, 64), 0));
    }
}
