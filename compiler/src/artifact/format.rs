//! Items as the text that a person reads: formatted, and in paragraphs.

use proc_macro2::TokenStream;

/// Bytes from which on source stays on few lines: formatting it takes longer than compiling it.
const LARGE: usize = 2 << 20;

/// Items as formatted source.
///
/// # Errors
/// If they are not valid Rust, a defect of whoever made them.
pub fn source_text(items: TokenStream) -> Result<String, syn::Error> {
    let plain = items.to_string();
    if plain.len() > LARGE {
        return Ok(plain);
    }
    syn::parse2(items).map(|file| paragraphs(&prettyplease::unparse(&file)))
}

/// What stands on its own in a source file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A function, a type or a module, which spans many lines.
    Block,
    /// An item of one line, such as a constant, by its keyword: alike ones stand together.
    Line(&'static str),
    /// A step of a run: it begins with taking its part of the memory.
    Step,
}

/// Sets items and steps apart by empty lines.
fn paragraphs(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut spaced = String::with_capacity(text.len() + text.len() / 16);
    let mut previous = None;
    for (at, line) in lines.iter().enumerate() {
        let before = at.checked_sub(1).map_or("{", |before| lines[before].trim());
        // Only what follows something that has ended begins a part: neither the first of a block, nor documented twice.
        let begins = before.ends_with(['}', ';']) || before.starts_with("//!");
        if let Some(part) = part(&lines[at..]).filter(|_| begins || before.ends_with('{')) {
            let alike = matches!(part, Part::Line(_)) && previous == Some(part) && before.ends_with(';');
            if begins && !alike {
                spaced.push('\n');
            }
            previous = Some(part);
        }
        spaced.push_str(line.trim_end());
        spaced.push('\n');
    }
    spaced
}

/// The part that begins with the first of these lines.
fn part(lines: &[&str]) -> Option<Part> {
    let mut lines = lines.iter().map(|line| line.trim());
    let mut in_attribute = false;
    let line = lines.find(|line| {
        in_attribute |= line.starts_with("#[");
        let passed = in_attribute || line.starts_with("///");
        in_attribute &= !line.ends_with(']');
        !passed
    })?;
    if line.starts_with("let ") && line.contains(" = memory") {
        return Some(Part::Step);
    }
    if line.starts_with("::") && line.contains("!(") {
        return Some(Part::Line("macro"));
    }
    let item = line.strip_prefix("pub").map_or(line, |rest| {
        // `pub(super) `, which has no space within.
        rest.split_once(' ').map_or(rest, |(_, item)| item)
    });
    let keyword =
        |keyword: &&str| item.strip_prefix(*keyword).is_some_and(|rest| rest.starts_with([' ', '<']));
    const BLOCKS: [&str; 8] = ["const fn", "unsafe", "fn", "impl", "struct", "enum", "trait", "mod"];
    const LINES: [&str; 4] = ["const", "static", "type", "use"];
    if BLOCKS.iter().any(keyword) {
        return Some(Part::Block);
    }
    LINES.into_iter().find(keyword).map(Part::Line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use quote::quote;

    #[test]
    fn items_and_steps_stand_apart() {
        let source = source_text(quote! {
            #![doc = " A module."]
            use a::b;
            use a::c;
            /// A size.
            pub const N: usize = 3;
            const M: usize = 4;
            /// A type.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Other, AndOneMore)]
            pub struct S {
                /// A field.
                pub a: usize,
                /// Another one.
                pub b: usize,
            }
            ::ingrain::worker!(S);
            impl S {
                /// Nothing to do.
                pub const fn new() -> Self { S { a: 1, b: 2 } }
                fn run(&mut self) {
                    let memory = &mut self.memory;
                    let (a, b) = memory.step(A, B);
                    first(a, b);
                    if more { return; }
                    let (a, b) = memory.step(B, C);
                    let c = 3;
                    second(a, b, c);
                }
            }
            fn f() {}
        });
        expect![[r#"
            //! A module.

            use a::b;
            use a::c;

            /// A size.
            pub const N: usize = 3;
            const M: usize = 4;

            /// A type.
            #[derive(
                Clone,
                Copy,
                Debug,
                PartialEq,
                Eq,
                PartialOrd,
                Ord,
                Hash,
                Default,
                Other,
                AndOneMore
            )]
            pub struct S {
                /// A field.
                pub a: usize,
                /// Another one.
                pub b: usize,
            }

            ::ingrain::worker!(S);

            impl S {
                /// Nothing to do.
                pub const fn new() -> Self {
                    S { a: 1, b: 2 }
                }

                fn run(&mut self) {
                    let memory = &mut self.memory;

                    let (a, b) = memory.step(A, B);
                    first(a, b);
                    if more {
                        return;
                    }

                    let (a, b) = memory.step(B, C);
                    let c = 3;
                    second(a, b, c);
                }
            }

            fn f() {}
        "#]]
        .assert_eq(&source.unwrap());
    }
}
