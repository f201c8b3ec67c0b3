//! Replaces placeholders such as `@VERSION@` in template files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Returns the templates below a directory with their placeholders replaced, keyed by file name. Fails if two templates
/// have the same file name.
pub fn fill_all(directory: &Path, values: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let mut templates = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let describe_path = || path.display().to_string();
            let text = fs::read_to_string(&path).with_context(describe_path)?;
            let filled = fill(&text, values).with_context(describe_path)?;
            if filled != text {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                ensure!(
                    templates.insert(name, filled).is_none(),
                    "another template has the name of {}",
                    describe_path()
                );
            }
        }
    }
    Ok(templates)
}

/// Replaces the placeholders in a template. Fails if a placeholder has no value.
fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        filled.push_str(before);
        rest = match after.split_once('@').filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                filled.push_str(values.get(name).with_context(|| format!("nothing is known of @{name}@"))?);
                after
            }
            None => {
                filled.push('@');
                after
            }
        };
    }
    Ok(filled + rest)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_only_placeholders() {
        let values = [("A_1".to_owned(), "x".to_owned()), ("NONE".to_owned(), String::new())].into();
        let fill = |text| fill(text, &values).map_err(|error| error.to_string());
        assert_eq!(fill("a@v4 @A_1@@A_1@ '@NONE@' @a@ me@A_1@.b @").as_deref(), Ok("a@v4 xx '' @a@ mex.b @"));
        assert_eq!(fill("x @OTHER@").unwrap_err(), "nothing is known of @OTHER@");
    }
}
