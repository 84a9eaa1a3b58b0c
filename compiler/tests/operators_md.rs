//! Keeps `compiler/OPERATORS.md` true: it is written from the table of operators.

use ingrain_compiler::ops;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The page, as the table of operators has it.
fn page() -> String {
    let mut domains: BTreeMap<&str, BTreeMap<&str, &ops::OpDef>> = BTreeMap::new();
    for def in ops::all() {
        let twin = domains.entry(def.domain).or_default().insert(def.name, def);
        assert!(twin.is_none(), "{} is in two rooms", def.name);
    }
    let total: usize = domains.values().map(BTreeMap::len).sum();
    let mut text = String::from("# Operators\n\n");
    text.push_str(
        "Every operator that the compiler knows, with the operator set versions that changed it.\n",
    );
    text.push_str("A version that is not listed works as the one before it.\n");
    writeln!(text, "There are {total}.").expect("strings take all text");
    for (domain, operators) in domains {
        let title = if domain.is_empty() { "ai.onnx" } else { domain };
        writeln!(text, "\n## {title}\n\n| operator | versions | computes |\n|---|---|---|")
            .expect("strings take all text");
        for (name, def) in operators {
            let versions: Vec<String> = def.since.iter().map(i64::to_string).collect();
            let doc = def.doc.trim_end_matches('.').replace('|', "\\|");
            writeln!(text, "| {name} | {} | {doc} |", versions.join(", ")).expect("strings take all text");
        }
    }
    text
}

#[test]
fn operators_md_is_fresh() {
    expect_test::expect_file!["../OPERATORS.md"].assert_eq(&page());
}

#[test]
fn versions_ascend() {
    for def in ops::all() {
        assert!(!def.since.is_empty() && def.since.is_sorted(), "{}", def.name);
    }
}
