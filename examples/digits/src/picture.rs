//! Pictures of handwritten digits that the network has not been trained with.

use std::fmt;

/// For each picture its digit, then 64 pixels from 0 to 16.
static PICTURES: &[u8] = include_bytes!("../data/test.bin");

/// A picture and what it shows.
pub(crate) struct Picture {
    pub(crate) digit: usize,
    /// Rows from top to bottom, 0 for paper and 1 for ink.
    pub(crate) pixels: [f32; 64],
}

/// All pictures.
pub(crate) fn all() -> impl Iterator<Item = Picture> {
    let (records, _) = PICTURES.as_chunks::<65>();
    records.iter().map(|record| Picture {
        digit: record[0].into(),
        pixels: std::array::from_fn(|i| f32::from(record[1 + i]) / 16.0),
    })
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHADES: [&str; 5] = ["  ", "░░", "▒▒", "▓▓", "██"];
        let (rows, _) = self.pixels.as_chunks::<8>();
        for row in rows {
            let line: String = row.iter().map(|ink| SHADES[(ink * 4.0).round() as usize]).collect();
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}
