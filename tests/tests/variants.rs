//! Two encoders that differ in one tensor: as variants of one program, each on its own, and one with the other's tensor.

use ingrain::TensorRef;
use ingrain_compiler::options::{ModelSource, Options, WeightsIn};
use std::path::{Path, PathBuf};

ingrain::onnx_model! {
    mod both {
        variants: {
            a: "../examples/shared-weights/data/t5_lora_a_encoder.onnx",
            b: "../examples/shared-weights/data/t5_lora_b_encoder.onnx",
        },
        dims: { batch: 1, seq: 1..=16 },
    };
}
ingrain::onnx_model! {
    mod only_a = "../examples/shared-weights/data/t5_lora_a_encoder.onnx" { dims: { batch: 1, seq: 1..=16 } };
}
ingrain::onnx_model! {
    mod only_b = "../examples/shared-weights/data/t5_lora_b_encoder.onnx" { dims: { batch: 1, seq: 1..=16 } };
}
ingrain::onnx_model! {
    /// The tensor in which the two differ can be replaced.
    mod open_a = "../examples/shared-weights/data/t5_lora_a_encoder.onnx"
        { dims: { batch: 1, seq: 1..=16 }, overridable: ["onnx::MatMul_512"] };
    mod open_b = "../examples/shared-weights/data/t5_lora_b_encoder.onnx"
        { dims: { batch: 1, seq: 1..=16 }, overridable: ["onnx::MatMul_512"] };
}

/// Sentences of several lengths.
const SENTENCES: [&[i64]; 4] = [
    &[7],
    &[5, 6, 7],
    &[1, 2499, 0, 12, 13, 14, 15, 16, 17],
    &[9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10, 11, 12, 13, 14, 15],
];

/// The bits of what a worker makes of each sentence.
macro_rules! results {
    ($module:ident, $worker:expr) => {{
        let worker: &mut $module::Model<'_> = $worker;
        let result = |ids: &&[i64]| -> Vec<u32> {
            // The last token of longer sentences is padding.
            let mask: Vec<i64> = (0..ids.len()).map(|at| i64::from(at == 0 || at + 1 < ids.len())).collect();
            let input_ids = TensorRef::new(ids, [1, ids.len()]).unwrap();
            let attention_mask = TensorRef::new(&mask, [1, ids.len()]).unwrap();
            let out = worker.run($module::Inputs { input_ids, attention_mask }).unwrap();
            out.encoder_hidden_states.data.iter().map(|value| value.to_bits()).collect()
        };
        SENTENCES.iter().map(result).collect::<Vec<_>>()
    }};
}

#[test]
fn variants_compute_the_bits_of_models_compiled_on_their_own() {
    let a = results!(only_a, &mut only_a::Model::new());
    let b = results!(only_b, &mut only_b::Model::new());
    assert_ne!(a, b);
    let mut worker = both::Model::new(both::Variant::A);
    assert_eq!(results!(both, &mut worker), a);
    // Switching leaves nothing behind.
    worker.set_variant(both::Variant::B);
    assert_eq!(results!(both, &mut worker), b);
    worker.set_variant(both::Variant::A);
    assert_eq!(results!(both, &mut worker), a);
    assert_eq!(results!(both, &mut both::Model::new(both::Variant::B)), b);
}

#[test]
fn a_model_with_the_tensor_of_another_computes_what_that_does() {
    let a = results!(open_a, &mut open_a::Model::new());
    let b = results!(open_b, &mut open_b::Model::new());
    assert_ne!(a, b);
    let of_a = open_a::Weights::default().onnx_mat_mul_512;
    let of_b = open_b::Weights::default().onnx_mat_mul_512;
    let mut worker = open_a::Model::with_weights(&open_a::Weights { onnx_mat_mul_512: of_b });
    assert_eq!(results!(open_a, &mut worker), b);
    worker.set_weights(&open_a::Weights { onnx_mat_mul_512: of_a });
    assert_eq!(results!(open_a, &mut worker), a);
    // A weight that can be replaced is multiplied as it is in the model, others in panels: the same products, summed in
    // the same order.
    assert_eq!(a, results!(only_a, &mut only_a::Model::new()));
    assert_eq!(b, results!(only_b, &mut only_b::Model::new()));
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shared-weights/data").join(name)
}

#[test]
fn variants_store_what_differs_only() {
    let open = |name: &str| ModelSource::open("m", &data(name)).unwrap();
    let options = || Options::default().dim("batch", 1).dim("seq", 1..=16);
    let (a, b) = (open("t5_lora_a_encoder.onnx"), open("t5_lora_b_encoder.onnx"));
    let variants = vec![("a".to_owned(), a.clone()), ("b".to_owned(), b.clone())];
    let alone = ingrain_compiler::compile(&[(a.clone(), options())]).unwrap();
    let differing = 128 * 64 * 4;
    for weights in [WeightsIn::Program, WeightsIn::File] {
        let source = a.clone().with_variants(variants.clone());
        let together = ingrain_compiler::compile(&[(source, options().weights(weights))]).unwrap();
        let report = &together.modules[0].report;
        let base = report.unique_initializer_bytes;
        assert!(together.blob.len() * 100 <= (base + differing) * 101, "{} of {base}", together.blob.len());
        assert_eq!(together.blob.len(), alone.blob.len() + differing);
        assert_eq!(report.variants[1].added_bytes, differing);
    }
    // As models of one bundle they share as much.
    let bundle = ingrain_compiler::compile(&[(a, options()), (b, options())]).unwrap();
    assert_eq!(bundle.blob.len(), alone.blob.len() + differing);
}

ingrain::onnx_model! {
    /// Two sets of weights, and one that can be replaced, in a file.
    mod filed {
        variants: {
            a: "../examples/shared-weights/data/t5_lora_a_encoder.onnx",
            b: "../examples/shared-weights/data/t5_lora_b_encoder.onnx",
        },
        dims: { batch: 1, seq: 1..=16 },
        overridable: ["onnx::MatMul_512"],
        weights: "file",
    };
}

#[test]
fn variants_and_replaceable_weights_come_from_a_file_too() {
    let run = |worker: &mut filed::Model<'_>| {
        let input_ids = TensorRef::new(&[3, 1, 4, 1], [1, 4]).unwrap();
        let attention_mask = TensorRef::new(&[1; 4], [1, 4]).unwrap();
        let out = worker.run(filed::Inputs { input_ids, attention_mask }).unwrap();
        out.encoder_hidden_states.data.iter().map(|v| v.to_bits()).collect::<Vec<u32>>()
    };
    // Nothing is mapped yet, and no file is beside the test: this finds it where the compiler wrote it.
    let of_b = filed::Weights::of(filed::Variant::B);
    let missing = filed::Model::with_weights_file_unchecked("/nowhere/at.all", filed::Variant::A);
    assert!(missing.is_ok(), "weights are mapped already");
    let b = run(&mut filed::Model::new(filed::Variant::B).unwrap());
    let mut worker = filed::Model::with_weights_file("unused", filed::Variant::A).unwrap();
    let a = run(&mut worker);
    assert_ne!(a, b);
    worker.set_weights(&of_b);
    assert_eq!(run(&mut worker), b);
    assert!(filed::Model::load_weights("unused").is_ok());
    assert!(filed::Model::load_weights_unchecked("unused").is_ok());
}
