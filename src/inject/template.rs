//! Templates of Prefect 2 and 3 that are no objects of Kubernetes: base job templates and `KubernetesJob` blocks.
//! Which of them are meant, and what goes into their containers; `base_job_template` and `block` decide the rest.

use jobplate_diagnostic::Result;
use jobplate_manifest::container;
use jobplate_manifest::object::Object;
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_prefect::base_job_template::{self, BaseJobTemplate, mixed_placeholder};
use jobplate_prefect::generation::FLOW_CONTAINER;
use jobplate_prefect::kubernetes_job_block::{self, KubernetesJobBlock};
use jobplate_yaml::{Edit, Node};

use super::env::{DesiredEnv, plan_container};
use super::injection::Injection;
use super::notes::Notes;
use super::{base_job_template as base_edits, block as block_edits};

/// Where a template is in an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Template<'a> {
    Base(Node<'a>),
    Block(Node<'a>),
}

impl<'a> Template<'a> {
    /// The template that an object is, or has in it.
    pub(super) fn find(object: &Object<'a>) -> Option<Self> {
        let base = base_job_template::find(object).map(Template::Base);
        base.or_else(|| kubernetes_job_block::find(object).map(Template::Block))
    }

    /// Its node.
    pub(super) fn node(self) -> Node<'a> {
        let (Template::Base(node) | Template::Block(node)) = self;
        node
    }

    /// What names it where objects are named by their kind.
    fn kind(self) -> &'static str {
        match self {
            Template::Base(_) => base_job_template::KIND,
            Template::Block(_) => kubernetes_job_block::KIND,
        }
    }

    /// What it is called in a sentence.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Template::Base(_) => "the base job template",
            Template::Block(_) => "the KubernetesJob block",
        }
    }

    /// Whether a target means it: the object that it is in, or templates of its kind.
    pub(super) fn is_meant(self, object: &Object<'_>, target: &Target) -> bool {
        let by_kind = object.kind.is_empty() && target.kind.matches(self.kind());
        target.matches(object) || by_kind && target.name.is_none() && target.key.is_none()
    }

    /// Adds its edits, and counts the containers that were chosen.
    pub(super) fn plan(
        self,
        object: &Object<'a>,
        wanted: &DesiredEnv,
        injection: &Injection,
        edits: &mut Vec<Edit>,
        notes: &mut Notes,
    ) -> Result<usize> {
        let selected = match self {
            Template::Base(node) => {
                let parts = BaseJobTemplate::read(object, node)?;
                let Some(pod_spec) = parts.pod_spec else { return Ok(0) };
                let selected = plan_containers(pod_spec, wanted, injection, edits, notes)?;
                if selected.has_flows {
                    base_edits::plan(&parts, wanted, injection.worker_version, edits, notes)?;
                }
                selected
            }
            Template::Block(node) => {
                let block = KubernetesJobBlock::read(object, node)?;
                let selected = match block.pod_spec {
                    Some(pod_spec) => plan_containers(pod_spec, wanted, injection, edits, notes)?,
                    None => implied_container(&injection.containers),
                };
                if selected.has_flows {
                    block_edits::plan(&block, wanted, edits, notes)?;
                }
                selected
            }
        };
        Ok(selected.count)
    }
}

/// What an object is called that is a template of Prefect 2 or 3, or has one in it: by its kind, if it has one.
pub fn template_kind(object: &Object<'_>) -> Option<String> {
    let template = Template::find(object)?;
    Some(if object.kind.is_empty() { template.kind().to_owned() } else { object.kind.to_string() })
}

/// The containers that were chosen.
struct Selected {
    count: usize,
    /// Whether the first is among them, which flows run in.
    has_flows: bool,
}

fn plan_containers(
    pod_spec: Node<'_>,
    wanted: &DesiredEnv,
    injection: &Injection,
    edits: &mut Vec<Edit>,
    notes: &mut Notes,
) -> Result<Selected> {
    let chosen = container::select(pod_spec, &injection.containers, injection.init_containers)?;
    let flows = container::containers(pod_spec).first().map(|container| container.index());
    for container in &chosen {
        if mixed_placeholder(**container).is_some() && !wanted.is_empty() {
            notes.add(
                "`{{ env }}` was taken out from among the entries of a container's `env`: the worker would have \
                 put a mapping there, which Kubernetes refuses; what it stands for comes before the entries anyway"
                    .to_owned(),
            );
        }
        plan_container(*container, wanted, edits)?;
    }
    let has_flows = chosen.iter().any(|container| Some(container.index()) == flows);
    Ok(Selected { count: chosen.len(), has_flows })
}

/// The one container of the Job that a block without its own stands for.
fn implied_container(choice: &ContainerChoice) -> Selected {
    let is_chosen = match choice {
        ContainerChoice::Named(globs) => globs.iter().any(|glob| glob.matches(FLOW_CONTAINER)),
        _ => true,
    };
    Selected { count: usize::from(is_chosen), has_flows: is_chosen }
}
