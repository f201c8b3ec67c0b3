//! Determines which objects get an injection, and which part of the injection each object gets.

use jobplate_diagnostic::Result;
use jobplate_manifest::object::{Object, is_helm_hook};
use jobplate_manifest::select::Target;
use jobplate_manifest::workload::{is_builtin_workload, is_job};
use jobplate_yaml::Node;

use super::injection::Injection;

/// The part of an injection that an object gets.
#[derive(Clone, Copy)]
pub(super) enum Scope<'i> {
    /// The whole injection. The field is the target that matched the object, or `None` for a default target.
    All(Option<&'i Target>),
    /// The injection without Prefect's settings.
    WithoutSettings,
    /// Only Prefect's settings, and only if the object is an agent or worker.
    SettingsOnly,
}

/// A [`Scope`] without its target. Unlike a scope, it can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScopeKind {
    Named,
    Default,
    WithoutSettings,
    SettingsOnly,
}

impl<'i> Scope<'i> {
    /// Returns the scope without its target.
    pub(super) fn kind(self) -> ScopeKind {
        match self {
            Scope::All(Some(_)) => ScopeKind::Named,
            Scope::All(None) => ScopeKind::Default,
            Scope::WithoutSettings => ScopeKind::WithoutSettings,
            Scope::SettingsOnly => ScopeKind::SettingsOnly,
        }
    }

    /// Returns the target that matched the object, or `None` for a default target or a partial scope.
    pub(super) fn target(self) -> Option<&'i Target> {
        if let Scope::All(target) = self { target } else { None }
    }
}

/// Returns the part of an injection that an object gets. Returns `None` if the object is not a target.
pub(super) fn find_scope<'i>(object: &Object<'_>, injection: &'i Injection) -> Result<Option<Scope<'i>>> {
    let scope = find_unfiltered_scope(object, injection);
    Ok(if scope.is_some() && passes_filters(object, injection)? { scope } else { None })
}

/// Returns whether an object passes the filters `--skip-hooks` and `-l`.
pub(super) fn passes_filters(object: &Object<'_>, injection: &Injection) -> Result<bool> {
    if injection.skip_hooks || injection.selector.is_some() {
        object.check_metadata()?;
    }
    let is_skipped_hook = injection.skip_hooks && is_helm_hook(object);
    Ok(!is_skipped_hook && injection.selector.as_ref().is_none_or(|selector| selector.matches(object)))
}

fn find_unfiltered_scope<'i>(object: &Object<'_>, injection: &'i Injection) -> Option<Scope<'i>> {
    if !injection.targets.is_empty() {
        let target = injection.targets.iter().find(|target| target.matches(object))?;
        return Some(Scope::All(Some(target)));
    }
    match object {
        _ if is_job(object) && !injection.no_default_targets => Some(Scope::All(None)),
        _ if !injection.prefect.is_empty() && is_builtin_workload(object) => Some(Scope::SettingsOnly),
        _ => None,
    }
}

/// Returns whether a node is a scalar that contains `prefect`. Every agent and worker has such a scalar, in its image
/// or command.
pub(super) fn mentions_prefect(node: Node<'_>) -> bool {
    node.is_scalar() && node.raw().contains("prefect")
}
