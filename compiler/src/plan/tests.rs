//! Plans of small programs, and of random packing problems.

use super::arena::{Block, lower_bound, place};
use super::liveness::Life;
use super::{Room, plan};
use crate::expr::{ExprBuilder, Unary};
use crate::lir::{
    Access, Arg, Buffer, BufferId, Call, Class, ConstData, MapStep, Packing, Place, Port, Program, Step,
    StepKind,
};
use crate::types::{DType, Dim, Tensor};

/// Adds a buffer of `len` floats.
fn buffer(program: &mut Program, len: usize, class: Class) -> BufferId {
    let name = format!("v{}", program.buffers.len());
    program.buffers.push(Buffer { dtype: DType::F32, len: Dim::from(len), class, name });
    BufferId((program.buffers.len() - 1) as u32)
}

fn input(program: &mut Program, len: usize) -> BufferId {
    let id = buffer(program, len, Class::Input(0));
    program.inputs.push(Port { name: "in".to_owned(), shape: vec![Dim::from(len)], buffer: id });
    id
}

fn step(program: &mut Program, kind: StepKind) {
    program.steps.push(Step { kind, origins: Vec::new(), summary: String::new(), macs: Dim::ZERO });
}

fn all(program: &Program, buffer: BufferId) -> Place {
    Place { buffer, offset: Dim::ZERO, len: program.buffer(buffer).len.clone() }
}

fn call(program: &mut Program, reads: &[BufferId], write: BufferId) {
    let mut args: Vec<Arg> = reads.iter().map(|&r| Arg::Read("x", all(program, r))).collect();
    args.push(Arg::Write("y", all(program, write)));
    let call = Call { kernel: "test", generics: Vec::new(), args, fallible: false, count: None };
    step(program, StepKind::Call(call));
}

fn negate(program: &mut Program, load: BufferId, store: BufferId) {
    let mut b = ExprBuilder::new();
    let x = b.input(0, DType::F32);
    let y = b.unary(Unary::Neg, x);
    let dense = |buffer| Access { buffer, offset: Dim::ZERO, strides: vec![Dim::ONE] };
    let map = MapStep {
        space: vec![program.buffer(load).len.clone()],
        row_axes: 0,
        reduced: false,
        expr: b.finish(y),
        loads: vec![dense(load)],
        store: dense(store),
    };
    step(program, StepKind::Map(map));
}

fn output(program: &mut Program, buffer: BufferId) {
    let shape = vec![program.buffer(buffer).len.clone()];
    program.outputs.push(Port { name: "out".to_owned(), shape, buffer });
}

#[test]
fn a_chain_needs_two_places_and_maps_need_none() {
    let mut p = Program::default();
    let input = input(&mut p, 100);
    let values: Vec<BufferId> = (0..5).map(|_| buffer(&mut p, 100, Class::Arena)).collect();
    call(&mut p, &[input], values[0]);
    negate(&mut p, values[0], values[1]);
    call(&mut p, &[values[1]], values[2]);
    negate(&mut p, values[2], values[3]);
    call(&mut p, &[values[3]], values[4]);
    output(&mut p, values[4]);
    let (plans, _) = plan(&[&p]).unwrap();
    let plan = &plans[0];
    assert_eq!(plan.in_place, [None, Some(0), None, Some(0), None]);
    assert_eq!(plan.room(values[0]), plan.room(values[1]));
    assert_eq!((plan.arena_bytes, plan.lower_bound_bytes), (896, 896));
}

#[test]
fn a_value_that_is_needed_later_is_not_overwritten() {
    let mut p = Program::default();
    let input = input(&mut p, 16);
    let (a, b, c) = (
        buffer(&mut p, 16, Class::Arena),
        buffer(&mut p, 16, Class::Arena),
        buffer(&mut p, 16, Class::Arena),
    );
    call(&mut p, &[input], a);
    negate(&mut p, a, b);
    call(&mut p, &[a, b], c);
    output(&mut p, c);
    let (plans, _) = plan(&[&p]).unwrap();
    assert_eq!(plans[0].in_place, [None; 3]);
    assert_eq!(plans[0].arena_bytes, 192);
}

