//! The edit log, which keeps the planned splices of all inputs until the inputs are printed.
//!
//! The log has one record for each edited document, with the document's offset, its length, a checksum of its bytes,
//! and its splices. A large log is moved to a temporary file, so memory use does not grow with the input.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::rc::Rc;

use tempfile::SpooledTempFile;
use xxhash_rust::xxh3::xxh3_64;

/// The maximum size, in bytes, of a log in memory. A larger log is moved to a temporary file.
const MAX_MEMORY_SIZE: usize = 256 * 1024;
/// The maximum number of inserted texts that get a number. Most edits insert the same few texts. Each numbered text is
/// written once, and later splices refer to its number.
const MAX_NUMBERED_TEXTS: usize = 256;
/// The maximum length, in bytes, of an inserted text that gets a number. Numbered texts stay in memory.
const MAX_NUMBERED_TEXT_LENGTH: usize = 64 * 1024;

/// A log that is written once and then read any number of times.
pub(super) struct EditLog {
    file: BufReader<SpooledTempFile>,
    /// The length of the file in bytes.
    length: u64,
    /// The number of records of the current section that have not been read.
    remaining_records: usize,
    /// The texts that have a number, indexed by number.
    texts: Vec<Rc<str>>,
    /// The numbers, keyed by text.
    text_numbers: HashMap<Rc<str>, u64>,
    /// The buffer for the bytes of a record, which is reused.
    record: Vec<u8>,
}

/// The part of a log with the records of one input.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LogSection {
    /// The offset of the first record.
    start: u64,
    records: usize,
}

impl LogSection {
    /// Returns whether the section has no records.
    pub(super) fn is_empty(self) -> bool {
        self.records == 0
    }
}

/// The splices of one document.
pub(super) struct EditRecord {
    /// The offset of the document in the input.
    pub offset: u64,
    /// The length of the document in bytes.
    pub length: usize,
    checksum: u64,
    splices: Vec<(Range<usize>, Rc<str>)>,
}

impl Default for EditLog {
    fn default() -> Self {
        EditLog {
            file: BufReader::with_capacity(16 * 1024, SpooledTempFile::new(MAX_MEMORY_SIZE)),
            length: 0,
            remaining_records: 0,
            texts: Vec::new(),
            text_numbers: HashMap::new(),
            record: Vec::new(),
        }
    }
}

impl EditLog {
    /// Begins the section of the next input.
    pub(super) fn begin_section(&self) -> LogSection {
        LogSection { start: self.length, records: 0 }
    }

