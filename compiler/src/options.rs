//! What the compiler is asked to do: the model's bytes, where its external data comes from, and the user's choices.

mod known;

pub use known::KnownValue;

use crate::mapped::map_file;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Gives the bytes of external data files. Implementations decide which files may be read.
pub trait ExternalData: Send + Sync {
    /// All bytes of the file that the model calls `location`.
    ///
    /// # Errors
    /// Why it cannot be had, as a sentence.
    fn read(&self, location: &str) -> Result<Bytes, String>;
}

/// A model to compile.
#[derive(Clone)]
pub struct ModelSource {
    /// Name of the generated module, a Rust identifier.
    pub name: String,
    /// The file's name in messages.
    pub file: String,
    /// The ONNX file.
    pub bytes: Bytes,
    /// Its external data.
    pub external: Arc<dyn ExternalData>,
    /// Models of the same architecture with other weights, by name; this one is the first of them. Together they become
    /// one program with several sets of weights. Empty if there is but one set.
    pub variants: Vec<(String, ModelSource)>,
}

impl ModelSource {
    /// Maps the model file `path` and reads external data from its folder.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(name: &str, path: &Path) -> std::io::Result<ModelSource> {
        let bytes = map_file(path)?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(ModelSource {
            name: name.to_owned(),
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes,
            external: Arc::new(Folder(folder)),
            variants: Vec::new(),
        })
    }

    /// The program of the first of these models, with their weights as variants of that name.
    #[must_use]
    pub fn with_variants(mut self, variants: Vec<(String, ModelSource)>) -> ModelSource {
        self.variants = variants;
        self
    }

    /// A model from bytes, without external data.
    pub fn from_bytes(name: &str, bytes: impl Into<Bytes>) -> ModelSource {
        let (name, file) = (name.to_owned(), format!("{name}.onnx"));
        ModelSource { name, file, bytes: bytes.into(), external: Arc::new(Nothing), variants: Vec::new() }
    }
}

/// No external data.
struct Nothing;

impl ExternalData for Nothing {
    fn read(&self, location: &str) -> Result<Bytes, String> {
        Err(format!("\"{location}\" cannot be read: the model came without files"))
    }
}

/// External data files in a folder; nothing outside it is read.
struct Folder(PathBuf);

impl ExternalData for Folder {
    fn read(&self, location: &str) -> Result<Bytes, String> {
        let relative = Path::new(location);
        let plain = relative
            .components()
            .all(|c| matches!(c, std::path::Component::Normal(_) | std::path::Component::CurDir));
        if !plain || location.is_empty() {
            return Err(format!("\"{location}\" is not a path inside the model's folder"));
        }
        let folder = if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 };
        let path = folder.join(relative);
        let say = |e: std::io::Error| format!("\"{location}\" cannot be read: {e}");
        let (folder, path) = (folder.canonicalize().map_err(say)?, path.canonicalize().map_err(say)?);
        if !path.starts_with(&folder) {
            return Err(format!("\"{location}\" leads outside the model's folder"));
        }
        map_file(&path).map_err(say)
    }
}

/// The value or bound of a symbolic dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimBinding {
    /// Always this size.
    Fixed(i64),
    /// Any size in this inclusive range; memory is planned for the largest.
    Range(i64, i64),
}

/// What matters where two goals are at odds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Optimize {
    /// Weights are stored once, also where a second layout of some would be faster.
    #[default]
    Size,
    /// Weights may be stored in a second layout where that is faster; the report tells which.
    Speed,
}

/// How weights come into the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightsIn {
    /// They are part of it.
    #[default]
    Program,
    /// They are in a file that it maps. Takes the feature `file` of the crate `ingrain`.
    File,
}

/// The user's choices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Values or bounds of symbolic dimensions by name. Unnamed input dimensions are called `INPUT_AXIS`, as in `x_0`.
    pub dims: BTreeMap<String, DimBinding>,
    /// Inputs whose value is known at compile time, by name: shapes, axes and counts that the program is specialised for.
    /// They stay inputs; a run with another value is refused.
    pub values: BTreeMap<String, KnownValue>,
    /// What matters where size and speed are at odds.
    pub optimize: Optimize,
    /// How weights come into the program. One model of a bundle that asks for a file decides for all.
    pub weights: WeightsIn,
    /// Outputs that are inputs of the next run: names of outputs and inputs, in which `*` stands for any text. See
    /// [`Options::state`].
    pub state: Vec<(String, String)>,
    /// Names of initializers that can be replaced at run time; `*` stands for any text.
    pub overridable: Vec<String>,
    /// Passes after which to keep a text dump of the graph in the report; `lower` and `plan` name the later stages.
    pub dump_after: Vec<String>,
}

impl Options {
    /// Fixes the symbolic dimension `name` (`batch`, 1) or bounds it (`seq`, `1..=512`).
    #[must_use]
    pub fn dim(mut self, name: impl Into<String>, binding: impl Into<DimBinding>) -> Options {
        self.dims.insert(name.into(), binding.into());
        self
    }

    /// Compiles for one value of the input `name`: axes, a shape, a count (`[0, 1]`, `5`). A run with another value is
    /// refused.
    #[must_use]
    pub fn value(mut self, name: impl Into<String>, value: impl Into<KnownValue>) -> Options {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Keeps `output` as the `input` of the next run. Both leave the interface of the model; the value stays in its
    /// memory, begins as zeros or empty, and begins anew after `reset_state`. A `*` stands for any text, the same in both:
    /// `("present.*", "past_key_values.*")`.
    ///
    /// At most one extent may differ between the two. It is a dimension that the option `dims` bounds from 0; then what
    /// a run adds is appended in place.
    #[must_use]
    pub fn state(mut self, output: impl Into<String>, input: impl Into<String>) -> Options {
        self.state.push((output.into(), input.into()));
        self
    }
}

/// Whether a pattern, in which `*` stands for any text, describes a name.
pub(crate) fn describes(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

impl Options {
    /// Makes the initializers whose names the pattern describes replaceable at run time; `*` stands for any text.
    #[must_use]
    pub fn overridable(mut self, pattern: impl Into<String>) -> Options {
        self.overridable.push(pattern.into());
        self
    }

    /// Says how weights come into the program.
    #[must_use]
    pub fn weights(mut self, weights: WeightsIn) -> Options {
        self.weights = weights;
        self
    }

    /// Says what matters where size and speed are at odds.
    #[must_use]
    pub fn optimize(mut self, optimize: Optimize) -> Options {
        self.optimize = optimize;
        self
    }
}

macro_rules! bindings {
    ($($int:ty),*) => {$(
        impl From<$int> for DimBinding {
            fn from(size: $int) -> DimBinding {
                DimBinding::Fixed(i64::from(size))
            }
        }

        impl From<RangeInclusive<$int>> for DimBinding {
            fn from(sizes: RangeInclusive<$int>) -> DimBinding {
                DimBinding::Range(i64::from(*sizes.start()), i64::from(*sizes.end()))
            }
        }
    )*};
}

bindings!(i32, u32, i64);
