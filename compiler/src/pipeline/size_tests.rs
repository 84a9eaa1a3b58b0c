//! What is computed from shapes alone takes no step, also where shapes are not fixed.

use crate::import::text;
use crate::options::{ModelSource, Options};
use crate::report::Report;

/// What is known of a model whose sizes `batch`, `n` and `past` are bounded.
#[track_caller]
fn report(model: &str) -> Report {
    let mut options = Options::default();
    for (name, low) in [("batch", 1), ("n", 1), ("past", 0)] {
        if model.contains(&format!("[{name}")) || model.contains(&format!(",{name}")) {
            options = options.dim(name, low..=32);
        }
    }
    let source = ModelSource::from_bytes("model", text::model_bytes(model));
    let artifact = crate::compile(&[(source, options)]).unwrap_or_else(|d| panic!("{d}"));
    artifact.modules.into_iter().next().expect("one model, one module").report
}

/// Checks that a model has this many steps, and that none of them computes integers from sizes.
#[track_caller]
fn check(steps: usize, model: &str) {
    let report = report(model);
    let names: Vec<&str> = report.steps.iter().map(|s| s.what.as_str()).collect();
    assert_eq!((report.steps.len(), report.size_steps), (steps, 0), "{names:?}");
}

/// Keys and values after those of a cache, and the number of both as `all`, that of the cache as `past`.
const CACHED: &str = "float[batch,2,n,8] q, float[batch,2,past,8] pk, float[batch,2,n,8] k, float[batch,2,past,8] pv, float[batch,2,n,8] v";
const JOIN: &str = "kk = Concat <axis = 2> (pk, k) vv = Concat <axis = 2> (pv, v) kt = Transpose <perm = [0, 1, 3, 2]> (kk)
    s = MatMul(q, kt) p0 = Shape <start = 2, end = 3> (pk) past = Squeeze(p0) a0 = Shape <start = 2, end = 3> (kk) all = Squeeze(a0)";
const NUMBERS: &str = "int64 zero = {0}, int64 one = {1}, int64[1] first = {0}, int64[1] second = {1}, float none = {0}, float low = {-3e38}";

#[test]
fn a_mask_of_ranges_with_an_offset() {
    let model = format!(
        "g ({CACHED}) => (float[] y) <{NUMBERS}> {{ {JOIN}
            rows = Range(past, all, one) columns = Range(zero, all, one)
            row = Unsqueeze(rows, second) column = Unsqueeze(columns, first)
            later = Greater(column, row) m = Where(later, low, none)
            a = Add(s, m) p = Softmax(a) y = MatMul(p, vv) }}"
    );
    // The keys and values of the cache and the new ones are copied to where they are joined.
    check(5, &model);
}

#[test]
fn a_triangle_cut_out_of_a_larger_one() {
    let model = format!(
        "g ({CACHED}) => (float[] y) <{NUMBERS}> {{ {JOIN}
            square = Concat <axis = 0> (a0, a0) ones = ConstantOfShape <value = int64[1] {{1}}> (square)
            lower = Trilu <upper = 0> (ones) mask = Slice(lower, p0, a0, first) keep = Cast <to = 9> (mask)
            a = Where(keep, s, low) p = Softmax(a) y = MatMul(p, vv) }}"
    );
    check(5, &model);
}

#[test]
fn positions_after_a_cache() {
    let table: Vec<String> = (0..64 * 4).map(|i| format!("{i}")).collect();
    let model = format!(
        "g (int64[batch,n] x, float[batch,2,past,8] pk) => (float[] y) <{NUMBERS}, float[64,4] table = {{{}}}> {{
            p0 = Shape <start = 2, end = 3> (pk) past = Squeeze(p0) n0 = Shape <start = 1, end = 2> (x) count = Squeeze(n0)
            end = Add(past, count) ids = Range(past, end, one) row = Unsqueeze(ids, first)
            at = Gather(table, row) word = Gather(table, x) y = Add(word, at) }}",
        table.join(", ")
    );
    check(2, &model);
}

/// Without position ids, exporters look for joined sequences by positions that do not follow each other.
#[test]
fn joined_sequences_that_are_not_there() {
    let model = format!(
        "g (float[batch,2,n,8] q, float[batch,2,n,8] k, float[batch,2,n,8] v) => (float[] y) <{NUMBERS}, int64[1] axis = {{-1}}, int64[2] heads = {{1, 3}}, int64[2] queries = {{1, 2}}, int64[1] far = {{1000}}> {{
            b0 = Shape <start = 0, end = 1> (q) n0 = Shape <start = 2, end = 3> (q) count = Squeeze(n0)
            ids = Range(zero, count, one) row = Unsqueeze(ids, first) shape = Concat <axis = 0> (b0, n0) all = Expand(row, shape)
            head = Slice(all, first, second, second) before = Sub(head, one) longer = Concat <axis = 1> (before, all)
            left = Slice(longer, first, axis, second) right = Slice(longer, second, far, second) step = Sub(right, left)
            same = Equal(step, one) new = Not(same) number = Cast <to = 7> (new) sequence = CumSum(number, axis)
            of_query = Unsqueeze(sequence, heads) of_key = Unsqueeze(sequence, queries) together = Equal(of_query, of_key)
            m = Where(together, none, low) kt = Transpose <perm = [0, 1, 3, 2]> (k) s = MatMul(q, kt)
            a = Add(s, m) p = Softmax(a) y = MatMul(p, v) }}"
    );
    check(1, &model);
}

#[test]
fn integers_that_are_wanted_are_counted() {
    let model = "g (float[batch,n] x) => (int64[2] y) { y = Shape(x) }";
    assert_eq!(report(model).size_steps, 1);
}
