//! Opens the inputs of a command: files, directories and standard input.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jobplate::render::{InputSource, MAX_OPEN_FILES};
use jobplate_diagnostic::{Error, Result, describe_io_error, display_path};

use super::edit_args::{STDIN, is_stdin};
use super::render_request::{RenderRequest, missing_spec_inputs};
use super::similar_file::suggest_file;

/// The default names of a spec file.
pub(crate) const DEFAULT_SPEC_FILES: [&str; 2] = ["jobplate.yaml", "jobplate.yml"];

/// The extensions of the files that are read from a directory.
pub(crate) const MANIFEST_EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Opens the inputs in command-line order. Files of a directory are sorted by path, without the run's spec files.
///
/// # Errors
///
/// Fails if a directory has no manifests, or if standard input is named twice. The elements are errors for inputs that
/// cannot be opened.
pub(crate) fn open_inputs(request: &RenderRequest) -> Result<Vec<Result<InputSource>>> {
    open_checked_inputs(request, missing_spec_inputs(request), &|_| Ok(()))
}

/// Opens the inputs like [`open_inputs`]. `missing` has the errors of inputs that are known to be missing. Calls
/// `check_link` with each symbolic link in a directory before it is followed.
///
/// # Errors
///
/// Fails like [`open_inputs`], or if `check_link` fails.
pub(crate) fn open_checked_inputs(
    request: &RenderRequest,
    missing: HashMap<PathBuf, Error>,
    check_link: &dyn Fn(&Path) -> Result<()>,
) -> Result<Vec<Result<InputSource>>> {
    open_paths(&request.inputs, request.recursive, &request.specs, missing, check_link)
}

/// Opens files, directories and standard input like [`open_checked_inputs`]. Files of a directory are those that are not
/// in `excluded`.
///
/// # Errors
///
/// Fails like [`open_checked_inputs`].
pub(crate) fn open_paths(
    inputs: &[PathBuf],
    recursive: bool,
    excluded: &[PathBuf],
    mut missing: HashMap<PathBuf, Error>,
    check_link: &dyn Fn(&Path) -> Result<()>,
) -> Result<Vec<Result<InputSource>>> {
    let mut sources = Vec::new();
    let mut stdin_was_read = false;
    let specs: Vec<PathBuf> = excluded.iter().filter_map(|file| std::fs::canonicalize(file).ok()).collect();
    for input in inputs {
        if is_stdin(input) {
            if std::mem::replace(&mut stdin_was_read, true) {
                return Err(Error::usage("standard input (`-`) is passed twice").hint("remove one of the two"));
            }
            sources.push(InputSource::spool(STDIN.to_owned(), std::io::stdin().lock()));
            continue;
        }
        if let Some(error) = missing.remove(input) {
            sources.push(Err(error));
            continue;
        }
        let name = display_path(input);
        if input.is_dir() {
            let mut files = list_manifests(input, recursive, usize::MAX, check_link)?;
            if !specs.is_empty() {
                files.retain(|file| std::fs::canonicalize(file).map_or(true, |file| !specs.contains(&file)));
            }
            if files.is_empty() {
                let below = if recursive { " or below it" } else { "" };
                return Err(Error::usage(format!("no .yaml, .yml or .json file in the directory{below}"))
                    .in_file(name)
                    .hint(if recursive { "name the files" } else { "pass -R to search subdirectories" }));
            }
            for file in files {
                open_source(&file, &mut sources);
            }
        } else if !input.exists() && name.contains('=') {
            // The user probably forgot a flag. The argument may contain a secret value and is not quoted.
            let name = name
                .split('=')
                .next()
                .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            let name = name.unwrap_or("...");
            return Err(Error::usage(format!("`{name}=...` is not a file"))
                .hint("pass a variable with its flag: --env VAR=VALUE"));
        } else if !input.exists() && matches!(name.as_str(), "true" | "false") {
            return Err(Error::usage(format!("`{name}` is not a file"))
                .hint(format!("write an optional value after `=`: --local-secrets={name}")));
        } else {
            open_source(input, &mut sources);
        }
    }
    Ok(sources)
}

/// Opens an input and adds it, or the error, to `sources`. Closes the input until it is read if the open-file limit is
/// reached.
fn open_source(path: &Path, sources: &mut Vec<Result<InputSource>>) {
    let mut source = InputSource::open(path).map_err(|error| match suggest_file(path) {
        Some(hint) => error.hint(hint),
        None => error,
    });
    if let Ok(source) = &mut source
        && sources.len() >= MAX_OPEN_FILES
    {
        source.close();
    }
    sources.push(source);
}

/// Lists the manifests in a directory, sorted by path: files with one of [`MANIFEST_EXTENSIONS`], without hidden files
/// and spec files with a default name. Visits at most `max_entries` directory entries. Calls `check_link` with each
/// symbolic link that may be a manifest.
///
/// # Errors
///
/// Fails if a directory cannot be listed, or if `check_link` fails.
pub(crate) fn list_manifests(
    directory: &Path,
    recursive: bool,
    max_entries: usize,
    check_link: &dyn Fn(&Path) -> Result<()>,
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut remaining = max_entries;
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        let fail = |error: std::io::Error| {
            Error::input(format!("cannot list the directory: {}", describe_io_error(&error)))
                .in_file(display_path(&directory))
        };
        for entry in std::fs::read_dir(&directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Some(rest) = remaining.checked_sub(1) else { break };
            remaining = rest;
            let path = entry.path();
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") || DEFAULT_SPEC_FILES.iter().any(|spec| name == *spec) {
                continue;
            }
            let file_type = entry.file_type().map_err(fail)?;
            // Symbolic links to directories are not followed: they could form a cycle.
            if file_type.is_dir() {
                if recursive {
                    pending.push(path);
                }
            } else if path
                .extension()
                .is_some_and(|extension| MANIFEST_EXTENSIONS.iter().any(|known| extension == *known))
            {
                if file_type.is_symlink() {
                    check_link(&path)?;
                }
                if path.is_file() {
                    files.push(path);
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Replaces a leading `~` with the home directory. A shell does not expand it after `=`, or during
/// completion.
pub(crate) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
