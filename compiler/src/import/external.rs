//! Tensor data in files beside the model.
//!
//! Each file is opened once and its bytes are shared; a tensor is a slice of them. Which files may be opened is the
//! business of [`ExternalData`]; offsets and lengths, which come from the model, are checked here.

use super::proto::StringStringEntryProto;
use crate::diag::{Code, Diagnostic};
use crate::options::ExternalData;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The external data files of one model, opened on first use.
pub struct ExternalFiles<'a> {
    source: &'a dyn ExternalData,
    open: RefCell<BTreeMap<String, Result<Bytes, String>>>,
}

impl<'a> ExternalFiles<'a> {
    /// Files that come from `source`.
    pub fn new(source: &'a dyn ExternalData) -> ExternalFiles<'a> {
        ExternalFiles { source, open: RefCell::default() }
    }

    /// The bytes that a tensor of `expected` bytes finds where `entries` (its `external_data`) say.
    ///
    /// Without `offset` they start at the file's first byte; without `length` there are as many as the tensor needs.
    /// `checksum` is not checked: tools write it in different forms, most not at all.
    ///
    /// # Errors
    /// [`Code::BadExternalData`].
    pub fn slice(&self, entries: &[StringStringEntryProto], expected: usize) -> Result<Bytes, Diagnostic> {
        let entry = |key: &str| {
            entries.iter().find(|e| e.key.as_deref() == Some(key)).map(|e| e.value.as_deref().unwrap_or(""))
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.trim().parse::<usize>().map(Some).map_err(|_| {
                bad(format!("{key} \"{text}\" of external data is not a byte count of this machine"))
            }),
        };
        let Some(location) = entry("location") else {
            return Err(bad("external data without a location".to_owned()));
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?.unwrap_or(expected));
        if length != expected {
            return Err(bad(format!(
                "external data of {length} bytes in \"{location}\" for a tensor of {expected} bytes"
            )));
        }
        let file = self.file(location)?;
        match offset.checked_add(length).filter(|&end| end <= file.len()) {
            Some(end) => Ok(file.slice(offset..end)),
            None => Err(bad(format!(
                "\"{location}\" has {} bytes, the tensor's data are {length} bytes from byte {offset} on",
                file.len()
            ))),
        }
    }

    fn file(&self, location: &str) -> Result<Bytes, Diagnostic> {
        let mut open = self.open.borrow_mut();
        let file = open.entry(location.to_owned()).or_insert_with(|| self.source.read(location));
        file.clone().map_err(|why| {
            bad(format!("external data: {why}"))
                .help("put the external data files where the model expects them, next to the model file")
        })
    }
}

fn bad(message: String) -> Diagnostic {
    Diagnostic::new(Code::BadExternalData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneFile;

    impl ExternalData for OneFile {
        fn read(&self, location: &str) -> Result<Bytes, String> {
            match location {
                "weights.bin" => Ok(Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7])),
                _ => Err(format!("\"{location}\" does not exist")),
            }
        }
    }

    fn slice(entries: &[(&str, &str)], expected: usize) -> Result<Bytes, String> {
        let entries: Vec<_> = entries
            .iter()
            .map(|(k, v)| StringStringEntryProto { key: Some((*k).to_owned()), value: Some((*v).to_owned()) })
            .collect();
        ExternalFiles::new(&OneFile).slice(&entries, expected).map_err(|d| {
            assert_eq!(d.code, Code::BadExternalData);
            d.message
        })
    }

    #[test]
    fn a_slice_starts_at_the_offset() {
        let at = |o| slice(&[("location", "weights.bin"), ("offset", o), ("length", "3")], 3);
        assert_eq!(at("5").unwrap(), &[5, 6, 7][..]);
        assert_eq!(slice(&[("location", "weights.bin"), ("checksum", "?")], 8).unwrap().len(), 8);
        assert!(at("6").unwrap_err().contains("has 8 bytes"));
        assert!(at("18446744073709551615").unwrap_err().contains("has 8 bytes"));
        assert!(at("-1").unwrap_err().contains("not a byte count"));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert!(slice(&[("offset", "0")], 1).unwrap_err().contains("without a location"));
        assert!(slice(&[("location", "w")], 1).unwrap_err().contains("does not exist"));
        let short = slice(&[("location", "weights.bin"), ("length", "4")], 8);
        assert!(short.unwrap_err().contains("of 4 bytes"));
    }
}
