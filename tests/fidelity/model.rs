//! A second definition of the edits, for the trees of any reader and without the library's code.
//!
//! Finds the targets of a stream and returns the tree that every reader must find in the edited document, or the reason
//! why the edit must be refused. This module does not handle bytes.

use crate::tree::{NodeKind, Tree};

/// An edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Sets a variable from a Secret: name, Secret, key.
    Secret(&'static str, &'static str, &'static str),
    /// Sets a variable to a literal: name, value.
    Literal(&'static str, &'static str),
    /// Removes a variable.
    Unset(&'static str),
    /// Adds an `envFrom` source: prefix, Secret.
    Source(&'static str, &'static str),
    /// Fills a missing namespace.
    Namespace(&'static str),
    /// All of these edits at once: first removals, then variables, then the others.
    Many(&'static [Op]),
}

/// The expected document, or the reason why the edit must be refused.
pub(crate) type Outcome = Result<Expected, &'static str>;

/// The expected tree, and whether it differs from the original.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub tree: Tree,
    pub changed: bool,
}

/// The workload kinds, with the path to their pod spec.
const WORKLOADS: [(&str, &[&str]); 9] = [
    ("Pod", &["spec"]),
    ("PodTemplate", &["template", "spec"]),
    ("Job", &["spec", "template", "spec"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
    ("Deployment", &["spec", "template", "spec"]),
    ("StatefulSet", &["spec", "template", "spec"]),
    ("DaemonSet", &["spec", "template", "spec"]),
    ("ReplicaSet", &["spec", "template", "spec"]),
    ("ReplicationController", &["spec", "template", "spec"]),
];

/// Returns the workload kinds that the generated edits target.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    WORKLOADS.iter().map(|(kind, _)| *kind)
}

/// Splits a stream into documents before every line that begins with `---` and whitespace, or that is only `---`, and
/// before every JSON object on a new line after another.
pub(crate) fn split_documents(stream: &str) -> Vec<&str> {
    let mut cuts = vec![0];
    let mut at = 0;
    for line in stream.split_inclusive('\n') {
        let text = if at == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let is_marker =
            text.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if is_marker && at > 0 {
            cuts.push(at);
        }
        at += line.len();
    }
    cuts.push(stream.len());
    cuts.windows(2).flat_map(|pair| split_json_objects(&stream[pair[0]..pair[1]])).collect()
}

/// Splits a document before every JSON object on a new line after another. Keeps other documents whole. Like kubectl,
/// accepts half a surrogate pair in an object.
fn split_json_objects(document: &str) -> Vec<&str> {
    let (mut objects, mut rest) = (Vec::new(), document);
    while rest.trim_start().starts_with('{') {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde::de::IgnoredAny>();
        let Some(Ok(_)) = values.next() else { break };
        let after = &rest[values.byte_offset()..];
        let next = after.trim_start_matches([' ', '\t', '\r', '\n']);
        if !next.starts_with('{') || !after[..after.len() - next.len()].contains('\n') {
            break;
        }
        let gap = &after[..after.len() - next.len()];
        let indent = gap.len() - gap.rfind('\n').map_or(0, |newline| newline + 1);
        let (object, others) = rest.split_at(rest.len() - next.len() - indent);
        objects.push(object);
        rest = others;
    }
    objects.push(rest);
    objects
}

/// A target: paths of child indices from the document's root.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub object: Vec<usize>,
    pub containers: Vec<Vec<usize>>,
}

/// Checks that a node on the path is unambiguous and not shared.
///
/// In the trees of readers that expand aliases and merge keys, this check always passes.
fn check_unambiguous(node: &Tree, aliases: &[&str]) -> Result<(), &'static str> {
    if node.kind == NodeKind::Alias {
        return Err("an alias on the way");
    }
    if node.anchor.as_deref().is_some_and(|anchor| aliases.contains(&anchor)) {
        return Err("an anchor on the way that is used elsewhere");
    }
    if node.entries().any(|(key, _)| key.kind == NodeKind::Plain && key.text == "<<") {
        return Err("a merge key on the way");
    }
    if node.entries().any(|(key, _)| key.tag.as_deref() == Some("!!binary")) {
        return Err("a key that is written in base64 on the way");
    }
    Ok(())
}

fn find_aliases(document: &Tree) -> Vec<&str> {
    let (mut found, mut open) = (Vec::new(), vec![document]);
    while let Some(node) = open.pop() {
        if node.kind == NodeKind::Alias {
            found.push(node.text.as_str());
        }
        open.extend(&node.children);
    }
    found
}

fn check_path(document: &Tree, path: &[usize], aliases: &[&str]) -> Result<(), &'static str> {
    (0..=path.len()).try_for_each(|length| check_unambiguous(document.at(&path[..length]), aliases))
}

