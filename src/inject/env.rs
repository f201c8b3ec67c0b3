//! The edits of one container: entries of `env` and `envFrom`, in an order in which `$(VAR)` works.

use std::borrow::Cow;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::env::{EnvFrom, EnvFromKind, EnvValue, EnvVar, KeyRef, references};
use jobplate_prefect::base_job_template::is_env_placeholder;
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, ScalarKind, StrictMap, Value};

/// What one kind of target gets.
#[derive(Debug, Default)]
pub(super) struct DesiredEnv {
    variables: Vec<DesiredEntry>,
    sources: Vec<EnvFrom>,
    unset: Vec<String>,
}

/// A variable, and how it is written.
#[derive(Debug)]
pub(super) struct DesiredEntry {
    variable: EnvVar,
    /// `value` or `valueFrom`, and what stands under it.
    own: (&'static str, Value),
    /// The whole entry.
    entry: Value,
}

impl DesiredEntry {
    pub(super) fn name(&self) -> &str {
        &self.variable.name
    }

    /// The whole entry.
    pub(super) fn entry(&self) -> Value {
        self.entry.clone()
    }
}

impl DesiredEnv {
    pub(super) fn new(variables: impl IntoIterator<Item = EnvVar>, sources: &[EnvFrom], unset: &[String]) -> Self {
        let prepare = |variable: EnvVar| {
            let own = value_entry(&variable.value);
            let entry = Value::map([("name", Value::name(&variable.name)), own.clone()]);
            DesiredEntry { variable, own, entry }
        };
        let variables = variables.into_iter().map(prepare).collect();
        DesiredEnv { variables, sources: sources.to_vec(), unset: unset.to_vec() }
    }

    /// The variables that are set.
    pub(super) fn variables(&self) -> &[DesiredEntry] {
        &self.variables
    }

    /// Whether `envFrom` sources are added.
    pub(super) fn has_env_from(&self) -> bool {
        !self.sources.is_empty()
    }

    /// The names of the variables that are set.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|wanted| wanted.variable.name.as_str())
    }

    /// The names of the variables that are removed.
    pub(super) fn unset(&self) -> impl Iterator<Item = &str> {
        self.unset.iter().map(String::as_str)
    }

    /// The names of the variables that are set or removed.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names().chain(self.unset())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.variables.is_empty() && self.sources.is_empty() && self.unset.is_empty()
    }
}

/// Adds the edits that one container needs; none where it already is as wanted.
pub(super) fn plan_container(container: Editable<'_>, wanted: &DesiredEnv, edits: &mut Vec<Edit>) -> Result<()> {
    let mut fresh = Vec::new();
    if !wanted.sources.is_empty() {
        plan_sources(*container, &wanted.sources, &mut fresh, edits)?;
    }
    if !(wanted.variables.is_empty() && wanted.unset.is_empty()) {
        plan_variables(*container, wanted, &mut fresh, edits)?;
    }
    if !fresh.is_empty() {
        edits.push(container.change_children(Vec::new(), place_keys(*container, fresh)));
    }
    Ok(())
}

/// The keys of a container before `envFrom` and `env`, last first: a new key goes behind the first that is there.
const KEYS_BEFORE: [&str; 6] = ["ports", "workingDir", "args", "command", "image", "name"];

/// Positions for new `envFrom` and `env` keys, in the order of kubectl's own output of a container.
fn place_keys(container: Node<'_>, fresh: Vec<(&'static str, Value)>) -> Vec<(usize, Child)> {
    let position_of = |name: &str| container.entries().position(|(key, _)| key.has_text(name));
    let count = container.entries().count();
    let base = KEYS_BEFORE.iter().find_map(|key| position_of(key)).map_or(count, |position| position + 1);
    let insert = fresh.into_iter().map(|(key, value)| {
        let behind_sources = if key == "env" { position_of("envFrom") } else { None };
        (behind_sources.map_or(base, |position| position + 1), Child::entry(key, value))
    });
    insert.collect()
}

