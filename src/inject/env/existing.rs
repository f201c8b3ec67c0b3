//! Reads the existing entries of `env`.

use std::borrow::Cow;
use std::collections::HashMap;

use jobplate_diagnostic::{Diagnostic, Error, Result, suggest};
use jobplate_manifest::sendable::describe_non_string;
use jobplate_prefect::base_job_template::is_env_placeholder;
use jobplate_prefect::variables;
use jobplate_yaml::{Node, NodeKind};

use super::desired::DesiredEnv;
use crate::inject::notes::Notes;

/// The maximum number of variables to unset that are compared with the entries, to find similar names. The time grows
/// with the product of both numbers.
const MAX_COMPARED_NAMES: usize = 10;

/// The name of an entry in errors.
pub(super) const DESCRIPTION: &str = "the entry of `env`";

/// An entry of `env` in the input.
pub(super) struct ExistingEntry<'a> {
    pub node: Node<'a>,
    /// The variable's name. Empty for the placeholder `{{ env }}` or a kustomize directive.
    pub name: Cow<'a, str>,
    /// The literal value, updated when an edit of the entry is planned. `None` for a reference.
    pub literal: Option<Cow<'a, str>>,
    /// Whether the name or the value is not a string, so that Kubernetes rejects the entry.
    pub has_non_string: bool,
}

/// Reads an entry of `env`. Refuses an entry whose name is missing or ambiguous.
pub(super) fn read_entry(item: Node<'_>) -> Result<ExistingEntry<'_>> {
    if item.kind() == NodeKind::Alias {
        return Err(Error::refused("an entry of `env` is an alias")
            .at(item.span())
            .hint("replace the alias with a copy of the entry"));
    }
    let mut entry = ExistingEntry { node: item, name: Cow::Borrowed(""), literal: None, has_non_string: false };
    if is_env_placeholder(item) {
        return Ok(entry);
    }
    if item.kind() != NodeKind::Map {
        return Err(Error::input("an entry of `env` must be a mapping")
            .at(item.span())
            .hint("write it as `- name: NAME`, followed by `value` or `valueFrom`"));
    }
    let (mut has_name, mut is_patch) = (false, false);
    for (key, value) in item.entries() {
        if key.has_text("name") {
            if has_name {
                return Err(Error::refused("duplicate `name` in an entry of `env`")
                    .at(key.span())
                    .hint("remove one of the two; YAML parsers disagree on which one applies"));
            }
            if value.tag().is_some_and(|tag| tag != "!!str") {
                return Err(Error::refused("the name of an entry of `env` has a tag")
                    .at(value.span())
                    .hint("remove the tag"));
            }
            has_name = value.is_scalar();
            entry.name = value.text().unwrap_or_default();
            entry.has_non_string |= describe_non_string(value).is_some();
        } else if key.has_text("$patch") {
            // A directive of a kustomize patch (`$patch: replace`) is not a variable, so it needs no name.
            is_patch = true;
        } else if key.has_text("value") {
            entry.literal = value.text();
            entry.has_non_string |= describe_non_string(value).is_some();
        } else if key.is_merge_key() {
            return Err(Error::refused("an entry of `env` has a merge key (`<<`), which can set its name")
                .at(key.span())
                .hint("replace the merge key with the merged keys"));
        }
    }
    if !has_name && !is_patch {
        return Err(Error::input("missing `name` in an entry of `env`").at(item.span()).hint("add `name`"));
    }
    Ok(entry)
}

/// Returns the positions of the existing entries of requested variables, keyed by name. Fails if one of these variables
/// has two entries.
pub(super) fn find_requested<'e>(
    entries: &'e [ExistingEntry<'_>],
    desired: &DesiredEnv,
) -> Result<HashMap<&'e str, usize>> {
    let mut positions = HashMap::new();
    for (position, entry) in entries.iter().enumerate().filter(|(_, entry)| desired.requests(&entry.name)) {
        if positions.insert(&*entry.name, position).is_some() {
            return Err(Error::refused(format!("duplicate variable `{}` in a container", entry.name))
                .at(entry.node.span())
                .hint("remove one of the two; Kubernetes uses the last, and server-side apply rejects both"));
        }
    }
    Ok(positions)
}

/// Adds a note for each variable to unset that is missing, if a variable with a similar name is set, or the variable of
/// the Prefect 1 secret with its name.
pub(super) fn note_missing_unset(
    entries: &[ExistingEntry<'_>],
    requested: &HashMap<&str, usize>,
    desired: &DesiredEnv,
    notes: &mut Notes,
) {
    let prefix = variables::secret_variable("");
    for entry in entries {
        let Some(name) = entry.name.strip_prefix(&prefix) else { continue };
        let is_missing = desired.requests(name) && !desired.sets(name) && !requested.contains_key(name);
        if is_missing && !requested.contains_key(&*entry.name) {
            let text = format!("`{name}` is not set, but `{}` is", entry.name);
            let help = format!("to remove the Prefect 1 secret, pass `--unset {}`", entry.name);
            let place = entry.node.get_first("name").unwrap_or(entry.node);
            notes.add_at(Diagnostic::warning("unset-secret", text).help(help), place.span());
        }
    }
    if desired.unset().nth(MAX_COMPARED_NAMES).is_some() {
        return;
    }
    for name in desired.unset().filter(|name| !desired.sets(name) && !requested.contains_key(name)) {
        let others = entries.iter().filter(|entry| !desired.requests(&entry.name));
        let Some(similar) = suggest::closest(name, others.clone().map(|entry| &*entry.name)) else { continue };
        let place = others.clone().find(|entry| entry.name == similar).and_then(|entry| entry.node.get_first("name"));
        let note = Diagnostic::info("unset-variable", format!("`{name}` is not set, but `{similar}` is"));
        place
            .into_iter()
            .for_each(|place| notes.add_at(note.clone().help("check the name after --unset"), place.span()));
    }
}
