//! Every weight is stored once, counted by hand: initializers are read from the files here, not by the compiler.
//!
//! The models of the zoo are checked where they are (`../shared/zoo` beside the repository, or `INGRAIN_ZOO`).

use bytes::Bytes;
use ingrain_compiler::bundle::{Bundle, Member};
use ingrain_compiler::harness::dataset::{self, Parts};
use ingrain_compiler::harness::{Interface, bind, in_parallel};
use ingrain_compiler::import::proto::{self, GraphProto, ModelProto, TensorProto};
use ingrain_compiler::import::text;
use ingrain_compiler::{Artifact, ModelSource, Options};
use prost::Message;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// `f32` in the numbering of ONNX.
const FLOAT: i32 = 1;
/// Types of which small tensors only may be there: booleans and integers, which are sizes and positions.
const COUNTING: [i32; 3] = [6, 7, 9];

/// The constants of a file, each content once.
#[derive(Default)]
struct Constants {
    /// Bytes by content: the smaller of a matrix and its transpose.
    unique: BTreeMap<Vec<u8>, usize>,
    tensors: usize,
    /// Whether all that is large is `f32`.
    floats: bool,
}

impl Constants {
    fn of(model: &ModelProto, folder: &Path) -> Constants {
        let mut constants = Constants { floats: true, ..Constants::default() };
        constants.add_graph(model.graph.as_ref().expect("a model has a graph"), folder);
        for node in model.functions.iter().flat_map(|f| &f.node) {
            node.attribute.iter().for_each(|a| constants.add_attribute(a, folder));
        }
        constants
    }

    fn add_graph(&mut self, graph: &GraphProto, folder: &Path) {
        graph.initializer.iter().for_each(|tensor| self.add(tensor, folder));
        for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
            self.add_attribute(attribute, folder);
        }
    }

    fn add_attribute(&mut self, attribute: &proto::AttributeProto, folder: &Path) {
        attribute.t.iter().for_each(|tensor| self.add(tensor, folder));
        attribute.g.iter().for_each(|graph| self.add_graph(graph, folder));
        attribute.graphs.iter().for_each(|graph| self.add_graph(graph, folder));
    }

    fn add(&mut self, tensor: &TensorProto, folder: &Path) {
        let bytes = bytes_of(tensor, folder);
        let dtype = tensor.data_type.unwrap_or_default();
        self.tensors += 1;
        self.floats &= dtype == FLOAT || COUNTING.contains(&dtype) || bytes.len() <= 64;
        let elements = tensor.dims.iter().product::<i64>().max(1) as usize;
        let extents: Vec<usize> = tensor.dims.iter().filter(|&&d| d != 1).map(|&d| d as usize).collect();
        let transpose = match extents[..] {
            [rows, columns] => transposed(&bytes, bytes.len() / elements, rows, columns),
            _ => bytes.clone(),
        };
        let len = bytes.len();
        self.unique.insert(bytes.min(transpose), len);
    }

    fn bytes(&self) -> usize {
        self.unique.values().sum()
    }

    /// The most that may be stored.
    fn most(&self) -> u64 {
        (self.bytes() as f64 * 1.01) as u64 + 64 * self.tensors as u64
    }
}

/// The elements of a tensor as little-endian bytes, wherever the file keeps them.
fn bytes_of(tensor: &TensorProto, folder: &Path) -> Vec<u8> {
    if let Some(raw) = &tensor.raw_data {
        return raw.to_vec();
    }
    let entry = |key: &str| {
        let found = tensor.external_data.iter().find(|e| e.key.as_deref() == Some(key))?;
        found.value.clone()
    };
    if let Some(file) = entry("location") {
        let all = fs::read(folder.join(file)).expect("the external data is there");
        let number = |key: &str| entry(key).and_then(|v| v.parse::<usize>().ok());
        let offset = number("offset").unwrap_or(0);
        return all[offset..number("length").map_or(all.len(), |len| offset + len)].to_vec();
    }
    match tensor.data_type {
        Some(FLOAT) => tensor.float_data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Some(7) => tensor.int64_data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Some(6) => tensor.int32_data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Some(10 | 16) => tensor.int32_data.iter().flat_map(|x| (*x as u16).to_le_bytes()).collect(),
        _ => tensor.int32_data.iter().map(|x| *x as u8).collect(),
    }
}

