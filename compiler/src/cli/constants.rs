//! The stored constants as a table, and long lists and names in the space that there is.

use super::terminal::bytes;
use crate::report::{Report, WeightReport};
use std::fmt::Write as _;

/// So many constants are listed unless all are asked for.
const SHOWN: usize = 20;
/// So many members of a list are named unless all are asked for.
const NAMED: usize = 2;
/// Letters of the columns at most.
const TYPE: usize = 24;
const LAYOUT: usize = 42;
const NAME: usize = 44;
const READER: usize = 60;

/// What constants take, and each of them: the largest first.
pub(super) fn table(report: &Report, all: bool) -> String {
    let saved = report.initializer_bytes.saturating_sub(report.unique_initializer_bytes);
    let mut text = format!("  weights: {} stored\n", bytes(report.stored_weight_bytes));
    let mut sum = |what: &str, amount: u64| {
        let _ = writeln!(text, "    {:>10}  {what}", bytes(amount));
    };
    sum("in the model", report.initializer_bytes);
    sum("in the model, each content once", report.unique_initializer_bytes);
    sum("saved by sharing", saved);
    sum("spent on second forms", report.second_form_bytes);
    for variant in report.variants.iter().skip(1) {
        sum(&format!("added by the variant {}", variant.name), variant.added_bytes);
    }
    let mut weights: Vec<&WeightReport> = report.weights.iter().collect();
    weights.sort_by_key(|weight| (std::cmp::Reverse(weight.bytes), weight.offset));
    let shown = if all { weights.len() } else { weights.len().min(SHOWN) };
    let rows: Vec<[String; 5]> = weights[..shown].iter().map(|weight| row(weight, all)).collect();
    if !rows.is_empty() {
        print_rows(&mut text, &rows);
    }
    let rest = &weights[shown..];
    if !rest.is_empty() {
        let (n, sum) = (rest.len(), bytes(rest.iter().map(|weight| weight.bytes).sum()));
        let _ = writeln!(text, "    {sum:>10}  in {n} smaller ones (--all lists them)");
    }
    text
}

fn print_rows(text: &mut String, rows: &[[String; 5]]) {
    const HEADS: [&str; 5] = ["bytes", "type", "layout", "name", "read by"];
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(HEADS[column].len())
    };
    let [dtypes, layouts, names] = [1, 2, 3].map(width);
    for cells in std::iter::once(&HEADS.map(str::to_owned)).chain(rows) {
        let [size, dtype, layout, name, readers] = cells;
        let _ =
            writeln!(text, "    {size:>10}  {dtype:dtypes$}  {layout:layouts$}  {name:names$}  {readers}");
    }
}

fn row(weight: &WeightReport, all: bool) -> [String; 5] {
    let shape: Vec<String> = weight.shape.iter().map(usize::to_string).collect();
    let dtype = format!("{}[{}]", weight.dtype, shape.join(","));
    let second = if weight.second_form { ", second form" } else { "" };
    let layout = format!("{}{second}", weight.layout);
    [
        bytes(weight.bytes),
        shortened(&dtype, TYPE),
        shortened(&layout, LAYOUT),
        shortened(&weight.names.join(" = "), if all { usize::MAX } else { NAME }),
        list(&weight.readers, all),
    ]
}

/// The first members of a list and how many more there are, or all of them.
pub(super) fn list(members: &[String], all: bool) -> String {
    if all {
        return members.join(", ");
    }
    let named: Vec<String> = members.iter().take(NAMED).map(|member| shortened(member, READER)).collect();
    match members.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// A name in at most so many letters: its beginning and its end, which tell more than its middle.
pub(super) fn shortened(name: &str, most: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= most {
        return name.to_owned();
    }
    let tail = most.saturating_sub(1) * 2 / 3;
    let head = most.saturating_sub(1 + tail);
    let (start, end) = (&letters[..head], &letters[letters.len() - tail..]);
    start.iter().chain(['…'].iter()).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DType;

    fn weight(name: &str, extent: usize, readers: &[&str]) -> WeightReport {
        WeightReport {
            names: vec![name.to_owned()],
            dtype: DType::F32,
            shape: vec![extent],
            offset: 0,
            bytes: 4 * extent as u64,
            layout: "row-major".to_owned(),
            readers: readers.iter().map(|&reader| reader.to_owned()).collect(),
            second_form: false,
        }
    }

    #[test]
    fn the_table_is_aligned_and_short() {
        let long = "encoder.layers.0.attention.self.query.projection.weight";
        let mut weights = vec![weight("b", 2, &["Add \"b\""]), weight(long, 1024, &["a", "b", "c", "d"])];
        weights.extend((0..30).map(|_| weight("tiny", 1, &[])));
        let report = Report {
            weights,
            stored_weight_bytes: 4224,
            initializer_bytes: 8448,
            unique_initializer_bytes: 4224,
            ..Report::default()
        };
        let text = table(&report, false);
        let first: String = text.lines().take(8).map(|line| format!("{line}\n")).collect();
        expect_test::expect![[r#"
            model
              weights: 4.1 KiB stored
                   8.2 KiB  in the model
                   4.1 KiB  in the model, each content once
                   4.1 KiB  saved by sharing
                       0 B  spent on second forms
                     bytes  type       layout     name                                          read by
                   4.0 KiB  f32[1024]  row-major  encoder.layers.…self.query.projection.weight  a, b and 2 more
                       8 B  f32[2]     row-major  b                                             Add "b"
        "#]]
        .assert_eq(&format!("model\n{first}"));
        assert_eq!(text.lines().count(), 6 + SHOWN + 1);
        assert!(text.ends_with("48 B  in 12 smaller ones (--all lists them)\n"), "{text}");
        let all = table(&report, true);
        assert!(all.contains(long) && all.contains("a, b, c, d") && all.lines().count() == 6 + 32);
    }
}
