//! Reads handwritten digits. The network is compiled into this program by one macro; nothing is loaded at run time.

mod picture;

use picture::Picture;
use std::time::Instant;

ingrain::onnx_model! {
    /// A convolutional network: an 8×8 image in, the logarithm of a probability for each digit out.
    mod digits = "data/digits.onnx" { dims: { s31: 1 } };
}

fn main() -> Result<(), ingrain::Error> {
    let mut model = digits::Model::new();

    for picture in picture::all().take(3) {
        let output = model.run(digits::Inputs { input: &picture.pixels })?;
        let probabilities = output.logp.map(f32::exp);
        println!("{picture}");
        for (digit, probability) in probabilities.iter().enumerate() {
            let bar = "▇".repeat((probability * 40.0).round() as usize);
            println!("    {digit} {:5.1} % {bar}", probability * 100.0);
        }
        println!("  it is a {}, read as {}\n", picture.digit, most_likely(output.logp));
    }

    let (right, total) = (count_right(&mut model)?, picture::all().count());
    let percent = 100.0 * right as f64 / total as f64;
    println!("{right} of {total} unseen digits are read correctly ({percent:.1} %)");
    println!("{:.2} µs per image, {} bytes of memory", time(&mut model)?, digits::CONTEXT_BYTES);
    Ok(())
}

/// How many of all pictures the model reads correctly.
fn count_right(model: &mut digits::Model<'_>) -> Result<usize, ingrain::Error> {
    let mut right = 0;
    for picture in picture::all() {
        let output = model.run(digits::Inputs { input: &picture.pixels })?;
        right += usize::from(most_likely(output.logp) == picture.digit);
    }
    Ok(right)
}

/// The index of the largest value.
fn most_likely(values: &[f32]) -> usize {
    let best = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(index, _)| index)
}

/// Microseconds that the model takes for an image.
fn time(model: &mut digits::Model<'_>) -> Result<f64, ingrain::Error> {
    let pictures: Vec<Picture> = picture::all().collect();
    let rounds = 50;
    let start = Instant::now();
    for _ in 0..rounds {
        for picture in &pictures {
            std::hint::black_box(model.run(digits::Inputs { input: &picture.pixels })?.logp);
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / (rounds * pictures.len()) as f64)
}

#[test]
fn as_many_are_right_as_with_the_original_model() {
    // onnxruntime reads 278 of the 297 correctly.
    assert_eq!(count_right(&mut digits::Model::new()), Ok(278));
}
