//! The forms of generated code, written by hand: a model of fixed shape, and one with a dimension that is known at run
//! time only. They compile where the strictest lints hold.

#![deny(warnings, missing_docs, unreachable_pub)]
#![forbid(unsafe_code)]

use ingrain::{Error, TensorRef};

const WEIGHTS: ::ingrain::Blob = ::ingrain::include_blob!("weights.blob");

/// `y = x + w`, and whether each `y` is even.
pub mod fixed {
    /// Bytes of memory that a worker needs.
    pub const CONTEXT_BYTES: usize = 128;
    /// The memory of one worker.
    pub type Arena = ::ingrain::Arena<2>;

    /// What the model reads.
    pub struct Inputs<'a> {
        /// `x`: u8[2,4]
        pub x: &'a [u8; 8],
    }

    /// What the model computes.
    pub struct Outputs<'a> {
        /// `y`: u8[2,4]
        pub y: &'a [u8; 8],
        /// `even`: bool[2,4]
        pub even: &'a [bool; 8],
    }

    /// One worker.
    pub struct Model<'m> {
        memory: ::ingrain::Memory<'m, 2>,
    }

    const W: ::ingrain::Slot<u8> = ::ingrain::Slot::new(0, 8);
    const Y: ::ingrain::Slot<u8> = ::ingrain::Slot::new(0, 8);
    const EVEN: ::ingrain::Slot<u8> = ::ingrain::Slot::new(64, 8);

    ::ingrain::with_alloc! {
        impl Model<'static> {
            /// A worker with an arena on the heap.
            #[allow(clippy::new_without_default, reason = "generated code")]
            pub fn new() -> Self {
                Self { memory: ::ingrain::Memory::heap() }
            }
        }
    }

    impl<'m> Model<'m> {
        /// A worker in the caller's arena.
        pub fn in_arena(arena: &'m mut Arena) -> Self {
            Self { memory: ::ingrain::Memory::borrowed(arena) }
        }

        /// Runs the model.
        pub fn run(&mut self, inputs: Inputs<'_>) -> ::core::result::Result<Outputs<'_>, ::ingrain::Error> {
            let memory = &mut self.memory;
            let ((), y) = memory.step((), Y);
            add(inputs.x, super::WEIGHTS.get(W), y);
            let (y, even) = memory.step(Y, EVEN);
            is_even(y, even);
            Ok(Outputs { y: memory.array(Y), even: ::ingrain::bool_array(memory.array(EVEN)) })
        }
    }

    /// Add "sum": u8[2,4]
    fn add(x: &[u8], w: &[u8], y: &mut [u8]) {
        for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
            *y = x.wrapping_add(*w);
        }
    }

    /// Mod "rest" + Equal "even": bool[2,4]
    fn is_even(x: &[u8], y: &mut [u8]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = u8::from(x % 2 == 0);
        }
    }
}

/// `y = -x` with `batch` in 1 to 4.
pub mod bounded {
    /// The memory of one worker.
    pub type Arena = ::ingrain::Arena<1>;

    /// What the model reads.
    pub struct Inputs<'a> {
        /// `x`: f32[batch,3]
        pub x: ::ingrain::TensorRef<'a, f32, 2>,
    }

    /// What the model computes.
    pub struct Outputs<'a> {
        /// `y`: f32[batch,3]
        pub y: ::ingrain::TensorRef<'a, f32, 2>,
    }

    /// One worker.
    pub struct Model<'m> {
        memory: ::ingrain::Memory<'m, 1>,
    }

    const Y: ::ingrain::Slot<f32> = ::ingrain::Slot::new(0, 12);

    impl<'m> Model<'m> {
        /// A worker in the caller's arena.
        pub fn in_arena(arena: &'m mut Arena) -> Self {
            Self { memory: ::ingrain::Memory::borrowed(arena) }
        }

        /// Runs the model.
        pub fn run(&mut self, inputs: Inputs<'_>) -> ::core::result::Result<Outputs<'_>, ::ingrain::Error> {
            let batch = inputs.x.dims[0];
            ::ingrain::check_dim("input `x`, axis 0 (`batch`)", batch, 1, 4)?;
            inputs.x.check("input `x`", [batch, 3])?;
            let memory = &mut self.memory;
            let ((), y) = memory.step((), Y.first(batch * 3));
            negate(inputs.x.data, y);
            Ok(Outputs { y: memory.tensor(Y, [batch, 3]) })
        }
    }

    /// Neg "negated": f32[batch,3]
    fn negate(x: &[f32], y: &mut [f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = -x;
        }
    }
}

#[test]
fn a_model_of_fixed_shape_runs_on_the_heap_and_in_an_arena() {
    let mut arena = fixed::Arena::new();
    for mut model in [fixed::Model::new(), fixed::Model::in_arena(&mut arena)] {
        let out = model.run(fixed::Inputs { x: &[1; 8] }).unwrap();
        assert_eq!(out.y, b"johsbjo\x0b");
        assert_eq!(out.even, &[true, false, true, false, true, true, false, false]);
    }
    assert_eq!(size_of::<fixed::Arena>(), fixed::CONTEXT_BYTES);
}

#[test]
fn a_bounded_dimension_is_checked_and_then_followed() {
    let mut arena = bounded::Arena::new();
    let mut model = bounded::Model::in_arena(&mut arena);
    let data = [1.0; 15];
    let x = |rows: usize| TensorRef { data: &data[..rows * 3], dims: [rows, 3] };
    for rows in [1, 4, 2] {
        let out = model.run(bounded::Inputs { x: x(rows) }).unwrap();
        assert_eq!(out.y, TensorRef::new(&[-1.0; 12][..rows * 3], [rows, 3]).unwrap());
    }
    let refused = model.run(bounded::Inputs { x: x(5) }).map(|_| ()).unwrap_err();
    assert_eq!(refused, Error::Dim { what: "input `x`, axis 0 (`batch`)", min: 1, max: 4, got: 5 });
    let short = TensorRef { data: &data[..5], dims: [2, 3] };
    assert!(model.run(bounded::Inputs { x: short }).is_err());
}
