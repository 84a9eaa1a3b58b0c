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
    matrix_of("float", name, turned)
}

fn matrix_of(dtype: &str, name: &str, turned: bool) -> String {
    let (rows, columns) = if turned { (N, K) } else { (K, N) };
    let value = |i: usize| if turned { i % K * N + i / K } else { i };
    let values: Vec<String> = (0..K * N).map(|i| format!("{}", value(i) % 211)).collect();
    format!("{dtype}[{rows},{columns}] {name} = {{{}}}", values.join(","))
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

/// Ways to multiply with a matrix, given as it is or transposed.
const FORMS: [(bool, &str); 8] = [
    (false, "y = MatMul(x, w)"),
    (true, "t = Transpose <perm = [1,0]> (w) y = MatMul(x, t)"),
    (false, "y = Gemm(x, w)"),
    (true, "y = Gemm <transB = 1> (x, w)"),
    (true, "xt = Transpose <perm = [1,0]> (x) p = MatMul(w, xt) y = Transpose <perm = [1,0]> (p)"),
    (false, "xt = Transpose <perm = [1,0]> (x) wt = Transpose(w) p = MatMul(wt, xt) y = Transpose(p)"),
    (true, "p = Gemm <transB = 1> (w, x) y = Transpose(p)"),
    (false, "p = Gemm <transA = 1, transB = 1> (w, x) y = Transpose(p)"),
];

/// The one step and the bytes that all of these models have.
#[track_caller]
fn all_alike(models: &[String], kernel: &str, bytes: usize) {
    let (first, blob) = compiled(&models[..1]);
    assert_eq!((first[0].matches("kernel").count(), blob.0), (1, bytes), "{}", first[0]);
    assert!(first[0].contains(kernel), "{}", first[0]);
    for model in models {
        assert_eq!(
            compiled(std::slice::from_ref(model)),
            (first.clone(), blob.clone()),
            "{}",
            &model[model.len() - 160..]
        );
    }
    let (steps, together) = compiled(models);
    assert_eq!(together, blob);
    assert!(steps.iter().all(|s| *s == first[0]));
}

#[test]
fn orientation_is_free() {
    let models = FORMS.map(|(turned, body)| {
        format!("g (float[5,{K}] x) => (float[5,{N}] y) <{}> {{ {body} }}", matrix("w", turned))
    });
    all_alike(&models, "matmul::matmul_f32\"", K * N * 4);
}

#[test]
fn orientation_is_free_in_half_precision() {
    for (dtype, kernel) in [("float16", "matmul::matmul_f16"), ("bfloat16", "matmul::matmul_bf16")] {
        let models = FORMS.map(|(turned, body)| {
            let w = matrix_of(dtype, "w", turned);
            format!("g ({dtype}[5,{K}] x) => ({dtype}[5,{N}] y) <{w}> {{ {body} }}")
        });
        all_alike(&models, kernel, K * N * 2);
    }
}

/// The product widens its weights itself, wherever the cast stands.
#[test]
fn weights_that_a_cast_widens_stay_narrow() {
    for (dtype, kernel) in [("float16", "matmul::matmul_f32_f16"), ("bfloat16", "matmul::matmul_f32_bf16")] {
        let mut models: Vec<String> = FORMS
            .iter()
            .map(|(turned, body)| {
                let h = matrix_of(dtype, "h", *turned);
                format!("g (float[5,{K}] x) => (float[5,{N}] y) <{h}> {{ w = Cast <to = 1> (h) {body} }}")
            })
            .collect();
        let h = matrix_of(dtype, "h", true);
        models.push(format!(
            "g (float[5,{K}] x) => (float[5,{N}] y) <{h}> \
             {{ t = Transpose <perm = [1,0]> (h) w = Cast <to = 1> (t) y = MatMul(x, w) }}"
        ));
        all_alike(&models, kernel, K * N * 2);
    }
}

/// The steps in order: what is called, or how many elements a loop computes.
fn kernels(steps: &str) -> Vec<&str> {
    let part = |step: &'_ str| step.find([',', ']']).map_or(step.len(), |end| end);
    steps.lines().map(|step| &step[..part(step)]).collect()
}

