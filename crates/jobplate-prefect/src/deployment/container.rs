//! The container of a program: its environment, and its command.

use std::rc::Rc;

use jobplate_diagnostic::{Error, Result};
use jobplate_manifest::container;
use jobplate_manifest::env::{Segment, describe_source, segments};
use jobplate_manifest::object::for_each_object;
use jobplate_manifest::workload::pod_specs;
use jobplate_yaml::Node;

use super::options::Options;
use super::shell;
use super::start::{Program, find_start};
use crate::generation;
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::source::{Location, SourceFile, locate};

/// What a manifest says of a program.
#[derive(Debug)]
pub(crate) struct ProgramContainer {
    /// The options that it is started with.
    pub options: Options,
    /// The profile that is named right behind `prefect`: the active one. Elsewhere `--profile` is another thing, and
    /// one of the options.
    pub profile: Option<Resolved>,
    /// Where they stand.
    pub location: Location,
    /// Its environment.
    pub environ: Environ,
    /// The version of Prefect in its image, where it is one of Prefect's own.
    pub version: Option<Vec<u32>>,
    /// Whether it takes variables from whole Secrets or ConfigMaps, too.
    pub has_env_from: bool,
}

/// Finds the program in a manifest. Fails where there is none, or more than one.
pub(crate) fn find(program: &Program, source: &Rc<SourceFile>) -> Result<ProgramContainer> {
    let whole = Location { source: Rc::clone(source), span: 0..0 };
    let mut found = None;
    for_each_object(&source.text, &mut |offset, object| {
        for own in pod_specs(object).unwrap_or_default().into_iter().flat_map(container::containers) {
            if generation::agent_generation(own) != Some(program.generation) {
                continue;
            }
            if found.replace(Reader { program, source, offset }.deployed(own)?).is_some() {
                let error = Error::input(program.several_error);
                return Err(locate(error.hint("name a file with one of them"), Some(&whole)));
            }
        }
        Ok(())
    })?;
    found.ok_or_else(|| {
        let (name, start) = (program.name, program.start.join(" "));
        let article = if name.starts_with('a') { "an" } else { "a" };
        let hint = format!("{article} {name} is a container that runs `{start}`");
        locate(Error::input(program.missing_error).hint(hint), Some(&whole))
    })
}

struct Reader<'s> {
    program: &'s Program,
    source: &'s Rc<SourceFile>,
    offset: usize,
}

