//! The macros that generated code is written with. They bring bytes and source files into the program.

/// A [`Blob`](crate::Blob) of the bytes of a file. Use it as the value of a `const`: the bytes themselves become one
/// `static`, and their number is a constant wherever the blob is used.
///
/// ```text
/// const WEIGHTS: ingrain::Blob = ingrain::include_blob!("/path/to/weights.blob");
/// ```
#[macro_export]
macro_rules! include_blob {
    ($path:expr $(,)?) => {{
        static BYTES: &$crate::Aligned<[u8]> = &$crate::Aligned(*::core::include_bytes!($path));
        $crate::Blob::new(BYTES)
    }};
}

/// A [`Blob`](crate::Blob) of the bytes of a large file, which the compiler does not have to read.
///
/// `symbol` is a linker symbol and must contain a hash of the bytes: equal blobs of several crates become one. `path`
/// is absolute, with braces doubled. `bytes` is the file's length. Where the target's assembler cannot include a
/// file this is [`include_blob!`](crate::include_blob).
///
/// The expansion contains `unsafe`, unlike all other generated code.
///
/// ```text
/// const WEIGHTS: ingrain::Blob = ingrain::embed_blob!("ingrain_0123abcd", "/path/to/0123abcd.blob", 104857600);
/// ```
#[macro_export]
macro_rules! embed_blob {
    (@section $section:literal, $flags:literal, $symbol:literal, $path:expr, $bytes:literal) => {
        ::core::arch::global_asm!(
            // Once per object file and once per program, also where the linker merges modules first.
            ::core::concat!(".ifndef ", $symbol),
            ::core::concat!(".pushsection ", $section, $symbol, ",\"", $flags, "\",@progbits,", $symbol, ",comdat"),
            ::core::concat!(".weak ", $symbol),
            ::core::concat!(".hidden ", $symbol),
            ::core::concat!(".type ", $symbol, ", @object"),
            ::core::concat!(".size ", $symbol, ", ", $bytes),
            ".balign 64",
            ::core::concat!($symbol, ":"),
            ::core::concat!(".incbin \"", $path, "\""),
            ".popsection",
            ".endif",
        );
    };
    ($symbol:literal, $path:expr, $bytes:literal $(,)?) => {{
        // Large sections on x86-64: the blob may push nothing else out of reach of 32-bit addresses.
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        mod assembly {
            $crate::embed_blob!(@section ".lrodata.", "alG", $symbol, $path, $bytes);
        }
        #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
        mod assembly {
            $crate::embed_blob!(@section ".rodata.", "aG", $symbol, $path, $bytes);
        }
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        const BLOB: $crate::Blob = {
            unsafe extern "C" {
                #[link_name = $symbol]
                static BYTES: $crate::Aligned<[u8; $bytes]>;
            }
            // SAFETY: the assembly above defines the symbol as that many bytes, aligned to 64, in a read-only section.
            $crate::Blob::new(unsafe { &*(&raw const BYTES) })
        };
        #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
        const BLOB: $crate::Blob = $crate::include_blob!($path);
        BLOB
    }};
}

/// The constructors of a generated model whose weights are in a file.
#[doc(hidden)]
#[macro_export]
macro_rules! worker_of_file {
    ($model:ident, $weights:path $(, $field:ident: $value:expr)*) => {
        impl $model<'static> {
            /// A worker with its memory on the heap. The weights are mapped, once for all workers, from the file beside
            /// the executable.
            ///
            /// # Errors
            /// If the file cannot be read, or does not hold the weights of this program.
            pub fn new() -> ::core::result::Result<Self, $crate::WeightsError> {
                $weights.load()?;
                Ok(Self { memory: $crate::Memory::heap() $(, $field: $value)* })
            }

            /// A worker with its memory on the heap, and weights from this file unless they are mapped already.
            ///
            /// # Errors
            /// If the file cannot be read, or does not hold the weights of this program.
            pub fn with_weights_file(
                path: impl ::core::convert::AsRef<::std::path::Path>,
            ) -> ::core::result::Result<Self, $crate::WeightsError> {
                $weights.load_from(path.as_ref())?;
                Ok(Self { memory: $crate::Memory::heap() $(, $field: $value)* })
            }

            /// [`Self::with_weights_file`] that checks the length of the file but does not read it for its content, so
            /// that a worker of a large model is there at once.
            ///
            /// # Errors
            /// If the file cannot be read, or has another length.
            pub fn with_weights_file_unchecked(
                path: impl ::core::convert::AsRef<::std::path::Path>,
            ) -> ::core::result::Result<Self, $crate::WeightsError> {
                $weights.load_unchecked(path.as_ref())?;
                Ok(Self { memory: $crate::Memory::heap() $(, $field: $value)* })
            }
        }
        $crate::load_weights_of_file!($model, $weights);
    };
}

/// What maps the weights of a generated model before any worker is made.
#[doc(hidden)]
#[macro_export]
macro_rules! load_weights_of_file {
    ($model:ident, $weights:path) => {
        impl $model<'static> {
            /// Maps the weights from this file, unless they are mapped already. Call it before the first worker is made if
            /// they are not beside the executable.
            ///
            /// # Errors
            /// If the file cannot be read, or does not hold the weights of this program.
            pub fn load_weights(
                path: impl ::core::convert::AsRef<::std::path::Path>,
            ) -> ::core::result::Result<(), $crate::WeightsError> {
                $weights.load_from(path.as_ref())
            }

            /// [`Self::load_weights`] that checks the length of the file but does not read it for its content.
            ///
            /// # Errors
            /// If the file cannot be read, or has another length.
            pub fn load_weights_unchecked(
                path: impl ::core::convert::AsRef<::std::path::Path>,
            ) -> ::core::result::Result<(), $crate::WeightsError> {
                $weights.load_unchecked(path.as_ref())
            }
        }
    };
}

/// Brings the models of one `ingrain_compiler::build::Models::compile()` call of the build script into scope, each as a
/// module. List the models of that call in its order; together they share one blob.
///
/// ```text
/// ingrain::include_model!("digits");
/// ingrain::include_model!("encoder", "decoder");
/// ```
#[macro_export]
macro_rules! include_model {
    ($first:literal $(, $rest:literal)* $(,)?) => {
        ::core::include!(::core::concat!(::core::env!("OUT_DIR"), "/", $first, $("+", $rest,)* ".rs"));
    };
}

/// Its content if this crate has the feature `alloc`, else nothing. Generated code says with it what needs a heap,
/// since the feature is unknown in the crate that holds the code.
#[cfg(feature = "alloc")]
#[doc(hidden)]
#[macro_export]
macro_rules! with_alloc {
    ($($content:tt)*) => { $($content)* };
}

/// Its content if this crate has the feature `alloc`, else nothing.
#[cfg(not(feature = "alloc"))]
#[doc(hidden)]
#[macro_export]
macro_rules! with_alloc {
    ($($content:tt)*) => {};
}

/// `Model::new` of a generated model, if this crate has the feature `alloc`.
#[doc(hidden)]
#[macro_export]
macro_rules! worker_on_heap {
    ($model:ident $(, $field:ident: $value:expr)?) => {
        $crate::with_alloc! {
            impl $model<'static> {
                /// A worker with its memory on the heap.
                pub fn new() -> Self {
                    Self { memory: $crate::Memory::heap() $(, $field: $value)? }
                }
            }
            impl ::core::default::Default for $model<'static> {
                fn default() -> Self {
                    Self::new()
                }
            }
        }
    };
}
