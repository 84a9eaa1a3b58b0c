//! The light models: real architectures whose weights are made by nodes, with expected outputs but without inputs.
//!
//! Their inputs are defined by the backend test runner: element `i` of `n` is `i / n`.

use ingrain_compiler::harness::interface::{Extent, Kind};
use ingrain_compiler::harness::{Case, Interface, Tolerance, dataset};
use ingrain_compiler::options::Options;
use ingrain_compiler::types::Tensor;
use std::fs;
use std::path::Path;

/// The case that the folder `folder` describes, with its data set in `scratch`.
///
/// # Errors
/// If files are missing or not as expected.
pub fn case(folder: &Path, data: &Path, scratch: &Path, tolerance: Tolerance) -> Result<Case, String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = format!("light_{}", name.trim_start_matches("test_"));
    let model = data.join("light").join(format!("{stem}.onnx"));
    let set = scratch.join("light").join(&name).join("test_data_set_0");
    let write = |file: &str, bytes: &[u8]| {
        let made = fs::create_dir_all(&set).and_then(|()| fs::write(set.join(file), bytes));
        made.map_err(|e| format!("cannot write {}: {e}", set.join(file).display()))
    };
    let interface = Interface::open(&model)?;
    for (index, input) in interface.required().enumerate() {
        let Kind::Tensor(1, Some(extents)) = &input.kind else {
            return Err(format!("{name}: the input \"{}\" is not a float tensor of known rank", input.name));
        };
        let shape = extents.iter().map(|e| match e {
            Extent::Fixed(v) => usize::try_from(*v).unwrap_or(1),
            Extent::Symbol(_) => 1,
        });
        let tensor = ramp(shape.collect());
        write(&format!("input_{index}.pb"), &dataset::pb_bytes(&input.name, &tensor))?;
    }
    for index in 0..interface.outputs.len() {
        let expected = data.join("light").join(format!("{stem}_output_{index}.pb"));
        let bytes = fs::read(&expected).map_err(|e| format!("cannot read {}: {e}", expected.display()))?;
        write(&format!("output_{index}.pb"), &bytes)?;
    }
    Ok(Case { name, model, sets: vec![set], tolerance, options: Options::default(), program: 0 })
}

fn ramp(shape: Vec<usize>) -> Tensor {
    let n = shape.iter().product::<usize>();
    let elements: Vec<f32> = (0..n).map(|i| (i as f64 / n as f64) as f32).collect();
    Tensor::from_f32s(shape, &elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_ramps() {
        assert_eq!(ramp(vec![2, 2]).to_f32s(), [0.0, 0.25, 0.5, 0.75]);
    }
}
