use super::super::{Cache, exec};
use super::*;
use crate::report::{Port, Report};
use crate::types::{DType, Tensor};

/// Doubles its input, or does whatever `body` says with the elements `x` and the state `y`.
fn unit(body: &str) -> Unit {
    let source = format!(
        "pub struct Inputs<'a> {{ pub x: &'a [f32; 2] }}
        pub struct Outputs<'a> {{ pub y: &'a [f32; 2] }}
        pub struct Model {{ y: [f32; 2] }}
        impl Model {{
            pub fn new() -> Model {{ Model {{ y: [0.0; 2] }} }}
            pub fn run(&mut self, inputs: Inputs<'_>) -> Result<Outputs<'_>, String> {{
                let (x, y) = (inputs.x, &mut self.y);
                {body}
                Ok(Outputs {{ y: &self.y }})
            }}
        }}"
    );
    let port = |name: &str| Port {
        name: name.to_owned(),
        field: name.to_owned(),
        dtype: DType::F32,
        shape: vec!["2".to_owned()],
        fixed: Some(vec![2]),
    };
    let report = Report { inputs: vec![port("x")], outputs: vec![port("y")], ..Report::default() };
    Unit {
        source: format!("pub mod model {{\n{source}\n}}\n{}", glue::drive(&report)),
        blob: Blob::default(),
    }
}

/// `y = x + w` for `x: [n]`, and whether it is above zero; `w` stands at `offset` of a blob of `bytes` bytes.
fn dynamic(offset: usize, bytes: usize) -> Unit {
    let source = format!(
        "pub struct Inputs<'a> {{ pub x: ::ingrain::TensorRef<'a, f32, 1> }}
        pub struct Outputs<'a> {{ pub y: ::ingrain::TensorRef<'a, f32, 1>, pub sign: &'a [bool; 1] }}
        pub struct Model {{ y: [f32; 8], sign: [bool; 1] }}
        impl Model {{
            pub fn new() -> Model {{ Model {{ y: [0.0; 8], sign: [false] }} }}
            pub fn run(&mut self, inputs: Inputs<'_>) -> Result<Outputs<'_>, ::ingrain::Error> {{
                let dims @ [n] = inputs.x.dims;
                ::ingrain::check_dim(\"n\", n, 1, 8)?;
                let w: &[f32; 1] = super::WEIGHTS.array(::ingrain::Slot::new({offset}, 1));
                for (y, x) in self.y.iter_mut().zip(inputs.x.data) {{ *y = x + w[0]; }}
                self.sign = [self.y[0] > 0.0];
                Ok(Outputs {{ y: ::ingrain::TensorRef {{ data: &self.y[..n], dims }}, sign: &self.sign }})
            }}
        }}"
    );
    let port = |name: &str, dtype, fixed| Port {
        name: name.to_owned(),
        field: name.to_owned(),
        dtype,
        shape: vec!["n".to_owned()],
        fixed,
    };
    let report = Report {
        inputs: vec![port("x", DType::F32, None)],
        outputs: vec![port("y", DType::F32, None), port("sign", DType::Bool, Some(vec![1]))],
        ..Report::default()
    };
    let mut blob = vec![0; bytes];
    blob[offset..offset + 4].copy_from_slice(&100.0_f32.to_le_bytes());
    Unit {
        source: format!("pub mod model {{\n{source}\n}}\n{}", glue::drive(&report)),
        blob: Blob::from_bytes(blob),
    }
}

/// One group holds models that work, that rustc refuses, that crash, hang and change: each shows what it is.
#[test]
fn bad_models_do_not_hide_good_ones() {
    let cache = Cache::open().unwrap();
    let units = [
        unit("*y = x.map(|v| 2.0 * v);"),
        unit("let broken: u32 = x;"),
        unit("panic!(\"as asked\");"),
        unit("loop { std::hint::black_box(&x); }"),
        unit("y[0] += x[0];"),
        unit("return Err(\"no\".to_owned());"),
        unit("*y = *x; fn wrong() -> NoSuchType {}"),
        dynamic(64, 68),
        dynamic(1 << 20, 2 << 20),
    ];
    // Another cache key in every run, so that everything is built.
    let progress = |_: &str| {};
    let mut builder = Builder::new(&cache, Profile::Quick, &progress).unwrap();
    builder.stamp = Digest::new().with(&builder.stamp).with(std::process::id().to_le_bytes()).hex();
    let placed = builder.build(&units, vec![(0..units.len()).collect()]).unwrap();
    let input = [Tensor::from_f32s(vec![2], &[1.5, -2.0])];
    let run = |i: usize| {
        let placed = placed[i].as_ref().unwrap_or_else(|e| panic!("{i}: {e}"));
        exec::run(&cache, placed, &input, Duration::from_secs(2))
    };
    let good = run(0).unwrap();
    assert!(good.stable);
    assert_eq!(good.outputs, [Tensor::from_f32s(vec![2], &[3.0, -4.0])]);
    assert!(placed[1].as_ref().unwrap_err().contains("mismatched types"));
    assert!(placed[6].as_ref().unwrap_err().contains("NoSuchType"));
    let crashed = run(2).unwrap_err().to_string();
    assert!(crashed.contains("as asked"), "{crashed}");
    assert!(matches!(run(3), Err(exec::Failure::TimedOut(_))));
    assert!(!run(4).unwrap().stable);
    assert_eq!(run(5).unwrap_err(), exec::Failure::Refused("no".to_owned()));

    let file = cache.temporary(".in").unwrap();
    std::fs::write(&file, exec::encode(&input)).unwrap();
    for index in [7, 8] {
        let sum = run(index).unwrap().outputs;
        let sign = Tensor::new(DType::Bool, vec![1], vec![1].into()).unwrap();
        assert_eq!(sum, [Tensor::from_f32s(vec![2], &[101.5, 98.0]), sign]);
        let long = [Tensor::from_f32s(vec![9], &[0.0; 9])];
        let refused = exec::run(&cache, placed[index].as_ref().unwrap(), &long, Duration::from_secs(2));
        assert!(matches!(refused, Err(exec::Failure::Refused(_))));
    }

    let timed = exec::bench(&cache, placed[0].as_ref().unwrap(), &file, 5, Duration::from_secs(60)).unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(timed["runs"].as_u64().unwrap() >= 5 && timed["median_us"].as_f64().unwrap() < 1e5, "{timed}");
    assert!(timed["peak_rss_bytes"].as_u64().unwrap() > 0, "{timed}");
    let again = builder.build(&units, vec![(0..units.len()).collect()]).unwrap();
    assert_eq!(again, placed);
    for placed in placed.into_iter().flatten() {
        // The models share a program.
        let _ = std::fs::remove_file(placed.binary);
    }
}
