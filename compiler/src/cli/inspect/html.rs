//! A page that shows where a model's memory goes: the arena over time and the blob by layer. It stands alone: no
//! scripts, no fonts, no other files. It is light or dark as the reader's system is.

mod arena;
mod blob;
mod draw;
mod kind;

use super::super::terminal::{bytes, count};
use crate::report::Report;
use draw::escaped;
use kind::Kind;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The page about several models.
pub(super) fn page(reports: &[(String, Report)]) -> String {
    let names: Vec<&str> = reports.iter().map(|(name, _)| name.as_str()).collect();
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Memory of {}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n",
        escaped(&names.join(", ")),
        include_str!("html/page.css"),
        colours()
    );
    html.push_str(draw::PATTERNS);
    for (number, (name, report)) in reports.iter().enumerate() {
        let _ = writeln!(html, "<section id=\"m{number}\">\n<h1>{}</h1>", escaped(name));
        figures(&mut html, report);
        arena::draw(&mut html, report);
        blob::draw(&mut html, report);
        html.push_str("</section>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// A class for each kind, in colours that both schemes can carry.
fn colours() -> String {
    let mut css = String::new();
    for kind in Kind::ALL {
        let (light, dark) = kind.colours();
        let class = kind.class();
        let _ = writeln!(css, ".{class} {{ fill: {light}; background-color: {light}; }}");
        let _ = writeln!(
            css,
            "@media (prefers-color-scheme: dark) {{ .{class} {{ fill: {dark}; background-color: {dark}; }} }}"
        );
    }
    css
}

/// The few numbers that matter most.
fn figures(html: &mut String, report: &Report) {
    let over = report.context_bytes - report.context_lower_bound_bytes.min(report.context_bytes);
    let bound = match over {
        0 => "the least that is possible".to_owned(),
        _ => format!("{} needed at once", bytes(report.context_lower_bound_bytes)),
    };
    let saved = report.initializer_bytes.saturating_sub(report.unique_initializer_bytes);
    let mut list = vec![
        ("arena", bytes(report.context_bytes), bound),
        (
            "weights",
            bytes(report.stored_weight_bytes),
            format!("{} in the model", bytes(report.initializer_bytes)),
        ),
        ("saved by sharing", bytes(saved), format!("{} distinct", bytes(report.unique_initializer_bytes))),
        ("second forms", bytes(report.second_form_bytes), "stored in another layout too".to_owned()),
        ("steps", report.steps.len().to_string(), format!("{} multiplications", count(report.macs))),
    ];
    for variant in report.variants.iter().skip(1) {
        list.push(("variant adds", bytes(variant.added_bytes), variant.name.clone()));
    }
    html.push_str("<div class=\"figures\">\n");
    for (what, number, about) in list {
        let about = escaped(&about);
        let _ = writeln!(html, "<div><span>{what}</span><b>{number}</b><span>{about}</span></div>");
    }
    html.push_str("</div>\n");
}

/// The colours of these kinds, with what each takes; `marks` are patterns and lines with a meaning of their own.
fn legend(html: &mut String, sizes: &BTreeMap<Kind, u64>, marks: &[(&str, &str)]) {
    html.push_str("<p class=\"legend\">");
    for (kind, size) in sizes {
        let size = if *size > 0 { format!(" {}", bytes(*size)) } else { String::new() };
        let _ = write!(html, "<span><i class=\"{}\"></i>{}{size}</span>", kind.class(), kind.name());
    }
    for (class, meaning) in marks {
        let _ = write!(html, "<span><i class=\"{class}\"></i>{meaning}</span>");
    }
    html.push_str("</p>\n");
}

#[cfg(test)]
mod tests;
