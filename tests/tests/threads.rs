//! Workers on threads: a model is `Send`, its choice of weights and inputs are `Sync`, and nobody waits for anybody.

use std::thread;

ingrain::onnx_model! {
    mod digits = "../examples/digits/data/digits.onnx" { dims: { s31: 1 } };
}
ingrain::onnx_model! {
    mod encoder {
        variants: {
            a: "../examples/shared-weights/data/t5_lora_a_encoder.onnx",
            b: "../examples/shared-weights/data/t5_lora_b_encoder.onnx",
        },
        dims: { batch: 1, seq: 4 },
        overridable: ["onnx::MatMul_512"],
        weights: "file",
    };
}
ingrain::onnx_model! {
    mod memory = "tests/state/memory.onnx" {
        dims: { batch: 1..=4 },
        state: { "hn" => "h", "older_next" => "older", "oldest_next" => "oldest" },
    };
}

const fn send<T: Send>() {}
const fn shared<T: Send + Sync>() {}

/// Whoever breaks this sees it when these tests are compiled: workers of all kinds move to other threads, whether their
/// memory is on the heap or borrowed.
const _: () = {
    send::<digits::Model<'static>>();
    send::<encoder::Model<'static>>();
    send::<memory::Model<'static>>();
    send::<digits::Arena>();
    send::<&mut digits::Arena>();
    shared::<digits::Inputs<'static>>();
    shared::<encoder::Inputs<'static>>();
    shared::<encoder::Weights<'static>>();
    shared::<encoder::Variant>();
    shared::<ingrain::Error>();
    shared::<ingrain::WeightsError>();
};

const fn sends_with_borrowed_memory<'a>(_: &'a ()) {
    send::<digits::Model<'a>>();
}
const _: () = sends_with_borrowed_memory(&());

#[test]
fn workers_on_threads_compute_what_one_does() {
    let image = |seed: u32| -> [f32; 64] {
        std::array::from_fn(|at| {
            ((at as u32 + 1).wrapping_mul(seed.wrapping_mul(0x9e37_79b1)) >> 8) as f32 / 1e7
        })
    };
    let expected: Vec<[f32; 10]> = (0..64)
        .map(|seed| *digits::Model::new().run(digits::Inputs { input: &image(seed) }).unwrap().logp)
        .collect();
    assert!(expected.windows(2).all(|pair| pair[0] != pair[1]));
    // Made here, run there, all at once.
    let workers: Vec<_> = (0..8).map(|_| digits::Model::new()).collect();
    let results: Vec<Vec<[f32; 10]>> = thread::scope(|scope| {
        let run = |(number, mut worker): (u32, digits::Model<'static>)| {
            scope.spawn(move || {
                let seeds = (number * 8)..(number * 8 + 8);
                seeds.map(|s| *worker.run(digits::Inputs { input: &image(s) }).unwrap().logp).collect()
            })
        };
        let threads: Vec<_> = (0..).zip(workers).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.concat(), expected);
}

#[test]
fn each_worker_has_weights_of_its_own_choice() {
    let input = [3, 1, 4, 1];
    let run = |worker: &mut encoder::Model<'_>| {
        let inputs = encoder::Inputs { input_ids: &input, attention_mask: &[1; 4] };
        worker.run(inputs).unwrap().encoder_hidden_states.map(f32::to_bits)
    };
    let alone = encoder::Variant::ALL.iter().map(|&v| run(&mut encoder::Model::new(v).unwrap()));
    let alone: Vec<_> = alone.collect();
    assert_ne!(alone[0], alone[1]);
    thread::scope(|scope| {
        for number in 0..8 {
            let (run, alone) = (&run, &alone);
            scope.spawn(move || {
                let mut worker = encoder::Model::new(encoder::Variant::ALL[number % 2]).unwrap();
                for turn in 0..4 {
                    let choice = (number + turn) % 2;
                    worker.set_variant(encoder::Variant::ALL[choice]);
                    assert_eq!(run(&mut worker), alone[choice]);
                }
            });
        }
    });
}
