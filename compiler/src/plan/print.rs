//! The text of plans: a line for each place, in order of time.

use super::{Plan, Room};
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "arena {} bytes, at least {}, weights {} bytes",
            self.arena_bytes, self.lower_bound_bytes, self.weight_bytes
        )?;
        for (at, room) in self.rooms.iter().enumerate() {
            match room {
                Room::Arena(b) => writeln!(f, "b{at}: arena {}..{}", b.offset, b.offset + b.len)?,
                Room::Blob(b) => writeln!(f, "b{at}: blob {}..{}", b.offset, b.offset + b.len)?,
                Room::Input(_) | Room::Unused => {}
            }
        }
        for (step, load) in self.in_place.iter().enumerate() {
            if let Some(load) = load {
                writeln!(f, "step {step}: in place of load {load}")?;
            }
        }
        Ok(())
    }
}
