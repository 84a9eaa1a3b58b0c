//! The operators of com.microsoft are told from the standard ones, which the official vectors cover.

use crate::testing::{errors_of, outputs_of};

/// Statements that make numbers `name` of a shape.
fn numbers(name: &str, seed: f64, shape: &str) -> String {
    let count: i64 = shape.split(',').map(|d| d.trim().parse::<i64>().expect("an extent")).product();
    format!(
        "{name}_n = Constant <value = float {{{count}}}> () {name}_0 = Constant <value = float {{0}}> ()
         {name}_1 = Constant <value = float {{1}}> () {name}_r = Range({name}_0, {name}_n, {name}_1)
         {name}_f = Constant <value = float {{{seed:?}}}> () {name}_m = Mul({name}_r, {name}_f) {name}_s = Sin({name}_m)
         {name}_d = Constant <value = int64[{}] {{{shape}}}> () {name} = Reshape({name}_s, {name}_d)\n",
        shape.split(',').count()
    )
}

/// Both results must be the same numbers.
#[track_caller]
fn same(data: &[(&str, f64, &str)], constants: &str, a: &str, b: &str) {
    let data: String = data.iter().map(|(name, seed, shape)| numbers(name, *seed, shape)).collect();
    let model = format!(
        "<ir_version: 10, opset_import: [\"\" : 24, \"com.microsoft\" : 1]> g () => (bool same) <float tiny = {{0.00001}}, {constants}> {{
            {data} {a} {b} d = Sub(a, b) e = Abs(d) most = ReduceMax <keepdims = 0> (e) same = Less(most, tiny)
        }}"
    );
    assert_eq!(outputs_of(&model), "same: bool[] {true}\n");
}

const QKV: &[(&str, f64, &str)] = &[("q", 1.3, "2,5,24"), ("k", 0.7, "2,7,24"), ("v", 2.1, "2,7,24")];

#[test]
fn multi_head_attention() {
    same(
        QKV,
        "int32[2,7] m = {1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1}, bool[2,1,1,7] keep = {1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1}",
        "a = com.microsoft.MultiHeadAttention <num_heads = 3, mask_filter_value = -100000.0> (q, k, v, , m)",
        "b = Attention <q_num_heads = 3, kv_num_heads = 3> (q, k, v, keep)",
    );
    same(
        QKV,
        "int32[2] lengths = {5, 7}, int64[2] other = {5, 7}",
        "a = com.microsoft.MultiHeadAttention <num_heads = 3, mask_filter_value = -100000.0, scale = 0.4> (q, k, v, , lengths)",
        "b = Attention <q_num_heads = 3, kv_num_heads = 3, scale = 0.4> (q, k, v, , , , other)",
    );
}

#[test]
fn packed_heads() {
    same(
        &[("x", 1.3, "2,5,3,3,8")],
        "int64[5] order = {0, 1, 3, 2, 4}, int64[3] sizes = {1, 1, 1}, int64[3] rows = {0, 0, -1}",
        "a = com.microsoft.MultiHeadAttention <num_heads = 3> (x)",
        "x0, x1, x2 = Split <axis = 3> (x, sizes) q = Reshape(x0, rows) k = Reshape(x1, rows) v = Reshape(x2, rows)
         b = Attention <q_num_heads = 3, kv_num_heads = 3> (q, k, v)",
    );
}

#[test]
fn projected_attention() {
    same(
        &[("x", 1.3, "2,5,10"), ("w", 0.7, "10,72"), ("c", 2.1, "72")],
        "int64[3] sizes = {24, 24, 24}",
        "a = com.microsoft.Attention <num_heads = 3, unidirectional = 1> (x, w, c)",
        "p = MatMul(x, w) pc = Add(p, c) q, k, v = Split <axis = 2> (pc, sizes)
         b = Attention <q_num_heads = 3, kv_num_heads = 3, is_causal = 1> (q, k, v)",
    );
}

#[test]
fn grouped_queries() {
    same(
        &[
            ("q", 1.3, "2,1,64"),
            ("k", 0.7, "2,1,32"),
            ("v", 2.1, "2,1,32"),
            ("pk", 0.3, "2,2,4,16"),
            ("pv", 0.9, "2,2,4,16"),
            ("c", 0.2, "9,8"),
            ("s", 0.1, "9,8"),
        ],
        "int32[2] lengths = {4, 4}, int32 total = {5}, int64[2,1] at = {4, 4}",
        "a, ok, ov = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2, do_rotary = 1, softcap = 2.0>
            (q, k, v, pk, pv, lengths, total, c, s)",
        "qr = RotaryEmbedding <num_heads = 4> (q, c, s, at) kr = RotaryEmbedding <num_heads = 2> (k, c, s, at)
         b, bk, bv = Attention <q_num_heads = 4, kv_num_heads = 2, is_causal = 1, softcap = 2.0> (qr, kr, v, , pk, pv)",
    );
}