/// The list under `env` or `envFrom`.
enum List<'a> {
    /// No such key.
    Missing,
    /// The key is there, with null, or with the placeholder that a worker of Prefect fills: it puts the same before
    /// the entries of a list.
    Null(Editable<'a>),
    /// A list, perhaps an empty one.
    Items(Editable<'a>),
}

fn list<'a>(container: Node<'a>, key: &str) -> Result<List<'a>> {
    let Some(node) = container.get(key)? else { return Ok(List::Missing) };
    let node = Editable::from_node(node, &format!("`{key}`"))?;
    if node.tag().is_some() {
        return Err(Error::refused(format!("`{key}` has a tag")).at(node.span()).hint("remove the tag"));
    }
    match node.kind() {
        NodeKind::Seq => Ok(List::Items(node)),
        _ if node.is_null() || key == "env" && is_env_placeholder(*node) => Ok(List::Null(node)),
        _ => Err(Error::input(format!("`{key}` is not a list"))
            .at(node.span())
            .hint("write each entry as an item: `- name: ...`")),
    }
}

/// Puts planned children into a list, whatever state it is in.
fn fill(
    list: &List<'_>,
    key: &'static str,
    remove: Vec<usize>,
    insert: Vec<(usize, Value)>,
    fresh: &mut Vec<(&'static str, Value)>,
    edits: &mut Vec<Edit>,
) {
    if remove.is_empty() && insert.is_empty() {
        return;
    }
    match list {
        List::Missing => fresh.push((key, Value::seq(insert.into_iter().map(|(_, value)| value)))),
        List::Null(node) => {
            edits.push(node.replace(Value::seq(insert.into_iter().map(|(_, value)| value))));
        }
        List::Items(node) => {
            let insert = insert.into_iter().map(|(at, value)| (at, Child::Item(value))).collect();
            edits.push(node.change_children(remove, insert));
        }
    }
}

/// An entry of `env` as it stands.
struct ExistingEntry<'a> {
    node: Node<'a>,
    name: Cow<'a, str>,
    /// What its literal value will be once the edits are made; none for references.
    literal: Option<Cow<'a, str>>,
}

