//! Weights in a file of their own: mapped when the first worker is made, checked, and shared by all workers and
//! processes. For blobs that linkers do not like.

use crate::{Aligned, Blob, Element, Slot, Slots, defect};
use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::vec;
use xxhash_rust::xxh3::Xxh3;

/// The weights of models that were compiled together with the option `weights: "file"`.
///
/// The file may not be shortened or rewritten while the program runs; replace it by a new one instead.
pub struct FileBlob {
    name: &'static str,
    built_at: &'static str,
    bytes: u64,
    hash: u128,
    loaded: OnceLock<Blob>,
}

/// Why the weights of a model cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file cannot be opened or read.
    Unreadable {
        /// Where it was expected.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file has another length than the weights.
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes of the weights.
        expected: u64,
        /// Bytes of the file.
        got: u64,
    },
    /// The file has the length of the weights, but not their content.
    Content {
        /// The file.
        path: PathBuf,
        /// The hash of the weights.
        expected: u128,
        /// The hash of the file.
        got: u128,
    },
}

impl FileBlob {
    /// Weights of this length and hash, in a file of this name; `built_at` is where the compiler wrote it.
    pub const fn new(name: &'static str, built_at: &'static str, bytes: u64, hash: u128) -> FileBlob {
        FileBlob { name, built_at, bytes, hash, loaded: OnceLock::new() }
    }

    /// The name of the file.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Maps the file that lies beside the executable, or else where the compiler wrote it, unless weights are mapped
    /// already.
    ///
    /// # Errors
    /// If it cannot be read, or is not the file of these weights.
    pub fn load(&self) -> Result<(), WeightsError> {
        if self.loaded.get().is_some() {
            return Ok(());
        }
        let program = std::env::current_exe().unwrap_or_default();
        let beside = program.parent().unwrap_or(Path::new(".")).join(self.name);
        let built = Path::new(self.built_at);
        // An error names the place where the file belongs.
        let found = if !beside.is_file() && built.is_file() { built } else { &beside };
        self.load_from(found)
    }

    /// Maps the file `path`, unless weights are mapped already. Reads it once to check its content.
    ///
    /// # Errors
    /// If it cannot be read, or is not the file of these weights.
    pub fn load_from(&self, path: &Path) -> Result<(), WeightsError> {
        self.map(path, true)
    }

    /// [`load_from`](FileBlob::load_from) that checks the file's length only, so that a large file costs no time. What a
    /// damaged file computes is anyone's guess, but nothing is read out of bounds.
    ///
    /// # Errors
    /// If it cannot be read, or has another length.
    pub fn load_unchecked(&self, path: &Path) -> Result<(), WeightsError> {
        self.map(path, false)
    }

    fn map(&self, path: &Path, check: bool) -> Result<(), WeightsError> {
        if self.loaded.get().is_some() {
            return Ok(());
        }
        let unreadable = |error| WeightsError::Unreadable { path: path.to_path_buf(), error };
        // Opening a pipe would wait for whoever fills it.
        let about = std::fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(unreadable(io::Error::other("it is a folder or a device, not a file")));
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let got = about.len();
        if got != self.bytes {
            return Err(WeightsError::Length { path: path.to_path_buf(), expected: self.bytes, got });
        }
        if check {
            let got = hash(&mut file).map_err(unreadable)?;
            if got != self.hash {
                return Err(WeightsError::Content { path: path.to_path_buf(), expected: self.hash, got });
            }
        }
        // SAFETY: the map is private and read-only. That nobody shortens or rewrites the file while the program runs is
        // the documented condition on it.
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file) }.map_err(unreadable)?;
        if map.len() as u64 != self.bytes {
            return Err(WeightsError::Length {
                path: path.to_path_buf(),
                expected: self.bytes,
                got: map.len() as u64,
            });
        }
        // Weights stay until the program ends.
        let bytes: &'static memmap2::Mmap = std::boxed::Box::leak(std::boxed::Box::new(map));
        let whole = core::ptr::slice_from_raw_parts(bytes.as_ptr(), bytes.len()) as *const Aligned<[u8]>;
        // SAFETY: a map begins on a page, so it is aligned to 64, and it ends with a whole page, so the padding of the
        // type to a multiple of 64 is readable too. It is never unmapped or written.
        let blob = Blob::new(unsafe { &*whole });
        _ = self.loaded.set(blob);
        Ok(())
    }

    /// [`load`](FileBlob::load) where there is no way to return an error.
    ///
    /// # Panics
    /// If the file cannot be read, or is not the file of these weights.
    #[track_caller]
    pub fn expect(&self) {
        if let Err(error) = self.load() {
            std::panic!("{error}");
        }
    }

    /// A weight tensor, or several.
    ///
    /// # Panics
    /// If nothing was loaded, or a slot is out of bounds: workers see to the first, the compiler to the second.
    #[inline(always)]
    #[track_caller]
    pub fn get<R: Slots>(&self, slots: R) -> R::Refs<'static> {
        match self.loaded.get() {
            Some(blob) => blob.get(slots),
            None => defect("a worker was made without weights"),
        }
    }

    /// A weight tensor of known length.
    ///
    /// # Panics
    /// If nothing was loaded, or the slot does not have `N` elements or is out of bounds.
    #[inline(always)]
    #[track_caller]
    pub fn array<T: Element, const N: usize>(&self, slot: Slot<T>) -> &'static [T; N] {
        match self.get(slot).as_array() {
            Some(array) => array,
            None => defect("a weight has another size"),
        }
    }
}

/// The hash of all that is left of a file.
fn hash(file: &mut File) -> io::Result<u128> {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.digest128()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Debug for FileBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileBlob({}, {} bytes)", self.name, self.bytes)
    }
}

impl fmt::Display for WeightsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WeightsError::Unreadable { path, error } => {
                let path = path.display();
                write!(
                    f,
                    "the weights {path} cannot be read: {error}; the file belongs beside the executable, \
                     `with_weights_file` and `load_weights` take it from elsewhere"
                )
            }
            WeightsError::Length { path, expected, got } if got < expected => {
                write!(f, "the weights {} are cut short: {got} of {expected} bytes", path.display())
            }
            WeightsError::Length { path, expected, got } => {
                let path = path.display();
                write!(
                    f,
                    "the weights {path} are those of another program: {got} bytes instead of {expected}"
                )
            }
            WeightsError::Content { path, expected, got } => {
                let path = path.display();
                write!(
                    f,
                    "the weights {path} are damaged or those of another program: \
                     their hash is {got:032x} instead of {expected:032x}"
                )
            }
        }
    }
}

impl core::error::Error for WeightsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            WeightsError::Unreadable { error, .. } => Some(error),
            WeightsError::Length { .. } | WeightsError::Content { .. } => None,
        }
    }
}
