//! Packs reproducible archives: their bytes depend only on the files and the given time.

use anyhow::{Result, ensure};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// A file in an archive.
#[derive(Clone)]
pub struct Entry {
    name: String,
    mode: u32,
    bytes: Vec<u8>,
}

impl Entry {
    pub fn file(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Entry { name: name.to_owned(), mode: 0o644, bytes: bytes.into() }
    }

    pub fn program(name: &str, bytes: Vec<u8>) -> Self {
        Entry { mode: 0o755, ..Entry::file(name, bytes) }
    }
}

/// Packs files into a `.tar.gz` archive, sorted by name. `time` is the modification time of all files, in seconds since
/// 1970. The archive has no links, because krew rejects archives with links.
pub fn pack(mut entries: Vec<Entry>, time: u64) -> Result<Vec<u8>> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(entries.windows(2).all(|pair| pair[0].name != pair[1].name), "a name stands twice in an archive");
    let mut builder = Builder::new(GzBuilder::new().write(Vec::new(), Compression::best()));
    for entry in &entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(u64::try_from(entry.bytes.len())?);
        header.set_mode(entry.mode);
        header.set_mtime(time);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, &entry.name, entry.bytes.as_slice())?;
    }
    Ok(builder.into_inner()?.finish()?)
}
