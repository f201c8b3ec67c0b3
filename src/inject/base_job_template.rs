//! Plans the edits of a base job template outside its container: removes variables that would override the container's
//! `env` entries.
//!
//! Before the container's entries, a worker inserts its own settings, `job_configuration.env`, the default of the
//! template variable `env`, and the deployment's variables. The worker drops every container entry with the same name
//! as an inserted variable. Therefore a variable that is set in the container must not be set elsewhere. A variable
//! that the worker sets itself must be null in `job_configuration.env`, because the worker then omits it.

use std::borrow::Cow;

use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_prefect::base_job_template::{BaseJobTemplate, is_env_placeholder, is_worker_setting};
use jobplate_prefect::worker::version::WorkerVersion;
use jobplate_yaml::{Child, Edit, Editable, KeyIndex, Node, NodeKind, Value};

use super::env::{DesiredEnv, note_replaced_literal};
use super::notes::Notes;

/// Adds the edits outside the container. Fails if a worker of `version` would still override one of the container's
/// entries.
pub(super) fn plan_base_job_template(
    template: &BaseJobTemplate<'_>,
    desired: &DesiredEnv,
    version: WorkerVersion,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    if let Some(note) = version.unsupported_note() {
        notes.add(Diagnostic::info("unsupported-version", note));
    }
    let names = RequestedNames::new(desired);
    let start = template.job_configuration.span().start;
    let refuse = |reason: String, hint: &str| Err(Error::refused(reason).at(start..start + 1).hint(hint));
    if !version.keeps_entries()
        && let Some(name) = desired.names().next()
    {
        let reason = format!(
            "{name} would have no effect: workers with prefect-kubernetes {version} replace the `env` of the container"
        );
        return refuse(reason, "use --env-from, which works in all versions, or update the workers to 0.2.12 or later");
    }
    let edits_before = edits.len();
    plan_job_env(template, &names, edits, notes)?;
    if !edits.is_empty() {
        note_nulls(desired, notes);
    }
    let [name, ..] = names.worker_settings else { return Ok(()) };
    if !version.merges_env() && edits.len() > edits_before {
        let reason = format!(
            "cannot set {name} to null in `job_configuration.env`: with prefect-kubernetes {version}, a mapping in that \
             field overrides the variables of deployments"
        );
        return refuse(reason, "set it to null in the `env` of each deployment, or update the workers to 0.4 or later");
    }
    let keeps_variables = |default: Node<'_>| default.entries().any(|(key, _)| !names.contains(key));
    if !version.merges_default_env() && template.default_env.is_some_and(keeps_variables) {
        let reason = format!(
            "cannot set {name} to null in `job_configuration.env`: with prefect-kubernetes {version}, the default of \
             `env` overrides it"
        );
        return refuse(reason, "move that default into `job_configuration.env`, or update the workers to 0.7 or later");
    }
    Ok(())
}

/// Adds a note about the variables to remove that a worker would set if they were not null.
fn note_nulls(desired: &DesiredEnv, notes: &mut Notes) {
    let names = desired.unset().filter(|name| is_worker_setting(name) && !desired.sets(name));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        let text = format!(
            "{} is null in `job_configuration.env`: no flow run gets a value, not even the worker's",
            names.join(", ")
        );
        let help = "remove the null to keep the worker's value";
        notes.add(Diagnostic::info("worker-overrides-reference", text).help(help));
    }
}

/// The names of the variables to set or to remove.
pub(super) struct RequestedNames<'d> {
    desired: &'d DesiredEnv,
    /// The names of variables that a worker sets itself.
    pub(super) worker_settings: &'d [String],
}

impl<'d> RequestedNames<'d> {
    pub(super) fn new(desired: &'d DesiredEnv) -> Self {
        RequestedNames { desired, worker_settings: desired.worker_settings() }
    }

    /// Returns whether a node is the name of a variable to set or to remove.
    fn contains(&self, node: Node<'_>) -> bool {
        node.text().is_some_and(|name| self.desired.requests(&name))
    }

    /// Returns whether a mapping sets each of the worker's variables to null.
    fn are_null_in(&self, env: Node<'_>) -> bool {
        let index = KeyIndex::new(env);
        self.worker_settings.iter().all(|name| index.get_first(name).is_some_and(Node::is_null))
    }

    /// Returns a mapping that sets each of the worker's variables to null, so that the worker omits it.
    pub(super) fn null_worker_settings(&self) -> Value {
        Value::map(self.worker_settings.iter().map(|name| (name.clone(), Value::Null)))
    }
}

