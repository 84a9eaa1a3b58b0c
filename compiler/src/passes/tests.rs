//! Before and after, in text: what the pipeline makes of small models.

mod attention;

use crate::diag::Diagnostics;
use crate::import;
use crate::ir::Graph;
use crate::options::{ModelSource, Options};
use crate::types::{DType, Scalar, Tensor};
use expect_test::{Expect, expect};

/// Runs all passes over a model in ONNX text and compares the graph.
#[track_caller]
fn check(model: &str, expected: Expect) {
    let mut diagnostics = Diagnostics::new("test");
    let source = ModelSource::from_bytes("test", import::text::model_bytes(model));
    let raw = import::raw::read(&source, &mut diagnostics).expect("the model reads");
    let graph = import::graph::build(&raw.graph, &Options::default(), &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let graph = super::run(graph, &[], &mut Vec::new()).expect("passes run");
    graph.verify().expect("the graph holds together");
    expected.assert_eq(&graph.to_string());
}

#[test]
fn convolutions_run_channels_last_with_their_epilogues() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[1,3,4,4] x, float[3,3,1,1] w, float[3] b) => (float[1,3,4,4] y) {
            a = Conv(x, w, b)
            r = Relu(a)
            c = Conv(r, w, b)
            s = Add(c, r)
            y = Relu(s)
        }"#,
        expect![[r#"
            input %0 "x": f32[1,3,4,4]
            input %1 "w": f32[3,3,1,1]
            input %2 "b": f32[3]
            %3: f32[1,4,4,3] = Transpose { perm: [0, 2, 3, 1] }(%0)
            %4: f32[1,4,4,3] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%3, %1) then [max(add(in0, in1), 0.0)](%2)
            %5: f32[1,4,4,3] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%4, %1) then [max(add(add(in0, in1), in2), 0.0)](%2, %4)
            %6: f32[1,3,4,4] = Transpose { perm: [0, 3, 1, 2] }(%5)
            output %6 "y"
        "#]],
    );
}

#[test]
fn chains_and_trees_of_maps_are_one_map() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[2,3] x, float[3] b) => (float[2,3] y) {
            a = Add(x, b)
            r = Relu(a)
            e = Exp(r)
            y = Add(e, r)
        }"#,
        expect![[r#"
            input %0 "x": f32[2,3]
            input %1 "b": f32[3]
            %2: f32[2,3] = Map [let t4 = max(add(in0, in1), 0.0); add(exp(t4), t4)] over [2, 3](%0, %1)
            output %2 "y"
        "#]],
    );
}

#[test]
fn a_normalisation_in_pieces_is_one_row_map() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[4,8] x, float[4,8] z, float[8] s, float[8] b) => (float[4,8] y) <float two = {2}, float tiny = {0.00001}> {
            h = Add(x, z)
            mean = ReduceMean <axes = [-1]> (h)
            d = Sub(h, mean)
            square = Pow(d, two)
            variance = ReduceMean <axes = [-1]> (square)
            more = Add(variance, tiny)
            deviation = Sqrt(more)
            n = Div(d, deviation)
            scaled = Mul(n, s)
            y = Add(scaled, b)
        }"#,
        expect![[r#"
            input %0 "x": f32[4,8]
            input %1 "z": f32[4,8]
            input %2 "s": f32[8]
            input %3 "b": f32[8]
            %4: f32[4,8] = Rows [let t2 = add(in0, in1); let t6 = sub(t2, mul(row_sum(t2), 0.125)); add(mul(div(t6, sqrt(add(mul(row_sum(mul(t6, t6)), 0.125), 9.999999747378752e-6))), in2), in3)] over [4, 8] rows 1(%0, %1, %2, %3)
            output %4 "y"
        "#]],
    );
}

#[test]
fn pooling_of_all_pixels_stays_channels_last() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[1,3,4,4] x, float[3,3,1,1] w) => (float[1,3] y) {
            a = Conv(x, w)
            p = GlobalAveragePool(a)
            y = Flatten(p)
        }"#,
        expect![[r#"
            input %0 "x": f32[1,3,4,4]
            input %1 "w": f32[3,3,1,1]
            %2: f32[1,4,4,3] = Transpose { perm: [0, 2, 3, 1] }(%0)
            %3: f32[1,4,4,3] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%2, %1)
            %4: f32[1,1,1,3] = Reduce { op: Sum, axes: [1, 2] }(%3)
            %5: f32[1,1,1,3] = Map [mul(in0, 0.0625)] over [1, 1, 1, 3](%4)
            %6: f32[1,3] = Reshape { shape: [1, 3] }(%5)
            output %6 "y"
        "#]],
    );
}

