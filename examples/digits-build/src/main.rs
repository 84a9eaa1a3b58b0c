//! Reads handwritten digits. The network was compiled by the build script.

ingrain::include_model!("digits");

/// For each picture its digit, then 64 pixels from 0 to 16.
static PICTURES: &[u8] = include_bytes!("../../digits/data/test.bin");

fn main() -> Result<(), ingrain::Error> {
    let (pictures, _) = PICTURES.as_chunks();
    println!("{} of {} digits are read correctly", count_right(pictures)?, pictures.len());
    Ok(())
}

/// How many of the pictures the model reads correctly.
fn count_right(pictures: &[[u8; 65]]) -> Result<usize, ingrain::Error> {
    let mut model = digits::Model::new();
    let mut right = 0;
    for [digit, pixels @ ..] in pictures {
        let image = pixels.map(|ink| f32::from(ink) / 16.0);
        let output = model.run(digits::Inputs { input: &image })?;
        let read = (0..10).max_by(|&a, &b| output.logp[a].total_cmp(&output.logp[b]));
        right += usize::from(read == Some(usize::from(*digit)));
    }
    Ok(right)
}

#[test]
fn as_many_are_right_as_with_the_original_model() {
    assert_eq!(count_right(PICTURES.as_chunks().0), Ok(278));
}