fn read_entry(item: Node<'_>) -> Result<ExistingEntry<'_>> {
    if item.kind() == NodeKind::Alias {
        return Err(Error::refused("an entry of `env` is an alias of something written elsewhere")
            .at(item.span())
            .hint("write it out here; under an alias its name can't be told from here"));
    }
    if is_env_placeholder(item) {
        return Ok(ExistingEntry { node: item, name: Cow::Borrowed(""), literal: None });
    }
    if item.kind() != NodeKind::Map {
        return Err(Error::input("an entry of `env` is no mapping")
            .at(item.span())
            .hint("write it as `- name: NAME` with `value` or `valueFrom` below"));
    }
    let mut entry = ExistingEntry { node: item, name: Cow::Borrowed(""), literal: None };
    let (mut named, mut patch) = (false, false);
    for (key, value) in item.entries() {
        if key.has_text("name") {
            if named {
                return Err(Error::refused("an entry of `env` has two names")
                    .at(key.span())
                    .hint("remove one of the two; YAML readers disagree about which one counts"));
            }
            if value.tag().is_some_and(|tag| tag != "!!str") {
                return Err(Error::refused("the name of an entry of `env` has a tag, and may mean another name")
                    .at(value.span())
                    .hint("write the name without the tag"));
            }
            named = value.is_scalar();
            entry.name = value.text().unwrap_or_default();
        } else if key.has_text("$patch") {
            // A directive of a kustomize patch (`$patch: replace`): no variable.
            patch = true;
        } else if key.has_text("value") {
            entry.literal = value.text();
        } else if key.is_merge_key() {
            return Err(Error::refused("an entry of `env` has a merge key (`<<`), which may give it another name")
                .at(key.span())
                .hint("write the merged keys out"));
        }
    }
    if !named && !patch {
        return Err(Error::input("an entry of `env` has no name").at(item.span()).hint("give it a `name`"));
    }
    Ok(entry)
}

fn plan_variables(
    container: Node<'_>,
    wanted: &DesiredEnv,
    fresh: &mut Vec<(&'static str, Value)>,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    let list = list(container, "env")?;
    let mut entries = Vec::new();
    if let List::Items(node) = list {
        entries.reserve(8);
        for item in node.items() {
            entries.push(read_entry(item)?);
        }
    }
    let find = |entries: &[ExistingEntry<'_>], name: &str| -> Result<Option<usize>> {
        let mut found = None;
        for (position, entry) in entries.iter().enumerate() {
            if entry.name == name {
                if found.is_some() {
                    return Err(Error::refused(format!("the variable {name} stands twice in one container"))
                        .at(entry.node.span())
                        .hint("remove one of the two; Kubernetes keeps the last, server-side apply refuses both"));
                }
                found = Some(position);
            }
        }
        Ok(found)
    };
    let is_placeholder =
        |(position, entry): (usize, &ExistingEntry<'_>)| is_env_placeholder(entry.node).then_some(position);
    let mut remove: Vec<usize> = entries.iter().enumerate().filter_map(is_placeholder).collect();
    for name in &wanted.unset {
        if let Some(position) = find(&entries, name)? {
            Editable::for_replacement(entries[position].node, ENTRY)?;
            remove.push(position);
        }
    }
    remove.sort_unstable();
    let (mut new, mut set) = (Vec::new(), Vec::new());
    for wanted in &wanted.variables {
        let variable = &wanted.variable;
        match find(&entries, &variable.name)? {
            None => new.push(wanted),
            Some(position) => {
                let entry = &mut entries[position];
                set_entry(entry.node, wanted, edits)?;
                set.push(position);
                entry.literal = match &variable.value {
                    EnvValue::Literal(text) => Some(Cow::Owned(text.clone())),
                    _ => None,
                };
            }
        }
    }
    for position in set {
        refuse_late_use(&entries, position)?;
    }
    let insert = order(&entries, &remove, &new)?;
    fill(&list, "env", remove, insert, fresh, edits);
    Ok(())
}

/// What errors call an entry.
const ENTRY: &str = "the entry of `env`";

/// Adds the edits that make an entry of this name what is wanted; none where it is so already.
pub(super) fn set_entry(entry: Node<'_>, wanted: &DesiredEntry, edits: &mut Vec<Edit>) -> Result<()> {
    entry.refuse_duplicate_keys()?;
    if !is_already(entry, &wanted.variable.value)? {
        let entry = Editable::for_replacement(entry, ENTRY)?;
        refuse_unknown_keys(*entry)?;
        match change_reference(*entry, &wanted.variable.value) {
            Some(changes) => edits.extend(changes),
            None => edits.push(replace_entry(entry, wanted.own.clone())),
        }
    }
    Ok(())
}

/// Whether an entry means this value already: then it stays as it is written.
fn is_already(entry: Node<'_>, value: &EnvValue) -> Result<bool> {
    let mut pairs = entry.entries().filter(|(key, _)| !key.has_text("name"));
    let (Some((key, own)), None) = (pairs.next(), pairs.next()) else { return Ok(false) };
    if !is_as_it_looks(own) {
        return Ok(false);
    }
    let is_text = |node: Node<'_>, text: &str| {
        node.is_scalar() && node.has_text(text) && node.scalar_kind() == ScalarKind::String
    };
    match value {
        EnvValue::Literal(text) => Ok(key.has_text("value") && is_text(own, text)),
        EnvValue::SecretKey(reference) => {
            Ok(key.has_text("valueFrom") && is_reference(own, "secretKeyRef", reference)?)
        }
        EnvValue::ConfigMapKey(reference) => {
            Ok(key.has_text("valueFrom") && is_reference(own, "configMapKeyRef", reference)?)
        }
        EnvValue::Field(path) => {
            let Some(field) = only_entry(own, "fieldRef").filter(|_| key.has_text("valueFrom")) else {
                return Ok(false);
            };
            let others_default = field
                .entries()
                .all(|(key, value)| key.has_text("fieldPath") || (key.has_text("apiVersion") && value.has_text("v1")));
            Ok(others_default && field.get("fieldPath")?.is_some_and(|own| is_text(own, path)))
        }
    }
}

/// No anchor, alias or tag in it makes it anything else than what it looks like.
fn is_as_it_looks(node: Node<'_>) -> bool {
    node.descendants().all(|node| node.anchor().is_none() && node.tag().is_none() && node.kind() != NodeKind::Alias)
}

fn only_entry<'a>(map: Node<'a>, name: &str) -> Option<Node<'a>> {
    let mut entries = map.entries();
    match (entries.next(), entries.next()) {
        (Some((key, value)), None) if key.has_text(name) => Some(value),
        _ => None,
    }
}

