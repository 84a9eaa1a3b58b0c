//! The arguments of `onnx_model!` and their places in the user's source.

use ingrain_compiler::artifact::Face;
use ingrain_compiler::diag::{Code, Diagnostic};
use ingrain_compiler::{DimBinding, Options};
use proc_macro2::Span;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, LitInt, LitStr, Result, Token, Visibility, braced};

/// Names of all options, for the message about an unknown one.
const OPTIONS: &str = "known options: `dims`";

/// `/// docs pub mod NAME = "PATH" { OPTIONS };` once or several times.
pub(crate) struct Arguments {
    pub(crate) models: Vec<Model>,
}

/// One model.
pub(crate) struct Model {
    pub(crate) face: Face,
    pub(crate) name: Ident,
    pub(crate) path: LitStr,
    dims: Vec<Dim>,
}

/// `NAME: VALUE` or `NAME: LO..=HI`.
struct Dim {
    name: String,
    span: Span,
    binding: DimBinding,
}

impl Model {
    pub(crate) fn options(&self) -> Options {
        self.dims.iter().fold(Options::default(), |options, dim| options.dim(dim.name.clone(), dim.binding))
    }

    /// The dimension that a problem is about, if it is about an option: the first that its message quotes.
    pub(crate) fn option_at_fault(&self, problem: &Diagnostic) -> Option<Span> {
        let place = |dim: &Dim| Some((problem.message.find(&format!("\"{}\"", dim.name))?, dim.span));
        let quoted = self.dims.iter().filter_map(place).min_by_key(|(at, _)| *at);
        quoted.filter(|_| problem.code == Code::BadOption).map(|(_, span)| span)
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
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        let path = input.parse()?;
        let mut model = Model { face, name, path, dims: Vec::new() };
        if input.peek(syn::token::Brace) {
            let options;
            braced!(options in input);
            list(&options, |options| model.option(options))?;
        }
        input.parse::<Token![;]>()?;
        Ok(model)
    }
}

impl Model {
    /// `dims: { … }`
    fn option(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = input.call(Ident::parse_any)?;
        if name != "dims" {
            return Err(Error::new(name.span(), format!("unknown option `{name}`; {OPTIONS}")));
        }
        input.parse::<Token![:]>()?;
        let dims;
        braced!(dims in input);
        list(&dims, |input| {
            let dim = dim(input)?;
            if self.dims.iter().any(|other| other.name == dim.name) {
                return Err(Error::new(dim.span, format!("`{}` is given twice", dim.name)));
            }
            self.dims.push(dim);
            Ok(())
        })
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

/// `batch: 1`, `seq: 1..=512` or `"any name": 3`.
fn dim(input: ParseStream<'_>) -> Result<Dim> {
    let (name, span) = if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        (name.value(), name.span())
    } else {
        let name = input.call(Ident::parse_any)?;
        (name.unraw().to_string(), name.span())
    };
    input.parse::<Token![:]>()?;
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
    Ok(Dim { name, span, binding })
}
