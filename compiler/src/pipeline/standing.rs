//! What each constant is to all models that ship together, found before any of them is rewritten.
//!
//! Folding makes new constants out of old ones. That stores less only if nothing else needs the old ones, in this graph
//! or another, in this model or another; and variants stay one program only if what differs between them decides
//! nothing. Both are told to the passes by a [`Standing`] on the tensors.

use super::untie::{Places, untie};
use crate::import::raw::{RawAttribute, RawGraph, RawModel};
use crate::mapped::release;
use crate::types::{Contents, Identity, Standing, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// Constants of up to this many bytes, a line of the blob, may be there twice.
pub(super) const SMALL: usize = 64;

/// Models that become one program: one, or its variants.
pub(super) struct Member<'a> {
    pub(super) models: Vec<&'a mut RawModel>,
    /// Names of initializers that can be replaced at run time.
    pub(super) replaceable: &'a dyn Fn(&str) -> bool,
}

/// A constant: an initializer or the value of a Constant node.
struct Constant {
    identity: Identity,
    shape: Vec<usize>,
    /// Whether it is no matter how often it is there: small, or all elements equal, so that they become part of
    /// expressions.
    slight: bool,
    /// How many inputs of nodes it is, in its graph and in graphs inside of it.
    reads: usize,
    /// Whether an inner graph reads it.
    captured: bool,
}

/// The constants of a model in the order of [`each_constant`], and who reads them.
#[derive(Default)]
struct Census {
    constants: Vec<Constant>,
    /// For each input of each node, and each output of each graph: the operator, and the constant that it is.
    reads: Vec<(String, Option<usize>)>,
}

