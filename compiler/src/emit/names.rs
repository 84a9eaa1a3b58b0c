//! Names in generated code: those of the ONNX file, made into Rust identifiers, numbered only where they collide.

use std::collections::BTreeSet;

/// The longest name that is made; longer ones lose their beginning, which exporters fill with the names of modules.
const LONGEST: usize = 48;

/// Words that are no identifiers, and names that generated code uses itself.
const TAKEN: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "inputs", "let",
    "loop", "macro", "match", "memory", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized",
    "use", "virtual", "where", "while", "yield",
];

/// Hands out names, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// Nothing is taken but what `names` lists.
    pub(super) fn reserving(names: &[&str]) -> Names {
        Names { used: names.iter().map(|&n| n.to_owned()).collect() }
    }

    /// `wanted`, with a number behind it if it is taken.
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2;
        while !self.used.insert(name.clone()) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        name
    }
}

/// A name as `snake_case` identifier.
pub(super) fn snake(name: &str) -> String {
    identifier(words(name))
}

/// Words as an identifier.
pub(super) fn identifier(words: String) -> String {
    let mut name = shortened(&words).to_owned();
    if name.is_empty() {
        name.push_str("value");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, 'v');
    }
    if TAKEN.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// The words of a name, small and joined by underscores. Of a path like `/layers/layers.0/attention` parts that the
/// next part repeats are left out.
pub(super) fn words(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let said_again = |at: usize| parts.get(at + 1).is_some_and(|next: &&str| next.starts_with(parts[at]));
    let mut words = String::new();
    for (_, part) in parts.iter().enumerate().filter(|(at, _)| !said_again(*at)) {
        words.push('_');
        let mut previous = '_';
        for c in part.chars() {
            let c = if c.is_ascii_alphanumeric() { c } else { '_' };
            if c.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()) {
                words.push('_');
            }
            if c != '_' || !words.ends_with('_') {
                words.push(c.to_ascii_lowercase());
            }
            previous = c;
        }
    }
    words.trim_matches('_').replace("__", "_")
}

/// A name as `SCREAMING_CASE` identifier.
pub(super) fn screaming(name: &str) -> String {
    snake(name).to_ascii_uppercase()
}

/// The end of a name, from the beginning of a word.
fn shortened(name: &str) -> &str {
    let Some(cut) = name.len().checked_sub(LONGEST).filter(|cut| *cut > 0) else { return name };
    let tail = &name[cut..];
    let mut starts = tail.match_indices('_').map(|(at, _)| &tail[at + 1..]);
    starts.find(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())).unwrap_or(tail)
}

/// Text from the model as part of a doc comment: one line, nothing that Markdown would take for code or a link.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '`' { '\'' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Names, snake};

    #[test]
    fn names_become_identifiers() {
        assert_eq!(snake("/model/layer1.0/conv1/Conv_output_0"), "model_layer1_0_conv1_conv_output_0");
        assert_eq!(snake("inputIds"), "input_ids");
        assert_eq!(snake("1x"), "v1x");
        assert_eq!(snake("type"), "type_");
        assert_eq!(snake("π"), "value");
        assert_eq!(snake("/blocks/blocks.0/blocks.0.1/norm/Mul"), "blocks_0_1_norm_mul");
        let long = "encoder.layers.11.self_attention.output.dense.weight.transposed.again";
        assert_eq!(
            snake(long),
            "self_attention_output_dense_weight_transposed_again".split_once('_').unwrap().1
        );
    }

    #[test]
    fn numbers_only_where_names_collide() {
        let mut names = Names::reserving(&["y"]);
        assert_eq!([names.unique("x"), names.unique("x"), names.unique("y")], ["x", "x_2", "y_2"]);
    }
}
