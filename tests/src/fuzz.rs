//! Random models for the compiler: whatever a file holds, compiling it must end, in bounded memory, without a panic.
//!
//! A model is a seed (a small valid model of one or few operators) changed a few times, in its messages or in its
//! bytes. It depends on two numbers only, the run's seed and the iteration, so that every finding can be repeated:
//! ```text
//! cargo run -p ingrain-tests --bin fuzz -- --seconds 60
//! cargo run -p ingrain-tests --bin fuzz -- --seed 7 --only 12345
//! ```
//! Overflows count as findings where they are checked, which is why the runs above are not optimised.
//! `tests/fuzz` is the same target for cargo-fuzz, which is guided by coverage.

pub mod mutate;
pub mod random;

use bytes::Bytes;
use ingrain_compiler::import::proto::{self, ModelProto};
use ingrain_compiler::import::text;
use ingrain_compiler::{Artifact, Diagnostics, DimBinding, ExternalData, ModelSource, Options};
use prost::Message;
use random::Random;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The model of iteration `iteration` of the run with this seed, as the bytes of a file.
pub fn model(seeds: &[ModelProto], seed: u64, iteration: u64) -> Bytes {
    let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ iteration);
    let mut model = random.pick(seeds).clone();
    if random.one_in(3) {
        mutate::append(&mut model, random.pick(seeds), &mut random);
    }
    for _ in 0..random.below(5) {
        mutate::message(&mut model, &mut random);
    }
    let mut bytes = model.encode_to_vec();
    if random.one_in(8) {
        mutate::bytes(&mut bytes, &mut random);
    }
    bytes.into()
}

/// A changed form of the model in `bytes`; `None` if they are none, or on every other call.
pub fn mutated(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut random = Random::new(seed);
    if random.one_in(2) {
        return None;
    }
    let mut model = proto::decode(bytes.to_vec().into()).ok()?;
    mutate::message(&mut model, &mut random);
    Some(model.encode_to_vec())
}

/// The seeds: small models of one or few operators, one in each line of `seeds.txt`.
///
/// # Panics
/// If one is wrong.
pub fn seeds() -> Vec<ModelProto> {
    include_str!("fuzz/seeds.txt")
        .lines()
        .map(|t| text::parse(t).unwrap_or_else(|e| panic!("{e}\n{t}")))
        .collect()
}

/// Compiles the file, with a size or bounds for every symbolic dimension it names.
///
/// # Errors
/// The compiler's.
pub fn compile(bytes: Bytes) -> Result<Artifact, Diagnostics> {
    let mut options = Options::default();
    for (i, name) in symbols(&bytes).into_iter().enumerate() {
        let size = if i % 2 == 0 { DimBinding::Fixed(3) } else { DimBinding::Range(0, 7) };
        options.dims.insert(name, size);
    }
    let source = ModelSource {
        name: "fuzzed".into(),
        file: "fuzzed.onnx".into(),
        bytes,
        external: Arc::new(Zeros),
        variants: Vec::new(),
    };
    ingrain_compiler::compile(&[(source, options)])
}

/// The symbolic dimensions of the inputs, by the names that options call them.
fn symbols(bytes: &Bytes) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Ok(model) = proto::decode(bytes.clone()) else { return names };
    for input in model.graph.iter().flat_map(|g| &g.input) {
        let Some(proto::TypeValue::TensorType(t)) = input.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            continue;
        };
        for (axis, dim) in t.shape.iter().flat_map(|s| &s.dim).enumerate() {
            match &dim.value {
                Some(proto::DimensionValue::DimParam(name)) if !name.is_empty() => {
                    names.insert(name.clone());
                }
                Some(proto::DimensionValue::DimValue(v)) if *v >= 0 => {}
                _ => {
                    names.insert(format!("{}_{axis}", input.name.as_deref().unwrap_or("")));
                }
            }
        }
    }
    names
}

/// External data: one small file.
struct Zeros;

impl ExternalData for Zeros {
    fn read(&self, location: &str) -> Result<Bytes, String> {
        match location {
            "zeros" => Ok(Bytes::from_static(&[0; 4096])),
            _ => Err(format!("\"{location}\" does not exist")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_repeat_and_differ() {
        let seeds = seeds();
        let distinct: BTreeSet<Bytes> = (0..100).map(|i| model(&seeds, 1, i)).collect();
        assert!(distinct.len() > 90);
        assert_eq!(model(&seeds, 1, 42), model(&seeds, 1, 42));
    }

    #[test]
    fn a_few_random_models_do_not_panic() {
        let seeds = seeds();
        for i in 0..200 {
            // What is wrong with a model is the compiler's to say; here it must only come back.
            let _ = compile(model(&seeds, 2, i));
        }
    }
}