#[test]
fn what_depends_on_constants_is_computed() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[2,3] x) => (float[2,3] y) <float[3] a = {1, 2, 3}, float[3] b = {3, 2, 1}, float[1,1] one = {1}> {
            sum = Add(a, b)
            same = Identity(x)
            scaled = Mul(same, one)
            y = Add(scaled, sum)
        }"#,
        expect![[r#"
            input %0 "x": f32[2,3]
            %1: f32[2,3] = Map [add(in0, 4.0)] over [2, 3](%0)
            output %1 "y"
        "#]],
    );
}

#[test]
fn equal_nodes_are_one() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[2,3] x) => (float[3,3] y) {
            a = Transpose(x)
            b = Transpose(x)
            c = MatMul(a, x)
            d = MatMul(b, x)
            y = Add(c, d)
        }"#,
        expect![[r#"
            input %0 "x": f32[2,3]
            %1: f32[3,2] = Transpose { perm: [1, 0] }(%0)
            %2: f32[3,3] = MatMul { transposed: false }(%1, %0) then [add(in0, in0)]()
            output %2 "y"
        "#]],
    );
}

#[test]
fn batch_normalization_vanishes_into_weights() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[1,1,2,2] x) => (float[1,2,2,2] y)
            <float[2,1,1,1] w = {1, 2}, float[2] b = {1, 1}, float[2] s = {2, 3}, float[2] t = {0, 1}, float[2] m = {1, 0}, float[2] v = {1, 1}> {
            a = Conv(x, w, b)
            n = BatchNormalization <epsilon = 0.0> (a, s, t, m, v)
            y = Relu(n)
        }"#,
        expect![[r#"
            input %0 "x": f32[1,1,2,2]
            const %2 = f32[2,1,1,1] {2.0,6.0}
            const %3 = f32[2] {0.0,4.0}
            %1: f32[1,2,2,1] = Reshape { shape: [1, 2, 2, 1] }(%0)
            %4: f32[1,2,2,2] = Conv { window: Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], begin: [0, 0], end: [0, 0] }, groups: 1 }(%1, %2) then [max(add(in0, in1), 0.0)](%3)
            %5: f32[1,2,2,2] = Transpose { perm: [0, 3, 1, 2] }(%4)
            output %5 "y"
        "#]],
    );
}

