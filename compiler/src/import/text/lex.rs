//! Words, numbers and strings of the text, and errors that say where they are.

pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong, and at which byte.
#[derive(Debug)]
pub(super) struct Error {
    at: usize,
    message: String,
}

impl Error {
    /// The message with line and column.
    pub(super) fn render(&self, text: &str) -> String {
        let before = &text[..text.floor_char_boundary(self.at)];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        format!("line {line}, column {column}: {}", self.message)
    }
}

/// A number, as it was written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    /// Without point or exponent; wide enough for all 64-bit types.
    Int(i128),
    /// With a point or an exponent, or one of `inf` and `nan`.
    Float(f64),
}

/// Reads a text from left to right. Positions are bytes and always at the start of a character.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes to the next character that is neither space nor comment.
    fn skip(&mut self) {
        loop {
            self.at = self.text.len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') && !self.rest().starts_with("//") {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    /// Where the next word starts.
    pub(super) fn position(&mut self) -> usize {
        self.skip();
        self.at
    }

    /// The next byte.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.skip();
        self.rest().bytes().next()
    }

    pub(super) fn at_end(&mut self) -> Result<bool> {
        Ok(self.peek().is_none())
    }

    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> Error {
        Error { at, message: message.into() }
    }

    fn expected(&mut self, what: &str) -> Error {
        self.skip();
        let found = match self.rest().chars().next() {
            None => "the end of the text".to_owned(),
            Some(c) if c.is_alphanumeric() || c == '_' => word(self.rest()).to_owned(),
            Some(c) => format!("\"{c}\""),
        };
        self.error_at(self.at, format!("expected {what}, found {found}"))
    }

    /// Whether `symbol` comes next.
    pub(super) fn sees(&mut self, symbol: &str) -> Result<bool> {
        self.skip();
        // "=" is not the start of "=>".
        Ok(self.rest().starts_with(symbol) && !(symbol == "=" && self.rest().starts_with("=>")))
    }

    /// Consumes `symbol` if it comes next.
    pub(super) fn eat(&mut self, symbol: &str) -> Result<bool> {
        let seen = self.sees(symbol)?;
        if seen {
            self.at += symbol.len();
        }
        Ok(seen)
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<()> {
        match self.eat(symbol)? {
            true => Ok(()),
            false => Err(self.expected(&format!("\"{symbol}\""))),
        }
    }

    /// The next word without consuming it; empty if none comes next.
    pub(super) fn peek_word(&mut self) -> Result<&'a str> {
        self.skip();
        Ok(word(self.rest()))
    }

    /// A word: letters, digits and underscores.
    pub(super) fn word(&mut self) -> Result<String> {
        let word = self.peek_word()?;
        if word.is_empty() {
            return Err(self.expected("a name"));
        }
        self.at += word.len();
        Ok(word.to_owned())
    }

    /// A name: a word or a string.
    pub(super) fn name(&mut self) -> Result<String> {
        if self.peek() == Some(b'"') { self.string() } else { self.word() }
    }

    /// A string in quotes. `\"` is a quote, `\\` a backslash.
    pub(super) fn string(&mut self) -> Result<String> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a string"));
        }
        let mut text = String::new();
        let mut escaped = false;
        for (i, c) in self.rest().char_indices().skip(1) {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    self.at += i + 1;
                    return Ok(text);
                }
                _ => {
                    text.push(c);
                    escaped = false;
                }
            }
        }
        Err(self.error_at(self.at, "the string has no end"))
    }

    /// A number.
    pub(super) fn number(&mut self) -> Result<Number> {
        self.skip();
        let digits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let len = self.rest().find(|c| !digits(c)).unwrap_or(self.rest().len());
        let text = &self.rest()[..len];
        let number = match text.parse::<i128>() {
            Ok(int) => Some(Number::Int(int)),
            Err(_) => text.parse::<f64>().ok().map(Number::Float),
        };
        match number {
            Some(number) => {
                self.at += len;
                Ok(number)
            }
            None => Err(self.expected("a number")),
        }
    }

    /// An integer of 64 bits.
    pub(super) fn integer(&mut self) -> Result<i64> {
        let at = self.position();
        match self.number()? {
            Number::Int(v) => i64::try_from(v).map_err(|_| self.error_at(at, "the integer exceeds 64 bits")),
            Number::Float(_) => Err(self.error_at(at, "expected an integer")),
        }
    }
}

fn word(text: &str) -> &str {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let len = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..len]
}
