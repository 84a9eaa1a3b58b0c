//! Running a model allocates nothing and gives the same bits every time.

use ingrain::TensorRef;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

ingrain::onnx_model! {
    /// A convolutional network of fixed shape.
    mod digits = "../examples/digits/data/digits.onnx" { dims: { s31: 1 } };
}
ingrain::onnx_model! {
    /// The same with a number of images that is known at run time.
    mod batches = "../examples/digits/data/digits.onnx" { dims: { s31: 1..=8 } };
}

/// The system's allocator, with a count of calls for each thread.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

/// Allocations of this thread during `f`, and its result.
fn allocations<T>(f: impl FnOnce() -> T) -> (usize, T) {
    let before = CALLS.get();
    let result = f();
    (CALLS.get() - before, result)
}

/// Images that look like nothing in particular.
fn images<const N: usize>(seed: u32) -> [f32; N] {
    let mut state = seed;
    std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    })
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| Box::new(1)).0, 1);
}

#[test]
fn a_worker_is_one_allocation() {
    assert_eq!(allocations(digits::Model::new).0, 1);
}

#[test]
fn running_allocates_nothing() {
    let mut model = digits::Model::new();
    let image = images(1);
    for _ in 0..3 {
        let (count, out) = allocations(|| model.run(digits::Inputs { input: &image }).map(|out| *out.logp));
        assert_eq!(count, 0);
        assert!(out.unwrap().iter().all(|value| value.is_finite()));
    }
}

#[test]
fn running_with_a_bounded_dimension_allocates_nothing() {
    let mut model = batches::Model::new();
    let data = images::<{ 8 * 64 }>(2);
    for batch in [8, 1, 3] {
        let input = TensorRef::new(&data[..batch * 64], [batch, 1, 8, 8]).unwrap();
        let (count, dims) = allocations(|| model.run(batches::Inputs { input }).map(|out| out.logp.dims));
        assert_eq!((count, dims), (0, Ok([batch, 10])));
    }
}

#[test]
fn results_are_the_same_bits_whatever_ran_before() {
    let image = images(3);
    let mut fresh = digits::Model::new();
    let expected = bits(fresh.run(digits::Inputs { input: &image }).unwrap().logp);
    let mut used = digits::Model::new();
    for seed in 4..20 {
        used.run(digits::Inputs { input: &images(seed) }).unwrap();
        assert_eq!(bits(used.run(digits::Inputs { input: &image }).unwrap().logp), expected);
    }
}

#[test]
fn arenas_of_arbitrary_contents_give_the_same_bits() {
    let image = images(5);
    let expected = bits(digits::Model::new().run(digits::Inputs { input: &image }).unwrap().logp);
    let mut arena = digits::Arena::new();
    // Leaves values of another image behind.
    digits::Model::in_arena(&mut arena).run(digits::Inputs { input: &images(6) }).unwrap();
    let mut model = digits::Model::in_arena(&mut arena);
    assert_eq!(bits(model.run(digits::Inputs { input: &image }).unwrap().logp), expected);
}