/// Finds the objects of a document whose pod spec has at least one container.
///
/// Fails if a key on the path is duplicate, because readers disagree about its value.
pub(crate) fn targets(document: &Tree) -> Result<Vec<Target>, &'static str> {
    let mut found = Vec::new();
    for object in objects(document)? {
        let node = document.at(&object);
        let is_workload = |value: &Tree| WORKLOADS.iter().any(|(name, _)| value.has_text(name));
        if !node.entries().any(|(key, value)| key.has_text("kind") && is_workload(value)) {
            continue;
        }
        let kind = text(node, "kind")?.unwrap_or_default();
        let Some((_, keys)) = WORKLOADS.iter().find(|(name, _)| *name == kind) else { continue };
        let group = text(node, "apiVersion")?.unwrap_or_default();
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let pods = if matches!(group, "" | "apps" | "batch" | "extensions") {
            follow(document, &object, keys)?.into_iter().collect()
        } else {
            pods_by_shape(document, &object)?
        };
        for pod in pods {
            let Some(list) = follow(document, &pod, &["containers"])? else { continue };
            let count = document.at(&list).items().len();
            if count > 0 {
                let containers = (0..count).map(|at| child_path(&list, at)).collect();
                found.push(Target { object: object.clone(), containers });
            }
        }
    }
    Ok(found)
}

fn child_path(path: &[usize], child: usize) -> Vec<usize> {
    let mut path = path.to_vec();
    path.push(child);
    path
}

fn objects(document: &Tree) -> Result<Vec<Vec<usize>>, &'static str> {
    if document.kind != NodeKind::Map {
        return Ok(Vec::new());
    }
    if text(document, "kind")?.is_some_and(|kind| kind.ends_with("List"))
        && let Some(items) = get(document, "items")?
    {
        let list = &document.children[items];
        let maps = list.items().iter().enumerate().filter(|(_, item)| item.kind == NodeKind::Map);
        return Ok(maps.map(|(at, _)| vec![items, at]).collect());
    }
    Ok(vec![Vec::new()])
}

/// Returns the child index of the value under a key. Fails if the key is duplicate.
fn get(map: &Tree, key: &str) -> Result<Option<usize>, &'static str> {
    match map.find(key) {
        (_, true) => Err("a key twice on the way"),
        (at, false) => Ok(at),
    }
}

fn text<'a>(map: &'a Tree, key: &str) -> Result<Option<&'a str>, &'static str> {
    let value = get(map, key)?.map(|at| &map.children[at]);
    Ok(value.filter(|value| value.is_scalar() && !value.is_null()).map(|value| value.text.as_str()))
}

fn follow(document: &Tree, from: &[usize], keys: &[&str]) -> Result<Option<Vec<usize>>, &'static str> {
    let mut path = from.to_vec();
    for key in keys {
        match get(document.at(&path), key)? {
            Some(at) => path.push(at),
            None => return Ok(None),
        }
    }
    Ok(Some(path))
}

/// Finds the pod specs of an object outside the built-in API groups: every outermost mapping with a list of
/// `containers`.
fn pods_by_shape(document: &Tree, from: &[usize]) -> Result<Vec<Vec<usize>>, &'static str> {
    let node = document.at(from);
    let list = get(node, "containers")?.map(|at| &node.children[at]);
    if list.is_some_and(|list| list.items().first().is_some_and(|first| first.kind == NodeKind::Map)) {
        return Ok(vec![from.to_vec()]);
    }
    let mut found = Vec::new();
    for at in 0..node.children.len() {
        found.extend(pods_by_shape(document, &child_path(from, at))?);
    }
    Ok(found)
}

/// Applies an edit to all containers of each target, or only to the first container of each.
pub(crate) fn apply_edit(document: &Tree, op: &Op, all_containers: bool) -> Outcome {
    let mut out = Expected { tree: document.clone(), changed: false };
    if let Op::Many(ops) = op {
        for op in *ops {
            let next = apply_edit(&out.tree, op, all_containers)?;
            out = Expected { tree: next.tree, changed: out.changed || next.changed };
        }
        return Ok(out);
    }
    let aliases = find_aliases(document);
    for target in targets(document)? {
        let count = if all_containers { target.containers.len() } else { 1 };
        for path in &target.containers[..count] {
            check_path(document, path, &aliases)?;
        }
        if let Op::Namespace(namespace) = op {
            out.changed |= fill_namespace(out.tree.at_mut(&target.object), namespace, &aliases)?;
            continue;
        }
        for path in &target.containers[..count] {
            let container = out.tree.at_mut(path);
            if container.kind != NodeKind::Map {
                return Err("a container that is no mapping");
            }
            out.changed |= match op {
                Op::Source(prefix, secret) => add_source(container, prefix, secret, &aliases)?,
                _ => edit_env(container, op, &aliases)?,
            };
        }
    }
    Ok(out)
}

