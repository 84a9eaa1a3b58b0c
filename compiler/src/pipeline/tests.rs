//! Models of many equal layers.

use crate::import::text;
use crate::options::{ModelSource, Options};
use quote::ToTokens;
use std::fmt::Write;

/// A model of `layers` layers that differ in their weights only.
fn model(layers: usize) -> String {
    let (mut weights, mut nodes) = (Vec::new(), String::new());
    for l in 0..layers {
        let values = |count: usize| {
            let list: Vec<String> = (0..count).map(|i| format!("{}.5", l * 16 + i)).collect();
            list.join(", ")
        };
        weights.push(format!("float[4,4] w{l} = {{{}}}, float[4] b{l} = {{{}}}", values(16), values(4)));
        let next = l + 1;
        writeln!(nodes, "m{l} = MatMul(x{l}, w{l}) a{l} = Add(m{l}, b{l}) t{l} = Tanh(a{l}) s{l} = Softmax(t{l}) x{next} = Add(s{l}, x{l})")
            .expect("a string takes text");
    }
    format!("g (float[3,4] x0) => (float[3,4] x{layers}) <{}> {{\n{nodes}}}", weights.join(", "))
}

/// What is counted in generated code.
#[derive(Default)]
struct Functions {
    parts: usize,
    others: usize,
    most_statements: usize,
}

fn functions(layers: usize) -> Functions {
    let source = ModelSource::from_bytes("test", text::model_bytes(&model(layers)));
    let artifact = crate::compile(&[(source, Options::default())]).unwrap();
    let file: syn::File = syn::parse2(artifact.modules[0].items.clone()).unwrap();
    let mut functions = Functions::default();
    for item in &file.items {
        let bodies: Vec<&syn::Block> = match item {
            syn::Item::Fn(function) => {
                let part = function.sig.ident.to_string().starts_with("part_");
                *(if part { &mut functions.parts } else { &mut functions.others }) += 1;
                vec![&*function.block]
            }
            syn::Item::Impl(methods) => {
                let methods = methods.items.iter().filter_map(|item| match item {
                    syn::ImplItem::Fn(method) => Some(&method.block),
                    _ => None,
                });
                methods.collect()
            }
            _ => continue,
        };
        let longest = bodies.iter().map(|body| body.stmts.len()).max();
        functions.most_statements = functions.most_statements.max(longest.unwrap_or(0));
    }
    functions
}

#[test]
fn equal_layers_share_their_functions() {
    let (few, many) = (functions(4), functions(900));
    assert_eq!((few.parts, few.others), (0, many.others));
    assert!(many.parts > 48, "{} parts", many.parts);
    // A call takes two statements: its slices, and itself.
    assert!(many.most_statements < 2 * 64, "{} statements in a function", many.most_statements);
}

#[test]
fn functions_take_the_sizes_that_they_use() {
    let model = "g (int64[n,m] x, float[n,m] z) => (float[] y, float[] r) {
        y = Cast <to = 1> (x)
        t = Transpose(z)
        r = Softmax <axis = 0> (t)
    }";
    let options = Options::default().dim("n", 1..=4).dim("m", 1..=4);
    let source = ModelSource::from_bytes("test", text::model_bytes(model));
    let artifact = crate::compile(&[(source, options)]).unwrap();
    let file: syn::File = syn::parse2(artifact.modules[0].items.clone()).unwrap();
    let mut checked = 0;
    for item in &file.items {
        let syn::Item::Fn(function) = item else { continue };
        let body = function.block.to_token_stream().to_string();
        for input in &function.sig.inputs {
            let syn::FnArg::Typed(input) = input else { continue };
            let name = input.pat.to_token_stream().to_string();
            let used = body.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
            assert!(used, "{name} in {}", function.sig.ident);
            checked += 1;
        }
    }
    assert!(checked > 3, "{checked} parameters");
}
