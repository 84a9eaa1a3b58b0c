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

/// Queries, keys and values of four heads, `n` positions.
const HEADS: &str = "float[batch,4,n,16] q, float[batch,4,n,16] k, float[batch,4,n,16] v";
const SCORES: &str = "kt = Transpose <perm = [0, 1, 3, 2]> (k) raw = MatMul(q, kt) s = Mul(raw, c)
    n0 = Shape <start = 2, end = 3> (q) count = Squeeze(n0) ids = Range(zero, count, one)
    row = Unsqueeze(ids, second) column = Unsqueeze(ids, first) distance = Sub(column, row) later = Greater(column, row)";
const SHARES: &str = "p = Softmax(a) y = MatMul(p, v)";

/// The statements that make masked scores `a` of scores `s`, further inputs, and further constants.
fn masks() -> Vec<(&'static str, &'static str, String)> {
    let table: Vec<String> = (0..4 * 8192).map(|i| format!("{}.5", i % 11)).collect();
    let biases = format!(
        "int64 half = {{16}}, int64 most = {{31}}, float near = {{16}}, float[8192,4] table = {{{}}}",
        table.join(", ")
    );
    let plain = |text: &str| text.to_owned();
    vec![
        ("", "a = Where(later, low, s)", String::new()),
        ("", "m = Where(later, low, none) a = Add(s, m)", String::new()),
        (
            "",
            "f = Cast <to = 1> (distance) b = Mul(f, slopes) m = Where(later, low, b) a = Add(s, m)",
            plain("float[4,1,1] slopes = {0.5, 0.25, 0.125, 0.0625}"),
        ),
        (
            "",
            "d = Div(s, cap) t = Tanh(d) e = Mul(t, cap) m = Where(later, low, none) a = Add(e, m)",
            plain("float cap = {30}"),
        ),
        (
            "",
            "early = LessOrEqual(column, row) back = Neg(distance) near = Less(back, window) keep = And(early, near) a = Where(keep, s, low)",
            plain("int64 window = {700}"),
        ),
        (
            "int64[batch,n] mask",
            "b = Cast <to = 9> (mask) u = Unsqueeze(b, middle) m = Where(u, none, low) a = Add(s, m)",
            plain("int64[2] middle = {1, 2}"),
        ),
        ("float[batch,1,n,n] bias", "a = Add(s, bias)", String::new()),
        ("bool[batch,1,n,n] keep", "a = Where(keep, s, low)", String::new()),
        (
            "",
            "behind = Min(distance, zero) far = Neg(behind) close = Less(far, half) f = Cast <to = 1> (far) r = Div(f, near) l = Log(r)
             w = Mul(l, near) i = Cast <to = 7> (w) j = Add(i, half) g = Min(j, most) bucket = Where(close, far, g)
             rows = Gather(table, bucket) t = Transpose <perm = [2, 0, 1]> (rows) bias = Unsqueeze(t, first) a = Add(s, bias)",
            biases,
        ),
    ]
}

/// The model of one of [`masks`] whose `n` goes up to `most`.
fn masked((inputs, body, constants): &(&str, &str, String), most: i64) -> Report {
    let list = |parts: [&str; 2]| parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ");
    let model = format!(
        "g ({}) => (float[] y) <{}, float c = {{0.25}}> {{ {SCORES} {body} {SHARES} }}",
        list([HEADS, *inputs]),
        list([NUMBERS, constants.as_str()])
    );
    let source = ModelSource::from_bytes("model", text::model_bytes(&model));
    let options = Options::default().dim("batch", 1).dim("n", 1..=most);
    let artifact = crate::compile(&[(source, options)]).unwrap_or_else(|d| panic!("{d}"));
    artifact.modules.into_iter().next().expect("one model, one module").report
}

/// Every mask is a part of the one kernel, which has no more in memory than its result, a tile and a few rows.
#[test]
fn no_mask_needs_a_matrix_of_scores() {
    for mask in masks() {
        let report = masked(&mask, 2048);
        let attentions = report.steps.iter().filter(|s| s.macs > 0).count();
        let result = 4 * 2048 * 16 * 4;
        assert_eq!(attentions, 1, "{}", mask.1);
        assert!(report.context_bytes < 3 * result, "{} bytes for {}", report.context_bytes, mask.1);
        // A line of biases takes two steps where it is too long to be stored, a row that all heads read takes one.
        let others = if mask.1.contains("Gather") { 2 } else { usize::from(mask.1.contains("middle")) };
        assert!(report.steps.len() <= 1 + others, "{}", mask.1);
    }
}

#[test]
fn short_lines_of_biases_are_constants() {
    let report = masked(&masks()[8], 16);
    assert_eq!((report.steps.len(), report.size_steps), (1, 0));
}
