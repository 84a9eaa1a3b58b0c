//! The arguments of `onnx_model!` and their places in the user's source.

use ingrain_compiler::artifact::Face;
use ingrain_compiler::diag::OptionPlace;
use ingrain_compiler::options::{KnownValue, Optimize, WeightsIn};
use ingrain_compiler::types::{DType, Scalar};
use ingrain_compiler::{DimBinding, Options};
use proc_macro2::Span;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, Lit, LitInt, LitStr, Result, Token, Visibility, braced, bracketed};

/// Names of all options, for the message about an unknown one.
const OPTIONS: &str =
    "known options: `dims`, `values`, `state`, `variants`, `overridable`, `weights`, `optimize`";

/// `/// docs pub mod NAME = "PATH" { OPTIONS };` once or several times.
pub(crate) struct Arguments {
    pub(crate) models: Vec<Model>,
}

/// One model.
pub(crate) struct Model {
    pub(crate) face: Face,
    pub(crate) name: Ident,
    pub(crate) path: LitStr,
    /// Models of one architecture with different weights; empty if there is but one set.
    pub(crate) variants: Vec<(String, LitStr)>,
    pub(crate) options: Options,
    /// Where the entries of its options stand.
    places: Vec<(OptionPlace, Span)>,
}

impl Model {
    /// Where an option stands; the path, if none is asked for.
    pub(crate) fn place(&self, option: Option<&OptionPlace>) -> Span {
        let found = self.places.iter().find(|(place, _)| Some(place) == option);
        found.map_or(self.path.span(), |(_, span)| *span)
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut models: Vec<Model> = Vec::new();
        while !input.is_empty() {
            let model: Model = input.parse()?;
            if models.iter().any(|other| other.name == model.name) {
                return Err(Error::new(model.name.span(), "another model of this call has this name"));
            }
            models.push(model);
        }
        if models.is_empty() {
            return Err(input.error("expected `mod name = \"path/to/model.onnx\";`"));
        }
        Ok(Arguments { models })
    }
}

impl Parse for Model {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
        let face = Face {
            conditions: quote!(#(#conditions)*),
            attributes: quote!(#(#attributes)*),
            visibility: input.parse::<Visibility>()?.into_token_stream(),
        };
        input.parse::<Token![mod]>()?;
        let name: Ident = input.parse()?;
        let path: Option<LitStr> = match input.peek(Token![=]) {
            true => {
                input.parse::<Token![=]>()?;
                Some(input.parse()?)
            }
            // The files stand in the option `variants`.
            false if input.peek(syn::token::Brace) => None,
            false => return Err(input.error("expected `=`")),
        };
        let no_path = LitStr::new("", name.span());
        let mut model = Model {
            face,
            name,
            path: path.clone().unwrap_or(no_path),
            variants: Vec::new(),
            options: Options::default(),
            places: Vec::new(),
        };
        if input.peek(syn::token::Brace) {
            let options;
            braced!(options in input);
            list(&options, |options| model.option(options))?;
        }
        match (path, model.variants.first()) {
            (Some(path), Some(_)) => {
                let message = "the files of `variants` take the place of this path: write `mod name { variants: { … } };`";
                return Err(Error::new(path.span(), message));
            }
            (None, Some((_, first))) => model.path = first.clone(),
            (None, None) => {
                return Err(Error::new(
                    model.name.span(),
                    "expected `= \"path/to/model.onnx\"`, or the option `variants`",
                ));
            }
            (Some(_), None) => {}
        }
        input.parse::<Token![;]>()?;
        Ok(model)
    }
}

impl Model {
    /// `dims: { … }`, `optimize: speed`, …
    fn option(&mut self, input: ParseStream<'_>) -> Result<()> {
        let option = input.call(Ident::parse_any)?;
        let read = match option.to_string().as_str() {
            "dims" => Model::dim,
            "values" => Model::value,
            "state" => Model::state,
            "variants" => Model::variant,
            "overridable" => return self.overridable(input),
            "weights" => return self.weights(input),
            "optimize" => return self.optimize(input),
            _ => return Err(Error::new(option.span(), format!("unknown option `{option}`; {OPTIONS}"))),
        };
        input.parse::<Token![:]>()?;
        let entries;
        braced!(entries in input);
        list(&entries, |input| read(self, input))
    }

    /// `batch: 1`, `seq: 1..=512` or `"any name": 3`
    fn dim(&mut self, input: ParseStream<'_>) -> Result<()> {
        let (name, span) = key(input)?;
        let size = |input: ParseStream<'_>| input.parse::<LitInt>()?.base10_parse::<i64>();
        let first = size(input)?;
        let binding = if input.peek(Token![..=]) {
            input.parse::<Token![..=]>()?;
            DimBinding::Range(first, size(input)?)
        } else if input.peek(Token![..]) {
            return Err(input.error("write the largest size too: `1..=512`"));
        } else {
            DimBinding::Fixed(first)
        };
        self.claim("dims", &name, span)?;
        self.options.dims.insert(name, binding);
        Ok(())
    }

    /// `axes: [0, 1]`, `k: 5` or `"any name": -0.5`
    fn value(&mut self, input: ParseStream<'_>) -> Result<()> {
        let (name, span) = key(input)?;
        let mut elements = Vec::new();
        if input.peek(syn::token::Bracket) {
            let entries;
            bracketed!(entries in input);
            list(&entries, |input| element(input).map(|element| elements.push(element)))?;
        } else {
            elements.push(element(input)?);
        }
        self.claim("values", &name, span)?;
        self.options.values.insert(name, KnownValue::Elements(elements));
        Ok(())
    }

