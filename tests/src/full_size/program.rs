//! Runs the models that share one table. Prints lines of a name and a number.

use std::error::Error;
use std::time::Instant;

include!("models.rs");

fn main() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("branches") => branches(start),
        Some("products") => products(arguments.get(2).map_or(Ok(5), |n| n.parse())?),
        _ => Err("what to run?".into()),
    }
}

/// The table as numbers.
fn table() -> &'static [f32] {
    let weights = ingrain_nllb::WEIGHTS;
    weights.get(ingrain::Slot::<f32>::new(0, weights.bytes() / 4))
}

/// Both branches, once each, as a program that has just begun.
fn branches(start: Instant) -> Result<(), Box<dyn Error>> {
    let hidden = row();
    let begin = Instant::now();
    let mut model = nllb::Model::new();
    let ready = begin.elapsed();
    let before = start.elapsed();
    let begin = Instant::now();
    model.run(nllb::Inputs { use_embed: &[true], ids: &[1000], x: &hidden })?;
    let embedding = begin.elapsed();
    println!("to_first_run_us {}", before.as_secs_f64() * 1e6);
    println!("new_us {}", ready.as_secs_f64() * 1e6);
    println!("first_embedding_us {}", embedding.as_secs_f64() * 1e6);
    let begin = Instant::now();
    let logits = model.run(nllb::Inputs { use_embed: &[false], ids: &[0], x: &hidden })?.y.data;
    println!("first_logits_ms {}", begin.elapsed().as_secs_f64() * 1e3);
    assert!(logits.iter().all(|value| value.is_finite()));
    println!("blob {}", ingrain_nllb::WEIGHTS.bytes());
    println!("arena {}", nllb::CONTEXT_BYTES);
    println!("peak {}", status("VmHWM:"));
    println!("own {}", status("RssAnon:"));
    let mut times = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        model.run(nllb::Inputs { use_embed: &[false], ids: &[0], x: &hidden })?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    println!("logits_ms {}", median(&mut times));
    let mut times = Vec::new();
    for id in 0..100 {
        let begin = Instant::now();
        model.run(nllb::Inputs { use_embed: &[true], ids: &[id], x: &hidden })?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    println!("embedding_us {}", median(&mut times));
    Ok(())
}

/// Every product and plain reading, in alternation, in processor time.
fn products(rounds: usize) -> Result<(), Box<dyn Error>> {
    let x = row();
    let mut expected: Option<Vec<u32>> = None;
    let mut different = 0;
    let mut works: Vec<(&str, Box<dyn FnMut()>)> = Vec::new();
    macro_rules! product {
        ($($name:ident)*) => {$(
            let mut model = $name::Model::new();
            let bits: Vec<u32> = model.run($name::Inputs { x: &x })?.y.iter().map(|v| v.to_bits()).collect();
            different += usize::from(expected.get_or_insert_with(|| bits.clone()) != &bits);
            works.push((stringify!($name), Box::new(move || {
                std::hint::black_box(model.run($name::Inputs { x: &x }).is_ok());
            })));
        )*};
    }
    product!(x_wt x_w w_xt_t gemm gemm_b gemm_ab gemm_w);
    println!("different_bits {different}");
    works.push(("read_one_stream", Box::new(|| read::<1>(table()))));
    works.push(("read_four_streams", Box::new(|| read::<4>(table()))));
    let (start, count) = (Instant::now(), works.len());
    let mut times = vec![Vec::new(); count];
    for round in 0..rounds {
        for turn in 0..count {
            // Whoever comes first or last in a round is another one each time.
            let at = (turn + round) % count;
            let begin = processor_ms(start);
            works[at].1();
            times[at].push(processor_ms(start) - begin);
        }
    }
    let reading: Vec<f64> = (0..rounds).map(|r| times[count - 2][r].min(times[count - 1][r])).collect();
    for ((name, _), times) in works.iter().zip(&times) {
        let mut of_reading: Vec<f64> = reading.iter().zip(times).map(|(read, time)| read / time).collect();
        println!("{name}_ms {}", median(&mut times.clone()));
        println!("{name}_share {}", median(&mut of_reading));
    }
    // The least time of each: what disturbs can only add to it.
    let least = |times: &[f64]| times.iter().copied().fold(f64::MAX, f64::min);
    for ((name, _), of_product) in works.iter().zip(&times).take(count - 2) {
        println!("{name}_of_first {}", least(of_product) / least(&times[0]));
    }
    Ok(())
}

/// Reads all of it once, `STREAMS` places at a time.
fn read<const STREAMS: usize>(data: &[f32]) {
    const LANES: usize = 32;
    let part = data.len() / STREAMS / LANES * LANES;
    let mut sums = [[0_u32; LANES]; STREAMS];
    let parts: [&[f32]; STREAMS] = std::array::from_fn(|stream| &data[stream * part..(stream + 1) * part]);
    for at in (0..part).step_by(LANES) {
        for (sum, part) in sums.iter_mut().zip(parts) {
            for (sum, value) in sum.iter_mut().zip(&part[at..at + LANES]) {
                *sum ^= value.to_bits();
            }
        }
    }
    std::hint::black_box(sums);
}

/// How long this thread has had a processor, so that other programs disturb less; where the system does not tell, the
/// time since `start`.
fn processor_ms(start: Instant) -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64() * 1e3, |ns| ns / 1e6)
}

/// A row to multiply with.
fn row<const N: usize>() -> [f32; N] {
    std::array::from_fn(|at| ((at * 37 + 11) % 101) as f32 / 101.0 - 0.5)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// A number of bytes that the system tells of this process.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
