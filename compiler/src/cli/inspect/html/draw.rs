//! What pictures are made of: scales, ticks, and text that fits.

pub(super) use super::super::super::constants::shortened;

use std::fmt::Write as _;

/// Patterns that pictures of the page refer to.
pub(super) const PATTERNS: &str = "<svg width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\
    <pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
    <line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern></defs></svg>\n";

/// Width of a letter, generously.
const LETTER: f64 = 6.6;

/// Text for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// As much of the end of a name as fits into so many pixels, whole words of it if that is possible; nothing if it would
/// not be readable.
pub(super) fn fitting(name: &str, pixels: f64) -> Option<String> {
    let most = (pixels / LETTER) as usize;
    let length = name.chars().count();
    if most < 4 || length == 0 {
        return None;
    }
    if length <= most {
        return Some(name.to_owned());
    }
    let end: String = name.chars().skip(length + 1 - most).collect();
    let whole = end.split_once(['/', '.']).map(|(_, rest)| rest).filter(|rest| !rest.is_empty());
    Some(format!("…{}", whole.unwrap_or(&end)))
}

/// A step of 1, 2 or 5 times a power of ten that divides `total` into at most `most` parts.
pub(super) fn round_step(total: usize, most: usize) -> usize {
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            if total / (factor * power) <= most {
                return factor * power;
            }
        }
        power *= 10;
    }
}

/// A power of two that divides `total` into at most `most` parts.
pub(super) fn binary_step(total: u64, most: u64) -> u64 {
    let mut step = 1_u64;
    while total / step > most && step < 1 << 62 {
        step *= 2;
    }
    step
}

/// A place in a picture.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A rectangle that tells what it is when it is pointed at.
pub(super) fn block(html: &mut String, area: Area, class: &str, title: &str) {
    let Area { x, y, width, height } = area;
    // Borders would hide what is hardly wider than they are.
    let border = if width > 3.0 && height > 3.0 { "block" } else { "thin" };
    let _ = writeln!(
        html,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" class=\"{border} {class}\"><title>{}</title></rect>",
        width.max(0.8),
        height.max(0.8),
        escaped(title)
    );
}

/// A pattern over a block.
pub(super) fn hatch(html: &mut String, area: Area) {
    let Area { x, y, width, height } = area;
    let _ = writeln!(
        html,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" class=\"hatch\"/>",
        width.max(0.8),
        height.max(0.8)
    );
}

/// Text at a place; `class` and `anchor` as in SVG.
pub(super) fn text(html: &mut String, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
    let _ = writeln!(
        html,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(text)
    );
}

pub(super) fn line(html: &mut String, from: (f64, f64), to: (f64, f64), class: &str) {
    let _ = writeln!(
        html,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// Begins a picture.
pub(super) fn begin(html: &mut String, width: f64, height: f64, label: &str) {
    let _ = writeln!(
        html,
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{label}\">"
    );
}
