//! Models of one architecture with different weights: one program with a set of weights for each.

use crate::diag::{Code, Diagnostic};
use crate::lir::{Buffer, Class, Port, Program, Step};
use crate::plan::{Bytes, Plan, Room};
use crate::report::{Report, VariantReport};
use crate::types::{DType, TensorType};
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
    // What a buffer is called tells more than the step that it comes from, if steps are as many; and a weight more than
    // the result that has another shape by it.
    if a.steps.len() == b.steps.len()
        && a.buffers.len() == b.buffers.len()
        && let Some((x, y)) = a.buffers.iter().zip(&b.buffers).find(|(x, y)| !alike(x, y))
    {
        return refuse(format!(
            "where one has \"{}\", {}[{}], the other has \"{}\", {}[{}]",
            x.name, x.dtype, x.len, y.name, y.dtype, y.len
        ));
    }
    if let Some(why) = ports_differ(a, b) {
        return refuse(why);
    }
    if let Some((x, y)) = a.steps.iter().zip(&b.steps).find(|(x, y)| !computes_alike(x, y)) {
        return refuse(format!("where one computes {}, the other computes {}", origin(x), origin(y)));
    }
    if a.steps.len() != b.steps.len() {
        let common = a.steps.len().min(b.steps.len());
        let more = a.steps.get(common).or(b.steps.get(common)).map_or_else(String::new, origin);
        let who = if a.steps.len() > common { first_name } else { name };
        return refuse(format!("only \"{who}\" goes on with {more}"));
    }
    if a.buffers.len() != b.buffers.len() {
        return refuse(format!("it has {} values instead of {}", b.buffers.len(), a.buffers.len()));
    }
    if let Some((x, _)) = a.steps.iter().zip(&b.steps).find(|(x, y)| x.kind != y.kind) {
        return refuse(format!("{} becomes another step", origin(x)));
    }
    if (&a.symbols, &a.requirements, &a.states) != (&b.symbols, &b.requirements, &b.states) {
        return refuse("its dimensions differ".to_owned());
    }
    Ok(())
}

/// How the interfaces of two programs differ, if they do.
fn ports_differ(a: &Program, b: &Program) -> Option<String> {
    let all = |p: &Program| -> Vec<(&'static str, Port, DType)> {
        let given = p.inputs.len() - p.defaults.len();
        let input = |(at, _): &(usize, &Port)| if *at < given { "input" } else { "replaceable weight" };
        let inputs = p.inputs.iter().enumerate().map(|port| (input(&port), port.1.clone()));
        let ports = inputs.chain(p.outputs.iter().map(|port| ("output", port.clone())));
        ports.map(|(kind, port)| (kind, port.clone(), p.buffer(port.buffer).dtype)).collect()
    };
    let (of_a, of_b) = (all(a), all(b));
    let told = |(kind, port, dtype): &(&str, Port, DType)| {
        format!("the {kind} \"{}\", {}", port.name, TensorType::new(*dtype, port.shape.clone()))
    };
    let same = |x: &(&str, Port, DType), y: &(&str, Port, DType)| {
        (x.0, &x.1.name, &x.1.shape, x.2) == (y.0, &y.1.name, &y.1.shape, y.2)
    };
    if let Some((x, y)) = of_a.iter().zip(&of_b).find(|(x, y)| !same(x, y)) {
        return Some(format!("where one has {}, the other has {}", told(x), told(y)));
    }
    let common = of_a.len().min(of_b.len());
    let more = of_a.get(common).or(of_b.get(common))?;
    Some(format!("only one of them has {}", told(more)))
}

/// Whether steps come from nodes of the same operators.
fn computes_alike(a: &Step, b: &Step) -> bool {
    let operators = |step: &Step| step.origins.iter().map(|o| o.op.to_string()).collect::<Vec<_>>();
    operators(a) == operators(b)
}

