//! Opening models so that a build tool learns which files they consist of, and compiles again when one changes.

use crate::options::{ExternalData, ModelSource};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The external data files that a model's compilation has read so far.
#[derive(Clone, Debug)]
pub struct FilesRead {
    folder: PathBuf,
    locations: Arc<Mutex<BTreeSet<String>>>,
}

impl FilesRead {
    /// Their paths.
    pub fn external(&self) -> Vec<PathBuf> {
        let locations = self.locations.lock().unwrap_or_else(PoisonError::into_inner);
        locations.iter().map(|location| self.folder.join(location)).collect()
    }
}

/// [`ModelSource::open`] with a record of the external data that is read later.
///
/// # Errors
/// If the model file cannot be read.
pub fn open(name: &str, path: &Path) -> io::Result<(ModelSource, FilesRead)> {
    let mut source = ModelSource::open(name, path)?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let files = FilesRead { folder, locations: Arc::default() };
    source.external = Arc::new(Recorded { inner: source.external, locations: files.locations.clone() });
    Ok((source, files))
}

struct Recorded {
    inner: Arc<dyn ExternalData>,
    locations: Arc<Mutex<BTreeSet<String>>>,
}

impl ExternalData for Recorded {
    fn read(&self, location: &str) -> Result<Bytes, String> {
        let bytes = self.inner.read(location)?;
        self.locations.lock().unwrap_or_else(PoisonError::into_inner).insert(location.to_owned());
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_files_are_recorded_once_they_are_read() {
        let folder = std::env::temp_dir().join(format!("ingrain-tracked-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("m.onnx"), "model").unwrap();
        std::fs::write(folder.join("m.data"), "data").unwrap();
        let (source, files) = open("m", &folder.join("m.onnx")).unwrap();
        assert!(files.external().is_empty());
        assert_eq!(source.external.read("m.data").unwrap(), "data");
        assert!(source.external.read("missing.data").is_err());
        assert_eq!(files.external(), [folder.join("m.data")]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
