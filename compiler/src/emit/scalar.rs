//! Scalar expressions as Rust.
//!
//! Truth values are `bool` inside an expression and bytes in memory; half precisions are `f32` inside. Every operation
//! means what [`crate::expr::evaluate`] says and none can panic. What is used twice, or long, becomes a `let`.

use super::code::{Binding, Code, ident};
use crate::expr::{Binary, Compare, Expr, ExprId, ExprKind, Unary};
use crate::types::{DType, Dim, Scalar};
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use std::collections::BTreeMap;

/// An operand longer than this gets a line of its own.
const LONGEST_OPERAND: usize = 56;

/// What the leaves of an expression are at one point of the iteration space.
pub(super) struct Leaves<'a> {
    /// The elements of the inputs, as they are inside expressions.
    pub input: &'a dyn Fn(usize, DType) -> Code,
    /// The index along an axis, as `i64`.
    pub index: &'a dyn Fn(usize) -> Code,
    /// The number of elements of a row, as `usize`.
    pub row_length: &'a Code,
    /// A dimension as `isize`.
    pub size: &'a dyn Fn(&Dim) -> Code,
    /// Nodes that were computed before.
    pub known: &'a BTreeMap<ExprId, Code>,
}

/// The statements that compute a value, and the value.
pub(super) struct Block {
    /// `let` statements.
    pub lets: Vec<TokenStream>,
    /// The value.
    pub value: Code,
}

