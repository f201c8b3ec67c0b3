//! From one document and an [`Injection`] to the edits it needs.

use std::rc::Rc;

use super::env::{Wanted, plan_container};
use super::metadata::plan_names;
use super::request::{Asked, Injection, Names};
use crate::error::{Error, Result};
use crate::manifest::container;
use crate::manifest::env::{EnvValue, EnvVar};
use crate::manifest::field::FieldPath;
use crate::manifest::object::{Object, objects};
use crate::manifest::select::{ContainerChoice, Target};
use crate::manifest::workload::{canonical_kind, is_builtin_workload, pod_specs};
use crate::prefect::program::{Generation, Role, agent, is_base_job_template, role};
use crate::prefect::variables;
use crate::yaml::{Document, Edit, Node};

/// Remarks for the user, each once, in the order in which they came up.
#[derive(Clone, Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    fn add(&mut self, note: String) {
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// Takes over another's remarks.
    pub fn extend(&mut self, other: Notes) {
        other.0.into_iter().for_each(|note| self.add(note));
    }

    /// The remarks.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What is to happen in one document.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of their nodes.
    pub edits: Vec<Edit>,
    /// Positions (among the document's objects) of those that are targets.
    pub targets: Vec<usize>,
    /// How many containers were selected.
    pub containers: usize,
    /// How many of them get everything, not only Prefect's settings.
    pub complete: usize,
    /// The entries that the call names in each of them; kept only where a planner is asked to.
    pub named: Vec<NamedEntries>,
}

/// The env entries of one container that a call names, to set or to remove.
#[derive(Clone, Debug)]
pub struct NamedEntries {
    /// The object's position among the document's objects.
    pub object: usize,
    /// The way from the object to the container.
    pub container: FieldPath,
    /// Their names.
    pub names: Vec<String>,
}

/// Plans documents, one after the other.
pub struct Planner<'i> {
    injection: &'i Injection,
    /// Remarks that came up so far.
    pub notes: Notes,
    /// What an object of a role gets, named by a target or not: made once.
    wanted: Vec<((Role, bool), Rc<Wanted>)>,
    /// Which of the injection's targets have matched an object so far.
    matched: Vec<bool>,
    /// Whether plans say which entries the call names.
    keep_named: bool,
}

impl<'i> Planner<'i> {
    /// A planner for an injection.
    pub fn new(injection: &'i Injection) -> Self {
        Planner {
            injection,
            notes: Notes::default(),
            wanted: Vec::new(),
            matched: vec![false; injection.targets.len()],
            keep_named: false,
        }
    }

    /// The entries that the injection names in a document, whether or not they have to change.
    pub fn named(&mut self, document: Document<'_>) -> Result<Vec<NamedEntries>> {
        self.keep_named = true;
        let plan = self.plan(document, &[]);
        self.keep_named = false;
        Ok(plan?.named)
    }

    /// Decides the edits of a document. `names` are final names for targets, in their order, and win over
    /// the injection's; none for the first round of `--name-hash`, which finds them out.
    pub fn plan(&mut self, document: Document<'_>, names: &[Option<String>]) -> Result<Plan> {
        let mut plan = Plan::default();
        if is_base_job_template(document.root()) {
            self.refuse_secrets(document.root(), "the base job template", PREFECT_2_OR_3)?;
        }
        for (position, object) in objects(document)?.iter().enumerate() {
            let Some(share) = share_of(object, self.injection)? else { continue };
            let (before, named) = (plan.containers, plan.named.len());
            self.plan_object(object, share, &mut plan)?;
            plan.named[named..].iter_mut().for_each(|entries| entries.object = position);
            if plan.containers > before {
                for (matched, target) in self.matched.iter_mut().zip(&self.injection.targets) {
                    *matched = *matched || is_target(target, object);
                }
                let name = names.get(plan.targets.len()).cloned().flatten();
                plan.targets.push(position);
                match name {
                    None => plan_names(object, &self.injection.names, &mut plan.edits)?,
                    name => plan_names(object, &Names { name, ..self.injection.names.clone() }, &mut plan.edits)?,
                }
            }
        }
        plan.edits.sort_by_key(|edit| edit.node);
        if plan.edits.windows(2).any(|pair| pair[0].node == pair[1].node) {
            return Err(Error::new(crate::error::Kind::Internal, "two edits of one node"));
        }
        Ok(plan)
    }

