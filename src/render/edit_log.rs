//! The edit log, which keeps the planned splices until the input is printed.
//!
//! The log has one record for each edited document, with the document's offset, its length, a checksum of its bytes,
//! and its splices. A large log is moved to a temporary file, so memory use does not grow with the input.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek, Write};
use std::ops::Range;
use std::rc::Rc;

use tempfile::SpooledTempFile;
use xxhash_rust::xxh3::xxh3_64;

/// The maximum size, in bytes, of a log in memory. A larger log is moved to a temporary file.
const MAX_MEMORY_SIZE: usize = 256 * 1024;
/// The maximum number of inserted texts that get a number. Most edits insert the same few texts. Each numbered text is
/// written once, and later splices refer to its number.
const MAX_NUMBERED_TEXTS: usize = 256;

/// A log that is written once and then read from the start any number of times.
pub(super) struct EditLog {
    file: LogFile,
    records: usize,
    /// The texts that have a number, indexed by number.
    texts: Vec<Rc<str>>,
    /// The numbers, keyed by text.
    text_numbers: HashMap<Rc<str>, u64>,
    /// The buffer for the bytes of a record, which is reused.
    record: Vec<u8>,
}

/// The file of a log and its current use.
enum LogFile {
    Writing(SpooledTempFile),
    Reading(BufReader<SpooledTempFile>),
    /// The placeholder while the file is moved from one variant to another.
    Taken,
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

impl EditLog {
    pub(super) fn new() -> Self {
        EditLog {
            file: LogFile::Writing(SpooledTempFile::new(MAX_MEMORY_SIZE)),
            records: 0,
            texts: Vec::new(),
            text_numbers: HashMap::new(),
            record: Vec::new(),
        }
    }

    /// Returns whether the log has no records.
    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Writes the record of the document at an offset. Records must be pushed in ascending order of offsets, before the
    /// log is read.
    pub(super) fn push<'t>(
        &mut self,
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
        if let LogFile::Writing(file) = &mut self.file {
            file.write_all(&record)?;
        }
        self.records += 1;
        self.record = record;
        Ok(())
    }

    fn number_text(&mut self, text: &str) {
        if self.texts.len() < MAX_NUMBERED_TEXTS && !text.is_empty() {
            let text: Rc<str> = Rc::from(text);
            self.text_numbers.insert(Rc::clone(&text), self.texts.len() as u64);
            self.texts.push(text);
        }
    }

    /// Moves back to the first record. Ends writing.
    pub(super) fn rewind(&mut self) -> io::Result<()> {
        let mut file = match std::mem::replace(&mut self.file, LogFile::Taken) {
            LogFile::Writing(file) => file,
            LogFile::Reading(reader) => reader.into_inner(),
            LogFile::Taken => return Err(io::ErrorKind::Other.into()),
        };
        file.rewind()?;
        self.file = LogFile::Reading(BufReader::with_capacity(16 * 1024, file));
        Ok(())
    }

    /// Reads the next record. Returns `None` after the last record.
    pub(super) fn read_record(&mut self) -> io::Result<Option<EditRecord>> {
        let LogFile::Reading(file) = &mut self.file else { return Err(io::ErrorKind::Other.into()) };
        let Some(offset) = read_number_or_end(file)? else { return Ok(None) };
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

fn read_number(file: &mut impl Read) -> io::Result<u64> {
    read_number_or_end(file)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn read_size(file: &mut impl Read) -> io::Result<usize> {
    usize::try_from(read_number(file)?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Reads a number in unsigned LEB128. Returns `None` at the end of the file.
fn read_number_or_end(file: &mut impl Read) -> io::Result<Option<u64>> {
    let (mut number, mut shift) = (0, 0);
    let mut byte = [0];
    loop {
        let read = loop {
            match file.read(&mut byte) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => break read?,
            }
        };
        if read == 0 {
            return if shift == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(Some(number));
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
    fn reads_the_same_records_twice() {
        let document = "kind: Job\nmetadata:\n  name: a\n";
        let mut log = EditLog::new();
        for offset in [0, 500, 1 << 40] {
            log.push(offset, document, [(28..29, "b")].into_iter()).unwrap();
        }
        for _ in 0..2 {
            log.rewind().unwrap();
            for offset in [0, 500, 1 << 40] {
                let record = log.read_record().unwrap().unwrap();
                assert_eq!(record.offset, offset);
                assert!(record.matches_document(document.as_bytes()) && !record.matches_document(b"another"));
                let mut out = Vec::new();
                record.write_edited(document.as_bytes(), &mut out).unwrap();
                assert_eq!(out, document.replace("name: a", "name: b").as_bytes());
            }
            assert!(log.read_record().unwrap().is_none());
        }
    }
}
