//! Compiles a model for the data that it shall run on.

use super::bind::Largest;
use super::guard::{self, Compiled, Refusal};
use crate::options::{DimBinding, Options};
use crate::types::Tensor;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Compiles for data sets with these inputs. What the compiler must know beside `options`, it is told from the data:
/// values of inputs that shapes depend on, if all data sets have the same, and bounds of sizes that depend on data, if
/// there is something to take them from.
///
/// # Errors
/// Why there is no program.
pub fn compile_for(
    model: &Path,
    mut options: Options,
    inputs: &[&BTreeMap<String, Tensor>],
    largest: Option<&Largest>,
    limit: Duration,
) -> Result<Compiled, Refusal> {
    loop {
        let result = guard::compile_file(model, &options, limit);
        let Err(Refusal::Diagnosed(diagnostics)) = &result else { return result };
        let before = (options.dims.len(), options.values.len());
        for diagnostic in diagnostics.iter() {
            if let (Some(dim), Some(largest)) = (&diagnostic.unbound, largest) {
                options.dims.entry(dim.clone()).or_insert(DimBinding::Range(0, largest.of(dim)));
            }
            for name in &diagnostic.open {
                let value = inputs.first().and_then(|set| set.get(name));
                if let Some(value) = value.filter(|v| inputs.iter().all(|set| set.get(name) == Some(v))) {
                    options.values.entry(name.clone()).or_insert_with(|| value.clone().into());
                }
            }
        }
        if (options.dims.len(), options.values.len()) == before {
            return result;
        }
    }
}
