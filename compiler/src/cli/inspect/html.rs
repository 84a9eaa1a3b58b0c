//! A page that shows where a model's memory goes: the arena over time and the blob by layer. It stands alone: no
//! scripts, no fonts, no other files.

use super::super::terminal::{bytes, count};
use crate::report::{Report, ValueReport, WeightReport};
use std::fmt::Write as _;

/// Width of the pictures.
const WIDTH: f64 = 1100.0;
/// Height of the picture of the arena.
const ARENA_HEIGHT: f64 = 420.0;
/// Height of one row of the picture of the blob.
const ROW: f64 = 22.0;

/// The page about several models.
pub(super) fn page(reports: &[(String, Report)]) -> String {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Memory of models</title>\n<style>\n\
         body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1140px; padding: 0 1em; color: #1c2430; \
         background: #fbfbf9; }\n\
         h1 { font-size: 1.5em; } h2 { font-size: 1.1em; margin-top: 2em; }\n\
         svg { background: #fff; border: 1px solid #d9dce1; border-radius: 6px; display: block; max-width: 100%; }\n\
         svg rect:hover { stroke: #1c2430; stroke-width: 1.5; }\n\
         svg text { font: 11px system-ui, sans-serif; fill: #1c2430; pointer-events: none; }\n\
         table { border-collapse: collapse; font-size: 13px; } td, th { padding: 2px 12px 2px 0; text-align: left; }\n\
         td.n { text-align: right; font-variant-numeric: tabular-nums; }\n\
         .key { color: #5b6675; }\n</style>\n</head>\n<body>\n",
    );
    for (name, report) in reports {
        let _ = writeln!(html, "<h1>{}</h1>", escaped(name));
        let _ = writeln!(
            html,
            "<p>{} steps, {} multiplications; arena {}, weights {}.</p>",
            report.steps.len(),
            count(report.macs),
            bytes(report.context_bytes),
            bytes(report.stored_weight_bytes)
        );
        arena(&mut html, report);
        blob(&mut html, report);
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn arena(html: &mut String, report: &Report) {
    let steps = report.steps.len().max(1) as f64;
    let total = report.context_bytes.max(1) as f64;
    let _ = writeln!(
        html,
        "<h2>The arena over time</h2>\n<p class=\"key\">Steps from left to right, addresses from the bottom up: {} at its \
         fullest, of which {} are needed at once. Point at a block for its name.</p>",
        bytes(report.context_bytes),
        bytes(report.context_lower_bound_bytes)
    );
    let _ = writeln!(
        html,
        "<svg viewBox=\"0 0 {WIDTH} {ARENA_HEIGHT}\" width=\"{WIDTH}\" height=\"{ARENA_HEIGHT}\" role=\"img\" \
         aria-label=\"arena over time\">"
    );
    for (number, value) in report.values.iter().enumerate() {
        let x = value.first as f64 / steps * WIDTH;
        let right = ((value.last + 1) as f64).min(steps) / steps * WIDTH;
        let height = value.bytes as f64 / total * ARENA_HEIGHT;
        let y = ARENA_HEIGHT - (value.offset + value.bytes) as f64 / total * ARENA_HEIGHT;
        let _ = writeln!(
            html,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" fill-opacity=\"0.85\">\
             <title>{}</title></rect>",
            (right - x).max(0.8),
            height.max(0.5),
            colour(number),
            escaped(&about_value(value))
        );
        if right - x > 90.0 && height > 14.0 && !value.name.is_empty() {
            let fits = ((right - x) / 6.5) as usize;
            let _ = writeln!(
                html,
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 4.0,
                y + 12.0_f64.min(height - 2.0),
                escaped(&ending(&value.name, fits))
            );
        }
    }
    html.push_str("</svg>\n");
}

fn about_value(value: &ValueReport) -> String {
    let name = if value.name.is_empty() { "unnamed value" } else { &value.name };
    format!(
        "{name}: {} at {}, steps {} to {}",
        bytes(value.bytes),
        value.offset,
        value.first + 1,
        value.last + 1
    )
}

/// A row for each layer: constants whose names begin alike.
fn blob(html: &mut String, report: &Report) {
    let mut layers: Vec<(String, Vec<&WeightReport>)> = Vec::new();
    for weight in &report.weights {
        let layer = layer(weight);
        match layers.iter_mut().find(|(name, _)| *name == layer) {
            Some((_, weights)) => weights.push(weight),
            None => layers.push((layer, vec![weight])),
        }
    }
    let bytes_of = |weights: &[&WeightReport]| weights.iter().map(|w| w.bytes).sum::<u64>();
    let widest = layers.iter().map(|(_, weights)| bytes_of(weights)).max().unwrap_or(0).max(1) as f64;
    let height = ROW * layers.len().max(1) as f64 + 8.0;
    const NAMES: f64 = 260.0;
    let _ = writeln!(
        html,
        "<h2>The weights by layer</h2>\n<p class=\"key\">{} stored; {} in the model, {} of it distinct; second forms {}. \
         Hatched: read by several nodes.</p>",
        bytes(report.stored_weight_bytes),
        bytes(report.initializer_bytes),
        bytes(report.unique_initializer_bytes),
        bytes(report.second_form_bytes)
    );
    let _ = writeln!(
        html,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"weights by \
         layer\">\n<defs><pattern id=\"shared\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" stroke=\"#1c2430\" \
         stroke-opacity=\"0.45\" stroke-width=\"2\"/></pattern></defs>"
    );
    for (row, (name, weights)) in layers.iter().enumerate() {
        let y = 4.0 + row as f64 * ROW;
        let _ = writeln!(html, "<text x=\"6\" y=\"{:.1}\">{}</text>", y + 14.0, escaped(&ending(name, 40)));
        let mut x = NAMES;
        for weight in weights {
            let width = weight.bytes as f64 / widest * (WIDTH - NAMES - 90.0);
            let fills: &[&str] =
                if weight.readers.len() > 1 { &[colour(row), "url(#shared)"] } else { &[colour(row)] };
            for fill in fills {
                let _ = writeln!(
                    html,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\">\
                     <title>{}</title></rect>",
                    width.max(0.6),
                    ROW - 5.0,
                    escaped(&about_weight(weight))
                );
            }
            x += width.max(0.6) + 0.6;
        }
        let _ = writeln!(
            html,
            "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 6.0,
            y + 14.0,
            bytes(bytes_of(weights))
        );
    }
    html.push_str("</svg>\n");
}

fn about_weight(weight: &WeightReport) -> String {
    let shape: Vec<String> = weight.shape.iter().map(usize::to_string).collect();
    format!(
        "{}: {}[{}], {}, {}; read by {}",
        weight.names.join(", "),
        weight.dtype,
        shape.join(","),
        bytes(weight.bytes),
        weight.layout,
        weight.readers.join(", ")
    )
}

/// The part of a constant's name that its neighbours share: all up to the last number in it, else its first word.
fn layer(weight: &WeightReport) -> String {
    let name = weight.names.first().map_or("", String::as_str);
    let reader = weight.readers.first().and_then(|r| r.split('"').nth(1)).unwrap_or(name);
    // What an exporter numbered through says nothing of its layer; its reader does.
    let telling = if name.contains(['.', '/']) && !name.contains("::") { name } else { reader };
    let parts: Vec<&str> = telling.split(['.', '/']).filter(|part| !part.is_empty()).collect();
    let numbered = |part: &&str| part.bytes().last().is_some_and(|b| b.is_ascii_digit());
    match parts.iter().position(numbered) {
        Some(at) => parts[..=at].join("."),
        None => parts.first().map_or_else(|| name.to_owned(), |&part| part.to_owned()),
    }
}

fn colour(number: usize) -> &'static str {
    const COLOURS: [&str; 10] = [
        "#8fb8de", "#f2b880", "#a3cfa0", "#e59a9a", "#bda6d4", "#c9b29b", "#eab5d5", "#b7bdc7", "#d6d48a",
        "#8ed1d6",
    ];
    COLOURS[number % COLOURS.len()]
}

/// The last `most` characters of a name.
fn ending(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    std::iter::once('…').chain(name.chars().skip(length - most.saturating_sub(1))).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DType;

    #[test]
    fn the_page_stands_alone_and_shows_every_block() {
        let weight = |name: &str, reader: &str| WeightReport {
            names: vec![name.to_owned()],
            dtype: DType::F32,
            shape: vec![4, 4],
            offset: 0,
            bytes: 64,
            layout: "row-major".to_owned(),
            readers: vec![format!("node 0 \"{reader}\" (MatMul)")],
            second_form: false,
        };
        let report = Report {
            context_bytes: 128,
            weights: vec![
                weight("encoder.layers.0.fc.weight", "a"),
                weight("encoder.layers.0.fc.bias", "b"),
                weight("onnx::MatMul_7", "/m/block.3/q/MatMul"),
            ],
            values: vec![ValueReport { name: "a<b".to_owned(), offset: 0, bytes: 64, first: 0, last: 1 }],
            ..Report::default()
        };
        let html = page(&[("x & y".to_owned(), report)]);
        assert!(html.contains("<h1>x &amp; y</h1>") && html.contains("a&lt;b: 64 B"));
        assert_eq!(html.matches("<rect").count(), 4);
        assert_eq!(html.matches(">encoder.layers.0<").count(), 1);
        assert!(html.contains(">m.block.3<"));
        assert!(!html.contains("http") && !html.contains("<script"));
    }
}
