//! ONNX text syntax to models: the language of tests, examples in documentation and fuzzing seeds.
//!
//! Follows `docs/Syntax.md` of ONNX (models, graphs with initializers, functions, attributes of every kind but sparse
//! tensors and opaque types). Beyond it, the header may be left out (operator set 21, IR version 10),
//! and an omitted input or output may be written as nothing between two commas.
//! ```text
//! <ir_version: 10, opset_import: ["" : 21]>
//! agraph (float[N,128] X) => (float[N,10] C) <float[10] B = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}> {
//!     T = Softmax <axis = -1> (X)
//!     C = Add(T, B)
//! }
//! ```

mod data;
mod lex;
mod node;

use super::proto::{
    Dimension, DimensionValue, ElementTypeProto, FunctionProto, GraphProto, MapTypeProto, ModelProto,
    OperatorSetIdProto, StringStringEntryProto, TensorShapeProto, TensorTypeProto, TypeProto, TypeValue,
    ValueInfoProto,
};
use bytes::Bytes;
use lex::{Lexer, Result};
use prost::Message;

/// The operator set of a text without a header.
const DEFAULT_OPSET: i64 = 21;
/// The IR version of a text that does not state one.
const DEFAULT_IR_VERSION: i64 = 10;

/// Parses a model.
///
/// # Errors
/// Where the text is wrong, by line and column, and what was expected there.
pub fn parse(text: &str) -> Result<ModelProto, String> {
    let mut p = Parser { lexer: Lexer::new(text), depth: 0 };
    p.model().map_err(|e| e.render(text))
}

/// Parses a model and encodes it as the bytes of an ONNX file.
///
/// # Panics
/// If the text is wrong; it is for texts that stand in a program.
pub fn model_bytes(text: &str) -> Bytes {
    match parse(text) {
        Ok(model) => model.encode_to_vec().into(),
        Err(why) => panic!("{why}\n{text}"),
    }
}

/// Graphs and types may be nested this deep.
const MAX_DEPTH: usize = 32;

struct Parser<'a> {
    lexer: Lexer<'a>,
    depth: usize,
}

/// An input, output or value with the constant that it is given.
struct Declared {
    info: ValueInfoProto,
    constant: Option<super::proto::TensorProto>,
}

