//! What the system says of this process's memory, where it is Linux.

use std::fs;

/// Bytes that are in memory now.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Of the file of weights, and what of them is this process's share.
    weights: Option<(u64, u64)>,
    /// Of memory that no file stands behind: heap, stacks, arenas.
    own: Option<u64>,
}

impl Memory {
    pub(crate) fn now() -> Memory {
        let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return Memory::default() };
        let (mut weights, mut own, mut of_weights) = ((0, 0), 0, false);
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let bytes = words.next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024;
            match name {
                "Rss:" if of_weights => weights.0 += bytes,
                "Pss:" if of_weights => weights.1 += bytes,
                "Anonymous:" => own += bytes,
                // The line that begins a mapping ends with its file.
                _ if !name.ends_with(':') => of_weights = line.ends_with(".blob"),
                _ => {}
            }
        }
        Memory { weights: Some(weights), own: Some(own) }
    }

    pub(crate) fn tell(self, when: &str) {
        println!("  {when:<38}{:>16}{:>16}", told(self.weights.map(|w| w.0)), told(self.own));
    }

    /// Pages that several processes map count in parts.
    pub(crate) fn tell_share(self, when: &str) {
        println!("  {when:<38}{:>16}{:>16}", told(self.weights.map(|w| w.1)), told(self.own));
    }

    /// How much more there is without weights.
    pub(crate) fn own_since(&self, before: &Memory) -> Option<u64> {
        Some(self.own?.saturating_sub(before.own?))
    }
}

fn told(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), size)
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}
