//! Weights, truth values, tensors with run-time dimensions, and errors.

use ingrain::{Aligned, Blob, Error, Slot, TensorRef};

/// Eight bytes in a file of this folder.
const WEIGHTS: Blob = ingrain::include_blob!("weights.blob");

#[test]
fn weights_are_aligned_slices_of_the_file() {
    let text = WEIGHTS.get(Slot::<u8>::new(0, 8));
    assert_eq!(text, b"ingrain\n");
    assert!(text.as_ptr().addr().is_multiple_of(64));
    assert_eq!(WEIGHTS.get(Slot::<u16>::new(2, 1)), [u16::from_le_bytes(*b"gr")]);
    assert_eq!(WEIGHTS.array::<u32, 2>(Slot::new(0, 2))[1], u32::from_le_bytes(*b"ain\n"));
    assert_eq!(WEIGHTS.bytes(), 8);
}

#[test]
fn weights_beyond_the_blob_are_refused() {
    assert!(std::panic::catch_unwind(|| WEIGHTS.get(Slot::<u8>::new(8, 1))).is_err());
    assert!(std::panic::catch_unwind(|| WEIGHTS.get(Slot::<u32>::new(4, 2))).is_err());
    assert!(std::panic::catch_unwind(|| Blob::EMPTY.get(Slot::<u8>::new(0, 1))).is_err());
    assert!(Blob::EMPTY.get(Slot::<u64>::new(0, 0)).is_empty());
}

#[test]
fn a_static_blob_works_too() {
    static BLOB: Blob = Blob::new(&Aligned([7; 3]));
    assert_eq!(BLOB.get(Slot::<u8>::new(1, 2)), [7, 7]);
}

#[test]
fn truth_values_keep_their_meaning_and_are_checked() {
    assert_eq!(ingrain::from_bools(&[true, false]), [1, 0]);
    assert_eq!(ingrain::as_bools(&[0, 1, 1]), [false, true, true]);
    assert_eq!(ingrain::bool_array(&[1, 0]), &[true, false]);
    assert!(std::panic::catch_unwind(|| ingrain::as_bools(&[0, 1, 2])).is_err());
}

#[test]
fn tensors_have_as_many_elements_as_their_dimensions_say() {
    let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    assert_eq!(TensorRef::new(&data, [2, 3]).unwrap().dims, [2, 3]);
    assert_eq!(TensorRef::new(&data[..1], []).unwrap().data, [1.0]);
    assert_eq!(TensorRef::<f32, 2>::new(&[], [0, 3]).unwrap().data.len(), 0);
    let wrong = TensorRef::new(&data, [4, 2]).unwrap_err();
    assert_eq!(wrong, Error::DataLength { what: "tensor", expected: 8, got: 6 });
    assert!(TensorRef::new(&data, [usize::MAX, 2]).is_err());
    let x = TensorRef { data: &data, dims: [3, 2] };
    assert_eq!(x.check("input `x`", [3, 2]), Ok(()));
    let other = Error::Shape { what: "input `x`", axis: 1, expected: 4, got: 2 };
    assert_eq!(x.check("input `x`", [3, 4]), Err(other));
    let short = Error::DataLength { what: "input `x`", expected: 5, got: 6 };
    assert_eq!(TensorRef { data: &data, dims: [5] }.check("input `x`", [5]), Err(short));
}

#[test]
fn errors_read_as_sentences() {
    let dim = Error::Dim { what: "input `ids`, axis 1 (`seq`)", min: 1, max: 512, got: 600 };
    assert_eq!(dim.to_string(), "input `ids`, axis 1 (`seq`) is 600, expected 1 to 512");
    let kept = Error::Dim { what: "`past`, which the state keeps,", min: 2, max: 2, got: 1 };
    assert_eq!(kept.to_string(), "`past`, which the state keeps, is 1, expected 2");
    let fixed = Error::Shape { what: "input `ids`", axis: 0, expected: 1, got: 2 };
    assert_eq!(fixed.to_string(), "input `ids`, axis 0 is 2, expected 1");
    let length = Error::DataLength { what: "input `ids`", expected: 8, got: 6 };
    assert_eq!(length.to_string(), "input `ids` has 6 elements, its dimensions say 8");
    let index = Error::Index { node: "Gather \"embed\"", index: -9, bound: 8 };
    assert_eq!(index.to_string(), "Gather \"embed\": index -9 is outside of -8..8");
}

#[test]
fn blobs_of_one_symbol_are_one() {
    mod other {
        pub(super) const BLOB: ingrain::Blob = ingrain::embed_blob!(
            "ingrain_test_8b1a9953",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/weights.blob"),
            8
        );
    }
    const BLOB: ingrain::Blob = ingrain::embed_blob!(
        "ingrain_test_8b1a9953",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/weights.blob"),
        8
    );
    let bytes = BLOB.array::<u8, 8>(Slot::new(0, 8));
    assert_eq!(bytes, b"ingrain\n");
    assert!(bytes.as_ptr().addr().is_multiple_of(64));
    if cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        assert!(core::ptr::eq(bytes, other::BLOB.array::<u8, 8>(Slot::new(0, 8))));
    }
}
