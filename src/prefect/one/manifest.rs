//! An agent's Deployment: the environment of its container, and what `prefect agent kubernetes start` is told there.
//!
//! What Kubernetes makes of it is followed as far as it is known: `$(VAR)` is expanded, and a value that is in a
//! Secret or ConfigMap has a word in its place.

use std::rc::Rc;

use super::agent::Start;
use crate::error::{Error, Result};
use crate::manifest::container;
use crate::manifest::object::each_in_text;
use crate::manifest::workload::pod_specs;
use crate::prefect::program::{self, Generation};
use crate::python::environ::{Environ, Known, Variable, references};
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
            let is_script = is_shell || text.contains("prefect agent kubernetes start");
            if !is_script {
                is_shell =
                    text.as_ref() == "-c" || text.starts_with('-') && !text.starts_with("--") && text.ends_with('c');
                words.push(expanded);
                continue;
            }
            let Some(of_start) = script_words(expanded.text(), environ) else {
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
        let ends = |word: &Known| matches!(word.text(), ";" | "&&" | "||" | "|" | "&");
        let options: Vec<Known> = words.into_iter().skip(start + 4).take_while(|word| !ends(word)).collect();
        Ok((options, place))
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
        let put = |heap: &mut Heap, text: &str| {
            let data = match Known::of(text.to_owned()) {
                Known::Text(text) => Data::Str(text),
                Known::Unknown(text) => Data::Unknown(text),
            };
            heap.put(data, Some(place.clone()))
        };
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

/// The words of the command in a shell's script that starts the agent, from `prefect` on; the shell's variables are
/// those of the container.
///
/// None where the script does more that counts: sets or exports variables, calls programs for words, uses variables
/// that are not known or that it may split, quotes a dollar, matches names of files.
fn script_words(script: &str, environ: &Environ) -> Option<Vec<Known>> {
    const START: &str = "prefect agent kubernetes start";
    let joined = script.replace("\\\n", " ");
    let commands = commands(&joined)?;
    let at =
        commands.iter().position(|command| command.split_whitespace().collect::<Vec<_>>().join(" ").contains(START))?;
    let sets = |command: &String| {
        let first = command.split_whitespace().next().unwrap_or_default();
        matches!(
            first,
            "export"
                | "declare"
                | "source"
                | "."
                | "set"
                | "unset"
                | "eval"
                | "read"
                | "alias"
                | "if"
                | "for"
                | "while"
                | "case"
        ) || first.contains('=')
    };
    let before = commands[at].split_whitespace().take_while(|word| word.rsplit('/').next() != Some("prefect"));
    if commands[..at].iter().any(sets)
        || !before.into_iter().all(|word| matches!(word, "exec" | "tini" | "-g" | "--" | "dumb-init"))
    {
        return None;
    }
    // Marks stand for variables, and for values of the cluster, until the words are apart.
    const MARK: char = '\u{e000}';
    let command = &commands[at];
    if command.contains(['`', MARK, '*', '?', '[', '~'])
        || command.contains("\\$")
        || command.contains('\'') && command.contains('$')
    {
        return None;
    }
    let mut values = Vec::new();
    let mut marked = String::new();
    let mut rest = command.as_str();
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        quoted ^= c == '"';
        if c == '<' {
            // All that is left of it are the words for values of the cluster.
            let (reference, behind) = rest.split_once('>')?;
            marked.push_str(&format!("{MARK}{}{MARK}", values.len()));
            values.push(format!("{reference}>"));
            rest = behind;
        } else if c == '$' {
            let inner = &rest[1..];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, behind) = match inner.strip_prefix('{') {
                Some(inner) => inner.split_once('}')?,
                None => inner.split_at(inner.find(|c| !is_name(c)).unwrap_or(inner.len())),
            };
            let value = environ.get(name)?.value.text();
            let splits = value.is_empty() || value.contains([' ', '\t', '\n', '*', '?', '[']);
            if name.is_empty() || !name.chars().all(is_name) || splits && !quoted && references(value).is_empty() {
                return None;
            }
            marked.push_str(&format!("{MARK}{}{MARK}", values.len()));
            values.push(value.to_owned());
            rest = behind;
        } else if c == '{' {
            return None;
        } else {
            marked.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let words = shlex::split(&marked)?;
    let value_of = |(position, part): (usize, &str)| match position % 2 {
        0 => part.to_owned(),
        _ => part.parse::<usize>().ok().and_then(|at| values.get(at).cloned()).unwrap_or_default(),
    };
    Some(words.iter().map(|word| Known::of(word.split(MARK).enumerate().map(value_of).collect())).collect())
}

/// The commands of a script, without what is redirected. None where a quote does not end.
fn commands(script: &str) -> Option<Vec<String>> {
    let mut commands = vec![String::new()];
    let (mut quote, mut redirected, mut comment) = (None, false, false);
    let mut rest = script;
    while let Some(c) = rest.chars().next() {
        let reference = (c == '<').then(|| rest.split_once('>')).flatten();
        let reference = reference.filter(|(own, _)| !references(&format!("{own}>")).is_empty());
        if let (Some((own, behind)), false) = (reference, comment) {
            if !redirected {
                commands.last_mut()?.push_str(&format!("{own}>"));
            }
            rest = behind;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match (quote, c) {
            (None, '\n') => {
                (redirected, comment) = (false, false);
                commands.push(String::new());
            }
            _ if comment => {}
            (None, '#') if commands.last()?.ends_with(' ') => comment = true,
            (None, ';' | '&' | '|' | '(' | ')') => {
                // `2>&1` is no command of its own.
                if !(redirected && c == '&') {
                    redirected = false;
                    commands.push(String::new());
                }
            }
            (None, '>' | '<') => {
                let own = commands.last_mut()?;
                *own = own.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
                redirected = true;
            }
            _ if redirected => {}
            (own, c) => {
                quote = match own {
                    None if matches!(c, '"' | '\'') => Some(c),
                    Some(open) if open == c => None,
                    own => own,
                };
                commands.last_mut()?.push(c);
            }
        }
    }
    quote.is_none().then_some(commands)
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
        let blank = variable("W", Known::Text("a b".to_owned()));
        let environ = Environ(vec![variable("A", Known::Text("a".to_owned())), variable("S", unknown), blank]);
        for (text, wanted) in [("$(A)b$(C)$", "ab$(C)$"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A")] {
            assert_eq!(expand(&environ, text), Known::Text(wanted.to_owned()), "{text}");
        }
        let start = "prefect agent kubernetes start";
        let words = |options: &str| {
            let words = script_words(&format!("cd /x && exec {start} {options}"), &environ)?;
            Some(words.into_iter().skip(5).collect::<Vec<_>>())
        };
        let known = |text: &str| Known::Text(text.to_owned());
        let unknown = |text: &str| Known::Unknown(text.to_owned());
        assert_eq!(words("a \"$A b\" ${A}c"), Some(vec![known("a"), known("a b"), known("ac")]));
        assert_eq!(
            words("K=$S -e x=<Secret s, key k>y"),
            Some(vec![unknown("K=<Secret s, key k>"), known("-e"), unknown("x=<Secret s, key k>y")])
        );
        for rest in ["a \\\n b", "a b; sleep 1", "a b&& c", "a b 2>&1 | tee log", "a b > log", "a b\nc", "a b # c"] {
            assert_eq!(words(rest), Some(vec![known("a"), known("b")]), "{rest:?}");
        }
        for rest in ["a `b`", "$(b)", "'$A'", "$B", "${A:-x}", "\"a", "\\$A", "$W", "{a,b}", "*", "~/x"] {
            assert_eq!(words(rest), None, "{rest}");
        }
        for script in [
            format!("A=b {start}"),
            format!("export A=b; {start}"),
            format!("if true; then {start}; fi"),
            "prefect agent local start".to_owned(),
        ] {
            assert_eq!(script_words(&script, &environ), None, "{script}");
        }
        assert_eq!(expand(&environ, "x$(S)"), Known::Unknown("x<Secret s, key k>".to_owned()));
    }
}
