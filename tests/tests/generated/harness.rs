//! Compiles generated modules in one crate, runs them, and compares what they compute with what they should.

use ingrain_compiler::emit::{About, emit};
use ingrain_compiler::lir::{
    Access, Arg, Buffer, BufferId, Call, Class, ConstData, MapStep, Packing, Place, Port, Program, Step,
    StepKind,
};
use ingrain_compiler::options::WeightsIn;
use ingrain_compiler::plan::plan;
use ingrain_compiler::types::{DType, Dim, Origin, Scalar, Tensor};
use ingrain_compiler::{Artifact, BlobSource, Module, Report};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds a program step by step.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) program: Program,
}

/// Elements between neighbours of a row-major tensor.
pub(crate) fn dense(shape: &[Dim]) -> Vec<Dim> {
    let mut strides = vec![Dim::ONE; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = &strides[axis] * &shape[axis];
    }
    strides
}

/// Dimensions from numbers.
pub(crate) fn dims(numbers: &[i64]) -> Vec<Dim> {
    numbers.iter().map(|&n| Dim::from(n)).collect()
}

impl Builder {
    pub(crate) fn buffer(&mut self, name: &str, dtype: DType, shape: &[Dim], class: Class) -> BufferId {
        let len = Dim::product(shape);
        self.program.buffers.push(Buffer { dtype, len, class, name: name.to_owned() });
        BufferId((self.program.buffers.len() - 1) as u32)
    }

    pub(crate) fn input(&mut self, name: &str, dtype: DType, shape: &[Dim]) -> BufferId {
        let buffer = self.buffer(name, dtype, shape, Class::Input(self.program.inputs.len()));
        self.program.inputs.push(Port { name: name.to_owned(), shape: shape.to_vec(), buffer });
        buffer
    }

    pub(crate) fn value(&mut self, name: &str, dtype: DType, shape: &[Dim]) -> BufferId {
        self.buffer(name, dtype, shape, Class::Arena)
    }

    pub(crate) fn output(&mut self, name: &str, dtype: DType, shape: &[Dim]) -> BufferId {
        let buffer = self.value(name, dtype, shape);
        self.program.outputs.push(Port { name: name.to_owned(), shape: shape.to_vec(), buffer });
        buffer
    }

    pub(crate) fn weight(&mut self, name: &str, tensor: &Tensor, packing: Packing) -> BufferId {
        let shape: Vec<Dim> = tensor.shape().iter().map(|&d| Dim::from(d)).collect();
        let class = Class::Const(ConstData { tensor: tensor.clone(), packing });
        self.buffer(name, tensor.dtype(), &shape, class)
    }

    pub(crate) fn whole(&self, buffer: BufferId) -> Place {
        Place { buffer, offset: Dim::ZERO, len: self.program.buffer(buffer).len.clone() }
    }

    pub(crate) fn step(&mut self, op: &str, name: &str, kind: StepKind) {
        let index = self.program.steps.len();
        let origins = vec![Origin { index, name: name.to_owned(), op: op.to_owned() }];
        let summary = format!("{op} of a test");
        self.program.steps.push(Step { kind, origins, summary, macs: Dim::ZERO });
    }

    pub(crate) fn call(&mut self, name: &str, kernel: &'static str, args: Vec<Arg>) {
        let call = Call { kernel, generics: Vec::new(), args, fallible: false, count: None };
        self.step("Call", name, StepKind::Call(call));
    }

    pub(crate) fn map(&mut self, name: &str, map: MapStep) {
        self.step("Map", name, StepKind::Map(map));
    }
}

/// All of a buffer as a loop nest over `shape` sees it.
pub(crate) fn access(buffer: BufferId, strides: Vec<Dim>) -> Access {
    Access { buffer, offset: Dim::ZERO, strides }
}

/// A program with its inputs, and what it should compute.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) expected: Vec<Tensor>,
    /// Largest error allowed, relative to numbers above one.
    pub(crate) tolerance: f64,
}

fn native(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::F16 => "::ingrain::f16",
        DType::BF16 => "::ingrain::bf16",
        other => other.name(),
    }
}

const PRELUDE: &str = r#"#![deny(warnings)]
mod models;
trait Raw: Copy + Sized {
    fn read(bytes: &[u8]) -> Vec<Self>;
    fn write(&self, bytes: &mut Vec<u8>);
}
macro_rules! raw {
    ($($t:ty: $n:literal),*) => {$(impl Raw for $t {
        fn read(bytes: &[u8]) -> Vec<Self> {
            bytes.chunks_exact($n).map(|b| <$t>::from_le_bytes(b.try_into().unwrap())).collect()
        }
        fn write(&self, bytes: &mut Vec<u8>) { bytes.extend(self.to_le_bytes()); }
    })*};
}
raw!(f32: 4, f64: 8, i8: 1, i16: 2, i32: 4, i64: 8, u8: 1, u16: 2, u32: 4, u64: 8, ::ingrain::f16: 2, ::ingrain::bf16: 2);
impl Raw for bool {
    fn read(bytes: &[u8]) -> Vec<Self> { bytes.iter().map(|&b| b != 0).collect() }
    fn write(&self, bytes: &mut Vec<u8>) { bytes.push(u8::from(*self)); }
}
fn read<T: Raw>(name: &str) -> Vec<T> { T::read(&std::fs::read(name).unwrap()) }
fn write<T: Raw>(name: &str, data: &[T]) {
    let mut bytes = Vec::new();
    data.iter().for_each(|x| x.write(&mut bytes));
    std::fs::write(name, bytes).unwrap();
}
"#;