#[test]
fn weights_with_another_reader_are_not_scaled() {
    check(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        net (float[1,2] x, float[1,2] z) => (float[1,2] y, float[1,2] q)
            <float[2,2] w = {1, 2, 3, 4}, float[2] s = {2, 3}> {
            a = MatMul(x, w)
            y = Mul(a, s)
            q = MatMul(z, w)
        }"#,
        expect![[r#"
            input %0 "x": f32[1,2]
            input %1 "z": f32[1,2]
            const %2 = f32[2,2] {1.0,2.0,3.0,4.0}
            const %3 = f32[2] {2.0,3.0}
            %4: f32[1,2] = MatMul { transposed: false }(%0, %2) then [mul(in0, in1)](%3)
            %5: f32[1,2] = MatMul { transposed: false }(%1, %2)
            output %4 "y"
            output %5 "q"
        "#]],
    );
}

/// The outputs of a model, before and after the passes, for inputs of small numbers; gives the graph after.
#[track_caller]
fn check_meaning(model: &str) -> Graph {
    let mut diagnostics = Diagnostics::new("test");
    let source = ModelSource::from_bytes("test", import::text::model_bytes(model));
    let raw = import::raw::read(&source, &mut diagnostics).expect("the model reads");
    let before = import::graph::build(&raw.graph, &Options::default(), &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics}");
    let after = super::run(before.clone(), &[], &mut Vec::new()).expect("passes run");
    let inputs: Vec<Tensor> = before
        .inputs
        .iter()
        .map(|&v| {
            let shape = before.ty(v).fixed_shape().expect("fixed extents");
            let count = shape.iter().product::<usize>();
            if before.ty(v).dtype != DType::F32 {
                let elements =
                    (0..count).map(|i| Scalar::from_i64(before.ty(v).dtype, (i * 5 % 7 / 2) as i64));
                return Tensor::from_scalars(before.ty(v).dtype, shape, elements);
            }
            Tensor::from_f32s(shape, &(0..count).map(|i| (i * 7 % 11) as f32 / 4.0 - 1.0).collect::<Vec<_>>())
        })
        .collect();
    let expected = crate::eval::evaluate(&before, &inputs).expect("the graph has a meaning");
    let found = crate::eval::evaluate(&after, &inputs).expect("the graph has a meaning");
    for (e, f) in expected.iter().zip(&found) {
        assert_eq!(e.ty(), f.ty());
        // Fused, half precision is rounded once instead of at every node: a few units in the last place.
        let tolerance = if e.dtype() == DType::F16 { 4e-3 } else { 1e-5 };
        for (e, f) in e.to_f32s().iter().zip(f.to_f32s()) {
            let close = (e - f).abs() <= tolerance * e.abs().max(1.0) || e.is_nan() && f.is_nan();
            assert!(close, "{e} became {f}\n{after}");
        }
    }
    after
}

/// A table read at positions that depend on a distance is read once for each distance, before or after compilation.
#[test]
fn biases_of_distances_are_lines() {
    for (heads, diagonals) in [(1, "Const"), (6, "Gather { axis: 1 }")] {
        let table: Vec<String> = (0..16 * heads).map(|i| format!("{i}")).collect();
        let model = format!(
            "<ir_version: 8, opset_import: [\"\" : 17]>
            bias (float[1,{heads},12,14] x) => (float[1,{heads},12,14] y)
                <float[16,{heads}] table = {{{}}}, int64 zero = {{0}}, int64 one = {{1}}, int64 past = {{2}}, int64 n = {{14}},
                 int64[1] a0 = {{0}}, int64[1] a1 = {{1}}, int64 most = {{15}}, float two = {{2}}> {{
                rows = Range(past, n, one) columns = Range(zero, n, one) row = Unsqueeze(rows, a1) column = Unsqueeze(columns, a0)
                d = Sub(column, row) b = Min(d, zero) c = Neg(b) f = Cast <to = 1> (c) r = Sqrt(f) s = Mul(r, two)
                i = Cast <to = 7> (s) at = Min(i, most) g = Gather(table, at) t = Transpose <perm = [2, 0, 1]> (g)
                u = Unsqueeze(t, a0) y = Add(x, u) }}",
            table.join(", ")
        );
        let after = check_meaning(&model).to_string();
        assert!(after.contains("Diagonals { rows: 12, columns: 14 }"), "{after}");
        assert_eq!(after.contains("Gather"), diagonals != "Const", "{after}");
    }
}

/// A matrix that may be empty has no distance to read a table at.
#[test]
fn biases_of_no_positions_stay_matrices() {
    let passed = |count: &str| {
        let model = format!(
            "g (float[n] x, float[m] durations) => (float[] y)
                <float[4,2] table = {{1, 2, 3, 4, 5, 6, 7, 8}}, int64 zero = {{0}}, int64 one = {{1}},
                 int64[1] axis = {{0}}, int64[1] a1 = {{1}}, int64 most = {{3}}> {{
                {count}
                row = Unsqueeze(p, a1) column = Unsqueeze(p, axis)
                d = Sub(column, row) b = Abs(d) at = Min(b, most) y = Gather(table, at) }}"
        );
        super::run(crate::testing::graph_of(&model), &[], &mut Vec::new()).unwrap().to_string()
    };
    let some = passed("shape = Shape(x) size = Gather(shape, zero) p = Range(zero, size, one)");
    assert!(some.contains("Diagonals"), "{some}");
    let perhaps_none = passed(
        "i = Cast <to = 7> (durations) found = ReduceSum <keepdims = 0> (i) p = Range(zero, found, one)",
    );
    assert!(perhaps_none.contains("Gather") && !perhaps_none.contains("Diagonals"), "{perhaps_none}");
}

/// A decoder's only new token has distances to all that came before it, none of which is computed at run time.
#[test]
fn biases_of_one_row_are_a_part_of_all() {
    let table: Vec<String> = (0..32).map(|i| format!("{i}")).collect();
    let model = format!(
        "g (float[n] past) => (float[] y)
            <float[16,2] table = {{{}}}, int64 zero = {{0}}, int64 one = {{1}},
             int64[1] a0 = {{0}}, int64[1] a1 = {{1}}, int64 most = {{15}}> {{
            shape = Shape(past) count = Gather(shape, zero) size = Add(count, one)
            rows = Range(count, size, one) columns = Range(zero, size, one)
            row = Unsqueeze(rows, a1) column = Unsqueeze(columns, a0)
            d = Sub(column, row) b = Neg(d) f = Cast <to = 1> (b) r = Sqrt(f)
            i = Cast <to = 7> (r) at = Min(i, most) g = Gather(table, at) y = Transpose <perm = [2, 0, 1]> (g) }}",
        table.join(", ")
    );
    let mut graph = crate::testing::graph_of(&model);
    // In a model of some size.
    graph.growth = Some(1 << 10);
    let text = super::run(graph, &[], &mut Vec::new()).unwrap().to_string();
    assert!(!text.contains("Gather") && !text.contains("Map"), "{text}");
}

#[test]
fn passes_keep_the_meaning() {
    check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        scales (float[3,2] x) => (float[3,2] y, float[3,1] r)
            <float[2,2] w = {1, 2, 3, 4}, float[2] s = {2, 3}, float[1,2] b = {1, -1}, float half = {0.5}> {
            a = MatMul(x, w)
            c = Add(a, b)
            d = Mul(s, c)
            n = Neg(d)
            e = Sub(half, n)
            f = Div(e, s)
            y = Tanh(f)
            r = ReduceLogSumExp <axes = [1]> (y)
        }"#,
    );
    check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        attention (float[2,4] q, float[4,3] k) => (float[2,3] y, float[2,3] z) <float scale = {0.5}, float[3] s = {1, 2, 3}> {
            dots = MatMul(q, k)
            scaled = Mul(dots, scale)
            y = Softmax(scaled)
            mean = ReduceMean <axes = [1]> (dots)
            d = Sub(dots, mean)
            sq = Mul(d, d)
            v = ReduceMean <axes = [1]> (sq)
            dev = Sqrt(v)
            n = Div(d, dev)
            z = Mul(n, s)
        }"#,
    );
}

