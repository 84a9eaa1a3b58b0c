//! Where generated crates find the runtime crate `ingrain`.

use super::Digest;
use std::fs;
use std::path::{Path, PathBuf};

/// The crate `ingrain` that generated code names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// A folder on this machine.
    Path(PathBuf),
    /// A published release.
    Version(&'static str),
}

/// The root of the source tree that this tool was built from, if it is still there.
pub fn source_tree() -> Option<PathBuf> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    tree.join("runtime-min/Cargo.toml").is_file().then(|| tree.to_path_buf())
}

impl Runtime {
    /// The folder that `INGRAIN_RUNTIME` names; without it, the one in the source tree if the tool runs from there, and
    /// the release of the tool's own version otherwise.
    ///
    /// # Errors
    /// If `INGRAIN_RUNTIME` names no crate.
    pub fn locate() -> Result<Runtime, String> {
        if let Some(dir) = std::env::var_os("INGRAIN_RUNTIME").filter(|v| !v.is_empty()) {
            let dir = PathBuf::from(dir);
            return match dir.canonicalize() {
                Ok(path) if path.join("Cargo.toml").is_file() => Ok(Runtime::Path(path)),
                _ => Err(format!("INGRAIN_RUNTIME names {}, where there is no Cargo.toml", dir.display())),
            };
        }
        Ok(match source_tree() {
            Some(tree) => Runtime::Path(tree.join("runtime-min")),
            None => Runtime::Version(env!("CARGO_PKG_VERSION")),
        })
    }

    /// The right side of the dependency's line in a Cargo.toml.
    pub fn requirement(&self) -> String {
        match self {
            Runtime::Path(path) => format!("{{ path = {:?} }}", path.to_string_lossy()),
            Runtime::Version(version) => format!("\"={version}\""),
        }
    }

    /// Changes whenever the runtime's or the kernels' code does.
    pub fn stamp(&self) -> String {
        match self {
            Runtime::Version(version) => (*version).to_owned(),
            Runtime::Path(path) => {
                let mut files = Vec::new();
                list(path, &mut files);
                if let Some(tree) = path.parent() {
                    list(&tree.join("kernels"), &mut files);
                }
                files.sort();
                let mut digest = Digest::new();
                for file in files {
                    digest = digest
                        .with(file.to_string_lossy().as_bytes())
                        .with(fs::read(&file).unwrap_or_default());
                }
                digest.hex()
            }
        }
    }
}

/// The source files of the crate in `dir`.
fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !matches!(path.file_name().and_then(|n| n.to_str()), Some("target" | "tests" | "benches")) {
                list(&path, files);
            }
        } else if path.extension().is_some_and(|e| e == "rs" || e == "toml") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_tree_is_found_and_stamped() {
        let runtime = Runtime::Path(source_tree().unwrap().join("runtime-min"));
        assert_eq!(runtime.stamp(), runtime.stamp());
        assert_ne!(runtime.stamp(), Runtime::Path("/nonexistent".into()).stamp());
        assert!(runtime.requirement().contains("runtime-min"));
        assert_eq!(Runtime::Version("1.2.3").requirement(), "\"=1.2.3\"");
    }
}
