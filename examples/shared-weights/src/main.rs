//! A table that is looked up and multiplied with, an encoder with two LoRA adapters, eight workers and a second process:
//! how often is each weight stored, and how often is it in memory?

mod memory;

use memory::{Memory, size};
use std::error::Error;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;
use std::{env, thread};

ingrain::include_model!("nllb", "t5");

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What the build script knows of the weights: the part, its bytes in the models and its bytes in the file.
const PARTS: &[(&str, u64, u64)] = &include!(concat!(env!("OUT_DIR"), "/parts.rs"));

/// Threads that each run a worker of their own.
const WORKERS: usize = 8;

fn main() -> Result {
    if env::args().any(|argument| argument == "--second") {
        return second_process();
    }
    println!("{:<40}{:>16}{:>16}", "weights", "in the models", "stored");
    for (part, given, stored) in PARTS {
        println!("  {part:<38}{:>16}{:>16}", size(*given), size(*stored));
    }
    let sum = |of: fn(&(&str, u64, u64)) -> u64| size(PARTS.iter().map(of).sum());
    println!("  {:<38}{:>16}{:>16}", "together", sum(|part| part.1), sum(|part| part.2));

    println!("\n{:<40}{:>16}{:>16}", "memory", "weights", "everything else");
    Memory::now().tell("at the start");
    let start = Instant::now();
    let mut worker = nllb::Model::new()?;
    let took = start.elapsed();
    Memory::now().tell("nllb: a worker");

    // Both branches read the same bytes, one as rows and one as the columns of a product.
    let tokens = [1, 17, 400];
    let mut rows = Vec::new();
    for token in tokens {
        rows.push(embed(&mut worker, token)?);
    }
    Memory::now().tell("nllb: three rows of the table");
    let likeliest = multiply(&mut worker, &rows[2])?;
    Memory::now().tell("nllb: a product with all of it");

    // One program, two sets of weights.
    let mut encoder = t5::Model::new(t5::Variant::A)?;
    let a = encode(&mut encoder)?;
    encoder.set_variant(t5::Variant::B);
    let b = encode(&mut encoder)?;
    Memory::now().tell("t5: a run with each adapter");

    // A worker is an arena: nothing of the weights is copied, nothing is locked.
    let before = Memory::now();
    let workers = run_on_threads(&rows[2])?;
    let after = Memory::now();
    after.tell(&format!("nllb: {WORKERS} workers on as many threads"));

    // Pages of the file are shared with whoever maps it.
    let mut second = Command::new(env::current_exe()?)
        .arg("--second")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    second.stdout.take().ok_or("a pipe")?.read_exact(&mut [0])?;
    Memory::now().tell_share("our share while a second process runs");
    drop(second.stdin.take());
    second.wait()?;

    let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("\nthe first worker was made, and the file of weights checked, in {took:.1?}");
    println!(
        "a worker of nllb has an arena of {}, one of t5 {}",
        size(nllb::CONTEXT_BYTES as u64),
        size(t5::CONTEXT_BYTES as u64)
    );
    if let Some(each) = after.own_since(&before) {
        println!(
            "each of {} more workers took {}, with its thread",
            workers.len(),
            size(each / WORKERS as u64)
        );
    }
    println!(
        "token {}: of all rows, its own has the largest product with it: {}",
        tokens[2],
        likeliest == tokens[2] as usize
    );
    println!("the adapters change results by up to {apart:.3}");
    Ok(())
}

/// The table's row of a token.
fn embed(worker: &mut nllb::Model<'_>, token: i64) -> Result<Vec<f32>> {
    let inputs = nllb::Inputs { use_embed: &[true], input_ids: &[token], pre_logits: &[0.0; _] };
    Ok(worker.run(inputs)?.output.data.to_vec())
}

/// The token whose row has the largest product with `hidden`.
fn multiply(worker: &mut nllb::Model<'_>, hidden: &[f32]) -> Result<usize> {
    let inputs = nllb::Inputs { use_embed: &[false], input_ids: &[0], pre_logits: hidden.try_into()? };
    let logits = worker.run(inputs)?.output.data;
    Ok((0..logits.len()).max_by(|&i, &j| logits[i].total_cmp(&logits[j])).unwrap_or(0))
}

fn encode(worker: &mut t5::Model<'_>) -> Result<Vec<f32>> {
    let ids = ingrain::TensorRef::new(&[5, 6, 7], [1, 3])?;
    let mask = ingrain::TensorRef::new(&[1, 1, 1], [1, 3])?;
    let out = worker.run(t5::Inputs { input_ids: ids, attention_mask: mask })?;
    Ok(out.encoder_hidden_states.data.to_vec())
}

/// Workers that have run, each on a thread of its own.
fn run_on_threads(hidden: &[f32]) -> Result<Vec<nllb::Model<'static>>> {
    thread::scope(|scope| {
        let start = |_| {
            scope.spawn(|| {
                let mut worker = nllb::Model::new()?;
                multiply(&mut worker, hidden)?;
                Ok(worker)
            })
        };
        let threads: Vec<_> = (0..WORKERS).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("a worker does not panic")).collect()
    })
}

/// Uses all weights, and stays until the first process has looked.
fn second_process() -> Result {
    let mut worker = nllb::Model::new()?;
    let row = embed(&mut worker, 1)?;
    multiply(&mut worker, &row)?;
    let mut encoder = t5::Model::new(t5::Variant::A)?;
    encode(&mut encoder)?;
    encoder.set_variant(t5::Variant::B);
    encode(&mut encoder)?;
    print!(".");
    std::io::Write::flush(&mut std::io::stdout())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