/// Rows of a matrix and rows of rows are the same to products and maps.
#[test]
fn reshapes_between_products_and_maps_vanish() {
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        flat (float[2,3,4] x, float[2,3,5] r) => (float[2,3,5] y)
            <int64[2] rows = {6, 4}, int64[3] whole = {2, 3, 5},
             float[4,5] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2}, float[5] b = {1, 2, 3, 4, 5}> {
            f = Reshape(x, rows)
            g = Gemm(f, w, b)
            u = Reshape(g, whole)
            y = Add(u, r)
        }"#,
    );
    assert_eq!(after.len(), 1, "{after}");
}

#[test]
fn a_transpose_between_merging_and_splitting_is_one_of_axes() {
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        around (float[2,3,4,5] x) => (float[2,3,5,4] y) <int64[3] flat = {6, 4, 5}, int64[4] whole = {2, 3, 5, 4}> {
            f = Reshape(x, flat)
            t = Transpose <perm = [0, 2, 1]> (f)
            y = Reshape(t, whole)
        }"#,
    );
    assert_eq!(after.len(), 1, "{after}");
}

/// Patches of an image that are flattened to rows are its channels-last form.
#[test]
fn transposes_pass_reshapes_that_merge_neighbours() {
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        patches (float[1,2,3,4] x) => (float[1,12,2] y) <int64[3] flat = {1, 2, 12}, int64[4] order = {0, 0, 0, 0}> {
            a = Transpose <perm = [0, 2, 3, 1]> (x)
            e = Exp(a)
            b = Transpose <perm = [0, 3, 1, 2]> (e)
            c = Reshape(b, flat)
            y = Transpose <perm = [0, 2, 1]> (c)
        }"#,
    );
    assert_eq!(after.len(), 3, "{after}");
}