    /// `"present.*" => "past.*"`
    fn state(&mut self, input: ParseStream<'_>) -> Result<()> {
        let output: LitStr = input.parse()?;
        input.parse::<Token![=>]>()?;
        let target: LitStr = input.parse()?;
        self.claim("state", &output.value(), output.span())?;
        self.options.state.push((output.value(), target.value()));
        Ok(())
    }

    /// `a: "x.onnx"`
    fn variant(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![:]>()?;
        let path: LitStr = input.parse()?;
        let entry = name.unraw().to_string();
        self.claim("variants", &entry, path.span())?;
        self.variants.push((entry, path));
        Ok(())
    }

    /// `: ["*lora*"]`
    fn overridable(&mut self, input: ParseStream<'_>) -> Result<()> {
        input.parse::<Token![:]>()?;
        let patterns;
        bracketed!(patterns in input);
        list(&patterns, |input| {
            let pattern: LitStr = input.parse()?;
            self.claim("overridable", &pattern.value(), pattern.span())?;
            self.options.overridable.push(pattern.value());
            Ok(())
        })
    }

    /// `: "file"`
    fn weights(&mut self, input: ParseStream<'_>) -> Result<()> {
        const EXPECTED: &str =
            "expected `\"file\"`, for weights in a file that the program maps, or `\"program\"`";
        input.parse::<Token![:]>()?;
        let wrong = |span| Error::new(span, EXPECTED);
        let place: LitStr = input.parse().map_err(|error: Error| wrong(error.span()))?;
        self.options.weights = match place.value().as_str() {
            "file" => WeightsIn::File,
            "program" => WeightsIn::Program,
            _ => return Err(wrong(place.span())),
        };
        Ok(())
    }

    /// `: speed`
    fn optimize(&mut self, input: ParseStream<'_>) -> Result<()> {
        input.parse::<Token![:]>()?;
        let wrong = |span| Error::new(span, "expected `speed` or `size`");
        let goal = input.call(Ident::parse_any).map_err(|error| wrong(error.span()))?;
        self.options.optimize = match goal.to_string().as_str() {
            "speed" => Optimize::Speed,
            "size" => Optimize::Size,
            _ => return Err(wrong(goal.span())),
        };
        Ok(())
    }

    /// Notes where an entry of an option stands. There may be one of a name.
    fn claim(&mut self, name: &'static str, entry: &str, span: Span) -> Result<()> {
        let place = OptionPlace { name, entry: entry.to_owned() };
        if self.places.iter().any(|(other, _)| *other == place) {
            return Err(Error::new(span, format!("`{entry}` is given twice")));
        }
        self.places.push((place, span));
        Ok(())
    }
}

/// `name:` or `"any name":`
fn key(input: ParseStream<'_>) -> Result<(String, Span)> {
    let key = if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        (name.value(), name.span())
    } else {
        let name = input.call(Ident::parse_any)?;
        (name.unraw().to_string(), name.span())
    };
    input.parse::<Token![:]>()?;
    Ok(key)
}

/// A number or truth value.
fn element(input: ParseStream<'_>) -> Result<Scalar> {
    let minus = input.parse::<Option<Token![-]>>()?.is_some();
    match input.parse::<Lit>()? {
        Lit::Int(int) => {
            let value = int.base10_parse::<i64>()?;
            Ok(Scalar::Int(DType::I64, if minus { -value } else { value }))
        }
        Lit::Float(float) => {
            let value = float.base10_parse::<f64>()?;
            Ok(Scalar::Float(DType::F64, if minus { -value } else { value }))
        }
        Lit::Bool(bool) if !minus => Ok(Scalar::Bool(bool.value)),
        other => Err(Error::new(other.span(), "expected a number, `true` or `false`")),
    }
}

/// Items up to the end, separated by commas.
fn list(input: ParseStream<'_>, mut item: impl FnMut(ParseStream<'_>) -> Result<()>) -> Result<()> {
    while !input.is_empty() {
        item(input)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with options of a model.
    fn told(options: &str) -> String {
        match syn::parse_str::<Arguments>(&format!("mod m = \"m.onnx\" {{ {options} }};")) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn wrong_options_are_told_with_what_is_right() {
        assert_eq!(told("weights: \"file\", optimize: speed, overridable: [\"*lora*\"]"), "");
        assert_eq!(told("weight: \"file\""), format!("unknown option `weight`; {OPTIONS}"));
        for wrong in ["\"files\"", "file", "3"] {
            assert_eq!(
                told(&format!("weights: {wrong}")),
                "expected `\"file\"`, for weights in a file that the program maps, or `\"program\"`"
            );
        }
        for wrong in ["fast", "\"speed\""] {
            assert_eq!(told(&format!("optimize: {wrong}")), "expected `speed` or `size`");
        }
        assert_eq!(told("overridable: \"*lora*\""), "expected square brackets");
        assert_eq!(told("overridable: [lora]"), "expected string literal");
        assert_eq!(told("overridable: [\"a*\", \"a*\"]"), "`a*` is given twice");
        assert!(
            told("variants: { a: \"a.onnx\" }")
                .contains("the files of `variants` take the place of this path")
        );
    }

    #[test]
    fn options_are_read() {
        let text = "mod m { variants: { a: \"a.onnx\", b: \"b.onnx\" }, weights: \"file\", optimize: speed, overridable: [\"x\"] };";
        let arguments = syn::parse_str::<Arguments>(text).unwrap();
        let model = &arguments.models[0];
        assert_eq!(model.path.value(), "a.onnx");
        assert_eq!(model.variants.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((model.options.weights, model.options.optimize), (WeightsIn::File, Optimize::Speed));
        assert_eq!(model.options.overridable, ["x"]);
    }
}
