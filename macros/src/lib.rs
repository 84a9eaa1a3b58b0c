//! The `onnx_model!` macro: a thin face over the compiler. It reads its arguments, compiles, and puts errors where they
//! belong in the user's source.

mod arguments;

use arguments::{Arguments, Model};
use ingrain_compiler::bundle::{Bundle, Fault, Member};
use proc_macro2::TokenStream;
use quote::quote;
use std::path::{Path, PathBuf};

/// Compiles ONNX models into modules of this crate.
///
/// ```text
/// ingrain::onnx_model! {
///     /// Reads a handwritten digit.
///     pub mod digits = "models/digits.onnx" { dims: { batch: 1 } };
/// }
///
/// let mut model = digits::Model::new();
/// let out = model.run(digits::Inputs { image: &pixels })?;
/// ```
///
/// The path is relative to the folder of the package's `Cargo.toml`. Cargo compiles the crate again when the file changes
/// (files of 256 MiB and more are not watched: build scripts watch those too).
/// Several models in one call share one copy of their weights.
///
/// Each module has `Inputs` and `Outputs` (a field for each of the model's), `Model` (`new`, `in_arena` and `run`), `Arena`
/// (the memory of one worker) and `CONTEXT_BYTES` (its size).
///
/// # Options
/// * `dims: { batch: 1, seq: 1..=512, "a b": 4 }` fixes symbolic dimensions, or bounds them for use at run time.
/// * `values: { axes: [0, 1], k: 5 }` compiles for one value of an input that shapes depend on; a run with another value is
///   refused.
/// * `state: { "present.*" => "past.*" }` keeps outputs as inputs of the next run, inside the model's memory: the cache of
///   a decoder, grown in place, or the hidden state of a recurrent network. `*` stands for any text. `reset_state` begins
///   anew, `state_len` tells how much there is; `past` is bounded from 0 by `dims`.
/// * `variants: { a: "x.onnx", b: "y.onnx" }`, in the place of a path: models of one architecture become one program with
///   several sets of weights, `Model::new(Variant::A)`; only what differs is stored again.
/// * `overridable: ["*lora*"]` makes initializers fields of `Weights`, for `Model::with_weights`; their values in the model
///   are the default.
/// * `weights: "file"` keeps the weights out of the program, in a file that it maps: beside the executable, or where
///   `Model::with_weights_file` is told. Takes the feature `file` of the crate `ingrain`.
/// * `optimize: speed` may store some weights in a second layout.
#[proc_macro]
pub fn onnx_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let arguments = syn::parse_macro_input!(input as Arguments);
    expand(&arguments.models).unwrap_or_else(|faults| errors(&arguments.models, &faults)).into()
}

/// Files of this many bytes are not watched for changes.
const LARGE_FILE: u64 = 256 << 20;

/// The modules, the blob, and a dependency on every file that was read.
fn expand(models: &[Model]) -> Result<TokenStream, Vec<Fault>> {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let member = |model: &Model| Member {
        name: model.name.to_string(),
        path: model.path.value().into(),
        variants: model.variants.iter().map(|(name, path)| (name.clone(), path.value().into())).collect(),
        options: model.options.clone(),
    };
    let bundle = Bundle::open(&package, &models.iter().map(member).collect::<Vec<_>>())?;
    let (artifact, blob) = bundle.compile(Path::new(env!("OUT_DIR")))?;
    let faces: Vec<_> = models.iter().map(|model| model.face.clone()).collect();
    let modules = artifact.tokens(&artifact.blob_source(&blob), &faces);
    // rustc holds what it watches in memory.
    let watched = |path: &&PathBuf| std::fs::metadata(path).is_ok_and(|file| file.len() < LARGE_FILE);
    let files = bundle.files();
    let files = files.iter().filter(watched).map(|path| path.to_string_lossy());
    // rustc compiles the crate again when one of these changes.
    Ok(quote!(#modules #(const _: &[u8] = ::core::include_bytes!(#files);)*))
}

/// Each fault at its place in the source: at the option that is wrong, or at the path.
fn errors(models: &[Model], faults: &[Fault]) -> TokenStream {
    let error = |fault: &Fault| {
        let span = models[fault.member].place(fault.option.as_ref());
        syn::Error::new(span, &fault.message).into_compile_error()
    };
    faults.iter().map(error).collect()
}