/// Gives the constants of models their standing.
pub(super) fn mark(members: &mut [Member<'_>], contents: &mut Contents) {
    let censuses: Vec<Vec<Census>> = members
        .iter_mut()
        .map(|member| member.models.iter_mut().map(|model| Census::of(&mut model.graph, contents)).collect())
        .collect();
    let elsewhere = held_by_several(&censuses);
    for (number, (member, censuses)) in members.iter_mut().zip(&censuses).enumerate() {
        let aligned = aligned(censuses);
        let kept: Vec<BTreeSet<usize>> = censuses.iter().map(Census::kept).collect();
        // How many of those each constant of each variant is part of.
        let mut parts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for constant in aligned.keys().flat_map(|constants| constants.iter().copied().enumerate()) {
            *parts.entry(constant).or_default() += 1;
        }
        for (variant, (model, census)) in member.models.iter_mut().zip(censuses).enumerate() {
            let own = &kept[variant];
            let mut standings: Vec<Vec<Standing>> = census
                .constants
                .iter()
                .map(|constant| {
                    let content = constant.identity.content;
                    let kept = !constant.slight && (own.contains(&content) || elsewhere.contains(&content));
                    vec![Standing { kept, role: None }]
                })
                .collect();
            let mut places = Places::default();
            for (constants, reads) in &aligned {
                let of_variants = || censuses.iter().zip(constants).map(|(c, &at)| &c.constants[at]);
                let first = &censuses[0].constants[constants[0]];
                let alike = of_variants().all(|c| (c.identity, &c.shape) == (first.identity, &first.shape));
                let apart = constants.iter().copied().enumerate().any(|constant| parts[&constant] > 1);
                if alike && !apart {
                    continue;
                }
                let mut own = of_variants().zip(&kept);
                let kept = apart || own.any(|(c, kept)| kept.contains(&c.identity.content));
                let kept = kept && of_variants().any(|c| !c.slight);
                let role = Some(role(number, constants));
                let at = constants[variant];
                let standings = &mut standings[at];
                if standings[0].role.is_some() {
                    places.take(at, standings.len(), reads);
                    standings.push(Standing { kept, role });
                } else {
                    standings[0] = Standing { kept: kept || standings[0].kept, role };
                }
            }
            let mut at = 0;
            each_constant(&mut model.graph, &mut |tensor| {
                *tensor = tensor.clone().standing(standings[at][0]);
                at += 1;
            });
            untie(&mut model.graph, &places, &standings, member.replaceable);
        }
    }
}

/// A number for the constant that these are in the variants of a model.
fn role(member: usize, constants: &[usize]) -> u64 {
    let text = format!("{member} {constants:?}");
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

/// Contents that models hold which do not hold the same altogether: folding one of those may leave it to the other.
fn held_by_several(censuses: &[Vec<Census>]) -> BTreeSet<usize> {
    let of_member = |variants: &Vec<Census>| -> BTreeSet<usize> {
        let constants = variants.iter().flat_map(|census| &census.constants);
        constants.map(|constant| constant.identity.content).collect()
    };
    let sets: BTreeSet<BTreeSet<usize>> = censuses.iter().map(of_member).collect();
    let mut seen = BTreeSet::new();
    sets.into_iter().flatten().filter(|content| !seen.insert(*content)).collect()
}

/// What the variants of a model read at one place, for all places at which each of them reads a constant: the constants,
/// one of each variant, and the places. Empty where there is but one model.
fn aligned(censuses: &[Census]) -> BTreeMap<Vec<usize>, Vec<usize>> {
    let mut aligned: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    let shortest = censuses.iter().map(|census| census.reads.len()).min().unwrap_or(0);
    if censuses.len() < 2 {
        return aligned;
    }
    for place in 0..shortest {
        let reads: Vec<&(String, Option<usize>)> = censuses.iter().map(|c| &c.reads[place]).collect();
        if reads.iter().any(|(operator, _)| *operator != reads[0].0) {
            // No variants: that is told where the programs are compared.
            break;
        }
        let constants: Option<Vec<usize>> = reads.iter().map(|(_, constant)| *constant).collect();
        if let Some(constants) = constants {
            aligned.entry(constants).or_default().push(place);
        }
    }
    aligned
}

/// Shows every constant of a graph and of the graphs in it.
pub(super) fn each_constant(graph: &mut RawGraph, show: &mut dyn FnMut(&mut Tensor)) {
    graph.initializers.iter_mut().for_each(|(_, tensor)| show(tensor));
    for node in &mut graph.nodes {
        let is_constant = node.op_type == "Constant";
        for attribute in node.attributes.values_mut() {
            match attribute {
                RawAttribute::Tensor(tensor) if is_constant => show(tensor),
                RawAttribute::Graph(graph) => each_constant(graph, show),
                RawAttribute::Graphs(graphs) => graphs.iter_mut().for_each(|g| each_constant(g, show)),
                _ => {}
            }
        }
    }
}

impl Census {
    fn of(graph: &mut RawGraph, contents: &mut Contents) -> Census {
        let mut census = Census::default();
        each_constant(graph, &mut |tensor| {
            let slight = tensor.bytes().len() <= SMALL || tensor.splat_value().is_some();
            release(tensor.bytes());
            census.constants.push(Constant {
                identity: contents.of(tensor),
                shape: tensor.shape().to_vec(),
                slight,
                reads: 0,
                captured: false,
            });
        });
        census.read(graph, &BTreeMap::new(), &mut 0);
        census
    }

    /// Notes who reads what. `outer` holds the constants of the graphs around this one, `next` counts constants.
    fn read(&mut self, graph: &RawGraph, outer: &BTreeMap<String, usize>, next: &mut usize) {
        let mut known = outer.clone();
        // A name of this graph hides one of a graph around it.
        graph.inputs.iter().for_each(|input| _ = known.remove(&input.name));
        let first = *next;
        for (name, _) in &graph.initializers {
            known.insert(name.clone(), *next);
            *next += 1;
        }
        let mut own: BTreeSet<usize> = (first..*next).collect();
        for node in &graph.nodes {
            let is_constant = node.op_type == "Constant";
            for input in &node.inputs {
                let constant = input.as_ref().and_then(|name| known.get(name)).copied();
                self.note(&node.op_type, constant, &own);
            }
            for attribute in node.attributes.values() {
                if is_constant && matches!(attribute, RawAttribute::Tensor(_)) {
                    let name = node.outputs.first().and_then(Option::clone).unwrap_or_default();
                    known.insert(name, *next);
                    own.insert(*next);
                    *next += 1;
                }
                attribute.graphs().iter().for_each(|graph| self.read(graph, &known, next));
            }
            if !is_constant {
                node.outputs.iter().flatten().for_each(|name| _ = known.remove(name));
            }
        }
        for output in &graph.outputs {
            self.note("", known.get(&output.name).copied(), &own);
        }
    }

    /// Notes an input of a node of a graph that defines the constants `own`.
    fn note(&mut self, operator: &str, constant: Option<usize>, own: &BTreeSet<usize>) {
        if let Some(at) = constant {
            self.constants[at].reads += 1;
            self.constants[at].captured |= !own.contains(&at);
        }
        self.reads.push((operator.to_owned(), constant));
    }

    /// The contents that several constants have, or that several graphs read.
    fn kept(&self) -> BTreeSet<usize> {
        let mut seen = BTreeSet::new();
        let mut kept = BTreeSet::new();
        for constant in self.constants.iter().filter(|c| !c.slight) {
            let content = constant.identity.content;
            if !seen.insert(content) || constant.captured && constant.reads > 1 {
                kept.insert(content);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use crate::artifact::Artifact;
    use crate::import::text;
    use crate::options::{ModelSource, Options};
    use crate::types::DType;

    const ROWS: usize = 40;
    const COLUMNS: usize = 24;
    const TABLE: u64 = (ROWS * COLUMNS * 4) as u64;

    fn matrix(name: &str, turned: bool, factor: f32) -> String {
        let (rows, columns) = if turned { (COLUMNS, ROWS) } else { (ROWS, COLUMNS) };
        let value = |i: usize| if turned { i % ROWS * COLUMNS + i / ROWS } else { i };
        let values: Vec<String> =
            (0..ROWS * COLUMNS).map(|i| (value(i) as f32 * factor).to_string()).collect();
        format!("float[{rows},{columns}] {name} = {{{}}}", values.join(","))
    }

    fn source(signature: &str, constants: &[String], body: &str) -> ModelSource {
        let model = format!("g {signature} <{}> {{ {body} }}", constants.join(", "));
        ModelSource::from_bytes("test", text::model_bytes(&model))
    }

    #[track_caller]
    fn compiled(sources: Vec<ModelSource>) -> Artifact {
        let models: Vec<_> = sources.into_iter().map(|source| (source, Options::default())).collect();
        crate::compile(&models).unwrap_or_else(|d| panic!("{d}"))
    }

    fn one_program(variants: Vec<(&str, ModelSource)>) -> Artifact {
        let variants: Vec<_> = variants.into_iter().map(|(name, s)| (name.to_owned(), s)).collect();
        compiled(vec![variants[0].1.clone().with_variants(variants)])
    }

    const HEAD: &str = "(int64[3] ids, float[3,24] x) => (float[3,24] e, float[3,40] y)";

    /// What is multiplied into weights, or computed of them, leaves the copy that another reader has alone.
    #[test]
    fn weights_that_something_else_reads_are_not_folded() {
        let two = [matrix("w", false, 1.0), matrix("v", true, 1.0), "float s = {0.25}".to_owned()];
        let bodies = [
            "e = Gather(w, ids) p = MatMul(x, v) y = Mul(p, s)",
            "e = Gather(w, ids) u = Mul(v, s) y = MatMul(x, u)",
            "e = Gather(w, ids) u = Mul(w, s) t = Transpose(u) y = MatMul(x, t)",
            "u = Mul(w, s) e = Gather(u, ids) y = MatMul(x, v)",
        ];
        for body in bodies {
            let artifact = compiled(vec![source(HEAD, &two, body)]);
            assert_eq!(artifact.blob.len(), TABLE, "{body}");
        }
        // Nor where the other reader is in a graph inside of a node, or in another model.
        let inner = "e = Gather(w, ids) y = If (c) <
            then_branch = a () => (float[3,40] q) { t = Transpose(w) p = MatMul(x, t) q = Mul(p, s) },
            else_branch = b () => (float[3,40] r) { r = Gemm <transB = 1> (x, w) } >";
        let signature = "(bool c, int64[3] ids, float[3,24] x) => (float[3,24] e, float[3,40] y)";
        let one = [two[0].clone(), two[2].clone()];
        assert_eq!(compiled(vec![source(signature, &one, inner)]).blob.len(), TABLE);
        let scaled = "p = MatMul(x, v) y = Mul(p, s)";
        let plain = source("(float[3,24] x) => (float[3,40] y)", &two[1..2], "y = MatMul(x, v)");
        let other = source("(float[3,24] x) => (float[3,40] y)", &two[1..], scaled);
        assert_eq!(compiled(vec![plain, other.clone()]).blob.len(), TABLE);
        // Alone it is folded: a step and a product.
        let alone = compiled(vec![other]);
        assert_eq!(alone.modules[0].report.steps.len(), 1);
        assert_eq!(alone.blob.len(), TABLE);
    }

    /// A matrix and its transpose that are both read in the model's order are one.
    #[test]
    fn a_transpose_is_a_view() {
        let two = [matrix("w", false, 1.0), matrix("v", true, 1.0)];
        let models = [
            (
                "(float[40,24] a, float[24,40] b) => (float[40,24] y, float[24,40] z)",
                "y = Add(a, w) z = Mul(b, v)",
            ),
            (
                "(int64[3] i, int64[2] j) => (float[3,24] y, float[2,40] z)",
                "y = Gather(w, i) z = Gather(v, j)",
            ),
            (
                "(int64[3] i, float[5,24] x) => (float[24,3] y, float[5,40] z)",
                "y = Gather <axis = 1> (v, i) z = Gemm <transB = 1> (x, w)",
            ),
            (
                "(float[5,24] a, float[5,40] b) => (float[5,40] y, float[5,24] z)",
                "y = MatMul(a, v) z = MatMul(b, w)",
            ),
        ];
        for (signature, body) in models {
            for constants in [&two[..], &[two[1].clone(), two[0].clone()][..]] {
                let artifact = compiled(vec![source(signature, constants, body)]);
                assert_eq!(artifact.blob.len(), TABLE, "{body}");
                assert_eq!(artifact.modules[0].report.second_form_bytes, 0, "{body}");
            }
        }
    }

    /// Values of weights decide nothing that variants could differ in: not which are equal, zero, or one number.
    #[test]
    fn variants_differ_in_any_weights() {
        let line = |name: &str, value: f32| {
            format!("float[40] {name} = {{{}}}", vec![value.to_string(); 40].join(","))
        };
        let body = "e = Gather(w, ids) p = MatMul(x, v) q = Mul(p, s) r = Add(q, b) y = Add(r, c)";
        let model = |tied: bool, scale: f32, b: f32, c: f32| {
            let table = matrix("v", true, if tied { 1.0 } else { 0.5 });
            let scale = format!("float s = {{{scale}}}");
            source(HEAD, &[matrix("w", false, 1.0), table, scale, line("b", b), line("c", c)], body)
        };
        let variants = vec![
            ("tied", model(true, 1.0, 0.0, 0.0)),
            ("apart", model(false, 0.25, 1.0, 2.0)),
            ("equal", model(true, 0.25, 3.0, 3.0)),
        ];
        let artifact = one_program(variants);
        assert_eq!(artifact.modules[0].report.inputs.len(), 2);
        let vectors = 4 * 192 + 2 * 64;
        let most = 2 * TABLE + vectors;
        assert!(artifact.blob.len() <= most, "{} bytes, not {most}", artifact.blob.len());
        // One initializer in one variant, two in the other.
        let shared = "e = Gather(w, ids) t = Transpose(w) y = MatMul(x, t)";
        let apart = "e = Gather(w, ids) t = Transpose(v) y = MatMul(x, t)";
        let one = || source(HEAD, &[matrix("w", false, 1.0)], shared);
        let two = || source(HEAD, &[matrix("w", false, 2.0), matrix("v", false, 3.0)], apart);
        for variants in [vec![("a", one()), ("b", two())], vec![("b", two()), ("a", one())]] {
            assert_eq!(one_program(variants).blob.len(), 3 * TABLE);
        }
    }

    /// What variants have in common is not stored again because they differ in its factors.
    #[test]
    fn a_scale_that_differs_leaves_weights_in_common_alone() {
        let signature = "(float[3,24] x) => (float[3,40] y)";
        let model = |factor: f32| {
            let values: Vec<String> = (0..40).map(|i| (i as f32 * factor).to_string()).collect();
            let scale = format!("float[40] s = {{{}}}", values.join(","));
            source(signature, &[matrix("v", true, 1.0), scale], "p = MatMul(x, v) y = Mul(p, s)")
        };
        let artifact = one_program(vec![("a", model(1.0)), ("b", model(2.0))]);
        assert_eq!(artifact.blob.len(), TABLE + 192 + 160);
        assert!(artifact.modules[0].report.weights.iter().all(|w| w.dtype == DType::F32));
    }
}