fn new_string(text: &str) -> Tree {
    Tree::new(NodeKind::NewString, text)
}

fn new_map(entries: Vec<(&str, Tree)>) -> Tree {
    let mut out = Tree::new(NodeKind::NewMap, "");
    out.children = entries.into_iter().flat_map(|(key, value)| [new_string(key), value]).collect();
    out
}

fn new_entry(op: &Op) -> Option<Tree> {
    match op {
        Op::Secret(name, secret, key) => {
            let reference = new_map(vec![("name", new_string(secret)), ("key", new_string(key))]);
            Some(new_map(vec![("name", new_string(name)), ("valueFrom", new_map(vec![("secretKeyRef", reference)]))]))
        }
        Op::Literal(name, value) => Some(new_map(vec![("name", new_string(name)), ("value", new_string(value))])),
        _ => None,
    }
}

/// Returns whether a node already has the meaning of the new node.
fn has_meaning_of(node: &Tree, new: &Tree) -> bool {
    if node.tag.is_some() {
        return false;
    }
    match new.kind {
        NodeKind::NewMap => {
            node.kind == NodeKind::Map
                && node.children.len() == new.children.len()
                && new.children.chunks_exact(2).all(
                    |pair| matches!(node.find(&pair[0].text), (Some(at), false) if node.children[at - 1].tag.is_none() && has_meaning_of(&node.children[at], &pair[1])),
                )
        }
        _ => {
            let is_string = match node.kind {
                NodeKind::String | NodeKind::DoubleQuoted | NodeKind::SingleQuoted | NodeKind::Literal | NodeKind::Folded => true,
                // The reader reports no types, so accept only plain scalars that every reader resolves to a string.
                NodeKind::Plain => node.text.starts_with(|first: char| first.is_ascii_alphabetic()) && node.text.len() > 3,
                _ => false,
            };
            is_string && node.text == new.text
        }
    }
}

/// The child index of the list under a key of a container. A missing or null list must be added.
enum List {
    Existing(usize),
    Null(usize),
    Missing,
    /// Added by an earlier edit.
    Added(usize),
}

fn find_list(container: &Tree, key: &str) -> Result<List, &'static str> {
    if let Some(at) = container.added.iter().position(|(name, _)| name == key) {
        return Ok(List::Added(at));
    }
    Ok(match get(container, key)? {
        None => List::Missing,
        Some(at) if container.children[at].kind == NodeKind::Seq => List::Existing(at),
        Some(at) if container.children[at].is_null() => List::Null(at),
        Some(at) if container.children[at].kind == NodeKind::Alias => return Err("an alias on the way"),
        Some(_) => return Err("a list that is something else"),
    })
}

fn insert_first(container: &mut Tree, key: &str, list: List, item: Tree) {
    let mut new = Tree::new(NodeKind::Seq, "");
    new.children.push(item);
    match list {
        List::Existing(at) => container.children[at].children.push(new.children.remove(0)),
        List::Null(at) => {
            new.anchor = container.children[at].anchor.take();
            container.children[at] = new;
        }
        List::Missing => container.added.push((key.to_owned(), new)),
        List::Added(at) => container.added[at].1.children.push(new.children.remove(0)),
    }
}

