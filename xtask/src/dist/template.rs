//! Templates: texts with `@NAME@` where a release differs from the next.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Every template below a folder, filled, by the name of its file.
pub fn filled(folder: &Path, values: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let place = || path.display().to_string();
            let text = fs::read_to_string(&path).with_context(place)?;
            let filled = fill(&text, values).with_context(place)?;
            if filled != text {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                ensure!(all.insert(name, filled).is_none(), "another template has the name of {}", place());
            }
        }
    }
    Ok(all)
}

/// The text with every placeholder replaced; one that has no value is an error.
fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        filled.push_str(before);
        rest = match after.split_once('@').filter(|(name, _)| is_name(name)) {
            Some((name, behind)) => {
                filled.push_str(values.get(name).with_context(|| format!("nothing is known of @{name}@"))?);
                behind
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
    fn only_placeholders_are_replaced() {
        let values = [("A_1".to_owned(), "x".to_owned()), ("NONE".to_owned(), String::new())].into();
        let fill = |text| fill(text, &values).map_err(|error| error.to_string());
        assert_eq!(fill("a@v4 @A_1@@A_1@ '@NONE@' @a@ me@A_1@.b @").as_deref(), Ok("a@v4 xx '' @a@ mex.b @"));
        assert_eq!(fill("x @OTHER@").unwrap_err(), "nothing is known of @OTHER@");
    }
}
