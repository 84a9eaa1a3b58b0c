//! What Ingrain is measured by: official test vectors, models, goldens, random models.

pub mod conformance;
pub mod full_size;
pub mod fuzz;
