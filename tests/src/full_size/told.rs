//! What was measured, as a table, and whether it is what it must be.

use super::{Numbers, Settings, models};
use std::collections::BTreeMap;

pub(super) struct Measured {
    /// Of compiling the model alone.
    pub(super) alone: Numbers,
    /// Of compiling all models together.
    pub(super) bundle: Numbers,
    /// Of running both branches.
    pub(super) branches: Numbers,
    /// Of the products.
    pub(super) products: Numbers,
    /// Of onnxruntime, by model.
    pub(super) peers: Result<BTreeMap<String, Numbers>, String>,
}

/// Prints everything. Gives whether all bounds hold.
pub(super) fn all(settings: &Settings, measured: &Measured) -> bool {
    let Measured { alone, bundle, branches, products, peers } = measured;
    let table = settings.table_bytes() as f64;
    println!("\ntable of {} x {}: {}", settings.vocabulary, settings.width, size(table));
    if let Err(why) = peers {
        println!("onnxruntime was not measured: {why}");
    }
    let none = Numbers::new();
    let peer = |name: &str| peers.as_ref().ok().and_then(|all| all.get(name)).unwrap_or(&none);
    let nllb = peer(models::NLLB.name);
    println!("\n{:<34}{:>16}{:>16}", models::NLLB.formula, "ingrain", "onnxruntime");
    let row = |what: &str, ours: String, theirs: Option<String>| {
        println!("  {what:<32}{ours:>16}{:>16}", theirs.unwrap_or_else(|| "-".to_owned()));
    };
    let of = |numbers: &Numbers, name: &str| numbers.get(name).copied().unwrap_or(f64::NAN);
    let had = |name: &str, told: fn(f64) -> String| nllb.get(name).map(|&number| told(number));
    row("peak memory, both branches run", size(of(branches, "peak")), had("peak", size));
    row("  of it not in a file", size(of(branches, "own")), None);
    row("start-up", milliseconds(of(branches, "to_first_run_us") / 1e3), had("create_ms", milliseconds));
    row("first embedding", milliseconds(of(branches, "first_embedding_us") / 1e3), None);
    row("first logits", milliseconds(of(branches, "first_logits_ms")), None);
    row("an embedding", microseconds(of(branches, "embedding_us")), had("embedding_us", microseconds));
    row("logits", milliseconds(of(branches, "logits_ms")), had("ms", milliseconds));

    let speed = |ms: f64| format!("{:.1} GB/s", table / ms / 1e6);
    println!("\nin seconds of the one processor that each uses");
    println!("{:<34}{:>16}{:>16}{:>16}", "one row with the table", "ingrain", "of reading", "onnxruntime");
    println!("  {:<32}{:>16}", "reading the table", speed(of(products, "reading_ms")));
    for model in &models::PRODUCTS {
        let share = of(products, &format!("{}_share", model.name));
        println!(
            "  {:<32}{:>16}{:>15.0}%{:>16}",
            model.formula,
            speed(of(products, &format!("{}_ms", model.name))),
            share * 100.0,
            peer(model.name).get("ms_processor").map_or_else(|| "-".to_owned(), |&ms| speed(ms)),
        );
    }

    println!("\ncompiling");
    println!("  {:<32}{:>13.1} s{:>16}", "the model alone", of(alone, "seconds"), size(of(alone, "peak")));
    let count = models::all().len();
    println!(
        "  {:<32}{:>13.1} s{:>16}",
        format!("{count} models together"),
        of(bundle, "seconds"),
        size(of(bundle, "peak"))
    );
    println!("  {:<32}{:>15}{:>16}", "their blob", "", size(of(bundle, "blob")));
    println!("\nmust hold");
    bounds(table, measured)
}

fn bounds(table: f64, measured: &Measured) -> bool {
    let Measured { alone, bundle, branches, products, .. } = measured;
    let of = |numbers: &Numbers, name: &str| numbers.get(name).copied().unwrap_or(f64::NAN);
    const MB: f64 = 1e6;
    let blob = of(branches, "blob");
    let of_products = |what: &str| -> Vec<f64> {
        models::PRODUCTS.iter().map(|model| of(products, &format!("{}_{what}", model.name))).collect()
    };
    // What was not measured does not hold.
    let extreme = |values: &[f64], of: fn(f64, f64) -> f64| {
        if values.iter().any(|value| value.is_nan()) {
            f64::NAN
        } else {
            values.iter().copied().fold(values[0], of)
        }
    };
    let times = of_products("ms");
    let (fastest, slowest) = (extreme(&times, f64::min), extreme(&times, f64::max));
    let least_share = extreme(&of_products("share"), f64::min);
    let second: f64 =
        bundle.iter().filter(|(name, _)| name.starts_with("second_forms")).map(|(_, n)| n).sum();
    let checks = [
        (
            "all models store the table once",
            of(bundle, "blob"),
            1.01 * table + 4096.0,
            size as fn(f64) -> String,
        ),
        ("second forms", second, 0.0, size),
        (
            "peak memory <= 1.03 x blob + arena + 10 MB",
            of(branches, "peak"),
            1.03 * blob + of(branches, "arena") + 10.0 * MB,
            size,
        ),
        ("start-up <= 5 ms", of(branches, "to_first_run_us") / 1e3, 5.0, milliseconds),
        ("compiler's peak <= 0.25 x model + 300 MB", of(alone, "peak"), 0.25 * table + 300.0 * MB, size),
        ("compiler's peak, all models together", of(bundle, "peak"), 0.25 * 2.0 * table + 300.0 * MB, size),
        ("products with other bits", of(products, "different_bits"), 0.0, |n| n.to_string()),
        ("time of products, slowest by fastest", slowest / fastest, 1.05, |n| format!("{n:.3}")),
        ("time of reading by product, worst inverse", 1.0 / least_share, 1.0 / 0.85, |n| format!("{n:.3}")),
    ];
    let mut all_hold = true;
    for (what, got, most, told) in checks {
        let holds = got <= most;
        all_hold &= holds;
        let verdict = if holds { "holds" } else { "MISSED" };
        println!("  {what:<46}{:>16} of{:>16}  {verdict}", told(got), told(most));
    }
    all_hold
}

fn size(bytes: f64) -> String {
    if bytes >= 1e6 { format!("{:.1} MB", bytes / 1e6) } else { format!("{:.1} kB", bytes / 1e3) }
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.2} ms")
}

fn microseconds(us: f64) -> String {
    format!("{us:.2} us")
}