#[test]
fn projections_of_one_operand_are_one_product() {
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        projections (float[2,3] x) => (float[2,2] y, float[2,2] z)
            <float[3,2] q = {1, 2, 3, 4, 5, 6}, float[3,2] k = {6, 5, 4, 3, 2, 1}, float[3,1] v = {1, 0, 1}, float[2] b = {1, 2}> {
            a = MatMul(x, q)
            aa = Add(a, b)
            c = MatMul(x, k)
            d = MatMul(x, v)
            y = Softmax(aa)
            e = Softmax(c)
            f = Softmax(d)
            z = Mul(e, f)
        }"#,
    );
    let text = after.to_string();
    assert!(text.contains("JoinedMatMul"), "{text}");
}

/// A rotary embedding is one map: the exchanged halves are read where they are.
#[test]
fn halves_of_rows_are_turned_in_place() {
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        rotary (float[2,3,8] x, float[1,3,4] angles) => (float[2,3,8] y)
            <int64[1] zero = {0}, int64[1] half = {4}, int64[1] end = {8}, int64[1] last = {2}> {
            both = Concat <axis = 2> (angles, angles)
            cos = Cos(both)
            sin = Sin(both)
            lo = Slice(x, zero, half, last)
            hi = Slice(x, half, end, last)
            minus = Neg(hi)
            turned = Concat <axis = 2> (minus, lo)
            a = Mul(x, cos)
            b = Mul(turned, sin)
            y = Add(a, b)
        }"#,
    );
    let maps = after.nodes().filter(|(_, n)| n.op.name() == "Map").count();
    let joined = after.nodes().filter(|(_, n)| n.op.name() == "Concat").count();
    assert_eq!((maps, joined), (1, 0), "{after}");
}

/// Positions that count up are no reason to gather.
#[test]
fn gathers_in_order_are_slices() {
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        tables (float[5,3] table, float[2,4] m) => (float[1,4,3] y, float[2,1,4] z)
            <int64[1,4] positions = {1, 2, 3, 4}, int64[2,1,4,2] pairs = {0,0, 0,1, 0,2, 0,3, 1,0, 1,1, 1,2, 1,3}> {
            y = Gather(table, positions)
            z = GatherND(m, pairs)
        }"#,
    );
    assert!(after.nodes().all(|(_, n)| !n.op.name().starts_with("Gather")), "{after}");
    // Positions that are computed, and a table with its axes exchanged.
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        pairs (float[4,2] m) => (float[2,1,4] z)
            <int64 zero = {0}, int64 one = {1}, int64 two = {2}, int64 four = {4}, int64[3] last = {2, 1, 1}, int64[2] other = {1, 4},
             int64[3] whole = {2, 1, 4}, int64[1] end = {-1}> {
            a = Range(zero, two, one)
            b = Range(zero, four, one)
            c = Reshape(a, last)
            d = Reshape(b, other)
            e = Expand(c, whole)
            f = Expand(d, whole)
            g = Unsqueeze(e, end)
            h = Unsqueeze(f, end)
            i = Concat <axis = -1> (h, g)
            z = GatherND(m, i)
        }"#,
    );
    assert!(after.nodes().all(|(_, n)| !n.op.name().starts_with("Gather")), "{after}");
    // A matrix that was made flat.
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        flat (float[2,4] m) => (float[2,1,3] z)
            <int64 zero = {0}, int64 one = {1}, int64 two = {2}, int64 three = {3}, int64[3] last = {2, 1, 1}, int64 columns = {4},
             int64[2] flat = {8, 1}, int64[3] whole = {2, 1, 3}> {
            f = Reshape(m, flat)
            a = Range(zero, two, one)
            b = Range(zero, three, one)
            c = Reshape(a, last)
            d = Mul(c, columns)
            i = Add(d, b)
            g = Gather(f, i)
            z = Reshape(g, whole)
        }"#,
    );
    assert!(after.nodes().all(|(_, n)| !n.op.name().starts_with("Gather")), "{after}");
    // Diagonals and positions that stand still or go backwards are not slices.
    let after = check_meaning(
        r#"<ir_version: 8, opset_import: ["" : 17]>
        others (float[3,3] m) => (float[3] y, float[3,3] z) <int64[3,2] diagonal = {0,0, 1,1, 2,2}, int64[3] back = {2, 1, 0}> {
            y = GatherND(m, diagonal)
            z = Gather(m, back)
        }"#,
    );
    assert_eq!(after.len(), 2, "{after}");
}