impl Reader<'_> {
    fn location(&self, node: Node<'_>) -> Location {
        let span = node.span();
        Location { source: Rc::clone(self.source), span: self.offset + span.start..self.offset + span.end }
    }

    fn deployed(&self, container: Node<'_>) -> Result<ProgramContainer> {
        let environ = self.environ(container)?;
        let Command { profile, options, location } = self.command(container, &environ)?;
        let options = Options::read(self.program, &options, &location)?;
        let has_env_from = container.get_first("envFrom").is_some_and(|list| list.items().next().is_some());
        Ok(ProgramContainer {
            options,
            profile,
            location,
            environ,
            version: generation::image_version(container),
            has_env_from,
        })
    }

    /// The container's variables, in order.
    fn environ(&self, container: Node<'_>) -> Result<Environ> {
        let mut environ = Environ::default();
        for entry in container.get_first("env").into_iter().flat_map(Node::items) {
            let Some(name) = entry.get_first("name").and_then(Node::text) else { continue };
            let value = match (entry.get_first("value"), entry.get_first("valueFrom")) {
                (Some(value), _) => self.expand(&environ, value)?,
                (None, Some(from)) => Resolved::Unknown(reference(from)),
                (None, None) => Resolved::Text(String::new()),
            };
            let location = Some(self.location(entry.get_first("value").or(entry.get_first("name")).unwrap_or(entry)));
            environ.0.retain(|variable| variable.name != name);
            environ.0.push(EnvironVar { name: name.into_owned(), value, location });
        }
        Ok(environ)
    }

    /// The text of a scalar with `$(VAR)` expanded.
    fn expand(&self, environ: &Environ, node: Node<'_>) -> Result<Resolved> {
        expand(environ, &node.text().unwrap_or_default()).ok_or_else(|| {
            let error = Error::input("with its variables put in, this is longer than Linux takes");
            locate(error.hint("no program can be started like this"), Some(&self.location(node)))
        })
    }

    /// What the program is started with.
    fn command(&self, container: Node<'_>, environ: &Environ) -> Result<Command> {
        let start = self.program.start;
        let parts = ["command", "args"].into_iter().filter_map(|key| container.get_first(key)).flat_map(Node::items);
        let mut words: Vec<Resolved> = Vec::new();
        let mut location = self.location(container);
        let mut is_shell = false;
        for part in parts {
            let text = part.text().unwrap_or_default();
            if text.contains("prefect") || text.starts_with("--") {
                location = self.location(part);
            }
            let expanded = self.expand(environ, part)?;
            // One word with blanks in it runs by a shell that the image brings.
            let is_script = is_shell || find_start(start, &shell::roughly(&shell::joined(&text))).is_some();
            if !is_script {
                is_shell =
                    text.as_ref() == "-c" || text.starts_with('-') && !text.starts_with("--") && text.ends_with('c');
                words.push(expanded);
                continue;
            }
            let Some(of_start) = shell::words(start, expanded.as_str(), environ) else {
                let error = Error::input(format!(
                    "the {}'s command uses more of its shell than can be followed here",
                    self.program.name
                ));
                return Err(locate(
                    error.hint(format!("write the {}'s settings into a scenario (`--scenario`)", self.program.name)),
                    Some(&location),
                ));
            };
            words.extend(of_start);
        }
        let texts: Vec<&str> = words.iter().map(Resolved::as_str).collect();
        let Some((session, behind)) = find_start(start, &texts) else {
            let error = Error::input(format!("this {} is not started by `{}`", self.program.name, start.join(" ")));
            return Err(locate(error.hint(self.program.other_command_hint), Some(&location)));
        };
        let takes_profile = self.program.options.iter().any(|(long, ..)| *long == "profile");
        let (profile, session) = match &words[session] {
            [first, profile, rest @ ..] if takes_profile && first.as_str() == "--profile" => {
                (Some(profile.clone()), rest)
            }
            all => (None, all),
        };
        // Before the command, `-p` is no pool.
        let long =
            |word: &Resolved| if word.as_str() == "-p" { Resolved::Text("--profile".to_owned()) } else { word.clone() };
        let options = session.iter().map(long).chain(words[behind..].iter().cloned()).collect();
        Ok(Command { profile, options, location })
    }
}

/// What a program is started with.
struct Command {
    profile: Option<Resolved>,
    options: Vec<Resolved>,
    location: Location,
}

/// The longest word or variable that Linux starts a program with, in bytes (`MAX_ARG_STRLEN`).
const LONGEST: usize = 128 << 10;

/// Expands `$(VAR)` as Kubernetes does: `$$` is a dollar, and what is not set stays. None where it becomes too long.
fn expand(environ: &Environ, text: &str) -> Option<Resolved> {
    let mut out = String::new();
    for part in segments(text) {
        match part {
            Segment::Text(text) => out.push_str(text),
            Segment::EscapedDollar => out.push('$'),
            Segment::Reference(name) => match environ.get(name) {
                Some(variable) if out.len() + variable.value.as_str().len() > LONGEST => return None,
                Some(variable) => out.push_str(variable.value.as_str()),
                None => out.extend(["$(", name, ")"]),
            },
        }
    }
    Some(Resolved::from_text(out))
}

/// What stands for a value that is somewhere else.
fn reference(from: Node<'_>) -> String {
    let text = |of: Node<'_>, key: &str| of.get_first(key).and_then(Node::text).map(|text| text.into_owned());
    format!("<{}>", describe_source(|key| from.get_first(key), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_as_in_kubernetes() {
        let variable = |name: &str, value: Resolved| EnvironVar { name: name.to_owned(), value, location: None };
        let unknown = Resolved::Unknown("<Secret s, key k>".to_owned());
        let environ = Environ(vec![variable("A", Resolved::Text("a".to_owned())), variable("S", unknown)]);
        for (text, wanted) in
            [("$(A)b$(C)$", "ab$(C)$"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A"), ("$(C$(A))", "$(C$(A))")]
        {
            assert_eq!(expand(&environ, text), Some(Resolved::Text(wanted.to_owned())), "{text}");
        }
        let unknown = Resolved::Unknown("x<Secret s, key k>".to_owned());
        assert_eq!(expand(&environ, "x$(S)"), Some(unknown));
    }
}
