//! Which inputs: files, folders, standard input.

use std::path::{Path, PathBuf};

use jobplate::render::{InputSource, MAX_OPEN_FILES};
use jobplate_diagnostic::{Error, Result, describe_io_error};

use super::edit_args::{RenderRequest, STDIN};

/// The usual names of a spec file.
pub(crate) const DEFAULT_SPEC_FILES: [&str; 2] = ["jobplate.yaml", "jobplate.yml"];

/// Files that are read when a folder is named.
pub(crate) const MANIFEST_EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Opens the inputs of a call in the order in which they were named; files of a folder in the order of their names,
/// but for spec files of the same call.
///
/// # Errors
///
/// Fails if an input can't be opened, if a directory has no manifests, or if standard input is named twice.
pub(crate) fn open_inputs(request: &RenderRequest) -> Result<Vec<InputSource>> {
    let mut sources = Vec::new();
    let mut stdin_was_read = false;
    let specs: Vec<PathBuf> = request.specs.iter().filter_map(|spec| std::fs::canonicalize(spec).ok()).collect();
    for input in &request.inputs {
        if input == STDIN {
            if std::mem::replace(&mut stdin_was_read, true) {
                return Err(Error::usage("standard input (`-`) is named twice").hint("it can be read once only"));
            }
            sources.push(InputSource::spool(STDIN.to_owned(), std::io::stdin().lock())?);
            continue;
        }
        let path = Path::new(input);
        if path.is_dir() {
            let mut files = list_manifests(path, request.recursive, usize::MAX)?;
            if !specs.is_empty() {
                files.retain(|file| std::fs::canonicalize(file).map_or(true, |file| !specs.contains(&file)));
            }
            if files.is_empty() {
                let below = if request.recursive { " or below it" } else { "" };
                return Err(Error::usage(format!("the folder holds no .yaml, .yml or .json file{below}"))
                    .in_file(input)
                    .hint(if request.recursive { "name the files" } else { "-R looks into folders below it too" }));
            }
            for file in files {
                push_source(&mut sources, InputSource::open(&file)?);
            }
        } else if !path.exists() && input.contains('=') {
            // A flag was forgotten, and this may hold a value.
            let name = input
                .split('=')
                .next()
                .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            let name = name.unwrap_or("...");
            return Err(
                Error::usage(format!("`{name}=...` is no file")).hint("a variable needs its flag: --env VAR=VALUE")
            );
        } else if !path.exists() && matches!(input.as_str(), "true" | "false") {
            return Err(Error::usage(format!("`{input}` is no file"))
                .hint(format!("a flag whose value is optional takes it behind `=`: --local-secrets={input}")));
        } else {
            push_source(&mut sources, InputSource::open(path)?);
        }
    }
    Ok(sources)
}

/// Adds an input; of very many, none is held open.
fn push_source(sources: &mut Vec<InputSource>, mut source: InputSource) {
    if sources.len() >= MAX_OPEN_FILES {
        source.close();
    }
    sources.push(source);
}

/// The manifests in a folder, in the order of their names: files with their extensions, but for spec files by their
/// usual name, and for what begins with a dot. At most so many entries of folders are looked at.
///
/// # Errors
///
/// Fails if a directory can't be listed.
pub(crate) fn list_manifests(folder: &Path, recursive: bool, most: usize) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut left = most;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let fail = |error: std::io::Error| {
            Error::input(format!("can't be listed: {}", describe_io_error(&error)))
                .in_file(folder.display().to_string())
        };
        for entry in std::fs::read_dir(&folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Some(rest) = left.checked_sub(1) else { break };
            left = rest;
            let path = entry.path();
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") || DEFAULT_SPEC_FILES.iter().any(|spec| name == *spec) {
                continue;
            }
            // A link to a folder could lead back up: it is not followed.
            if entry.file_type().map_err(fail)?.is_dir() {
                if recursive {
                    folders.push(path);
                }
            } else if path.is_file()
                && path.extension().is_some_and(|own| MANIFEST_EXTENSIONS.iter().any(|known| own == *known))
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
