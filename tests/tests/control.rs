//! Loops whose values grow: what iterations join to a value goes behind it, whatever else reads it.

use ingrain::{Error, TensorRef};

ingrain::onnx_model! {
    /// Joins `x + 0 + 1 + … + i` to the columns of `x`, up to `n` times or until the sum of all reaches `limit`.
    mod grow = "tests/control/grow.onnx" { dims: { r: 2..=12 } };
    /// From `a = x`, `b = y`: the next `a` is `a` with `x` behind it, the next `b` is `a` with `y` behind it.
    mod cross = "tests/control/cross.onnx" { dims: { r: 1..=4, s: 1..=4 } };
}

/// The values that grew, their shape, and the other result.
type Grown = (Vec<f32>, [usize; 2], [f32; 2]);

fn grown(n: i64, limit: f32) -> Result<Grown, Error> {
    let mut model = grow::Model::new();
    let x = [1.0, 2.0, 10.0, 20.0];
    let out = model.run(grow::Inputs { x: &x, n: &[n], limit: &[limit] })?;
    Ok((out.cache.data.to_vec(), out.cache.dims, *out.sums))
}

#[test]
fn rows_grow_side_by_side() {
    let three = vec![1.0, 2.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 10.0, 20.0, 11.0, 21.0, 13.0, 23.0];
    let three = (three, [2, 8], [20.0, 128.0]);
    assert_eq!(grown(3, 1e9).unwrap(), three);
    assert_eq!(grown(9, 120.0).unwrap(), three);
    assert_eq!(grown(0, 1.0).unwrap(), (vec![1.0, 2.0, 10.0, 20.0], [2, 2], [3.0, 30.0]));
}

#[test]
fn more_than_there_is_room_for_is_an_error() {
    assert_eq!(grown(5, 1e9).unwrap().1, [2, 12]);
    let told = grown(6, 1e9).unwrap_err();
    assert!(matches!(told, Error::Capacity { .. }), "{told}");
}

#[test]
fn what_grows_may_be_handed_to_another_value() {
    let mut model = cross::Model::new();
    let mut run = |n: i64| {
        let out = model.run(cross::Inputs { x: &[1.0], y: &[2.0], n: &[n] }).unwrap();
        let of = |t: TensorRef<'_, f32, 1>| t.data.to_vec();
        (of(out.a), of(out.b))
    };
    assert_eq!(run(0), (vec![1.0], vec![2.0]));
    assert_eq!(run(1), (vec![1.0; 2], vec![1.0, 2.0]));
    assert_eq!(run(3), (vec![1.0; 4], vec![1.0, 1.0, 1.0, 2.0]));
}
