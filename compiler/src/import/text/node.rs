//! Nodes and attributes of the text.

use super::Parser;
use super::lex::{Number, Result};
use crate::import::proto::{AttributeProto, AttributeType, NodeProto, TypeProto, TypeValue};

/// An element of an attribute's value.
enum Item {
    Number(Number),
    String(String),
    Tensor(crate::import::proto::TensorProto),
    Graph(crate::import::proto::GraphProto),
    Type(TypeProto),
}

impl Parser<'_> {
    /// Nodes in braces.
    pub(super) fn nodes(&mut self) -> Result<Vec<NodeProto>> {
        self.lexer.expect("{")?;
        let mut nodes = Vec::new();
        while !self.lexer.eat("}")? {
            nodes.push(self.node()?);
        }
        Ok(nodes)
    }

    fn node(&mut self) -> Result<NodeProto> {
        let mut node = NodeProto::default();
        if self.lexer.eat("[")? {
            node.name = Some(self.lexer.name()?);
            self.lexer.expect("]")?;
        }
        node.output = self.optional_names("=")?;
        let mut path = vec![self.lexer.word()?];
        while self.lexer.eat(".")? {
            path.push(self.lexer.word()?);
        }
        node.op_type = path.pop();
        node.domain = Some(path.join(".")).filter(|d| !d.is_empty());
        if self.lexer.eat(":")? {
            node.overload = Some(self.lexer.name()?);
        }
        self.attributes(&mut node)?;
        self.lexer.expect("(")?;
        node.input = self.optional_names(")")?;
        self.attributes(&mut node)?;
        Ok(node)
    }

    /// Names up to `end`, which is consumed; nothing between two commas is an empty name.
    fn optional_names(&mut self, end: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        if self.lexer.eat(end)? {
            return Ok(names);
        }
        loop {
            let left_out = self.lexer.sees(",")? || self.lexer.sees(end)?;
            names.push(if left_out { String::new() } else { self.lexer.name()? });
            if self.lexer.eat(end)? {
                return Ok(names);
            }
            self.lexer.expect(",")?;
        }
    }

    fn attributes(&mut self, node: &mut NodeProto) -> Result<()> {
        if !self.lexer.eat("<")? {
            return Ok(());
        }
        self.list(">", |p| {
            let name = p.lexer.word()?;
            node.attribute.push(p.attribute(name)?);
            Ok(())
        })
    }

    /// An attribute after its name.
    pub(super) fn attribute(&mut self, name: String) -> Result<AttributeProto> {
        let at = self.lexer.position();
        let stated = match self.lexer.eat(":")? {
            true => {
                let word = self.lexer.word()?;
                let Some(ty) = attribute_type(&word) else {
                    return Err(self.lexer.error_at(at, format!("{word} is not a type of attributes")));
                };
                Some(ty)
            }
            false => None,
        };
        let mut attribute = AttributeProto { name: Some(name), ..AttributeProto::default() };
        self.lexer.expect("=")?;
        let at = self.lexer.position();
        if self.lexer.eat("@")? {
            attribute.ref_attr_name = Some(self.lexer.word()?);
            attribute.r#type = stated.map(Into::into);
            return Ok(attribute);
        }
        if !self.lexer.eat("[")? {
            let item = self.item(stated)?;
            return match single(&mut attribute, item, stated) {
                true => Ok(attribute),
                false => Err(self.lexer.error_at(at, "the value is not of the attribute's type")),
            };
        }
        let mut items = Vec::new();
        self.list("]", |p| {
            items.push(p.item(stated)?);
            Ok(())
        })?;
        match several(&mut attribute, items, stated) {
            true => Ok(attribute),
            false => Err(self.lexer.error_at(at, "the elements are not of the attribute's type")),
        }
    }

    fn item(&mut self, stated: Option<AttributeType>) -> Result<Item> {
        let at = self.lexer.position();
        if self.lexer.peek() == Some(b'"') {
            return Ok(Item::String(self.lexer.string()?));
        }
        let word = self.lexer.peek_word()?;
        if word.is_empty() || matches!(word, "inf" | "nan" | "infinity") {
            return Ok(Item::Number(self.lexer.number()?));
        }
        if !self.at_type()? {
            let name = self.lexer.word()?;
            return Ok(Item::Graph(self.graph(name)?));
        }
        let ty = self.ty()?;
        if matches!(stated, Some(AttributeType::TypeProto | AttributeType::TypeProtos)) {
            return Ok(Item::Type(ty));
        }
        let Some(TypeValue::TensorType(ty)) = ty.value else {
            return Err(self.lexer.error_at(at, "expected a value; for a type, say `: type_proto`"));
        };
        let name = match self.lexer.sees("{")? || self.lexer.sees("=")? {
            true => String::new(),
            false => self.lexer.name()?,
        };
        self.lexer.eat("=")?;
        Ok(Item::Tensor(self.tensor(&name, &ty)?))
    }
}

