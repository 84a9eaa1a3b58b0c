//! Resize (and Upsample), one axis after the other, and sampling at given points.
//!
//! A [`ResizeAxis`] turns the attributes into a table: for every output position its input positions and weights.
//! With static shapes the compiler makes the tables, else the program does, with the same function. The kernels only
//! read tables. Interpolation is separable, so an N-dimensional resize is one pass per axis that changes.

mod axis;
mod grid;
mod table;
#[cfg(test)]
mod tests;

pub use axis::{resize_axis_f32, resize_nearest};
pub use grid::{GridMode, GridPadding, GridSample, GridUnits, affine_grid, grid_sample};
pub use table::{Coordinates, Interpolation, Nearest, ResizeAxis};

/// Stands in an index table for a position outside the cropped region, which shows the extrapolation value.
pub const OUTSIDE: u32 = u32::MAX;
