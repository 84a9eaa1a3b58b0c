//! What Ingrain is measured by: official test vectors, models, goldens.

pub mod conformance;