    /// Notes the targets that nothing has matched: one of several may be misspelled.
    pub fn note_unmatched(&mut self) {
        if !self.matched.contains(&true) {
            return;
        }
        for (_, target) in self.matched.iter().zip(&self.injection.targets).filter(|(matched, _)| !**matched) {
            self.notes.add(format!("nothing matches the target {}", target.display()));
        }
    }

    fn plan_object(&mut self, object: &Object<'_>, share: Share<'_>, plan: &mut Plan) -> Result<()> {
        // Only agents are wanted here: an object that can't be one is not looked at closely.
        if matches!(share, Share::Settings) && !object.node.descendants().any(mentions_prefect) {
            return Ok(());
        }
        let injection = self.injection;
        let choice = match share {
            Share::All(Some(Target { containers: Some(choice), .. })) => choice,
            _ => &injection.containers,
        };
        for pod_spec in pod_specs(object)? {
            let all = container::all(pod_spec);
            let role = role(object, &all);
            // In an agent's pod, the agent is the one that counts, wherever it stands.
            let the_agent = all.iter().position(|container| agent(*container).is_some());
            let choice = match (role, choice, the_agent) {
                (Role::Agent(_), ContainerChoice::First, Some(position)) => &ContainerChoice::At(position),
                _ => choice,
            };
            let selected = container::select(pod_spec, choice, injection.init_containers)?;
            let settings_only = matches!(share, Share::Settings);
            if selected.is_empty() || settings_only && !matches!(role, Role::Agent(_)) {
                continue;
            }
            let wanted = self.wanted_by(object, role, share)?;
            for container in selected {
                plan.containers += 1;
                plan.complete += usize::from(!settings_only);
                if self.keep_named {
                    let container = FieldPath::between(object.node, container);
                    let names = wanted.all_names().map(str::to_owned).collect();
                    plan.named.push(NamedEntries { object: 0, container, names });
                }
                if !wanted.is_empty() {
                    plan_container(container, &wanted, &mut plan.edits)?;
                }
            }
        }
        Ok(())
    }

    /// Refuses `--secret` for something that no flow run of Prefect 1 reads.
    fn refuse_secrets(&self, node: Node<'_>, what: &str, why: &str) -> Result<()> {
        for variable in &self.injection.variables {
            if let Asked::PrefectSecret(reference) = &variable.asked {
                let optional = if reference.optional { ":optional" } else { "" };
                let start = node.span().start;
                return Err(Error::refused(format!("--secret {}: {what} {why}", variable.name))
                    .at(start..start + 1)
                    .hint(format!(
                        "name the variable itself: --secret-env {}={}/{}{optional}",
                        variable.name, reference.name, reference.key
                    )));
            }
        }
        Ok(())
    }

    fn wanted_by(&mut self, object: &Object<'_>, role: Role, share: Share<'_>) -> Result<Rc<Wanted>> {
        let key = (role, matches!(share, Share::All(Some(_))));
        if let Some((_, wanted)) = self.wanted.iter().find(|(known, _)| *known == key) {
            return Ok(Rc::clone(wanted));
        }
        let injection = self.injection;
        let wanted = Rc::new(match (share, role) {
            (Share::Settings, Role::Agent(generation)) => {
                Wanted::new(variables::entries(&injection.prefect, generation)?, &[], &[])
            }
            (Share::Settings, _) => Wanted::default(),
            (Share::All(target), _) => {
                let why = match role {
                    Role::FlowRun(Generation::One) => None,
                    Role::FlowRun(Generation::TwoOrThree) => Some(PREFECT_2_OR_3),
                    _ => target.map(|_| "is no flow run's template, so no flow would read it there"),
                };
                if let Some(why) = why {
                    self.refuse_secrets(object.node, &object.display(), why)?;
                }
                let variables = all_variables(role, injection)?;
                Wanted::new(variables, &injection.sources, &injection.unset)
            }
        });
        self.note_names(&wanted, role);
        self.wanted.push((key, Rc::clone(&wanted)));
        Ok(wanted)
    }

