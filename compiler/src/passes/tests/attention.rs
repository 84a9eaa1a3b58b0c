//! Attentions in the spellings of exporters: each becomes one node that means the same.

use super::check_meaning;
use crate::ops::attention::Attention;
use crate::ops::matmul::MatMul;
use expect_test::expect;

/// A model whose only products are those of one attention.
#[track_caller]
fn check(inputs: &str, constants: &str, body: &str) -> String {
    let model = format!(
        "<ir_version: 8, opset_import: [\"\" : 24]> attention ({inputs}) => (float[] y) <{constants}> {{ {body} }}"
    );
    let after = check_meaning(&model);
    let attentions = after.nodes().filter(|(_, n)| n.is::<Attention>().is_some()).count();
    let products = after.nodes().filter(|(_, n)| n.is::<MatMul>().is_some()).count();
    assert_eq!((attentions, products), (1, 0), "{after}");
    after.to_string()
}

const QKV: &str = "float[2,5,12] q, float[2,7,12] k, float[2,7,12] v";
const SPLIT: &str = "qs = Reshape(q, heads) qt = Transpose <perm = [0,2,1,3]> (qs)
    ks = Reshape(k, heads) kt = Transpose <perm = [0,2,3,1]> (ks)
    vs = Reshape(v, heads) vt = Transpose <perm = [0,2,1,3]> (vs)";
const MERGE: &str = "t = Transpose <perm = [0,2,1,3]> (o) y = Reshape(t, whole)";
const SHAPES: &str = "int64[4] heads = {0, 0, 3, 4}, int64[3] whole = {0, 0, 12}, float c = {0.5}";