/// The node that a step computes.
fn origin(step: &Step) -> String {
    step.origins.first().map_or_else(|| step.summary.clone(), |o| o.to_string())
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

#[cfg(test)]
mod tests {
    use crate::artifact::Artifact;
    use crate::diag::Diagnostics;
    use crate::import::text;
    use crate::options::{ModelSource, Options};

    fn source(adapter: f32, columns: usize) -> ModelSource {
        let list = |count: usize, value: &dyn Fn(usize) -> f32| {
            (0..count).map(|i| value(i).to_string()).collect::<Vec<_>>().join(", ")
        };
        let base = format!("float[8,16] base = {{{}}}", list(128, &|i| i as f32));
        let adapter =
            format!("float[16,{columns}] adapter = {{{}}}", list(16 * columns, &|i| i as f32 * adapter));
        let model = format!(
            "g (float[1,8] x) => (float[1,{columns}] y) <{base}, {adapter}> {{ h = MatMul(x, base) y = MatMul(h, adapter) }}"
        );
        ModelSource::from_bytes("test", text::model_bytes(&model))
    }

    fn compiled(variants: &[(&str, ModelSource)], options: Options) -> Result<Artifact, Diagnostics> {
        let variants = variants.iter().map(|(name, s)| ((*name).to_owned(), s.clone())).collect::<Vec<_>>();
        crate::compile(&[(variants[0].1.clone().with_variants(variants), options)])
    }

    #[test]
    fn only_what_differs_is_stored_again() {
        let artifact = compiled(
            &[("a", source(1.5, 4)), ("b", source(2.5, 4)), ("c", source(1.5, 4))],
            Options::default(),
        )
        .unwrap_or_else(|d| panic!("{d}"));
        assert_eq!(artifact.blob.len(), 128 * 4 + 2 * 64 * 4);
        let report = &artifact.modules[0].report;
        let added: Vec<(&str, u64)> =
            report.variants.iter().map(|v| (v.name.as_str(), v.added_bytes)).collect();
        assert_eq!(added, [("a", 768), ("b", 256), ("c", 0)]);
        assert_eq!(report.stored_weight_bytes, 1024);
    }

    #[test]
    fn another_architecture_is_no_variant() {
        let refused =
            compiled(&[("a", source(1.5, 4)), ("b", source(1.5, 5))], Options::default()).unwrap_err();
        assert!(refused.to_string().contains("\"b\" is no variant of \"a\""), "{refused}");
        let model = |body: &str| {
            let text = format!("g (float[2] x) => (float[2] y) {{ {body} }}");
            ModelSource::from_bytes("test", text::model_bytes(&text))
        };
        let told = |a: &str, b: &str| {
            let refused = compiled(&[("a", model(a)), ("b", model(b))], Options::default()).unwrap_err();
            let text = refused.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        };
        // The message says where.
        let cumulated = "axis = Constant<value = int64 {0}>() h = CumSum(x, axis)";
        let other = told(&format!("{cumulated} y = Relu(h)"), &format!("{cumulated} y = Tanh(h)"));
        assert!(
            other.contains("where one computes Relu") && other.contains("the other computes Tanh"),
            "{other}"
        );
        let more = told(
            &format!("{cumulated} y = Relu(h)"),
            &format!("{cumulated} k = Relu(h) y = CumSum(k, axis)"),
        );
        assert!(more.contains("only \"b\" goes on with CumSum"), "{more}");
    }

    #[test]
    fn what_can_be_replaced_is_no_input_and_stored_once() {
        let replaceable = Options::default().overridable("adap*");
        let artifact = compiled(&[("a", source(1.5, 4)), ("b", source(2.5, 4))], replaceable)
            .unwrap_or_else(|d| panic!("{d}"));
        let module = &artifact.modules[0];
        assert_eq!(module.report.inputs.len(), 1);
        assert_eq!(artifact.blob.len(), 128 * 4 + 2 * 64 * 4);
        let text = module.items.to_string();
        assert!(text.contains("pub struct Weights") && text.contains("pub fn with_weights"), "{text}");
        let refused =
            compiled(&[("a", source(1.5, 4))], Options::default().overridable("adopt*")).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.contains("no initializer has a name like \"adopt*\""), "{refused}");
        assert!(
            refused.contains("the initializers are \"adapter\", \"base\"; `*` stands for any text"),
            "{refused}"
        );
    }

    #[test]
    fn what_cannot_be_replaced_is_told() {
        let told = |model: &str, pattern: &str| {
            let source = ModelSource::from_bytes("test", text::model_bytes(model));
            let refused = crate::compile(&[(source, Options::default().overridable(pattern))]).unwrap_err();
            refused.to_string()
        };
        let shape = "g (float[6] x) => (float[2,3] y) <int64[2] shape = {2, 3}, float one = {1}> { z = Mul(x, one) y = Reshape(z, shape) }";
        let text = told(shape, "*");
        let note = "\"shape\" i64[2], which `overridable` makes replaceable: leave it out";
        assert!(text.contains(note), "{text}");
        let inner = "g (bool c, float[2] x) => (float[2] y) {
            y = If (c) <then_branch = a () => (float[2] p) <float[2] w = {1, 2}> { p = Add(x, w) },
                        else_branch = b () => (float[2] q) { q = Neg(x) }> }";
        let text = told(inner, "w");
        assert!(text.contains("those of graphs inside of nodes cannot be replaced"), "{text}");
    }
}
