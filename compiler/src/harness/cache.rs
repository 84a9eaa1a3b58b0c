//! The folder where built models are kept, by content.
//!
//! Everything in it can be deleted at any time. A name in it is the [`Digest`] of all that its contents depend on, so
//! nothing in it is ever stale.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A folder of things that can be made again.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The folder that `INGRAIN_CACHE` names; without it, one in the target directory of the source tree if the tool
    /// runs from there, and one in the user's cache directory otherwise.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open() -> Result<Cache, String> {
        let root = match std::env::var_os("INGRAIN_CACHE").filter(|v| !v.is_empty()) {
            Some(dir) => PathBuf::from(dir),
            None => default_root(),
        };
        Cache::at(&root)
    }

    /// A cache in the folder `root`.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn at(root: &Path) -> Result<Cache, String> {
        let fail = |e| {
            format!("cannot make the cache folder {}: {e} (set INGRAIN_CACHE to another)", root.display())
        };
        fs::create_dir_all(root).map_err(fail)?;
        Ok(Cache { root: root.canonicalize().map_err(fail)? })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder in the cache, made if it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn dir(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.root.join(name);
        fs::create_dir_all(&dir).map_err(|e| format!("cannot make {}: {e}", dir.display()))?;
        Ok(dir)
    }

    /// Waits until no other process holds the lock `name`, and holds it until the file is dropped.
    ///
    /// # Errors
    /// If the lock file cannot be made.
    pub fn lock(&self, name: &str) -> Result<File, String> {
        let path = self.root.join(format!("{name}.lock"));
        let say = |e: io::Error| format!("cannot lock {}: {e}", path.display());
        let file = File::options().create(true).append(true).open(&path).map_err(say)?;
        file.lock().map_err(say)?;
        Ok(file)
    }

    /// A path for a temporary file that nobody else uses.
    ///
    /// # Errors
    /// If the folder for it cannot be made.
    pub fn temporary(&self, suffix: &str) -> Result<PathBuf, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(self.dir("tmp")?.join(format!("{}-{number}{suffix}", std::process::id())))
    }

    /// Writes a file so that readers see all of it or nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        let temporary = self.temporary("")?;
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))
    }

    /// Marks a file as used now, so that [`Cache::prune`] keeps it.
    pub fn touch(path: &Path) {
        // A cache on a read-only disk still serves.
        if let Ok(file) = File::options().append(true).open(path) {
            let _ = file.set_modified(SystemTime::now());
        }
    }

    /// Deletes the files in the folder `name` that were not used for longest, until at most `bytes` are left. Files
    /// used within the last hour stay.
    pub fn prune(&self, name: &str, bytes: u64) {
        let Ok(entries) = fs::read_dir(self.root.join(name)) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .flatten()
            .filter_map(|e| {
                let meta = e.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((meta.modified().ok()?, meta.len(), e.path()))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|f| f.1).sum();
        let now = SystemTime::now();
        for (used, len, path) in files {
            let recent = now.duration_since(used).unwrap_or_default() < Duration::from_secs(3600);
            if total <= bytes || recent {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= len;
            }
        }
    }
}

fn default_root() -> PathBuf {
    if let Some(tree) = super::runtime::source_tree() {
        return tree.join("target").join("ingrain-cache");
    }
    let home = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))
        .or_else(|| std::env::var_os("LOCALAPPDATA").map(PathBuf::from))
        .unwrap_or_else(std::env::temp_dir);
    home.join("ingrain")
}

/// 128 bits that identify contents. Not stable across releases of this tool, which a cache need not be.
#[derive(Clone, Debug)]
pub struct Digest {
    halves: [std::hash::DefaultHasher; 2],
}

impl Default for Digest {
    fn default() -> Digest {
        Digest::new()
    }
}

impl Digest {
    /// The digest of nothing.
    pub fn new() -> Digest {
        let mut second = std::hash::DefaultHasher::new();
        second.write_u8(1);
        Digest { halves: [std::hash::DefaultHasher::new(), second] }
    }

    /// Adds a part. Parts are kept apart: `ab`, `c` differs from `a`, `bc`.
    #[must_use]
    pub fn with(mut self, part: impl AsRef<[u8]>) -> Digest {
        let part = part.as_ref();
        for half in &mut self.halves {
            half.write_usize(part.len());
            half.write(part);
        }
        self
    }

    /// 32 hexadecimal digits.
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(32);
        for half in &self.halves {
            let _ = write!(text, "{:016x}", half.finish());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        let hex = |parts: &[&str]| parts.iter().fold(Digest::new(), |d, p| d.with(p)).hex();
        assert_eq!(hex(&["ab", "c"]), hex(&["ab", "c"]));
        assert_ne!(hex(&["ab", "c"]), hex(&["a", "bc"]));
        assert_ne!(hex(&["a", ""]), hex(&["a"]));
        assert_eq!(hex(&[]).len(), 32);
    }

    #[test]
    fn pruning_keeps_what_was_used_lately() {
        let root = std::env::temp_dir().join(format!("ingrain-prune-{}", std::process::id()));
        let cache = Cache::at(&root).unwrap();
        let dir = cache.dir("bin").unwrap();
        for (name, age) in [("old", 9000), ("older", 99_000), ("new", 0)] {
            fs::write(dir.join(name), [0_u8; 100]).unwrap();
            let file = File::options().append(true).open(dir.join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        cache.prune("bin", 250);
        let left = |name: &str| dir.join(name).exists();
        assert!(left("old") && left("new") && !left("older"));
        cache.prune("bin", 0);
        assert!(!left("old") && left("new"));
        fs::remove_dir_all(root).unwrap();
    }
}
