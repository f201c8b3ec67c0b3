//! Which objects an injection is for, and how much of it each of them gets.

use jobplate_diagnostic::Result;
use jobplate_manifest::object::{Object, is_helm_hook};
use jobplate_manifest::select::Target;
use jobplate_manifest::workload::{is_builtin_workload, is_job};
use jobplate_yaml::Node;

use super::injection::Injection;

/// How much of an injection an object gets.
#[derive(Clone, Copy)]
pub(super) enum Scope<'i> {
    /// All of it: named by a target, or a Job or CronJob.
    All(Option<&'i Target>),
    /// All but Prefect's settings.
    WithoutSettings,
    /// Prefect's settings, if it turns out to be an agent or worker.
    Settings,
}

/// A share, apart from the target that gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScopeKind {
    Named,
    Default,
    WithoutSettings,
    Settings,
}

impl<'i> Scope<'i> {
    /// Without the target.
    pub(super) fn part(self) -> ScopeKind {
        match self {
            Scope::All(Some(_)) => ScopeKind::Named,
            Scope::All(None) => ScopeKind::Default,
            Scope::WithoutSettings => ScopeKind::WithoutSettings,
            Scope::Settings => ScopeKind::Settings,
        }
    }

    /// The target that gives it.
    pub(super) fn target(self) -> Option<&'i Target> {
        if let Scope::All(target) = self { target } else { None }
    }
}

/// How much of an injection an object gets; none of it where it is not meant.
pub(super) fn scope_of<'i>(object: &Object<'_>, injection: &'i Injection) -> Result<Option<Scope<'i>>> {
    let scope = scope_by_kind(object, injection);
    Ok(if scope.is_some() && passes(object, injection)? { scope } else { None })
}

/// Returns whether an object passes `--skip-hooks` and `-l`.
pub(super) fn passes(object: &Object<'_>, injection: &Injection) -> Result<bool> {
    if injection.skip_hooks || injection.selector.is_some() {
        object.check_metadata()?;
    }
    let hook = injection.skip_hooks && is_helm_hook(object);
    Ok(!hook && injection.selector.as_ref().is_none_or(|selector| selector.matches(object)))
}

fn scope_by_kind<'i>(object: &Object<'_>, injection: &'i Injection) -> Option<Scope<'i>> {
    if !injection.targets.is_empty() {
        let target = injection.targets.iter().find(|target| target.matches(object))?;
        return Some(Scope::All(Some(target)));
    }
    match object {
        _ if is_job(object) && !injection.no_default_targets => Some(Scope::All(None)),
        _ if !injection.prefect.is_empty() && is_builtin_workload(object) => Some(Scope::Settings),
        _ => None,
    }
}

/// Whether a scalar has Prefect's name in it, as every agent's and worker's does somewhere.
pub(super) fn mentions_prefect(node: Node<'_>) -> bool {
    node.is_scalar() && node.raw().contains("prefect")
}
