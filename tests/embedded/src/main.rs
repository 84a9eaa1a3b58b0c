//! Runs a model on a Cortex-M4 with all the test data that came with it. The folder that `INGRAIN_MODEL` names at build
//! time holds both, in the layout of ONNX's backend tests.

#![no_std]
#![no_main]

#[path = "../../../examples/digits-cortex-m/src/usage.rs"]
mod usage;

use cortex_m_rt::{entry, exception};
use semihosting::{println, process};

ingrain::include_model!("model");
include!(concat!(env!("OUT_DIR"), "/data.rs"));

/// What the comparisons have shown so far.
struct Verdict {
    set: &'static str,
    compared: usize,
    failed: usize,
}

impl Verdict {
    fn begins(&mut self, set: &'static str) {
        self.set = set;
    }

    /// Compares an output with what it should be.
    fn compare<T: Copy + Into<f64>>(&mut self, name: &str, got: &[T], want: &[T]) {
        let (mut worst, mut good) = (0.0, got.len() == want.len());
        for (got, want) in got.iter().zip(want) {
            let (got, want) = ((*got).into(), (*want).into());
            let error = (got - want).abs();
            worst = f64::max(worst, error);
            // Also false where one is not a number.
            good &= error <= ATOL + RTOL * want.abs();
        }
        let verdict = if good { "agrees" } else { "DIFFERS" };
        println!("{}: {name} {verdict}, largest error {worst:e}", self.set);
        self.compared += 1;
        self.failed += usize::from(!good);
    }
}

#[entry]
fn main() -> ! {
    usage::paint_stack();
    let Some(arena) = cortex_m::singleton!(: model::Arena = model::Arena::new()) else { process::exit(2) };
    let mut model = model::Model::in_arena(arena);
    let mut verdict = Verdict { set: "", compared: 0, failed: 0 };
    if let Err(error) = run_all(&mut model, &mut verdict) {
        println!("{}: {error}", verdict.set);
        process::exit(3)
    }
    println!("{} of {} outputs agree", verdict.compared - verdict.failed, verdict.compared);
    println!(
        "flash {} bytes; RAM {} bytes of statics, of which the model's arena {}; {} bytes of stack",
        usage::flash(),
        usage::statics(),
        model::CONTEXT_BYTES,
        usage::stack()
    );
    process::exit(if verdict.failed == 0 && verdict.compared > 0 { 0 } else { 1 })
}

/// Without this a fault would hang the machine.
#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    println!("hard fault");
    process::exit(101)
}