    fn note_names(&mut self, wanted: &Wanted, role: Role) {
        let Role::FlowRun(generation) = role else { return };
        for variable in &self.injection.variables {
            if matches!(variable.asked, Asked::PrefectSecret(_)) {
                let written = variables::secret_variable(&variable.name);
                self.notes.add(format!("the secret {} is the variable {written}", variable.name));
                if variable.name.contains("__") {
                    self.notes.add(format!(
                        "Prefect 1 splits {written} at every `__`, so no flow finds a secret of the name {}",
                        variable.name
                    ));
                }
            }
        }
        let managed: Vec<&str> = match generation {
            Generation::One => wanted.names().filter(|name| variables::is_managed_by_agent(name)).collect(),
            Generation::TwoOrThree => Vec::new(),
        };
        if managed.is_empty() {
            return;
        }
        let mut flags: Vec<String> =
            managed.iter().filter_map(|name| variables::agent_flag(name, &self.injection.prefect)).collect();
        flags.dedup();
        let way = match flags.is_empty() {
            true => "there is no way to change that".to_owned(),
            false => format!("set it on the agent: jobplate render AGENT.yaml {}", flags.join(" ")),
        };
        self.notes.add(format!(
            "the Prefect 1 agent (0.14.7 and later) puts its own {} into every flow run; {way}",
            managed.join(", ")
        ));
    }
}

/// How much of an injection an object gets.
#[derive(Clone, Copy)]
enum Share<'i> {
    /// All of it: named by a target, or a Job or CronJob.
    All(Option<&'i Target>),
    /// Prefect's settings, if it turns out to be an agent or worker.
    Settings,
}

fn share_of<'i>(object: &Object<'_>, injection: &'i Injection) -> Result<Option<Share<'i>>> {
    let share = share_by_kind(object, injection);
    if share.is_some() && (injection.skip_hooks || injection.selector.is_some()) {
        object.check_metadata()?;
    }
    Ok(share.filter(|_| {
        let hook = injection.skip_hooks && object.annotation("helm.sh/hook").is_some();
        !hook && injection.selector.as_ref().is_none_or(|selector| selector.matches(object))
    }))
}

fn share_by_kind<'i>(object: &Object<'_>, injection: &'i Injection) -> Option<Share<'i>> {
    if !injection.targets.is_empty() {
        let target = injection.targets.iter().find(|target| is_target(target, object))?;
        return Some(Share::All(Some(target)));
    }
    match &*object.kind {
        "Job" | "CronJob" if is_builtin_workload(object) => Some(Share::All(None)),
        _ if !injection.prefect.is_empty() && is_builtin_workload(object) => Some(Share::Settings),
        _ => None,
    }
}

fn is_target(target: &Target, object: &Object<'_>) -> bool {
    let kind = match canonical_kind(target.kind.as_str()) {
        Some(kind) => kind == object.kind,
        None => target.kind.matches(&object.kind),
    };
    kind && target.name.as_ref().is_none_or(|glob| object.name().is_some_and(|name| glob.matches(&name)))
}

fn mentions_prefect(node: Node<'_>) -> bool {
    node.is_scalar() && node.raw().contains("prefect")
}

/// Why `--secret` is refused there.
const PREFECT_2_OR_3: &str = "is for Prefect 2 or 3, which know no such secrets";

