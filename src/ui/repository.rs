//! Finds the root of the repository, to which the paths in reports are relative.

use std::path::{Path, PathBuf};

/// Returns the nearest directory with `.git`, from the working directory upwards, without symbolic links. Without such a
/// directory, returns the working directory.
pub(crate) fn find_root() -> Option<PathBuf> {
    let directory = std::env::current_dir().and_then(std::fs::canonicalize).ok()?;
    Some(find_root_above(&directory).to_owned())
}

/// Returns the nearest directory with `.git`, from a directory upwards. Without such a directory, returns `directory`.
pub(crate) fn find_root_above(directory: &Path) -> &Path {
    directory.ancestors().find(|directory| directory.join(".git").exists()).unwrap_or(directory)
}

/// Returns the path of a file relative to `root`, with slashes. Follows symbolic links. Returns `file` without a leading
/// `./` if it is not below `root`.
pub(crate) fn path_below(root: Option<&Path>, file: &str) -> String {
    let find_relative_path = || {
        let path = std::fs::canonicalize(file).ok()?;
        Some(path.strip_prefix(root?).ok()?.to_string_lossy().into_owned())
    };
    let path = find_relative_path().unwrap_or_else(|| file.trim_start_matches("./").to_owned());
    if std::path::MAIN_SEPARATOR == '\\' { path.replace('\\', "/") } else { path }
}
