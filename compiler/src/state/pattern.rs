//! Names with `*` in them, which stands for any text.

/// A name in which `*` stands for any text.
pub(super) struct Pattern<'a> {
    /// What stands before, between and after the `*`.
    parts: Vec<&'a str>,
}

impl<'a> Pattern<'a> {
    pub(super) fn new(text: &'a str) -> Pattern<'a> {
        Pattern { parts: text.split('*').collect() }
    }

    /// Number of `*`.
    pub(super) fn stars(&self) -> usize {
        self.parts.len() - 1
    }

    /// What each `*` stands for in `name`, the first as short as possible; `None` if the name is another.
    pub(super) fn matches<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let (first, rest) = self.parts.split_first()?;
        let mut left = name.strip_prefix(first)?;
        let Some((last, middle)) = rest.split_last() else { return left.is_empty().then(Vec::new) };
        let mut found = Vec::with_capacity(rest.len());
        for part in middle {
            let at = left.find(part)?;
            found.push(&left[..at]);
            left = &left[at + part.len()..];
        }
        found.push(left.strip_suffix(last)?);
        Some(found)
    }

    /// The name with texts in the places of the `*`.
    pub(super) fn filled(&self, texts: &[&str]) -> String {
        let mut name = String::new();
        for (i, part) in self.parts.iter().enumerate() {
            name += part;
            name += texts.get(i).copied().filter(|_| i + 1 < self.parts.len()).unwrap_or_default();
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn stars_stand_for_any_text() {
        let matches = |pattern, name| Pattern::new(pattern).matches(name).map(|found| found.join("|"));
        assert_eq!(matches("present.*", "present.0.key").as_deref(), Some("0.key"));
        assert_eq!(matches("present.*.decoder.*", "present.11.decoder.value").as_deref(), Some("11|value"));
        assert_eq!(matches("present.*.decoder.*", "present.11.encoder.value"), None);
        assert_eq!(matches("hn", "hn").as_deref(), Some(""));
        assert_eq!(matches("hn", "hn1"), None);
        assert_eq!(matches("*", "").as_deref(), Some(""));
        assert_eq!(matches("a*a", "a"), None);
        assert_eq!(Pattern::new("past.*.x*").filled(&["0", "y"]), "past.0.xy");
    }
}
