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
    let products = works.len();
    for (name, read) in READERS {
        works.push((name, Box::new(move || read(table()))));
    }
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
    // What the machine gives is what the best reader of a round gets.
    let best = |round: usize| times[products..].iter().map(|times| times[round]).fold(f64::MAX, f64::min);
    let reading: Vec<f64> = (0..rounds).map(best).collect();
    println!("reading_ms {}", median(&mut reading.clone()));
    for ((name, _), times) in works.iter().zip(&times) {
        let mut of_reading: Vec<f64> = reading.iter().zip(times).map(|(read, time)| read / time).collect();
        println!("{name}_ms {}", median(&mut times.clone()));
        println!("{name}_share {}", median(&mut of_reading));
    }
    Ok(())
}

type Reader = fn(&[f32]);

/// Ways to read; which is the fastest depends on the machine.
const READERS: [(&str, Reader); 5] = [
    ("read_1", widest::<1, 0>),
    ("read_4", widest::<4, 0>),
    ("read_1_prefetching", widest::<1, 1024>),
    ("read_4_prefetching", widest::<4, 512>),
    ("read_16_prefetching", widest::<16, 256>),
];

/// [`read`] in the widest registers that the processor has.
fn widest<const STREAMS: usize, const AHEAD: usize>(data: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2<const STREAMS: usize, const AHEAD: usize>(data: &[f32]) {
            read::<STREAMS, AHEAD>(data);
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { with_avx2::<STREAMS, AHEAD>(data) };
        }
    }
    read::<STREAMS, AHEAD>(data);
}

/// Reads all of it once, `STREAMS` places at a time, and asks for what lies `AHEAD` numbers ahead.
#[inline(always)]
fn read<const STREAMS: usize, const AHEAD: usize>(data: &[f32]) {
    const LANES: usize = 32;
    let part = data.len() / STREAMS / LANES * LANES;
    let mut sums = [[0_u32; LANES]; STREAMS];
    let parts: [&[f32]; STREAMS] = std::array::from_fn(|stream| &data[stream * part..(stream + 1) * part]);
    for at in (0..part).step_by(LANES) {
        for (sum, part) in sums.iter_mut().zip(parts) {
            if AHEAD > 0 {
                prefetch(part.as_ptr().wrapping_add(at + AHEAD));
                prefetch(part.as_ptr().wrapping_add(at + AHEAD + LANES / 2));
            }
            for (sum, value) in sum.iter_mut().zip(&part[at..at + LANES]) {
                *sum ^= value.to_bits();
            }
        }
    }
    std::hint::black_box(sums);
}

/// Asks for a line of memory, where the processor can be asked.
#[inline(always)]
fn prefetch(_at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch of any address is harmless.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(_at.cast()) };
    }
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
