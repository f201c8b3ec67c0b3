//! Finds the container that runs a program, and reads its environment and command.

use std::collections::HashSet;
use std::rc::Rc;

use jobplate_diagnostic::{Diagnostic, Error, Result};
use jobplate_manifest::container;
use jobplate_manifest::env::{Segment, describe_source, referenced_names, segments};
use jobplate_manifest::object::{Object, for_each_object};
use jobplate_manifest::sendable;
use jobplate_manifest::workload::pod_specs;
use jobplate_yaml::Node;

use super::options::{OptionParser, Options};
use super::shell;
use super::start::{Program, find_start};
use crate::generation::{self, Generation};
use crate::pyvalue::environ::{Environ, EnvironVar, Resolved};
use crate::pyvalue::limits::Budget;
use crate::pyvalue::source::{Location, SourceFile, locate, locate_diagnostic};

/// The container that runs a program.
#[derive(Debug)]
pub(crate) struct ProgramContainer {
    /// The options that the program is started with.
    pub options: Options,
    /// The active profile: the value of a `--profile` directly after `prefect`. `None` for a program that has no such
    /// option. After the command, `--profile` is an ordinary option with another meaning.
    pub profile: Option<Resolved>,
    /// The location of the options.
    pub location: Location,
    /// The container's environment.
    pub environ: Environ,
    /// The Prefect version of the image, if it is an official Prefect image with a numeric version in its tag.
    pub version: Option<ImageVersion>,
    /// Whether the container has a non-empty `envFrom`, which adds variables from whole Secrets or ConfigMaps.
    pub has_env_from: bool,
    /// The names of the variables that the command or another variable uses.
    pub used_names: HashSet<String>,
    /// Errors about names and values of variables that Kubernetes rejects.
    pub rejected_variables: Vec<Diagnostic>,
}

/// The version in the tag of an image.
#[derive(Debug)]
pub struct ImageVersion {
    /// The numbers of the version, such as 3, 1 and 5.
    pub numbers: Vec<u32>,
    /// The location of the image.
    pub location: Location,
}

impl ImageVersion {
    /// Returns the version with dots.
    pub fn display(&self) -> String {
        self.numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
    }
}

/// Finds the container that runs a program in a manifest. `assumed_version` is the version of Prefect if the container's
/// image does not contain its version.
///
/// # Errors
/// Fails if not exactly one container runs the program, or if the container's variables, command or options are not
/// supported.
pub(crate) fn find(program: &Program, assumed_version: &[u32], source: &Rc<SourceFile>) -> Result<ProgramContainer> {
    let file_location = Location { source: Rc::clone(source), span: 0..0 };
    let mut found = None;
    for_each_object(&source.text, &mut |offset, object| {
        for node in program_containers(program, object) {
            let reader = ContainerReader {
                program,
                assumed_version,
                source,
                offset,
                budget: Budget::default(),
                used_names: HashSet::new(),
            };
            if found.replace(reader.read(node)?).is_some() {
                let error = Error::input(program.several_error);
                return Err(locate(error.hint("pass a file with only one of them"), Some(&file_location)));
            }
        }
        Ok(())
    })?;
    found.ok_or_else(|| {
        let (name, start) = (program.name, program.command.join(" "));
        let article = if name.starts_with('a') { "an" } else { "a" };
        let hint = format!("{article} {name} is a container that runs `{start}`");
        locate(Error::input(program.missing_error).hint(hint), Some(&file_location))
    })
}

/// Returns the name, `KIND/NAME`, and the location of the first object of a manifest that runs a program. Returns `None`
/// if there is no such object.
pub fn find_object(program: &Program, source: &Rc<SourceFile>) -> Option<(String, Location)> {
    let mut found = None;
    for_each_object(&source.text, &mut |offset, object| {
        if found.is_none() && program_containers(program, object).next().is_some() {
            let start = offset + object.node.span().start;
            found = Some((object.display(), Location { source: Rc::clone(source), span: start..start }));
        }
        Ok(())
    })
    .ok()?;
    found
}

/// Returns the containers of an object that run a program.
fn program_containers<'a>(program: &Program, object: &Object<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let generation = Some(program.generation);
    let containers = pod_specs(object).unwrap_or_default().into_iter().flat_map(container::containers);
    containers.filter(move |node| generation::agent_generation(*node) == generation)
}

/// Reads the containers of a document that starts at `offset` in the source.
struct ContainerReader<'s> {
    program: &'s Program,
    assumed_version: &'s [u32],
    source: &'s Rc<SourceFile>,
    offset: usize,
    /// What remains for values that replace `$(VAR)`.
    budget: Budget,
    used_names: HashSet<String>,
}