fn attribute_type(word: &str) -> Option<AttributeType> {
    Some(match word {
        "float" => AttributeType::Float,
        "int" => AttributeType::Int,
        "string" => AttributeType::String,
        "tensor" => AttributeType::Tensor,
        "graph" => AttributeType::Graph,
        "floats" => AttributeType::Floats,
        "ints" => AttributeType::Ints,
        "strings" => AttributeType::Strings,
        "tensors" => AttributeType::Tensors,
        "graphs" => AttributeType::Graphs,
        "type_proto" => AttributeType::TypeProto,
        "type_protos" => AttributeType::TypeProtos,
        _ => return None,
    })
}

fn float(number: Number) -> f32 {
    match number {
        Number::Int(v) => v as f32,
        Number::Float(v) => v as f32,
    }
}

fn int(number: Number) -> Option<i64> {
    match number {
        Number::Int(v) => i64::try_from(v).ok(),
        Number::Float(_) => None,
    }
}

/// Stores a single value. False if it is not of the stated type.
fn single(attribute: &mut AttributeProto, item: Item, stated: Option<AttributeType>) -> bool {
    let ty = match item {
        Item::Number(number) => match int(number).filter(|_| stated != Some(AttributeType::Float)) {
            Some(v) => {
                attribute.i = Some(v);
                AttributeType::Int
            }
            None => {
                attribute.f = Some(float(number));
                AttributeType::Float
            }
        },
        Item::String(v) => {
            attribute.s = Some(v.into());
            AttributeType::String
        }
        Item::Tensor(v) => {
            attribute.t = Some(Box::new(v));
            AttributeType::Tensor
        }
        Item::Graph(v) => {
            attribute.g = Some(Box::new(v));
            AttributeType::Graph
        }
        Item::Type(v) => {
            attribute.tp = Some(Box::new(v));
            AttributeType::TypeProto
        }
    };
    attribute.r#type = Some(ty.into());
    stated.is_none_or(|s| s == ty)
}

/// Stores a list. False if an element is not of the stated type or of that of the first one.
fn several(attribute: &mut AttributeProto, items: Vec<Item>, stated: Option<AttributeType>) -> bool {
    let is_int = |item: &Item| matches!(item, Item::Number(n) if int(*n).is_some());
    let ty = stated.unwrap_or(match items.first() {
        None => AttributeType::Ints,
        Some(Item::Number(_)) if items.iter().all(is_int) => AttributeType::Ints,
        Some(Item::Number(_)) => AttributeType::Floats,
        Some(Item::String(_)) => AttributeType::Strings,
        Some(Item::Tensor(_)) => AttributeType::Tensors,
        Some(Item::Graph(_)) => AttributeType::Graphs,
        Some(Item::Type(_)) => AttributeType::TypeProtos,
    });
    attribute.r#type = Some(ty.into());
    for item in items {
        match (ty, item) {
            (AttributeType::Ints, Item::Number(n)) if int(n).is_some() => attribute.ints.extend(int(n)),
            (AttributeType::Floats, Item::Number(n)) => attribute.floats.push(float(n)),
            (AttributeType::Strings, Item::String(v)) => attribute.strings.push(v.into()),
            (AttributeType::Tensors, Item::Tensor(v)) => attribute.tensors.push(v),
            (AttributeType::Graphs, Item::Graph(v)) => attribute.graphs.push(v),
            (AttributeType::TypeProtos, Item::Type(v)) => attribute.type_protos.push(v),
            _ => return false,
        }
    }
    true
}
