//! All that is known of a model, as JSON has it.

use crate::harness::{Interface, Refusal};
use crate::options::{DimBinding, Options};
use crate::report::{Port, Report, ValueReport, WeightReport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// All that is known of a model.
#[derive(Serialize)]
pub(super) struct Facts {
    pub(super) model: String,
    pub(super) opset: Option<i64>,
    pub(super) inputs: Vec<PortFacts>,
    pub(super) outputs: Vec<PortFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) state: Vec<StateFacts>,
    pub(super) dims: Vec<DimFacts>,
    /// Symbols whose sizes nothing decides, and that were taken to be 1.
    pub(super) assumed_dims: Vec<String>,
    pub(super) operators: BTreeMap<String, usize>,
    pub(super) steps: Vec<StepFacts>,
    /// Steps that compute integers from nothing but sizes.
    pub(super) integer_shape_steps: usize,
    pub(super) context_bytes: u64,
    pub(super) context_lower_bound_bytes: u64,
    pub(super) initializer_bytes: u64,
    pub(super) unique_initializer_bytes: u64,
    pub(super) stored_weight_bytes: u64,
    /// Bytes that are not stored because a content occurs several times in the model.
    pub(super) shared_bytes: u64,
    /// Bytes of constants that are stored in another layout too.
    pub(super) second_form_bytes: u64,
    /// The sets of weights, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) variants: Vec<VariantFacts>,
    pub(super) weights: Vec<WeightFacts>,
    pub(super) values: Vec<ValueFacts>,
    pub(super) macs: u64,
    pub(super) compile_ms: f64,
    pub(super) unsupported: Vec<ProblemFacts>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) dumps: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(super) struct PortFacts {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    pub(super) dtype: String,
    pub(super) shape: Vec<ExtentFacts>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ExtentFacts {
    Number(u64),
    Text(String),
}

#[derive(Serialize)]
pub(super) struct DimFacts {
    pub(super) name: String,
    pub(super) min: i64,
    pub(super) max: i64,
}

#[derive(Serialize)]
pub(super) struct StateFacts {
    pub(super) output: String,
    pub(super) input: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<ExtentFacts>,
    pub(super) bytes: u64,
}

#[derive(Serialize)]
pub(super) struct StepFacts {
    pub(super) what: String,
    pub(super) origins: Vec<String>,
    pub(super) macs: u64,
}

#[derive(Serialize)]
pub(super) struct WeightFacts {
    pub(super) names: Vec<String>,
    pub(super) dtype: &'static str,
    pub(super) shape: Vec<usize>,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) layout: String,
    pub(super) readers: Vec<String>,
    pub(super) second_form: bool,
}

#[derive(Serialize)]
pub(super) struct VariantFacts {
    pub(super) name: String,
    pub(super) added_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct ValueFacts {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) first_step: usize,
    pub(super) last_step: usize,
}

#[derive(Serialize)]
pub(super) struct ProblemFacts {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) node: Option<String>,
    pub(super) index: Option<u64>,
    pub(super) operator: Option<String>,
    pub(super) notes: Vec<String>,
    pub(super) help: Option<String>,
}

pub(super) fn of_report(model: String, report: &Report, assumed_dims: Vec<String>, time: Duration) -> Facts {
    let port = |port: &Port| PortFacts {
        name: port.name.clone(),
        field: Some(port.field.clone()),
        dtype: port.dtype.name().to_owned(),
        shape: port.shape.iter().map(|s| extent(s)).collect(),
    };
    let steps = report.steps.iter().map(|s| StepFacts {
        what: s.what.clone(),
        origins: s.origins.clone(),
        macs: s.macs,
    });
    Facts {
        model,
        opset: Some(report.opset),
        inputs: report.inputs.iter().map(port).collect(),
        outputs: report.outputs.iter().map(port).collect(),
        state: report
            .states
            .iter()
            .map(|s| StateFacts {
                output: s.output.clone(),
                input: s.input.clone(),
                dtype: s.dtype.name().to_owned(),
                shape: s.shape.iter().map(|e| extent(e)).collect(),
                bytes: s.bytes,
            })
            .collect(),
        dims: report
            .dims
            .iter()
            .map(|(name, min, max)| DimFacts { name: name.clone(), min: *min, max: *max })
            .collect(),
        assumed_dims,
        operators: report.operators.iter().cloned().collect(),
        steps: steps.collect(),
        integer_shape_steps: report.size_steps,
        context_bytes: report.context_bytes,
        context_lower_bound_bytes: report.context_lower_bound_bytes,
        initializer_bytes: report.initializer_bytes,
        unique_initializer_bytes: report.unique_initializer_bytes,
        stored_weight_bytes: report.stored_weight_bytes,
        shared_bytes: report.initializer_bytes - report.unique_initializer_bytes,
        second_form_bytes: report.second_form_bytes,
        variants: report
            .variants
            .iter()
            .map(|v| VariantFacts { name: v.name.clone(), added_bytes: v.added_bytes })
            .collect(),
        weights: report.weights.iter().map(weight_facts).collect(),
        values: report.values.iter().map(value_facts).collect(),
        macs: report.macs,
        compile_ms: time.as_secs_f64() * 1e3,
        unsupported: Vec::new(),
        dumps: report.dumps.iter().cloned().collect(),
    }
}

