//! Reads auxiliary files (templates, scenarios, env files) into memory, up to a size limit.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jobplate_diagnostic::{Error, Result, describe_io_error, display_path};
use jobplate_prefect::pyvalue::source::SourceFile;

use super::edit_args::is_stdin;
use super::similar_file::suggest_file;

/// The maximum size of a file, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The beginning of the reason why a file cannot be read.
const UNREADABLE: &str = "cannot be read";

/// Returns whether a path is probably the content of a file, which may contain a secret.
fn looks_like_content(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.contains(['{', '"', '\n']) || path.contains('=') && !path.contains('/')
}

/// Reads the auxiliary files of one run. Standard input can be read once.
#[derive(Default)]
pub(crate) struct InputReader {
    stdin_was_read: bool,
    /// The files that [`InputReader::read_source`] has read, or `None` if each call reads the file.
    cache: Option<HashMap<PathBuf, Rc<SourceFile>>>,
}

impl InputReader {
    /// Creates a reader that reads each source file once, although several templates need it.
    pub(crate) fn with_cache() -> Self {
        InputReader { cache: Some(HashMap::new()), ..InputReader::default() }
    }

    /// Reads a file or standard input (`-`) completely. The error is the reason without the file's name.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the file cannot be read or is too large, or if standard input was read before.
    pub(crate) fn read_bytes(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let fail = |error: std::io::Error| format!("{UNREADABLE}: {}", describe_io_error(&error));
        if is_stdin(path) {
            if std::mem::replace(&mut self.stdin_was_read, true) {
                return Err("standard input can only be read once".to_owned());
            }
            stdin().take(MAX_BYTES).read_to_end(&mut bytes).map_err(fail)?;
        } else {
            File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(fail)?;
        }
        if bytes.len() as u64 == MAX_BYTES { Err("exceeds the limit of 64 MiB".to_owned()) } else { Ok(bytes) }
    }

    /// Reads a UTF-8 file. `is_manifest` is true if errors may show its lines. Values in other files can't be
    /// masked.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not UTF-8.
    pub(crate) fn read_source(&mut self, path: &Path, is_manifest: bool) -> Result<Rc<SourceFile>> {
        if let Some(source) = self.cache.as_ref().and_then(|cache| cache.get(path)) {
            return Ok(Rc::clone(source));
        }
        let name = display_path(path);
        let bytes = self.read_bytes(path).map_err(|why| {
            if looks_like_content(path) && !path.exists() {
                let error = Error::input(why).in_file("***");
                return error.hint("pass the name of a file, not its content");
            }
            let similar = if why.starts_with(UNREADABLE) { suggest_file(path) } else { None };
            similar.into_iter().fold(Error::input(why).in_file(&name), Error::hint)
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Error::input(format!("not UTF-8, at byte {at}")).in_file(&name).hint("save the file as UTF-8")
        })?;
        let source = match is_manifest {
            true => SourceFile::new_manifest(name, text),
            false => SourceFile::new_redacted(name, text),
        };
        if let Some(cache) = &mut self.cache {
            cache.insert(path.to_owned(), Rc::clone(&source));
        }
        Ok(source)
    }
}
