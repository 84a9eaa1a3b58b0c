//! Which sentences mean the same? A sentence encoder turns each into a vector; what means the same points the same way.
//!
//! Any number of sentences of any length go through one compiled model, up to bounds that the build script sets.

mod encoder;

use encoder::Encoder;
use std::error::Error;

const SENTENCES: &str = include_str!("sentences.txt");

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let sentences: Vec<&str> = SENTENCES.lines().collect();
    let mut encoder = Encoder::new()?;
    let vectors = encoder.encode(&sentences)?;

    let mut pairs = Vec::new();
    for (a, first) in vectors.iter().enumerate() {
        for (b, second) in vectors.iter().enumerate().skip(a + 1) {
            pairs.push((similarity(first, second), sentences[a], sentences[b]));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (alike, a, b) in pairs.iter().take(6) {
        println!("{alike:.2}  {a}\n      {b}");
    }
    println!(
        "{} bytes of working memory, {} bytes of weights inside the program",
        encoder::MEMORY_BYTES,
        env!("ENCODER_WEIGHT_BYTES")
    );
    Ok(())
}

/// The cosine of the angle between two vectors of length one.
fn similarity(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Padding and company change nothing.
    #[test]
    fn a_sentence_means_the_same_alone_and_among_others() {
        let sentences: Vec<&str> = SENTENCES.lines().collect();
        let mut encoder = Encoder::new().unwrap();
        let together = encoder.encode(&sentences).unwrap();
        for (sentence, vector) in sentences.iter().zip(&together) {
            let alone = encoder.encode(&[sentence]).unwrap();
            assert!((similarity(&alone[0], vector) - 1.0).abs() < 1e-5, "{sentence}");
        }
        let alike = similarity(&together[0], &together[2]);
        assert!(alike < 0.999, "different sentences differ, not {alike}");
    }

    #[test]
    fn more_sentences_than_the_model_takes_are_an_error() {
        let error = Encoder::new().unwrap().encode(&["one"; 9]).unwrap_err();
        assert!(error.to_string().contains("is 9, expected 1 to 8"), "{error}");
    }
}