/// Adds the edits of `job_configuration.env` and of the template variable `env`'s default. Fails if either of them
/// cannot be edited.
fn plan_job_env(
    template: &BaseJobTemplate<'_>,
    names: &RequestedNames<'_>,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    if let Some(default) = template.default_env {
        if !matches!(default.kind(), NodeKind::Map | NodeKind::Seq) {
            return Err(Error::input("the default of `env` must be a mapping of variables")
                .at(default.span())
                .hint("write it as a mapping, `NAME: value`"));
        }
        // Null in the default does not keep the worker from setting its own variables, so requested variables are only
        // removed here.
        let without_nulls = RequestedNames { worker_settings: &[], ..*names };
        plan_variable_removal(default, "the default of `env`", &without_nulls, edits, notes)?;
    }
    let description = "`job_configuration.env`";
    let env = template.env()?;
    match (env, names.worker_settings) {
        (Some(env), [name, ..]) if env.kind() == NodeKind::Seq => Err(Error::refused(format!(
            "{description} must be a mapping, not a list: only `{name}: null` in it removes the value that the worker sets"
        ))
        .at(env.span())
        .hint("write it as a mapping, `NAME: value`, and move references to the container's `env`")),
        (env, [name, ..]) if template.has_env_list() && !env.is_some_and(|env| names.are_null_in(env)) => {
            let list = template.default_env.filter(|default| default.kind() == NodeKind::Seq);
            let start = list.or(template.env_schema).unwrap_or(template.job_configuration).span().start;
            Err(Error::refused(format!(
                "cannot write `{name}: null` to {description}, which removes the value that the worker sets: the variable `env` \
                 can be a list"
            ))
            .at(start..start + 1)
            .hint(format!("write `env` as a mapping, `NAME: value`, or change {name} on the worker")))
        }
        (Some(env), _) if matches!(env.kind(), NodeKind::Map | NodeKind::Seq) => {
            plan_variable_removal(env, description, names, edits, notes)
        }
        (_, []) => Ok(()),
        (Some(env), _) if is_env_placeholder(env) => {
            edits.push(Editable::from_node(env, description)?.replace(names.null_worker_settings()));
            let names = names.worker_settings.join(", ");
            let text = format!("{description} now sets {names} to null, to remove the value that the worker sets");
            notes.add(Diagnostic::info("worker-overrides-reference", text));
            Ok(())
        }
        (other, [name, ..]) => {
            let problem = match other {
                Some(_) => format!("{description} must be a mapping or `{{{{ env }}}}`"),
                None => format!("missing {description}"),
            };
            let start = other.unwrap_or(template.job_configuration).span().start;
            Err(Error::refused(format!("{problem}: only `{name}: null` in it removes the value that the worker sets"))
                .at(start..start + 1)
                .hint("write `\"env\": \"{{ env }}\"` in `job_configuration`, as in Prefect's default template, and run the command again"))
        }
    }
}

/// Removes the requested variables from a mapping of variables or from a list of entries. In a mapping, sets the
/// variables that a worker sets itself to null instead, and adds missing variables. `description` names the mapping or
/// list in errors and notes.
pub(super) fn plan_variable_removal(
    env: Node<'_>,
    description: &str,
    names: &RequestedNames<'_>,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    let changes = match env.kind() {
        NodeKind::Map => plan_mapping_changes(env, names)?,
        NodeKind::Seq => plan_list_changes(env, names)?,
        _ => EnvChanges::default(),
    };
    if changes.remove.is_empty() && changes.insert.is_empty() {
        return Ok(());
    }
    let env = Editable::from_node(env, description)?;
    for (name, literal) in changes.removed.iter().filter(|(name, _)| names.desired.sets(name)) {
        note_replaced_literal(names.desired, name, literal.as_deref(), notes);
        notes.add(Diagnostic::info("duplicate-env", format!("removed `{name}` from {description}, which also set it")));
    }
    edits.push(env.change_children(changes.remove, changes.insert));
    Ok(())
}

/// The changes to the children of a mapping of variables or of a list of entries.
#[derive(Default)]
struct EnvChanges {
    /// The indices of the children to remove.
    remove: Vec<usize>,
    insert: Vec<(usize, Child)>,
    /// The name and the literal of each removed variable.
    removed: Vec<(String, Option<String>)>,
}

fn plan_mapping_changes(env: Node<'_>, names: &RequestedNames<'_>) -> Result<EnvChanges> {
    let EnvChanges { mut remove, mut insert, mut removed } = EnvChanges::default();
    let index = KeyIndex::new(env);
    for (position, (key, value)) in env.entries().enumerate() {
        if !names.contains(key) {
            continue;
        }
        let name = key.text().unwrap_or_default();
        index.get(&name)?;
        let becomes_null = !names.worker_settings.is_empty() && is_worker_setting(&name);
        if becomes_null && value.is_null() {
            continue;
        }
        Editable::from_node(value, "the variable")?;
        remove.push(position);
        let name = name.into_owned();
        removed.push((name.clone(), value.text().map(Cow::into_owned)));
        if becomes_null {
            insert.push((position, Child::entry(name, Value::Null)));
        }
    }
    let count = env.entries().count();
    let is_free = |position: &usize| insert.binary_search_by_key(position, |(taken, _)| *taken).is_err();
    // If every entry is removed, the first new entry gets the index of a removed entry, so the mapping is never empty.
    let first = remove.iter().copied().find(|position| remove.len() == count && is_free(position)).unwrap_or(count);
    let missing = names.worker_settings.iter().filter(|name| index.get_first(name).is_none());
    let positions = std::iter::once(first).chain(std::iter::repeat(count));
    insert.extend(positions.zip(missing).map(|(at, name)| (at, Child::entry(name.clone(), Value::Null))));
    Ok(EnvChanges { remove, insert, removed })
}

fn plan_list_changes(env: Node<'_>, names: &RequestedNames<'_>) -> Result<EnvChanges> {
    let mut changes = EnvChanges::default();
    for (position, item) in env.items().enumerate() {
        if let Some(name) = item.get_first("name").filter(|name| names.contains(*name)) {
            Editable::from_node(item, "the entry")?;
            changes.remove.push(position);
            let literal = item.get_first("value").and_then(Node::text).map(Cow::into_owned);
            changes.removed.push((name.text().unwrap_or_default().into_owned(), literal));
        }
    }
    Ok(changes)
}
