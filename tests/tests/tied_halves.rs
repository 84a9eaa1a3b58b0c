//! Tables in half precision that are looked up and multiplied with: stored once, and right at every vector level.
//!
//! The model has a table of 200 rows in f16 and the same in bf16. Rows at given positions are multiplied with the
//! transposed table, once in half precision and once after both were widened to f32. All numbers are multiples of 1/64,
//! so that sums are exact.

use ingrain::kernels::isa::{self, Level};
use ingrain::{TensorRef, bf16, f16};

const MODEL: &str = "tests/models/tied_halves.onnx";
const ROWS: usize = 200;
const COLUMNS: usize = 40;

ingrain::onnx_model! {
    mod tied = "tests/models/tied_halves.onnx" { dims: { rows: 1..=40 } };
}

fn table(row: usize, column: usize) -> f32 {
    (((row * COLUMNS + column) * 37 % 255) as f32 - 127.0) / 64.0
}

#[test]
fn every_level_gives_the_right_numbers() {
    for level in [Level::Baseline, Level::Avx2, Level::Avx512] {
        if isa::limit(level) != level {
            continue;
        }
        let mut model = tied::Model::new();
        for count in [1, 2, 3, 4, 5, 17, 40] {
            let ids: Vec<i64> = (0..count).map(|i| (i * 71 + 3) % ROWS as i64).collect();
            let inputs = tied::Inputs { ids: TensorRef::new(&ids, [ids.len()]).unwrap() };
            let out = model.run(inputs).unwrap();
            for (row, &id) in ids.iter().enumerate() {
                for column in 0..ROWS {
                    let sum: f32 = (0..COLUMNS).map(|k| table(id as usize, k) * table(column, k)).sum();
                    let at = row * ROWS + column;
                    assert_eq!(out.h_wide.data[at], sum, "{level:?} {row} {column}");
                    assert_eq!(out.b_wide.data[at], sum, "{level:?} {row} {column}");
                    assert_eq!(out.h_narrow.data[at], f16::from_f32(sum), "{level:?} {row} {column}");
                    assert_eq!(out.b_narrow.data[at], bf16::from_f32(sum), "{level:?} {row} {column}");
                }
            }
        }
    }
}

#[test]
fn each_table_is_stored_once() {
    let source = ingrain_compiler::ModelSource::open("tied", std::path::Path::new(MODEL)).unwrap();
    let options = ingrain_compiler::Options::default().dim("rows", 3);
    let artifact = ingrain_compiler::compile(&[(source, options)]).unwrap_or_else(|d| panic!("{d}"));
    let report = &artifact.modules[0].report;
    assert_eq!(artifact.blob.len(), 2 * (2 * ROWS * COLUMNS) as u64);
    // Nothing of a table's size is made at run time.
    assert!(report.context_bytes < (4 * ROWS * COLUMNS) as u64, "{} bytes", report.context_bytes);
    assert!(report.weights.iter().all(|w| w.layout.starts_with("panels")), "{:?}", report.weights);
}