impl ContainerReader<'_> {
    fn location(&self, node: Node<'_>) -> Location {
        let span = node.span();
        Location { source: Rc::clone(self.source), span: self.offset + span.start..self.offset + span.end }
    }

    fn read(mut self, container: Node<'_>) -> Result<ProgramContainer> {
        let environ = self.environ(container)?;
        let rejected_variables = self.find_rejected_variables(container);
        let StartCommand { profile, options, location } = self.command(container, &environ)?;
        let image = container.get_first("image");
        let version = generation::image_version(container).zip(image);
        let version = version.map(|(numbers, image)| ImageVersion { numbers, location: self.location(image) });
        let known_version = version.as_ref().map_or(self.assumed_version, |version| &version.numbers);
        let parser = option_parser(self.program, known_version);
        let options = Options::parse(self.program, parser, options.each_ref().map(Vec::as_slice), &location)?;
        let has_env_from = container.get_first("envFrom").is_some_and(|list| list.items().next().is_some());
        let used_names = self.used_names;
        Ok(ProgramContainer {
            options,
            profile,
            location,
            environ,
            version,
            has_env_from,
            used_names,
            rejected_variables,
        })
    }

    /// Returns the container's variables, in order.
    ///
    /// # Errors
    /// Fails if an expanded value is too long.
    fn environ(&mut self, container: Node<'_>) -> Result<Environ> {
        let mut environ = Environ::default();
        for entry in container.get_first("env").into_iter().flat_map(Node::items) {
            let Some(name) = entry.get_first("name").and_then(Node::text) else { continue };
            let value = match (entry.get_first("value"), entry.get_first("valueFrom")) {
                (Some(value), _) => self.expand(&environ, value)?,
                (None, Some(from)) => Resolved::Unknown(reference_placeholder(from)),
                (None, None) => Resolved::Text(String::new()),
            };
            let location = Some(self.location(entry.get_first("value").or(entry.get_first("name")).unwrap_or(entry)));
            environ.set(EnvironVar { name: name.into_owned(), value, location });
        }
        Ok(environ)
    }

    /// Returns errors about names and values of variables that are not strings.
    fn find_rejected_variables(&self, container: Node<'_>) -> Vec<Diagnostic> {
        let entries = container.get_first("env").into_iter().flat_map(Node::items);
        let errors = entries.flat_map(sendable::non_string_errors);
        errors.map(|(error, node)| locate_diagnostic(error, Some(&self.location(node)))).collect()
    }

    /// Returns the text of a scalar with `$(VAR)` expanded.
    ///
    /// # Errors
    /// Fails if the expanded text is too long.
    fn expand(&mut self, environ: &Environ, node: Node<'_>) -> Result<Resolved> {
        let text = node.text().unwrap_or_default();
        self.used_names.extend(referenced_names(&text).map(str::to_owned));
        // A variable or an option has a name and a value.
        let paid = self.budget.spend_values(2, "the container");
        let expanded = paid.and_then(|()| expand(environ, &text, &mut self.budget));
        expanded.map_err(|error| locate(error, Some(&self.location(node))))
    }

    /// Returns the command that starts the program.
    ///
    /// # Errors
    /// Fails if the container runs another command, or a shell script that is not supported.
    fn command(&mut self, container: Node<'_>, environ: &Environ) -> Result<StartCommand> {
        let start = self.program.command;
        let parts = ["command", "args"].into_iter().filter_map(|key| container.get_first(key)).flat_map(Node::items);
        let mut location = self.location(container);
        let mut arguments = Vec::new();
        for part in parts {
            let text = part.text().unwrap_or_default();
            if text.contains("prefect") || text.starts_with("--") {
                location = self.location(part);
            }
            arguments.push((self.expand(environ, part)?, text));
        }
        let texts: Vec<&str> = arguments.iter().map(|(argument, _)| argument.as_str()).collect();
        let has_script = find_start(start, &texts).is_none();
        let mut words: Vec<Resolved> = Vec::new();
        let mut is_shell = false;
        for (argument, text) in &arguments {
            // The entrypoint of Prefect's images runs a single argument with spaces in a shell, so an argument that
            // contains the whole command is also a script.
            let is_script =
                is_shell || find_start(start, &shell::split_at_whitespace(&shell::join_lines(text))).is_some();
            if !has_script || !is_script {
                is_shell = text.starts_with('-') && !text.starts_with("--") && text.ends_with('c');
                words.push(argument.clone());
                continue;
            }
            let start_words =
                shell::start_words(start, argument.as_str(), environ, &mut self.budget, &mut self.used_names);
            let Some(start_words) = start_words.map_err(|error| locate(error, Some(&location)))? else {
                let error = Error::input(format!("unsupported shell syntax in the {}'s command", self.program.name));
                return Err(locate(
                    error.hint(format!("write the {}'s settings into a scenario (`--scenario`)", self.program.name)),
                    Some(&location),
                ));
            };
            words.extend(start_words);
        }
        let texts: Vec<&str> = words.iter().map(Resolved::as_str).collect();
        let Some((global_options, end)) = find_start(start, &texts) else {
            let error = Error::input(format!("this {} is not started by `{}`", self.program.name, start.join(" ")));
            return Err(locate(error.hint(self.program.other_command_hint), Some(&location)));
        };
        let has_profile_option = self.program.options.iter().any(|(long, ..)| *long == "profile");
        let (profile, global_options) = match &words[global_options] {
            [first, profile, rest @ ..] if has_profile_option && first.as_str() == "--profile" => {
                (Some(profile.clone()), rest)
            }
            all => (None, all),
        };
        // Before the command, `-p` is short for `--profile`; after it, for `--pool`.
        let long =
            |word: &Resolved| if word.as_str() == "-p" { Resolved::Text("--profile".to_owned()) } else { word.clone() };
        let options = [global_options.iter().map(long).collect(), words[end..].to_vec()];
        Ok(StartCommand { profile, options, location })
    }
}

