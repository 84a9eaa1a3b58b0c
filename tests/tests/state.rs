//! Values that stay in a model from one run to the next.

use ingrain::{Error, TensorRef};
use std::cell::RefCell;

ingrain::onnx_model! {
    /// `y = x + h / 2` and `echo = x₋₁ + x₋₂`, of one size.
    mod memory = "tests/state/memory.onnx" {
        dims: { batch: 1..=4 },
        state: { "hn" => "h", "older_next" => "older", "oldest_next" => "oldest" },
    };
    /// Sums of everything and of the last three; one list grows at its end, one at its front.
    mod log = "tests/state/log.onnx" {
        dims: { n: 1..=4, past: 0..=8 },
        state: { "present" => "past", "window_next" => "window", "front_next" => "front" },
    };
}

fn rows(data: &[f32]) -> TensorRef<'_, f32, 2> {
    TensorRef::new(data, [data.len() / 3, 3]).unwrap()
}

#[test]
fn values_of_one_size_begin_as_zeros_and_stay() {
    let mut model = memory::Model::new();
    let run = |model: &mut memory::Model<'_>, x: f32| {
        let out = model.run(memory::Inputs { x: rows(&[x, 0.0, 2.0 * x]) }).unwrap();
        (out.y.data.to_vec(), out.echo.data[0])
    };
    for _ in 0..2 {
        assert_eq!(run(&mut model, 8.0), (vec![8.0, 0.0, 16.0], 0.0));
        assert_eq!(run(&mut model, 1.0), (vec![5.0, 0.0, 10.0], 8.0));
        assert_eq!(run(&mut model, 0.0), (vec![2.5, 0.0, 5.0], 9.0));
        assert_eq!(run(&mut model, 0.0), (vec![1.25, 0.0, 2.5], 1.0));
        model.reset_state();
    }
}

#[test]
fn other_sizes_wait_for_a_reset() {
    let mut model = memory::Model::new();
    model.run(memory::Inputs { x: rows(&[1.0; 6]) }).unwrap();
    let Err(Error::Dim { what, min: 2, max: 2, got: 1 }) = model.run(memory::Inputs { x: rows(&[1.0; 3]) })
    else {
        panic!("the batch may not change")
    };
    assert!(what.contains("`batch`"), "{what}");
    model.reset_state();
    assert_eq!(model.run(memory::Inputs { x: rows(&[1.0; 3]) }).unwrap().y.data, [1.0; 3]);
}

#[test]
fn an_arena_that_was_used_before_makes_no_difference() {
    thread_local!(static ARENA: RefCell<memory::Arena> = const { RefCell::new(memory::Arena::new()) });
    ARENA.with_borrow_mut(|arena| {
        for _ in 0..2 {
            let mut model = memory::Model::in_arena(arena);
            assert_eq!(model.run(memory::Inputs { x: rows(&[3.0; 12]) }).unwrap().y.data, [3.0; 12]);
            assert_eq!(model.run(memory::Inputs { x: rows(&[0.0; 12]) }).unwrap().y.data, [1.5; 12]);
        }
    });
}

#[test]
fn lists_grow_in_place_and_otherwise() {
    let mut model = log::Model::new();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for count in [1, 3, 4] {
        let new: Vec<f32> = (0..count).map(|i| (1 << (first.len() + i)) as f32).collect();
        first.extend(&new);
        second.extend(new.iter().map(|v| v * 100.0));
        let x: Vec<f32> = new.iter().copied().chain(new.iter().map(|v| v * 100.0)).collect();
        let out = model.run(log::Inputs { x: TensorRef::new(&x, [2, count, 1]).unwrap() }).unwrap();
        assert_eq!(out.sum, &[first.iter().sum::<f32>(), second.iter().sum::<f32>()]);
        let recent = |list: &[f32]| list.iter().rev().take(3).sum::<f32>();
        assert_eq!(out.recent, &[recent(&first), recent(&second)]);
    }
    assert_eq!((model.state_len(), log::Model::STATE_CAPACITY), (8, 8));
    let x = [0.0; 2];
    model.run(log::Inputs { x: TensorRef::new(&x, [2, 1, 1]).unwrap() }).unwrap();
    let full = model.run(log::Inputs { x: TensorRef::new(&x, [2, 1, 1]).unwrap() });
    assert!(matches!(full, Err(Error::Dim { min: 0, max: 8, got: 9, .. })));
    model.reset_state();
    let out = model.run(log::Inputs { x: TensorRef::new(&[5.0, 7.0], [2, 1, 1]).unwrap() }).unwrap();
    assert_eq!((out.sum, out.recent), (&[5.0, 7.0], &[5.0, 7.0]));
}
