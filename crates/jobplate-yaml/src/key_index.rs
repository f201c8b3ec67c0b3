//! Looks up many keys of one mapping. [`Node::get`] compares every key of the mapping in each call.

use std::borrow::Cow;
use std::collections::HashMap;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Error, Result};

use super::tree::Node;

/// The maximum number of keys or names that are compared one by one. Hashing a few short ones takes longer.
pub const MAX_COMPARED_KEYS: usize = 16;

/// The keys of a mapping, hashed if there are many.
#[derive(Debug)]
pub struct KeyIndex<'a> {
    map: Node<'a>,
    /// The scalar keys, if the mapping has more than [`MAX_COMPARED_KEYS`] keys.
    hashed: Option<HashMap<Cow<'a, str>, IndexedEntry<'a>>>,
}

/// The first value of a key, and the second occurrence of the key.
#[derive(Debug)]
struct IndexedEntry<'a> {
    value: Node<'a>,
    duplicate: Option<Node<'a>>,
}

impl<'a> KeyIndex<'a> {
    /// Indexes a mapping. Other nodes are treated like a mapping without keys.
    pub fn new(map: Node<'a>) -> Self {
        let has_many_keys = map.entries().nth(MAX_COMPARED_KEYS).is_some();
        let hashed = has_many_keys.then(|| {
            let mut hashed: HashMap<Cow<'a, str>, IndexedEntry<'a>> = HashMap::new();
            for (key, value) in map.entries() {
                let Some(name) = key.text() else { continue };
                let entry = hashed.entry(name).or_insert(IndexedEntry { value, duplicate: None });
                if entry.value.index() != value.index() {
                    entry.duplicate.get_or_insert(key);
                }
            }
            hashed
        });
        KeyIndex { map, hashed }
    }

    /// Returns the value of a key, or `None` if the key is missing.
    ///
    /// # Errors
    ///
    /// Fails if the mapping has the key twice. The error points to the second occurrence.
    pub fn get(&self, key: &str) -> Result<Option<Node<'a>>> {
        let Some(hashed) = &self.hashed else { return self.map.get(key) };
        match hashed.get(key) {
            None => Ok(None),
            Some(IndexedEntry { value, duplicate: None }) => Ok(Some(*value)),
            Some(IndexedEntry { duplicate: Some(duplicate), .. }) => Err(duplicate_key(*duplicate)),
        }
    }

    /// Returns the first value of a key, or `None` if the key is missing. Does not detect duplicate keys.
    pub fn get_first(&self, key: &str) -> Option<Node<'a>> {
        match &self.hashed {
            None => self.map.get_first(key),
            Some(hashed) => hashed.get(key).map(|entry| entry.value),
        }
    }

    /// Refuses duplicate keys.
    ///
    /// # Errors
    ///
    /// Fails if the mapping has a key twice. The error points to the first repeated key.
    pub fn refuse_duplicates(&self) -> Result<()> {
        let duplicate = match &self.hashed {
            None => {
                let mut names: [Option<Cow<'a, str>>; MAX_COMPARED_KEYS] = [const { None }; MAX_COMPARED_KEYS];
                self.map.entries().enumerate().find_map(|(position, (key, _))| {
                    let name = key.text()?;
                    let is_duplicate = names[..position].iter().flatten().any(|earlier| *earlier == name);
                    names[position] = Some(name);
                    is_duplicate.then_some(key)
                })
            }
            Some(hashed) => hashed.values().filter_map(|entry| entry.duplicate).min_by_key(|key| key.index()),
        };
        duplicate.map_or(Ok(()), |key| Err(duplicate_key(key)))
    }
}

/// Returns the error for the second occurrence of a key.
pub(super) fn duplicate_key(key: Node<'_>) -> Error {
    Error::refused(format!("duplicate key {} in a mapping", quote_key(&key.text().unwrap_or_default())))
        .at(key.span())
        .hint("remove one of the two; YAML parsers disagree on which one applies")
}

#[cfg(test)]
mod tests {
    use super::super::fallback::read;
    use super::super::tree::{Document, NodeArena};
    use super::*;

    /// Returns the result of `check` for a mapping with the given keys, whose values are their positions.
    fn index<T>(keys: &[String], check: impl Fn(KeyIndex<'_>) -> T) -> T {
        let text: String = keys.iter().enumerate().map(|(position, key)| format!("{key}: {position}\n")).collect();
        let mut arena = NodeArena::default();
        read(&text, &mut arena).unwrap();
        check(KeyIndex::new(Document::new(&text, &arena).root()))
    }

    #[test]
    fn many_keys_are_found_like_few() {
        for count in [3, MAX_COMPARED_KEYS, MAX_COMPARED_KEYS + 1, 100] {
            let mut keys: Vec<String> = (0..count).map(|number| format!("k{number}")).collect();
            index(&keys, |index| {
                for (position, key) in keys.iter().enumerate() {
                    assert!(index.get(key).unwrap().unwrap().has_text(&position.to_string()), "{count} {key}");
                }
                assert!(index.get("x").unwrap().is_none() && index.get_first("x").is_none());
                assert!(index.refuse_duplicates().is_ok());
            });
            keys.extend(["'k1'".to_owned(), "k0".to_owned()]);
            index(&keys, |index| {
                assert!(index.get("k0").is_err() && index.get("k2").is_ok());
                assert!(index.get_first("k0").unwrap().has_text("0"));
                let error = index.refuse_duplicates().unwrap_err();
                assert_eq!(error.message(), "duplicate key `k1` in a mapping");
            });
        }
    }
}