fn is_reference(value_from: Node<'_>, field: &str, wanted: &KeyRef) -> Result<bool> {
    let Some(reference) = only_entry(value_from, field) else { return Ok(false) };
    let mut own = KeyRef { name: String::new(), key: String::new(), optional: false };
    for (key, value) in reference.entries() {
        let text = value.text().unwrap_or_default();
        let is_string = value.scalar_kind() == ScalarKind::String;
        if key.has_text("name") && is_string {
            own.name = text.into_owned();
        } else if key.has_text("key") && is_string {
            own.key = text.into_owned();
        } else if key.has_text("optional") && (value.raw() == "true" || value.raw() == "false") {
            own.optional = value.raw() == "true";
        } else {
            return Ok(false);
        }
    }
    Ok(own == *wanted)
}

/// An entry that holds more than Kubernetes knows is not replaced: what else is in it would be lost.
fn refuse_unknown_keys(entry: Node<'_>) -> Result<()> {
    let known = ["name", "value", "valueFrom"];
    match entry.entries().find(|(key, _)| !known.iter().any(|name| key.has_text(name))) {
        None => Ok(()),
        Some((key, _)) => Err(Error::refused("the entry of `env` has a key that is neither name, value nor valueFrom")
            .at(key.span())
            .hint("correct or remove that key first")),
    }
}

/// A reference of the same kind, written out in full: only what differs in it changes, so that its comments
/// stay where they are. None for anything else.
fn change_reference(entry: Node<'_>, value: &EnvValue) -> Option<Vec<Edit>> {
    let (field, wanted) = match value {
        EnvValue::SecretKey(wanted) => ("secretKeyRef", wanted),
        EnvValue::ConfigMapKey(wanted) => ("configMapKeyRef", wanted),
        EnvValue::Literal(_) | EnvValue::Field(_) => return None,
    };
    let mut pairs = entry.entries().filter(|(key, _)| !key.has_text("name"));
    let (_, value_from) = pairs.next().filter(|(key, value)| key.has_text("valueFrom") && is_as_it_looks(*value))?;
    let reference = only_entry(value_from, field).filter(|_| pairs.next().is_none())?;
    let reference = Editable::from_node(reference, ENTRY).ok()?;
    let mut edits = Vec::new();
    let (mut name, mut key, mut optional) = (false, false, None);
    for (position, (field, own)) in reference.entries().enumerate() {
        let is_simple = own.is_scalar() && !own.raw().is_empty() && !own.raw().contains('\n');
        let own = Editable::from_node(own, ENTRY).ok()?;
        let mut set = |seen: &mut bool, text: &str| {
            if !(own.has_text(text) && own.scalar_kind() == ScalarKind::String) {
                edits.push(own.replace(Value::name(text)));
            }
            !std::mem::replace(seen, true)
        };
        let first = match () {
            () if field.has_text("name") => set(&mut name, &wanted.name),
            () if field.has_text("key") => set(&mut key, &wanted.key),
            () if field.has_text("optional") => optional.replace((position, own)).is_none(),
            () => false,
        };
        if !first || !is_simple {
            return None;
        }
    }
    match (optional, wanted.optional) {
        _ if !name || !key => return None,
        (None, true) => edits.push(reference.append([Child::entry("optional", Value::Bool(true))])),
        (Some((position, own)), false) if own.raw() != "false" => {
            edits.push(reference.change_children(vec![position], Vec::new()));
        }
        (Some((_, own)), true) if own.raw() != "true" => {
            edits.push(own.replace(Value::Bool(true)));
        }
        _ => {}
    }
    Some(edits)
}

