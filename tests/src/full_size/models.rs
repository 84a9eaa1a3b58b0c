//! The models: one table, and every way to multiply with it.

use super::Settings;
use ingrain_compiler::import::proto::{StringStringEntryProto, TensorProto};
use ingrain_compiler::import::text;
use prost::Message;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A model by the text of its graph. Its weight `w` is the table, `float[VOCABULARY,WIDTH]`, or the table transposed,
/// `float[WIDTH,VOCABULARY]`.
pub(super) struct Model {
    /// Its module.
    pub(super) name: &'static str,
    /// How one would write it.
    pub(super) formula: &'static str,
    text: &'static str,
    transposed: bool,
}

const TRANSPOSED: bool = true;

/// The two ends of NLLB: the table is looked up in one branch and multiplied in the other.
pub(super) const NLLB: Model = Model {
    name: "nllb",
    formula: "If(embed, Gather(W), x · Wᵀ)",
    text: "g (bool use_embed, int64[1,1] ids, float[1,1,WIDTH] x) => (float[1,1,size] y) {
        y = If (use_embed) <
            then_branch = embed () => (float[1,1,WIDTH] e) { r = Gather(w, ids) s = Constant<value = float {32}>() e = Mul(r, s) },
            else_branch = lm_head () => (float[1,1,VOCABULARY] l) { t = Transpose<perm = [1, 0]>(w) l = MatMul(x, t) }
        > }",
    transposed: !TRANSPOSED,
};

/// Products of one row with the whole table.
pub(super) const PRODUCTS: [Model; 7] = [
    Model {
        name: "x_wt",
        formula: "x · Wᵀ",
        text: "g (float[1,WIDTH] x) => (float[1,VOCABULARY] y) { t = Transpose<perm = [1, 0]>(w) y = MatMul(x, t) }",
        transposed: !TRANSPOSED,
    },
    Model {
        name: "x_w",
        formula: "x · W",
        text: "g (float[1,WIDTH] x) => (float[1,VOCABULARY] y) { y = MatMul(x, w) }",
        transposed: TRANSPOSED,
    },
    Model {
        name: "w_xt_t",
        formula: "(W · xᵀ)ᵀ",
        text: "g (float[1,WIDTH] x) => (float[1,VOCABULARY] y) {
            c = Transpose<perm = [1, 0]>(x) m = MatMul(w, c) y = Transpose<perm = [1, 0]>(m) }",
        transposed: !TRANSPOSED,
    },
    Model {
        name: "gemm",
        formula: "Gemm(x, W)",
        text: "g (float[1,WIDTH] x) => (float[1,VOCABULARY] y) { y = Gemm(x, w) }",
        transposed: TRANSPOSED,
    },
    Model {
        name: "gemm_b",
        formula: "Gemm(x, W, transB)",
        text: "g (float[1,WIDTH] x) => (float[1,VOCABULARY] y) { y = Gemm<transB = 1>(x, w) }",
        transposed: !TRANSPOSED,
    },
    Model {
        name: "gemm_ab",
        formula: "Gemm(x, W, transA, transB)",
        text: "g (float[WIDTH,1] x) => (float[1,VOCABULARY] y) { y = Gemm<transA = 1, transB = 1>(x, w) }",
        transposed: !TRANSPOSED,
    },
    Model {
        name: "gemm_w",
        formula: "Gemm(W, x, transB)",
        text: "g (float[1,WIDTH] x) => (float[VOCABULARY,1] y) { y = Gemm<transB = 1>(w, x) }",
        transposed: !TRANSPOSED,
    },
];

/// All models, in the order in which they are compiled.
pub(super) fn all() -> Vec<&'static Model> {
    std::iter::once(&NLLB).chain(&PRODUCTS).collect()
}

/// Writes the models and both files of values, unless those are there already.
pub(super) fn write(settings: &Settings) -> Result<(), String> {
    let (n, k) = (settings.vocabulary, settings.width);
    let files = [format!("table-{n}x{k}.data"), format!("transposed-{n}x{k}.data")];
    let say = |e: io::Error| format!("{}: {e}", settings.folder.display());
    let complete = |name: &String| {
        settings.folder.join(name).metadata().is_ok_and(|file| file.len() == settings.table_bytes())
    };
    if !complete(&files[0]) {
        values(&settings.folder.join(&files[0]), n, |row| row_of(row, k)).map_err(say)?;
    }
    if !complete(&files[1]) {
        // A few columns at a time, each of them in one piece of memory.
        let rows: Vec<Vec<f32>> = (0..n).map(|row| row_of(row, k)).collect();
        values(&settings.folder.join(&files[1]), k, |column| rows.iter().map(|row| row[column]).collect())
            .map_err(say)?;
    }
    for model in all() {
        let text = model.text.replace("VOCABULARY", &n.to_string()).replace("WIDTH", &k.to_string());
        let mut proto = text::parse(&text).map_err(|why| format!("{}: {why}", model.name))?;
        let (dims, file) = if model.transposed { ([k, n], &files[1]) } else { ([n, k], &files[0]) };
        let graph = proto.graph.as_mut().ok_or("a model without a graph")?;
        graph.initializer.push(external(dims.map(|extent| extent as i64), file, settings.table_bytes()));
        let path = settings.model(model.name);
        std::fs::write(&path, proto.encode_to_vec()).map_err(say)?;
    }
    Ok(())
}

/// A tensor `w` whose values are all of a file beside the model.
fn external(dims: [i64; 2], file: &str, bytes: u64) -> TensorProto {
    const FLOAT: i32 = 1;
    const EXTERNAL: i32 = 1;
    let entry =
        |key: &str, value: String| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) };
    TensorProto {
        name: Some("w".to_owned()),
        dims: dims.to_vec(),
        data_type: Some(FLOAT),
        data_location: Some(EXTERNAL),
        external_data: vec![
            entry("location", file.to_owned()),
            entry("offset", "0".to_owned()),
            entry("length", bytes.to_string()),
        ],
        ..TensorProto::default()
    }
}

/// Numbers that look like nothing in particular, around zero.
fn row_of(row: usize, width: usize) -> Vec<f32> {
    let mut state = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.125
    };
    (0..width).map(|_| next()).collect()
}

fn values(path: &Path, lines: usize, line: impl Fn(usize) -> Vec<f32>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for at in 0..lines {
        let bytes: Vec<u8> = line(at).into_iter().flat_map(f32::to_le_bytes).collect();
        file.write_all(&bytes)?;
    }
    file.flush()
}