impl Parser<'_> {
    fn model(&mut self) -> Result<ModelProto> {
        let mut model = ModelProto { ir_version: Some(DEFAULT_IR_VERSION), ..ModelProto::default() };
        if self.lexer.eat("<")? {
            self.list(">", |p| p.model_fact(&mut model))?;
        }
        if model.opset_import.is_empty() {
            let version = Some(DEFAULT_OPSET);
            model.opset_import.push(OperatorSetIdProto { domain: Some(String::new()), version });
        }
        let name = self.lexer.name()?;
        model.graph = Some(self.graph(name)?);
        while !self.lexer.at_end()? {
            model.functions.push(self.function()?);
        }
        Ok(model)
    }

    fn model_fact(&mut self, model: &mut ModelProto) -> Result<()> {
        let at = self.lexer.position();
        let key = self.lexer.word()?;
        self.lexer.expect(":")?;
        match key.as_str() {
            "ir_version" => model.ir_version = Some(self.lexer.integer()?),
            "model_version" => model.model_version = Some(self.lexer.integer()?),
            "opset_import" => model.opset_import = self.opsets()?,
            "producer_name" => model.producer_name = Some(self.lexer.string()?),
            "producer_version" => model.producer_version = Some(self.lexer.string()?),
            "domain" => model.domain = Some(self.lexer.string()?),
            "doc_string" => drop(self.lexer.string()?),
            "metadata_props" => model.metadata_props = self.entries()?,
            _ => return Err(self.lexer.error_at(at, format!("a model has no field {key}"))),
        }
        Ok(())
    }

    fn opsets(&mut self) -> Result<Vec<OperatorSetIdProto>> {
        self.lexer.expect("[")?;
        let mut opsets = Vec::new();
        self.list("]", |p| {
            let domain = Some(p.lexer.string()?);
            p.lexer.expect(":")?;
            opsets.push(OperatorSetIdProto { domain, version: Some(p.lexer.integer()?) });
            Ok(())
        })?;
        Ok(opsets)
    }

    fn entries(&mut self) -> Result<Vec<StringStringEntryProto>> {
        self.lexer.expect("[")?;
        let mut entries = Vec::new();
        self.list("]", |p| {
            let key = Some(p.lexer.string()?);
            p.lexer.expect(":")?;
            entries.push(StringStringEntryProto { key, value: Some(p.lexer.string()?) });
            Ok(())
        })?;
        Ok(entries)
    }

    /// A graph after its name.
    fn graph(&mut self, name: String) -> Result<GraphProto> {
        self.nest(|p| {
            let mut graph = GraphProto { name: Some(name), ..GraphProto::default() };
            p.lexer.expect("(")?;
            for declared in p.declarations(")")? {
                if let Some(constant) = declared.constant {
                    graph.initializer.push(constant);
                }
                graph.input.push(declared.info);
            }
            p.lexer.expect("=>")?;
            p.lexer.expect("(")?;
            for declared in p.declarations(")")? {
                graph.output.push(declared.info);
            }
            if p.lexer.eat("<")? {
                for declared in p.declarations(">")? {
                    match declared.constant {
                        Some(constant) => graph.initializer.push(constant),
                        None => graph.value_info.push(declared.info),
                    }
                }
            }
            graph.node = p.nodes()?;
            Ok(graph)
        })
    }

    /// Declarations up to `end`, which is consumed.
    fn declarations(&mut self, end: &str) -> Result<Vec<Declared>> {
        let mut all = Vec::new();
        self.list(end, |p| {
            let ty = if p.at_type()? { Some(p.ty()?) } else { None };
            let name = p.lexer.name()?;
            let constant = match p.lexer.eat("=")? {
                true => Some(p.constant(&name, ty.as_ref())?),
                false => None,
            };
            all.push(Declared { info: ValueInfoProto { name: Some(name), r#type: ty }, constant });
            Ok(())
        })?;
        Ok(all)
    }

    fn function(&mut self) -> Result<FunctionProto> {
        let mut function = FunctionProto::default();
        if self.lexer.eat("<")? {
            self.list(">", |p| {
                let at = p.lexer.position();
                let key = p.lexer.word()?;
                p.lexer.expect(":")?;
                match key.as_str() {
                    "domain" => function.domain = Some(p.lexer.string()?),
                    "overload" => function.overload = Some(p.lexer.string()?),
                    "opset_import" => function.opset_import = p.opsets()?,
                    "doc_string" => drop(p.lexer.string()?),
                    _ => return Err(p.lexer.error_at(at, format!("a function has no field {key}"))),
                }
                Ok(())
            })?;
        }
        function.name = Some(self.lexer.name()?);
        if self.lexer.eat("<")? {
            self.list(">", |p| {
                let name = p.lexer.word()?;
                if p.lexer.sees(":")? || p.lexer.sees("=")? {
                    function.attribute_proto.push(p.attribute(name)?);
                } else {
                    function.attribute.push(name);
                }
                Ok(())
            })?;
        }
        let names = |all: Vec<Declared>| all.into_iter().filter_map(|d| d.info.name).collect();
        self.lexer.expect("(")?;
        function.input = names(self.declarations(")")?);
        self.lexer.expect("=>")?;
        self.lexer.expect("(")?;
        function.output = names(self.declarations(")")?);
        if self.lexer.eat("<")? {
            function.value_info = self.declarations(">")?.into_iter().map(|d| d.info).collect();
        }
        function.node = self.nodes()?;
        Ok(function)
    }

    /// Whether a type comes next (and not a name that merely starts like one).
    fn at_type(&mut self) -> Result<bool> {
        let word = self.lexer.peek_word()?;
        Ok(data::element_type(word).is_some() || matches!(word, "seq" | "map" | "optional" | "sparse_tensor"))
    }

    fn ty(&mut self) -> Result<TypeProto> {
        self.nest(|p| {
            let at = p.lexer.position();
            let word = p.lexer.word()?;
            if let Some(elem) = data::element_type(&word) {
                return Ok(typed(TypeValue::TensorType(p.tensor_type(elem)?)));
            }
            p.lexer.expect("(")?;
            let value = match word.as_str() {
                "seq" => {
                    TypeValue::SequenceType(Box::new(ElementTypeProto { elem_type: Some(p.ty()?.into()) }))
                }
                "optional" => {
                    TypeValue::OptionalType(Box::new(ElementTypeProto { elem_type: Some(p.ty()?.into()) }))
                }
                "sparse_tensor" => {
                    let elem = p.element_type()?;
                    TypeValue::SparseTensorType(p.tensor_type(elem)?)
                }
                "map" => {
                    let key_type = Some(p.element_type()?);
                    p.lexer.expect(",")?;
                    let value_type = Some(p.ty()?.into());
                    TypeValue::MapType(Box::new(MapTypeProto { key_type, value_type }))
                }
                _ => return Err(p.lexer.error_at(at, format!("{word} is not a type"))),
            };
            p.lexer.expect(")")?;
            Ok(typed(value))
        })
    }

    fn element_type(&mut self) -> Result<i32> {
        let at = self.lexer.position();
        let word = self.lexer.word()?;
        data::element_type(&word)
            .ok_or_else(|| self.lexer.error_at(at, format!("{word} is not an element type")))
    }

    /// A tensor type after its element type. Without brackets it has no axes; with `[]` it has an unknown number.
    fn tensor_type(&mut self, elem: i32) -> Result<TensorTypeProto> {
        let mut shape = TensorShapeProto::default();
        if self.lexer.eat("[")? {
            if self.lexer.eat("]")? {
                return Ok(TensorTypeProto { elem_type: Some(elem), shape: None });
            }
            self.list("]", |p| {
                let value = match p.lexer.peek() {
                    Some(b'?') => {
                        p.lexer.expect("?")?;
                        None
                    }
                    Some(b'-' | b'0'..=b'9') => Some(DimensionValue::DimValue(p.lexer.integer()?)),
                    _ => Some(DimensionValue::DimParam(p.lexer.name()?)),
                };
                shape.dim.push(Dimension { value, denotation: None });
                Ok(())
            })?;
        }
        Ok(TensorTypeProto { elem_type: Some(elem), shape: Some(shape) })
    }

    /// Items between commas up to `end`, which is consumed.
    fn list(&mut self, end: &str, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        if self.lexer.eat(end)? {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.lexer.eat(end)? {
                return Ok(());
            }
            self.lexer.expect(",")?;
        }
    }

    fn nest<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            let at = self.lexer.position();
            return Err(self.lexer.error_at(at, format!("nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }
}

fn typed(value: TypeValue) -> TypeProto {
    TypeProto { value: Some(value), denotation: None }
}

#[cfg(test)]
mod tests;
