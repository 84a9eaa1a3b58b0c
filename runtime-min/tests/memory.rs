//! Slots as views of an arena: what they give, and what they refuse.

use ingrain::{Arena, Memory, Slot, f16};

const A: Slot<f32> = Slot::new(0, 16);
const B: Slot<f32> = Slot::new(64, 16);
const C: Slot<i64> = Slot::new(128, 8);
const D: Slot<f16> = Slot::new(192, 5);

/// Whether `f` panics.
fn refuses(f: impl FnOnce(&mut Memory<'_, 4>)) -> bool {
    let mut arena = Arena::<4>::new();
    let mut memory = Memory::borrowed(&mut arena);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(&mut memory))).is_err()
}

#[test]
fn a_step_sees_what_an_earlier_one_wrote() {
    let mut arena = Arena::<4>::new();
    let mut memory = Memory::borrowed(&mut arena);
    let ((), a) = memory.step((), A);
    a.copy_from_slice(&[1.5; 16]);
    let (a, (b, c, d)) = memory.step(A, (B, C, D));
    assert_eq!(b, [0.0; 16]);
    for (b, a) in b.iter_mut().zip(a) {
        *b = a * 2.0;
    }
    c.fill(-1);
    d.fill(f16::ONE);
    assert_eq!(memory.array::<f32, 16>(B), &[3.0; 16]);
    assert_eq!(memory.array::<i64, 8>(C), &[-1; 8]);
    let (a, d) = memory.read((A, D));
    assert_eq!((a[15], d), (1.5, &[f16::ONE; 5][..]));
}

#[test]
fn heap_arenas_start_as_zeros_and_are_aligned() {
    let memory = Memory::<'static, 1000>::heap();
    let all = memory.read(Slot::<u8>::new(0, 64_000));
    assert!(all.iter().all(|&byte| byte == 0));
    assert!(all.as_ptr().addr().is_multiple_of(64));
}

#[test]
fn an_empty_arena_holds_empty_values() {
    let mut memory = Memory::<'static, 0>::heap();
    let (x, y) = memory.step(Slot::<f32>::new(0, 0), Slot::<f64>::new(0, 0));
    assert!(x.is_empty() && y.is_empty());
}

#[test]
fn overlap_is_refused() {
    let tail = Slot::<f32>::new(60, 4);
    assert!(refuses(|m| _ = m.step(A, A)));
    assert!(refuses(|m| _ = m.step(A, tail)));
    assert!(refuses(|m| _ = m.step(tail, (C, B))));
    assert!(refuses(|m| _ = m.step((), (A, C, D, tail))));
    assert!(refuses(|m| _ = m.step((C, D, A), (B, tail))));
    assert!(!refuses(|m| _ = m.step((A, tail, B), C)));
    assert!(!refuses(|m| _ = m.step((A, B), (C, D))));
}

#[test]
fn overlap_is_judged_by_the_reserved_bytes() {
    let inside_a = Slot::<f32>::new(32, 8);
    assert!(refuses(|m| _ = m.step(A.first(2), inside_a)));
    assert!(!refuses(|m| _ = m.step(Slot::<f32>::new(32, 0), A)));
}

#[test]
fn parts_are_places_of_their_own() {
    assert!(!refuses(|m| _ = m.step(A.part(0, 8), A.part(8, 8))));
    assert!(refuses(|m| _ = m.step(A.part(0, 8), A.part(7, 2))));
    assert!(refuses(|_| _ = A.part(10, 7).len()));
    assert!(refuses(|_| _ = A.part(17, 0).len()));
    let mut arena = Arena::<4>::new();
    let mut memory = Memory::borrowed(&mut arena);
    memory.step((), B.part(3, 2)).1.fill(1.0);
    assert_eq!(memory.read(B)[2..6], [0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn bounds_are_checked() {
    assert!(refuses(|m| _ = m.step(Slot::<u8>::new(256, 1), ())));
    assert!(refuses(|m| _ = m.step((), Slot::<u64>::new(248, 2))));
    assert!(refuses(|m| _ = m.read(Slot::<u8>::new(0, 257)).len()));
    assert!(!refuses(|m| _ = m.step((), Slot::<u64>::new(248, 1))));
}

#[test]
fn lengths_are_checked() {
    assert!(refuses(|_| _ = A.first(17).len()));
    assert!(refuses(|m| _ = m.array::<f32, 15>(A).len()));
    assert!(refuses(|m| _ = m.tensor(A, [2, 9]).dims));
    assert!(!refuses(|m| assert_eq!(m.tensor(A, [2, 7]).data.len(), 14)));
}

#[test]
fn misaligned_and_overflowing_slots_do_not_exist() {
    assert!(std::panic::catch_unwind(|| Slot::<f32>::new(2, 1)).is_err());
    assert!(std::panic::catch_unwind(|| Slot::<f64>::new(8, usize::MAX / 8)).is_err());
}

#[test]
fn sixteen_slots_at_once() {
    const fn at(i: usize) -> Slot<u16> {
        Slot::new(i * 16, 8)
    }
    let mut arena = Arena::<4>::new();
    let mut memory = Memory::borrowed(&mut arena);
    let writes = (
        at(0),
        at(1),
        at(2),
        at(3),
        at(4),
        at(5),
        at(6),
        at(7),
        at(8),
        at(9),
        at(10),
        at(11),
        at(12),
        at(13),
        at(14),
        at(15),
    );
    let ((), all) = memory.step((), writes);
    all.0.fill(1);
    all.15.fill(16);
    assert_eq!(memory.read((at(0), at(15))), (&[1; 8][..], &[16; 8][..]));
}