fn transposed(bytes: &[u8], elem: usize, rows: usize, columns: usize) -> Vec<u8> {
    let from = |i: usize| i % rows * columns + i / rows;
    (0..rows * columns).flat_map(|i| &bytes[from(i) * elem..(from(i) + 1) * elem]).copied().collect()
}

fn compiled(model: &ModelProto, options: Options) -> Artifact {
    let source = ModelSource::from_bytes("test", model.encode_to_vec());
    ingrain_compiler::compile(&[(source, options)]).unwrap_or_else(|d| panic!("{d}"))
}

/// A matrix of random numbers as a declaration in ONNX text.
fn matrix(dtype: &str, name: &str, shape: [usize; 2], turned: bool) -> String {
    let [rows, columns] = shape;
    let value = |i: usize| {
        let at = if turned { i % rows * columns + i / rows } else { i };
        (at * 7919 % 2039) as f64 / 64.0
    };
    let values: Vec<String> = (0..rows * columns).map(|i| value(i).to_string()).collect();
    let shape = if turned { format!("{columns},{rows}") } else { format!("{rows},{columns}") };
    format!("{dtype}[{shape}] {name} = {{{}}}", values.join(","))
}

fn model(text: &str) -> ModelProto {
    text::parse(&format!("<ir_version: 10, opset_import: [\"\" : 21]> {text}")).expect("the text is a model")
}

/// Readers of all kinds: products in both orientations, tables, convolutions, recurrences, sums, branches.
#[test]
fn small_models_store_every_content_once() {
    const K: usize = 48;
    const N: usize = 200;
    let w = |dtype| matrix(dtype, "w", [K, N], false);
    let t = |dtype| matrix(dtype, "t", [K, N], true);
    let (f32_w, f32_t) = (w("float"), t("float"));
    let io = |dtype| format!("({dtype}[2,{K}] x, int64[3] i) => ({dtype}[2,{N}] y, {dtype}[3,{K}] e)");
    let mut models = vec![
        format!("g {} <{f32_t}> {{ e = Gather(t, i) y = Gemm <transB = 1> (x, t) }}", io("float")),
        format!("g {} <{f32_w}, {f32_t}> {{ e = Gather(t, i) y = MatMul(x, w) }}", io("float")),
        format!("g {} <{f32_t}> {{ e = Gather(t, i) p = Transpose(t) y = MatMul(x, p) }}", io("float")),
        // Both ways, and as an operand of a sum.
        format!(
            "g (float[2,{K}] x, float[2,{N}] z) => (float[2,{N}] y, float[2,{K}] e) <{f32_w}> \
             {{ y = MatMul(x, w) e = Gemm <transB = 1> (z, w) }}"
        ),
        format!(
            "g (float[{N},{K}] z, float[2,{K}] x) => (float[2,{N}] y, float[{N},{K}] e) <{f32_t}> \
             {{ y = Gemm <transB = 1> (x, t) e = Add(z, t) }}"
        ),
        format!(
            "g (float[2,{K}] x, int64[{N},1] i) => (float[2,{N}] y, float[{N},1] e) <{f32_t}> \
             {{ y = Gemm <transB = 1> (x, t) e = GatherElements <axis = 1> (t, i) }}"
        ),
        // The table behind an If: looked up in one branch, multiplied with in the other.
        format!(
            "g (bool c, float[3,{K}] x, int64[3] i) => (float[3,{N}] y) <{f32_t}> {{ \
             y = If (c) <then_branch = a () => (float[3,{N}] p) {{ r = Transpose(t) p = MatMul(x, r) }}, \
             else_branch = b () => (float[3,{N}] q) {{ e = Gather(t, i) r = Transpose(t) q = MatMul(e, r) }}> }}"
        ),
    ];
    for dtype in ["float16", "bfloat16"] {
        models.push(format!(
            "g {} <{}> {{ e = Gather(t, i) p = Transpose(t) y = MatMul(x, p) }}",
            io(dtype),
            t(dtype)
        ));
        models.push(format!(
            "g {} <{}> {{ v = Cast <to = 1> (t) e = Gather(v, i) y = Gemm <transB = 1> (x, v) }}",
            io("float"),
            t(dtype)
        ));
    }
    for text in &models {
        let model = model(text);
        let constants = Constants::of(&model, Path::new("."));
        let elem = if text.contains("float16[") { 2 } else { 4 };
        assert_eq!(constants.bytes(), K * N * elem);
        let artifact = compiled(&model, Options::default());
        let found = artifact.blob.len();
        assert!(found <= constants.most(), "{found} bytes of {}: {}", constants.bytes(), &text[..80]);
        check_arena(&artifact, &text[..80]);
    }
}

