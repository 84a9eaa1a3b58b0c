//! The compiler's options on the command line.

use crate::harness::Interface;
use crate::options::{DimBinding, KnownValue, Optimize, Options, WeightsIn};
use std::path::Path;

/// What a model is specialised for.
#[derive(clap::Args, Clone)]
pub(super) struct SpecialiseArgs {
    /// The size of a symbolic dimension (`batch=1`) or its range (`seq=1..=512`). May be given several times
    #[arg(long = "dim", value_name = "NAME=VALUE|LO..=HI", value_parser = parse_dim)]
    dims: Vec<(String, DimBinding)>,
    /// The value of an input that the program is compiled for (`axes=[0,1]`, `k=5`); a run with another is refused. May be
    /// given several times
    #[arg(long = "value", value_name = "INPUT=VALUE|[VALUE,…]", value_parser = parse_value)]
    values: Vec<(String, KnownValue)>,
}

impl SpecialiseArgs {
    /// The options of one model.
    pub(super) fn get(&self) -> Options {
        Options {
            dims: self.dims.iter().cloned().collect(),
            values: self.values.iter().cloned().collect(),
            ..Options::default()
        }
    }

    /// The options that concern each model: those of its own dimensions and inputs, and those of no model's, which the
    /// compiler will complain of.
    pub(super) fn of_each(&self, models: &[&Path]) -> Vec<Options> {
        let interfaces = interfaces(models);
        let dims =
            concerning(&self.dims, &interfaces, |model, (name, _)| model.symbols().contains(&name.as_str()));
        let values = concerning(&self.values, &interfaces, |model, (name, _)| {
            model.inputs.iter().any(|input| input.name == *name)
        });
        dims.into_iter()
            .zip(values)
            .map(|(dims, values)| Options {
                dims: dims.into_iter().collect(),
                values: values.into_iter().collect(),
                ..Options::default()
            })
            .collect()
    }
}

/// All options of the compiler.
#[derive(clap::Args, Clone)]
pub(super) struct CompilerArgs {
    #[command(flatten)]
    specialise: SpecialiseArgs,
    /// What matters where size and speed are at odds: `speed` may store weights in a second layout
    #[arg(long, value_name = "size|speed", default_value = "size", value_parser = parse_optimize)]
    optimize: Optimize,
    /// How weights come into the program: as part of it, or in a file that it maps
    #[arg(long, value_name = "program|file", default_value = "program", value_parser = parse_weights)]
    weights: WeightsIn,
    /// Keep an output as an input of the next run (`hn=h0`, or `'present.*=past_key_values.*'`). May be given several
    /// times
    #[arg(long = "state", value_name = "OUTPUT=INPUT", value_parser = parse_state)]
    state: Vec<(String, String)>,
    /// Initializers that the program may replace at run time; `*` stands for any text. May be given several times
    #[arg(long, value_name = "PATTERN")]
    overridable: Vec<String>,
    /// Print the graph as text after this pass (`lower` and `plan` name the later stages)
    #[arg(long, value_name = "PASS")]
    dump_after: Vec<String>,
}

impl CompilerArgs {
    /// The options that concern each model.
    pub(super) fn of_each(&self, models: &[&Path]) -> Vec<Options> {
        let states = concerning(&self.state, &interfaces(models), |model, (output, _)| {
            model.outputs.iter().any(|declared| crate::state::is_named(&declared.name, output))
        });
        let each = self.specialise.of_each(models).into_iter().zip(states);
        each.map(|(options, state)| Options {
            state,
            optimize: self.optimize,
            weights: self.weights,
            overridable: self.overridable.clone(),
            dump_after: self.dump_after.clone(),
            ..options
        })
        .collect()
    }
}

/// What models declare. A file that cannot be read is told by whoever compiles it.
fn interfaces(models: &[&Path]) -> Vec<Interface> {
    models.iter().map(|model| Interface::open(model).unwrap_or_default()).collect()
}

/// For each model the entries of an option that are its own, and those of no model's.
fn concerning<T: Clone>(
    entries: &[T],
    models: &[Interface],
    owns: impl Fn(&Interface, &T) -> bool,
) -> Vec<Vec<T>> {
    let of_none = |entry: &T| !models.iter().any(|model| owns(model, entry));
    let of = |model| entries.iter().filter(|entry| owns(model, entry) || of_none(entry)).cloned().collect();
    models.iter().map(of).collect()
}

fn parse_optimize(text: &str) -> Result<Optimize, String> {
    match text {
        "size" => Ok(Optimize::Size),
        "speed" => Ok(Optimize::Speed),
        _ => Err(format!("\"{text}\" is neither size nor speed")),
    }
}

fn parse_weights(text: &str) -> Result<WeightsIn, String> {
    match text {
        "program" => Ok(WeightsIn::Program),
        "file" => Ok(WeightsIn::File),
        _ => Err(format!("\"{text}\" is neither program nor file")),
    }
}

fn parse_state(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((output, input)) if !output.is_empty() && !input.is_empty() => {
            Ok((output.to_owned(), input.to_owned()))
        }
        _ => Err(format!("\"{text}\" is not OUTPUT=INPUT")),
    }
}

fn parse_value(text: &str) -> Result<(String, KnownValue), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), KnownValue::parse(value)?)),
        _ => Err(format!("\"{text}\" is neither INPUT=VALUE nor INPUT=[VALUE,…]")),
    }
}

fn parse_dim(text: &str) -> Result<(String, DimBinding), String> {
    let wrong = || format!("\"{text}\" is neither NAME=VALUE nor NAME=LO..=HI");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let size = |text: &str| text.trim().parse::<i64>().ok().filter(|&v| v >= 0);
    let binding = match value.split_once("..=") {
        Some((lo, hi)) => {
            let (lo, hi) = (size(lo).ok_or_else(wrong)?, size(hi).ok_or_else(wrong)?);
            if lo > hi {
                return Err(format!("the range {value} of {name} is empty"));
            }
            DimBinding::Range(lo, hi)
        }
        None => DimBinding::Fixed(size(value).ok_or_else(wrong)?),
    };
    if name.is_empty() { Err(wrong()) } else { Ok((name.to_owned(), binding)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_pairs_of_names() {
        assert_eq!(parse_state("present.*=past.*"), Ok(("present.*".to_owned(), "past.*".to_owned())));
        for bad in ["present", "=past", "present="] {
            assert!(parse_state(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_have_names() {
        assert_eq!(parse_value("axes=[1]"), Ok(("axes".to_owned(), KnownValue::from([1]))));
        for bad in ["axes", "=1", "axes=", "axes=x"] {
            assert!(parse_value(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dims_are_values_or_ranges() {
        assert_eq!(parse_dim("batch=1"), Ok(("batch".to_owned(), DimBinding::Fixed(1))));
        assert_eq!(parse_dim("seq=1..=512"), Ok(("seq".to_owned(), DimBinding::Range(1, 512))));
        for bad in ["batch", "=1", "n=", "n=x", "n=-1", "n=3..=2", "n=1..4", "n=..=4"] {
            assert!(parse_dim(bad).is_err(), "{bad}");
        }
    }
}
