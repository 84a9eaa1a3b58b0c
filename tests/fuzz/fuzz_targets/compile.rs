//! Coverage-guided fuzzing of the whole compiler, from the bytes of a file on.
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo run -p ingrain-tests --bin fuzz -- --seeds tests/fuzz/corpus/compile
//! cd tests
//! cargo fuzz run --sanitizer none compile -- -max_total_time=60 -rss_limit_mb=2048 -timeout=20
//! ```
//! Works with the stable compiler: no sanitizer is needed, since the compiler has no unsafe code of its own. Half of
//! the changes are made to messages, so that many inputs get past decoding.

#![no_main]

use ingrain_tests::fuzz;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| {
    let _ = fuzz::compile(data.to_vec().into());
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match fuzz::mutated(&data[..size], seed.into()) {
        Some(changed) if changed.len() <= max_size => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});
