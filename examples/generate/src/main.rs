//! Greedy decoding with a cache that never leaves the model.
//!
//! A decoder as it is exported takes the keys and values of all earlier tokens and gives them back with those of the new
//! ones. The option `state` ties the two together: the cache stays in the model's memory, a run writes the new keys and
//! values behind the old, and the caller passes tokens only.

mod syllables;

use std::time::Instant;
use syllables::Syllables;

ingrain::onnx_model! {
    /// A decoder: tokens in, the scores of the next token out.
    mod decoder = "data/gpt2_tiny_kv.onnx" {
        dims: { batch: 1, past: 0..=112, seq: 1..=16, total: 1..=128 },
        state: { "present.*" => "past_key_values.*" },
    };
}

/// Tokens that the model knows.
const VOCABULARY: usize = 1000;
/// Most tokens that one run takes.
const CHUNK: usize = 16;

fn main() -> Result<(), ingrain::Error> {
    let mut model = decoder::Model::new();
    for prompt in [&[17, 230, 5][..], &[400, 401, 402, 403], &[999]] {
        model.reset_state();
        let start = Instant::now();
        let answer = generate(&mut model, prompt, 24)?;
        let each = start.elapsed().as_secs_f64() * 1e6 / (prompt.len() + answer.len()) as f64;
        println!("{} … {}", Syllables(prompt), Syllables(&answer));
        println!("  {answer:?}, {each:.0} µs per token");
    }
    println!(
        "the cache holds {} tokens of at most {}, in a memory of {} bytes",
        model.state_len(),
        decoder::Model::STATE_CAPACITY,
        decoder::CONTEXT_BYTES
    );
    Ok(())
}

/// The most likely `count` tokens after what the model has seen and `prompt`.
fn generate(
    model: &mut decoder::Model<'_>,
    prompt: &[i64],
    count: usize,
) -> Result<Vec<i64>, ingrain::Error> {
    let mut next = 0;
    for tokens in prompt.chunks(CHUNK) {
        next = step(model, tokens)?;
    }
    let mut answer = vec![next];
    while answer.len() < count {
        next = step(model, &[next])?;
        answer.push(next);
    }
    Ok(answer)
}

/// Shows the model more tokens. Gives the most likely token after the last.
fn step(model: &mut decoder::Model<'_>, tokens: &[i64]) -> Result<i64, ingrain::Error> {
    let seen = model.state_len();
    let total = seen + tokens.len();
    let positions: Vec<i64> = (seen as i64..total as i64).collect();
    let attend_to_all = vec![1; total];
    let outputs = model.run(decoder::Inputs {
        input_ids: ingrain::TensorRef::new(tokens, [1, tokens.len()])?,
        attention_mask: ingrain::TensorRef::new(&attend_to_all, [1, total])?,
        position_ids: ingrain::TensorRef::new(&positions, [1, tokens.len()])?,
    })?;
    Ok(most_likely(outputs.logits.data))
}

/// The token with the largest score in the last row.
fn most_likely(scores: &[f32]) -> i64 {
    let last = &scores[scores.len() - VOCABULARY..];
    let best = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(token, _)| token as i64)
}

#[cfg(test)]
mod tests;
