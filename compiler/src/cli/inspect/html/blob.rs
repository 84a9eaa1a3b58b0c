//! The weights by layer: a bar for each layer, a piece of it for each constant.

use super::super::super::terminal::bytes;
use super::draw::{self, Area, block, escaped, hatch, shortened, text};
use super::kind::{self, Kind};
use super::legend;
use crate::report::{Report, WeightReport};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const WIDTH: f64 = 1110.0;
/// Width of the names at the left, and of the sizes at the right.
const NAMES: f64 = 250.0;
const SIZES: f64 = 90.0;
const ROW: f64 = 23.0;
/// More layers than that are not told apart.
const MOST_LAYERS: usize = 80;

/// Constants of one layer.
struct Layer<'r> {
    name: String,
    weights: Vec<&'r WeightReport>,
}

impl Layer<'_> {
    fn bytes(&self) -> u64 {
        self.weights.iter().map(|weight| weight.bytes).sum()
    }
}

pub(super) fn draw(html: &mut String, report: &Report) {
    html.push_str("<h2>The weights by layer</h2>\n");
    if report.weights.is_empty() {
        html.push_str("<p>This model stores no weights.</p>\n");
        return;
    }
    let mut sizes = BTreeMap::new();
    for weight in &report.weights {
        *sizes.entry(Kind::of_origins(weight.readers.iter())).or_insert(0) += weight.bytes;
    }
    html.push_str("<p>A piece of a bar is a constant, in the colour of what reads it. Point at it for its name, type and layout.</p>\n");
    let mut marks = vec![("hatched", "one copy for several readers or names")];
    if report.second_form_bytes > 0 {
        marks.push(("second", "second form"));
    }
    legend(html, &sizes, &marks);
    let layers = layers(report);
    let widest = layers.iter().map(Layer::bytes).max().unwrap_or(1).max(1) as f64;
    html.push_str("<div class=\"sheet\"><div class=\"scroll\">\n");
    draw::begin(html, WIDTH, ROW * layers.len() as f64 + 4.0, "weights by layer");
    for (row, layer) in layers.iter().enumerate() {
        bar(html, layer, row as f64 * ROW + 2.0, (WIDTH - NAMES - SIZES) / widest);
    }
    html.push_str("</svg>\n</div></div>\n");
    table(html, report);
}

fn bar(html: &mut String, layer: &Layer<'_>, y: f64, scale: f64) {
    text(html, NAMES - 10.0, y + 15.0, "name", "end", &shortened(&layer.name, 34));
    let mut x = NAMES;
    for weight in &layer.weights {
        let width = weight.bytes as f64 * scale;
        let area = Area { x, y: y + 1.0, width, height: ROW - 4.0 };
        let second = if weight.second_form { " second" } else { "" };
        let class = Kind::of_origins(weight.readers.iter()).class() + second;
        block(html, area, &class, &about(weight));
        if is_shared(weight) {
            hatch(html, area);
        }
        x += width;
    }
    let what = match layer.weights.len() {
        1 => bytes(layer.bytes()),
        n => format!("{} in {n}", bytes(layer.bytes())),
    };
    text(html, x.max(NAMES + 1.0) + 6.0, y + 15.0, "", "start", &what);
}

fn is_shared(weight: &WeightReport) -> bool {
    weight.readers.len() > 1 || weight.names.len() > 1
}

/// Layers in the order of the blob. If there are very many, the smallest are one.
fn layers(report: &Report) -> Vec<Layer<'_>> {
    let mut layers: Vec<Layer<'_>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for weight in &report.weights {
        let name = layer_of(weight);
        let place = *places.entry(name.clone()).or_insert(layers.len());
        if place == layers.len() {
            layers.push(Layer { name, weights: Vec::new() });
        }
        layers[place].weights.push(weight);
    }
    if layers.len() > MOST_LAYERS {
        let mut sizes: Vec<u64> = layers.iter().map(Layer::bytes).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let least = sizes[MOST_LAYERS - 1];
        let (kept, rest): (Vec<_>, Vec<_>) = layers.into_iter().partition(|layer| layer.bytes() > least);
        let name = format!("{} smaller layers", rest.len());
        layers = kept;
        layers.push(Layer { name, weights: rest.into_iter().flat_map(|layer| layer.weights).collect() });
    }
    layers
}

/// The layer of a constant. What an exporter numbered through says nothing of it; the node that reads it does.
fn layer_of(weight: &WeightReport) -> String {
    let name = weight.names.first().map_or("", String::as_str);
    let numbered = !name.contains(['.', '/']) && name.ends_with(|c: char| c.is_ascii_digit());
    let telling = !name.is_empty() && !numbered && !name.contains("::");
    let reader = weight.readers.first().map_or(name, |reader| kind::node(reader));
    kind::layer(if telling { name } else { reader })
}

fn type_of(weight: &WeightReport) -> String {
    let shape: Vec<String> = weight.shape.iter().map(usize::to_string).collect();
    format!("{}[{}]", weight.dtype, shape.join(","))
}

fn about(weight: &WeightReport) -> String {
    let mut about = format!(
        "{}\n{}, {}\n{}",
        weight.names.join("\n= "),
        type_of(weight),
        bytes(weight.bytes),
        weight.layout
    );
    if weight.second_form {
        about.push_str(" (second form)");
    }
    for reader in &weight.readers {
        let _ = write!(about, "\nread by {reader}");
    }
    about
}

fn table(html: &mut String, report: &Report) {
    let _ = writeln!(
        html,
        "<details><summary>All {} constants</summary><div class=\"table\"><table>\n\
         <tr><th>bytes</th><th>type</th><th>name</th><th>layout</th><th>read by</th></tr>",
        report.weights.len()
    );
    for weight in &report.weights {
        let second = if weight.second_form { " (second form)" } else { "" };
        let _ = writeln!(
            html,
            "<tr><td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}{second}</td><td>{}</td></tr>",
            bytes(weight.bytes),
            escaped(&type_of(weight)),
            escaped(&weight.names.join(" = ")),
            escaped(&weight.layout),
            escaped(&weight.readers.join(", "))
        );
    }
    html.push_str("</table></div></details>\n");
}
