//! The placeholders in the template of a Job.

use crate::pyvalue::arena::ValueId;

/// The placeholders in the template of a Job.
pub(crate) struct TemplatePlaceholders<'p> {
    /// Returns the variable whose placeholder is a field of a reference in the template, given the reference in the Job
    /// and the field.
    pub(crate) variable_of: &'p dyn Fn(ValueId, &str) -> Option<String>,
    /// Returns the `{{ env }}` in the `env` of a container of the template, given the container in the Job.
    pub(crate) env_of: &'p dyn Fn(ValueId) -> Option<ValueId>,
}

/// The placeholders in a template of Prefect 1, which has none.
pub(crate) const NO_PLACEHOLDERS: TemplatePlaceholders<'_> =
    TemplatePlaceholders { variable_of: &|_, _| None, env_of: &|_| None };
