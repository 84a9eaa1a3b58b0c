//! Changes to models: of their messages, so that the result is often still a model, and of their bytes.

use super::random::Random;
use ingrain_compiler::import::proto::{
    AttributeProto, AttributeType, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TypeValue, ValueInfoProto,
};
use ingrain_compiler::ops;

/// Changes one thing.
pub fn message(model: &mut ModelProto, random: &mut Random) {
    if random.one_in(20) {
        let version = i64::try_from(random.below(30)).unwrap_or(0);
        let domain = (*random.pick(&["", "ai.onnx", "ai.onnx.ml", "com.microsoft"])).to_owned();
        let import = OperatorSetIdProto { domain: Some(domain), version: Some(version) };
        match random.pick_mut(&mut model.opset_import) {
            Some(old) => *old = import,
            None => model.opset_import.push(import),
        }
        return;
    }
    if let Some(graph) = &mut model.graph {
        in_graph(graph, random);
    }
}

/// Appends the nodes of another model, reading one of this model's values.
pub fn append(model: &mut ModelProto, other: &ModelProto, random: &mut Random) {
    let (Some(graph), Some(other)) = (&mut model.graph, &other.graph) else { return };
    let rename = |name: &str| if name.is_empty() { String::new() } else { format!("{name}'") };
    let from = value_name(graph, random);
    let replaced = other.input.first().and_then(|i| i.name.clone()).unwrap_or_default();
    for node in &other.node {
        let mut node = node.clone();
        for input in &mut node.input {
            *input = if *input == replaced { from.clone() } else { rename(input) };
        }
        node.output.iter_mut().for_each(|o| *o = rename(o));
        graph.node.push(node);
    }
    for tensor in &other.initializer {
        let mut tensor = tensor.clone();
        tensor.name = tensor.name.as_deref().map(rename);
        graph.initializer.push(tensor);
    }
    let values = |infos: &[ValueInfoProto]| {
        infos
            .iter()
            .map(|info| ValueInfoProto { name: info.name.as_deref().map(rename), ..info.clone() })
            .collect()
    };
    let (inputs, outputs): (Vec<_>, Vec<_>) =
        (values(other.input.get(1..).unwrap_or(&[])), values(&other.output));
    graph.input.extend(inputs);
    graph.output.extend(outputs);
}

