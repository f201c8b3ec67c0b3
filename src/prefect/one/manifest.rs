//! An agent's Deployment: the environment of its container, and what `prefect agent kubernetes start` is told there.
//!
//! What Kubernetes makes of it is followed as far as it is known: `$(VAR)` is expanded, and a value that is in a
//! Secret or ConfigMap has a word in its place.

use std::rc::Rc;

use super::agent::Start;
use super::shell;
use crate::error::{Error, Result};
use crate::manifest::container;
use crate::manifest::object::each_in_text;
use crate::manifest::workload::pod_specs;
use crate::prefect::program::{self, Generation};
use crate::python::environ::{Environ, Known, Variable};
use crate::python::heap::{Data, Heap, Id, Place, Text, at};
use crate::yaml::Node;

/// What a manifest says of an agent.
#[derive(Debug)]
pub struct Deployed {
    /// How it is started.
    pub start: Start,
    /// Its environment.
    pub environ: Environ,
    /// The version of Prefect in its image, where it is one of Prefect's own.
    pub version: Option<Vec<u32>>,
    /// Whether it takes variables from whole Secrets or ConfigMaps, too.
    pub has_sources: bool,
}

/// Finds the agent in a manifest. Fails where there is none, or more than one.
pub fn find(heap: &mut Heap, source: &Rc<Text>) -> Result<Deployed> {
    let whole = Place { source: Rc::clone(source), span: 0..0 };
    let mut found = None;
    each_in_text(&source.text, &mut |offset, object| {
        for own in pod_specs(object).unwrap_or_default().into_iter().flat_map(container::all) {
            if program::agent(own) != Some(Generation::One) {
                continue;
            }
            if found.replace(Reader { source, offset }.deployed(heap, own)?).is_some() {
                let error = Error::input("there are several Prefect 1 agents here");
                return Err(at(error.hint("name a file with one of them"), Some(&whole)));
            }
        }
        Ok(())
    })?;
    found.ok_or_else(|| {
        let error = Error::input("no Prefect 1 agent is here");
        at(error.hint("an agent is a container that runs `prefect agent kubernetes start`"), Some(&whole))
    })
}

struct Reader<'s> {
    source: &'s Rc<Text>,
    offset: usize,
}

/// The options of `prefect agent kubernetes start`: long, short, and whether they can stand several times.
const OPTIONS: [(&str, Option<char>, bool); 15] = [
    ("key", Some('k'), false),
    ("tenant-id", None, false),
    ("api", Some('a'), false),
    ("token", Some('t'), false),
    ("agent-config-id", None, false),
    ("name", Some('n'), false),
    ("label", Some('l'), true),
    ("env", Some('e'), true),
    ("max-polls", None, false),
    ("agent-address", None, false),
    ("log-level", None, false),
    ("namespace", None, false),
    ("job-template", None, false),
    ("service-account-name", None, false),
    ("image-pull-secrets", None, false),
];

/// Its switches.
const SWITCHES: [&str; 2] = ["no-cloud-logs", "disable-job-deletion"];

