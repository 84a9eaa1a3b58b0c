//! Reads handwritten digits on a Cortex-M4: no operating system, no heap. The weights stay in flash; all working memory
//! is one static arena whose size the compiler knows.

#![no_std]
#![no_main]

mod usage;

use cortex_m_rt::{entry, exception};
use semihosting::{println, process};

ingrain::onnx_model! {
    /// A convolutional network: an 8×8 image in, the logarithm of a probability for each digit out.
    mod digits = "../digits/data/digits.onnx" { dims: { s31: 1 } };
}

/// For each picture its digit, then 64 pixels from 0 to 16.
static PICTURES: &[u8; 19305] = include_bytes!("../../digits/data/test.bin");

#[entry]
fn main() -> ! {
    usage::paint_stack();
    // The arena is a static: `singleton!` hands it out once.
    let Some(arena) = cortex_m::singleton!(: digits::Arena = digits::Arena::new()) else { process::exit(2) };
    let mut model = digits::Model::in_arena(arena);

    let (pictures, _) = PICTURES.as_chunks::<65>();
    let mut right = 0;
    for ([digit, pixels @ ..], number) in pictures[..20].iter().zip(1..) {
        let image = pixels.map(|ink| f32::from(ink) / 16.0);
        let Ok(output) = model.run(digits::Inputs { input: &image }) else { process::exit(3) };
        let answer = (0..10).fold(0, |best, i| if output.logp[i] > output.logp[best] { i } else { best });
        println!("picture {number:2} shows {digit}, read as {answer}");
        right += u32::from(answer == usize::from(*digit));
    }
    println!("{right} of 20 are right");

    println!("flash {} bytes, of which pictures {}", usage::flash(), PICTURES.len());
    println!(
        "RAM {} bytes of statics, of which the model's arena {}; {} bytes of stack",
        usage::statics(),
        digits::CONTEXT_BYTES,
        usage::stack()
    );
    process::exit(if right == 20 { 0 } else { 1 })
}

/// Without this a fault would hang the machine.
#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    println!("hard fault");
    process::exit(101)
}
