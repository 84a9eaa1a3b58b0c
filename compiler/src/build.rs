//! The build-script face: models compiled into `OUT_DIR`, to be included with `ingrain::include_model!`.
//!
//! ```no_run
//! // build.rs
//! use ingrain_compiler::build::Models;
//!
//! Models::new().model("digits", "models/digits.onnx", |m| m.dim("batch", 1)).compile();
//! ```
//! ```text
//! // src/main.rs
//! ingrain::include_model!("digits");
//! ```

use crate::bundle::{Bundle, Fault, Member};
use crate::options::Options;
use crate::report::Report;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;

/// Models that a build script compiles together. They share one blob of weights.
#[derive(Default)]
#[must_use = "call `compile`"]
pub struct Models {
    models: Vec<Member>,
}

impl Models {
    /// No models yet.
    pub fn new() -> Models {
        Models::default()
    }

    /// Adds the module `name`, compiled from the ONNX file `path`. The path is relative to the package's folder.
    ///
    /// `configure` sets options: `|m| m.dim("batch", 1).dim("seq", 1..=512)`, or `|m| m` for none.
    pub fn model(
        mut self,
        name: &str,
        path: impl AsRef<Path>,
        configure: impl FnOnce(Options) -> Options,
    ) -> Models {
        let (name, path) = (name.to_owned(), path.as_ref().to_owned());
        let options = configure(Options::default());
        self.models.push(Member { name, path, variants: Vec::new(), options });
        self
    }

    /// Adds the module `name`, compiled from several ONNX files of one architecture. They become one program; a worker
    /// chooses by `Variant` whose weights it uses, and only what differs is stored again.
    pub fn variants<P: AsRef<Path>>(
        mut self,
        name: &str,
        variants: impl IntoIterator<Item = (&'static str, P)>,
        configure: impl FnOnce(Options) -> Options,
    ) -> Models {
        let variants: Vec<(String, PathBuf)> =
            variants.into_iter().map(|(name, path)| (name.to_owned(), path.as_ref().to_owned())).collect();
        let path = variants.first().map(|(_, path)| path.clone()).unwrap_or_default();
        let options = configure(Options::default());
        self.models.push(Member { name: name.to_owned(), path, variants, options });
        self
    }

    /// Compiles the models into `OUT_DIR` and returns a report for each. Cargo runs the build script again when a model
    /// changes.
    ///
    /// If a model cannot be compiled, this prints everything that is wrong to the standard error and ends the build script
    /// with status 1.
    pub fn compile(self) -> Vec<Report> {
        match self.try_compile(&build_helper::cargo::manifest::dir(), &build_helper::out_dir()) {
            Ok(reports) => reports,
            Err(message) => {
                eprintln!("{message}");
                exit(1)
            }
        }
    }

    /// Compiles models of the package in `package` into `out`. Errors are text for the user.
    fn try_compile(self, package: &Path, out: &Path) -> Result<Vec<Report>, String> {
        let members = self.models;
        let mut errors = taken_twice(&members);
        for Member { name, path, variants, .. } in &members {
            if syn::parse_str::<syn::Ident>(name).is_err() {
                errors.push(format!("error: the model's name \"{name}\" is not a Rust identifier"));
            }
            for path in variants.iter().map(|(_, path)| path).chain([path]) {
                build_helper::rerun_if_changed(package.join(path));
            }
        }
        let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
        let told = |fault: &Fault| match &fault.option {
            Some(option) => {
                let name = &names[fault.member];
                format!("error: model `{name}`, option `{}`: {}", option.name, fault.message)
            }
            None => format!("error: {}", fault.message),
        };
        let bundle = match Bundle::open(package, &members) {
            Ok(bundle) if errors.is_empty() => bundle,
            opened => {
                errors.extend(opened.err().iter().flatten().map(told));
                return Err(errors.join("\n"));
            }
        };
        let compiled = bundle.compile(out);
        for path in bundle.files() {
            build_helper::rerun_if_changed(path);
        }
        let (artifact, blob) =
            compiled.map_err(|faults| faults.iter().map(told).collect::<Vec<_>>().join("\n"))?;
        let source = artifact.source(&artifact.blob_source(&blob)).map_err(|error| error.to_string())?;
        let file = out.join(format!("{}.rs", names.join("+")));
        fs::write(file, source)
            .map_err(|error| format!("error: {} cannot be written: {error}", out.display()))?;
        Ok(artifact.modules.into_iter().map(|module| module.report).collect())
    }
}

/// What is wrong with the names of models and variants, which each need one of their own.
fn taken_twice(members: &[Member]) -> Vec<String> {
    let mut errors = Vec::new();
    let mut models = BTreeSet::new();
    for Member { name, path, variants, .. } in members {
        if !models.insert(name) {
            errors.push(format!("error: two models are called \"{name}\"; give one another name"));
        }
        if variants.is_empty() && path.as_os_str().is_empty() {
            errors.push(format!("error: the model \"{name}\" has no variants; name at least one file"));
        }
        let mut own = BTreeSet::new();
        for (variant, _) in variants.iter().filter(|(variant, _)| !own.insert(variant)) {
            let what = format!("two variants of \"{name}\" are called \"{variant}\"");
            errors.push(format!("error: {what}; give one another name"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_are_told() {
        let none: [(&str, &str); 0] = [];
        let models = Models::new()
            .model("a", "a.onnx", |m| m)
            .variants("a", [("x", "b.onnx"), ("x", "c.onnx")], |m| m)
            .variants("c", none, |m| m);
        let told = taken_twice(&models.models).join("\n");
        expect_test::expect![[r#"
            error: two models are called "a"; give one another name
            error: two variants of "a" are called "x"; give one another name
            error: the model "c" has no variants; name at least one file"#]]
        .assert_eq(&told);
    }

    #[test]
    fn everything_wrong_with_the_call_is_told_at_once() {
        let models =
            Models::new().model("not-a-name", "a.onnx", |m| m).model("b", "b.onnx", |m| m.dim("n", 1..=4));
        let folder = std::env::temp_dir().join("ingrain-no-such-folder");
        let error = models.try_compile(&folder, &folder).unwrap_err();
        assert!(error.contains("the model's name \"not-a-name\" is not a Rust identifier"), "{error}");
        assert!(
            error.contains("a.onnx cannot be read: ") && error.contains("b.onnx cannot be read: "),
            "{error}"
        );
        assert!(!folder.exists());
    }
}
