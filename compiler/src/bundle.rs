//! Models from files, compiled together: what the macro and build scripts have in common.
//!
//! A [`Bundle`] knows which files it read, and tells what is wrong by the place in the user's source that it is about:
//! the model's path, or one of its options. It prints nothing and knows no build tool.

use crate::artifact::Artifact;
use crate::diag::{Diagnostics, OptionPlace};
use crate::options::{ModelSource, Options};
use crate::tracked::{FilesRead, open};
use std::path::{Path, PathBuf};

/// A model as the user names it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name of its module.
    pub name: String,
    /// Its file, relative to the package's folder.
    pub path: PathBuf,
    /// Models of the same architecture with other weights: names and files. The first of them is `path`. Empty if there is
    /// but one set of weights.
    pub variants: Vec<(String, PathBuf)>,
    /// The user's choices.
    pub options: Options,
}

/// Something wrong, and where the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which member it is about.
    pub member: usize,
    /// Which of the member's options, if it is not the file that is wrong.
    pub option: Option<OptionPlace>,
    /// What is wrong and what to do, in one line or several.
    pub message: String,
}

/// Models whose files could be opened.
pub struct Bundle {
    models: Vec<(ModelSource, Options)>,
    files: Vec<(PathBuf, FilesRead)>,
}

impl Bundle {
    /// Opens the files. `package` is the folder of the user's `Cargo.toml`.
    ///
    /// # Errors
    /// For each file that cannot be read.
    pub fn open(package: &Path, members: &[Member]) -> Result<Bundle, Vec<Fault>> {
        let mut bundle = Bundle { models: Vec::new(), files: Vec::new() };
        let mut faults = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let mut opened = |path: &Path, option: Option<OptionPlace>| {
                let full = package.join(path);
                match open(&member.name, &full) {
                    Ok((source, read)) => {
                        bundle.files.push((full, read));
                        Some(source)
                    }
                    Err(error) => {
                        let help = "the path is relative to the folder of `Cargo.toml`";
                        let message = format!("{} cannot be read: {error}\n  = help: {help}", path.display());
                        faults.push(Fault { member: number, option, message });
                        None
                    }
                }
            };
            let mut variants = Vec::new();
            for (name, path) in &member.variants {
                let place = OptionPlace { name: "variants", entry: name.clone() };
                variants.extend(opened(path, Some(place)).map(|source| (name.clone(), source)));
            }
            let main = match variants.first() {
                Some((_, first)) => Some(first.clone()),
                None if member.variants.is_empty() => opened(&member.path, None),
                None => None,
            };
            if let Some(source) = main {
                bundle.models.push((source.with_variants(variants), member.options.clone()));
            }
        }
        if faults.is_empty() { Ok(bundle) } else { Err(faults) }
    }

    /// Compiles the models and writes their blob into `folder`. Gives the artifact and the blob's path.
    ///
    /// # Errors
    /// Everything that is wrong with any of the models, or that the blob cannot be written.
    pub fn compile(&self, folder: &Path) -> Result<(Artifact, PathBuf), Vec<Fault>> {
        let artifact = crate::compile(&self.models).map_err(|all| self.faults(&all))?;
        let blob = artifact.write_blob(folder).map_err(|error| {
            let message = format!("the weights cannot be written to {}: {error}", folder.display());
            vec![Fault { member: 0, option: None, message }]
        })?;
        Ok((artifact, blob))
    }

    /// The files on which the artifact depends: the models and, once they are compiled, their external data.
    pub fn files(&self) -> Vec<PathBuf> {
        let of_model =
            |(path, read): &(PathBuf, FilesRead)| std::iter::once(path.clone()).chain(read.external());
        self.files.iter().flat_map(of_model).collect()
    }

    /// Finds for each problem the member that has it.
    fn faults(&self, all: &Diagnostics) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (member, model) in self.models.iter().enumerate() {
            let Err(diagnostics) = crate::compile(std::slice::from_ref(model)) else { continue };
            let mut of_model = Diagnostics::new(diagnostics.model());
            for problem in diagnostics.iter() {
                if problem.option.is_some() {
                    let help = problem.help.iter().map(|help| format!("\n  = help: {help}"));
                    let message = std::iter::once(problem.message.clone()).chain(help).collect();
                    faults.push(Fault { member, option: problem.option.clone(), message });
                } else {
                    of_model.report(problem.clone());
                }
            }
            if !of_model.is_empty() {
                let message = format!("this model does not compile\n\n{of_model}");
                faults.push(Fault { member, option: None, message });
            }
        }
        if faults.is_empty() {
            // What only ails the models together is told at the first.
            faults.push(Fault { member: 0, option: None, message: all.to_string() });
        }
        faults
    }
}