/// The command that starts a program.
struct StartCommand {
    profile: Option<Resolved>,
    /// The options before and after the command.
    options: [Vec<Resolved>; 2],
    location: Location,
}

/// The first version of Prefect whose options cyclopts parses.
const FIRST_CYCLOPTS_VERSION: [u32; 3] = [3, 6, 20];

/// Returns the library that parses the options of a program of a version. Missing numbers of the version are the newest:
/// `3.8` is the last `3.8.x`.
fn option_parser(program: &Program, version: &[u32]) -> OptionParser {
    let number = |at: usize| version.get(at).copied().unwrap_or(u32::MAX);
    let is_cyclopts = [number(0), number(1), number(2)] >= FIRST_CYCLOPTS_VERSION;
    match is_cyclopts && program.generation == Generation::Prefect2Or3 {
        true => OptionParser::Cyclopts,
        false => OptionParser::Click,
    }
}

/// The maximum length of an argument or a variable on Linux, in bytes (`MAX_ARG_STRLEN`).
const MAX_ARG_LENGTH: usize = 128 << 10;

/// Expands `$(VAR)` like Kubernetes: `$$` is an escaped dollar sign, and a reference to an unset variable is left
/// unchanged.
///
/// # Errors
/// Fails if the result is longer than Linux accepts, or if the values of variables exceed the budget.
fn expand(environ: &Environ, text: &str, budget: &mut Budget) -> Result<Resolved> {
    let too_long = || {
        let error = Error::input("an argument exceeds Linux's limit of 128 KiB after variable expansion");
        error.hint("use shorter values")
    };
    let mut out = String::new();
    for part in segments(text) {
        match part {
            Segment::Text(text) => out.push_str(text),
            Segment::EscapedDollar => out.push('$'),
            Segment::Reference(name) => match environ.get(name) {
                Some(variable) => {
                    budget.spend_bytes(variable.value.as_str().len(), format_args!("`$({name})`"))?;
                    out.push_str(variable.value.as_str());
                }
                None => out.extend(["$(", name, ")"]),
            },
        }
        if out.len() > MAX_ARG_LENGTH {
            return Err(too_long());
        }
    }
    Ok(Resolved::from_text(out))
}

/// Returns the placeholder for a value that `valueFrom` refers to: `<Secret NAME, key KEY>`.
fn reference_placeholder(from: Node<'_>) -> String {
    let read_text =
        |mapping: Node<'_>, key: &str| mapping.get_first(key).and_then(Node::text).map(|text| text.into_owned());
    format!("<{}>", describe_source(|key| from.get_first(key), read_text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_variables_as_kubernetes_does() {
        let variable = |name: &str, value: Resolved| EnvironVar { name: name.to_owned(), value, location: None };
        let unknown = Resolved::Unknown("<Secret s, key k>".to_owned());
        let environ = Environ::from_iter([variable("A", Resolved::Text("a".to_owned())), variable("S", unknown)]);
        let expand = |text: &str| expand(&environ, text, &mut Budget::default()).ok();
        for (text, expected) in
            [("$(A)b$(C)$", "ab$(C)$"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A"), ("$(C$(A))", "$(C$(A))")]
        {
            assert_eq!(expand(text), Some(Resolved::Text(expected.to_owned())), "{text}");
        }
        let unknown = Resolved::Unknown("x<Secret s, key k>".to_owned());
        assert_eq!(expand("x$(S)"), Some(unknown));
    }
}
