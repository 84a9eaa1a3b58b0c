//! Puts nodes after what they read, and finds what a graph reads from graphs around it.

use super::{RawGraph, RawNode, bad};
use crate::diag::Diagnostics;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

/// Sorts the nodes of `graph`, keeping the order of the file where it is right, and fills its `captures`: names that
/// it reads and that are not `defined` in it. Nodes on a cycle, and behind one, are reported and left out.
pub(super) fn sort(graph: &mut RawGraph, defined: &HashSet<String>, diagnostics: &mut Diagnostics) {
    capture(graph, defined);
    let nodes = std::mem::take(&mut graph.nodes);
    let producer: HashMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .flat_map(|(i, node)| node.outputs.iter().flatten().map(move |o| (o.as_str(), i)))
        .collect();
    let needs: Vec<BTreeSet<usize>> = nodes
        .iter()
        .map(|node| reads(node).filter_map(|name| producer.get(name).copied()).collect())
        .collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (user, needed) in needs.iter().enumerate() {
        for &node in needed {
            users[node].push(user);
        }
    }
    let mut missing: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        missing.iter().enumerate().filter(|(_, m)| **m == 0).map(|(i, _)| Reverse(i)).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for &user in &users[node] {
            missing[user] -= 1;
            if missing[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if order.len() < nodes.len() {
        report_cycle(&nodes, &needs, &missing, diagnostics);
    }
    let mut nodes: Vec<Option<RawNode>> = nodes.into_iter().map(Some).collect();
    graph.nodes = order.iter().filter_map(|&i| nodes[i].take()).collect();
    for left in nodes.into_iter().flatten() {
        graph.failed.extend(left.outputs.into_iter().flatten());
    }
}

/// What a node reads, itself and through its graphs.
fn reads(node: &RawNode) -> impl Iterator<Item = &str> {
    let inner = node.attributes.values().flat_map(|a| a.graphs()).flat_map(|g| g.captures.keys());
    node.inputs.iter().flatten().chain(inner).map(String::as_str)
}

fn capture(graph: &mut RawGraph, defined: &HashSet<String>) {
    let mut captures = BTreeMap::new();
    for node in &graph.nodes {
        let own = node.inputs.iter().flatten().map(|name| (name, Some(&node.origin)));
        let graphs = node.attributes.values().flat_map(|a| a.graphs());
        let inner = graphs.flat_map(|g| &g.captures).map(|(name, reader)| (name, reader.as_ref()));
        for (name, reader) in own.chain(inner) {
            if !defined.contains(name) && !graph.failed.contains(name) && !captures.contains_key(name) {
                captures.insert(name.clone(), reader.cloned());
            }
        }
    }
    for output in &graph.outputs {
        if !defined.contains(&output.name) && !graph.failed.contains(&output.name) {
            captures.entry(output.name.clone()).or_insert(None);
        }
    }
    graph.captures = captures;
}

/// Tells one cycle among the nodes that still miss something.
fn report_cycle(
    nodes: &[RawNode],
    needs: &[BTreeSet<usize>],
    missing: &[usize],
    diagnostics: &mut Diagnostics,
) {
    let stuck = |i: &usize| missing[*i] > 0;
    let Some(mut at) = (0..nodes.len()).find(stuck) else { return };
    // A stuck node always needs a stuck node, so walking on must come back to one that was seen.
    let mut walk = Vec::new();
    let mut seen = HashSet::new();
    while seen.insert(at) {
        walk.push(at);
        match needs[at].iter().copied().find(stuck) {
            Some(next) => at = next,
            None => return,
        }
    }
    let start = walk.iter().position(|&i| i == at).unwrap_or(0);
    const SHOWN: usize = 8;
    let cycle = &walk[start..];
    let mut names: Vec<String> = cycle.iter().take(SHOWN).map(|&i| nodes[i].origin.to_string()).collect();
    if cycle.len() > SHOWN {
        names.push(format!("… ({} nodes in all)", cycle.len()));
    }
    diagnostics.report(
        bad("the node needs its own result")
            .at(&nodes[at].origin)
            .note(format!("the cycle, each node reading from the next: {}", names.join(", ")))
            .help("ONNX graphs have no cycles; use the operators Loop or Scan"),
    );
}
