//! One copy of every matrix, whichever way round it is written down and whoever reads it.

use super::Layouts;
use crate::diag::Diagnostics;
use crate::ir::Graph;
use crate::lir::{Class, Packing, Program};
use crate::passes;
use crate::testing::graph_of;
use crate::types::Contents;

const K: usize = 20;
const N: usize = 37;

/// A constant's declaration: the matrix `[K, N]`, or its transpose.
fn matrix(name: &str, turned: bool) -> String {
    let (rows, columns) = if turned { (N, K) } else { (K, N) };
    let value = |i: usize| if turned { i % K * N + i / K } else { i };
    let values: Vec<String> = (0..K * N).map(|i| format!("{}", value(i) % 211)).collect();
    format!("float[{rows},{columns}] {name} = {{{}}}", values.join(","))
}

fn lowered(graphs: &[Graph]) -> Vec<Program> {
    let graphs: Vec<&Graph> = graphs.iter().collect();
    let layouts = Layouts::choose(&graphs, false, Contents::default());
    let mut diagnostics = Diagnostics::default();
    let programs: Option<Vec<Program>> =
        graphs.iter().map(|graph| super::super::lower(graph, &[], &layouts, &mut diagnostics)).collect();
    programs.unwrap_or_else(|| panic!("{diagnostics}"))
}

fn passed(model: &str) -> Graph {
    passes::run(graph_of(model), &[], &mut Vec::new()).unwrap_or_else(|d| panic!("{}", d.message))
}

/// The steps as text, without names of ONNX nodes, and length and hash of the blob.
fn compiled(models: &[String]) -> (Vec<String>, (usize, String)) {
    let graphs: Vec<Graph> = models.iter().map(|m| passed(m)).collect();
    let programs = lowered(&graphs);
    let (_, blob) =
        crate::plan::plan(&programs.iter().collect::<Vec<_>>()).unwrap_or_else(|d| panic!("{}", d.message));
    let steps = |p: &Program| p.steps.iter().map(|s| format!("{:?}", s.kind)).collect::<Vec<_>>().join("\n");
    (programs.iter().map(steps).collect(), (blob.len() as usize, blob.hash().to_owned()))
}

#[test]
fn orientation_is_free() {
    let model = |w: &str, body: &str| format!("g (float[5,{K}] x) => (float[5,{N}] y) <{w}> {{ {body} }}");
    let (plain, turned) = (matrix("w", false), matrix("w", true));
    let forms = [
        model(&plain, "y = MatMul(x, w)"),
        model(&turned, "t = Transpose <perm = [1,0]> (w) y = MatMul(x, t)"),
        model(&plain, "y = Gemm(x, w)"),
        model(&turned, "y = Gemm <transB = 1> (x, w)"),
        model(
            &turned,
            "xt = Transpose <perm = [1,0]> (x) p = MatMul(w, xt) y = Transpose <perm = [1,0]> (p)",
        ),
        model(
            &plain,
            "xt = Transpose <perm = [1,0]> (x) wt = Transpose(w) p = MatMul(wt, xt) y = Transpose(p)",
        ),
        model(&turned, "p = Gemm <transB = 1> (w, x) y = Transpose(p)"),
        model(&plain, "p = Gemm <transA = 1, transB = 1> (w, x) y = Transpose(p)"),
    ];
    let (first, blob) = compiled(&forms[..1]);
    assert_eq!((first[0].matches("kernel").count(), blob.0), (1, K * N * 4));
    for form in &forms {
        assert_eq!(
            compiled(std::slice::from_ref(form)),
            (first.clone(), blob.clone()),
            "{}",
            &form[form.len() - 120..]
        );
    }
    let (steps, together) = compiled(&forms);
    assert_eq!(together, blob);
    assert!(steps.iter().all(|s| *s == first[0]));
}

#[test]
fn products_with_a_column_need_no_transpose() {
    let w = matrix("w", true);
    let column = format!("g (float[{K},1] x) => (float[{N},1] y) <{w}> {{ y = MatMul(w, x) }}");
    let row = format!("g (float[1,{K}] x) => (float[1,{N}] y) <{w}> {{ y = Gemm <transB = 1> (x, w) }}");
    assert_eq!(compiled(&[column]), compiled(&[row]));
}

