//! Operators whose result's size depends on data: Compress, NonZero, Unique and NonMaxSuppression.
//!
//! The size is a symbol that gets its value from the kernel, which returns how much it found. Memory is planned for as
//! much as there can be.

use crate::diag::{Code, Diagnostic, Reported};
use crate::ir::{Fact, Op};
use crate::lir::{Arg, Place};
use crate::lower::LowerCx;
use crate::types::{DType, Dim, Symbol, TensorType};
use ingrain_kernels::select;

/// Room for `capacity` elements of an output, however many there will be.
fn room(place: Place, capacity: Dim) -> Place {
    Place { len: capacity, ..place }
}

/// Compress: input 0 without the slices of an axis whose condition, input 1, does not hold.
#[derive(Clone, Debug)]
pub(super) struct Compress {
    /// The axis.
    pub axis: usize,
    /// How many slices are left.
    pub count: Symbol,
}

impl Op for Compress {
    fn name(&self) -> &'static str {
        "Compress"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (x, condition) = (inputs[0].ty, inputs[1].ty);
        let longer = |over: Dim| over.as_i64().is_some_and(|over| over > 0);
        if condition.dtype != DType::Bool
            || condition.rank() != 1
            || longer(&condition.shape[0] - &x.shape[self.axis])
        {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("conditions {condition} do not fit axis {} of {x}", self.axis),
            ));
        }
        let mut shape = x.shape.clone();
        shape[self.axis] = Dim::symbol(self.count.clone());
        Ok(vec![TensorType::new(x.dtype, shape)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let (outer, inner) = (Dim::product(&shape[..self.axis]), Dim::product(&shape[self.axis + 1..]));
        let capacity = Dim::product(shape);
        let args = vec![
            Arg::Size(outer),
            Arg::Size(shape[self.axis].clone()),
            Arg::Size(inner),
            Arg::Read("x", cx.dense(0)),
            Arg::Read("condition", cx.dense(1)),
            Arg::Write("y", room(cx.dense_output(0), capacity)),
        ];
        cx.counting_call("select::compress", args, &self.count);
        Ok(())
    }

    fn defines(&self) -> Vec<Symbol> {
        vec![self.count.clone()]
    }
}

/// NonZero: the positions of the elements that are not zero.
#[derive(Clone, Debug)]
pub(super) struct NonZero {
    /// How many there are.
    pub count: Symbol,
}

impl Op for NonZero {
    fn name(&self) -> &'static str {
        "NonZero"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let x = inputs[0].ty;
        if x.rank() > select::MAX_RANK {
            let message = format!("NonZero of {x}, which has more than {} axes", select::MAX_RANK);
            return Err(Diagnostic::new(Code::UnsupportedForm, message));
        }
        // A scalar counts as one axis of one element.
        let shape = vec![Dim::from(x.rank().max(1)), Dim::symbol(self.count.clone())];
        Ok(vec![TensorType::new(DType::I64, shape)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let capacity = &Dim::product(shape) * &Dim::from(shape.len().max(1));
        let dims = shape.iter().cloned().map(Arg::Size).collect();
        let args = vec![
            Arg::Ref(Box::new(Arg::Array(dims))),
            Arg::Read("x", cx.dense(0)),
            Arg::Write("y", room(cx.dense_output(0), capacity)),
        ];
        cx.counting_call("select::nonzero", args, &self.count);
        Ok(())
    }

    fn defines(&self) -> Vec<Symbol> {
        vec![self.count.clone()]
    }
}

/// Unique: the distinct slices of an axis, the place where each stands first, which of them each slice is, and how often
/// each occurs.
#[derive(Clone, Debug)]
pub(super) struct Unique {
    /// The axis.
    pub axis: usize,
    /// Whether they are in ascending order, and not in order of first occurrence.
    pub sorted: bool,
    /// How many there are.
    pub count: Symbol,
}

impl Op for Unique {
    fn name(&self) -> &'static str {
        "Unique"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let x = inputs[0].ty;
        let count = Dim::symbol(self.count.clone());
        let Some(extent) = x.shape.get(self.axis) else {
            return Err(Diagnostic::new(Code::BadInput, format!("{x} has no axis {}", self.axis)));
        };
        let mut shape = x.shape.clone();
        shape[self.axis] = count.clone();
        let list = |n: &Dim| TensorType::new(DType::I64, vec![n.clone()]);
        Ok(vec![TensorType::new(x.dtype, shape), list(&count), list(extent), list(&count)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let shape = &cx.input_type(0).shape;
        let (outer, inner) = (Dim::product(&shape[..self.axis]), Dim::product(&shape[self.axis + 1..]));
        let (n, capacity) = (shape[self.axis].clone(), Dim::product(shape));
        let args = vec![
            Arg::Bool(self.sorted),
            Arg::Size(outer),
            Arg::Size(n.clone()),
            Arg::Size(inner),
            Arg::Read("x", cx.dense(0)),
            Arg::Write("y", room(cx.dense_output(0), capacity)),
            Arg::Write("first", room(cx.dense_output(1), n.clone())),
            Arg::Write("inverse", cx.dense_output(2)),
            Arg::Write("counts", room(cx.dense_output(3), n.clone())),
            Arg::Write("scratch", cx.scratch(DType::U32, n)),
        ];
        cx.counting_call("select::unique", args, &self.count);
        Ok(())
    }

    fn defines(&self) -> Vec<Symbol> {
        vec![self.count.clone()]
    }
}

/// NonMaxSuppression. Inputs: boxes, scores, the largest number for each class, the largest overlap, and the least score
/// if there is one.
#[derive(Clone, Debug)]
pub(super) struct Suppress {
    /// Whether boxes are given by their centers.
    pub center: bool,
    /// The largest number for each image and class that there can be.
    pub most: Dim,
    /// How many are chosen.
    pub count: Symbol,
}

impl Op for Suppress {
    fn name(&self) -> &'static str {
        "Suppress"
    }

