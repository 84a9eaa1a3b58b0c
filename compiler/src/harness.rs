//! Builds compiled models into programs, runs them, and compares what they compute.
//!
//! The command line and the conformance run stand on this. A model goes the way it goes in an application: through
//! [`crate::compile`], into a Rust crate, through rustc, into a process. What is slow is kept in a [`Cache`] by content;
//! what may crash or hang runs in a process (compiled models) or a guarded thread (the compiler) of its own, so that one
//! bad model never hides the results of the others.

pub mod bind;
pub mod cache;
pub mod compare;
pub mod dataset;
pub mod exec;
mod glue;
pub mod guard;
pub mod interface;
pub mod npy;
pub mod project;
pub mod runtime;
pub mod specialise;
pub mod suite;

pub use cache::{Cache, Digest};
pub use compare::{Difference, Tolerance, compare};
pub use dataset::{DataSet, Problem};
pub use guard::{Compiled, Refusal, compile_file};
pub use interface::Interface;
pub use project::{Builder, Placed, Profile, Unit};
pub use specialise::compile_for;
pub use suite::{Case, Outcome, Reason, Settings};

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies `work` to every item on all cores and gives the results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(usize, &T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(index, item);
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