fn edit_env(container: &mut Tree, op: &Op, aliases: &[&str]) -> Result<bool, &'static str> {
    let list = find_list(container, "env")?;
    if let List::Existing(at) | List::Null(at) = list {
        check_unambiguous(&container.children[at], aliases)?;
    }
    let name = match op {
        Op::Secret(name, ..) | Op::Literal(name, _) | Op::Unset(name) => *name,
        _ => return Ok(false),
    };
    let env = match list {
        List::Existing(at) => &mut container.children[at],
        List::Added(at) => &mut container.added[at].1,
        List::Null(_) | List::Missing => {
            let Some(new) = new_entry(op) else { return Ok(false) };
            insert_first(container, "env", list, new);
            return Ok(true);
        }
    };
    let mut found = None;
    for (position, item) in env.children.iter().enumerate() {
        if item.kind == NodeKind::Alias {
            continue;
        }
        if !matches!(item.kind, NodeKind::Map | NodeKind::NewMap) {
            return Err("an entry that is no mapping");
        }
        let names = item.entries().filter(|(key, value)| key.has_text("name") && value.has_text(name)).count();
        if names > 0 && item.find("name").1 {
            return Err("an entry with two names");
        }
        if names > 0 && found.replace(position).is_some() {
            return Err("a variable that stands twice");
        }
    }
    match (found, new_entry(op)) {
        (None, None) => Ok(false),
        (Some(position), None) => {
            check_unambiguous(&env.children[position], aliases)?;
            check_unshared(&env.children[position], aliases)?;
            env.children.remove(position);
            Ok(true)
        }
        (Some(position), Some(mut new)) => {
            let old = &env.children[position];
            if has_meaning_of(old, &new) {
                return Ok(false);
            }
            check_unambiguous(old, aliases)?;
            check_unshared(old, aliases)?;
            new.anchor.clone_from(&old.anchor);
            if let (Some(at), _) = old.find("name") {
                // The edit may keep the source text of the name, so the expected tree keeps its tags.
                new.children[0].tag.clone_from(&old.children[at - 1].tag);
                new.children[1].tag.clone_from(&old.children[at].tag);
            }
            env.children[position] = new;
            Ok(true)
        }
        (None, Some(new)) => {
            let first_use = env.children.iter().position(|item| {
                // Readers that accept a duplicate key use its last value, so only this value can reference the
                // variable.
                let value = item.entries().filter(|(key, _)| key.has_text("value")).last();
                value.is_some_and(|(_, value)| value.is_scalar() && has_reference(&value.text, name))
            });
            env.children.insert(first_use.unwrap_or(env.children.len()), new);
            Ok(true)
        }
    }
}

/// Checks that no alias uses an anchor in a removed node.
fn check_unshared(node: &Tree, aliases: &[&str]) -> Result<(), &'static str> {
    if node.anchor.as_deref().is_some_and(|anchor| aliases.contains(&anchor)) {
        return Err("an anchor that is used elsewhere, in what goes");
    }
    node.children.iter().try_for_each(|child| check_unshared(child, aliases))
}

/// Returns whether a value contains the reference `$(NAME)`, like Kubernetes expands it: `$$` is an escaped `$`, and a
/// name ends at the first `)`.
fn has_reference(value: &str, name: &str) -> bool {
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((reference, after)) = rest.strip_prefix('(').and_then(|reference| reference.split_once(')'))
        {
            if reference == name {
                return true;
            }
            rest = after;
        }
    }
    false
}

fn add_source(container: &mut Tree, prefix: &str, secret: &str, aliases: &[&str]) -> Result<bool, &'static str> {
    let new = new_map(vec![("prefix", new_string(prefix)), ("secretRef", new_map(vec![("name", new_string(secret))]))]);
    let list = find_list(container, "envFrom")?;
    if let List::Existing(at) | List::Null(at) = list {
        check_unambiguous(&container.children[at], aliases)?;
    }
    if let List::Existing(at) = list
        && container.children[at].children.iter().any(|source| has_meaning_of(source, &new))
    {
        return Ok(false);
    }
    insert_first(container, "envFrom", list, new);
    Ok(true)
}

fn fill_namespace(object: &mut Tree, namespace: &str, aliases: &[&str]) -> Result<bool, &'static str> {
    let Some(at) = get(object, "metadata")? else {
        object.added.push(("metadata".to_owned(), new_map(vec![("namespace", new_string(namespace))])));
        return Ok(true);
    };
    check_unambiguous(&object.children[at], aliases)?;
    let metadata = &mut object.children[at];
    if metadata.is_null() {
        let mut new = new_map(vec![("namespace", new_string(namespace))]);
        new.anchor = metadata.anchor.take();
        *metadata = new;
        return Ok(true);
    }
    if metadata.kind != NodeKind::Map {
        return Err("metadata that is no mapping");
    }
    match get(metadata, "namespace")? {
        None => metadata.added.push(("namespace".to_owned(), new_string(namespace))),
        Some(at) if metadata.children[at].has_text(namespace) => return Ok(false),
        Some(at) if metadata.children[at].is_null() || metadata.children[at].has_text("") => {
            metadata.children[at] = new_string(namespace)
        }
        Some(_) => return Err("another namespace"),
    }
    Ok(true)
}