fn weight_facts(weight: &WeightReport) -> WeightFacts {
    WeightFacts {
        names: weight.names.clone(),
        dtype: weight.dtype.name(),
        shape: weight.shape.clone(),
        offset: weight.offset,
        bytes: weight.bytes,
        layout: weight.layout.clone(),
        readers: weight.readers.clone(),
        second_form: weight.second_form,
    }
}

fn value_facts(value: &ValueReport) -> ValueFacts {
    ValueFacts {
        name: value.name.clone(),
        offset: value.offset,
        bytes: value.bytes,
        first_step: value.first,
        last_step: value.last,
    }
}

/// What is known of a model that is not compiled.
pub(super) fn of_interface(
    model: String,
    interface: &Interface,
    options: &Options,
    assumed_dims: Vec<String>,
    refusal: &Refusal,
) -> Facts {
    let port = |declared: &crate::harness::interface::Declared| PortFacts {
        name: declared.name.clone(),
        field: None,
        dtype: declared.dtype().map_or_else(|| declared.type_text(), |d| d.name().to_owned()),
        shape: declared.shape_text().iter().map(|s| extent(s)).collect(),
    };
    let dims = options.dims.iter().map(|(name, binding)| match *binding {
        DimBinding::Fixed(v) => DimFacts { name: name.clone(), min: v, max: v },
        DimBinding::Range(min, max) => DimFacts { name: name.clone(), min, max },
    });
    Facts {
        model,
        opset: None,
        inputs: interface.required().map(port).collect(),
        outputs: interface.outputs.iter().map(port).collect(),
        state: Vec::new(),
        dims: dims.collect(),
        assumed_dims,
        operators: interface.operators.iter().cloned().collect(),
        steps: Vec::new(),
        integer_shape_steps: 0,
        context_bytes: 0,
        context_lower_bound_bytes: 0,
        initializer_bytes: 0,
        unique_initializer_bytes: 0,
        stored_weight_bytes: 0,
        shared_bytes: 0,
        second_form_bytes: 0,
        variants: Vec::new(),
        weights: Vec::new(),
        values: Vec::new(),
        macs: 0,
        compile_ms: 0.0,
        unsupported: problems(refusal),
        dumps: BTreeMap::new(),
    }
}

fn problems(refusal: &Refusal) -> Vec<ProblemFacts> {
    let Refusal::Diagnosed(diagnostics) = refusal else {
        return vec![ProblemFacts {
            code: "E099".to_owned(),
            message: refusal.to_string(),
            node: None,
            index: None,
            operator: None,
            notes: Vec::new(),
            help: None,
        }];
    };
    let facts = diagnostics.iter().map(|d| ProblemFacts {
        code: format!("E{:03}", d.code as u32),
        message: d.message.clone(),
        node: d.origin.as_ref().map(|o| o.name.to_string()),
        index: d.origin.as_ref().map(|o| o.index as u64),
        operator: d.origin.as_ref().map(|o| o.op.to_string()),
        notes: d.notes.clone(),
        help: d.help.clone(),
    });
    facts.collect()
}

fn extent(text: &str) -> ExtentFacts {
    text.parse().map_or_else(|_| ExtentFacts::Text(text.to_owned()), ExtentFacts::Number)
}

impl ExtentFacts {
    pub(super) fn text(&self) -> String {
        match self {
            ExtentFacts::Number(n) => n.to_string(),
            ExtentFacts::Text(text) => text.clone(),
        }
    }
}
