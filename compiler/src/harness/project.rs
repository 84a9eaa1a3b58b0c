//! From the source of many compiled models to programs, in few runs of cargo.
//!
//! Models are grouped into programs. A program is kept in the cache under the digest of everything that goes into it, so
//! only what changed is built. When rustc refuses a program, the models that its messages point to are dropped, or,
//! where they point to none, the group is split, until all others are built.

use super::runtime::Runtime;
use super::{Cache, Compiled, Digest, glue};
use crate::artifact::Blob;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

mod cargo;

/// A model as it goes into a program.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The module's items, and the function that runs it.
    source: String,
    blob: Blob,
}

impl Unit {
    /// The unit of a compiled model.
    pub fn new(compiled: Compiled) -> Unit {
        let source = format!("pub mod model {{\n{}\n}}\n{}", compiled.source, glue::drive(&compiled.report));
        Unit { source, blob: compiled.blob }
    }

    /// Bytes of its weights.
    pub fn weight_bytes(&self) -> usize {
        usize::try_from(self.blob.len()).unwrap_or(usize::MAX)
    }

    fn digest(&self) -> String {
        Digest::new().with(&self.source).with(self.blob.hash()).with(self.blob.len().to_le_bytes()).hex()
    }
}

/// How rustc optimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As an application's release build.
    Release,
    /// The models little, the kernels fully: for results, not for speed.
    Quick,
}

impl Profile {
    fn manifest(self) -> &'static str {
        match self {
            Profile::Release => "[profile.release]\nopt-level = 3\nincremental = false\nstrip = true\n",
            Profile::Quick => {
                "[profile.release]\nopt-level = 0\nincremental = false\nstrip = true\n\n\
                 [profile.release.package.\"*\"]\nopt-level = 3\n"
            }
        }
    }
}

/// A model in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The program.
    pub binary: PathBuf,
    /// Which of its models.
    pub index: usize,
}

/// Builds programs.
pub struct Builder<'a> {
    cache: &'a Cache,
    profile: Profile,
    runtime: Runtime,
    /// Changes with everything but the models that a program depends on.
    stamp: String,
    progress: &'a (dyn Fn(&str) + Sync),
}

/// Time limit of one run of cargo.
const BUILD_LIMIT: Duration = Duration::from_secs(1800);
/// How much the cache keeps of programs, inputs of benches, and what processes that were killed left behind.
const KEPT_BYTES: [(&str, u64); 3] = [("bin", 8 << 30), ("bench", 2 << 30), ("tmp", 1 << 30)];