/// A cache that is longer than all keys is a buffer: new keys go where `seqlens_k` says, which the rest of it outlives.
#[test]
fn a_buffer_with_room() {
    same(
        &[
            ("q", 1.3, "2,1,64"),
            ("k", 0.7, "2,1,32"),
            ("v", 2.1, "2,1,32"),
            ("pk", 0.4, "2,2,9,16"),
            ("pv", 0.9, "2,2,9,16"),
        ],
        "int32[2] lengths = {4, 4}, int32 total = {5}, int64[1] zero = {0}, int64[1] four = {4}, int64[1] five = {5},
         int64[1] nine = {9}, int64[1] two = {2}",
        "ya, ka, va = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2> (q, k, v, pk, pv, lengths, total)
         y0 = Flatten <axis = 0> (ya) k0 = Flatten <axis = 0> (ka) a = Concat <axis = 1> (y0, k0)",
        "fk = Slice(pk, zero, four, two) fv = Slice(pv, zero, four, two) rest = Slice(pk, five, nine, two)
         yb, kb, vb = Attention <q_num_heads = 4, kv_num_heads = 2, is_causal = 1> (q, k, v, , fk, fv)
         whole = Concat <axis = 2> (kb, rest)
         y1 = Flatten <axis = 0> (yb) k1 = Flatten <axis = 0> (whole) b = Concat <axis = 1> (y1, k1)",
    );
}

#[test]
fn one_position_of_a_decoder() {
    let data = &[
        ("q", 1.3, "2,1,32"),
        ("k", 0.7, "2,1,32"),
        ("v", 2.1, "2,1,32"),
        ("pk", 0.4, "2,2,9,16"),
        ("pv", 0.9, "2,2,9,16"),
        ("bias", 0.3, "96"),
    ];
    let constants = "int32[1] past = {4}, int32[2,5] mask = {1, 1, 0, 1, 1, 1, 1, 1, 1, 1}, bool[2,1,1,5] keep = {1, 1, 0, 1, 1, 1, 1, 1, 1, 1},
        int64[1] zero = {0}, int64[1] four = {4}, int64[1] two = {2}, int64[3] parts = {32, 32, 32}";
    let plain = "fk = Slice(pk, zero, four, two) fv = Slice(pv, zero, four, two) bq, bk, bv = Split <axis = 0> (bias, parts)
        cq = Add(q, bq) ck = Add(k, bk) cv = Add(v, bv)
        b = Attention <q_num_heads = 2, kv_num_heads = 2> (cq, ck, cv, keep, fk, fv)";
    same(
        data,
        constants,
        "a = com.microsoft.DecoderMaskedMultiHeadAttention <num_heads = 2, past_present_share_buffer = 1, mask_filter_value = -100000.0>
            (q, k, v, mask, , pk, pv, past, , , bias)",
        plain,
    );
    same(
        data,
        constants,
        "gk = Slice(pk, zero, four, two) gv = Slice(pv, zero, four, two)
         a = com.microsoft.DecoderMaskedMultiHeadAttention <num_heads = 2, mask_filter_value = -100000.0> (q, k, v, mask, , gk, gv, , , , bias)",
        plain,
    );
}

#[test]
fn rotary_positions_count_from_an_offset() {
    same(
        &[("x", 1.3, "2,3,32"), ("c", 0.2, "9,8"), ("s", 0.1, "9,8")],
        "int64[1] first = {4}, int64[2,3] at = {4, 5, 6, 4, 5, 6}",
        "a = com.microsoft.RotaryEmbedding(x, first, c, s)",
        "b = RotaryEmbedding <num_heads = 2> (x, c, s, at)",
    );
}

#[test]
fn heads_must_fit() {
    let model =
        "<ir_version: 10, opset_import: [\"\" : 24]> g (float[1,5,24] q, float[1,5,20] k) => (float[] y)
        { y = Attention <q_num_heads = 3, kv_num_heads = 3> (q, k, k) }";
    assert!(errors_of(model).contains("does not split into 3 heads"), "{}", errors_of(model));
}

#[test]
fn a_mask_for_more_keys_than_there_are_is_refused() {
    let model = "<ir_version: 10, opset_import: [\"\" : 23]> g (float[2,5,12] q, float[2,1,6] k, bool[1,1,5,7] m) => (y) {
           y = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, k, m)
         }";
    assert!(errors_of(model).contains("is for more than the 1 keys"), "{}", errors_of(model));
}
