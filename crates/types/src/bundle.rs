//! A bundle: what one run of a guest program gave, as one sequence of bytes with one hash.
//!
//! Standard output is the entry with the empty name; every file of `/out` is an entry under its
//! path without the leading slash. Entries are sorted by name and names are unique, so equal
//! results are equal bytes. Encoding: for each entry `u32` LE name length, name in UTF-8, `u64` LE
//! content length, content.

use std::collections::BTreeMap;
use std::ops::Range;

/// The named pieces of one result, in name order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    entries: BTreeMap<String, Vec<u8>>,
}

/// Why bytes are not a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes end inside an entry.
    #[error("the bundle ends inside an entry")]
    Short,
    /// A name is not UTF-8 text.
    #[error("an entry's name is not text")]
    Name,
    /// Names are not in strictly rising order.
    #[error("the entries are not in order")]
    Order,
}

impl Bundle {
    /// A bundle of standard output alone.
    #[must_use]
    pub fn of_stdout(bytes: Vec<u8>) -> Self {
        let mut bundle = Self::default();
        bundle.insert(String::new(), bytes);
        bundle
    }

    /// Adds an entry or replaces it.
    pub fn insert(&mut self, name: String, content: Vec<u8>) {
        self.entries.insert(name, content);
    }

    /// What the program wrote to standard output.
    #[must_use]
    pub fn stdout(&self) -> &[u8] {
        self.get("").unwrap_or_default()
    }

    /// The entry of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.entries.get(name).map(Vec::as_slice)
    }

    /// All entries in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries.iter().map(|(name, content)| (name.as_str(), content.as_slice()))
    }

    /// The one encoding of this bundle.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, content) in &self.entries {
            let name_len = u32::try_from(name.len()).unwrap_or(u32::MAX);
            let content_len = u64::try_from(content.len()).unwrap_or(u64::MAX);
            out.extend_from_slice(&name_len.to_le_bytes());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&content_len.to_le_bytes());
            out.extend_from_slice(content);
        }
        out
    }

    /// Reads an encoding back.
    ///
    /// # Errors
    /// [`BundleError`] when the bytes are not exactly what [`Bundle::encode`] gives.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut entries = BTreeMap::new();
        for entry in Entries(bytes) {
            let (name, content) = entry?;
            if entries.last_key_value().is_some_and(|(last, _): (&String, _)| **last >= *name) {
                return Err(BundleError::Order);
            }
            entries.insert(name.to_owned(), content.to_vec());
        }
        Ok(Self { entries })
    }

    /// The entries of an encoding in name order, each with its first byte and the one past its
    /// last.
    ///
    /// # Errors
    /// As [`Bundle::decode`].
    pub fn places(bytes: &[u8]) -> Result<Vec<(String, Range<u64>)>, BundleError> {
        let mut entries = Entries(bytes);
        let mut places: Vec<(String, Range<u64>)> = Vec::new();
        while let Some(entry) = entries.next() {
            let (name, content) = entry?;
            if places.last().is_some_and(|(last, _)| **last >= *name) {
                return Err(BundleError::Order);
            }
            let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let end = length(bytes).saturating_sub(length(entries.0));
            places.push((name.to_owned(), end.saturating_sub(length(content))..end));
        }
        Ok(places)
    }
}

/// What is left to read of an encoding.
struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    fn read(&mut self) -> Result<(&'a str, &'a [u8]), BundleError> {
        let name_len = take_array::<4>(&mut self.0).map(u32::from_le_bytes)?;
        let name = take(&mut self.0, u64::from(name_len))?;
        let name = std::str::from_utf8(name).map_err(|_| BundleError::Name)?;
        let content_len = take_array::<8>(&mut self.0).map(u64::from_le_bytes)?;
        Ok((name, take(&mut self.0, content_len)?))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a str, &'a [u8]), BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.read())
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8], BundleError> {
    let len = usize::try_from(len).map_err(|_| BundleError::Short)?;
    let (head, tail) = bytes.split_at_checked(len).ok_or(BundleError::Short)?;
    *bytes = tail;
    Ok(head)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], BundleError> {
    let (head, tail) = bytes.split_first_chunk::<N>().ok_or(BundleError::Short)?;
    *bytes = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bundle = Bundle::of_stdout(b"hello".to_vec());
        bundle.insert("b/c.txt".into(), vec![0; 300]);
        bundle.insert("a".into(), Vec::new());
        let bytes = bundle.encode();
        assert_eq!(Bundle::decode(&bytes), Ok(bundle.clone()));
        for ((name, place), (wanted, content)) in
            Bundle::places(&bytes).unwrap().into_iter().zip(bundle.iter())
        {
            let [start, end] = [place.start, place.end].map(|at| usize::try_from(at).unwrap());
            assert_eq!((name.as_str(), &bytes[start..end]), (wanted, content));
        }
        assert_eq!(Bundle::decode(&bytes[..bytes.len() - 1]), Err(BundleError::Short));
    }

    #[test]
    fn disorder_is_refused() {
        let mut one = Bundle::default();
        one.insert("b".into(), Vec::new());
        let mut bytes = one.encode();
        bytes.extend(bytes.clone());
        assert_eq!(Bundle::decode(&bytes), Err(BundleError::Order));
        assert_eq!(Bundle::places(&bytes), Err(BundleError::Order));
    }
}