#[test]
fn scaled_and_masked() {
    let body = format!(
        "{SPLIT} s = MatMul(qt, kt) d = Mul(s, c) a = Add(d, m) p = Softmax(a) o = MatMul(p, vt) {MERGE}"
    );
    let text = check(&format!("{QKV}, float[2,1,1,7] m"), SHAPES, &body);
    expect![[r#"
        input %0 "q": f32[2,5,12]
        input %1 "k": f32[2,7,12]
        input %2 "v": f32[2,7,12]
        input %3 "m": f32[2,1,1,7]
        %4: f32[2,5,3,4] = Reshape { shape: [2, 5, 3, 4] }(%0)
        %5: f32[2,3,5,4] = Transpose { perm: [0, 2, 1, 3] }(%4)
        %6: f32[2,7,3,4] = Reshape { shape: [2, 7, 3, 4] }(%1)
        %7: f32[2,3,4,7] = Transpose { perm: [0, 2, 3, 1] }(%6)
        %8: f32[2,7,3,4] = Reshape { shape: [2, 7, 3, 4] }(%2)
        %9: f32[2,3,7,4] = Transpose { perm: [0, 2, 1, 3] }(%8)
        %10: f32[2,3,7,4] = Transpose { perm: [0, 1, 3, 2] }(%7)
        %11: f32[2,5,3,4] = Attention [add(mul(in0, 0.5), in1)] in order [0, 2, 1, 3](%5, %10, %9, %3)
        %12: f32[2,5,12] = Reshape { shape: [2, 5, 12] }(%11)
        output %12 "y"
    "#]]
    .assert_eq(&text);
}

#[test]
fn scale_of_both_operands() {
    let body = format!(
        "{SPLIT} x = Mul(qt, c) z = Mul(kt, c) s = MatMul(x, z) p = Softmax(s) o = MatMul(p, vt) {MERGE}"
    );
    let text = check(QKV, SHAPES, &body);
    assert!(text.contains("Attention [mul(in0, 0.25)]"), "{text}");
}

#[test]
fn masks_that_choose() {
    let body = format!(
        "{SPLIT} s = MatMul(qt, kt) b = Cast <to = 9> (m) a = Where(b, s, c) p = Softmax(a)
         n = IsNaN(p) zero = Sub(c, c) f = Where(n, zero, p) o = MatMul(f, vt) {MERGE}"
    );
    check(&format!("{QKV}, int64[2,1,5,7] m"), SHAPES, &body);
}

#[test]
fn soft_cap_and_bias_of_heads() {
    let body = format!(
        "{SPLIT} s = MatMul(qt, kt) d = Div(s, c) h = Tanh(d) e = Mul(h, c) a = Add(e, m) p = Softmax(a) o = MatMul(p, vt) {MERGE}"
    );
    check(&format!("{QKV}, float[1,3,5,7] m"), SHAPES, &body);
}

#[test]
fn a_softmax_in_pieces() {
    let body = format!(
        "{SPLIT} s = MatMul(qt, kt) axes = Constant <value = int64[1] {{-1}}> () l = ReduceMax(s, axes) d = Sub(s, l) e = Exp(d)
         t0 = ReduceSum(e, axes) r = Reciprocal(t0) p = Mul(e, r) o = MatMul(p, vt) {MERGE}"
    );
    check(QKV, SHAPES, &body);
}

/// Batch and heads are one axis around the products and two where the mask is added.
#[test]
fn reshapes_around_the_mask() {
    let body = "kt = Transpose <perm = [0,2,1]> (k) s = MatMul(q, kt) r = Reshape(s, heads) a = Add(r, m)
        b = Reshape(a, flat) p = Softmax(b) y = MatMul(p, v)";
    let constants = "int64[4] heads = {2, 3, 5, 7}, int64[3] flat = {6, 5, 7}";
    check("float[6,5,4] q, float[6,7,4] k, float[6,7,4] v, float[2,1,5,7] m", constants, body);
}

/// Heads of keys and values that are repeated for groups of queries are not copied.
#[test]
fn grouped_queries() {
    let body = "qs = Reshape(q, split) qt = Transpose <perm = [0,2,1,3]> (qs)
        ku = Unsqueeze(k, two) ke = Expand(ku, group) kr = Reshape(ke, heads) kt = Transpose <perm = [0,1,3,2]> (kr)
        vu = Unsqueeze(v, two) ve = Expand(vu, group) vr = Reshape(ve, heads)
        s = MatMul(qt, kt) a = Add(s, m) p = Softmax(a) o = MatMul(p, vr) t = Transpose <perm = [0,2,1,3]> (o) y = Reshape(t, whole)";
    let constants = "int64[4] split = {2, 5, 6, 4}, int64[1] two = {2}, int64[5] group = {2, 3, 2, 7, 4},
        int64[4] heads = {2, 6, 7, 4}, int64[3] whole = {2, 5, 24}";
    let text =
        check("float[2,5,24] q, float[2,3,7,4] k, float[2,3,7,4] v, float[2,1,5,7] m", constants, body);
    assert!(text.contains("in order [0, 3, 1, 2, 4]"), "{text}");
}

/// Causal masks are expressions of positions, not tensors.
#[test]
fn masks_of_positions() {
    let body = format!(
        "{SPLIT} s = MatMul(qt, kt) rows = Range(zero, five, one) row = Unsqueeze(rows, last) columns = Range(zero, seven, one)
         before = LessOrEqual(columns, row) mask = Where(before, none, lowest) a = Add(s, mask) p = Softmax(a) o = MatMul(p, vt) {MERGE}"
    );
    let constants = format!(
        "{SHAPES}, int64 zero = {{0}}, int64 one = {{1}}, int64 five = {{5}}, int64 seven = {{7}}, int64[1] last = {{-1}},
         float none = {{0}}, float lowest = {{-1000}}"
    );
    check(QKV, &constants, &body);
}

/// Positions where heads are in groups, so that the scores have another rank than the attention.
#[test]
fn positions_of_groups() {
    let body = "y = Attention <is_causal = 1> (q, k, k)";
    let text = check("float[2,6,5,4] q, float[2,3,7,4] k", "float unread = {0}", body);
    assert!(text.contains("sub(index3, index4)"), "{text}");
}

/// Converters to half precision leave the softmax, or more than it, in f32 between casts.
#[test]
fn half_precision_with_and_without_casts() {
    let half = QKV.replace("float", "float16");
    let constants = SHAPES.replace("float c", "float16 c");
    let body = format!(
        "{SPLIT} s = MatMul(qt, kt) d = Mul(s, c) a = Add(d, m) p = Softmax(a) o = MatMul(p, vt) {MERGE}"
    );
    let text = check(&format!("{half}, float16[2,1,1,7] m"), &constants, &body);
    assert!(text.contains("f16[2,5,3,4] = Attention [add(mul(in0, 0.5), f32(in1))]"), "{text}");
    let body = format!(
        "{SPLIT} s = MatMul(qt, kt) w = Cast <to = 1> (s) d = Mul(w, c) r = Cast <to = 10> (d) x = Cast <to = 1> (r) a = Add(x, m)
         p = Softmax(a) n = Cast <to = 10> (p) o = MatMul(n, vt) {MERGE}"
    );
    let text = check(&format!("{half}, float[2,1,1,7] m"), SHAPES, &body);
    assert!(text.contains("f16[2,5,3,4] = Attention [add(mul(in0, 0.5), in1)]"), "{text}");
}

#[test]
fn shares_that_are_read_elsewhere_stay() {
    let model = "<ir_version: 8, opset_import: [\"\" : 17]>
        attention (float[5,4] q, float[4,7] k, float[7,4] v) => (float[5,4] y, float[5,7] p) {
            s = MatMul(q, k)
            p = Softmax(s)
            y = MatMul(p, v)
        }";
    let after = check_meaning(model);
    assert!(after.nodes().all(|(_, n)| n.is::<Attention>().is_none()), "{after}");
}
