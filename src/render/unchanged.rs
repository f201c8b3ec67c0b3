//! Collects the targets that need no edits, and limits the memory of reports.

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::difference::ObjectName;

/// The maximum size of the elements of a report in memory, in MiB. Each element repeats the names of its file and object.
const MAX_REPORT_MEBIBYTES: usize = 40;

/// The memory that a target without edits needs in addition to its names, as an object and in the report's text.
const TARGET_SIZE: usize = size_of::<UnchangedTarget>() + 160;

/// The size of a report in memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportSize(usize);

impl ReportSize {
    /// Adds the size of an element. Returns whether the report is still within its limit.
    pub fn add(&mut self, bytes: usize) -> bool {
        self.0 += bytes;
        !self.is_exceeded()
    }

    /// Returns whether the report exceeds its limit.
    pub fn is_exceeded(self) -> bool {
        self.0 > MAX_REPORT_MEBIBYTES << 20
    }

    /// Checks that the report is within its limit.
    ///
    /// # Errors
    ///
    /// Fails if the report exceeds its limit.
    pub fn check(self) -> Result<()> {
        if !self.is_exceeded() {
            return Ok(());
        }
        Err(Error::refused(format!("the report exceeds the limit of {MAX_REPORT_MEBIBYTES} MiB"))
            .hint("render fewer files or objects in one run"))
    }
}

/// A target that needs no edits.
#[derive(Clone, Debug)]
pub struct UnchangedTarget {
    /// The index of the input.
    pub input: usize,
    /// The 1-based index of the document in the input.
    pub document: usize,
    /// The 1-based line of the object in the input.
    pub line: usize,
    /// The object.
    pub object: ObjectName,
}

/// The targets that need no edits, in input order (in a document, ConfigMaps follow the other targets), and the size of the report that has them.
#[derive(Debug, Default)]
pub struct UnchangedTargets {
    /// The targets. Incomplete if the size exceeds the limit.
    pub targets: Vec<UnchangedTarget>,
    /// The size of the targets in a report.
    pub size: ReportSize,
    /// The index of the current input.
    input: usize,
    /// The number of its documents, and of their line breaks.
    documents: usize,
    line_breaks: usize,
}

impl UnchangedTargets {
    /// Adds the targets of the next document of an input, each with its offset in the document, in document order.
    pub(super) fn add_document(
        &mut self,
        input: usize,
        input_name: &str,
        text: &str,
        targets: Vec<(ObjectName, usize)>,
    ) {
        if self.input != input {
            (self.input, self.documents, self.line_breaks) = (input, 0, 0);
        }
        self.documents += 1;
        let (mut line, mut position) = (self.line_breaks + 1, 0);
        for (object, offset) in targets {
            if offset < position {
                // ConfigMaps follow the other targets.
                (line, position) = (self.line_breaks + 1, 0);
            }
            line += count_line_breaks(&text[position..offset]);
            position = offset;
            let names = object.kind.len() + object.name.as_ref().map_or(0, String::len);
            let names = names + object.namespace.as_ref().map_or(0, String::len);
            // The names are in the object and in the text of the report; the name of the input is in the text.
            if self.size.add(TARGET_SIZE + 2 * names + input_name.len()) {
                self.targets.push(UnchangedTarget { input, document: self.documents, line, object });
            }
        }
        self.line_breaks += count_line_breaks(text);
    }
}

fn count_line_breaks(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}
