//! Templates of Prefect 2 and 3 that are no objects of Kubernetes: base job templates and `KubernetesJob` blocks.
//! Which of them are meant, and what goes into their containers; `base_job_template` and `block` decide the rest.

use jobplate_diagnostic::Result;
use jobplate_manifest::container;
use jobplate_manifest::object::Object;
use jobplate_manifest::select::{ContainerChoice, Target};
use jobplate_prefect::base_job_template::{self, BaseJobTemplate, mixed_placeholder};
use jobplate_prefect::block::{self, Block};
use jobplate_prefect::program::{CONTAINER, Generation, Role};
use jobplate_yaml::Node;

use super::env::{Wanted, plan_container};
use super::plan::{PREFECT_2_OR_3, Plan, Planner, Share, passes};

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
        base.or_else(|| block::find(object).map(Template::Block))
    }

    pub(super) fn node(self) -> Node<'a> {
        let (Template::Base(node) | Template::Block(node)) = self;
        node
    }

    /// What names it where objects are named by their kind.
    fn kind(self) -> &'static str {
        match self {
            Template::Base(_) => base_job_template::KIND,
            Template::Block(_) => block::KIND,
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Template::Base(_) => "the base job template",
            Template::Block(_) => "the KubernetesJob block",
        }
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

impl Planner<'_> {
    /// Whether a template is meant: by default, or by a target of its kind.
    pub(super) fn means_template(&mut self, object: &Object<'_>, template: Template<'_>) -> Result<bool> {
        let is_meant = |target: &Target| {
            let by_kind = object.kind.is_empty() && target.kind.matches(template.kind());
            target.means(object) || by_kind && target.name.is_none() && target.key.is_none()
        };
        let targets = &self.injection.targets;
        let by_default = targets.is_empty() && !self.injection.only_named;
        if !(by_default || targets.iter().any(is_meant)) || !passes(object, self.injection)? {
            return Ok(false);
        }
        for (matched, target) in self.matched.iter_mut().zip(targets) {
            *matched = *matched || is_meant(target);
        }
        Ok(true)
    }

    /// Adds the edits of a template. Says whether it has a container that was chosen.
    pub(super) fn plan_template(
        &mut self,
        object: &Object<'_>,
        template: Template<'_>,
        plan: &mut Plan,
    ) -> Result<bool> {
        self.refuse_secrets(template.node(), template.in_words(), PREFECT_2_OR_3)?;
        let wanted = self.wanted_in_role(object, Role::FlowRun(Generation::TwoOrThree), Share::All(None), None)?;
        let selected = match template {
            Template::Base(node) => {
                let parts = BaseJobTemplate::read(object, node)?;
                let Some(pod_spec) = parts.pod_spec else { return Ok(false) };
                let selected = self.plan_containers(pod_spec, &wanted, plan)?;
                if selected.has_flows {
                    let version = self.injection.worker_version;
                    super::base_job_template::plan(&parts, &wanted, version, &mut plan.edits, &mut self.notes)?;
                }
                selected
            }
            Template::Block(node) => {
                let block = Block::read(object, node)?;
                let selected = match block.pod_spec {
                    Some(pod_spec) => self.plan_containers(pod_spec, &wanted, plan)?,
                    None => self.implied_container(),
                };
                if selected.has_flows {
                    super::block::plan(&block, &wanted, &mut plan.edits, &mut self.notes)?;
                }
                selected
            }
        };
        plan.containers += selected.count;
        plan.complete += selected.count;
        Ok(selected.count > 0)
    }

    fn plan_containers(&mut self, pod_spec: Node<'_>, wanted: &Wanted, plan: &mut Plan) -> Result<Selected> {
        let chosen = container::select(pod_spec, &self.injection.containers, self.injection.init_containers)?;
        let flows = container::all(pod_spec).first().map(|container| container.index());
        for container in &chosen {
            if mixed_placeholder(*container).is_some() && !wanted.is_empty() {
                self.notes.add(
                    "`{{ env }}` was taken out from among the entries of a container's `env`: the worker would have \
                     put a mapping there, which Kubernetes refuses; what it stands for comes before the entries anyway"
                        .to_owned(),
                );
            }
            plan_container(*container, wanted, &mut plan.edits)?;
        }
        let has_flows = chosen.iter().any(|container| Some(container.index()) == flows);
        Ok(Selected { count: chosen.len(), has_flows })
    }

    /// The one container of the Job that a block without its own stands for.
    fn implied_container(&self) -> Selected {
        let is_chosen = match &self.injection.containers {
            ContainerChoice::Named(globs) => globs.iter().any(|glob| glob.matches(CONTAINER)),
            _ => true,
        };
        Selected { count: usize::from(is_chosen), has_flows: is_chosen }
    }
}
