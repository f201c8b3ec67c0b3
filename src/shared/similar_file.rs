//! Suggests a file with a similar name for a file that does not exist.

use std::path::Path;

use jobplate_diagnostic::{display_path, suggest};

/// The maximum number of directory entries that are compared.
const MAX_ENTRIES: usize = 10_000;

/// The minimum length of a name without its extension for which a name with other letters is suggested.
const MIN_STEM_LENGTH: usize = 3;

/// Returns the hint "did you mean ...?" with a file in the same directory whose name is close to that of `path`. Returns
/// `None` if `path` exists or no name is close enough.
pub(crate) fn suggest_file(path: &Path) -> Option<String> {
    if path.symlink_metadata().is_ok() {
        return None;
    }
    let (stem, name) = (path.file_stem()?.to_str()?, path.file_name()?.to_str()?);
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let entries = directory.unwrap_or(Path::new(".")).read_dir().ok()?.take(MAX_ENTRIES).flatten();
    let names = entries.filter(|entry| entry.path().is_file()).filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    // The order of the entries of a directory is arbitrary.
    names.sort_unstable();
    let stem_of = |name: &String| Path::new(name).file_stem().and_then(|stem| stem.to_str().map(str::to_owned));
    let stems: Vec<String> = names.iter().filter_map(stem_of).collect();
    let is_candidate = |known: &&str| *known == stem || stem.chars().count() >= MIN_STEM_LENGTH;
    // The extension is not compared at first: names that are equal only there are not similar.
    let closest_stem = suggest::closest(stem, stems.iter().map(String::as_str).filter(is_candidate))?.to_owned();
    let same_stem = names.iter().filter(|name| stem_of(name).as_ref() == Some(&closest_stem));
    let closest = suggest::closest(name, same_stem.map(String::as_str))?;
    Some(format!("did you mean `{}`?", display_path(&path.with_file_name(closest))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_a_file_with_a_similar_name() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["job_template.yaml", "a.yaml", "a.sh"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        std::fs::create_dir(directory.path().join("nightly.yaml")).unwrap();
        for (name, expected) in [
            ("job_tempalte.yaml", Some("job_template.yaml")),
            ("job_template.yml", Some("job_template.yaml")),
            ("a.yml", Some("a.yaml")),
            ("b.yaml", None),
            ("etl.yaml", None),
            ("nightyl.yaml", None),
            ("a.yaml", None),
            ("none/a.yml", None),
        ] {
            let hint = suggest_file(&directory.path().join(name));
            let expected = expected.map(|name| format!("did you mean `{}`?", directory.path().join(name).display()));
            assert_eq!(hint, expected, "{name}");
        }
    }
}
