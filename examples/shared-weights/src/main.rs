//! A table that one model looks up and multiplies, an encoder that looks it up too, in two variants, and eight workers:
//! how often is each weight in memory? Prints the bytes of each part.

ingrain::include_model!("embed_and_lm_head", "encoder");

use std::time::Instant;

/// Threads that each run a worker of their own.
const WORKERS: usize = 8;

fn main() -> Result<(), ingrain::Error> {
    println!("stored:");
    env!("SHARED_WEIGHTS_PARTS").split('|').for_each(|line| println!("  {line}"));

    let at_start = resident();
    let start = Instant::now();
    let mut model = embed_and_lm_head::Model::new();
    println!("a worker is made in {:?}", start.elapsed());

    // Both branches read the same bytes, one as rows and one as the columns of a product.
    let mut hidden = Vec::new();
    for id in [1, 17, 400] {
        hidden = look_up(&mut model, id)?;
        let likeliest = multiply(&mut model, &hidden)?;
        println!("token {id}: the product with its own row is largest at {likeliest}");
    }
    let with_one = resident();
    told("both branches", at_start, with_one);

    // One program, two sets of weights.
    let ids = [5, 6, 7];
    let ids = ingrain::TensorRef::new(&ids, [1, 3]).expect("three tokens");
    let mut encoder = encoder::Model::new(encoder::Variant::A);
    let a = encoder.run(encoder::Inputs { ids })?.x2.data.to_vec();
    encoder.set_variant(encoder::Variant::B);
    let b = encoder.run(encoder::Inputs { ids })?.x2.data;
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("variants a and b differ by at most {apart}");

    // A worker is an arena: nothing of the weights is copied, nothing is locked.
    let before = resident();
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let mut worker = embed_and_lm_head::Model::new();
            let hidden = hidden.clone();
            std::thread::spawn(move || multiply(&mut worker, &hidden).map(|_| worker))
        })
        .collect();
    let workers: Vec<_> = workers.into_iter().map(|w| w.join().expect("a worker ends well")).collect();
    let after = resident();
    println!(
        "{} workers of {} bytes each (arenas)",
        workers.iter().filter(|worker| worker.is_ok()).count(),
        embed_and_lm_head::CONTEXT_BYTES
    );
    told("eight workers", before, after);
    Ok(())
}

/// The table's row of a token.
fn look_up(model: &mut embed_and_lm_head::Model<'_>, id: i64) -> Result<Vec<f32>, ingrain::Error> {
    let inputs = embed_and_lm_head::Inputs { use_embed: &[true], ids: &[id], hidden: &[0.0; _] };
    Ok(model.run(inputs)?.output.data.to_vec())
}

/// The token whose row has the largest product with `hidden`.
fn multiply(model: &mut embed_and_lm_head::Model<'_>, hidden: &[f32]) -> Result<usize, ingrain::Error> {
    let hidden = hidden.try_into().expect("the width of the table");
    let inputs = embed_and_lm_head::Inputs { use_embed: &[false], ids: &[0], hidden };
    let logits = model.run(inputs)?.output.data;
    Ok((0..logits.len()).max_by(|&i, &j| logits[i].total_cmp(&logits[j])).unwrap_or(0))
}

/// Resident and proportional bytes of this process, where the system tells.
fn resident() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some((field("Rss:")? * 1024, field("Pss:")? * 1024))
}

fn told(what: &str, before: Option<(u64, u64)>, after: Option<(u64, u64)>) {
    if let (Some((before, _)), Some((rss, pss))) = (before, after) {
        println!("{what}: {} bytes more resident, {rss} in all, {pss} by share", rss.saturating_sub(before));
    }
}
