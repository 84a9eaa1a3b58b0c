//! Exists so that Cargo gives this crate an `OUT_DIR`, where the macro keeps the blobs it makes.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