    /// Writes the record of the document at an offset of an input. `section` must be the last one that began, and
    /// records must be pushed in ascending order of offsets, before the log is read.
    pub(super) fn push<'t>(
        &mut self,
        section: &mut LogSection,
        offset: u64,
        document: &str,
        splices: impl ExactSizeIterator<Item = (Range<usize>, &'t str)>,
    ) -> io::Result<()> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        write_number(&mut record, offset);
        write_number(&mut record, document.len() as u64);
        record.extend_from_slice(&xxh3_64(document.as_bytes()).to_le_bytes());
        write_number(&mut record, splices.len() as u64);
        let mut previous_end = 0;
        for (range, text) in splices {
            write_number(&mut record, (range.start - previous_end) as u64);
            write_number(&mut record, range.len() as u64);
            previous_end = range.end;
            match self.text_numbers.get(text) {
                Some(&number) => write_number(&mut record, number + 1),
                None => {
                    write_number(&mut record, 0);
                    write_number(&mut record, text.len() as u64);
                    record.extend_from_slice(text.as_bytes());
                    self.number_text(text);
                }
            }
        }
        self.file.get_mut().write_all(&record)?;
        self.length += record.len() as u64;
        section.records += 1;
        self.record = record;
        Ok(())
    }

    fn number_text(&mut self, text: &str) {
        if self.texts.len() < MAX_NUMBERED_TEXTS && (1..=MAX_NUMBERED_TEXT_LENGTH).contains(&text.len()) {
            let text: Rc<str> = Rc::from(text);
            self.text_numbers.insert(Rc::clone(&text), self.texts.len() as u64);
            self.texts.push(text);
        }
    }

    /// Moves to the first record of a section. Ends writing.
    pub(super) fn seek(&mut self, section: LogSection) -> io::Result<()> {
        self.remaining_records = section.records;
        if !section.is_empty() {
            self.file.seek(SeekFrom::Start(section.start))?;
        }
        Ok(())
    }

    /// Reads the next record of the section. Returns `None` after the last record.
    pub(super) fn read_record(&mut self) -> io::Result<Option<EditRecord>> {
        let Some(remaining) = self.remaining_records.checked_sub(1) else { return Ok(None) };
        self.remaining_records = remaining;
        let file = &mut self.file;
        let offset = read_number(file)?;
        let length = read_size(file)?;
        let mut checksum = [0; 8];
        file.read_exact(&mut checksum)?;
        let count = read_size(file)?;
        let mut splices = Vec::with_capacity(count);
        let mut previous_end = 0;
        for _ in 0..count {
            let start = previous_end + read_size(file)?;
            let end = start + read_size(file)?;
            previous_end = end;
            let text = match read_number(file)?.checked_sub(1) {
                Some(number) => Rc::clone(&self.texts[number as usize]),
                None => {
                    let mut text = vec![0; read_size(file)?];
                    file.read_exact(&mut text)?;
                    String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData)?.into()
                }
            };
            splices.push((start..end, text));
        }
        Ok(Some(EditRecord { offset, length, checksum: u64::from_le_bytes(checksum), splices }))
    }
}

impl EditRecord {
    /// Returns whether a document has the same length and checksum as when it was planned.
    pub(super) fn matches_document(&self, document: &[u8]) -> bool {
        document.len() == self.length && xxh3_64(document) == self.checksum
    }

    /// Returns the byte ranges that are replaced, each with the length of its replacement.
    pub(super) fn changes(&self) -> Vec<(Range<usize>, usize)> {
        self.splices.iter().map(|(range, text)| (range.clone(), text.len())).collect()
    }

    /// Writes the document with the splices applied.
    pub(super) fn write_edited(&self, document: &[u8], out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut previous_end = 0;
        for (range, text) in &self.splices {
            out.write_all(&document[previous_end..range.start])?;
            out.write_all(text.as_bytes())?;
            previous_end = range.end;
        }
        out.write_all(&document[previous_end..])
    }
}

/// Appends a number in unsigned LEB128: 7 bits in each byte, least significant bits first.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_size(file: &mut impl Read) -> io::Result<usize> {
    usize::try_from(read_number(file)?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads a number in unsigned LEB128.
fn read_number(file: &mut impl Read) -> io::Result<u64> {
    let (mut number, mut shift) = (0, 0);
    let mut byte = [0];
    loop {
        file.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(number);
        }
        shift += 7;
        if shift > 63 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_records_of_each_section_twice() {
        let document = "kind: Job\nmetadata:\n  name: a\n";
        let mut log = EditLog::default();
        let mut sections = Vec::new();
        for offsets in [vec![0, 500, 1 << 40], vec![], vec![7]] {
            let mut section = log.begin_section();
            for offset in &offsets {
                log.push(&mut section, *offset, document, [(28..29, "b")].into_iter()).unwrap();
            }
            assert_eq!(section.is_empty(), offsets.is_empty());
            sections.push((section, offsets));
        }
        for (section, offsets) in sections.iter().chain(&sections) {
            log.seek(*section).unwrap();
            for offset in offsets {
                let record = log.read_record().unwrap().unwrap();
                assert_eq!(record.offset, *offset);
                assert!(record.matches_document(document.as_bytes()) && !record.matches_document(b"another"));
                let mut out = Vec::new();
                record.write_edited(document.as_bytes(), &mut out).unwrap();
                assert_eq!(out, document.replace("name: a", "name: b").as_bytes());
            }
            assert!(log.read_record().unwrap().is_none());
        }
    }
}