impl<'a> Builder<'a> {
    /// A builder with this profile that tells `progress` what it does.
    ///
    /// # Errors
    /// If there is no rustc.
    pub fn new(
        cache: &'a Cache,
        profile: Profile,
        progress: &'a (dyn Fn(&str) + Sync),
    ) -> Result<Builder<'a>, String> {
        let runtime = Runtime::locate()?;
        let flags = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"]
            .map(|name| std::env::var(name).unwrap_or_default());
        let stamp = Digest::new()
            .with(cargo::rustc_version()?)
            .with(profile.manifest())
            .with(glue::SUPPORT)
            .with(runtime.requirement())
            .with(runtime.stamp())
            .with(flags.join("\n"))
            .hex();
        Ok(Builder { cache, profile, runtime, stamp, progress })
    }

    /// Builds all units, `groups` of them (by index) into one program each, and says of each unit where it is, or what
    /// rustc said.
    ///
    /// # Errors
    /// If cargo cannot be run or files cannot be written.
    pub fn build(
        &self,
        units: &[Unit],
        groups: Vec<Vec<usize>>,
    ) -> Result<Vec<Result<Placed, String>>, String> {
        let programs = self.cache.dir("bin")?;
        let refused = self.cache.dir("refused")?;
        let digests: Vec<String> =
            units.iter().map(|u| Digest::new().with(&self.stamp).with(u.digest()).hex()).collect();
        let mut results: Vec<Option<Result<Placed, String>>> =
            digests.iter().map(|d| fs::read_to_string(refused.join(d)).ok().map(Err)).collect();
        let mut groups = groups;
        loop {
            let mut missing: Vec<Program> = Vec::new();
            for group in std::mem::take(&mut groups) {
                let members: Vec<usize> = group.into_iter().filter(|&i| results[i].is_none()).collect();
                if members.is_empty() {
                    continue;
                }
                let program = Program::new(members, &digests);
                let binary = programs.join(&program.name);
                if binary.is_file() {
                    Cache::touch(&binary);
                    program.place(&binary, &mut results);
                } else {
                    missing.push(program);
                }
            }
            if missing.is_empty() {
                break;
            }
            let outcomes = self.build_round(units, &missing, &programs)?;
            for (program, outcome) in missing.into_iter().zip(outcomes) {
                match outcome {
                    Ok(binary) => program.place(&binary, &mut results),
                    Err(errors) => {
                        for (unit, text) in program.blame(&errors, &mut groups) {
                            self.cache.write(&refused.join(&digests[unit]), text.as_bytes())?;
                            results[unit] = Some(Err(text));
                        }
                    }
                }
            }
        }
        for (folder, bytes) in KEPT_BYTES {
            self.cache.prune(folder, bytes);
        }
        Ok(results.into_iter().map(|r| r.unwrap_or_else(|| Err("not built".to_owned()))).collect())
    }

    /// Compiles the runtime and the kernels for this profile, so that later builds are of models alone.
    ///
    /// # Errors
    /// If cargo cannot be run, or refuses.
    pub fn warm_up(&self) -> Result<(), String> {
        let done = self.cache.dir("warm")?.join(&self.stamp);
        if done.is_file() {
            return Ok(());
        }
        (self.progress)("building the runtime");
        let _lock = self.cache.lock("build")?;
        let dir = self.cache.dir("build")?.join("warm-up");
        self.write_package(&dir)?;
        let outcome = cargo::build(&dir, &self.cache.dir("target")?, BUILD_LIMIT, self.progress)?;
        if !outcome.success {
            return Err(format!("the runtime does not build:\n{}", outcome.complaint()));
        }
        self.cache.write(&done, b"")
    }

    /// Builds one unit alone and says how long rustc and the linker took with it (`None` if it was in the cache).
    ///
    /// # Errors
    /// As [`Builder::build`], and what rustc said.
    pub fn build_one(&self, unit: Unit) -> Result<(Placed, Option<Duration>), String> {
        let digest = Digest::new().with(&self.stamp).with(unit.digest()).hex();
        let program = Program::new(vec![0], &[digest]);
        let cached = self.cache.root().join("bin").join(&program.name).is_file();
        if !cached {
            self.warm_up()?;
        }
        let start = Instant::now();
        let placed =
            self.build(&[unit], vec![vec![0]])?.pop().unwrap_or_else(|| Err("not built".to_owned()))?;
        Ok((placed, (!cached).then(|| start.elapsed())))
    }

    /// One run of cargo over these programs: each one's binary in the cache, or what rustc said.
    fn build_round(
        &self,
        units: &[Unit],
        programs: &[Program],
        into: &Path,
    ) -> Result<Vec<Result<PathBuf, Vec<cargo::Complaint>>>, String> {
        let models: usize = programs.iter().map(|p| p.members.len()).sum();
        (self.progress)(&format!("rustc: {models} models in {} programs", programs.len()));
        let _lock = self.cache.lock("build")?;
        let names = programs.iter().fold(Digest::new(), |d, p| d.with(&p.name)).hex();
        let dir = self.cache.dir("build")?.join(&names[..16]);
        // Left over from a build that was interrupted.
        let _ = fs::remove_dir_all(&dir);
        self.write_package(&dir)?;
        for program in programs {
            program.write(&dir, units)?;
        }
        let target = self.cache.dir("target")?;
        let outcome = cargo::build(&dir, &target, BUILD_LIMIT, self.progress)?;
        let mut results = Vec::new();
        let mut kept = BTreeSet::new();
        for program in programs {
            if let Some(built) = outcome.executables.get(&program.name) {
                let binary = into.join(&program.name);
                let fail = |e: std::io::Error| format!("cannot keep {}: {e}", binary.display());
                // Models that become the same program are built once.
                if kept.insert(&program.name) {
                    fs::rename(built, &binary)
                        .or_else(|_| fs::copy(built, &binary).map(|_| ()))
                        .map_err(fail)?;
                    cargo::forget(&target, &program.name);
                }
                results.push(Ok(binary));
            } else {
                let complaints: Vec<cargo::Complaint> =
                    outcome.complaints.iter().filter(|c| c.program == program.name).cloned().collect();
                if complaints.is_empty() && outcome.complaints.is_empty() && !outcome.reached(&program.name) {
                    return Err(format!("cargo cannot build the models:\n{}", outcome.complaint()));
                }
                results.push(Err(complaints));
            }
        }
        if std::env::var_os("INGRAIN_KEEP").is_none() {
            // What stays behind is overwritten by the next build of the same models.
            let _ = fs::remove_dir_all(&dir);
        }
        Ok(results)
    }

    fn write_package(&self, dir: &Path) -> Result<(), String> {
        let manifest = format!(
            "[package]\nname = \"ingrain-models\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
             [dependencies]\ningrain = {}\n\n{}\n[workspace]\n",
            self.runtime.requirement(),
            self.profile.manifest()
        );
        write(&dir.join("Cargo.toml"), manifest.as_bytes())?;
        write(&dir.join("src/lib.rs"), b"")
    }
}

