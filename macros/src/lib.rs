//! The `onnx_model!` macro: a thin face over the compiler. It reads its arguments, compiles, and puts errors where they
//! belong in the user's source.

mod arguments;

use arguments::{Arguments, Model};
use ingrain_compiler::artifact::Face;
use ingrain_compiler::diag::Diagnostics;
use ingrain_compiler::tracked::{FilesRead, open};
use ingrain_compiler::{ModelSource, Options};
use proc_macro2::{Span, TokenStream};
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
/// The path is relative to the folder of the package's `Cargo.toml`. Cargo compiles the crate again when the file changes.
/// Several models in one call share one copy of their weights.
///
/// Each module has `Inputs` and `Outputs` (a field for each of the model's), `Model` (`new`, `in_arena` and `run`), `Arena`
/// (the memory of one worker) and `CONTEXT_BYTES` (its size).
///
/// # Options
/// * `dims: { batch: 1, seq: 1..=512, "a b": 4 }` fixes symbolic dimensions, or bounds them for use at run time.
#[proc_macro]
pub fn onnx_model(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let arguments = syn::parse_macro_input!(input as Arguments);
    expand(&arguments.models).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// The modules, the blob, and a dependency on every file that was read.
fn expand(models: &[Model]) -> syn::Result<TokenStream> {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut errors = Errors::default();
    let mut bundle = Vec::new();
    let mut files = Vec::new();
    for model in models {
        let path = package.join(model.path.value());
        match open(&model.name.to_string(), &path) {
            Ok((source, files_read)) => {
                bundle.push((source, model.options()));
                files.push((path, files_read));
            }
            Err(error) => {
                let file = model.path.value();
                let help = "the path is relative to the folder of `Cargo.toml`";
                errors.add(model.path.span(), format!("{file} cannot be read: {error}\n  = help: {help}"));
            }
        }
    }
    errors.check()?;

    let artifact = match ingrain_compiler::compile(&bundle) {
        Ok(artifact) => artifact,
        Err(all) => return Err(attribute(models, &bundle, &all)),
    };
    let folder = Path::new(env!("OUT_DIR"));
    let blob = artifact.write_blob(folder).map_err(|error| {
        let message = format!("the weights cannot be written to {}: {error}", folder.display());
        syn::Error::new(Span::call_site(), message)
    })?;

    let faces: Vec<Face> = models.iter().map(|model| model.face.clone()).collect();
    let modules = artifact.tokens(&artifact.blob_source(&blob), &faces);
    let dependencies = files.iter().flat_map(|(path, read)| depend(path, read));
    Ok(quote!(#modules #(#dependencies)*))
}

/// Items that make rustc compile again when a file changes.
fn depend(model: &Path, read: &FilesRead) -> Vec<TokenStream> {
    let paths = std::iter::once(model.to_owned()).chain(read.external());
    paths
        .map(|path| {
            let path = path.to_string_lossy();
            quote!(
                const _: &[u8] = ::core::include_bytes!(#path);
            )
        })
        .collect()
}

/// Puts the problems of each model at its place in the source: at the option that is wrong, or at the path.
fn attribute(models: &[Model], bundle: &[(ModelSource, Options)], all: &Diagnostics) -> syn::Error {
    let mut errors = Errors::default();
    for (model, source) in models.iter().zip(bundle) {
        let Err(diagnostics) = ingrain_compiler::compile(std::slice::from_ref(source)) else { continue };
        let mut of_model = Diagnostics::new(diagnostics.model());
        for problem in diagnostics.iter() {
            match model.option_at_fault(problem) {
                Some(option) => errors.add(option, &problem.message),
                None => _ = of_model.report(problem.clone()),
            }
        }
        if !of_model.is_empty() {
            errors.add(model.path.span(), format!("this model does not compile\n\n{of_model}"));
        }
    }
    // What only ails the models together is told at the first.
    let first = models.first().map_or_else(Span::call_site, |model| model.path.span());
    errors.check().err().unwrap_or_else(|| syn::Error::new(first, all))
}

/// Errors to be reported together.
#[derive(Default)]
struct Errors(Option<syn::Error>);

impl Errors {
    fn add(&mut self, span: Span, message: impl std::fmt::Display) {
        let error = syn::Error::new(span, message);
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn check(&mut self) -> syn::Result<()> {
        self.0.take().map_or(Ok(()), Err)
    }
}