#[test]
fn tables_and_products_share_one_copy() {
    let table = matrix("table", true);
    let twin = matrix("w", false);
    let tied = [
        (table.clone(), "e = Gather(table, i) t = Transpose(table) y = MatMul(e, t)"),
        (table.clone(), "e = Gather(table, i) y = Gemm <transB = 1> (e, table)"),
        (table.clone(), "e = Gather(table, i) et = Transpose(e) p = MatMul(table, et) y = Transpose(p)"),
        (format!("{table}, {twin}"), "e = Gather(table, i) y = MatMul(e, w)"),
    ];
    let models = tied
        .map(|(constants, body)| format!("g (int64[3] i) => (float[3,{N}] y) <{constants}> {{ {body} }}"));
    let (first, blob) = compiled(&models[..1]);
    assert!(first[0].contains("gather_packed_columns"), "{}", first[0]);
    assert_eq!(blob.0, K * N * 4);
    for model in &models {
        assert_eq!(
            compiled(std::slice::from_ref(model)),
            (first.clone(), blob.clone()),
            "{}",
            &model[model.len() - 120..]
        );
    }
    // The table of one model and the product of another.
    let apart = [
        format!("g (int64[3] i) => (float[3,{K}] y) <{table}> {{ y = Gather(table, i) }}"),
        format!("g (float[1,{K}] x) => (float[1,{N}] y) <{twin}> {{ y = MatMul(x, w) }}"),
    ];
    let (steps, together) = compiled(&apart);
    assert_eq!(together, blob);
    assert!(steps[0].contains("gather_packed_columns"));
    let (alone, _) = compiled(&apart[..1]);
    assert!(alone[0].contains("select::gather\""));
}

#[test]
fn rows_are_gathered_from_the_matrix_of_a_product() {
    let w = matrix("w", false);
    let body = "e = Gather(w, i) y = MatMul(x, w)";
    let model =
        format!("g (int64[3] i, float[1,{K}] x) => (float[3,{N}] e, float[1,{N}] y) <{w}> {{ {body} }}");
    let (steps, blob) = compiled(&[model]);
    assert!(steps[0].contains("gather_packed_rows"), "{}", steps[0]);
    assert_eq!(blob.0, K * N * 4);
}

#[test]
fn a_matrix_that_is_read_both_ways_is_stored_once() {
    let w = matrix("w", false);
    let model = format!(
        "g (float[2,{K}] x) => (float[2,{K}] y) <{w}> {{ h = MatMul(x, w) y = Gemm <transB = 1> (h, w) }}"
    );
    let graph = passed(&model);
    let programs = lowered(std::slice::from_ref(&graph));
    let constants: Vec<&Packing> = programs[0]
        .buffers
        .iter()
        .filter_map(|b| match &b.class {
            Class::Const(c) => Some(&c.packing),
            _ => None,
        })
        .collect();
    assert_eq!(constants, [&Packing::Plain]);
    // Where speed is all, both get the layout of their kernel.
    let layouts = Layouts::choose(&[&graph], true, Contents::default());
    assert!(graph_constants(&graph).iter().all(|t| layouts.packs(t)));
    assert!(
        !graph_constants(&graph)
            .iter()
            .all(|t| Layouts::choose(&[&graph], false, Contents::default()).packs(t))
    );
}

fn graph_constants(graph: &Graph) -> Vec<&crate::types::Tensor> {
    (0..graph.value_count()).filter_map(|i| graph.constant(crate::ir::Value(i as u32))).collect()
}

#[test]
fn a_third_reader_keeps_the_models_order() {
    let table = matrix("table", true);
    let body = "e = Gather(table, i) y = Gemm <transB = 1> (e, table) s = ReduceSum <keepdims = 0> (table)";
    let model =
        format!("g (int64[3] i, float n) => (float[3,{N}] y, float z) <{table}> {{ {body} z = Add(s, n) }}");
    let graph = passed(&model);
    // The sum is computed at compile time, so the table still has but two readers.
    assert!(graph.nodes().all(|(_, n)| n.op.name() != "Reduce"));
    let model = format!(
        "g (int64[3] i, float[{N},{K}] b) => (float[3,{N}] y, float[{N},{K}] z) <{table}> \
         {{ e = Gather(table, i) y = Gemm <transB = 1> (e, table) z = Add(b, table) }}"
    );
    let (steps, blob) = compiled(&[model]);
    assert_eq!(blob.0, K * N * 4);
    assert!(!steps[0].contains("packed"), "{}", steps[0]);
}
