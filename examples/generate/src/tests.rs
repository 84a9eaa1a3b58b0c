//! What the model says with state is what it says without.

use super::*;
use ingrain::{Error, TensorRef};

ingrain::onnx_model! {
    /// The same decoder, which forgets everything after each run.
    mod forgetful = "data/gpt2_tiny_kv.onnx" { dims: { batch: 1, past: 0, seq: 1..=64, total: 1..=64 } };
}

/// The most likely token after `tokens`, computed from nothing.
fn next(model: &mut forgetful::Model<'_>, tokens: &[i64]) -> i64 {
    let positions: Vec<i64> = (0..tokens.len() as i64).collect();
    let mask = vec![1; tokens.len()];
    let outputs = model
        .run(forgetful::Inputs {
            input_ids: TensorRef::new(tokens, [1, tokens.len()]).unwrap(),
            attention_mask: TensorRef::new(&mask, [1, tokens.len()]).unwrap(),
            position_ids: TensorRef::new(&positions, [1, tokens.len()]).unwrap(),
            past_key_values_0_key: &[],
            past_key_values_0_value: &[],
            past_key_values_1_key: &[],
            past_key_values_1_value: &[],
        })
        .unwrap();
    most_likely(outputs.logits.data)
}

/// 24 tokens after `prompt`, each computed from nothing.
fn without_state(prompt: &[i64]) -> Vec<i64> {
    let mut model = forgetful::Model::new();
    let mut tokens = prompt.to_vec();
    for _ in 0..24 {
        tokens.push(next(&mut model, &tokens));
    }
    tokens[prompt.len()..].to_vec()
}

#[test]
fn state_changes_nothing() {
    let mut model = decoder::Model::new();
    let long: Vec<i64> = (0..37).map(|i| i * 997 % 1000).collect();
    for prompt in [&[17, 230, 5][..], &[999], &long] {
        model.reset_state();
        let answer = generate(&mut model, prompt, 24).unwrap();
        assert_eq!(answer, without_state(prompt));
        assert_eq!(model.state_len(), prompt.len() + 23);
    }
}

#[test]
fn earlier_moments_come_back() {
    let mut model = decoder::Model::new();
    let first = generate(&mut model, &[1, 2, 3], 8).unwrap();
    model.truncate_state(2);
    assert_eq!(model.state_len(), 2);
    assert_eq!(generate(&mut model, &[3], 8).unwrap(), first);
    model.truncate_state(1000);
    assert_eq!(model.state_len(), 10);
}

#[test]
fn a_full_cache_is_an_error() {
    let mut model = decoder::Model::new();
    let mut refused = None;
    for _ in 0..9 {
        refused = step(&mut model, &[7; CHUNK]).err();
    }
    let what = "the length of the state (`past`)";
    assert_eq!(refused, Some(Error::Dim { what, min: 0, max: 112, got: 128 }));
    // The model still stands, and begins anew.
    model.reset_state();
    assert_eq!(generate(&mut model, &[17], 24).unwrap(), without_state(&[17]));
}