/// Everything of an entry but its name goes; the new value takes its place.
fn replace_entry(entry: Editable<'_>, (key, value): (&'static str, Value)) -> Edit {
    let names: Vec<bool> = entry.entries().map(|(key, _)| key.has_text("name")).collect();
    let remove: Vec<usize> = (0..names.len()).filter(|&position| !names[position]).collect();
    let at = remove.first().copied().unwrap_or(names.len());
    entry.change_children(remove, vec![(at, Child::entry(key, value))])
}

/// `value` or `valueFrom` with what stands under it.
fn value_entry(value: &EnvValue) -> (&'static str, Value) {
    let from = |field: &'static str, value| ("valueFrom", Value::map([(field, value)]));
    match value {
        EnvValue::Literal(text) => ("value", Value::string(text)),
        EnvValue::SecretKey(reference) => from("secretKeyRef", key_reference(reference)),
        EnvValue::ConfigMapKey(reference) => from("configMapKeyRef", key_reference(reference)),
        EnvValue::Field(path) => from("fieldRef", Value::map([("fieldPath", Value::name(path))])),
    }
}

fn key_reference(reference: &KeyRef) -> Value {
    let mut entries = vec![("name", Value::name(&reference.name)), ("key", Value::name(&reference.key))];
    if reference.optional {
        entries.push(("optional", Value::Bool(true)));
    }
    Value::map(entries)
}

