//! Finds templates of Prefect 2 and 3, which are base job templates and `KubernetesJob` blocks, and plans the edits of
//! their containers. `base_job_template` and `block` plan the edits outside the containers.

use jobplate_diagnostic::{Diagnostic, Result};
use jobplate_manifest::container;
use jobplate_manifest::object::Object;
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_prefect::base_job_template::{self, BaseJobTemplate, mixed_placeholder};
use jobplate_prefect::generation::FLOW_CONTAINER;
use jobplate_prefect::kubernetes_job_block::{self, KubernetesJobBlock};
use jobplate_yaml::{Edit, Node};

use super::base_job_template::plan_base_job_template;
use super::block::plan_block;
use super::env::{DesiredEnv, plan_container_env};
use super::injection::Injection;
use super::notes::Notes;

/// A template of Prefect 2 or 3 in an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum PrefectTemplate<'a> {
    BaseJobTemplate(Node<'a>),
    KubernetesJobBlock(Node<'a>),
}

impl<'a> PrefectTemplate<'a> {
    /// Returns the template that an object is or contains. Returns `None` for any other object.
    pub(super) fn find_in(object: &Object<'a>) -> Option<Self> {
        let base = base_job_template::find(object).map(PrefectTemplate::BaseJobTemplate);
        base.or_else(|| kubernetes_job_block::find(object).map(PrefectTemplate::KubernetesJobBlock))
    }

    /// Returns the template's node.
    pub(super) fn node(self) -> Node<'a> {
        let (PrefectTemplate::BaseJobTemplate(node) | PrefectTemplate::KubernetesJobBlock(node)) = self;
        node
    }

    /// Returns the template's kind in targets and messages. An object that is itself a template has no Kubernetes kind.
    fn kind(self) -> &'static str {
        match self {
            PrefectTemplate::BaseJobTemplate(_) => base_job_template::KIND,
            PrefectTemplate::KubernetesJobBlock(_) => kubernetes_job_block::KIND,
        }
    }

    /// Returns the template's name in errors.
    pub(super) fn description(self) -> &'static str {
        match self {
            PrefectTemplate::BaseJobTemplate(_) => "the base job template",
            PrefectTemplate::KubernetesJobBlock(_) => "the KubernetesJob block",
        }
    }

    /// Returns whether a target matches the object that contains the template, or the kind of a template without such
    /// an object.
    pub(super) fn matches(self, object: &Object<'_>, target: &Target) -> bool {
        let is_match_by_kind = object.kind.is_empty() && target.kind.matches(self.kind());
        target.matches(object) || is_match_by_kind && target.name.is_none() && target.key.is_none()
    }

    /// Adds the template's edits. Returns the number of selected containers.
    pub(super) fn plan_edits(
        self,
        object: &Object<'a>,
        desired: &DesiredEnv,
        injection: &Injection,
        edits: &mut Vec<Edit>,
        notes: &mut Notes,
    ) -> Result<usize> {
        let selected = match self {
            PrefectTemplate::BaseJobTemplate(node) => {
                let template = BaseJobTemplate::read(object, node)?;
                let Some(pod_spec) = template.pod_spec else { return Ok(0) };
                let selected = plan_containers(pod_spec, desired, injection, edits, notes)?;
                if selected.has_flow_container {
                    plan_base_job_template(&template, desired, injection.worker_version, edits, notes)?;
                }
                selected
            }
            PrefectTemplate::KubernetesJobBlock(node) => {
                let block = KubernetesJobBlock::read(object, node)?;
                let selected = match block.pod_spec {
                    Some(pod_spec) => plan_containers(pod_spec, desired, injection, edits, notes)?,
                    None => select_implied_container(&injection.containers),
                };
                if selected.has_flow_container {
                    plan_block(&block, desired, edits, notes)?;
                }
                selected
            }
        };
        Ok(selected.count)
    }
}

/// Returns the kind of an object that is or contains a template of Prefect 2 or 3. If the object has no kind, returns
/// the template's kind. Returns `None` for any other object.
pub fn template_kind(object: &Object<'_>) -> Option<String> {
    let template = PrefectTemplate::find_in(object)?;
    Some(if object.kind.is_empty() { template.kind().to_owned() } else { object.kind.to_string() })
}

/// The selected containers of a template.
struct SelectedContainers {
    count: usize,
    /// Whether the first container, which runs the flow, is selected.
    has_flow_container: bool,
}

/// Adds the edits of a pod's selected containers.
fn plan_containers(
    pod_spec: Node<'_>,
    desired: &DesiredEnv,
    injection: &Injection,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<SelectedContainers> {
    let selected = container::select(pod_spec, &injection.containers, injection.init_containers)?;
    let flow_container = container::containers(pod_spec).first().map(|container| container.index());
    for container in &selected {
        if mixed_placeholder(**container).is_some() && !desired.is_empty() {
            let is_flow = Some(container.index()) == flow_container;
            let text = match is_flow {
                true => {
                    "removed `{{ env }}` from the list: the worker adds its variables to the list without a placeholder"
                }
                false => "removed `{{ env }}` from the list: the worker adds its variables only to the first container",
            };
            notes.add(Diagnostic::info("mixed-env-placeholder", text));
        }
        plan_container_env(*container, desired, edits, notes)?;
    }
    let has_flow_container = selected.iter().any(|container| Some(container.index()) == flow_container);
    Ok(SelectedContainers { count: selected.len(), has_flow_container })
}

/// Returns the selected containers of a block without its own Job: the container of Prefect's default Job, if `choice`
/// selects it.
fn select_implied_container(choice: &ContainerChoice) -> SelectedContainers {
    let is_selected = match choice {
        ContainerChoice::Named(globs) => globs.iter().any(|glob| glob.matches(FLOW_CONTAINER)),
        _ => true,
    };
    SelectedContainers { count: usize::from(is_selected), has_flow_container: is_selected }
}
