//! Models of one architecture with different weights: one program with a set of weights for each.

use crate::diag::{Code, Diagnostic};
use crate::lir::{Buffer, Class, Program};
use crate::plan::{Bytes, Plan, Room};
use crate::report::{Report, VariantReport};
use std::collections::BTreeSet;

/// Why two models are not variants of each other, if they are not.
pub(super) fn check(first: (&str, &Program), other: (&str, &Program)) -> Result<(), Diagnostic> {
    let ((first_name, a), (name, b)) = (first, other);
    let refuse = |why: String| {
        let message = format!("\"{name}\" is no variant of \"{first_name}\": {why}");
        Err(Diagnostic::new(Code::BadOption, message).about("variants", name).help(
            "variants differ in the values of their weights only; compile others as models of their own",
        ))
    };
    let ports = |p: &Program| p.inputs.iter().chain(&p.outputs).map(|p| p.name.clone()).collect::<Vec<_>>();
    if ports(a) != ports(b) {
        return refuse("its inputs and outputs differ".to_owned());
    }
    if a.steps.len() != b.steps.len() || a.buffers.len() != b.buffers.len() {
        return refuse(format!("it has {} steps instead of {}", b.steps.len(), a.steps.len()));
    }
    if let Some((x, y)) = a.buffers.iter().zip(&b.buffers).find(|(x, y)| !alike(x, y)) {
        return refuse(format!(
            "where one has \"{}\", {}[{}], the other has \"{}\", {}[{}]",
            x.name, x.dtype, x.len, y.name, y.dtype, y.len
        ));
    }
    if let Some((x, _)) = a.steps.iter().zip(&b.steps).find(|(x, y)| x.kind != y.kind) {
        let node = x.origins.first().map_or_else(|| x.summary.clone(), |o| o.to_string());
        return refuse(format!("{node} becomes another step"));
    }
    if (&a.symbols, &a.requirements) != (&b.symbols, &b.requirements) {
        return refuse("its dimensions differ".to_owned());
    }
    Ok(())
}

/// Whether buffers differ in the values of a constant at most.
fn alike(a: &Buffer, b: &Buffer) -> bool {
    let classes = match (&a.class, &b.class) {
        (Class::Const(x), Class::Const(y)) => x.packing == y.packing,
        (x, y) => x == y,
    };
    classes && (a.dtype, &a.len) == (b.dtype, &b.len)
}

/// Fills in what the report says of variants, the first of which it describes already.
pub(super) fn describe(report: &mut Report, names: &[String], plans: &[&Plan]) {
    let places = |plan: &Plan| -> BTreeSet<(u64, u64)> {
        let rooms = plan.rooms.iter().filter_map(|room| match room {
            Room::Blob(place) => Some(place),
            _ => None,
        });
        rooms.chain(&plan.defaults).map(|&Bytes { offset, len }| (offset, len)).collect()
    };
    let mut stored = BTreeSet::new();
    for (name, plan) in names.iter().zip(plans) {
        let own = places(plan);
        let bytes = own.difference(&stored).map(|(_, len)| len).sum();
        report.variants.push(VariantReport { name: name.clone(), added_bytes: bytes });
        stored.extend(own);
    }
    report.stored_weight_bytes = stored.iter().map(|(_, len)| len).sum();
}