/// The text of the generated module of a program, without its faces.
pub(crate) fn functions(program: &Program) -> String {
    let (plans, _) = plan(&[program]).unwrap();
    let emitted = emit(
        program,
        &plans[0],
        &About { file: "test.onnx", opset: 21, weights_in_file: false, variants: None },
    );
    let file: syn::File = syn::parse2(emitted.items).unwrap();
    let private = file.items.into_iter().filter(|item| matches!(item, syn::Item::Fn(_))).collect();
    prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: private })
}

/// Compiles and runs all cases, and says which fail.
pub(crate) fn check(cases: &[Case]) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let programs: Vec<&Program> = cases.iter().map(|c| &c.program).collect();
    let (plans, blob) = plan(&programs).unwrap();
    let mut main = PRELUDE.to_owned();
    let mut calls = String::new();
    let mut modules = Vec::new();
    for (case, plan) in cases.iter().zip(&plans) {
        let name = case.name;
        let emitted = emit(
            &case.program,
            plan,
            &About { file: name, opset: 21, weights_in_file: false, variants: None },
        );
        let mut lets = String::new();
        let mut fields = String::new();
        for (port, tensor) in emitted.inputs.iter().zip(&case.inputs) {
            let field = &port.field;
            std::fs::write(folder.join(format!("{name}.{field}.in")), tensor.bytes()).unwrap();
            let ty = native(port.dtype);
            writeln!(lets, "    let {field}: Vec<{ty}> = read(\"{name}.{field}.in\");").unwrap();
            match port.fixed {
                Some(_) => write!(fields, "{field}: {field}[..].try_into().unwrap(), ").unwrap(),
                None => {
                    let shape = tensor.shape();
                    write!(fields, "{field}: ::ingrain::TensorRef {{ data: &{field}, dims: {shape:?} }}, ")
                        .unwrap();
                }
            }
        }
        let mut writes = String::new();
        for (port, expected) in emitted.outputs.iter().zip(&case.expected) {
            let field = &port.field;
            if port.fixed.is_none() {
                writeln!(writes, "    assert_eq!(out.{field}.dims, {:?});", expected.shape()).unwrap();
                writeln!(writes, "    write(\"{name}.{field}.out\", out.{field}.data);").unwrap();
            } else {
                writeln!(writes, "    write(\"{name}.{field}.out\", out.{field});").unwrap();
            }
        }
        writeln!(
            main,
            "fn {name}() {{\n{lets}    let mut model = models::{name}::Model::new();\n    let inputs = models::{name}::Inputs {{ {fields} }};\n    model.run(inputs).unwrap();\n    let out = model.run(inputs).unwrap();\n{writes}}}"
        )
        .unwrap();
        writeln!(calls, "    {name}();").unwrap();
        modules.push(Module {
            name: name.to_owned(),
            items: emitted.items,
            doc: emitted.doc,
            report: Report::default(),
        });
    }
    writeln!(main, "fn main() {{\n{calls}}}").unwrap();
    std::fs::write(folder.join("weights.blob"), blob.to_bytes()).unwrap();
    let artifact = Artifact { modules, blob, weights: WeightsIn::Program };
    let source = artifact.source(&BlobSource::Include("../weights.blob".to_owned())).unwrap();
    std::fs::write(folder.join("src/models.rs"), source).unwrap();
    std::fs::write(folder.join("src/main.rs"), main).unwrap();
    let manifest = format!(
        "[package]\nname = \"generated\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\ningrain = {{ path = {:?} }}\n\n[profile.dev]\nopt-level = 1\ndebug = false\n",
        root.join("runtime-min")
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let run = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let wrong: Vec<String> =
        cases.iter().zip(&plans).filter_map(|(case, _)| compare(case, &folder)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(case: &Case, folder: &Path) -> Option<String> {
    for (port, expected) in case.program.outputs.iter().zip(&case.expected) {
        let field = port.name.to_lowercase();
        let bytes = std::fs::read(folder.join(format!("{}.{field}.out", case.name))).unwrap();
        let Some(got) = Tensor::new(expected.dtype(), expected.shape().to_vec(), bytes.into()) else {
            return Some(format!("{} {}: wrong size", case.name, port.name));
        };
        for (at, (a, b)) in got.scalars().zip(expected.scalars()).enumerate() {
            let (x, y): (f64, f64) = (a.as_f64(), b.as_f64());
            let same = a == b
                || x.is_nan() && y.is_nan()
                || matches!(a, Scalar::Float(..))
                    && (x == y || (x - y).abs() <= case.tolerance * y.abs().max(1.0));
            if !same {
                return Some(format!("{} {}[{at}]: {x} instead of {y}", case.name, port.name));
            }
        }
    }
    None
}
