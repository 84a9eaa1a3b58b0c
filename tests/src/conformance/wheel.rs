//! Getting the test vectors: the wheel is downloaded with pip and unpacked once.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose vectors are the ruler.
pub const VERSION: &str = "1.22.0";
/// Where the vectors are inside the wheel.
const DATA: &str = "onnx/backend/test/data/";

/// The folder with the vectors (`node`, `simple`, `light`, …), unpacked below `target` if it is not there yet.
///
/// # Errors
/// If it is not there and the wheel cannot be had; says what to do.
pub fn data(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join(format!("onnx-{VERSION}"));
    let data = folder.join(DATA);
    let complete = folder.join("complete");
    if complete.is_file() {
        return Ok(data);
    }
    fs::create_dir_all(&folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let wheel = match find_wheel(&folder) {
        Some(wheel) => wheel,
        None => download(&folder)?,
    };
    eprintln!("unpacking {}", wheel.display());
    unpack(&wheel, &folder).map_err(|e| format!("cannot unpack {}: {e}", wheel.display()))?;
    fs::write(&complete, "").map_err(|e| format!("cannot write {}: {e}", complete.display()))?;
    Ok(data)
}

fn find_wheel(folder: &Path) -> Option<PathBuf> {
    let prefix = format!("onnx-{VERSION}-");
    fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".whl")
    })
}

fn download(folder: &Path) -> Result<PathBuf, String> {
    // The vectors are the same for all platforms: the second try takes a wheel that is sure to exist.
    const PLATFORM: [&str; 4] = ["--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"];
    let mut said = String::new();
    for platform in [&[][..], &PLATFORM[..]] {
        eprintln!("downloading the wheel of onnx {VERSION}");
        let output = Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"])
            .args(platform)
            .arg(format!("onnx=={VERSION}"))
            .arg("--dest")
            .arg(folder)
            .output();
        match output {
            Ok(output) if output.status.success() => {
                if let Some(wheel) = find_wheel(folder) {
                    return Ok(wheel);
                }
            }
            Ok(output) => said = String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(e) => said = format!("python3 cannot be run: {e}"),
        }
    }
    Err(format!(
        "the ONNX test vectors are not here and cannot be downloaded.\n{said}\nWith a network, python3 and pip they are \
         fetched by themselves. Without, put the file `onnx-{VERSION}-*.whl` (any platform; `pip download --no-deps \
         onnx=={VERSION}`) into {}.",
        folder.display()
    ))
}

fn unpack(wheel: &Path, folder: &Path) -> Result<(), String> {
    let file = fs::File::open(wheel).map_err(|e| e.to_string())?;
    let mut archive = zip::ZipArchive::new(file).map_err(|e| e.to_string())?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| e.to_string())?;
        let Some(path) = entry.enclosed_name().filter(|p| p.starts_with(DATA)) else { continue };
        if entry.is_dir() {
            continue;
        }
        let path = folder.join(path);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, bytes)).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}