/// The arena is as large as what is alive at once, by the places that its values have, and no two of these overlap.
#[track_caller]
fn check_arena(artifact: &Artifact, name: &str) {
    let report = &artifact.modules[0].report;
    let last = report.values.iter().map(|v| v.last).max().unwrap_or(0);
    let mut bound = 0;
    for step in 0..=last {
        let mut alive: Vec<_> =
            report.values.iter().filter(|v| v.bytes > 0 && v.first <= step && step <= v.last).collect();
        alive.sort_by_key(|v| v.offset);
        // A step may write its result over an operand; then both have one place.
        let (mut end, mut bytes) = (0, 0);
        for value in alive {
            let from = value.offset.max(end);
            end = end.max(value.offset + value.bytes);
            bytes += end.saturating_sub(from);
        }
        bound = bound.max(bytes);
    }
    let (context, said) = (report.context_bytes, report.context_lower_bound_bytes);
    assert!(bound <= context, "{name}: values of {bound} bytes in {context}");
    // Every value may begin at a cache line.
    let slack = 64 * report.values.len() as u64;
    assert!(said <= bound + slack, "{name}: the bound {said} is not what is alive, {bound}");
    assert!(context as f64 <= 1.05 * said as f64, "{name}: {context} bytes of a bound of {said}");
}

#[test]
fn the_zoo_stores_every_content_once() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // What is not there cannot be checked; a folder that is named must be there.
    let zoo = std::env::var_os("INGRAIN_ZOO").map(PathBuf::from);
    let zoo = zoo.unwrap_or_else(|| here.join("../../shared/zoo"));
    if !zoo.exists() && std::env::var_os("INGRAIN_ZOO").is_none() {
        return;
    }
    let entries = fs::read_dir(&zoo).expect("the zoo is a folder");
    let mut folders: Vec<PathBuf> = entries.map(|e| e.expect("the folder reads").path()).collect();
    folders.retain(|f| f.join("model.onnx").exists());
    folders.sort();
    assert!(!folders.is_empty(), "{} holds no models", zoo.display());
    let checked = in_parallel(&folders, |_, folder| zoo_model(folder));
    let failed: Vec<String> = checked.iter().filter_map(|c| c.as_ref().err().cloned()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(checked.iter().filter(|c| **c == Ok(true)).count() * 2 > folders.len());
}