/// A literal that is set in its place may use only what stands before it.
fn refuse_late_use(entries: &[ExistingEntry<'_>], position: usize) -> Result<()> {
    let Some(text) = entries[position].literal.as_deref() else { return Ok(()) };
    match entries[position + 1..].iter().find(|later| references(text, &later.name)) {
        None => Ok(()),
        Some(later) => Err(Error::refused(format!(
            "{} uses $({}), which is defined behind it",
            entries[position].name, later.name
        ))
        .at(later.node.span())
        .hint("move that entry up: Kubernetes expands only what stands before")),
    }
}

/// Where new entries go: at the end, but before the first entry that uses them; among themselves as asked
/// for, but one that uses another behind it.
fn order(entries: &[ExistingEntry<'_>], removed: &[usize], new: &[&DesiredEntry]) -> Result<Vec<(usize, Value)>> {
    let end = entries.len();
    let literal = |wanted: &DesiredEntry| match &wanted.variable.value {
        EnvValue::Literal(text) if text.contains('$') => Some(text.clone()),
        _ => None,
    };
    let name = |index: usize| new[index].variable.name.as_str();
    let kept = |position: &usize| !removed.contains(position);
    let mut positions: Vec<usize> = Vec::with_capacity(new.len());
    for wanted in new {
        let first_use = (0..end).filter(kept).find(|&position| {
            entries[position].literal.as_ref().is_some_and(|text| references(text, &wanted.variable.name))
        });
        positions.push(first_use.unwrap_or(end));
    }
    // Of two new entries, the one that is used must not stand behind its user.
    let mut sequence: Vec<usize> = (0..new.len()).collect();
    for _ in 0..new.len() {
        for user in 0..new.len() {
            let Some(text) = literal(new[user]) else { continue };
            for used in (0..new.len()).filter(|&used| used != user && references(&text, name(used))) {
                positions[used] = positions[used].min(positions[user]);
                let place = |sequence: &[usize], of: usize| sequence.iter().position(|&index| index == of).unwrap_or(0);
                let (at_used, at_user) = (place(&sequence, used), place(&sequence, user));
                if at_used > at_user {
                    sequence.remove(at_used);
                    sequence.insert(at_user, used);
                }
            }
        }
    }
    for (index, wanted) in new.iter().enumerate() {
        let Some(text) = literal(wanted) else { continue };
        let behind = sequence.iter().skip_while(|&&other| other != index).skip(1);
        if let Some(&other) = behind.into_iter().find(|&&other| references(&text, name(other))) {
            return Err(Error::usage(format!("{} and {} use each other", name(index), name(other)))
                .hint("Kubernetes expands only what stands before: one of them has to do without"));
        }
        let late = (positions[index]..end).filter(kept).find(|&position| references(&text, &entries[position].name));
        if let Some(late) = late {
            return Err(Error::refused(format!(
                "{own} uses $({}), which is defined behind an entry that uses {own} in turn",
                entries[late].name,
                own = wanted.variable.name
            ))
            .at(entries[late].node.span())
            .hint("move that entry up: Kubernetes expands only what stands before"));
        }
    }
    sequence.sort_by_key(|&index| positions[index]);
    Ok(sequence.into_iter().map(|index| (positions[index], new[index].entry.clone())).collect())
}

fn plan_sources(
    container: Node<'_>,
    sources: &[EnvFrom],
    fresh: &mut Vec<(&'static str, Value)>,
    edits: &mut Vec<Edit>,
) -> Result<()> {
    let list = list(container, "envFrom")?;
    let mut own = Vec::new();
    if let List::Items(node) = list {
        for item in node.items() {
            own.push(read_source(StrictMap::from_node(item, "an entry of `envFrom`")?));
        }
    }
    let (mut remove, mut insert) = (Vec::new(), Vec::new());
    for source in sources {
        let same =
            |other: &EnvFrom| (other.kind, &other.name, &other.prefix) == (source.kind, &source.name, &source.prefix);
        match own.iter().position(|other| other.as_ref().is_some_and(same)) {
            Some(position) if own[position].as_ref() == Some(source) => {}
            Some(position) => {
                remove.push(position);
                insert.push((position, source_value(source)));
            }
            None => insert.push((own.len(), source_value(source))),
        }
    }
    remove.sort_unstable();
    insert.sort_by_key(|(position, _)| *position);
    fill(&list, "envFrom", remove, insert, fresh, edits);
    Ok(())
}

/// A source as it stands; none where it is of no form that we write.
fn read_source(item: StrictMap<'_>) -> Option<EnvFrom> {
    let mut source = EnvFrom { prefix: String::new(), kind: EnvFromKind::Secret, name: String::new(), optional: false };
    for (key, value) in item.entries() {
        if key.has_text("prefix") {
            source.prefix = value.text()?.into_owned();
        } else if key.has_text("secretRef") || key.has_text("configMapRef") {
            source.kind = if key.has_text("secretRef") { EnvFromKind::Secret } else { EnvFromKind::ConfigMap };
            for (key, value) in value.entries() {
                if key.has_text("name") {
                    source.name = value.text()?.into_owned();
                } else if key.has_text("optional") && matches!(value.raw(), "true" | "false") {
                    source.optional = value.raw() == "true";
                } else {
                    return None;
                }
            }
        } else {
            return None;
        }
    }
    Some(source)
}

fn source_value(source: &EnvFrom) -> Value {
    let mut reference = vec![("name", Value::name(&source.name))];
    if source.optional {
        reference.push(("optional", Value::Bool(true)));
    }
    let field = match source.kind {
        EnvFromKind::Secret => "secretRef",
        EnvFromKind::ConfigMap => "configMapRef",
    };
    let mut entries = Vec::new();
    if !source.prefix.is_empty() {
        entries.push(("prefix", Value::name(&source.prefix)));
    }
    entries.push((field, Value::map(reference)));
    Value::map(entries)
}
