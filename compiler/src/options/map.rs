//! Files as bytes that share the system's page cache: the one place of the compiler with `unsafe` code.

use bytes::Bytes;
use std::fs::File;
use std::path::Path;

/// The bytes of the file, mapped, so that weights of any size cost no memory of their own. What is no regular file,
/// or cannot be mapped, is read.
///
/// # Errors
/// If the file cannot be read.
pub(super) fn map_file(path: &Path) -> std::io::Result<Bytes> {
    let file = File::open(path)?;
    let facts = file.metadata()?;
    if facts.is_file() && facts.len() > 0 {
        // SAFETY: the map is private and read-only, and lives as long as the bytes that own it. That nobody shortens
        // or rewrites the file while a model is compiled is a condition that every build tool puts on its inputs; no
        // interface of any system can check it.
        #[expect(unsafe_code, reason = "mapping a file cannot be done without")]
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file) };
        if let Ok(map) = map {
            return Ok(Bytes::from_owner(map));
        }
    }
    std::fs::read(path).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_mapped_and_empty_ones_read() {
        let path = std::env::temp_dir().join(format!("ingrain-map-{}", std::process::id()));
        std::fs::write(&path, [7; 10_000]).unwrap();
        let bytes = map_file(&path).unwrap();
        assert_eq!(&bytes[..], [7; 10_000]);
        // A map starts on a page; a buffer of this size from the heap does not.
        assert_eq!(bytes.as_ptr().addr() % 4096, 0);
        drop(bytes);
        std::fs::write(&path, []).unwrap();
        assert!(map_file(&path).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
        assert!(map_file(&path).is_err());
        assert!(map_file(&std::env::temp_dir()).is_err());
    }
}