#[test]
fn tied_tables_in_half_precision_are_stored_once() {
    for dtype in ["float16", "bfloat16"] {
        let table = matrix_of(dtype, "table", true);
        let wide = "e16 = Gather(table, i) e = Cast <to = 1> (e16)";
        let models = [
            format!("{wide} t = Transpose(table) w = Cast <to = 1> (t) y = MatMul(e, w)"),
            format!("{wide} w = Cast <to = 1> (table) y = Gemm <transB = 1> (e, w)"),
            // The table is widened once for both of its readers.
            "w = Cast <to = 1> (table) e = Gather(w, i) y = Gemm <transB = 1> (e, w)".to_owned(),
            "w = Cast <to = 1> (table) e = Gather(w, i) t = Transpose(w) y = MatMul(e, t)".to_owned(),
        ]
        .map(|body| format!("g (int64[3] i) => (float[3,{N}] y) <{table}> {{ {body} }}"));
        let (first, blob) = compiled(&models[..1]);
        assert!(first[0].contains("gather_packed_columns"), "{}", first[0]);
        assert!(first[0].contains("matmul::matmul_f32_"), "{}", first[0]);
        assert_eq!(blob.0, K * N * 2);
        for model in &models {
            let (steps, found) = compiled(std::slice::from_ref(model));
            assert_eq!(found, blob, "{}", &model[model.len() - 120..]);
            assert_eq!(kernels(&steps[0]), kernels(&first[0]), "{}", &model[model.len() - 120..]);
        }
        let all = format!(
            "g (int64[3] i) => ({dtype}[3,{N}] y) <{table}> \
             {{ e = Gather(table, i) t = Transpose(table) y = MatMul(e, t) }}"
        );
        let (steps, blob) = compiled(&[all]);
        assert!(steps[0].contains("gather_packed_columns"), "{}", steps[0]);
        assert_eq!(blob.0, K * N * 2);
    }
}

#[test]
fn elements_are_gathered_from_panels() {
    for (turned, body) in [(false, "y = MatMul(x, w)"), (true, "y = Gemm <transB = 1> (x, w)")] {
        let w = matrix("w", turned);
        let rows = if turned { N } else { K };
        let model = format!(
            "g (int64[{rows},2] i, float[1,{K}] x) => (float[{rows},2] e, float[1,{N}] y) <{w}> \
             {{ e = GatherElements <axis = 1> (w, i) {body} }}"
        );
        let (steps, blob) = compiled(&[model]);
        assert!(steps[0].contains("gather_packed_elements"), "{}", steps[0]);
        assert!(steps[0].contains("Rhs::Panels"), "{}", steps[0]);
        assert_eq!(blob.0, K * N * 4);
    }
}

#[test]
fn filters_of_one_tap_and_a_matrix_are_one() {
    let w = matrix("w", true);
    // The matrix, and the same bytes in another shape.
    let bodies = [
        (format!("{w}, int64[4] s = {{{N},{K},1,1}}"), "f = Reshape(w, s)"),
        (format!("{w}, {}", matrix("f", true).replacen("]", ",1,1]", 1)), ""),
    ];
    for (constants, reshape) in bodies {
        let model = format!(
            "g (float[1,{K}] x, float[1,{K},2,2] p) => (float[1,{N}] y, float[1,{N},2,2] c) <{constants}> \
             {{ {reshape} c = Conv(p, f) y = Gemm <transB = 1> (x, w) }}"
        );
        let (steps, blob) = compiled(&[model]);
        assert!(steps[0].contains("Rhs::Panels") && steps[0].contains("conv::conv"), "{}", steps[0]);
        assert!(!steps[0].contains("at_run_time"), "{}", steps[0]);
        assert_eq!(blob.0, K * N * 4);
    }
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
