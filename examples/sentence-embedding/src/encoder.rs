//! From sentences to vectors: the tokenizer, the model, and the mean of what the model says of each token.

use ingrain::TensorRef;
use std::error::Error;
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

ingrain::include_model!("encoder");

/// Memory of the model.
pub const MEMORY_BYTES: usize = encoder::CONTEXT_BYTES;
/// The most tokens of a sentence that count.
const MOST_TOKENS: usize = 128;

const TOKENIZER: &str = include_str!(concat!(env!("OUT_DIR"), "/tokenizer.json"));

/// A sentence encoder.
pub struct Encoder {
    tokenizer: Tokenizer,
    model: encoder::Model<'static>,
}

impl Encoder {
    /// An encoder with the built-in model.
    pub fn new() -> Result<Encoder, Box<dyn Error + Send + Sync>> {
        let mut tokenizer: Tokenizer = TOKENIZER.parse()?;
        tokenizer.with_padding(Some(PaddingParams::default()));
        tokenizer
            .with_truncation(Some(TruncationParams { max_length: MOST_TOKENS, ..Default::default() }))?;
        Ok(Encoder { tokenizer, model: encoder::Model::new() })
    }

    /// A vector of length one for each sentence.
    pub fn encode(&mut self, sentences: &[&str]) -> Result<Vec<Vec<f32>>, Box<dyn Error + Send + Sync>> {
        let encodings = self.tokenizer.encode_batch(sentences.to_vec(), true)?;
        let length = encodings.first().map_or(0, |encoding| encoding.len());
        let tensor = |of: fn(&tokenizers::Encoding) -> &[u32]| -> Vec<i64> {
            encodings.iter().flat_map(of).map(|&value| i64::from(value)).collect()
        };
        let ids = tensor(tokenizers::Encoding::get_ids);
        let mask = tensor(tokenizers::Encoding::get_attention_mask);
        let types = tensor(tokenizers::Encoding::get_type_ids);
        let dims = [sentences.len(), length];
        let output = self.model.run(encoder::Inputs {
            input_ids: TensorRef::new(&ids, dims)?,
            attention_mask: TensorRef::new(&mask, dims)?,
            token_type_ids: TensorRef::new(&types, dims)?,
        })?;
        let states = output.last_hidden_state;
        let width = states.dims[2];
        let of_sentence = states.data.chunks(length * width).zip(mask.chunks(length));
        Ok(of_sentence.map(|(states, mask)| mean(states, mask, width)).collect())
    }
}

/// The mean of the vectors of those tokens that are not padding, scaled to length one.
fn mean(states: &[f32], mask: &[i64], width: usize) -> Vec<f32> {
    let mut sum = vec![0.0; width];
    for (state, _) in states.chunks(width).zip(mask).filter(|(_, mask)| **mask != 0) {
        sum.iter_mut().zip(state).for_each(|(sum, value)| *sum += value);
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    sum.iter_mut().for_each(|x| *x /= length);
    sum
}
