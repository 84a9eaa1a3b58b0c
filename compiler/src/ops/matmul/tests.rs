
#[test]
fn zz_probe() {
    let graph = crate::testing::graph_of("g (float[n,5,4] x, float[m,4,3] y) => (float[] z) { z = MatMul(x, y) }");
    panic!("{graph}");
}

/// Extents of different names must be equal when the program runs; only then each matrix meets its own.
#[test]
fn extents_of_other_names_are_checked() {
    let graph = crate::testing::graph_of(
        "g (float[n,5,4] x, float[m,4,3] y, float[5,n] a, float[m,5] b) => (float[] z, float[] w) {
            z = MatMul(x, y)
            w = MatMul(a, b)
        }",
    );
    let (z, w) = (graph.outputs[0].1, graph.outputs[1].1);
    assert_eq!(graph.ty(z).to_string(), "f32[n,5,3]");
    assert_eq!(graph.ty(w).to_string(), "f32[5,5]");
    let checked: Vec<String> = graph.requirements.iter().map(|r| format!("{} == {}", r.have, r.want)).collect();
    assert_eq!(checked, ["m == n", "n == m"]);
}
