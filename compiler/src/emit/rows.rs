//! Maps with reductions: one row at a time, in passes.
//!
//! What does not vary along the row is computed once. Reductions of what is known go first, each in a pass of its own
//! over the row, which stays in the nearest cache; then what depends on them, and so on; the last pass writes the
//! result. A costly element that is needed before and after a reduction, such as the exponential in softmax, is kept
//! in the row of the result instead of being computed twice.

use super::code::{Binding, Code, ident};
use super::map::assign;
use super::names::Names;
use super::scalar::{self, Block, Leaves, computed};
use super::walk::{Walk, counter};
use crate::expr::{Binary, Expr, ExprId, ExprKind, Reduction, Unary};
use crate::lir::MapStep;
use crate::types::{DType, Dim, Scalar};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::{BTreeMap, BTreeSet};

/// The cost from which on an element is kept rather than computed twice: operations, and loads beyond the first.
const WORTH_KEEPING: usize = 4;

/// The loops of a map with reductions.
pub(super) fn loops(walk: &Walk<'_>, map: &MapStep) -> TokenStream {
    let facts = Facts::new(&map.expr, walk);
    let names = walk.locals.iter().map(|l| l.name.as_str()).chain(walk.dims.names());
    let mut rows = Rows {
        walk,
        map,
        expr: &map.expr,
        names: Names::reserving(&names.chain(["n"]).collect::<Vec<_>>()),
        length: walk.row_length(),
        known: BTreeMap::new(),
        kept: None,
        statements: Vec::new(),
        facts,
    };
    rows.passes();
    let (outer, statements) = (walk.nest.outer_axes(), &rows.statements);
    let all: Vec<usize> = (0..walk.locals.len()).collect();
    let cuts = walk.cuts(0, &all);
    let nest = walk.loops(0, outer, &all, quote!(#(#statements)*));
    quote!(#cuts #nest)
}

/// What is known of each node.
struct Facts {
    /// How many reductions are nested in it.
    depth: Vec<usize>,
    /// Whether it varies along the row.
    varies: Vec<bool>,
}

impl Facts {
    fn new(expr: &Expr, walk: &Walk<'_>) -> Facts {
        let (mut depth, mut varies) = (Vec::new(), Vec::new());
        let outer = walk.nest.outer_axes();
        for (_, node) in expr.nodes() {
            let below = node.kind.operands().map(|o| depth[o.0 as usize]).max().unwrap_or(0);
            let operand_varies = node.kind.operands().any(|o| varies[o.0 as usize]);
            depth.push(below + usize::from(matches!(node.kind, ExprKind::Reduce(..))));
            varies.push(match node.kind {
                ExprKind::Input(i) => !walk.nest.is_row_constant(i),
                ExprKind::Index(axis) => walk.nest.axis[axis].is_some_and(|a| a >= outer),
                ExprKind::Reduce(..) => false,
                _ => operand_varies,
            });
        }
        Facts { depth, varies }
    }

    fn depth(&self, id: ExprId) -> usize {
        self.depth[id.0 as usize]
    }

    fn varies(&self, id: ExprId) -> bool {
        self.varies[id.0 as usize]
    }
}

struct Rows<'a> {
    walk: &'a Walk<'a>,
    map: &'a MapStep,
    expr: &'a Expr,
    facts: Facts,
    names: Names,
    length: Code,
    known: BTreeMap<ExprId, Code>,
    /// The element that is kept in the row of the result.
    kept: Option<ExprId>,
    statements: Vec<TokenStream>,
}

impl Rows<'_> {
    fn passes(&mut self) {
        let deepest = self.expr.nodes().map(|(id, _)| self.facts.depth(id)).max().unwrap_or(0);
        for depth in 0..=deepest {
            self.scalars(depth);
            let reductions: Vec<ExprId> = self
                .expr
                .nodes()
                .filter(|(id, n)| {
                    matches!(n.kind, ExprKind::Reduce(..)) && self.facts.depth(*id) == depth + 1
                })
                .map(|(id, _)| id)
                .collect();
            if let Some(element) = self.worth_keeping(depth, &reductions) {
                self.keep(element);
            }
            for id in reductions {
                self.reduce(id);
            }
        }
        self.output();
    }

    /// The value of a node as a block over what is known.
    fn block(&self, id: ExprId) -> Block {
        let leaves = Leaves {
            input: &|i, dtype| self.walk.value(i, dtype),
            index: &|axis| self.walk.index(axis),
            row_length: &self.length,
            size: &|dim| self.walk.dims.signed(dim),
            known: &self.known,
        };
        scalar::block(self.expr, id, &leaves)
    }

    /// Computes what is the same for the whole row and needed by its elements.
    fn scalars(&mut self, depth: usize) {
        let needed: BTreeSet<ExprId> = self
            .expr
            .nodes()
            .filter(|(id, n)| self.facts.varies(*id) || matches!(n.kind, ExprKind::Reduce(..)))
            .flat_map(|(_, n)| n.kind.operands().collect::<Vec<_>>())
            .collect();
        for (id, node) in self.expr.nodes() {
            let leaf = node.kind.operands().next().is_none() || matches!(node.kind, ExprKind::Reduce(..));
            if leaf || self.facts.varies(id) || self.facts.depth(id) != depth || !needed.contains(&id) {
                continue;
            }
            let block = self.block(id);
            let name = self.names.unique(self.scalar_name(id));
            let (left, right) = (ident(&name), block.tokens());
            self.statements.push(quote!(let #left = #right;));
            self.known.insert(id, Code::name(&name));
        }
    }

    /// What people call such a number.
    fn scalar_name(&self, id: ExprId) -> &'static str {
        let is_sum = |id: ExprId| matches!(self.expr.node(id).kind, ExprKind::Reduce(Reduction::Sum, _));
        match self.expr.node(id).kind {
            ExprKind::Binary(Binary::Div | Binary::Mul, a, _) if is_sum(a) => "mean",
            ExprKind::Unary(Unary::Sqrt, _) => "root",
            ExprKind::Unary(Unary::Reciprocal, _) | ExprKind::Binary(Binary::Div, ..) => "scale",
            ExprKind::Unary(Unary::Log, _) => "log",
            _ => "shared",
        }
    }

    /// The locals that the value of a node reads.
    fn read(&self, id: ExprId) -> BTreeSet<usize> {
        let (mut seen, mut stack, mut read) = (BTreeSet::new(), vec![id], BTreeSet::new());
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            if self.known.contains_key(&id) {
                if self.kept == Some(id) {
                    read.insert(self.walk.written());
                }
                continue;
            }
            match self.expr.node(id).kind {
                ExprKind::Input(i) => read.extend(self.walk.inputs[i]),
                ExprKind::Reduce(..) => {}
                kind => stack.extend(kind.operands()),
            }
        }
        read
    }

    /// Loops over the leading axes of the row around the innermost loop.
    fn around(&self, locals: &BTreeSet<usize>, inner: TokenStream) -> TokenStream {
        let (outer, last) = (self.walk.nest.outer_axes(), self.walk.nest.extents.len() - 1);
        let locals: Vec<usize> = locals.iter().copied().collect();
        self.walk.loops(outer, last, &locals, inner)
    }

    fn reduce(&mut self, id: ExprId) {
        let ExprKind::Reduce(op, of) = self.expr.node(id).kind else { return };
        let dtype = self.expr.node(id).dtype;
        let wanted = match op {
            Reduction::Sum => "sum",
            Reduction::Prod => "product",
            Reduction::Max => "max",
            Reduction::Min => "min",
        };
        let name = self.names.unique(wanted);
        let (total, block, reads) = (ident(&name), self.block(of), self.read(of));
        let nested = self.walk.nest.row_axes > 1;
        let statement = if computed(dtype) == DType::F32 {
            let row = self.row_call(op, &block);
            if nested {
                let start = identity(op, DType::F32);
                let joined = joined(op, dtype, &Code::name(&name), &Code::tight(row));
                let loops = self.around(&reads, quote!(#total = #joined;));
                quote!(let mut #total: f32 = #start; #loops)
            } else {
                quote!(let #total = #row;)
            }
        } else {
            let ty = if dtype == DType::Bool { quote!(bool) } else { scalar::stored_type(dtype) };
            let start = identity(op, dtype);
            let (lets, joined) = (&block.lets, joined(op, dtype, &Code::name(&name), &block.value));
            let inner = self.walk.innermost(quote!(#(#lets)* #total = #joined;));
            let loops = self.around(&reads, inner);
            quote!(let mut #total: #ty = #start; #loops)
        };
        self.statements.push(statement);
        self.known.insert(id, Code::name(&name));
    }

    /// `rows::sum(n, |i| …)` over the innermost axis.
    fn row_call(&self, op: Reduction, block: &Block) -> TokenStream {
        let function = ident(match op {
            Reduction::Sum => "sum",
            Reduction::Prod => "prod",
            Reduction::Max => "max",
            Reduction::Min => "min",
        });
        let at = ident(&counter(self.walk.nest.extents.len() - 1));
        let (n, body) = (&self.walk.n.tokens, block.tokens());
        let at = if mentions(&body, &at.to_string()) { quote!(#at) } else { quote!(_) };
        quote!(rows::#function(#n, #[inline(always)] |#at| #body))
    }

    /// The element to be kept in the row of the result before these reductions, if there is one.
    fn worth_keeping(&self, depth: usize, reductions: &[ExprId]) -> Option<ExprId> {
        let written = self.walk.written();
        if self.map.reduced || self.kept.is_some() || reductions.is_empty() || self.walk.is_scalar(written) {
            return None;
        }
        let operands: Vec<ExprId> =
            reductions.iter().flat_map(|&r| self.expr.node(r).kind.operands().collect::<Vec<_>>()).collect();
        let now = self.reached(&operands, None);
        let later = self.reached(&self.later_targets(depth), None);
        let candidates = now.intersection(&later).copied().filter(|&id| {
            let dtype = self.expr.node(id).dtype;
            self.facts.varies(id)
                && self.facts.depth(id) <= depth
                && dtype == self.map.expr.dtype()
                && self.walk.is_direct(written)
                && self.cost(id) >= WORTH_KEEPING
                && self.survives(id, &operands, depth)
        });
        candidates.max_by_key(|&id| (self.cost(id), std::cmp::Reverse(id)))
    }

    /// What is still to be computed after the reductions of this depth.
    fn later_targets(&self, depth: usize) -> Vec<ExprId> {
        let deeper = self
            .expr
            .nodes()
            .filter(|(id, n)| matches!(n.kind, ExprKind::Reduce(..)) && self.facts.depth(*id) > depth + 1);
        let mut targets: Vec<ExprId> =
            deeper.flat_map(|(_, n)| n.kind.operands().collect::<Vec<_>>()).collect();
        targets.push(self.expr.output());
        targets
    }

    /// The nodes that elements of the targets are computed from, not looking beyond `kept`.
    fn reached(&self, targets: &[ExprId], kept: Option<ExprId>) -> BTreeSet<ExprId> {
        let (mut seen, mut stack) = (BTreeSet::new(), targets.to_vec());
        while let Some(id) = stack.pop() {
            if seen.insert(id) && kept != Some(id) && !self.known.contains_key(&id) {
                let node = self.expr.node(id);
                if !matches!(node.kind, ExprKind::Reduce(..)) {
                    stack.extend(node.kind.operands());
                }
            }
        }
        seen
    }

    /// Whether nothing after keeping `id` needs what the result's row held before.
    fn survives(&self, id: ExprId, operands: &[ExprId], depth: usize) -> bool {
        let mut targets = operands.to_vec();
        targets.extend(self.later_targets(depth));
        self.reached(&targets, Some(id)).iter().all(|&node| match self.expr.node(node).kind {
            ExprKind::Input(i) => self.walk.inputs[i] != Some(self.walk.written()) || node == id,
            _ => true,
        })
    }

    fn cost(&self, id: ExprId) -> usize {
        let price = |id: &ExprId| match self.expr.node(*id).kind {
            _ if self.known.contains_key(id) || !self.facts.varies(*id) => 0,
            ExprKind::Unary(Unary::Neg | Unary::Abs | Unary::Not, _) => 1,
            ExprKind::Unary(Unary::Sqrt | Unary::Reciprocal, _) => 4,
            ExprKind::Unary(..) => 10,
            ExprKind::Binary(Binary::Div | Binary::Mod | Binary::Fmod, ..) => 4,
            ExprKind::Binary(Binary::Pow, ..) => 20,
            ExprKind::Binary(..) | ExprKind::Compare(..) | ExprKind::Select(..) => 1,
            _ => 0,
        };
        let nodes = self.reached(&[id], None);
        let load =
            |id: &&ExprId| matches!(self.expr.node(**id).kind, ExprKind::Input(_)) && self.facts.varies(**id);
        let loads = nodes.iter().filter(load).count();
        nodes.iter().map(price).sum::<usize>() + loads.saturating_sub(1)
    }

    fn keep(&mut self, id: ExprId) {
        let (block, mut locals) = (self.block(id), self.read(id));
        locals.insert(self.walk.written());
        let pass = self.walk.innermost(assign(self.walk, self.map, &block));
        self.statements.push(self.around(&locals, pass));
        self.known.insert(id, self.walk.element(self.walk.written()));
        self.kept = Some(id);
    }

    fn output(&mut self) {
        let output = self.expr.output();
        let (block, mut locals) = (self.block(output), self.read(output));
        locals.insert(self.walk.written());
        let store = assign(self.walk, self.map, &block);
        let pass = if self.map.reduced { store } else { self.walk.innermost(store) };
        self.statements.push(if self.map.reduced { pass } else { self.around(&locals, pass) });
    }
}

/// The result of a reduction over nothing.
fn identity(op: Reduction, dtype: DType) -> TokenStream {
    let ty = scalar::stored_type(dtype);
    match op {
        Reduction::Sum | Reduction::Max if dtype == DType::Bool => quote!(false),
        Reduction::Prod | Reduction::Min if dtype == DType::Bool => quote!(true),
        Reduction::Sum => scalar::constant(Scalar::from_i64(dtype, 0), false).tokens,
        Reduction::Prod => scalar::constant(Scalar::from_i64(dtype, 1), false).tokens,
        Reduction::Max if dtype.is_float() => quote!(#ty::NEG_INFINITY),
        Reduction::Min if dtype.is_float() => quote!(#ty::INFINITY),
        Reduction::Max => quote!(#ty::MIN),
        Reduction::Min => quote!(#ty::MAX),
    }
}

fn joined(op: Reduction, dtype: DType, a: &Code, b: &Code) -> TokenStream {
    if dtype == DType::Bool {
        let or = matches!(op, Reduction::Sum | Reduction::Max);
        let (op, binding) = if or { (quote!(|), Binding::Or) } else { (quote!(&), Binding::And) };
        return Code::infix(a, op, b, binding).tokens;
    }
    let function = ident(match op {
        Reduction::Sum => "add",
        Reduction::Prod => "mul",
        Reduction::Max => "max",
        Reduction::Min => "min",
    });
    Code::call(quote!(math::#function), &[a.clone(), b.clone()]).tokens
}

/// Whether a name occurs.
pub(super) fn mentions(tokens: &TokenStream, name: &str) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        proc_macro2::TokenTree::Ident(i) => i == name,
        proc_macro2::TokenTree::Group(g) => mentions(&g.stream(), name),
        _ => false,
    })
}

impl Walk<'_> {
    /// The number of elements of a row.
    fn row_length(&self) -> Code {
        let row = &self.nest.extents[self.nest.outer_axes()..];
        if row.len() == 1 { self.n.clone() } else { self.dims.size(&Dim::product(row)) }
    }
}