/// Changes, adds, removes or repeats some bytes.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, random.number().to_le_bytes()[0]),
            3 => bytes[at] = *random.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            4 => {
                let end = (at + random.below(16)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
}

fn in_graph(graph: &mut GraphProto, random: &mut Random) {
    match random.below(16) {
        0..=5 => {
            let name = value_name(graph, random);
            if let Some(node) = random.pick_mut(&mut graph.node) {
                in_node(node, name, random);
            }
        }
        6 | 7 => {
            if let Some(info) = random.pick_mut(&mut graph.input) {
                in_value(info, random);
            }
        }
        8..=10 => {
            if let Some(tensor) = random.pick_mut(&mut graph.initializer) {
                in_tensor(tensor, random);
            }
        }
        11 => {
            // An input becomes a constant or the other way round.
            if random.one_in(2) && !graph.initializer.is_empty() {
                let at = random.below(graph.initializer.len());
                graph.initializer.remove(at);
            } else if let Some(info) = random.pick_mut(&mut graph.input) {
                let mut tensor = TensorProto { name: info.name.clone(), ..TensorProto::default() };
                in_tensor(&mut tensor, random);
                graph.initializer.push(tensor);
            }
        }
        12 => {
            let name = Some(value_name(graph, random));
            if random.one_in(2) && !graph.output.is_empty() {
                graph.output.pop();
            } else {
                graph.output.push(ValueInfoProto { name, r#type: None });
            }
        }
        13 => {
            let from = random.below(graph.node.len());
            let to = random.below(graph.node.len());
            if !graph.node.is_empty() {
                graph.node.swap(from, to);
            }
        }
        14 => {
            if let Some(node) = random.pick_mut(&mut graph.node) {
                let copy = node.clone();
                graph.node.push(copy);
            }
        }
        _ => {
            if let Some(info) = random.pick_mut(&mut graph.output) {
                in_value(info, random);
            }
        }
    }
}

fn value_name(graph: &GraphProto, random: &mut Random) -> String {
    let inputs = graph.input.iter().filter_map(|v| v.name.clone());
    let outputs = graph.node.iter().flat_map(|n| n.output.iter().cloned());
    let constants = graph.initializer.iter().filter_map(|t| t.name.clone());
    let names: Vec<String> = inputs.chain(outputs).chain(constants).collect();
    if names.is_empty() { String::new() } else { random.pick(&names).clone() }
}

fn in_node(node: &mut NodeProto, value: String, random: &mut Random) {
    match random.below(12) {
        0..=4 if !node.attribute.is_empty() => {
            if let Some(attribute) = random.pick_mut(&mut node.attribute) {
                in_attribute(attribute, random);
            }
        }
        5 if !node.attribute.is_empty() => {
            let at = random.below(node.attribute.len());
            node.attribute.remove(at);
        }
        6 => {
            let names =
                ["axis", "axes", "to", "keepdims", "mode", "perm", "value", "group", "pads", "strides"];
            let mut attribute =
                AttributeProto { name: Some((*random.pick(&names)).into()), ..Default::default() };
            attribute.set_type(*random.pick(&[
                AttributeType::Int,
                AttributeType::Ints,
                AttributeType::String,
            ]));
            in_attribute(&mut attribute, random);
            node.attribute.push(attribute);
        }
        7 => {
            let all: Vec<_> = ops::all().collect();
            if !all.is_empty() {
                let op = random.pick(&all);
                node.op_type = Some(op.name.to_owned());
                node.domain = Some(op.domain.to_owned());
            }
        }
        8 => node.input.push(value),
        9 => drop(node.input.pop()),
        10 => node.output.push(format!("{value}+")),
        _ => {
            if let Some(input) = random.pick_mut(&mut node.input) {
                *input = if random.one_in(4) { String::new() } else { value };
            }
        }
    }
}

fn in_attribute(attribute: &mut AttributeProto, random: &mut Random) {
    const STRINGS: [&str; 14] = [
        "SAME_UPPER",
        "SAME_LOWER",
        "VALID",
        "NOTSET",
        "linear",
        "nearest",
        "cubic",
        "constant",
        "reflect",
        "edge",
        "wrap",
        "ij,jk->ik",
        "...",
        "\u{fffd}",
    ];
    match attribute.r#type() {
        AttributeType::Int => attribute.i = Some(random.integer()),
        AttributeType::Float => attribute.f = Some(random.float()),
        AttributeType::String => attribute.s = Some(random.pick(&STRINGS).as_bytes().into()),
        AttributeType::Ints => integers(&mut attribute.ints, random),
        AttributeType::Floats => {
            let float = random.float();
            match random.pick_mut(&mut attribute.floats) {
                Some(old) => *old = float,
                None => attribute.floats.push(float),
            }
        }
        AttributeType::Tensor => {
            if let Some(t) = &mut attribute.t {
                in_tensor(t, random);
            }
        }
        AttributeType::Graph => {
            if let Some(g) = &mut attribute.g {
                in_graph(g, random);
            }
        }
        _ => attribute.set_type(AttributeType::Int),
    }
}

fn integers(list: &mut Vec<i64>, random: &mut Random) {
    let value = random.integer();
    match random.below(6) {
        0 => list.push(value),
        1 => drop(list.pop()),
        _ => match random.pick_mut(list) {
            Some(old) => *old = value,
            None => list.push(value),
        },
    }
}

fn in_value(info: &mut ValueInfoProto, random: &mut Random) {
    let Some(TypeValue::TensorType(ty)) = info.r#type.as_mut().and_then(|t| t.value.as_mut()) else { return };
    let shape = ty.shape.get_or_insert_default();
    match random.below(5) {
        0 => ty.elem_type = Some(element_type(random)),
        1 => drop(shape.dim.pop()),
        2 => shape.dim.push(dimension(random)),
        _ => {
            let dim = dimension(random);
            if let Some(old) = random.pick_mut(&mut shape.dim) {
                *old = dim;
            }
        }
    }
}

fn element_type(random: &mut Random) -> i32 {
    let codes = if random.one_in(8) { 40 } else { 14 };
    i32::try_from(random.below(codes)).unwrap_or(1)
}

fn dimension(random: &mut Random) -> Dimension {
    let value = match random.below(6) {
        0 => {
            Some(DimensionValue::DimParam((*random.pick(&["N", "M", "batch", "2*N", "seq len"])).to_owned()))
        }
        1 => None,
        _ => Some(DimensionValue::DimValue(random.integer())),
    };
    Dimension { value, denotation: None }
}

/// Changes a constant; mostly to one whose data fit its shape.
fn in_tensor(tensor: &mut TensorProto, random: &mut Random) {
    match random.below(8) {
        0 => tensor.data_type = Some(element_type(random)),
        1 => tensor.data_location = Some(1),
        2 => {
            let facts = [("location", "zeros".to_owned()), ("offset", random.integer().to_string())];
            tensor.data_location = Some(1);
            tensor.external_data = facts
                .into_iter()
                .map(|(key, value)| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) })
                .collect();
            return;
        }
        3 => return integers(&mut tensor.dims, random),
        4 => {
            let value = random.integer();
            if let Some(old) = random.pick_mut(&mut tensor.int64_data) {
                *old = value;
            }
            return;
        }
        5 => {
            let value = random.float();
            if let Some(old) = random.pick_mut(&mut tensor.float_data) {
                *old = value;
            }
            return;
        }
        6 => tensor.dims.push(i64::try_from(random.below(4)).unwrap_or(1)),
        _ => drop(tensor.dims.pop()),
    }
    fill(tensor, random);
}

fn fill(tensor: &mut TensorProto, random: &mut Random) {
    const MOST: usize = 4096;
    let size = match tensor.data_type {
        Some(1 | 6 | 12) => 4,
        Some(7 | 11 | 13) => 8,
        Some(4 | 5 | 10 | 16) => 2,
        _ => 1,
    };
    let elements = tensor.dims.iter().try_fold(1, |n: usize, &d| n.checked_mul(usize::try_from(d).ok()?));
    let Some(len) = elements.and_then(|n| n.checked_mul(size)).filter(|&n| n <= MOST) else { return };
    let mut raw = vec![0; len];
    if random.one_in(2) {
        for chunk in raw.chunks_mut(size) {
            chunk[0] = random.number().to_le_bytes()[0] & 7;
        }
    }
    *tensor = TensorProto {
        name: tensor.name.take(),
        dims: std::mem::take(&mut tensor.dims),
        data_type: tensor.data_type,
        raw_data: Some(raw.into()),
        ..TensorProto::default()
    };
}
