//! The edit log: what the first pass decided, for the second one to do.
//!
//! One record per edited document: where it is, a seal on its bytes, its splices. It goes to a temporary
//! file beyond a size that any ordinary input stays under, so that it bounds no input's length.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Seek, Write};
use std::ops::Range;
use std::rc::Rc;

use tempfile::SpooledTempFile;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of log that are kept in memory.
const IN_MEMORY: usize = 256 * 1024;
/// New texts that are kept to be named by number when they come again, as they do in every document.
const MAX_NUMBERED_TEXTS: usize = 256;

/// A log that is written once, then read from the start as often as need be.
pub(super) struct EditLog {
    file: LogFile,
    records: usize,
    texts: Vec<Rc<str>>,
    numbers: HashMap<Rc<str>, u64>,
    record: Vec<u8>,
}

enum LogFile {
    Writing(SpooledTempFile),
    Reading(BufReader<SpooledTempFile>),
    Taken,
}

/// The splices of one document.
pub(super) struct EditRecord {
    /// Where the document begins in the input.
    pub offset: u64,
    /// Its length in bytes.
    pub length: usize,
    checksum: u64,
    splices: Vec<(Range<usize>, Rc<str>)>,
}

impl EditLog {
    pub(super) fn new() -> Self {
        EditLog {
            file: LogFile::Writing(SpooledTempFile::new(IN_MEMORY)),
            records: 0,
            texts: Vec::new(),
            numbers: HashMap::new(),
            record: Vec::new(),
        }
    }

    /// Whether no document is edited.
    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Writes down the splices of the document at an offset; offsets only grow.
    pub(super) fn push<'t>(
        &mut self,
        offset: u64,
        document: &str,
        splices: impl ExactSizeIterator<Item = (Range<usize>, &'t str)>,
    ) -> io::Result<()> {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        put(&mut record, offset);
        put(&mut record, document.len() as u64);
        record.extend_from_slice(&xxh3_64(document.as_bytes()).to_le_bytes());
        put(&mut record, splices.len() as u64);
        let mut from = 0;
        for (range, text) in splices {
            put(&mut record, (range.start - from) as u64);
            put(&mut record, range.len() as u64);
            from = range.end;
            match self.numbers.get(text) {
                Some(&number) => put(&mut record, number + 1),
                None => {
                    put(&mut record, 0);
                    put(&mut record, text.len() as u64);
                    record.extend_from_slice(text.as_bytes());
                    // The reader learns the same texts in the same order.
                    self.learn(text);
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

    fn learn(&mut self, text: &str) {
        if self.texts.len() < MAX_NUMBERED_TEXTS && !text.is_empty() {
            let text: Rc<str> = Rc::from(text);
            self.numbers.insert(Rc::clone(&text), self.texts.len() as u64);
            self.texts.push(text);
        }
    }

    /// Back to the first record.
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

    /// The next record; none behind the last.
    pub(super) fn read(&mut self) -> io::Result<Option<EditRecord>> {
        let LogFile::Reading(file) = &mut self.file else { return Err(io::ErrorKind::Other.into()) };
        let Some(offset) = take_first(file)? else { return Ok(None) };
        let length = take_size(file)?;
        let mut checksum = [0; 8];
        file.read_exact(&mut checksum)?;
        let count = take_size(file)?;
        let mut splices = Vec::with_capacity(count);
        let mut from = 0;
        for _ in 0..count {
            let start = from + take_size(file)?;
            let end = start + take_size(file)?;
            from = end;
            let text = match take(file)?.checked_sub(1) {
                Some(number) => Rc::clone(&self.texts[number as usize]),
                None => {
                    let mut text = vec![0; take_size(file)?];
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
    /// Whether these are the bytes that the record was made for.
    pub(super) fn matches_document(&self, document: &[u8]) -> bool {
        document.len() == self.length && xxh3_64(document) == self.checksum
    }

    /// The bytes that are replaced, and how many take their place.
    pub(super) fn changes(&self) -> Vec<(Range<usize>, usize)> {
        self.splices.iter().map(|(range, text)| (range.clone(), text.len())).collect()
    }

    /// Writes the document with the splices made.
    pub(super) fn write(&self, document: &[u8], out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut from = 0;
        for (range, text) in &self.splices {
            out.write_all(&document[from..range.start])?;
            out.write_all(text.as_bytes())?;
            from = range.end;
        }
        out.write_all(&document[from..])
    }
}

/// Writes a number, 7 bits to a byte, lowest first.
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(file: &mut impl Read) -> io::Result<u64> {
    take_first(file)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn take_size(file: &mut impl Read) -> io::Result<usize> {
    usize::try_from(take(file)?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A number, or none at the end of the file.
fn take_first(file: &mut impl Read) -> io::Result<Option<u64>> {
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
    fn reads_back_what_was_written_twice() {
        let document = "kind: Job\nmetadata:\n  name: a\n";
        let mut log = EditLog::new();
        for offset in [0, 500, 1 << 40] {
            log.push(offset, document, [(28..29, "b")].into_iter()).unwrap();
        }
        for _ in 0..2 {
            log.rewind().unwrap();
            for offset in [0, 500, 1 << 40] {
                let record = log.read().unwrap().unwrap();
                assert_eq!(record.offset, offset);
                assert!(record.matches_document(document.as_bytes()) && !record.matches_document(b"another"));
                let mut out = Vec::new();
                record.write(document.as_bytes(), &mut out).unwrap();
                assert_eq!(out, document.replace("name: a", "name: b").as_bytes());
            }
            assert!(log.read().unwrap().is_none());
        }
    }
}
