//! Files as bytes that share the system's page cache: the one place of the compiler with `unsafe` code.

use bytes::Bytes;
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The bytes of the file, mapped, so that weights of any size cost no memory of their own. What is no regular file,
/// or cannot be mapped, is read.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn map_file(path: &Path) -> std::io::Result<Bytes> {
    let file = File::open(path)?;
    let facts = file.metadata()?;
    if facts.is_file() && facts.len() > 0 {
        // SAFETY: the map is private and read-only, and lives as long as the bytes that own it. That nobody shortens
        // or rewrites the file while a model is compiled is a condition that every build tool puts on its inputs; no
        // interface of any system can check it.
        #[expect(unsafe_code, reason = "mapping a file cannot be done without")]
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file) };
        if let Ok(map) = map {
            return Ok(Bytes::from_owner(Owner::new(map)));
        }
    }
    std::fs::read(path).map(Bytes::from)
}

/// A map that can be found by its addresses while it is in use.
struct Owner(Arc<Mmap>);

/// All maps in use. What was dropped is left out when a map is added.
static MAPS: Mutex<Vec<Weak<Mmap>>> = Mutex::new(Vec::new());

impl Owner {
    fn new(map: Mmap) -> Owner {
        let map = Arc::new(map);
        let mut maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
        maps.retain(|other| other.strong_count() > 0);
        maps.push(Arc::downgrade(&map));
        Owner(map)
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Parts of files of at least this many bytes are worth a call of the system.
const WORTH_RELEASING: usize = 1 << 20;

/// Says that these bytes are not needed soon: if they are part of a mapped file, the process gives their memory back,
/// and the system reads them again from the file where they are needed after all.
pub(crate) fn release(bytes: &[u8]) {
    if bytes.len() < WORTH_RELEASING {
        return;
    }
    let maps: Vec<Arc<Mmap>> =
        MAPS.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
    let range = bytes.as_ptr_range();
    if let Some(map) = maps.iter().find(|map| {
        let whole = map.as_ptr_range();
        whole.start <= range.start && range.end <= whole.end
    }) {
        give_back(map, range.start.addr() - map.as_ptr().addr(), bytes.len());
    }
}

#[cfg(unix)]
fn give_back(map: &Mmap, offset: usize, len: usize) {
    // SAFETY: the map is private and was never written, so its pages are those of the file, before and after.
    #[expect(unsafe_code, reason = "the advice would lose data of a map that was written")]
    let advised = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len) };
    // It is advice: where the system does not take it, nothing is lost but memory.
    drop(advised);
}

#[cfg(not(unix))]
fn give_back(_: &Mmap, _: usize, _: usize) {}

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
        std::fs::write(&path, vec![9; 3 << 20]).unwrap();
        let bytes = map_file(&path).unwrap();
        release(&bytes[100..]);
        assert!(bytes.iter().all(|&b| b == 9));
        drop(bytes);
        std::fs::write(&path, []).unwrap();
        assert!(map_file(&path).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
        assert!(map_file(&path).is_err());
        assert!(map_file(&std::env::temp_dir()).is_err());
    }
}
