//! The runner's side of a program of compiled models: reads inputs, times runs, writes outputs.
//!
//! `PROGRAM run INDEX INPUTS OUTPUTS` runs model INDEX twice and writes its outputs; `PROGRAM bench INDEX INPUTS RUNS`
//! times it. Both print one line of JSON. Status 3 means that the model refused its inputs.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs a model for a task.
pub type Drive = fn(&mut Task) -> Result<(), String>;

/// An element as it is in files: little-endian.
pub trait Element: Copy {
    /// The number of the type in ONNX.
    const CODE: u32;
    /// Bytes of one.
    const SIZE: usize;
    /// From its bytes.
    fn read(bytes: &[u8]) -> Self;
    /// Appends its bytes.
    fn write(self, bytes: &mut Vec<u8>);
}

macro_rules! elements {
    ($($t:ty = $code:literal, $size:literal;)*) => {$(
        impl Element for $t {
            const CODE: u32 = $code;
            const SIZE: usize = $size;
            fn read(bytes: &[u8]) -> Self {
                let mut raw = [0_u8; $size];
                raw.copy_from_slice(bytes);
                <$t>::from_le_bytes(raw)
            }
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

elements! {
    f32 = 1, 4;
    u8 = 2, 1;
    i8 = 3, 1;
    u16 = 4, 2;
    i16 = 5, 2;
    i32 = 6, 4;
    i64 = 7, 8;
    ::ingrain::f16 = 10, 2;
    f64 = 11, 8;
    u32 = 12, 4;
    u64 = 13, 8;
    ::ingrain::bf16 = 16, 2;
}

impl Element for bool {
    const CODE: u32 = 9;
    const SIZE: usize = 1;
    fn read(bytes: &[u8]) -> bool {
        bytes != [0]
    }
    fn write(self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self));
    }
}

struct Raw {
    code: u32,
    dims: Vec<usize>,
    data: Vec<u8>,
}

enum Mode {
    Run { outputs: String },
    Bench { runs: usize },
}

/// What is to be done with a model, and what came of it.
pub struct Task {
    mode: Mode,
    inputs: Vec<Raw>,
    started: Instant,
    ready: Duration,
    run_started: Instant,
    end: Option<Instant>,
    rounds: usize,
    times: Vec<Duration>,
    outputs: [Vec<u8>; 2],
}

const WARM_UP: usize = 3;
const BENCH_SECONDS: Duration = Duration::from_secs(20);
/// Short models are timed for at least this long in sum.
const LEAST_SUM: Duration = Duration::from_millis(300);
const MOST_RUNS: usize = 100_000;

impl Task {
    /// The model exists.
    pub fn ready(&mut self) {
        self.ready = self.started.elapsed();
    }

    /// The elements of input `index`.
    pub fn input<T: Element>(&self, index: usize) -> Result<Vec<T>, String> {
        let raw = self.inputs.get(index).ok_or_else(|| format!("there is no input {index}"))?;
        if raw.code != T::CODE {
            return Err(format!("input {index} has element type {}, expected {}", raw.code, T::CODE));
        }
        Ok(raw.data.chunks_exact(T::SIZE).map(T::read).collect())
    }

    /// The extents of input `index`.
    pub fn dims<const RANK: usize>(&self, index: usize) -> Result<[usize; RANK], String> {
        let raw = self.inputs.get(index).ok_or_else(|| format!("there is no input {index}"))?;
        raw.dims
            .as_slice()
            .try_into()
            .map_err(|_| format!("input {index} has {} axes, expected {RANK}", raw.dims.len()))
    }

    /// A run begins.
    #[inline(never)]
    pub fn start(&mut self) {
        self.run_started = Instant::now();
    }

    /// The run is over.
    #[inline(never)]
    pub fn stop<T>(&mut self, outputs: &T) {
        let time = self.run_started.elapsed();
        std::hint::black_box(outputs);
        self.times.push(time);
    }

    /// One output of the run; called for all in order.
    pub fn output<T: Element>(&mut self, dims: &[usize], data: &[T]) {
        if let Mode::Run { .. } = self.mode {
            let bytes = &mut self.outputs[self.rounds.min(1)];
            T::CODE.write(bytes);
            (dims.len() as u32).write(bytes);
            for &dim in dims {
                (dim as u64).write(bytes);
            }
            ((data.len() * T::SIZE) as u64).write(bytes);
            for &element in data {
                element.write(bytes);
            }
        }
    }

    /// Whether another run is wanted.
    pub fn again(&mut self) -> bool {
        self.rounds += 1;
        match self.mode {
            Mode::Run { .. } => self.rounds < 2,
            Mode::Bench { runs } => {
                if self.rounds <= WARM_UP {
                    self.times.clear();
                    self.end = None;
                    return true;
                }
                let end = *self.end.get_or_insert_with(|| Instant::now() + BENCH_SECONDS);
                let done = self.times.len();
                let short = self.times.iter().sum::<Duration>() < LEAST_SUM && done < MOST_RUNS;
                (done < runs || (runs > 1 && short)) && Instant::now() < end
            }
        }
    }

    fn report(&mut self) -> Result<String, String> {
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        let startup = micros(self.ready);
        let rss = peak_rss();
        if let Mode::Run { outputs } = &self.mode {
            let [first, second] = &self.outputs;
            std::fs::write(outputs, first).map_err(|e| format!("cannot write {outputs}: {e}"))?;
            let run = self.times.first().copied().map_or(0.0, micros);
            let stable = first == second;
            return Ok(format!(
                "{{\"stable\":{stable},\"startup_us\":{startup:.3},\"run_us\":{run:.3},\"peak_rss_bytes\":{rss}}}"
            ));
        }
        self.times.sort();
        let runs = self.times.len();
        let (Some(&min), Some(&low), Some(&high)) =
            (self.times.first(), self.times.get((runs.max(1) - 1) / 2), self.times.get(runs / 2))
        else {
            return Err("the model was not run".to_owned());
        };
        let median = (micros(low) + micros(high)) / 2.0;
        let mean = micros(self.times.iter().sum()) / runs as f64;
        Ok(format!(
            "{{\"runs\":{runs},\"min_us\":{:.3},\"median_us\":{median:.3},\"mean_us\":{mean:.3},\
             \"startup_us\":{startup:.3},\"peak_rss_bytes\":{rss}}}",
            micros(min)
        ))
    }
}

/// The elements as an array of the length that the model wants.
pub fn array<T, const N: usize>(index: usize, elements: &[T]) -> Result<&[T; N], String> {
    let got = elements.len();
    elements.try_into().map_err(|_| format!("input {index} has {got} elements, expected {N}"))
}

fn read_inputs(path: &str) -> Result<Vec<Raw>, String> {
    let file = std::fs::read(path).map_err(|e| format!("cannot read {path}: {e}"))?;
    let mut rest = file.as_slice();
    let mut inputs = Vec::new();
    while !rest.is_empty() {
        inputs.push(read_tensor(&mut rest).ok_or_else(|| format!("{path} is cut off"))?);
    }
    Ok(inputs)
}

fn read_tensor(rest: &mut &[u8]) -> Option<Raw> {
    let code = u32::read(rest.split_off(..4)?);
    let rank = u32::read(rest.split_off(..4)?);
    let mut dims = Vec::new();
    for _ in 0..rank {
        dims.push(u64::read(rest.split_off(..8)?) as usize);
    }
    let len = u64::read(rest.split_off(..8)?) as usize;
    Some(Raw { code, dims, data: rest.split_off(..len)?.to_vec() })
}

/// The most memory this process ever had in use, in bytes; 0 where the system does not tell.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

fn perform(models: &[Drive]) -> Result<String, (u8, String)> {
    let usage = |_| (2, "usage: run INDEX INPUTS OUTPUTS | bench INDEX INPUTS RUNS".to_owned());
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, index, inputs, last] = args.as_slice() else { return Err(usage(())) };
    let mode = match verb.as_str() {
        "run" => Mode::Run { outputs: last.clone() },
        "bench" => Mode::Bench { runs: last.parse().map_err(|_| usage(()))? },
        _ => return Err(usage(())),
    };
    let drive = index.parse::<usize>().ok().and_then(|i| models.get(i)).ok_or_else(|| usage(()))?;
    let now = Instant::now();
    let mut task = Task {
        mode,
        inputs: read_inputs(inputs).map_err(|e| (2, e))?,
        started: now,
        ready: Duration::ZERO,
        run_started: now,
        end: None,
        rounds: 0,
        times: Vec::new(),
        outputs: [Vec::new(), Vec::new()],
    };
    // Reading the inputs is not start-up.
    task.started = Instant::now();
    drive(&mut task).map_err(|e| (3, e))?;
    task.report().map_err(|e| (2, e))
}

/// Does what the command line says with one of the models.
pub fn main(models: &[Drive]) -> ExitCode {
    match perform(models) {
        Ok(line) => match writeln!(std::io::stdout(), "{line}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(2),
        },
        Err((status, why)) => {
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::from(status)
        }
    }
}
