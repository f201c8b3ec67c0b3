//! The tables of all settings: their names, what kind of value each takes, and the names that they had before.

use super::prefect2;

/// What comes before each name.
pub(super) const PREFIX: &str = "PREFECT_";

/// All settings of Prefect.
pub(super) const TABLE: &str = include_str!("table.txt");

/// All settings of prefect-kubernetes.
pub(super) const KUBERNETES: &str = include_str!("kubernetes.txt");

/// A line of a table.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) old_name: Option<&'static str>,
}

pub(super) fn settings() -> impl Iterator<Item = Setting> {
    lines(TABLE)
}

pub(super) fn lines(table: &'static str) -> impl Iterator<Item = Setting> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split(' ');
        Some(Setting { name: words.next()?, kind: words.next()?, old_name: words.next() })
    })
}

/// Whether a setting of Prefect, by its name or by the one that it had before, is a secret. Headers may well be one.
pub(in crate::worker) fn is_secret(name: &str) -> bool {
    let of_name = |own: &Setting| [Some(own.name), own.old_name].contains(&name.strip_prefix(PREFIX));
    let mut settings = settings().chain(lines(prefect2::TABLE)).filter(|own| of_name(own));
    settings.any(|own| matches!(own.kind, "secret" | "headers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let all: Vec<Setting> = settings().collect();
        assert_eq!(all.iter().filter(|setting| setting.kind != "group").count(), 226);
        let mut names: Vec<&str> = all.iter().flat_map(|own| [Some(own.name), own.old_name]).flatten().collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands twice");
        for setting in &all {
            let first = setting.name.split('_').next().unwrap_or_default();
            let group = all.iter().any(|own| own.kind == "group" && own.name == first);
            assert!(group || ["HOME", "PROFILES", "DEBUG", "UI", "SILENCE"].contains(&first), "{}", setting.name);
        }
    }
}
