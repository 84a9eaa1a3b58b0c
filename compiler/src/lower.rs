//! From the graph to the low-level program.
//!
//! The driver walks the nodes in order and asks each operator for its steps. Values become [`View`]s: a buffer, an
//! offset and strides, so that movement operators cost nothing unless a reader needs its elements side by side.

mod context;
mod control;
mod driver;
pub mod epilogue;
mod layout;
mod placement;
mod state;
mod view;

pub use context::LowerCx;
pub use control::Repetition;
pub use driver::lower;
pub use layout::Layouts;
pub use view::View;
