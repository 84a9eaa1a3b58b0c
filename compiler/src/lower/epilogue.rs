//! How a map of a product's result becomes the kernels' `Epilogue`.