    fn infer(&self, inputs: &[Fact<'_>]) -> Result<Vec<TensorType>, Diagnostic> {
        let (boxes, scores) = (inputs[0].ty, inputs[1].ty);
        let fits = boxes.rank() == 3
            && scores.rank() == 3
            && boxes.shape[2].is(4)
            && boxes.shape[0] == scores.shape[0]
            && boxes.shape[1] == scores.shape[2]
            && [boxes, scores].iter().all(|ty| ty.dtype == DType::F32);
        if !fits {
            return Err(Diagnostic::new(
                Code::BadInput,
                format!("boxes {boxes} and scores {scores} are not f32[batch,n,4] and f32[batch,classes,n]"),
            ));
        }
        for (i, dtype) in [(2, DType::I64), (3, DType::F32), (4, DType::F32)] {
            if let Some(fact) = inputs.get(i).filter(|f| f.ty.dtype != dtype || !f.ty.elements().is(1)) {
                let message = format!("input {i} is {}, not one element of type {dtype}", fact.ty);
                return Err(Diagnostic::new(Code::BadInput, message));
            }
        }
        let shape = vec![Dim::symbol(self.count.clone()), Dim::from(3_usize)];
        Ok(vec![TensorType::new(DType::I64, shape)])
    }

    fn lower(&self, cx: &mut LowerCx<'_>) -> Result<(), Reported> {
        let [batch, classes, n] = &cx.input_type(1).shape[..] else {
            return Err(cx.unsupported("scores without classes"));
        };
        let capacity = Dim::product([batch, classes, &self.most, &Dim::from(3_usize)]);
        let shape = Arg::Struct(
            "select::Boxes",
            vec![
                ("batch", Arg::Size(batch.clone())),
                ("classes", Arg::Size(classes.clone())),
                ("count", Arg::Size(n.clone())),
                ("center", Arg::Bool(self.center)),
            ],
        );
        let n = n.clone();
        let scalar = |cx: &mut LowerCx<'_>, i: usize, name| {
            Arg::Apply("select::scalar", vec![Arg::Read(name, cx.dense(i))])
        };
        let least = match cx.input_count() {
            5 => Arg::Some(Box::new(scalar(cx, 4, "score_threshold"))),
            _ => Arg::None,
        };
        let args = vec![
            Arg::Ref(Box::new(shape)),
            Arg::Read("boxes", cx.dense(0)),
            Arg::Read("scores", cx.dense(1)),
            scalar(cx, 2, "max_output_boxes_per_class"),
            scalar(cx, 3, "iou_threshold"),
            least,
            Arg::Write("y", room(cx.dense_output(0), capacity)),
            Arg::Write("scratch", cx.scratch(DType::U32, n)),
        ];
        cx.counting_call("select::non_max_suppression", args, &self.count);
        Ok(())
    }

    fn defines(&self) -> Vec<Symbol> {
        vec![self.count.clone()]
    }
}