impl Block {
    /// The block as the body of a closure or assignment: braces only if there are statements.
    pub(super) fn tokens(&self) -> TokenStream {
        let (lets, value) = (&self.lets, &self.value.tokens);
        if lets.is_empty() { quote!(#value) } else { quote!({ #(#lets)* #value }) }
    }
}

/// The Rust type of an element in memory.
pub(super) fn stored_type(dtype: DType) -> TokenStream {
    match dtype {
        DType::Bool => quote!(u8),
        DType::F16 => quote!(::ingrain::f16),
        DType::BF16 => quote!(::ingrain::bf16),
        other => {
            let name = ident(other.name());
            quote!(#name)
        }
    }
}

/// The type in which an element is computed with.
pub(super) fn computed(dtype: DType) -> DType {
    if matches!(dtype, DType::F16 | DType::BF16) { DType::F32 } else { dtype }
}

fn computed_type(dtype: DType) -> TokenStream {
    match computed(dtype) {
        DType::Bool => quote!(bool),
        other => stored_type(other),
    }
}

/// Whether elements are in memory as they are computed with.
pub(super) fn is_direct(dtype: DType) -> bool {
    !matches!(dtype, DType::F16 | DType::BF16 | DType::Bool)
}

/// An element in memory as expressions compute with it.
pub(super) fn loaded(dtype: DType, element: &Code) -> Code {
    match dtype {
        DType::Bool => Code::infix(element, quote!(!=), &Code::count(0), Binding::Compare),
        DType::F16 | DType::BF16 => {
            let (ty, element) = (stored_type(dtype), &element.tokens);
            Code::tight(quote!(math::cast::<#ty, f32>(#element)))
        }
        _ => element.clone(),
    }
}

/// A computed value as it is stored in memory.
pub(super) fn stored(dtype: DType, value: &Code) -> Code {
    let tokens = &value.tokens;
    match dtype {
        DType::Bool => Code::tight(quote!(u8::from(#tokens))),
        DType::F16 | DType::BF16 => {
            let ty = stored_type(dtype);
            Code::tight(quote!(math::cast::<f32, #ty>(#tokens)))
        }
        _ => value.clone(),
    }
}

/// The value of `target`, computed from what is known.
pub(super) fn block(expr: &Expr, target: ExprId, leaves: &Leaves<'_>) -> Block {
    let mut uses: BTreeMap<ExprId, usize> = BTreeMap::new();
    let mut stack = vec![target];
    while let Some(id) = stack.pop() {
        let seen = uses.entry(id).or_insert(0);
        *seen += 1;
        if *seen == 1 && !leaves.known.contains_key(&id) {
            stack.extend(operands(expr, id));
        }
    }
    let mut writer = Writer { expr, leaves, values: BTreeMap::new(), lets: Vec::new(), typed: None };
    for (&id, &count) in &uses {
        let value = writer.node(id);
        let branch = uses.keys().any(|&user| match expr.node(user).kind {
            // Both sides are computed first, so that the choice between them is one instruction.
            ExprKind::Select(_, a, b) => (a == id || b == id) && !leaves.known.contains_key(&user),
            _ => false,
        });
        let long = value.tokens.to_string().len() > LONGEST_OPERAND || branch;
        let leaf = operands(expr, id).is_empty() && !matches!(value.binding, Binding::Compare)
            || leaves.known.contains_key(&id);
        let cheap = leaf
            && !(branch && value.tokens.to_string().contains('['))
            && !value.tokens.to_string().starts_with("math");
        let value = if id != target && (count > 1 || long) && !cheap { writer.bind(value) } else { value };
        writer.values.insert(id, value);
    }
    let value = writer.values.remove(&target).unwrap_or_else(|| Code::count(0));
    Block { lets: writer.lets, value }
}

/// The operands that a pass over elements computes; reductions are always known before.
fn operands(expr: &Expr, id: ExprId) -> Vec<ExprId> {
    match expr.node(id).kind {
        ExprKind::Reduce(..) => Vec::new(),
        kind => kind.operands().collect(),
    }
}

struct Writer<'a> {
    expr: &'a Expr,
    leaves: &'a Leaves<'a>,
    values: BTreeMap<ExprId, Code>,
    lets: Vec<TokenStream>,
    /// The constant that must carry its type since nothing beside it does.
    typed: Option<ExprId>,
}

impl Writer<'_> {
    fn bind(&mut self, value: Code) -> Code {
        let name = Code::name(&format!("t{}", self.lets.len() + 1));
        let (left, right) = (&name.tokens, value.tokens);
        self.lets.push(quote!(let #left = #right;));
        name
    }

    fn value(&self, id: ExprId) -> Code {
        match self.expr.node(id).kind {
            ExprKind::Const(s) if !self.leaves.known.contains_key(&id) => constant(s, self.typed == Some(id)),
            _ => self.values.get(&id).cloned().unwrap_or_else(|| Code::count(0)),
        }
    }

    fn node(&mut self, id: ExprId) -> Code {
        if let Some(known) = self.leaves.known.get(&id) {
            return known.clone();
        }
        let node = self.expr.node(id);
        match node.kind {
            ExprKind::Input(i) => (self.leaves.input)(i, node.dtype),
            ExprKind::Const(s) => constant(s, false),
            ExprKind::Index(axis) => (self.leaves.index)(axis),
            ExprKind::RowLength => row_length(self.leaves.row_length, node.dtype),
            ExprKind::Size(dim) => (self.leaves.size)(&dim).cast(computed_type(node.dtype)),
            ExprKind::Unary(op, a) => self.unary(op, a),
            ExprKind::Binary(op, a, b) => self.binary(op, a, b),
            ExprKind::Compare(op, a, b) => {
                let op = match op {
                    Compare::Equal => quote!(==),
                    Compare::Less => quote!(<),
                    Compare::LessOrEqual => quote!(<=),
                    Compare::Greater => quote!(>),
                    Compare::GreaterOrEqual => quote!(>=),
                };
                Code::infix(&self.value(a), op, &self.value(b), Binding::Compare)
            }
            ExprKind::Select(c, a, b) => {
                self.typed = Some(a);
                let (c, a, b) = (self.value(c).tokens, self.value(a).tokens, self.value(b).tokens);
                self.typed = None;
                Code::loose(quote!(if #c { #a } else { #b }))
            }
            ExprKind::Cast(a) => cast(&self.value(a), self.expr.node(a).dtype, node.dtype),
            // Known wherever it can be used; an expression without its reductions has no value.
            ExprKind::Reduce(..) => Code::count(0),
        }
    }

    fn unary(&self, op: Unary, of: ExprId) -> Code {
        let dtype = self.expr.node(of).dtype;
        let x = self.value(of);
        let math = |name: &str| {
            let name = ident(name);
            Code::call(quote!(math::#name), std::slice::from_ref(&x))
        };
        match op {
            Unary::Not if dtype.is_float() => return x,
            Unary::Not => return Code::prefix(quote!(!), &x),
            Unary::IsNan if dtype.is_float() => return math("is_nan"),
            Unary::IsNan => return Code::tight(quote!(false)),
            Unary::Neg if dtype.is_float() => return Code::prefix(quote!(-), &x),
            Unary::Reciprocal if dtype.is_float() => {
                let one = constant(Scalar::from_f64(computed(dtype), 1.0), false);
                return Code::infix(&one, quote!(/), &x, Binding::Product);
            }
            Unary::Neg | Unary::Abs | Unary::Sign if dtype != DType::Bool => return math(function(op)),
            Unary::Floor | Unary::Ceil | Unary::Round if !dtype.is_float() => return x,
            _ if dtype.is_float() => return math(function(op)),
            _ => {}
        }
        // The rest is defined for numbers of any kind by way of f64.
        let wide = cast(&x, dtype, DType::F64);
        let function = ident(function(op));
        cast(&Code::call(quote!(math::#function), &[wide]), DType::F64, dtype)
    }

    fn binary(&self, op: Binary, a: ExprId, b: ExprId) -> Code {
        let dtype = self.expr.node(a).dtype;
        let (x, y) = (self.value(a), self.value(b));
        let infix = |op: TokenStream, binding: Binding| Code::infix(&x, op, &y, binding);
        let name = match op {
            Binary::And | Binary::Mul | Binary::Min if dtype == DType::Bool => {
                return infix(quote!(&), Binding::And);
            }
            Binary::Or | Binary::Add | Binary::Max if dtype == DType::Bool => {
                return infix(quote!(|), Binding::Or);
            }
            _ if dtype == DType::Bool => return infix(quote!(^), Binding::Xor),
            Binary::Add if dtype.is_float() => return infix(quote!(+), Binding::Sum),
            Binary::Sub if dtype.is_float() => return infix(quote!(-), Binding::Sum),
            Binary::Mul if dtype.is_float() => return infix(quote!(*), Binding::Product),
            Binary::Div if dtype.is_float() => return infix(quote!(/), Binding::Product),
            Binary::And if dtype.is_int() => return infix(quote!(&), Binding::And),
            Binary::Or if dtype.is_int() => return infix(quote!(|), Binding::Or),
            Binary::Xor if dtype.is_int() => return infix(quote!(^), Binding::Xor),
            Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight
                if dtype.is_float() =>
            {
                return constant(Scalar::Float(computed(dtype), f64::NAN), true);
            }
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Mod => "modulo",
            Binary::Fmod => "rem",
            Binary::Pow => "pow",
            Binary::Min => "min",
            Binary::Max => "max",
            Binary::And => "and",
            Binary::Or => "or",
            Binary::Xor => "xor",
            Binary::ShiftLeft => "shl",
            Binary::ShiftRight => "shr",
        };
        let name = ident(name);
        Code::call(quote!(math::#name), &[x, y])
    }
}

/// The function of `kernels::math`.
fn function(op: Unary) -> &'static str {
    match op {
        Unary::Neg => "neg",
        Unary::Abs => "abs",
        Unary::Sign => "sign",
        Unary::Reciprocal => "reciprocal",
        Unary::Sqrt => "sqrt",
        Unary::Exp => "exp",
        Unary::Log => "log",
        Unary::Sin => "sin",
        Unary::Cos => "cos",
        Unary::Tan => "tan",
        Unary::Asin => "asin",
        Unary::Acos => "acos",
        Unary::Atan => "atan",
        Unary::Sinh => "sinh",
        Unary::Cosh => "cosh",
        Unary::Tanh => "tanh",
        Unary::Asinh => "asinh",
        Unary::Acosh => "acosh",
        Unary::Atanh => "atanh",
        Unary::Sigmoid => "sigmoid",
        Unary::Erf => "erf",
        Unary::Floor => "floor",
        Unary::Ceil => "ceil",
        Unary::Round => "round_ties_even",
        Unary::IsNan => "is_nan",
        Unary::Not => "not",
    }
}

fn row_length(length: &Code, dtype: DType) -> Code {
    let literal = length.tokens.to_string().parse::<u32>().ok();
    match literal {
        Some(n) => constant(Scalar::from_i64(computed(dtype), i64::from(n)), false),
        None => length.cast(computed_type(dtype)),
    }
}

/// Conversion as the operator Cast does it.
pub(super) fn cast(value: &Code, from: DType, to: DType) -> Code {
    if from == to {
        return value.clone();
    }
    match to {
        DType::Bool => {
            let zero = constant(Scalar::from_i64(computed(from), 0), false);
            return Code::infix(value, quote!(!=), &zero, Binding::Compare);
        }
        DType::F16 | DType::BF16 => {
            let (half, source) = (stored_type(to), computed_type(from));
            let wide = if from == DType::Bool { cast(value, from, DType::F32) } else { value.clone() };
            let source = if from == DType::Bool { quote!(f32) } else { source };
            let rounded = Code::call(quote!(math::cast::<#source, #half>), &[wide]);
            return Code::call(quote!(math::cast::<#half, f32>), &[rounded]);
        }
        _ => {}
    }
    let ty = computed_type(to);
    if from == DType::Bool {
        return Code::call(quote!(#ty::from), std::slice::from_ref(value));
    }
    if computed(from) == to { value.clone() } else { value.cast(ty) }
}

/// A constant. `typed` where nothing around it says of which type it is.
pub(super) fn constant(value: Scalar, typed: bool) -> Code {
    let dtype = computed(value.dtype());
    let ty = computed_type(dtype);
    let code = match value {
        Scalar::Bool(v) => return Code::tight(quote!(#v)),
        Scalar::Int(DType::U64, v) => {
            let literal = Literal::u64_unsuffixed(v.cast_unsigned());
            Code::tight(quote!(#literal))
        }
        Scalar::Int(_, v) => Code::int(v),
        Scalar::Float(_, v) if v.is_nan() => return Code::tight(quote!(#ty::NAN)),
        Scalar::Float(_, v) if v.is_infinite() => {
            let name = ident(if v > 0.0 { "INFINITY" } else { "NEG_INFINITY" });
            return Code::tight(quote!(#ty::#name));
        }
        Scalar::Float(_, v) if dtype == DType::F32 && v.abs() == f64::from(f32::MAX) => {
            let name = ident(if v > 0.0 { "MAX" } else { "MIN" });
            return Code::tight(quote!(#ty::#name));
        }
        Scalar::Float(_, v) if dtype == DType::F64 && v.abs() == f64::MAX => {
            let name = ident(if v > 0.0 { "MAX" } else { "MIN" });
            return Code::tight(quote!(#ty::#name));
        }
        Scalar::Float(_, v) => {
            let magnitude = v.abs();
            let literal = if dtype == DType::F32 {
                Literal::f32_unsuffixed(magnitude as f32)
            } else {
                Literal::f64_unsuffixed(magnitude)
            };
            let code = Code::tight(quote!(#literal));
            if v.is_sign_negative() { Code::prefix(quote!(-), &code) } else { code }
        }
    };
    if typed { suffixed(&code, &ty) } else { code }
}

/// `1_f32`, `-1.0_f32`
fn suffixed(code: &Code, ty: &TokenStream) -> Code {
    let text = format!("{}_{}", code.tokens.to_string().replace(' ', ""), ty);
    match text.parse::<TokenStream>() {
        Ok(tokens) => Code { tokens, binding: code.binding },
        Err(_) => code.clone(),
    }
}
