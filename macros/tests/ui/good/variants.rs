//! Models of one architecture as variants of one program, and weights that the program replaces.

#![deny(warnings, missing_docs, unreachable_pub)]
#![forbid(unsafe_code)]

ingrain::onnx_model! {
    /// Two adapters of one base.
    pub mod adapted { variants: { a: "models/adapter_a.onnx", b: "models/adapter_b.onnx" } };

    /// The base with an adapter of the program's choice.
    pub mod open = "models/adapter_a.onnx" { overridable: ["*.lora"], optimize: speed };

    /// Both.
    mod both {
        variants: { a: "models/adapter_a.onnx", b: "models/adapter_b.onnx" },
        overridable: ["adapter*"],
    };
}

const X: [f32; 3] = [1.0, 2.0, 3.0];

fn main() {
    let mut model = adapted::Model::new(adapted::Variant::A);
    assert_eq!(model.run(adapted::Inputs { x: &X }).unwrap().y, &[32.0, 38.0]);
    model.set_variant(adapted::Variant::B);
    assert_eq!(model.run(adapted::Inputs { x: &X }).unwrap().y, &[44.0, 100.0]);
    assert_eq!((model.variant(), adapted::Variant::ALL.len()), (adapted::Variant::B, 2));
    let mut arena = adapted::Arena::new();
    let mut model = adapted::Model::in_arena(&mut arena, adapted::Variant::B);
    assert_eq!(model.run(adapted::Inputs { x: &X }).unwrap().y, &[44.0, 100.0]);

    let mut model = open::Model::new();
    assert_eq!(model.run(open::Inputs { x: &X }).unwrap().y, &[32.0, 38.0]);
    let adapter: Vec<f32> = vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 2.0];
    let weights = open::Weights { adapter_lora: adapter.as_slice().try_into().unwrap() };
    let mut model = open::Model::with_weights(&weights);
    assert_eq!(model.run(open::Inputs { x: &X }).unwrap().y, &[44.0, 100.0]);
    model.set_weights(&open::Weights::default());
    assert_eq!(model.run(open::Inputs { x: &X }).unwrap().y, &[32.0, 38.0]);
    let short: Result<&[f32; 8], _> = adapter[1..].try_into();
    assert!(short.is_err());

    let mut model = both::Model::new(both::Variant::B);
    assert_eq!(model.run(both::Inputs { x: &X }).unwrap().y, &[44.0, 100.0]);
    model.set_weights(&both::Weights::of(both::Variant::A));
    assert_eq!(model.run(both::Inputs { x: &X }).unwrap().y, &[32.0, 38.0]);

    fn moves_to_threads<T: Send>(_: T) {}
    moves_to_threads(model);
}
