//! Compiles three models into one bundle, and tells the program what each part takes.

use ingrain_compiler::build::Models;

fn main() {
    println!("cargo:rerun-if-env-changed=SHARED_WEIGHTS_DATA");
    let folder = std::env::var("SHARED_WEIGHTS_DATA").unwrap_or_else(|_| "data".to_owned());
    let file = |name: &str| format!("{folder}/{name}.onnx");
    let reports = Models::new()
        .model("embed_and_lm_head", file("embed_and_lm_head"), |m| m)
        .variants("encoder", [("a", file("encoder_a")), ("b", file("encoder_b"))], |m| {
            m.dim("tokens", 1..=16)
        })
        .compile();

    let mut lines = Vec::new();
    for (name, report) in ["embed_and_lm_head", "encoder"].iter().zip(&reports) {
        lines.push(format!("{name}: {} bytes of weights", report.stored_weight_bytes));
        for weight in &report.weights {
            let (names, readers) = (weight.names.join(" = "), weight.readers.len());
            lines.push(format!("  {:>12} {names}, {} ({readers} readers)", weight.bytes, weight.layout));
        }
        for variant in &report.variants {
            lines.push(format!("  {:>12} added by variant {}", variant.added_bytes, variant.name));
        }
    }
    let mut places: Vec<_> = reports.iter().flat_map(|r| &r.weights).map(|w| (w.offset, w.bytes)).collect();
    places.sort_unstable();
    places.dedup();
    let added: u64 = reports.iter().flat_map(|r| r.variants.iter().skip(1)).map(|v| v.added_bytes).sum();
    let together = places.iter().map(|(_, bytes)| bytes).sum::<u64>() + added;
    lines.push(format!("together: {together} bytes of weights"));
    println!("cargo:rustc-env=SHARED_WEIGHTS_PARTS={}", lines.join("|"));
}
