//! Diagnostics: everything that is wrong with a model, told to the person who holds it.
//!
//! A [`Diagnostics`] is a sink passed down the pipeline. A function that fails records what is wrong and returns
//! [`Reported`], a proof that something was recorded; stages go on past a bad node, so that one run lists all problems.

mod render;

use crate::types::Origin;
use std::fmt;

/// Proof that a diagnostic was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported(());

/// What kind of problem a diagnostic tells of. The number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// The file cannot be read as an ONNX model.
    BadFile = 1,
    /// The model contradicts the ONNX specification (cycles, undefined values, duplicate names).
    BadModel = 2,
    /// External data is missing, too short or outside the model's folder.
    BadExternalData = 3,
    /// No room knows this operator.
    UnsupportedOperator = 4,
    /// The operator is known, not this attribute, attribute value, or combination.
    UnsupportedForm = 5,
    /// The operator is known, not for this element type.
    UnsupportedType = 6,
    /// An attribute is missing, of the wrong type, or out of range.
    BadAttribute = 7,
    /// Inputs do not fit together or to the operator.
    BadInput = 8,
    /// A symbolic dimension has no value or bound.
    UnboundDim = 9,
    /// An option of the compiler does not fit the model.
    BadOption = 10,
    /// A size does not fit the address space or a budget.
    TooLarge = 11,
    /// A value that must be known at compile time is not.
    NotConstant = 12,
    /// A defect of the compiler itself.
    Internal = 99,
}

/// One of the user's options: the name of the option, and which entry of it (`dims`, `seq`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionPlace {
    /// `dims`, …
    pub name: &'static str,
    /// What the entry is for, as the user wrote it.
    pub entry: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The model's file name; filled in by the sink.
    pub model: String,
    /// Kind of problem.
    pub code: Code,
    /// What is wrong, in one lower-case sentence.
    pub message: String,
    /// The node it is about.
    pub origin: Option<Origin>,
    /// The option it is about.
    pub option: Option<OptionPlace>,
    /// Facts that help to see why: input types, where they come from, what is supported.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// The dimension that has no bound, if that is the problem.
    pub unbound: Option<String>,
    /// The inputs of the model whose values would have to be known at compile time, if that is the problem.
    pub open: Vec<String>,
}

impl Diagnostic {
    /// A problem of this kind.
    pub fn new(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            model: String::new(),
            code,
            message: message.into(),
            origin: None,
            option: None,
            notes: Vec::new(),
            help: None,
            unbound: None,
            open: Vec::new(),
        }
    }

    /// Says which node it is about.
    #[must_use]
    pub fn at(mut self, origin: &Origin) -> Diagnostic {
        self.origin = Some(origin.clone());
        self
    }

    /// Says which option it is about.
    #[must_use]
    pub fn about(mut self, name: &'static str, entry: impl Into<String>) -> Diagnostic {
        self.option = Some(OptionPlace { name, entry: entry.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// Says which dimension has no bound.
    #[must_use]
    pub fn unbound(mut self, dim: &str) -> Diagnostic {
        self.unbound = Some(dim.to_owned());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}

/// All problems of a model.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    model: String,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// An empty sink for the model called `model` (its file name, in messages).
    pub fn new(model: impl Into<String>) -> Diagnostics {
        Diagnostics { model: model.into(), list: Vec::new() }
    }

    /// Records a problem.
    pub fn report(&mut self, mut diagnostic: Diagnostic) -> Reported {
        if diagnostic.model.is_empty() {
            diagnostic.model.clone_from(&self.model);
        }
        if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
        Reported(())
    }

    /// The model's name in messages.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Takes over the problems of another model.
    pub fn append(&mut self, other: Diagnostics) {
        self.list.extend(other.list);
    }

    /// `Err` with all problems if there are any.
    pub fn into_result(self) -> Result<(), Diagnostics> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        render::render(self, f)
    }
}

impl std::error::Error for Diagnostics {}
