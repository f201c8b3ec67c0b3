//! The edits of a base job template beside its container: what else would stand before an entry of the container's
//! `env`, or take its place.
//!
//! A worker puts its own settings, then `job_configuration.env`, the default of the variable `env` and what the
//! deployment sets before the container's entries, and drops an entry whose name is among them. So a name that is set
//! in the container must be nowhere else, and one that the worker sets itself must be null in `job_configuration.env`:
//! the worker then leaves it out.

use jobplate_diagnostic::{Error, Result};
use jobplate_prefect::base_job_template::{BaseJobTemplate, is_env_placeholder, is_worker_setting};
use jobplate_prefect::worker::version::WorkerVersion;
use jobplate_yaml::{Child, Edit, Editable, Node, NodeKind, Value};

use super::env::DesiredEnv;
use super::notes::Notes;

/// Adds those edits. Fails where they would not hold in workers of that version.
pub(super) fn plan(
    template: &BaseJobTemplate<'_>,
    wanted: &DesiredEnv,
    version: WorkerVersion,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    if let Some(remark) = version.remark() {
        notes.add(remark);
    }
    let claims = Claims::new(wanted);
    let start = template.job_configuration.span().start;
    let refused = |why: String, hint: &str| Err(Error::refused(why).at(start..start + 1).hint(hint));
    if !version.keeps_entries()
        && let Some(name) = wanted.names().next()
    {
        let why = format!("{name}: workers with prefect-kubernetes {version} put their own list in the place of `env`");
        return refused(why, "entries of the container are kept from 0.2.12 on; --env-from holds in all versions");
    }
    let before = edits.len();
    plan_env(template, &claims, edits, notes)?;
    let [name, ..] = claims.settings.as_slice() else { return Ok(()) };
    if !version.merges_env() && edits.len() > before {
        let why = format!(
            "{name}: it must be null in `job_configuration.env`, and with prefect-kubernetes {version} a mapping there \
             hides the variables of deployments"
        );
        return refused(why, "set it to null in the `env` of each deployment, or update the workers to 0.4 or later");
    }
    let is_claimed = |key: Node<'_>| claims.wanted.all_names().any(|name| key.has_text(name));
    let is_left = |default: Node<'_>| default.entries().any(|(key, _)| !is_claimed(key));
    if !version.merges_default_env() && template.default_env.is_some_and(is_left) {
        let why = format!(
            "{name}: it must be null in `job_configuration.env`, and with prefect-kubernetes {version} the default of \
             `env` takes the place of that"
        );
        return refused(why, "move that default into `job_configuration.env`, or update the workers to 0.7 or later");
    }
    Ok(())
}

/// The names that a call is about.
pub(super) struct Claims<'w> {
    wanted: &'w DesiredEnv,
    /// Those that the worker would set itself.
    pub(super) settings: Vec<&'w str>,
}

impl<'w> Claims<'w> {
    pub(super) fn new(wanted: &'w DesiredEnv) -> Self {
        Claims { wanted, settings: wanted.all_names().filter(|name| is_worker_setting(name)).collect() }
    }

    /// A mapping in which the worker's are null: it leaves those out.
    pub(super) fn nulls(&self) -> Value {
        Value::map(self.settings.iter().map(|name| ((*name).to_owned(), Value::Null)))
    }
}

fn plan_env(
    template: &BaseJobTemplate<'_>,
    claims: &Claims<'_>,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    if let Some(default) = template.default_env {
        if !matches!(default.kind(), NodeKind::Map | NodeKind::Seq) {
            return Err(Error::input("the default of `env` is no mapping of variables")
                .at(default.span())
                .hint("write it as one: `NAME: value`"));
        }
        let defaults = Claims { settings: Vec::new(), ..*claims };
        take_out(default, "the default of `env`", &defaults, edits, notes)?;
    }
    let what = "`job_configuration.env`";
    let env = template.env()?;
    match (env, claims.settings.as_slice()) {
        (Some(env), [name, ..]) if env.kind() == NodeKind::Seq => {
            Err(Error::refused(format!("{what} is a list, which can't keep the worker from setting {name}"))
                .at(env.span())
                .hint("write it as a mapping, `NAME: value`, and move references to the container's `env`"))
        }
        (Some(env), _) if matches!(env.kind(), NodeKind::Map | NodeKind::Seq) => {
            take_out(env, what, claims, edits, notes)
        }
        (_, []) => Ok(()),
        (Some(env), _) if is_env_placeholder(env) => {
            edits.push(Editable::from_node(env, what)?.replace(claims.nulls()));
            let names = claims.settings.join(", ");
            notes.add(format!(
                "{what} is a mapping now: {names} must be null there, or the worker sets its own; what deployments set \
                 is merged with it"
            ));
            Ok(())
        }
        (other, [name, ..]) => {
            let is = if other.is_some() { "is neither a mapping nor `{{ env }}`" } else { "is missing" };
            let start = other.unwrap_or(template.job_configuration).span().start;
            Err(Error::refused(format!("{what} {is}, and has to keep the worker from setting {name}"))
                .at(start..start + 1)
                .hint("write `\"env\": \"{{ env }}\"` in `job_configuration`, as Prefect's own template has it"))
        }
    }
}

/// Takes the names out of a mapping of variables, or a list of entries; in a mapping, the worker's become null.
pub(super) fn take_out(
    env: Node<'_>,
    what: &str,
    claims: &Claims<'_>,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<()> {
    let is_claimed = |node: Node<'_>| claims.wanted.all_names().any(|name| node.has_text(name));
    let (mut remove, mut insert, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    match env.kind() {
        NodeKind::Map => {
            for (position, (key, value)) in env.entries().enumerate() {
                if !is_claimed(key) {
                    continue;
                }
                env.get(&key.text().unwrap_or_default())?;
                let becomes_null = claims.settings.iter().any(|name| key.has_text(name));
                if becomes_null && value.is_null() {
                    continue;
                }
                Editable::from_node(value, "the variable")?;
                remove.push(position);
                let name = key.text().unwrap_or_default().into_owned();
                gone.push(name.clone());
                if becomes_null {
                    insert.push((position, Child::entry(name, Value::Null)));
                }
            }
            let end = env.entries().count();
            let is_free = |at: &usize| insert.iter().all(|(taken, _)| taken != at);
            // What comes takes the place of what goes: a mapping is not left without entries in between.
            let first = remove.iter().copied().find(|at| remove.len() == end && is_free(at)).unwrap_or(end);
            let missing = claims.settings.iter().filter(|name| env.get_first(name).is_none());
            let places = std::iter::once(first).chain(std::iter::repeat(end));
            insert.extend(places.zip(missing).map(|(at, name)| (at, Child::entry((*name).to_owned(), Value::Null))));
            insert.sort_by_key(|(at, _)| *at);
        }
        NodeKind::Seq => {
            for (position, item) in env.items().enumerate() {
                if let Some(name) = item.get_first("name").filter(|name| is_claimed(*name)) {
                    Editable::from_node(item, "the entry")?;
                    remove.push(position);
                    gone.push(name.text().unwrap_or_default().into_owned());
                }
            }
        }
        _ => {}
    }
    if remove.is_empty() && insert.is_empty() {
        return Ok(());
    }
    let env = Editable::from_node(env, what)?;
    for name in gone.iter().filter(|name| claims.wanted.names().any(|set| set == *name)) {
        notes.add(format!("{name} was set by {what}, too: it was taken out there"));
    }
    edits.push(env.change_children(remove, insert));
    Ok(())
}
