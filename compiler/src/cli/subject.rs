//! What a command is about: a model file, or a folder in the layout of ONNX's backend tests.

use crate::harness::Interface;
use crate::harness::bind::{self, Dims, Largest};
use crate::harness::dataset::{self, DataSet, Parts, Problem};
use crate::options::DimBinding;
use std::path::{Path, PathBuf};

/// A model with the data that lies beside it.
pub(super) struct Subject {
    /// The model's name for people: the folder's, or the file's without its extension.
    pub(super) name: String,
    /// The model file.
    pub(super) model: PathBuf,
    /// Folders of data sets.
    pub(super) sets: Vec<PathBuf>,
}

impl Subject {
    /// The subject at `path`; a model file stands for itself, without data.
    pub(super) fn at(path: &Path) -> Result<Subject, String> {
        if path.is_dir() {
            let folder = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
            return Ok(Subject {
                name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                model: dataset::model_file(path)?,
                sets: dataset::folders(path),
            });
        }
        if !path.exists() {
            return Err(format!("there is no file or folder {}", path.display()));
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Subject { name, model: path.to_path_buf(), sets: Vec::new() })
    }

    /// The first data set, if there is one.
    pub(super) fn first_set(&self, interface: &Interface) -> Result<Option<DataSet>, Problem> {
        self.sets.first().map(|folder| dataset::load(folder, interface, Parts::Inputs)).transpose()
    }

    /// Bounds of sizes that depend on data, from the first data set, if there is one.
    pub(super) fn largest(&self, interface: &Interface) -> Option<Largest> {
        let folder = self.sets.first()?;
        let set = dataset::load(folder, interface, Parts::Inputs).ok()?;
        let mut largest = Largest::default();
        largest.add(folder, interface, set);
        Some(largest)
    }

    /// A Rust identifier made of the name.
    pub(super) fn module_name(&self) -> String {
        identifier(&self.name)
    }

    /// A Rust identifier made of the name of the folder that holds the model.
    pub(super) fn folder_name(&self) -> String {
        let file = self.model.canonicalize().unwrap_or_else(|_| self.model.clone());
        let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
        identifier(&folder.to_string_lossy())
    }
}

fn identifier(text: &str) -> String {
    let mut name: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert(0, 'm');
    }
    // Words that are no names.
    if syn::parse_str::<syn::Ident>(&name).is_err() {
        name.push('_');
    }
    name
}

/// Adds bindings for the symbols that `given` leaves open: to the sizes of `set`, where there is one, else to 1. Gives
/// the symbols that were assumed to be 1.
pub(super) fn bind_rest(
    interface: &Interface,
    set: Option<&DataSet>,
    given: &mut Dims,
) -> Result<Vec<String>, String> {
    if let Some(set) = set {
        for (symbol, value) in bind::symbol_values(interface, set)? {
            given.entry(symbol).or_insert(DimBinding::Fixed(value));
        }
    }
    let mut assumed = Vec::new();
    for symbol in interface.symbols() {
        if !given.contains_key(symbol) {
            given.insert(symbol.to_owned(), DimBinding::Fixed(1));
            assumed.push(symbol.to_owned());
        }
    }
    Ok(assumed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_names_are_identifiers() {
        let name = |name: &str| {
            Subject { name: name.to_owned(), model: PathBuf::new(), sets: Vec::new() }.module_name()
        };
        assert_eq!(
            ["digits", "Mobile-Net v2", "2d", "match", ""].map(name),
            ["digits", "mobile_net_v2", "m2d", "match_", "m"]
        );
    }
}
