//! Duplicate keys of mappings in files. Python uses the last of them and drops the others silently.

use std::collections::HashSet;

use jobplate_diagnostic::suggest::quote_key;
use jobplate_diagnostic::{Diagnostic, Error, Result};

use super::source::{Location, SourceFile, locate};

/// The maximum number of dropped keys that are reported one by one.
const MAX_REPORTED: usize = 20;

/// The maximum length of a key in a message, in bytes.
const MAX_QUOTED: usize = 64;

/// The dropped keys of all files that a run reads.
#[derive(Debug, Default)]
pub struct DuplicateKeys {
    reported: Vec<DuplicateKey>,
    /// The file and the offset of each dropped key. A mapping that several merge keys refer to is read several times.
    dropped: HashSet<(*const SourceFile, usize)>,
}

/// A key that a later key of the same mapping overrides.
#[derive(Debug)]
struct DuplicateKey {
    name: Option<String>,
    dropped: Location,
    last: Location,
}

impl DuplicateKeys {
    /// Records a key whose value is dropped, and the equal key after it. `name` is the key if it is a string.
    pub(super) fn record(&mut self, name: Option<&str>, dropped: Location, last: Location) {
        let is_new = self.dropped.insert((std::rc::Rc::as_ptr(&dropped.source), dropped.span.start));
        if is_new && self.reported.len() < MAX_REPORTED {
            let name = name.filter(|name| name.len() <= MAX_QUOTED).map(str::to_owned);
            self.reported.push(DuplicateKey { name, dropped, last });
        }
    }

    /// Returns a warning for each dropped key, at the dropped key. The last warning counts the keys that exceed the
    /// limit.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let to_warning = |key: &DuplicateKey| {
            let text = format!("{}, overridden on line {}", key.describe(), key.last.line());
            Diagnostic::warning("duplicate-key", text)
                .at(key.dropped.to_diagnostic_location())
                .annotate(key.last.to_diagnostic_location(), "Prefect uses this one")
                .help("remove one of the two")
        };
        let mut warnings: Vec<Diagnostic> = self.reported.iter().map(to_warning).collect();
        if let more @ 1.. = self.dropped.len() - self.reported.len() {
            warnings.push(Diagnostic::warning("duplicate-key", format!("{more} more duplicate keys")));
        }
        warnings
    }

    /// Refuses duplicate keys.
    ///
    /// # Errors
    /// Fails if a mapping has a key twice. The error points to the second key.
    pub fn refuse(&self) -> Result<()> {
        let Some(key) = self.reported.first() else { return Ok(()) };
        let error = Error::refused(format!("{}, first defined on line {}", key.describe(), key.dropped.line()))
            .with_code("duplicate-key")
            .annotate(key.dropped.to_diagnostic_location(), "first occurrence")
            .hint("remove one of the two; Prefect uses the last one");
        Err(locate(error, Some(&key.last)))
    }
}

impl DuplicateKey {
    fn describe(&self) -> String {
        self.name.as_ref().map_or("duplicate key".to_owned(), |name| format!("duplicate key {}", quote_key(name)))
    }
}

#[cfg(test)]
mod tests {
    use crate::pyvalue::arena::Arena;
    use crate::pyvalue::source::SourceFile;
    use crate::pyvalue::{json, yaml};

    /// Returns the line and the message of each warning.
    fn warnings(arena: &Arena) -> Vec<(usize, String)> {
        let warnings = arena.duplicate_keys.warnings().into_iter();
        warnings
            .map(|warning| (warning.location().map_or(0, |at| at.line_column().0), warning.message().to_owned()))
            .collect()
    }

    #[test]
    fn reports_each_dropped_key_once() {
        for (text, expected) in [
            ("a: 1\nb: 2\n", &[][..]),
            ("a: 1\nb: 2\na: 3\na: 4\n", &[(1, "`a`, overridden on line 3"), (3, "`a`, overridden on line 4")]),
            ("1: a\n1.0: b\n", &[(1, "key, overridden on line 2")]),
            ("x: {a: 1,\n  a: 2}\n", &[(1, "`a`, overridden on line 2")]),
            ("<<: {a: 1}\na: 2\n", &[]),
            ("<<: [{a: 1}, {a: 2}]\n", &[]),
            ("x: &x\n  a: 1\n  a: 2\ny: {<<: *x}\nz: {<<: *x}\n", &[(2, "`a`, overridden on line 3")]),
            ("x: &x {a: 1}\ny: {<<: [*x, *x]}\n", &[]),
            ("x: &x {a: 1}\ny: &y {<<: *x, b: 1}\nz: {<<: [*x, *y]}\n", &[]),
            ("x: &x\n  a: 1\n  a: 2\ny: {<<: [*x, *x]}\n", &[(2, "`a`, overridden on line 3")]),
            ("y:\n  <<: {a: 1,\n    a: 2}\n", &[(2, "`a`, overridden on line 3")]),
        ] {
            let mut arena = Arena::default();
            yaml::load(&mut arena, &SourceFile::new_manifest("t", text)).unwrap();
            let actual = warnings(&arena);
            let is_expected = |((line, message), expected): (&(usize, String), &(usize, &str))| {
                *line == expected.0 && message.contains(expected.1)
            };
            assert!(
                actual.len() == expected.len() && actual.iter().zip(expected).all(is_expected),
                "{text}: {actual:?}"
            );
        }
    }

    #[test]
    fn reports_duplicate_keys_of_json() {
        let mut arena = Arena::default();
        let text = "{\"a\": 1,\n\"b\": [{\"c\": 1, \"c\": 2}],\n\"\\u0061\": 3}";
        json::load(&mut arena, &SourceFile::new_manifest("t", text)).unwrap();
        let lines: Vec<usize> = warnings(&arena).iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 1]);
        assert_eq!(arena.duplicate_keys.refuse().unwrap_err().message(), "duplicate key `c`, first defined on line 2");
    }

    #[test]
    fn counts_the_keys_that_exceed_the_limit() {
        let mut arena = Arena::default();
        yaml::load(&mut arena, &SourceFile::new_manifest("t", "a: 1\n".repeat(100))).unwrap();
        let warnings = warnings(&arena);
        assert_eq!((warnings.len(), warnings[20].1.as_str()), (21, "79 more duplicate keys"));
    }
}
