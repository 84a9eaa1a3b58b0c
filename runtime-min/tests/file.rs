//! Weights in a file: what is refused, and why.

#![cfg(feature = "file")]

use ingrain::{FileBlob, Slot, WeightsError};
use std::path::PathBuf;
use xxhash_rust::xxh3::xxh3_128;

fn weights() -> Vec<u8> {
    (0..5000_u32).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

/// Weights that are loaded nowhere yet, and a file of these bytes.
fn blob(name: &str, bytes: &[u8]) -> (FileBlob, PathBuf) {
    let path = std::env::temp_dir().join(format!("ingrain-file-{name}-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let expected = weights();
    (FileBlob::new("w.blob", "/nowhere/w.blob", expected.len() as u64, xxh3_128(&expected)), path)
}

#[test]
fn the_right_file_is_mapped() {
    let (blob, path) = blob("right", &weights());
    blob.load_from(&path).unwrap();
    let slot = Slot::<f32>::new(16 * 64, 100);
    assert_eq!(blob.get(slot)[7], 16.0 * 16.0 + 7.0);
    assert!(blob.get(Slot::<f32>::new(0, 5000)).as_ptr().addr().is_multiple_of(64));
    // What is mapped stays, wherever others look.
    std::fs::remove_file(&path).unwrap();
    blob.load_from(&path).unwrap();
    blob.load().unwrap();
    assert_eq!(blob.get(slot)[0], 256.0);
}

#[test]
fn wrong_files_are_refused_with_the_reason() {
    let told = |name: &str, bytes: &[u8]| {
        let (blob, path) = blob(name, bytes);
        let error = blob.load_from(&path).unwrap_err();
        let text = error.to_string().replace(&*path.to_string_lossy(), "FILE");
        std::fs::remove_file(&path).unwrap();
        (text, error)
    };
    let good = weights();
    let (text, error) = told("short", &good[..good.len() - 4]);
    assert_eq!(text, "the weights FILE are cut short: 19996 of 20000 bytes");
    assert!(matches!(error, WeightsError::Length { expected: 20_000, got: 19_996, .. }));
    let (text, _) = told("long", &[&good[..], &[0]].concat());
    assert_eq!(text, "the weights FILE are those of another program: 20001 bytes instead of 20000");
    let mut damaged = good.clone();
    damaged[12_345] ^= 1;
    let (text, error) = told("damaged", &damaged);
    assert!(text.starts_with("the weights FILE are damaged or those of another program: their hash is "));
    assert!(matches!(error, WeightsError::Content { .. }));
    let (text, _) = told("empty", &[]);
    assert_eq!(text, "the weights FILE are cut short: 0 of 20000 bytes");
    let (blob, path) = blob("unchecked", &damaged);
    blob.load_unchecked(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(blob.get(Slot::<f32>::new(0, 1))[0], 0.0);
}

#[test]
fn a_missing_file_is_told_with_the_place_beside_the_program() {
    let blob = FileBlob::new("no-such.blob", "/nowhere/no-such.blob", 64, 0);
    let error = blob.load().unwrap_err();
    let beside = std::env::current_exe().unwrap().with_file_name("no-such.blob");
    let WeightsError::Unreadable { path, .. } = &error else { panic!("{error}") };
    assert_eq!(*path, beside);
    assert!(error.to_string().contains("cannot be read"));
}
