//! Something to read for tokens of a model that knows no language.

use std::fmt;

/// Tokens as made-up words: a syllable each, three of them to a word.
pub(crate) struct Syllables<'a>(pub(crate) &'a [i64]);

const BEGINNINGS: [&str; 10] = ["b", "d", "f", "k", "l", "m", "n", "r", "s", "t"];
const MIDDLES: [&str; 10] = ["a", "e", "i", "o", "u", "ai", "au", "ei", "oa", "ua"];
const ENDS: [&str; 10] = ["", "l", "m", "n", "r", "s", "t", "k", "sh", "nd"];

impl fmt::Display for Syllables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, &token) in self.0.iter().enumerate() {
            if position > 0 && position % 3 == 0 {
                f.write_str(" ")?;
            }
            let digit = |unit: i64| (token / unit).rem_euclid(10) as usize;
            write!(f, "{}{}{}", BEGINNINGS[digit(100)], MIDDLES[digit(10)], ENDS[digit(1)])?;
        }
        Ok(())
    }
}