impl Reader<'_> {
    fn place(&self, node: Node<'_>) -> Place {
        let span = node.span();
        Place { source: Rc::clone(self.source), span: self.offset + span.start..self.offset + span.end }
    }

    fn deployed(&self, heap: &mut Heap, container: Node<'_>) -> Result<Deployed> {
        let environ = self.environ(container);
        let (words, place) = self.words(container, &environ)?;
        let start = self.start(heap, &words, &place)?;
        let has_sources = container.first("envFrom").is_some_and(|list| list.items().next().is_some());
        Ok(Deployed { start, environ, version: program::image_version(container), has_sources })
    }

    /// The container's variables, in order.
    fn environ(&self, container: Node<'_>) -> Environ {
        let mut environ = Environ::default();
        for entry in container.first("env").into_iter().flat_map(Node::items) {
            let Some(name) = entry.first("name").and_then(Node::text) else { continue };
            let value = match (entry.first("value"), entry.first("valueFrom")) {
                (Some(value), _) => expand(&environ, &value.text().unwrap_or_default()),
                (None, Some(from)) => Known::Unknown(reference(from)),
                (None, None) => Known::Text(String::new()),
            };
            let place = Some(self.place(entry.first("value").or(entry.first("name")).unwrap_or(entry)));
            environ.0.retain(|variable| variable.name != name);
            environ.0.push(Variable { name: name.into_owned(), value, place });
        }
        environ
    }

    /// The words behind `prefect agent kubernetes start`, and where they stand.
    fn words(&self, container: Node<'_>, environ: &Environ) -> Result<(Vec<Known>, Place)> {
        let parts = ["command", "args"].into_iter().filter_map(|key| container.first(key)).flat_map(Node::items);
        let mut words: Vec<Known> = Vec::new();
        let mut place = self.place(container);
        let mut is_shell = false;
        for part in parts {
            let text = part.text().unwrap_or_default();
            if text.contains("prefect") || text.starts_with("--") {
                place = self.place(part);
            }
            let expanded = expand(environ, &text);
            // One word with blanks in it runs by a shell that the image brings.
            let is_script = is_shell || text.contains(shell::START);
            if !is_script {
                is_shell =
                    text.as_ref() == "-c" || text.starts_with('-') && !text.starts_with("--") && text.ends_with('c');
                words.push(expanded);
                continue;
            }
            let Some(of_start) = shell::words(expanded.text(), environ) else {
                let error = Error::input("the agent's command uses more of its shell than can be followed here");
                return Err(at(error.hint("write the agent's settings into a scenario (`--scenario`)"), Some(&place)));
            };
            words.extend(of_start);
        }
        let is_start = |four: &[Known]| {
            let words = [four[0].text(), four[1].text(), four[2].text(), four[3].text()];
            matches!(words, [prefect, "agent", "kubernetes", "start"] if prefect.rsplit('/').next() == Some("prefect"))
        };
        let Some(start) = words.windows(4).position(is_start) else {
            let error = Error::input("this agent is not started by `prefect agent kubernetes start`");
            return Err(at(error.hint("Jobs are made by the Kubernetes agent only"), Some(&place)));
        };
        Ok((words.split_off(start + 4), place))
    }

    /// What the options say.
    fn start(&self, heap: &mut Heap, words: &[Known], place: &Place) -> Result<Start> {
        let mut command =
            clap::Command::new("start").no_binary_name(true).disable_help_flag(true).args_override_self(true);
        for (long, short, many) in OPTIONS {
            let action = if many { clap::ArgAction::Append } else { clap::ArgAction::Set };
            let arg = clap::Arg::new(long).long(long).allow_hyphen_values(true).action(action);
            command = command.arg(match short {
                Some(short) => arg.short(short),
                None => arg,
            });
        }
        for long in SWITCHES {
            command = command.arg(clap::Arg::new(long).long(long).action(clap::ArgAction::SetTrue));
        }
        let fail = |what: &str| Err(at(Error::input(what.to_owned()), Some(place)));
        let Ok(found) = command.try_get_matches_from(words.iter().map(Known::text)) else {
            return fail("`prefect agent kubernetes start` takes no such options")
                .map_err(|error: Error| error.hint("look at `prefect agent kubernetes start --help`"));
        };
        let put = |heap: &mut Heap, text: &str| heap.put(Known::of(text.to_owned()).into(), Some(place.clone()));
        let one = |heap: &mut Heap, name: &str| found.get_one::<String>(name).map(|text| put(heap, text));
        let many = |name: &str| found.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();

        let mut labels = many("label");
        labels.sort();
        labels.dedup();
        let labels = labels.iter().map(|label| put(heap, label)).collect();
        let env_vars = heap.put(Data::Dict(Vec::new()), Some(place.clone()));
        for pair in many("env") {
            let Some((name, value)) = pair.split_once('=') else {
                return fail("an `--env` of the agent has no `=`");
            };
            let name = heap.put(Data::Str(name.to_owned()), Some(place.clone()));
            let value = put(heap, value);
            heap.set(env_vars, name, value);
        }
        let kwargs = heap.put(Data::Dict(Vec::new()), Some(place.clone()));
        let set = |heap: &mut Heap, name: &str, value: Option<Id>| {
            if let Some(value) = value {
                heap.set_item(kwargs, name, value);
            }
        };
        let labels = heap.put(Data::List(labels), Some(place.clone()));
        set(heap, "labels", Some(labels));
        set(heap, "env_vars", Some(env_vars));
        for (argument, option) in [
            ("agent_config_id", "agent-config-id"),
            ("name", "name"),
            ("namespace", "namespace"),
            ("job_template_path", "job-template"),
            ("service_account_name", "service-account-name"),
        ] {
            let value = one(heap, option);
            set(heap, argument, value);
        }
        let secrets = one(heap, "image-pull-secrets").map(|secrets| super::agent::split_at_commas(heap, secrets));
        set(heap, "image_pull_secrets", secrets);
        if found.get_flag("no-cloud-logs") {
            let no = heap.put(Data::Bool(true), Some(place.clone()));
            set(heap, "no_cloud_logs", Some(no));
        }
        let log_level = found.get_one::<String>("log-level").map(|level| level.to_uppercase());
        Ok(Start {
            kwargs: Some(kwargs),
            key: one(heap, "key"),
            tenant_id: one(heap, "tenant-id"),
            api: one(heap, "api"),
            token: one(heap, "token"),
            log_level: log_level.map(|level| put(heap, &level)),
        })
    }
}

/// Expands `$(VAR)` as Kubernetes does: `$$` is a dollar, and what is not set stays.
fn expand(environ: &Environ, text: &str) -> Known {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        let name = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        match name.and_then(|(name, behind)| Some((environ.get(name)?, behind))) {
            Some((variable, behind)) => {
                out.push_str(variable.value.text());
                rest = behind;
            }
            None => out.push('$'),
        }
    }
    out.push_str(rest);
    Known::of(out)
}

/// What stands for a value that is somewhere else.
fn reference(from: Node<'_>) -> String {
    let text =
        |of: Node<'_>, key: &str| of.first(key).and_then(Node::text).map_or("?".to_owned(), |text| text.into_owned());
    for (kind, word) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
        if let Some(reference) = from.first(kind) {
            return format!("<{word} {}, key {}>", text(reference, "name"), text(reference, "key"));
        }
    }
    match from.first("fieldRef") {
        Some(reference) => format!("<field {}>", text(reference, "fieldPath")),
        None => "<a reference>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_as_in_kubernetes() {
        let variable = |name: &str, value: Known| Variable { name: name.to_owned(), value, place: None };
        let unknown = Known::Unknown("<Secret s, key k>".to_owned());
        let environ = Environ(vec![variable("A", Known::Text("a".to_owned())), variable("S", unknown)]);
        for (text, wanted) in [("$(A)b$(C)$", "ab$(C)$"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A")] {
            assert_eq!(expand(&environ, text), Known::Text(wanted.to_owned()), "{text}");
        }
        assert_eq!(expand(&environ, "x$(S)"), Known::Unknown("x<Secret s, key k>".to_owned()));
    }
}