/// A call that reads `x` and the residual `r`, and may put its result over the latter.
fn call_over(program: &mut Program, x: BufferId, r: BufferId, write: BufferId) {
    let residual = Arg::Some(Box::new(Arg::Read("residual", all(program, r))));
    let over = |apart, in_place| Arg::Over("y", Box::new(apart), Box::new(in_place));
    let epilogue = vec![
        ("residual", over(residual, Arg::None)),
        ("residual_in_place", over(Arg::Bool(false), Arg::Bool(true))),
    ];
    let args = vec![
        Arg::Read("x", all(program, x)),
        Arg::Write("y", all(program, write)),
        Arg::Ref(Box::new(Arg::Struct("epilogue::Epilogue", epilogue))),
    ];
    let call = Call { kernel: "test", generics: Vec::new(), args, fallible: false, count: None };
    step(program, StepKind::Call(call));
}

#[test]
fn a_call_overwrites_what_it_allows_if_nothing_else_reads_it() {
    // The residual is read for the last time, again later, and by the call itself in another way.
    for (later, itself) in [(false, false), (true, false), (false, true)] {
        let mut p = Program::default();
        let input = input(&mut p, 16);
        let [x, r, y, z] = [(); 4].map(|()| buffer(&mut p, 16, Class::Arena));
        call(&mut p, &[input], r);
        call(&mut p, &[input], x);
        call_over(&mut p, if itself { r } else { x }, r, y);
        call(&mut p, &[x, y, r][..if later { 3 } else { 2 }], z);
        output(&mut p, z);
        let (plans, _) = plan(&[&p]).unwrap();
        let taken = (!later && !itself).then_some(0);
        assert_eq!(plans[0].in_place.iter().flatten().next().copied(), taken, "{later} {itself}");
        assert_eq!(plans[0].room(r) == plans[0].room(y), taken.is_some());
        assert!(super::verify::verify(&p, &plans[0]).is_empty());
    }
}

#[test]
fn results_and_inputs_are_never_overwritten() {
    let mut p = Program::default();
    let input = input(&mut p, 16);
    let (a, b) = (buffer(&mut p, 16, Class::Arena), buffer(&mut p, 16, Class::Arena));
    negate(&mut p, input, a);
    negate(&mut p, a, b);
    output(&mut p, a);
    output(&mut p, b);
    let (plans, _) = plan(&[&p]).unwrap();
    assert_eq!(plans[0].in_place, [None, None]);
}

#[test]
fn each_content_is_stored_once() {
    let matrix = Tensor::from_f32s(vec![3, 20], &(0..60).map(|i| i as f32).collect::<Vec<_>>());
    let columns = (0..60).map(|i| (i % 3 * 20 + i / 3) as f32).collect::<Vec<_>>();
    let transposed = Tensor::from_f32s(vec![20, 3], &columns);
    let program = |tensor: &Tensor, transposed| {
        let mut p = Program::default();
        let packing = Packing::Panels { batch: 1, k: 3, n: 20, transposed };
        let class = Class::Const(ConstData { tensor: tensor.clone(), packing });
        let weight = buffer(&mut p, 60, class);
        let y = buffer(&mut p, 20, Class::Arena);
        call(&mut p, &[weight], y);
        output(&mut p, y);
        (p, weight)
    };
    let ((a, wa), (b, wb)) = (program(&matrix, false), program(&transposed, true));
    let (plans, blob) = plan(&[&a, &b]).unwrap();
    assert_eq!(blob.len(), 240);
    assert_eq!(plans[0].room(wa), plans[1].room(wb));
    assert!(matches!(plans[0].room(wa), Room::Blob(b) if b.len == 240 && b.offset == 0));
    assert_eq!(plans[1].weight_bytes, 240);
    assert_eq!(blob.hash().len(), 32);
    assert_ne!(blob.hash(), plan(&[]).unwrap().1.hash());
    // Row 0, column 16 is the first element of the second panel.
    assert_eq!(blob.to_bytes()[3 * 16 * 4..][..4], 16_f32.to_le_bytes());
}

