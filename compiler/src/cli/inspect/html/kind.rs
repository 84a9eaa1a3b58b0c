//! What a step is for, told by the ONNX operators it computes; and to which layer of the network a name belongs.

/// The kinds that pictures tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Convolution,
    Product,
    Attention,
    Recurrent,
    Reduction,
    Pointwise,
    Pooling,
    Movement,
    Control,
    State,
    Scratch,
    Other,
}

impl Kind {
    pub(super) const ALL: [Kind; 12] = [
        Kind::Convolution,
        Kind::Product,
        Kind::Attention,
        Kind::Recurrent,
        Kind::Reduction,
        Kind::Pointwise,
        Kind::Pooling,
        Kind::Movement,
        Kind::Control,
        Kind::State,
        Kind::Scratch,
        Kind::Other,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Convolution => "convolution",
            Kind::Product => "matrix product",
            Kind::Attention => "attention",
            Kind::Recurrent => "recurrent",
            Kind::Reduction => "normalisation, reduction",
            Kind::Pointwise => "pointwise",
            Kind::Pooling => "pooling, resizing",
            Kind::Movement => "gather, copy",
            Kind::Control => "control flow",
            Kind::State => "state",
            Kind::Scratch => "scratch of kernels",
            Kind::Other => "other",
        }
    }

    pub(super) fn class(self) -> String {
        format!("k{}", self as usize)
    }

    /// For light and for dark paper.
    pub(super) fn colours(self) -> (&'static str, &'static str) {
        match self {
            Kind::Convolution => ("#7fb0e6", "#6ea3de"),
            Kind::Product => ("#f3ad6a", "#e09a55"),
            Kind::Attention => ("#b99ae0", "#a98ad2"),
            Kind::Recurrent => ("#74c7be", "#62b5ac"),
            Kind::Reduction => ("#94cc8a", "#83ba79"),
            Kind::Pointwise => ("#ecd574", "#d6bf60"),
            Kind::Pooling => ("#eda0b8", "#d98da5"),
            Kind::Movement => ("#b3bfcc", "#8f9dad"),
            Kind::Control => ("#d8b59c", "#c29f86"),
            Kind::State => ("#9fa8f0", "#8d97e0"),
            Kind::Scratch => ("#dcdfe4", "#5d6877"),
            Kind::Other => ("#c9c3b8", "#a09a8f"),
        }
    }

    /// The kind of a step with these origins, each an operator followed by the name of its node. What costs most
    /// decides.
    pub(super) fn of_origins<'a>(origins: impl Iterator<Item = &'a String> + Clone) -> Kind {
        let all = || origins.clone().map(|origin| Kind::of_operator(origin.split(' ').next().unwrap_or("")));
        let has = |kind| all().any(|k| k == kind);
        let softmax = origins.clone().any(|origin| origin.starts_with("Softmax"));
        let products = all().filter(|k| *k == Kind::Product).count();
        if has(Kind::Attention) || softmax && products > 1 {
            return Kind::Attention;
        }
        all().min().unwrap_or(Kind::Other)
    }

    fn of_operator(operator: &str) -> Kind {
        match operator {
            "If" | "Loop" | "Scan" => return Kind::Control,
            "LSTM" | "GRU" | "RNN" => return Kind::Recurrent,
            "Softmax" | "LogSoftmax" | "Hardmax" | "LRN" | "CumSum" | "ArgMax" | "ArgMin" => {
                return Kind::Reduction;
            }
            "Upsample" | "GridSample" | "RoiAlign" => return Kind::Pooling,
            "Concat" | "Split" | "Slice" | "Transpose" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze"
            | "Expand" | "Tile" | "Pad" | "Identity" | "TopK" | "OneHot" | "Unique" | "Compress"
            | "NonZero" | "NonMaxSuppression" | "DepthToSpace" | "SpaceToDepth" | "Range" | "Constant"
            | "ConstantOfShape" | "Shape" | "Trilu" => {
                return Kind::Movement;
            }
            _ => {}
        }
        let holds = |parts: &[&str]| parts.iter().any(|part| operator.contains(part));
        match () {
            () if holds(&["Attention"]) => Kind::Attention,
            () if holds(&["Conv"]) => Kind::Convolution,
            () if holds(&["MatMul", "Gemm", "Einsum"]) => Kind::Product,
            () if holds(&["Normalization", "Reduce", "Norm"]) => Kind::Reduction,
            () if holds(&["Pool", "Resize"]) => Kind::Pooling,
            () if holds(&["Gather", "Scatter"]) => Kind::Movement,
            () if operator.is_empty() => Kind::Other,
            () => Kind::Pointwise,
        }
    }
}

/// The part of a name that its neighbours share: all up to the first number in it, else all but its last word.
pub(super) fn layer(name: &str) -> String {
    let parts: Vec<&str> = name.split(['.', '/']).filter(|part| !part.is_empty()).collect();
    let numbered = |part: &&str| part.bytes().last().is_some_and(|b| b.is_ascii_digit());
    match parts.iter().position(numbered) {
        Some(at) => parts[..=at].join("."),
        None if parts.len() < 2 => parts.first().copied().unwrap_or(name).to_owned(),
        None => parts[..parts.len() - 1].join("."),
    }
}

/// The name of the node in the text of an origin.
pub(super) fn node(origin: &str) -> &str {
    origin.split('"').nth(1).unwrap_or(origin)
}
