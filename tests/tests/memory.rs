//! What workers and processes cost in memory, as the system counts it: a worker its arena, a process nothing of the
//! weights.
//!
//! One test, for all of the process is counted.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::{env, fs, thread};

ingrain::onnx_model! {
    /// Weights as part of the program.
    mod embedded = "../examples/shared-weights/data/t5_lora_a_encoder.onnx" { dims: { batch: 1, seq: 16 } };
}
ingrain::onnx_model! {
    /// Weights in a file. Results of 64 rows with the whole table make a large arena.
    mod table = "../examples/shared-weights/data/nllb_tiny_embed_lm_head_if.onnx"
        { dims: { batch: 1, seq: 1, batch2: 1, seq2: 64 }, weights: "file" };
}

/// Set in the second process.
const SECOND: &str = "INGRAIN_TEST_SECOND";
const WORKERS: usize = 8;
const KIB: u64 = 1024;

/// What the system says of this process.
struct Memory {
    /// Bytes that are in memory: all, and without what files stand behind.
    resident: u64,
    own: u64,
    /// Of each read-only mapping of a file: its name, its bytes in memory, and this process's share of them.
    files: Vec<(String, u64, u64)>,
}

fn memory() -> Memory {
    let (mut all, mut current) = (Memory { resident: 0, own: 0, files: Vec::new() }, false);
    for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        let mut words = line.split_whitespace();
        let (name, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let bytes = second.parse::<u64>().unwrap_or(0) * KIB;
        match name {
            "Rss:" => {
                all.resident += bytes;
                if let (true, Some(file)) = (current, all.files.last_mut()) {
                    file.1 += bytes;
                }
            }
            "Pss:" => {
                if let (true, Some(file)) = (current, all.files.last_mut()) {
                    file.2 += bytes;
                }
            }
            "Anonymous:" => all.own += bytes,
            _ if !name.ends_with(':') => {
                current = second == "r--p" && line.contains('/');
                if current {
                    all.files.push((line[line.find('/').unwrap()..].to_owned(), 0, 0));
                }
            }
            _ => {}
        }
    }
    all
}

fn run_table(worker: &mut table::Model<'_>) -> f32 {
    let hidden = [0.25; 64 * 64];
    let inputs = |use_embed| table::Inputs { use_embed, input_ids: &[7], pre_logits: &hidden };
    let row = worker.run(inputs(&[true])).unwrap().output.data[0];
    row + worker.run(inputs(&[false])).unwrap().output.data[0]
}

fn run_embedded() -> f32 {
    let mut worker = embedded::Model::new();
    let inputs = embedded::Inputs { input_ids: &[5; 16], attention_mask: &[1; 16] };
    worker.run(inputs).unwrap().encoder_hidden_states[0]
}

/// A process of this program that has read all weights and waits.
fn second_process() -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "workers_cost_an_arena_and_processes_share_weights", "--nocapture"])
        .env(SECOND, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let out = child.stdout.as_mut().unwrap();
    while !said.ends_with(b"ready") {
        let mut byte = [0];
        out.read_exact(&mut byte).expect("the second process runs");
        said.push(byte[0]);
    }
    child
}

#[test]
fn workers_cost_an_arena_and_processes_share_weights() {
    let mut worker = table::Model::new().unwrap();
    run_table(&mut worker);
    run_embedded();
    if env::var_os(SECOND).is_some() {
        print!("ready");
        std::io::Write::flush(&mut std::io::stdout()).unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }

    // Workers. The first has brought in code and weights.
    let before = memory();
    let threads: Vec<_> = (0..WORKERS)
        .map(|_| {
            thread::spawn(|| {
                let mut worker = table::Model::new().unwrap();
                run_table(&mut worker);
                worker
            })
        })
        .collect();
    let workers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let after = memory();
    assert_eq!(workers.len(), WORKERS);
    let each = (after.resident - before.resident) / WORKERS as u64;
    let arena = table::CONTEXT_BYTES as u64;
    assert!(arena > 512 * KIB, "{arena} is too little to tell a copy of the weights from noise");
    assert!(each <= arena + 256 * KIB, "a worker takes {each} bytes, its arena is {arena}");
    // Arenas are really there, so it is them that was counted.
    assert!(each >= arena / 2, "a worker takes {each} bytes, its arena is {arena}");

    // Processes. Half of what two have mapped counts for each; of what one has copied, all would.
    let mut second = second_process();
    let now = memory();
    drop(second.stdin.take());
    assert!(second.wait().unwrap().success());
    let program = env::current_exe().unwrap();
    let weights: Vec<_> = now.files.iter().filter(|(name, ..)| name.ends_with(".blob")).collect();
    let [(_, in_memory, share)] = weights[..] else { panic!("the file is mapped once: {:?}", now.files) };
    assert!(*in_memory >= 512 * KIB, "{in_memory} bytes of the file were read");
    assert!(share * 100 <= in_memory * 55, "{share} of {in_memory} bytes of the file");
    let own: Vec<_> = now.files.iter().filter(|(name, ..)| *name == program.to_string_lossy()).collect();
    let (in_memory, share) = own.iter().fold((0, 0), |sum, (_, rss, pss)| (sum.0 + rss, sum.1 + pss));
    assert!(in_memory >= 2 * 1024 * KIB, "{in_memory} bytes of the program's constants were read");
    assert!(share * 100 <= in_memory * 60, "{share} of {in_memory} bytes of the program");
    // Nothing of the weights is on the heap.
    assert!(now.own <= (WORKERS as u64 + 2) * (arena + 256 * KIB), "{} bytes of its own", now.own);
}