#[test]
fn constants_that_contradict_their_layout_are_refused() {
    let mut p = Program::default();
    let tensor = Tensor::from_f32s(vec![5], &[0.0; 5]);
    let packing = Packing::Panels { batch: 1, k: 3, n: 2, transposed: false };
    let weight = buffer(&mut p, 5, Class::Const(ConstData { tensor, packing }));
    let y = buffer(&mut p, 1, Class::Arena);
    call(&mut p, &[weight], y);
    assert!(plan(&[&p]).unwrap_err().message.contains("cannot be packed"));
}

#[test]
fn unbounded_values_are_refused() {
    let mut p = Program::default();
    let y = buffer(&mut p, 0, Class::Arena);
    p.buffers[0].len = Dim::symbol(crate::types::Symbol::new("batch"));
    call(&mut p, &[], y);
    assert!(plan(&[&p]).unwrap_err().message.contains("batch elements"));
}

#[test]
fn random_problems_are_packed_well_and_never_overlap() {
    let mut state = 88_u64;
    let mut below = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    for round in 0..40 {
        let steps = 10 + round;
        let blocks: Vec<Block> = (0..steps)
            .map(|first| {
                let last = first + 1 + if below(4) == 0 { below(12) as usize } else { 0 };
                Block { bytes: 64 * (1 + below(100)), life: Life { first, last } }
            })
            .collect();
        let placed = place(&blocks);
        for (i, a) in blocks.iter().enumerate() {
            assert!(placed.offsets[i] + a.bytes <= placed.bytes);
            for (j, b) in blocks.iter().enumerate().skip(i + 1) {
                let apart = placed.offsets[i] + a.bytes <= placed.offsets[j]
                    || placed.offsets[j] + b.bytes <= placed.offsets[i];
                assert!(apart || !a.life.meets(b.life), "round {round}: {i} and {j} overlap");
            }
        }
        let bound = lower_bound(&blocks);
        assert!(placed.bytes >= bound);
        assert!(placed.bytes * 100 <= bound * 108, "round {round}: {} of {bound} bytes", placed.bytes);
    }
}

#[test]
fn steps_are_moved_where_that_saves_memory() {
    let mut p = Program::default();
    let input = input(&mut p, 16);
    // Three large values are made first and reduced to small ones afterwards.
    let large: Vec<BufferId> = (0..3).map(|_| buffer(&mut p, 1000, Class::Arena)).collect();
    let small: Vec<BufferId> = (0..3).map(|_| buffer(&mut p, 16, Class::Arena)).collect();
    let result = buffer(&mut p, 16, Class::Arena);
    large.iter().for_each(|&l| call(&mut p, &[input], l));
    large.iter().zip(&small).for_each(|(&l, &s)| call(&mut p, &[l], s));
    call(&mut p, &small, result);
    output(&mut p, result);
    let (plans, _) = plan(&[&p]).unwrap();
    assert_eq!(plans[0].order, [0, 3, 1, 4, 2, 5, 6]);
    assert_eq!(plans[0].arena_bytes, 4032 + 3 * 64);
}

#[test]
fn the_order_of_the_program_is_kept_where_nothing_is_gained() {
    let mut p = Program::default();
    let input = input(&mut p, 16);
    let values: Vec<BufferId> = (0..4).map(|_| buffer(&mut p, 16, Class::Arena)).collect();
    call(&mut p, &[input], values[0]);
    call(&mut p, &[input], values[1]);
    call(&mut p, &[values[1]], values[2]);
    call(&mut p, &[values[0], values[2]], values[3]);
    output(&mut p, values[3]);
    assert_eq!(plan(&[&p]).unwrap().0[0].order, [0, 1, 2, 3]);
}