/// Models that share a program.
struct Program {
    name: String,
    members: Vec<usize>,
}

impl Program {
    fn new(members: Vec<usize>, digests: &[String]) -> Program {
        let digest = members.iter().fold(Digest::new(), |d, &i| d.with(&digests[i]));
        Program { name: format!("m{}", digest.hex()), members }
    }

    fn place(&self, binary: &Path, results: &mut [Option<Result<Placed, String>>]) {
        for (index, &unit) in self.members.iter().enumerate() {
            results[unit] = Some(Ok(Placed { binary: binary.to_path_buf(), index }));
        }
    }

    /// Writes the sources below `dir`.
    fn write(&self, dir: &Path, units: &[Unit]) -> Result<(), String> {
        let folder = dir.join("src/bin").join(&self.name);
        write(&folder.join("main.rs"), glue::main_file(self.members.len()).as_bytes())?;
        write(&folder.join("support.rs"), glue::SUPPORT.as_bytes())?;
        for (index, &member) in self.members.iter().enumerate() {
            let Unit { source, blob } = &units[member];
            let file = folder.join(format!("{}.blob", blob.hash()));
            if !blob.is_empty() {
                write_blob(&file, blob)?;
            }
            let weights = glue::weights(source, blob.hash(), &file.to_string_lossy(), blob.len());
            write(&folder.join(format!("m{index}.rs")), format!("{weights}{source}").as_bytes())?;
        }
        Ok(())
    }

    /// The units that these messages point to, each with what was said; all others go into `again`.
    fn blame(&self, complaints: &[cargo::Complaint], again: &mut Vec<Vec<usize>>) -> Vec<(usize, String)> {
        let mut said: HashMap<usize, String> = HashMap::new();
        for complaint in complaints {
            if let Some(&unit) = complaint.module.and_then(|m| self.members.get(m)) {
                said.entry(unit).or_insert_with(|| complaint.text.clone());
            }
        }
        if let [unit] = self.members[..] {
            let text = complaints
                .first()
                .map_or_else(|| "rustc failed without a message".to_owned(), |c| c.text.clone());
            return vec![(unit, said.remove(&unit).unwrap_or(text))];
        }
        if said.is_empty() {
            let (left, right) = self.members.split_at(self.members.len() / 2);
            again.extend([left.to_vec(), right.to_vec()]);
        } else {
            again.push(self.members.iter().copied().filter(|unit| !said.contains_key(unit)).collect());
        }
        let mut said: Vec<(usize, String)> = said.into_iter().collect();
        said.sort();
        said
    }
}

fn write_blob(path: &Path, blob: &Blob) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = made.and_then(|()| fs::File::create(path)).and_then(|file| {
        let mut file = std::io::BufWriter::with_capacity(1 << 20, file);
        blob.write(&mut file)?;
        std::io::Write::flush(&mut file)
    });
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, bytes)).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// A command without the variables that cargo sets for the process it runs, which would change how cargo builds.
fn clean_command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let of_cargo = name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if of_cargo || matches!(&*name, "RUSTC_WORKSPACE_WRAPPER" | "CLIPPY_ARGS" | "CARGO_TARGET_DIR") {
            command.env_remove(&*name);
        }
    }
    command
}

#[cfg(test)]
mod tests;