/// All variables that are asked for, as entries for an object of this role.
fn all_variables(role: Role, injection: &Injection) -> Result<Vec<EnvVar>> {
    let mut wanted: Vec<EnvVar> = Vec::new();
    for variable in &injection.variables {
        wanted.push(match &variable.asked {
            Asked::Entry(value) => EnvVar { name: variable.name.clone(), value: value.clone() },
            Asked::PrefectSecret(reference) => {
                let name = variables::secret_variable(&variable.name);
                EnvVar { name, value: EnvValue::SecretKey(reference.clone()) }
            }
        });
    }
    let generation = match role {
        Role::FlowRun(generation) | Role::Agent(generation) => generation,
        Role::Other => Generation::One,
    };
    if !injection.prefect.is_empty() {
        for setting in variables::entries(&injection.prefect, generation)? {
            // A variable named outright says more than a setting.
            if !wanted.iter().any(|variable| variable.name == setting.name) {
                wanted.push(setting);
            }
        }
    }
    Ok(wanted)
}

/// What a document must hold, byte for byte, to have a target: the cheap proof that most have none.
///
/// Every character of a key or kind comes from the same character in the text, but for escapes in double
/// quotes, `!!binary` and `%TAG`. So a text without `containers` (and without the target's kind, where it
/// is known) and without those has no target, whatever else it holds. (`ontainers`: `initContainers` too.)
#[derive(Debug)]
pub struct Filter {
    containers: memchr::memmem::Finder<'static>,
    /// Any of these kinds; none where a target's kind is a pattern.
    kinds: Option<Vec<memchr::memmem::Finder<'static>>>,
    /// Kinds that count only together with the word `prefect`.
    agents: bool,
}

impl Filter {
    /// The filter for an injection.
    pub fn new(injection: &Injection) -> Self {
        let finder = |kind: &str| memchr::memmem::Finder::new(kind).into_owned();
        let kinds = if injection.targets.is_empty() {
            // "CronJob" holds "Job".
            Some(vec![finder("Job")])
        } else {
            let kinds: Option<Vec<_>> =
                injection.targets.iter().map(|target| canonical_kind(target.kind.as_str())).collect();
            kinds.map(|mut kinds| {
                kinds.sort_unstable();
                kinds.dedup();
                kinds.into_iter().map(finder).collect()
            })
        };
        let agents = injection.targets.is_empty() && !injection.prefect.is_empty();
        Filter { containers: finder("ontainers"), kinds, agents }
    }

    /// Whether the text holds the words of a target as they are.
    pub fn names_target(&self, text: &[u8]) -> bool {
        let kind = || match &self.kinds {
            None => true,
            Some(kinds) => kinds.iter().any(|kind| kind.find(text).is_some()),
        };
        self.containers.find(text).is_some()
            && (kind() || self.agents && memchr::memmem::find(text, b"prefect").is_some())
    }

    /// Whether the text holds the key that containers stand under.
    pub fn names_containers(&self, text: &[u8]) -> bool {
        self.containers.find(text).is_some()
    }

    /// Whether one of the words could be made of other characters than its own: by an escape, or by a line
    /// break that a double-quoted scalar joins over, or in another encoding or tag.
    pub fn may_hide_words(&self, text: &[u8]) -> bool {
        memchr::memchr3_iter(b'\\', b'!', b'%', text).any(|at| {
            let rest = &text[at..];
            match rest[0] {
                b'\\' => match rest.get(1) {
                    Some(b'x' | b'u' | b'U') => true,
                    Some(b'\n' | b'\r') => self.is_split_word(&text[..at], &rest[1..]),
                    _ => false,
                },
                b'!' => rest.starts_with(b"!<") || rest.starts_with(b"!!binary"),
                _ => rest.starts_with(b"%TAG"),
            }
        })
    }

    /// Whether a word could stand across an escaped line break, so that `Jo\` and `b` are one.
    fn is_split_word(&self, before: &[u8], behind: &[u8]) -> bool {
        /// No word that is looked for is longer.
        const LONGEST: usize = 32;
        let before = &before[before.len().saturating_sub(LONGEST)..];
        let behind = behind.trim_ascii_start();
        let behind = &behind[..behind.len().min(LONGEST)];
        let joined = [before, behind].concat();
        let kinds = self.kinds.iter().flatten().any(|kind| kind.find(&joined).is_some());
        joined.contains(&b'\\') || kinds || self.kinds.is_none() || self.names_containers(&joined)
    }
}