/// Whether a model's large constants are all `f32`; then they are stored once.
fn zoo_model(folder: &Path) -> Result<bool, String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = folder.join("model.onnx");
    let bytes = Bytes::from(fs::read(&path).map_err(|e| format!("{name}: {e}"))?);
    let model = proto::decode(bytes).map_err(|d| format!("{name}: {}", d.message))?;
    let constants = Constants::of(&model, folder);
    if !constants.floats {
        return Ok(false);
    }
    let interface = Interface::open(&path)?;
    let mut options = Options::default();
    if let Some(set) = dataset::folders(folder).first() {
        let set = dataset::load(set, &interface, Parts::Inputs).map_err(|_| format!("{name}: no data"))?;
        for (symbol, value) in bind::symbol_values(&interface, &set)? {
            options = options.dim(symbol, value);
        }
    }
    let source = ModelSource::open("model", &path).map_err(|e| format!("{name}: {e}"))?;
    let compile = |options: &Options| ingrain_compiler::compile(&[(source.clone(), options.clone())]);
    let artifact = compile(&options).or_else(|refused| {
        // The message names what depends on data and must be bounded.
        let refused = refused.to_string();
        let size = refused.split("nothing bounds the size \"").nth(1).and_then(|rest| rest.split('"').next());
        let options = size.map(|size| options.clone().dim(size, 0..=16)).ok_or(refused)?;
        compile(&options).map_err(|d| d.to_string())
    });
    let artifact = artifact.map_err(|why| format!("{name}: {why}"))?;
    let (stored, most) = (artifact.blob.len(), constants.most());
    if stored > most {
        return Err(format!("{name}: {stored} bytes stored of {} unique ones", constants.bytes()));
    }
    check_arena(&artifact, &name);
    Ok(true)
}

/// One bundle of files that keep one matrix in every way that ONNX has: as raw bytes, as numbers, in a file beside the
/// model, and the other way round.
#[test]
fn a_bundle_shares_weights_over_encodings_and_files() {
    const K: usize = 40;
    const N: usize = 70;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("encodings");
    fs::create_dir_all(&folder).expect("the folder can be made");
    let body = |weights: &str, body: &str| {
        model(&format!("g (float[1,{K}] x) => (float[1,{N}] y) <{weights}> {{ {body} }}"))
    };
    let plain = body(&matrix("float", "w", [K, N], false), "y = MatMul(x, w)");
    let bytes = bytes_of(&plain.graph.as_ref().expect("a graph").initializer[0], &folder);
    let with = |change: &dyn Fn(&mut TensorProto)| {
        let mut model = plain.clone();
        let tensor = &mut model.graph.as_mut().expect("a graph").initializer[0];
        tensor.raw_data = None;
        tensor.float_data.clear();
        change(tensor);
        model
    };
    let raw = with(&|tensor| tensor.raw_data = Some(Bytes::from(bytes.clone())));
    let typed = with(&|tensor| {
        tensor.float_data = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    });
    let external = with(&|tensor| {
        let entry = |key: &str, value: String| proto::StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value),
        };
        tensor.data_location = Some(1);
        tensor.external_data = vec![
            entry("location", "weights.data".to_owned()),
            entry("offset", "128".to_owned()),
            entry("length", bytes.len().to_string()),
        ];
    });
    fs::write(folder.join("weights.data"), [vec![7; 128], bytes.clone()].concat())
        .expect("the file is written");
    let turned = body(&matrix("float", "other", [K, N], true), "y = Gemm <transB = 1> (x, other)");
    let members: Vec<Member> = [("raw", raw), ("typed", typed), ("external", external), ("turned", turned)]
        .into_iter()
        .map(|(name, model)| {
            let path = PathBuf::from(format!("{name}.onnx"));
            fs::write(folder.join(&path), model.encode_to_vec()).expect("the file is written");
            Member { name: name.to_owned(), path, variants: Vec::new(), options: Options::default() }
        })
        .collect();
    let bundle = Bundle::open(&folder, &members).unwrap_or_else(|faults| panic!("{faults:?}"));
    let (artifact, blob) = bundle.compile(&folder).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(artifact.blob.len(), bytes.len() as u64);
    assert_eq!(fs::metadata(blob).expect("the blob is written").len(), bytes.len() as u64);
    for module in &artifact.modules {
        assert_eq!(module.report.stored_weight_bytes, bytes.len() as u64);
    }
}
