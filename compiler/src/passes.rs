//! The passes over the graph, in order.

mod axes;
mod fold_constants;
mod fold_scale;
mod fuse_attention;
mod fuse_epilogues;
mod fuse_maps;
mod gather_first;
mod improve_bodies;
mod inline_sizes;
mod join_products;
mod join_slices;
mod line_up_distances;
mod merge_equal;
mod orient_products;
mod plain_gathers;
mod reduce_to_rows;
mod settle_reshapes;
mod sink_transposes;
mod split_rows;

#[cfg(test)]
mod tests;

use crate::diag::{Code, Diagnostic};
use crate::ir::{Graph, rebuild};

/// A rewrite of the graph that keeps its meaning.
pub struct Pass {
    /// Name, for `--dump-after`.
    pub name: &'static str,
    /// What it is for, and why it stands where it does.
    pub why: &'static str,
    run: fn(&Graph) -> Result<Graph, Diagnostic>,
}

/// Every pass, in order.
pub const PIPELINE: &[Pass] = &[
    Pass {
        name: "remove_dead",
        why: "drops what no output needs before anything looks at use counts",
        run: rebuild::without_dead_nodes,
    },
    Pass {
        name: "fold_constants",
        why: "leaves to run time only what depends on inputs; before anything asks whether weights are constant",
        run: fold_constants::run,
    },
    Pass {
        name: "improve_bodies",
        why: "runs all passes over the graphs of If and Loop; after folding, which turns what they read into constants",
        run: improve_bodies::run,
    },
    Pass {
        name: "inline_sizes",
        why: "makes numbers of what maps read of shapes; before equal maps are one and positions are looked at",
        run: inline_sizes::run,
    },
    Pass {
        name: "merge_equal",
        why: "computes once what exporters compute again for every layer; before use counts decide on fusion",
        run: merge_equal::run,
    },
    Pass {
        name: "orient_products",
        why: "one form for products with weights; before transposes move and after equal ones are one",
        run: orient_products::run,
    },
    Pass {
        name: "plain_gathers",
        why: "reads tables in order where they are; where positions are as exporters wrote them",
        run: plain_gathers::run,
    },
    Pass {
        name: "gather_first",
        why: "widens rows of a table, not the table; where maps stand alone and gathers that remain are real ones",
        run: gather_first::run,
    },
    Pass {
        name: "sink_transposes",
        why: "runs convolution networks channels-last; before fusion, which transposes in between would stop",
        run: sink_transposes::run,
    },
    Pass {
        name: "fold_moved",
        why: "brings constants into the order that their readers have now, where nothing else reads them",
        run: fold_constants::run_free,
    },
    Pass {
        name: "settle_reshapes",
        why: "brings maps to the products that they follow; before anything fuses, after transposes found their places",
        run: settle_reshapes::run,
    },
    Pass {
        name: "fold_scale",
        why: "multiplies weights by batch normalisations; where columns are the last axis and maps are not fused yet",
        run: fold_scale::run,
    },
    Pass {
        name: "reduce_to_rows",
        why: "makes maps of reductions; after transposes, which reductions let pass and row maps do not",
        run: reduce_to_rows::run,
    },
    Pass {
        name: "fuse_epilogues",
        why: "gives products and convolutions the maps that follow them, before maps fuse with each other and hide them",
        run: fuse_epilogues::run,
    },
    Pass { name: "fuse_maps", why: "makes one loop of each chain or tree of maps", run: fuse_maps::run },
    Pass {
        name: "fuse_fused_epilogues",
        why: "gives products the maps that read them in several places, now that these are one: `x * sigmoid(x)`",
        run: fuse_epilogues::run,
    },
    Pass {
        name: "line_up_distances",
        why: "computes biases of relative positions for each distance; when what a distance decides is one map",
        run: line_up_distances::run,
    },
    Pass {
        name: "fold_lines",
        why: "turns tables whose entries are read line by line, where nothing else reads them",
        run: fold_constants::run_free,
    },
    Pass {
        name: "split_rows",
        why: "turns halves of rows in place, as rotary embeddings do; when what they are multiplied by is in one map",
        run: split_rows::run,
    },
    Pass {
        name: "fuse_attention",
        why: "makes one kernel of a softmax between two products; when each is one node, with what scales and masks it",
        run: fuse_attention::run,
    },
    Pass {
        name: "join_products",
        why: "computes queries, keys and values with one call; when products have what they compute besides sums",
        run: join_products::run,
    },
    Pass {
        name: "join_slices",
        why: "undoes splits that a concatenation puts together again, so that fewer copies are left to lower",
        run: join_slices::run,
    },
];

/// Runs every pass. `dump` gets the text of the graph after the passes in `dump_after`.
///
/// # Errors
/// A defect of a pass: the graph it made does not hold together.
pub fn run(
    graph: Graph,
    dump_after: &[String],
    dump: &mut Vec<(String, String)>,
) -> Result<Graph, Diagnostic> {
    let mut graph = graph;
    for pass in PIPELINE {
        graph = (pass.run)(&graph)?;
        if cfg!(debug_assertions) {
            graph
                .verify()
                .map_err(|e| Diagnostic::new(Code::Internal, format!("after pass {}: {e}", pass.name)))?;
        }
        if dump_after.iter().any(|d| d == pass.name) {
            dump.push((pass.name.to_owned(), graph.to_string()));
        }
    }
    Ok(graph)
}

/// Repeats what each `round` makes possible for the next, until one says that it changed nothing.
fn until_settled(
    graph: &Graph,
    round: fn(&Graph) -> Result<(Graph, bool), Diagnostic>,
) -> Result<Graph, Diagnostic> {
    let (mut graph, mut changed) = round(graph)?;
    while changed {
        (graph, changed) = round(&graph)?;
    }
    Ok(graph)
}
